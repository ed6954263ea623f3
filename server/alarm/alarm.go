package alarm

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// Wants are the alarms that the server does something about.
type Wants struct {
	Mail    bool // ACTION:EMAIL
	Publish bool // what shows or sounds, and EMAIL too
}

// Any tells whether there are some.
func (w Wants) Any() bool { return w.Mail || w.Publish }

// May tells whether a text may have an alarm that is wanted. It errs on the side of
// yes but for words that are folded, so that nobody parses what has none.
func (w Wants) May(text []byte) bool {
	return w.Any() && contains(text, "BEGIN:VALARM") && (w.Publish || contains(text, "EMAIL"))
}

// contains finds a word in capitals, however it is spelled there.
func contains(text []byte, word string) bool {
	for len(text) >= len(word) {
		i := bytes.IndexAny(text[:len(text)-len(word)+1], word[:1]+strings.ToLower(word[:1]))
		if i < 0 {
			return false
		}
		if strings.EqualFold(string(text[i:i+len(word)]), word) {
			return true
		}
		text = text[i+1:]
	}
	return false
}

// Firing is an alarm that fires.
type Firing struct {
	recur.Alarm
	AID     string // names the VALARM in its component
	Mail    bool
	Publish bool
	Snoozed bool // again, by X-MOZ-SNOOZE-TIME
}

// Plan is what of an object fires.
type Plan struct {
	cal      *ical.Component
	set      *recur.Set
	zones    *recur.Zones
	floating recur.Zone
	wants    Wants
	of       map[*ical.Component]about // a VALARM
	snoozes  []Firing                  // in order of time
}

// about is what is known of a VALARM.
type about struct {
	aid   string
	mail  bool
	acked time.Time // it has been seen to up to then
}

// New makes a plan of an object; nil where nothing of it ever fires for the server.
// floating is the zone of the calendar.
func New(cal *ical.Component, wants Wants, floating recur.Zone) *Plan {
	p := &Plan{cal: cal, zones: recur.ZonesOf(cal), floating: floating, wants: wants, of: map[*ical.Component]about{}}
	var comps []*ical.Component
	var notes []*ical.Component // that have a time of snoozing
	var master *ical.Component
	for _, c := range cal.Children {
		if c.Name != "VEVENT" && c.Name != "VTODO" {
			continue
		}
		if c.Prop("RECURRENCE-ID") == nil {
			master = c
		}
	}
	for _, c := range cal.Children {
		if c.Name != "VEVENT" && c.Name != "VTODO" {
			continue
		}
		acked := lastAck(c)
		if master != nil && c != master {
			acked = later(acked, lastAck(master))
		}
		fires := &ical.Component{Name: c.Name, Props: c.Props}
		for i, k := range c.Children {
			if k.Name == "VALARM" && open(c) {
				if a, ok := p.read(k, i); ok {
					a.acked = later(a.acked, acked)
					p.of[k] = a
					fires.Children = append(fires.Children, k)
				}
			}
		}
		comps = append(comps, fires)
		if wants.Publish && slices.ContainsFunc(c.Props, func(q ical.Property) bool { return strings.HasPrefix(q.Name, snoozeTime) }) {
			notes = append(notes, fires)
		}
	}
	if len(p.of) == 0 {
		return nil
	}
	set, err := recur.Compile(comps, p.zones)
	if err != nil {
		return nil
	}
	p.set = set
	for _, c := range notes {
		p.addSnoozes(c)
	}
	slices.SortStableFunc(p.snoozes, func(a, b Firing) int { return a.At.Compare(b.At) })
	return p
}

// Floating is the zone in which floating times of the object are read.
func (p *Plan) Floating() recur.Zone { return p.floating }

