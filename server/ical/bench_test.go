package ical

import (
	"strings"
	"testing"
)

// benchEvent is an invitation of the size that clients store, about 1.5 KB.
var benchEvent = []byte(strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example Corp.//CalDAV Client 3.1//EN
CALSCALE:GREGORIAN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZNAME:CEST
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZNAME:CET
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:5d942275-4fe3-11d9-b0d6-915bd3cc821f@example.com
DTSTAMP:20260901T081500Z
CREATED:20260820T120000Z
LAST-MODIFIED:20260901T081500Z
SEQUENCE:2
DTSTART;TZID=Europe/Berlin:20260907T100000
DTEND;TZID=Europe/Berlin:20260907T110000
RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20261221T090000Z
EXDATE;TZID=Europe/Berlin:20261005T100000
SUMMARY:Weekly planning of the calendar team
LOCATION:Building 4\, Room 2.17 (Zürich)
DESCRIPTION:Please bring your notes. Agenda:\n1. What was done\n2. What is ne
 xt\n3. What is in the way\n\nThe minutes of last week are at https://example.
 com/minutes/2026/36 and anyone may add to them\, as always.
CATEGORIES:WORK,PLANNING
STATUS:CONFIRMED
TRANSP:OPAQUE
ORGANIZER;CN=Anna Beispiel:mailto:anna@example.com
ATTENDEE;CN=Anna Beispiel;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:anna@example.co
 m
ATTENDEE;CN="Weber, Bruno";PARTSTAT=NEEDS-ACTION;RSVP=TRUE;ROLE=REQ-PARTICIPA
 NT:mailto:bruno@example.com
ATTENDEE;CN=Room 2.17;CUTYPE=ROOM;PARTSTAT=ACCEPTED:mailto:room217@example.co
 m
BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:Reminder
TRIGGER:-PT15M
END:VALARM
END:VEVENT
END:VCALENDAR
`, "\n", "\r\n"))

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(benchEvent, DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	var r Reader
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Parse(benchEvent, DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	cal, err := Parse(benchEvent, DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		buf = cal.Append(buf[:0])
	}
}
