package edit

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// shownBetween spells the instances of objects in a range, with their places.
func shownBetween(t *testing.T, from, to time.Time, cals ...*ical.Component) map[time.Time]string {
	t.Helper()
	out := map[time.Time]string{}
	for _, cal := range cals {
		if cal == nil {
			continue
		}
		set, err := recur.Compile(components(cal), recur.ZonesOf(cal))
		if err != nil {
			t.Fatalf("%v in\n%s", err, cal.Bytes())
		}
		for in, err := range set.Between(context.Background(), from, to, recur.UTC, recur.Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, twice := out[in.Start]; twice {
				t.Errorf("%s is there twice", in.Start)
			}
			out[in.Start] = in.End.Sub(in.Start).String() + " " + in.Comp.Value("SUMMARY") + " " + in.Comp.Value("LOCATION")
		}
	}
	return out
}

// TestWCAP_6_2_LongSeries: from or up to an instance of a series with more
// instances than one would list, exactly those are changed or deleted.
func TestWCAP_6_2_LongSeries(t *testing.T) {
	at := func(s string) ical.DateTime {
		d, err := ical.ParseDateTime(s, "Europe/Berlin", false)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	loc := calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "x"}}}}}
	moved := "SUMMARY:s\n\nRECURRENCE-ID;TZID=Europe/Berlin:%s\nDTSTART;TZID=Europe/Berlin:%s\nSUMMARY:moved\n"
	for _, c := range []struct{ rule, pivot, more string }{
		{"FREQ=DAILY;COUNT=1500", "20280101T100000", fmt.Sprintf(moved, "20260310T100000", "20260310T120000")},
		{"FREQ=DAILY", "20270601T100000", fmt.Sprintf(moved, "20271001T100000", "20271001T120000")},
		{"FREQ=DAILY;UNTIL=20290101T090000Z", "20280101T100000", "EXDATE;TZID=Europe/Berlin:20260305T100000,20280102T100000\nRDATE;TZID=Europe/Berlin:20260307T150000,20280307T150000\n"},
		{"FREQ=DAILY;COUNT=1500", "20280101T100000", "RDATE;TZID=Europe/Berlin;VALUE=PERIOD:20260307T150000/PT3H,20280307T150000/20280307T160000\n"},
		{"FREQ=DAILY;COUNT=1500", "20280101T100000", "RDATE;VALUE=PERIOD:20260307T150000Z/PT3H\nRDATE;VALUE=PERIOD:20350307T150000Z/PT3H\n"},
		{"FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=3000", "20300410T100000", ""},
		{"FREQ=MONTHLY;INTERVAL=5;BYDAY=1WE", "20280405T100000", ""},
		{"FREQ=MONTHLY;BYMONTHDAY=-1,4", "20300531T100000", ""},
		{"FREQ=YEARLY;BYMONTH=3,9", "20300904T100000", ""},
	} {
		old := zoned + "RRULE:" + c.rule + "\n" + c.more
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		end := time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
		zone, _ := recur.LoadZone("Europe/Berlin")
		pivot := zone.ToUTC(at(c.pivot).Civil())
		was := shownBetween(t, begin, end, text(t, old))
		if _, ok := was[pivot]; !ok {
			t.Fatalf("%s: %s is no instance", c.rule, c.pivot)
		}
		for _, scope := range []calendar.EditScope{calendar.ThisAndFuture, calendar.ThisAndPrior} {
			hit := func(at time.Time) bool {
				return scope == calendar.ThisAndFuture && !at.Before(pivot) || scope == calendar.ThisAndPrior && !at.After(pivot)
			}
			for _, del := range []bool{false, true} {
				e := editorFor()
				it := &calendar.EditItem{RID: at(c.pivot), Scope: scope, Patch: loc}
				var next, later *ical.Component
				var err error
				if del {
					next, err = e.Remove(text(t, old), it)
				} else {
					next, later, err = e.Store(text(t, old), "later", it)
				}
				if err != nil {
					t.Fatalf("%s: %v", c.rule, err)
				}
				parts := []*ical.Component{next}
				if later != nil {
					parts = append(parts, later)
				}
				is := shownBetween(t, begin, end, parts...)
				want := map[time.Time]string{}
				for at, v := range was {
					switch {
					case hit(at) && del:
					case hit(at):
						want[at] = v + "x"
					default:
						want[at] = v
					}
				}
				if fmt.Sprint(is) != fmt.Sprint(want) {
					for at, v := range want {
						if is[at] != v {
							t.Errorf("%s, scope %d, delete %t: %s is %q, want %q", c.rule, scope, del, at, is[at], v)
							break
						}
					}
					t.Errorf("%s, scope %d, delete %t: %d instances, want %d", c.rule, scope, del, len(is), len(want))
				}
				for _, cal := range parts {
					if err := ical.FirstError(ical.Validate(cal)); err != nil {
						t.Errorf("%v in\n%s", err, cal.Bytes())
					}
					if n := strings.Count(string(cal.Bytes()), "BEGIN:VEVENT"); n > 402 {
						t.Errorf("%s: %d components", c.rule, n)
					}
				}
				if later != nil && (components(later)[0].Text("UID") != "later" || components(next)[0].Text("UID") != "u") {
					t.Errorf("%s: the parts are not two objects", c.rule)
				}
			}
		}
	}
}

