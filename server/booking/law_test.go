package booking

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	_ "factotum/server/object/objecttest" // laws draw the same cases each time in CI
	"factotum/server/observe/costtest"
	"factotum/server/recur"
)

// model says by brute force what becomes of each instance of a new meeting.
func model(p Policy, cal *ical.Component, by Booker, busy, closed []Span) map[int64]string {
	comps, _ := object.Components(cal)
	set, _ := recur.Compile(comps, recur.ZonesOf(cal))
	type one struct {
		at               int64
		bad, hard, clash bool
	}
	var all []one
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, nil, recur.Budget{}) {
		if err != nil {
			panic(err)
		}
		o := one{at: in.Start.Unix()}
		meets := func(b Span) bool {
			return b.Start < b.End && in.Start.Unix() < in.End.Unix() && b.Start < in.End.Unix() && in.Start.Unix() < b.End
		}
		o.clash = p.NoDoubles && slices.ContainsFunc(busy, meets)
		o.hard = slices.ContainsFunc(closed, meets) || p.Longest > 0 && in.End.Sub(in.Start) > p.Longest || p.Ahead > 0 && in.Start.Sub(now) > p.Ahead ||
			len(p.Who) > 0 && !slices.Contains(p.Who, by.Person.ID)
		o.bad = o.hard || o.clash
		all = append(all, o)
	}
	bad, hard := 0, 0
	for _, o := range all {
		if o.bad {
			bad++
		}
		if o.hard {
			hard++
		}
	}
	good := "ACCEPTED"
	if !p.AutoAccept {
		good = "NEEDS-ACTION"
	}
	out := map[int64]string{}
	for _, o := range all {
		is := good
		switch {
		case bad == 0:
		case bad == len(all):
			is = "DECLINED"
		case p.Series == calendar.SeriesExcept:
			if o.bad {
				is = "DECLINED"
			}
		case p.Series == calendar.SeriesAccept && hard == 0:
		case p.Series == calendar.SeriesAsk:
			is = "NEEDS-ACTION"
		default:
			is = "DECLINED"
		}
		out[o.at] = is
	}
	return out
}

