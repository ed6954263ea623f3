package recur

import (
	"strings"
	"testing"
	"time"
)

// TestRFC4791_9_9_Overlap goes through the tables for VTODO, VEVENT and
// VJOURNAL, with ranges that touch the edges.
func TestRFC4791_9_9_Overlap(t *testing.T) {
	const s, d = "DTSTART:20200110T100000Z", "DUE:20200110T120000Z"
	const before, after = "20200109T000000Z", "20200111T000000Z"
	tests := []struct {
		kind, lines, from, to string
		want                  bool
	}{
		{"VTODO", s + "\nDURATION:PT2H", "20200110T120000Z", after, true}, // start <= DTSTART+DURATION
		{"VTODO", s + "\nDURATION:PT2H", "20200110T120001Z", after, false},
		{"VTODO", s + "\nDURATION:PT2H", before, "20200110T100000Z", false},
		{"VTODO", s + "\nDURATION:PT0S", before, "20200110T100000Z", true}, // end >= DTSTART+DURATION
		{"VTODO", s + "\n" + d, "20200110T120000Z", after, false},          // start < DUE
		{"VTODO", s + "\n" + d, "20200110T115959Z", after, true},
		{"VTODO", s + "\n" + d, before, "20200110T100000Z", false},
		{"VTODO", s + "\nDUE:20200110T100000Z", "20200110T100000Z", after, true}, // start <= DTSTART
		{"VTODO", s + "\nDUE:20200110T100000Z", before, "20200110T100000Z", true},
		{"VTODO", s, "20200110T100000Z", after, true},
		{"VTODO", s, "20200110T100001Z", after, false},
		{"VTODO", s, before, "20200110T100000Z", false},
		{"VTODO", d, "20200110T120000Z", after, false},
		{"VTODO", d, before, "20200110T120000Z", true},
		{"VTODO", d, before, "20200110T115959Z", false},
		{"VTODO", "COMPLETED:20200110T120000Z\nCREATED:20200101T120000Z", "20200105T000000Z", "20200106T000000Z", true},
		{"VTODO", "COMPLETED:20200110T120000Z\nCREATED:20200101T120000Z", "20200111T000000Z", "20200112T000000Z", false},
		{"VTODO", "COMPLETED:20200110T120000Z\nCREATED:20200101T120000Z", "20191230T000000Z", "20191231T000000Z", false},
		{"VTODO", "COMPLETED:20200110T120000Z", "20200110T120000Z", after, true},
		{"VTODO", "COMPLETED:20200110T120000Z", before, "20200110T120000Z", true},
		{"VTODO", "COMPLETED:20200110T120000Z", "20200110T120001Z", after, false},
		{"VTODO", "CREATED:20200110T120000Z", "20300101T000000Z", "20300102T000000Z", true},
		{"VTODO", "CREATED:20200110T120000Z", before, "20200110T120000Z", false},
		{"VTODO", "SUMMARY:x", before, after, true},
		{"VTODO", d + "\nRRULE:FREQ=DAILY", "20200201T000000Z", "20200201T120000Z", true},
		{"VTODO", d + "\nRRULE:FREQ=DAILY", "20200201T120000Z", "20200202T115959Z", false},
		// DUE as a date: also on its own day.
		{"VTODO", "DUE;VALUE=DATE:20200110", "20200110T000000Z", "20200111T000000Z", true},
		{"VTODO", "DUE;VALUE=DATE:20200110", "20200110T120000Z", "20200110T130000Z", true},
		{"VTODO", "DUE;VALUE=DATE:20200110", "20200111T000000Z", "20200112T000000Z", false},
		{"VTODO", "DUE;VALUE=DATE:20200110", "20200109T000000Z", "20200110T000000Z", true}, // end >= DUE
		{"VTODO", "DUE;VALUE=DATE:20200110", "20200108T000000Z", "20200109T000000Z", false},
		{"VTODO", "DUE;VALUE=DATE:20200110\nRRULE:FREQ=DAILY", "20200201T120000Z", "20200201T130000Z", true},
		{"VTODO", "DUE;VALUE=DATE:20200110\nRRULE:FREQ=MONTHLY;COUNT=2", "20200210T120000Z", "20200210T130000Z", true},
		{"VTODO", "DUE;VALUE=DATE:20200110\nRRULE:FREQ=MONTHLY;COUNT=2", "20200211T000000Z", "20200212T000000Z", false},
		{"VTODO", "DTSTART;VALUE=DATE:20200110\nDUE;VALUE=DATE:20200110", "20200110T120000Z", "20200110T130000Z", true},
		{"VTODO", "DTSTART;VALUE=DATE:20200110\nDUE;VALUE=DATE:20200110", "20200111T000000Z", "20200112T000000Z", false},
		{"VTODO", "DTSTART;VALUE=DATE:20200109\nDUE;VALUE=DATE:20200110", "20200110T120000Z", "20200110T130000Z", false},
		{"VTODO", s + "\nDUE;VALUE=DATE:20200110", "20200110T120000Z", "20200110T130000Z", true},
		{"VTODO", s + "\nDUE;VALUE=DATE:20200111", "20200110T120000Z", "20200110T130000Z", true},
		{"VTODO", s + "\nDUE;VALUE=DATE:20200111", "20200111T120000Z", "20200112T000000Z", false},
		{"VJOURNAL", s, "20200110T100000Z", after, true},
		{"VJOURNAL", s, before, "20200110T100000Z", false},
		{"VJOURNAL", "DTSTART;VALUE=DATE:20200110", "20200110T230000Z", after, true},
		{"VJOURNAL", "SUMMARY:x", "", "", false},
		{"VEVENT", s + "\nDTEND:20200110T110000Z", "20200110T110000Z", after, false},
		{"VEVENT", s + "\nDURATION:PT0S", "20200110T100000Z", after, true},
		{"VEVENT", s, before, "20200110T100000Z", false},
		{"VEVENT", "DTSTART;VALUE=DATE:20200110", "20200110T235959Z", after, true},
		{"VEVENT", "DTSTART;VALUE=DATE:20200110", "20200111T000000Z", "20200112T000000Z", false},
	}
	for _, tt := range tests {
		cal := calendarOf(t, "BEGIN:"+tt.kind+"\nUID:1\n"+tt.lines+"\nEND:"+tt.kind)
		set, err := compileCal(cal)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, err := range set.Between(t.Context(), at(t, tt.from), at(t, tt.to), nil, Budget{}) {
			got = err == nil
			break
		}
		name := tt.kind + " " + strings.ReplaceAll(tt.lines, "\n", " ")
		if got != tt.want {
			t.Errorf("%s in [%s,%s): %v", name, tt.from, tt.to, got)
		}
		// What overlaps a range lies in the span, ends included.
		lo, hi, infinite := set.Span(nil)
		if tt.want && (lo.After(at(t, tt.to)) || !infinite && hi.Before(at(t, tt.from))) {
			t.Errorf("%s overlaps [%s,%s), but spans %v to %v", name, tt.from, tt.to, lo, hi)
		}
	}
}