// TestWCAP_6_2_Undividable: a rule that cannot go on from an instance is not
// changed as a whole instead.
func TestWCAP_6_2_Undividable(t *testing.T) {
	loc := calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "x"}}}}}
	rid, err := ical.ParseDateTime("20260310T090000Z", "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{"RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY\n", "RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY;BYDAY=SU\n", "RRULE:FREQ=DAILY\nORGANIZER:mailto:x@y.z\nATTENDEE:mailto:anna@example.com\n"} {
		it := &calendar.EditItem{RID: rid, Scope: calendar.ThisAndFuture, Patch: loc, Role: calendar.OwnCopy}
		if _, _, err := editorFor().Store(text(t, zoned+more), "u", it); calendar.KindOf(err) != calendar.TooLarge {
			t.Errorf("%s: %v", more, err)
		}
	}
	// Up to an instance there are few of them.
	if got, _, err := editorFor().Store(text(t, zoned+"RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY\n"), "u", &calendar.EditItem{RID: rid, Scope: calendar.ThisAndPrior, Patch: loc}); err != nil {
		t.Error(err)
	} else if n := strings.Count(string(got.Bytes()), "LOCATION:x"); n != 7 {
		t.Errorf("%d instances in\n%s", n, got.Bytes())
	}
}

// TestWCAP_6_2_NothingBefore: a long series whose first instances are all taken
// out is changed as a whole from the next one on; none is lost.
func TestWCAP_6_2_NothingBefore(t *testing.T) {
	rid, err := ical.ParseDateTime("20260306T100000", "Europe/Berlin", false)
	if err != nil {
		t.Fatal(err)
	}
	old := text(t, zoned+"RRULE:FREQ=DAILY;COUNT=1500\nEXDATE;TZID=Europe/Berlin:20260304T100000,20260305T100000\n")
	loc := calendar.Patch{Props: []calendar.PropEdit{{Name: "LOCATION", Props: []ical.Property{{Name: "LOCATION", Value: "x"}}}}}
	next, later, err := editorFor().Store(old, "later", &calendar.EditItem{RID: rid, Scope: calendar.ThisAndFuture, Patch: loc})
	if err != nil || later != nil {
		t.Fatal(later, err)
	}
	begin, end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
	is := shownBetween(t, begin, end, next)
	for at, v := range shownBetween(t, begin, end, old) {
		if is[at] != v+"x" {
			t.Fatalf("%s is %q, want %q", at, is[at], v+"x")
		}
	}
}