// Whatever is asked for, each instance is answered as one by one, and no time
// that is held belongs to another meeting unless that is allowed.
func TestDecisionsAgreeWithTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		start := now.Add(time.Duration(rapid.IntRange(0, 48*4).Draw(rt, "start")) * 15 * time.Minute)
		minutes := rapid.SampledFrom([]int{0, 15, 60, 90, 24 * 60}).Draw(rt, "minutes")
		lines := []string{"DTSTART:" + start.Format("20060102T150405Z"), fmt.Sprintf("DURATION:PT%dM", minutes), me}
		n := rapid.IntRange(1, 30).Draw(rt, "count")
		if n > 1 {
			lines = append(lines, fmt.Sprintf("RRULE:FREQ=%s;COUNT=%d", rapid.SampledFrom([]string{"DAILY", "WEEKLY", "HOURLY"}).Draw(rt, "freq"), n))
		}
		events := [][]string{lines}
		cal := parse(t, events...)
		if n > 2 && rapid.Bool().Draw(rt, "override") {
			comps, _ := object.Components(cal)
			set, err := recur.Compile(comps, recur.ZonesOf(cal))
			if err != nil {
				rt.Fatal(err)
			}
			for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, nil, recur.Budget{}) {
				if err != nil {
					rt.Fatal(err)
				}
				if !rapid.Bool().Draw(rt, "other") {
					continue
				}
				moved := in.Start.Add(time.Duration(rapid.IntRange(-8, 8).Draw(rt, "moved"))*15*time.Minute + time.Second)
				events = append(events, []string{"RECURRENCE-ID:" + in.RecurrenceID.String(), "DTSTART:" + moved.Format("20060102T150405Z"), "DURATION:PT45M", me})
				if len(events) > 4 {
					break
				}
			}
			cal = parse(t, events...)
		}
		var busy []Span
		for range rapid.IntRange(0, 12).Draw(rt, "others") {
			from := now.Add(time.Duration(rapid.IntRange(0, 40*24*4).Draw(rt, "from")) * 15 * time.Minute).Unix()
			busy = append(busy, Span{from, from + int64(rapid.IntRange(0, 8).Draw(rt, "long"))*900})
		}
		var closed []Span
		for range rapid.IntRange(0, 2).Draw(rt, "closings") {
			from := now.Add(time.Duration(rapid.IntRange(0, 40*24).Draw(rt, "closed")) * time.Hour).Unix()
			closed = append(closed, Span{from, from + int64(rapid.IntRange(0, 30).Draw(rt, "hours"))*3600})
		}
		p := Policy{AutoAccept: rapid.Bool().Draw(rt, "auto"), NoDoubles: rapid.IntRange(0, 3).Draw(rt, "doubles") > 0}
		p.Series = calendar.SeriesRule(rapid.IntRange(0, 3).Draw(rt, "series"))
		p.Longest = rapid.SampledFrom([]time.Duration{0, 0, time.Hour}).Draw(rt, "longest")
		p.Ahead = rapid.SampledFrom([]time.Duration{0, 0, 10 * 24 * time.Hour}).Draw(rt, "ahead")
		p.Who = rapid.SampledFrom([][]string{nil, nil, {"anna"}, {"ben"}}).Draw(rt, "who")
		k, err := Open(p, Request{Object: cal, Room: room, By: anna, Now: now})
		if err != nil {
			rt.Fatal(err)
		}
		from, to, ok := k.Range()
		var within []Span // what is outside makes no difference
		for _, b := range busy {
			if ok && b.Start < to.Unix() && b.End > from.Unix() {
				within = append(within, b)
			}
		}
		var shut []Span // as it is told of times asked about
		for _, a := range k.Asked() {
			for _, b := range closed {
				if b := (Span{max(a.Start, b.Start), min(a.End, b.End)}); b.Start < b.End {
					shut = append(shut, b)
				}
			}
		}
		d := k.Decide(within, shut)
		answers := map[*ical.Component]Outcome{}
		for _, a := range d.Answers {
			answers[a.Of] = a.Outcome
		}
		except := map[int64]Outcome{}
		for _, e := range d.Exceptions {
			except[e.Instance.Start.Unix()] = e.Outcome
		}
		want := model(p, cal, anna, busy, closed)
		counted := 0
		for _, c := range d.Tally {
			counted += c.Instances
		}
		if counted != len(k.insts) {
			rt.Errorf("%d instances were counted, of %d", counted, len(k.insts))
		}
		for _, in := range k.insts {
			o, is := except[in.Start.Unix()]
			if !is {
				o = answers[in.Comp]
			}
			if w := want[in.Start.Unix()]; o.PartStat != w {
				rt.Errorf("%s: %s %s, the model says %s\n%s", in.Start, o.PartStat, o.Reason, w, say(d))
			}
			if o.Reason.Declines() != (o.PartStat == "DECLINED") || o.PartStat == "DECLINED" && o.Holds || o.PartStat == "ACCEPTED" && !o.Holds {
				rt.Errorf("%s: %+v contradicts itself", in.Start, o)
			}
			if p.NoDoubles && p.Series != calendar.SeriesAccept && o.Holds {
				for _, b := range busy {
					if b.Start < b.End && in.Start.Before(in.End) && b.Start < in.End.Unix() && in.Start.Unix() < b.End {
						rt.Errorf("%s is held, and others have the time", in.Start)
					}
				}
			}
		}
		if len(except) > len(k.insts)/2 {
			rt.Errorf("%d of %d instances are exceptions", len(except), len(k.insts))
		}
	})
}

// A series of ten thousand instances beside as many of others takes less than a
// quarter of a second of a processor, whatever comes out, and so does one that
// never ends.
func TestLargeSeriesIsQuick(t *testing.T) {
	var busy []Span
	for i := range maxInstances {
		start := at("20260902T1000").AddDate(0, 0, i)
		busy = append(busy, Span{start.Unix(), start.Add(time.Hour).Unix()})
	}
	for name, rule := range map[string]string{"ten thousand": "RRULE:FREQ=DAILY;COUNT=10000", "endless": "RRULE:FREQ=DAILY", "each minute": "RRULE:FREQ=MINUTELY"} {
		cal := parse(t, []string{"DTSTART:20260902T090000Z", "DURATION:PT30S", rule, me})
		for _, series := range []calendar.SeriesRule{calendar.SeriesDecline, calendar.SeriesExcept} {
			took, ok := costtest.Within(costtest.Cost{CPU: 250 * time.Millisecond}, 3, func() {
				p := Policy{AutoAccept: true, NoDoubles: true, Booking: calendar.Booking{Series: series, Capacity: 5}}
				k, err := Open(p, Request{Object: cal, Before: cal, Room: room, By: anna, Now: now})
				if err != nil {
					t.Fatal(err)
				}
				if d := k.Decide(busy, nil); len(d.Answers) != 1 {
					t.Fatalf("%d answers", len(d.Answers))
				}
			})
			if !ok {
				t.Errorf("%s, %s: %v", name, series, took)
			} else {
				t.Logf("%s, %s: %v", name, series, took)
			}
		}
	}
}
