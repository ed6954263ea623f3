package personal

import (
	"strings"
	"testing"

	"factotum/server/ical"
	"factotum/server/recur"
)

func calendarOf(t *testing.T, parts ...string) *ical.Component {
	t.Helper()
	cal, err := ical.Parse([]byte(text(parts...)), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

func text(parts ...string) string {
	return strings.ReplaceAll("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//EN\n"+strings.Join(parts, "")+"END:VCALENDAR\n", "\n", "\r\n")
}

func event(lines ...string) string {
	return "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\n"
}

func alarm(trigger string) string {
	return "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:" + trigger + "\nEND:VALARM"
}

const (
	at    = "DTSTART:20260302T090000Z\nDTEND:20260302T100000Z\nSUMMARY:a"
	daily = at + "\nRRULE:FREQ=DAILY;COUNT=5"
)

func exception(day string, lines ...string) string {
	return event(append([]string{"RECURRENCE-ID:202603" + day + "T090000Z", "DTSTART:202603" + day + "T090000Z", "DTEND:202603" + day + "T100000Z", "SUMMARY:a"}, lines...)...)
}

// TestFoldAndView: what a user writes, what all have of it, and what he sees.
func TestFoldAndView(t *testing.T) {
	for _, c := range []struct {
		name, base, wanted string
		next               string // what is stored; "=" is the base itself
		again              string // what he sees then; "" is what he wrote
		nothing            bool   // he has nothing of his own
	}{
		{name: "an alarm", base: event(at), wanted: event(at, alarm("-PT5M")), next: "="},
		{name: "the owner's alarm is not his", base: event(at, alarm("-PT9M")), wanted: event(at), next: "=", nothing: true},
		{name: "each has one", base: event(at, alarm("-PT9M")), wanted: event(at, alarm("-PT5M")), next: "="},
		{name: "stamps change nothing", base: event(at, "SEQUENCE:1"), wanted: strings.Replace(event(at, "SEQUENCE:2", alarm("-PT5M")), "0101T", "0202T", 1),
			next: "=", again: event(at, "SEQUENCE:1", alarm("-PT5M"))},
		{name: "a title and an alarm", base: event(at, alarm("-PT9M")), wanted: event(at+"b", alarm("-PT5M")), next: event(at+"b", alarm("-PT9M"))},
		{name: "free for him", base: event(at, alarm("-PT9M")), wanted: event(at, "TRANSP:TRANSPARENT"), next: "="},
		{name: "busy for him", base: event(at, "TRANSP:TRANSPARENT"), wanted: event(at), next: "=", again: event(at, "TRANSP:OPAQUE")},
		{name: "busy for both", base: event(at), wanted: event(at, "TRANSP:OPAQUE"), next: "=", again: event(at), nothing: true},
		{name: "dismissed", base: event(at, alarm("-PT9M"), "X-MOZ-LASTACK:20260101T000000Z"), wanted: event(at, "X-MOZ-GENERATION:4", "X-MOZ-SNOOZE-TIME-1:20260101T000000Z", alarm("-PT5M")), next: "="},
		{name: "a new event", wanted: event(at, "TRANSP:TRANSPARENT", alarm("-PT5M")), next: event(at, "TRANSP:TRANSPARENT")},
		{name: "one instance", base: event(daily, alarm("-PT9M")), wanted: event(daily) + exception("04", alarm("-PT5M")), next: "="},
		{name: "one instance rings for him alone", base: event(daily), wanted: event(daily, alarm("-PT5M")) + exception("04"), next: "="},
		{name: "an exception without a word of its own", base: event(daily), wanted: event(daily, alarm("-PT5M")) + exception("04", alarm("-PT5M")),
			next: "=", again: event(daily, alarm("-PT5M"))},
		{name: "a real exception keeps the owner's alarm", base: event(daily, alarm("-PT9M")), wanted: event(daily) + exception("04", "LOCATION:b", alarm("-PT5M")),
			next: event(daily, alarm("-PT9M")) + exception("04", "LOCATION:b", alarm("-PT9M"))},
		{name: "an exception of the owner's has the series' alarm", base: event(daily) + exception("04", "LOCATION:b"), wanted: event(daily, alarm("-PT5M")) + exception("04", "LOCATION:b", alarm("-PT5M")), next: "="},
		{name: "in another zone's words", base: event(daily) + exception("04", "LOCATION:b"),
			wanted: event(daily) + strings.Replace(exception("04", "LOCATION:b", alarm("-PT5M")), "RECURRENCE-ID:20260304T090000Z", "RECURRENCE-ID;TZID=Europe/Vienna:20260304T100000", 1),
			next:   event(daily) + strings.Replace(exception("04", "LOCATION:b"), "RECURRENCE-ID:20260304T090000Z", "RECURRENCE-ID;TZID=Europe/Vienna:20260304T100000", 1)},
		{name: "an exception taken out", base: event(daily) + exception("04", "LOCATION:b", alarm("-PT9M")), wanted: event(daily, "EXDATE:20260304T090000Z"), next: event(daily, "EXDATE:20260304T090000Z"), nothing: true},
		{name: "a task", base: strings.ReplaceAll(event("SUMMARY:a"), "VEVENT", "VTODO"), wanted: strings.ReplaceAll(event("SUMMARY:a", alarm("-PT5M")), "VEVENT", "VTODO"), next: "="},
	} {
		t.Run(c.name, func(t *testing.T) {
			var base *ical.Component
			if c.base != "" {
				base = calendarOf(t, c.base)
			}
			before := base.Clone()
			next, mine := Fold(base, calendarOf(t, c.wanted), recur.UTC)
			if !ical.Equal(base, before) {
				t.Error("the base was changed")
			}
			if c.next == "=" {
				if next != base {
					t.Fatalf("stored anew:\n%s", next.Bytes())
				}
			} else if want := calendarOf(t, c.next); !ical.Equal(next, want) {
				t.Errorf("stored: %s", ical.Diff(next, want))
			}
			if (mine == nil) != c.nothing {
				t.Errorf("his own: %v", mine)
			}
			if mine != nil { // as it is kept
				var err error
				if mine, err = ical.Parse(mine.Bytes(), ical.Limits{}); err != nil {
					t.Fatal(err)
				}
			}
			want := c.again
			if want == "" {
				want = c.wanted
			}
			seen := View(next, mine, recur.UTC)
			if w := calendarOf(t, want); !ical.Equal(seen, w) {
				t.Errorf("he sees: %s", ical.Diff(seen, w))
			}
			if again, own := Fold(next, seen, recur.UTC); again != next || !ical.Equal(own, mine) {
				t.Errorf("written back as seen: %s\n%v, was %v", again.Bytes(), own, mine)
			}
		})
	}
}

// TestInstancesThatWent: what he has for an instance that is none any more is not
// shown.
func TestInstancesThatWent(t *testing.T) {
	_, mine := Fold(calendarOf(t, event(daily)), calendarOf(t, event(daily), exception("04", alarm("-PT5M"))), recur.UTC)
	for _, base := range []string{event(daily, "EXDATE:20260304T090000Z"), event(strings.Replace(daily, "COUNT=5", "COUNT=2", 1)), event(at)} {
		if seen := View(calendarOf(t, base), mine, recur.UTC); !ical.Equal(seen, calendarOf(t, base)) {
			t.Errorf("shown: %s", seen.Bytes())
		}
	}
	moved := calendarOf(t, strings.ReplaceAll(event(daily), "SUMMARY:a", "SUMMARY:b"))
	if seen := View(moved, mine, recur.UTC); !strings.Contains(string(seen.Bytes()), "SUMMARY:b\r\nRECURRENCE-ID:20260304") || seen.Children[1].Value("SUMMARY") != "b" {
		t.Errorf("an instance follows its series: %s", seen.Bytes())
	}
}

func TestMayHave(t *testing.T) {
	for body, want := range map[string]bool{
		event(at): false, event(at, alarm("-PT5M")): true, event(at, "X-MOZ-LASTACK:1"): true,
		event(at, "begin:valarm", "END:VALARM"): true, event(at, "BEGIN:VAL", " ARM", "END:VALARM"): true, event(at, "DESCRIPTION:BEGIN:VALARM"): false,
	} {
		if MayHave([]byte(text(body))) != want {
			t.Errorf("%q: not %t", body, want)
		}
	}
}
