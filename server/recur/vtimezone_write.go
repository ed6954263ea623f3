package recur

import (
	"fmt"
	"strconv"
	"time"

	"factotum/server/ical"
)

// change is one change of an IANA zone's offset.
type change struct {
	at       int64 // UTC
	from, to int64
	abbrev   string
	dst      bool
}

// civil is the local time of the change by the offset before it, which is what
// DTSTART of an observance holds. RFC 5545 §3.6.5.
func (c change) civil() int64 { return c.at + c.from }

// VTimezone writes a VTIMEZONE for an IANA zone (or a Windows name) that is
// right from from to to at least; a zero from means 1970, a zero to 2037.
// Yearly changes become an RRULE, without UNTIL while they last; others stand
// alone. RFC 5545 §3.6.5.
func VTimezone(name string, from, to time.Time) (*ical.Component, error) {
	loc := findLocation(cleanTZID(name))
	if loc == nil {
		return nil, fmt.Errorf("time zone %.60q is not known", name)
	}
	if from.IsZero() {
		from = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	// 2037 is far enough to see which changes have no end.
	if end := time.Date(2037, 12, 31, 0, 0, 0, 0, time.UTC); to.Before(end) {
		to = end
	}
	if limit := from.AddDate(1000, 0, 0); to.After(limit) {
		to = limit
	}
	tz := ical.New("VTIMEZONE")
	tz.SetText("TZID", name)
	first, changes := changesOf(loc, from, to)
	tz.AddChild(observanceOf(first, nil))
	for len(changes) > 0 {
		run, rest := takeRun(changes)
		tz.AddChild(observanceOf(run[0], ruleOf(run, to)))
		changes = rest
	}
	return tz, nil
}

// changesOf returns the state at from, as a change, and the changes up to to.
func changesOf(loc *time.Location, from, to time.Time) (first change, list []change) {
	t := from.In(loc)
	abbrev, off := t.Zone()
	begin, _ := t.ZoneBounds()
	first = change{at: t.Unix(), from: int64(off), to: int64(off), abbrev: abbrev, dst: t.IsDST()}
	if !begin.IsZero() {
		_, before := begin.Add(-time.Second).Zone()
		first.at, first.from = begin.Unix(), int64(before)
	} else {
		first.at = from.Unix() - int64(off)
	}
	for len(list) < 5000 {
		next, ok := nextBound(t)
		if !ok || !next.Before(to) {
			break
		}
		t = next
		prev, name := off, abbrev
		if abbrev, off = t.Zone(); off != prev || abbrev != name {
			list = append(list, change{at: t.Unix(), from: int64(prev), to: int64(off), abbrev: abbrev, dst: t.IsDST()})
		}
	}
	return first, list
}

// pattern is how a yearly change may be put: the nth or last weekday of a
// month at a time of day. n is 0 where it does not fit.
type pattern struct{ month, weekday, n, sec int64 }

func patternsOf(c change) [2]pattern {
	civ := c.civil()
	day := floorDiv(civ, daySecs)
	y, m, d := dateOf(day)
	p := pattern{m, weekdayOf(day), (d + 6) / 7, civ - day*daySecs}
	last := p
	if last.n = 0; d+7 > monthLen(y, m) {
		last.n = -1
	}
	if p.n == 5 {
		p.n = 0
	}
	return [2]pattern{last, p}
}

// takeRun takes the first change and those of the following years that are
// alike; rest keeps its order.
func takeRun(list []change) (run, rest []change) {
	var best []change
	for _, p := range patternsOf(list[0]) {
		if p.n == 0 {
			continue
		}
		run := []change{list[0]}
		year, _, _ := dateOf(floorDiv(list[0].civil(), daySecs))
		for _, c := range list[1:] {
			y, _, _ := dateOf(floorDiv(c.civil(), daySecs))
			if y > year+1 {
				break
			}
			if y == year+1 && c.alike(list[0]) {
				if q := patternsOf(c); q[0] == p || q[1] == p {
					run, year = append(run, c), y
				}
			}
		}
		if len(run) > len(best) {
			best = run
		}
	}
	if len(best) < 2 {
		return list[:1], list[1:]
	}
	for _, c := range list[1:] {
		if !inRun(best, c) {
			rest = append(rest, c)
		}
	}
	return best, rest
}

func inRun(run []change, c change) bool {
	for _, r := range run {
		if r == c {
			return true
		}
	}
	return false
}

func (c change) alike(d change) bool {
	return c.from == d.from && c.to == d.to && c.abbrev == d.abbrev && c.dst == d.dst
}

// ruleOf writes a run as a rule, nil for a single change. A run that reaches
// the last year asked about has no end.
func ruleOf(run []change, to time.Time) *Rule {
	if len(run) < 2 {
		return nil
	}
	p := patternsOf(run[0])
	shape := p[0]
	for _, c := range run {
		if q := patternsOf(c); shape.n == 0 || q[0] != shape && q[1] != shape {
			shape = p[1]
			break
		}
	}
	r := &Rule{Freq: Yearly, Interval: 1, WeekStart: time.Monday, ByMonth: []int{int(shape.month)},
		ByDay: []WeekdayNum{{int(shape.n), time.Weekday(shape.weekday)}}}
	last := run[len(run)-1]
	if y, _, _ := dateOf(floorDiv(last.civil(), daySecs)); y < int64(to.Year())-1 {
		r.HasUntil = true
		r.Until = dateTimeOf(last.at, ical.UTC, "") // RFC 5545 §3.3.10: UTC in observances
	}
	return r
}

func observanceOf(c change, r *Rule) *ical.Component {
	name := "STANDARD"
	if c.dst {
		name = "DAYLIGHT"
	}
	o := ical.New(name)
	o.Set("DTSTART", dateTimeOf(c.civil(), ical.Floating, "").String())
	if r != nil {
		o.Set("RRULE", r.String())
	}
	o.Set("TZNAME", ical.EscapeText(c.abbrev))
	o.Set("TZOFFSETFROM", offsetString(c.from))
	o.Set("TZOFFSETTO", offsetString(c.to))
	return o
}

// offsetString writes a UTC-OFFSET; seconds only where there are some.
func offsetString(off int64) string {
	b := []byte{'+'}
	if off < 0 {
		b[0], off = '-', -off
	}
	two := func(n int64) {
		if n < 10 {
			b = append(b, '0')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	two(off / 3600)
	two(off / 60 % 60)
	if off%60 != 0 {
		two(off % 60)
	}
	return string(b)
}
