package edit

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
	"factotum/server/object/objecttest"
	"factotum/server/recur"
)

// shown is an instance as its reader sees it.
type shown struct {
	start, end        time.Time
	summary, location string
}

// horizon is where the tests stop to look at series without end.
var horizon = objecttest.Day.AddDate(3, 0, 0)

// seen lists the instances of objects up to the horizon, by their original
// starts. An instance that is in two objects, or twice in one, fails.
func seen(t *rapid.T, e *Editor, cals ...*ical.Component) map[time.Time]shown {
	out := map[time.Time]shown{}
	for _, cal := range cals {
		if cal == nil {
			continue
		}
		s, err := e.open(cal)
		if err != nil {
			t.Fatalf("%v\n%s", err, cal.Bytes())
		}
		for in, err := range s.set.Between(context.Background(), time.Time{}, horizon.AddDate(0, 1, 0), e.Floating, recur.Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			rid := in.RecurrenceID
			if !in.HasRID {
				rid = moment(in.Comp, "DTSTART")
			}
			at := s.clock.instant(rid)
			if _, twice := out[at]; twice {
				t.Fatalf("%s is there twice\n%s", at, cal.Bytes())
			}
			if at.Before(horizon) {
				out[at] = shown{in.Start, in.End, in.Comp.Value("SUMMARY"), in.Comp.Value("LOCATION")}
			}
		}
	}
	return out
}

// valid fails unless an object can be stored.
func valid(t *rapid.T, cal *ical.Component) {
	if cal == nil {
		return
	}
	again, err := ical.Parse(cal.Bytes(), ical.Limits{})
	if err != nil || !ical.Equal(cal, again) {
		t.Fatalf("printed and parsed it is another: %v\n%s", err, cal.Bytes())
	}
	if _, err := object.Judge(object.Rules{Components: []string{"VEVENT"}, Limits: calendar.DefaultLimits}, again, nil); err != nil {
		t.Fatalf("%v\n%s", err, cal.Bytes())
	}
}

// TestWCAP_6_Laws: of whatever series, whatever is done to some of its
// instances, the old object stays as it was, the new ones can be stored, and
// the instances that were not meant are what they were.
func TestWCAP_6_Laws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal := objecttest.Event(t)
		before := string(cal.Bytes())
		e := editorFor()
		e.Floating = objecttest.Zone(t)
		was := seen(t, e, cal)
		if len(was) == 0 {
			t.Skip("nothing takes place")
		}
		s, err := e.open(cal.Clone())
		if err != nil {
			t.Fatal(err)
		}
		var starts []ical.DateTime
		for in, err := range s.set.Between(context.Background(), time.Time{}, time.Time{}, e.Floating, recur.Budget{MaxInstances: 200}) {
			if err != nil {
				break
			}
			if in.HasRID && s.clock.instant(in.RecurrenceID).Before(horizon) {
				starts = append(starts, in.RecurrenceID)
			}
		}
		if len(starts) == 0 {
			starts = []ical.DateTime{moment(s.comps[0], "DTSTART")}
		}
		it := &calendar.EditItem{
			RID:   rapid.SampledFrom(starts).Draw(t, "instance"),
			Scope: calendar.EditScope(rapid.IntRange(0, 3).Draw(t, "scope")),
			Patch: calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "x"}}}}},
		}
		pivot := s.clock.instant(it.RID)
		meant := func(at time.Time) bool {
			switch {
			case it.Scope == calendar.WholeSeries:
				return true
			case it.Scope == calendar.ThisAndFuture:
				return !at.Before(pivot)
			case it.Scope == calendar.ThisAndPrior:
				return !at.After(pivot)
			}
			return at.Equal(pivot)
		}
		whole := true // what means all instances means the series, whose overrides are what they are
		for in, err := range s.set.Between(context.Background(), time.Time{}, time.Time{}, e.Floating, recur.Budget{MaxInstances: 5000}) {
			if err != nil {
				break
			}
			if in.HasRID && !meant(s.clock.instant(in.RecurrenceID)) {
				whole = false
				break
			}
		}
		acts := []string{"store", "delete", "move"}
		if !s.recurs() {
			acts = acts[:2] // it has no original start to be told by
		}
		act := rapid.SampledFrom(acts).Draw(t, "act")
		var by time.Duration
		var next, later *ical.Component
		switch act {
		case "delete":
			it.Mode = calendar.EditDelete
			next, err = e.Remove(cal, it)
		case "move":
			it.Scope = calendar.ThisInstance
			by = time.Duration(rapid.IntRange(1, 3).Draw(t, "by")) * time.Hour
			if s.clock.kind == ical.Date {
				by = 0
			}
			in, _ := s.instance(it.RID)
			for _, at := range []time.Time{in.Start.Add(by), in.End.Add(by)} {
				if z := s.clock.zone; z != nil && !z.ToUTC(z.FromUTC(at)).Equal(at) {
					return // the second pass of a doubled hour, which no local time names: RFC 5545 §3.3.5
				}
			}
			for _, d := range []struct {
				to *(*ical.DateTime)
				at time.Time
			}{{&it.Patch.Start, in.Start.Add(by)}, {&it.Patch.End, in.End.Add(by)}} {
				if s.clock.kind == ical.Date {
					break
				}
				at := ical.FromCivil(d.at, ical.UTC, "")
				*d.to = &at
			}
			fallthrough
		default:
			next, later, err = e.Store(cal, "later", it)
		}
		if string(cal.Bytes()) != before {
			t.Fatalf("the old object was changed from\n%s\nto\n%s", before, cal.Bytes())
		}
		if err != nil {
			reasons := []calendar.Reason{calendar.RecurSkip, calendar.RecurSameDay}
			if calendar.KindOf(err) == calendar.TooLarge || act == "move" && slices.Contains(reasons, calendar.ReasonOf(err)) {
				return
			}
			t.Fatal(err)
		}
		valid(t, next)
		valid(t, later)
		is := seen(t, e, next, later)
		for at, v := range was {
			got, there := is[at]
			delete(is, at)
			switch {
			case !meant(at), whole && it.Scope != calendar.ThisInstance && act != "delete" && v.summary != "master":
				if got != v {
					t.Fatalf("%s of %s at %s: %s is %v, was %v\n%s\nnow\n%s%s", act, fmt.Sprint(it.Scope), pivot, at, got, v, before, printed(next), printed(later))
				}
			case act == "delete":
				if there {
					t.Fatalf("%s is still there\n%s", at, printed(next))
				}
			default:
				v.location, v.start, v.end = "x", v.start.Add(by), v.end.Add(by)
				if got != v {
					t.Fatalf("%s of %s at %s: %s is %v, not %v\n%s\nnow\n%s%s", act, fmt.Sprint(it.Scope), pivot, at, got, v, before, printed(next), printed(later))
				}
			}
		}
		for at, v := range is {
			t.Fatalf("%s is new: %v\n%s\nnow\n%s%s", at, v, before, printed(next), printed(later))
		}
	})
}

func printed(cal *ical.Component) string {
	if cal == nil {
		return ""
	}
	return string(cal.Bytes())
}
