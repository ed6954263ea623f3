package match

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

// TestMayRecur: no object that recurs is taken for one that does not, however
// it is written; and those that most programs write are told apart.
func TestMayRecur(t *testing.T) {
	const zone = "BEGIN:VTIMEZONE\nTZID:A\nBEGIN:STANDARD\nDTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"
	const head, end = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n", "END:VCALENDAR\n"
	event := func(extra string) string {
		return "BEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nDTSTART;TZID=A:20260301T090000\n" + extra + "SUMMARY:RRULE\n RRULE:\n\tRDATE\nRESOURCES:R\nEND:VEVENT\n"
	}
	for _, plain := range []string{event(""), zone + event(""), event("") + zone, zone + zone + event("")} {
		for _, eol := range []string{"\n", "\r\n"} {
			if MayRecur([]byte(strings.ReplaceAll(head+plain+end, "\n", eol))) {
				t.Errorf("may recur: %q", plain)
			}
		}
	}
	for _, rule := range []string{"RRULE:FREQ=DAILY\n", "rrule:FREQ=DAILY\n", "RR\n ULE:FREQ=DAILY\n", "R\n RULE:FREQ=DAILY\n", "RDATE:20260302T090000\n",
		"RECURRENCE-ID:20260301T090000Z\n", "RECURRENCE\n -ID:20260301T090000Z\n", "RDATE;\n X=Y:20260302T090000\n"} {
		for _, text := range []string{
			event(rule), zone + event(rule), event(rule) + zone, strings.ToLower(zone) + event(rule),
			strings.ReplaceAll(zone, "END:VTIMEZONE", "END:VTIME\n ZONE") + event(rule) + zone,
			strings.ReplaceAll(zone, "END:VTIMEZONE", "end:vtimezone") + strings.ReplaceAll(event(rule), "BEGIN", "BE\n GIN") + zone,
			strings.ReplaceAll(zone, "VTIMEZONE\n", "VTIMEZONE\n -X\n") + event(rule),
		} {
			for _, eol := range []string{"\n", "\r\n", "\n\n"} {
				data := []byte(strings.ReplaceAll(head+text+end, "\n", eol))
				cal, err := ical.Parse(data, ical.Limits{})
				if err != nil {
					continue
				}
				recurs := false
				for k := range cal.ChildrenOf("VEVENT") {
					recurs = recurs || k.Prop("RRULE") != nil || k.Prop("RDATE") != nil || k.Prop("RECURRENCE-ID") != nil
				}
				if recurs && !MayRecur(data) {
					t.Errorf("does not recur: %q", data)
				}
			}
		}
	}
}

// TestRFC4791_9_9_Overlaps: half open at both ends, but for a moment.
func TestRFC4791_9_9_Overlaps(t *testing.T) {
	for _, c := range []struct {
		start, end int64
		want       bool
	}{
		{0, 10, false}, {0, 11, true}, {10, 20, true}, {19, 30, true}, {20, 30, false}, {0, 30, true}, {12, 13, true},
		{9, 9, false}, {10, 10, true}, {19, 19, true}, {20, 20, false},
	} {
		if got := Overlaps(c.start, c.end, 10, 20); got != c.want {
			t.Errorf("%d to %d: %t", c.start, c.end, got)
		}
	}
}