// read tells what a VALARM is, which is the n-th in its component; ok is false if
// the server has nothing to do with it. One with PROXIMITY fires at a place, and
// Apple's ACTION:NONE stands for no alarm. RFC 9074 §8.
func (p *Plan) read(k *ical.Component, n int) (a about, ok bool) {
	switch k.Word("ACTION") {
	case "EMAIL":
		a.mail = true
	case "DISPLAY", "AUDIO":
		if !p.wants.Publish {
			return a, false
		}
	default:
		return a, false
	}
	if k.Prop("PROXIMITY") != nil {
		return a, false
	}
	a.aid = cmp.Or(strings.TrimSpace(k.Text("UID")), strings.TrimSpace(k.Text("X-WR-ALARMUID")), strconv.Itoa(n+1))
	a.acked = lastAck(k)
	if at := instant(k.Prop("ACKNOWLEDGED")); at.After(a.acked) {
		a.acked = at
	}
	return a, true
}

// open tells whether anybody still wants to be reminded of a component.
func open(c *ical.Component) bool {
	switch c.Word("STATUS") {
	case "CANCELLED", "COMPLETED":
		return false
	}
	return c.Name != "VTODO" || c.Prop("COMPLETED") == nil && strings.TrimSpace(c.Value("PERCENT-COMPLETE")) != "100"
}

const (
	lastAckName = "X-MOZ-LASTACK"
	snoozeTime  = "X-MOZ-SNOOZE-TIME"
)

// lastAck is up to when Thunderbird's user has seen to the alarms of a component.
func lastAck(c *ical.Component) time.Time { return instant(c.Prop(lastAckName)) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// instant reads a time in UTC; zero where there is none.
func instant(p *ical.Property) time.Time {
	if p == nil {
		return time.Time{}
	}
	d, err := ical.ParseDateTime(strings.TrimSpace(p.Value), "", false)
	if err != nil {
		return time.Time{}
	}
	return d.Civil()
}

// addSnoozes notes when a component's alarms are to be shown again: all of them once.
// The name of the property has the instance, in microseconds.
func (p *Plan) addSnoozes(c *ical.Component) {
	for i := range c.Props {
		q := &c.Props[i]
		at := instant(q)
		if !strings.HasPrefix(q.Name, snoozeTime) || at.IsZero() {
			continue
		}
		var in recur.Instance
		ok := false
		if text, dated := strings.CutPrefix(q.Name, snoozeTime+"-"); dated {
			micros, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				continue
			}
			in, ok = p.set.InstanceIn(ical.FromCivil(time.UnixMicro(micros).UTC(), ical.UTC, ""), p.zones, p.floating)
		} else {
			in, ok = p.instanceAt(at, c)
		}
		if !ok || c.Prop("RECURRENCE-ID") != nil && in.Comp != c {
			continue
		}
		for _, k := range in.Comp.Children {
			if a := p.of[k]; !a.mail && !at.Before(lastAck(c)) {
				p.snoozes = append(p.snoozes, Firing{Alarm: recur.Alarm{At: at, Comp: k, Instance: in}, AID: a.aid, Publish: true, Snoozed: true})
				break
			}
		}
	}
}

// instanceAt is the first instance of a component that is not over at a time, or
// its only one.
func (p *Plan) instanceAt(at time.Time, c *ical.Component) (recur.Instance, bool) {
	from := at
	if !p.set.Recurring() {
		from = time.Time{}
	}
	for in, err := range p.set.Between(context.Background(), from, time.Time{}, p.floating, recur.Budget{MaxInstances: 1, MaxSteps: mostSteps}) {
		return in, err == nil && (c == nil || in.Comp == c)
	}
	return recur.Instance{}, false
}

// mostSteps bounds one look at a series.
const mostSteps = 20_000

