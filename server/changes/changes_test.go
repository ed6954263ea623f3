package changes

import (
	"fmt"
	"strings"
	"testing"
)

func object(components ...string) []byte {
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"
	for _, c := range components {
		text += "BEGIN:VEVENT\r\nUID:u\r\n" + strings.ReplaceAll(c, "\n", "\r\n") + "\r\nEND:VEVENT\r\n"
	}
	return []byte(text + "END:VCALENDAR\r\n")
}

func TestBetween(t *testing.T) {
	const at10 = "DTSTART;TZID=Europe/Berlin:20260401T100000"
	for _, c := range []struct {
		name          string
		before, after []byte
		want          string
	}{
		{"nothing but stamps", object("DTSTAMP:20260101T000000Z\nSEQUENCE:1\n" + at10), object("DTSTAMP:20260201T000000Z\nLAST-MODIFIED:20260201T000000Z\nSEQUENCE:2\n" + at10), ""},
		{"a text", object("SUMMARY:one\\, two"), object("SUMMARY:three"), "SUMMARY: “one, two” → “three”"},
		{"added and removed", object("LOCATION:here"), object("DESCRIPTION:a\\nb"), "LOCATION removed: “here”; DESCRIPTION added: “a b”"},
		{"the wall clock", object(at10), object("DTSTART;TZID=Europe/Berlin:20260401T113000"), "DTSTART: Wed 2026-04-01 10:00 Europe/Berlin → Wed 2026-04-01 11:30 Europe/Berlin"},
		{"the same moment", object(at10), object("DTSTART:20260401T080000Z"), "DTSTART: Wed 2026-04-01 10:00 Europe/Berlin → Wed 2026-04-01 08:00 UTC (the same moment)"},
		{"another zone", object(at10), object("DTSTART;TZID=Europe/London:20260401T100000"), "DTSTART: Wed 2026-04-01 10:00 Europe/Berlin → Wed 2026-04-01 10:00 Europe/London"},
		{"a day", object("DTSTART;VALUE=DATE:20260401"), object("DTSTART:20260401T100000"), "DTSTART: Wed 2026-04-01 → Wed 2026-04-01 10:00 of any zone"},
		{"people", object("ATTENDEE;PARTSTAT=NEEDS-ACTION;SCHEDULE-STATUS=1.0:mailto:A@x.org\nATTENDEE:mailto:b@x.org"),
			object("ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-STATUS=1.2:mailto:a@x.org\nATTENDEE;CN=Carl:mailto:c@x.org"),
			"ATTENDEE mailto:a@x.org: NEEDS-ACTION → ACCEPTED; ATTENDEE mailto:b@x.org removed: invited; ATTENDEE mailto:c@x.org added: Carl"},
		{"what became of a message", object("ATTENDEE;SCHEDULE-STATUS=1.0:mailto:a@x.org"), object("ATTENDEE;SCHEDULE-STATUS=1.2:mailto:a@x.org"), ""},
		{"instances taken out", object(at10 + "\nEXDATE;TZID=Europe/Berlin:20260402T100000"), object(at10 + "\nEXDATE;TZID=Europe/Berlin:20260403T100000,20260402T100000"),
			"EXDATE added: Fri 2026-04-03 10:00 Europe/Berlin"},
		{"an instance of its own", object(at10), object(at10, "RECURRENCE-ID;TZID=Europe/Berlin:20260402T100000\nSUMMARY:moved\nDTSTART;TZID=Europe/Berlin:20260402T120000"),
			"instance added: Thu 2026-04-02 10:00 Europe/Berlin “moved” at Thu 2026-04-02 12:00 Europe/Berlin"},
		{"in an instance", object(at10, "RECURRENCE-ID:20260402T080000Z\nSUMMARY:a"), object(at10, "RECURRENCE-ID:20260402T080000Z\nSUMMARY:b"),
			"on Thu 2026-04-02 08:00 UTC, SUMMARY: “a” → “b”"},
		{"an alarm", object("BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nEND:VALARM"), object("BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1H\nEND:VALARM"),
			"alarm removed: DISPLAY -PT15M; alarm added: DISPLAY -PT1H"},
		{"a rule", object("RRULE:FREQ=DAILY"), object("RRULE:FREQ=WEEKLY"), "RRULE: FREQ=DAILY → FREQ=WEEKLY"},
		{"long and odd", object("X-A:" + strings.Repeat("ä", 200) + "\nCATEGORIES:a,b"), object("CATEGORIES:a\\,b"), "X-A removed: " + strings.Repeat("ä", 119) + "…; CATEGORIES: a, b → a,b"},
	} {
		list, err := Between(c.before, c.after)
		var lines []string
		for _, ch := range list {
			lines = append(lines, fmt.Sprint(ch))
		}
		if got := strings.Join(lines, "; "); got != c.want || err != nil {
			t.Errorf("%s:\n got %s\nwant %s (%v)", c.name, got, c.want, err)
		}
	}
	if _, err := Between(object("SUMMARY:a"), []byte("nothing")); err == nil {
		t.Error("what is no calendar is compared")
	}
}

func TestTitle(t *testing.T) {
	for want, data := range map[string][]byte{
		"“a b”, Wed 2026-04-01 10:00 Europe/Berlin, and repeated": object("SUMMARY:a\\nb\nDTSTART;TZID=Europe/Berlin:20260401T100000\nRRULE:FREQ=DAILY"),
		"": []byte("x"),
	} {
		if got := Title(data); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