// Alarms of what has no zone go by the viewer's clock. RFC 5545 §3.8.6.3.
func TestRFC5545_3_8_6_3_FloatingAlarms(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"from an end over the clocks put forward", event("DTSTART:20260328T220000", "DTEND:20260329T040000", alarm("TRIGGER;RELATED=END:-PT15M")), "0329T0145"},
		{"from an end over the clocks put back", event("DTSTART:20261024T220000", "DTEND:20261025T040000", alarm("TRIGGER;RELATED=END:PT0S")), "1025T0300"},
		{"a day before an end", event("DTSTART:20260328T220000", "DTEND:20260329T040000", alarm("TRIGGER;RELATED=END:-P1D")), "0328T0300"},
		{"a day before an end as time passes", event("DTSTART:20260328T220000", "DURATION:PT6H", alarm("TRIGGER;RELATED=END:-P1D")), "0328T0400"},
		{"a day before a time in the gap", event("DTSTART:20260329T023000", alarm("TRIGGER:-P1D")), "0328T0130"},
		{"of an all-day event", event("DTSTART;VALUE=DATE:20260329", alarm("TRIGGER;RELATED=END:-PT1H")), "0329T2100"},
		{"of a task", "BEGIN:VTODO\nUID:1\nDTSTART:20260328T220000\nDUE:20260329T040000\n" + alarm("TRIGGER;RELATED=END:-PT15M") + "\nEND:VTODO", "0329T0145"},
		{"of a period", event("DTSTART:20260301T090000", "RDATE;VALUE=PERIOD:20260328T220000/20260329T040000", alarm("TRIGGER;RELATED=END:PT0S")), "0301T0800 0329T0200"},
	} {
		if got := alarmsIn(t, setOf(t, c.body), "", "", zone(t, "Europe/Berlin")); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// alarmsIn lists what fires in a window.
func alarmsIn(t *testing.T, s *Set, from, to string, float Zone) string {
	t.Helper()
	var out []string
	last := time.Time{}
	for a, err := range s.Alarms(t.Context(), at(t, from), at(t, to), float, Budget{}) {
		if err != nil {
			t.Fatal(err)
		}
		if a.At.Before(last) {
			t.Errorf("%v after %v", a.At, last)
		}
		last = a.At
		out = append(out, a.At.Format("0102T1504"))
	}
	return strings.Join(out, " ")
}

func alarm(lines ...string) string {
	return "BEGIN:VALARM\nACTION:DISPLAY\n" + strings.Join(lines, "\n") + "\nEND:VALARM"
}

func TestRFC4791_9_9_Alarms(t *testing.T) {
	tests := []struct{ name, body, from, to, want string }{
		{"before the start", event("DTSTART:20200110T100000Z", "RRULE:FREQ=DAILY", alarm("TRIGGER:-PT15M")), "20200201T000000Z", "20200203T000000Z", "0201T0945 0202T0945"},
		{"the range's start is in, its end out", event("DTSTART:20200110T100000Z", "RRULE:FREQ=DAILY", alarm("TRIGGER:-PT15M")), "20200201T094500Z", "20200202T094500Z", "0201T0945"},
		{"before the end", event("DTSTART:20200110T100000Z", "DURATION:PT2H", alarm("TRIGGER;RELATED=END:-PT15M")), "", "", "0110T1145"},
		{"long after the end", event("DTSTART:20200110T100000Z", "DURATION:P2D", alarm("TRIGGER;RELATED=END:P3D")), "20200115T000000Z", "20200116T000000Z", "0115T1000"},
		{"repeats, and only some are in", event("DTSTART:20200110T100000Z", alarm("TRIGGER:-PT1H", "REPEAT:3", "DURATION:PT20M")), "20200110T091000Z", "20200110T095000Z", "0110T0920 0110T0940"},
		{"absolute, once", event("DTSTART:20200110T100000Z", "RRULE:FREQ=DAILY", alarm("TRIGGER;VALUE=DATE-TIME:20200105T080000Z")), "20200101T000000Z", "20200201T000000Z", "0105T0800"},
		{"absolute, without VALUE", event("DTSTART:20200110T100000Z", alarm("TRIGGER:20200105T080000Z")), "20200101T000000Z", "20200201T000000Z", "0105T0800"},
		{"absolute, VALUE says otherwise", event("DTSTART:20200110T100000Z", alarm("TRIGGER;VALUE=DURATION:20200105T080000Z")), "20200101T000000Z", "20200201T000000Z", "0105T0800"},
		{"relative, VALUE says otherwise", event("DTSTART:20200110T100000Z", alarm("TRIGGER;VALUE=DATE-TIME:-PT15M")), "", "", "0110T0945"},
		{"absolute, of a zone", event("DTSTART:20200110T100000Z", alarm("TRIGGER;VALUE=DATE-TIME;TZID=Europe/Berlin:20200105T080000")), "20200101T000000Z", "20200201T000000Z", "0105T0700"},
		{"a date is no moment", event("DTSTART:20200110T100000Z", alarm("TRIGGER;VALUE=DATE:20200105")), "", "", ""},
		{"no time before", event("DTSTART:20200110T100000Z", alarm("TRIGGER:-PT0S")), "", "", "0110T1000"},
		{"nothing behind T", event("DTSTART:20200110T100000Z", alarm("TRIGGER:-P1DT")), "", "", "0109T1000"},
		{"END with a blank", event("DTSTART:20200110T100000Z", "DURATION:PT2H", alarm("TRIGGER;RELATED=END :-PT15M")), "", "", "0110T1145"},
		{"a day before, over a change of the clocks", event("DTSTART;TZID=Europe/Berlin:20200329T100000", alarm("TRIGGER:-P1D")), "", "", "0328T0900"},
		{"two alarms of neighbours interleave", event("DTSTART:20200110T100000Z", "RRULE:FREQ=DAILY;COUNT=2", alarm("TRIGGER:-PT30H"), alarm("TRIGGER:PT0S")), "", "", "0109T0400 0110T0400 0110T1000 0111T1000"},
		{"an override has its own", event("DTSTART:20200110T100000Z", "RRULE:FREQ=DAILY;COUNT=2", alarm("TRIGGER:-PT5M")) +
			event("RECURRENCE-ID:20200111T100000Z", "DTSTART:20200111T120000Z", alarm("TRIGGER:-PT10M")), "", "", "0110T0955 0111T1150"},
		{"a to-do by its DUE", "BEGIN:VTODO\nUID:1\nDUE:20200110T120000Z\n" + alarm("TRIGGER;RELATED=END:-PT1H") + "\nEND:VTODO", "", "", "0110T1100"},
		{"one that cannot be read is silent", event("DTSTART:20200110T100000Z", alarm("TRIGGER:soon")), "", "", ""},
	}
	for _, tt := range tests {
		if got := alarmsIn(t, setOf(t, tt.body), tt.from, tt.to, nil); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}