// firings yields what fires in [from,to), in order of time.
func (p *Plan) firings(from, to time.Time, lim recur.Budget) iter.Seq2[Firing, error] {
	return func(yield func(Firing, error) bool) {
		snoozes := p.snoozes
		for a, err := range p.set.Alarms(context.Background(), from, to, p.floating, lim) {
			if err != nil {
				yield(Firing{}, err)
				return
			}
			for len(snoozes) > 0 && !snoozes[0].At.After(a.At) {
				if !snoozes[0].At.Before(from) && !yield(snoozes[0], nil) {
					return
				}
				snoozes = snoozes[1:]
			}
			about := p.of[a.Comp]
			if !a.At.After(about.acked) {
				continue
			}
			if a.Instance.Comp.Prop("RECURRENCE-ID") == nil && p.set.Recurring() && absolute(a.Comp) {
				// It is about the series: of which instance, only the time tells.
				if in, ok := p.instanceAt(a.At, nil); ok {
					a.Instance = in
				}
			}
			if !yield(Firing{Alarm: a, AID: about.aid, Mail: about.mail && p.wants.Mail, Publish: p.wants.Publish}, nil) {
				return
			}
		}
		for _, f := range snoozes {
			if !f.At.Before(from) && (to.IsZero() || f.At.Before(to)) && !yield(f, nil) {
				return
			}
		}
	}
}

func absolute(k *ical.Component) bool {
	_, _, abs, err := k.Prop("TRIGGER").Trigger()
	return err == nil && abs
}

// spans are how far one looks ahead, one after the other, so that a series whose
// next alarm is near costs little, and one that has none is not looked through for
// ever: some day it is looked at again.
var spans = []time.Duration{time.Hour, day, 8 * day, 40 * day, 366 * day}

const day = 24 * time.Hour

// Next is when something fires next, at from or after it; or, where that takes too
// long to find, when to look again, before which nothing does. ok is false if
// nothing fires any more.
func (p *Plan) Next(from time.Time) (at time.Time, ok bool) {
	lim := recur.Budget{MaxInstances: mostSteps, MaxSteps: mostSteps}
	low := from
	if p.set.Recurring() {
		for _, span := range spans {
			high := from.Add(span)
			for f, err := range p.firings(low, high, lim) {
				if err != nil {
					return later(low, from.Add(spans[0])), true
				}
				return f.At, true
			}
			low = high
		}
	}
	for f, err := range p.firings(low, time.Time{}, lim) {
		if err != nil {
			return later(low, from.Add(spans[len(spans)-1])), true
		}
		return f.At, true
	}
	return time.Time{}, false
}

// Punctual is how late a firing may be without anybody asking whether it is of use
// still.
const Punctual = time.Minute

// After is the first moment after a time at which something may fire that has not
// fired by then: alarms fire at whole seconds.
func After(now time.Time) time.Time { return now.Truncate(time.Second).Add(time.Second) }

// Due is what is to be sent of what fires in [from,now]: all that is punctual; of
// what is late, as after a time in which the server was down, the newest of each
// VALARM, unless it is more than late behind or what it reminds of is over. Of what
// fires at one moment for one instance one alarm is published.
func (p *Plan) Due(from, now time.Time, late time.Duration) (list []Firing) {
	from = later(from, now.Add(-max(late, Punctual)))
	behind := map[*ical.Component]int{}
	for f, err := range p.firings(from, After(now), recur.Budget{}) {
		if err != nil {
			break
		}
		i, passed := behind[f.Comp]
		if now.Sub(f.At) <= Punctual {
			if passed {
				list[i].Mail, list[i].Publish = false, false
			}
			list = append(list, f)
			continue
		}
		if in := &f.Instance; in.Comp.Name == "VEVENT" && f.At.Before(in.End) && !now.Before(in.End) {
			continue
		}
		if passed {
			list[i] = f
		} else {
			behind[f.Comp] = len(list)
			list = append(list, f)
		}
	}
	shown := map[moment]int{}
	for i := range list {
		f := &list[i]
		if !f.Publish {
			continue
		}
		m := moment{f.At, f.Instance.Start}
		j, twice := shown[m]
		switch {
		case !twice:
			shown[m] = i
		case p.of[list[j].Comp].mail && !p.of[f.Comp].mail:
			list[j].Publish, shown[m] = false, i
		default:
			f.Publish = false
		}
	}
	return slices.DeleteFunc(list, func(f Firing) bool { return !f.Mail && !f.Publish })
}

// moment is when an alarm about an instance fires.
type moment struct{ at, start time.Time }
