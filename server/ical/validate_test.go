package ical

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// problems validates a calendar with VERSION and PRODID and the given body.
func problems(t *testing.T, body string) (list []string) {
	t.Helper()
	for _, p := range Validate(mustParse(t, cal("VERSION:2.0\nPRODID:x\n"+body))) {
		list = append(list, p.Severity.String()+": "+p.Error())
	}
	return list
}

// event, todo and alarm are valid components with more properties.
func event(more string) string {
	return "BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART:20260907T100000Z\n" + more + "END:VEVENT\n"
}

func todo(more string) string {
	return "BEGIN:VTODO\nUID:1\nDTSTAMP:20260101T000000Z\n" + more + "END:VTODO\n"
}

func alarm(more string) string { return event("BEGIN:VALARM\n" + more + "END:VALARM\n") }

func TestValidateGood(t *testing.T) {
	if ps := Validate(mustParse(t, benchEvent)); len(ps) > 0 {
		t.Errorf("%v", ps)
	}
	for name, body := range map[string]string{
		"date":           "BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260907\nDURATION:P1D\nEND:VEVENT\n",
		"message":        "METHOD:CANCEL\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nEND:VEVENT\n",
		"extensions":     event("CLASS:X-SECRET\nSTATUS:x-maybe\nX-A;VALUE=X-B:1\nATTENDEE;PARTSTAT=X-LATE;CUTYPE=room:mailto:a@example.com\nVLOCATION:1\n"),
		"many":           event("COMMENT:1\nCOMMENT:2\nCATEGORIES:A\nCATEGORIES:B\nX-A:1\nX-A:2\nEXDATE:20260908T100000Z\nEXDATE:\n"),
		"audio":          alarm("ACTION:AUDIO\nTRIGGER;VALUE=DATE-TIME:20260907T090000Z\nUID:2\nACKNOWLEDGED:20260907T090001Z\n"),
		"repeated alarm": alarm("ACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT5M\nREPEAT:2\nDURATION:PT1M\n"),
		"email":          alarm("ACTION:EMAIL\nDESCRIPTION:x\nSUMMARY:y\nATTENDEE:mailto:a@example.com\nATTENDEE:mailto:b@example.com\nTRIGGER:-PT5M\n"),
		"todo":           todo("DUE:20260907T100000Z\nPERCENT-COMPLETE:100\nSTATUS:completed\nPRIORITY:0\nCOMPLETED:20260907T100000Z\n"),
		"journal":        "BEGIN:VJOURNAL\nUID:1\nDTSTAMP:20260101T000000Z\nDESCRIPTION:1\nDESCRIPTION:2\nSTATUS:DRAFT\nEND:VJOURNAL\n",
		"free and busy":  "BEGIN:VFREEBUSY\nUID:1\nDTSTAMP:20260101T000000Z\nFREEBUSY;FBTYPE=BUSY:20260907T100000Z/PT1H,20260907T120000Z/20260907T130000Z\nEND:VFREEBUSY\n",
		"geo and status": event("GEO:37.386013;-122.082932\nREQUEST-STATUS:2.0;Success\nATTACH;ENCODING=BASE64;VALUE=BINARY:AA==\nATTACH:https://example.com/\n"),
		"rules":          event("RRULE:FREQ=DAILY;COUNT=10\n") + strings.Replace(event("RRULE:FREQ=WEEKLY;UNTIL=20261224T100000Z;WKST=SU;BYDAY=MO,-1FR\nRDATE;VALUE=PERIOD:20260909T100000Z/PT1H\n"), "UID:1", "UID:2", 1),
		"availability":   "BEGIN:VAVAILABILITY\nUID:1\nDTSTAMP:20260101T000000Z\nBUSYTYPE:BUSY\nBEGIN:AVAILABLE\nUID:2\nDTSTAMP:20260101T000000Z\nDTSTART:20260907T100000Z\nDURATION:PT8H\nEND:AVAILABLE\nEND:VAVAILABILITY\n",
		"unknown":        "BEGIN:X-BOX\nDTSTART:20260907\nDTSTART:20260908\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART:20260907T100000Z\nEND:VEVENT\nEND:X-BOX\n",
	} {
		if got := problems(t, body); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestValidateProblems(t *testing.T) {
	const badDate = "not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)"
	for _, tc := range []struct{ section, body, want string }{
		{"3.6", "", "warning: VCALENDAR: it has no components"},
		{"3.6", "VERSION:2.0\n" + event(""), "warning: VCALENDAR VERSION: it may not occur more than once"},
		{"3.6", event(event("")), "error: VEVENT: it may not stand in VEVENT"},
		{"3.6", "BEGIN:VALARM\nACTION:AUDIO\nTRIGGER;VALUE=DATE-TIME:20260907T090000Z\nEND:VALARM\n", "warning: VALARM: it may not stand in VCALENDAR"},
		{"3.6.1", "BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nEND:VEVENT\n", "error: VEVENT DTSTART: it is missing"},
		{"3.6.1", "BEGIN:VEVENT\nDTSTART:20260907T100000Z\nDTSTAMP:20260101T000000Z\nEND:VEVENT\n", "error: VEVENT UID: it is missing"},
		{"3.6.1", "BEGIN:VEVENT\nUID:1\nDTSTART:20260907T100000Z\nEND:VEVENT\n", "warning: VEVENT DTSTAMP: it is missing"},
		{"3.6.1", event("DTSTART:20260907T100000Z\n"), "error: VEVENT DTSTART: it may not occur more than once"},
		{"3.6.1", event("SUMMARY:1\nSUMMARY:2\n"), "warning: VEVENT SUMMARY: it may not occur more than once"},
		{"3.6.1", event("RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY\n"), "warning: VEVENT RRULE: it should not occur more than once"},
		{"3.6.1", event("DTEND:20260907T110000Z\nDURATION:PT1H\n"), "warning: VEVENT DURATION: it may not stand beside DTEND"},
		{"3.6.2", todo("DTSTART:20260907T110000Z\nDUE:20260907T110000Z\nDURATION:PT1H\n"), "warning: VTODO DURATION: it may not stand beside DUE"},
		{"3.6.2", todo("DURATION:PT1H\n"), "warning: VTODO DURATION: it needs a DTSTART to count from"},
		{"3.6.2", todo("RRULE:FREQ=DAILY\n"), "warning: VTODO RRULE: it needs a DTSTART to count from"},
		{"3.6.4", "BEGIN:VFREEBUSY\nUID:1\nDTSTAMP:20260101T000000Z\nFREEBUSY:20260907T100000Z\nEND:VFREEBUSY\n", "error: VFREEBUSY FREEBUSY: not a period of the form start/end or start/duration"},
		{"3.3.9", "BEGIN:VFREEBUSY\nUID:1\nDTSTAMP:20260101T000000Z\nFREEBUSY:20260907T100000Z/20260907T090000Z\nEND:VFREEBUSY\n", "error: VFREEBUSY FREEBUSY: a period ends before it starts"},
		{"3.6.5", "BEGIN:VTIMEZONE\nTZID:x\nEND:VTIMEZONE\n", "warning: VTIMEZONE: it has neither STANDARD nor DAYLIGHT"},
		{"3.6.5", "BEGIN:VTIMEZONE\nTZID:x\nBEGIN:STANDARD\nDTSTART:x\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:STANDARD\nEND:VTIMEZONE\n", "warning: STANDARD DTSTART: " + badDate},
		{"3.6.5", "BEGIN:VTIMEZONE\nTZID:x\nBEGIN:STANDARD\nDTSTART:19700101T000000Z\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:STANDARD\nEND:VTIMEZONE\n", "warning: STANDARD DTSTART: it has to be a local time without TZID"},
		{"3.6.5", "BEGIN:VTIMEZONE\nTZID:x\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:1\nTZOFFSETTO:+0200\nEND:STANDARD\nEND:VTIMEZONE\n", "warning: STANDARD TZOFFSETFROM: not an offset from UTC such as +0100 or -053000"},
		{"3.6.6", alarm("TRIGGER:-PT5M\n"), "warning: VALARM ACTION: it is missing"},
		{"3.6.6", alarm("ACTION:AUDIO\n"), "warning: VALARM TRIGGER: it is missing"},
		{"3.6.6", alarm("ACTION:DISPLAY\nTRIGGER:-PT5M\n"), "warning: VALARM DESCRIPTION: it is missing"},
		{"3.6.6", alarm("ACTION:EMAIL\nSUMMARY:x\nDESCRIPTION:x\nTRIGGER:-PT5M\n"), "warning: VALARM ATTENDEE: it is missing"},
		{"3.6.6", alarm("ACTION:AUDIO\nTRIGGER:-PT5M\nATTACH:x:y\nATTACH:x:z\n"), "warning: VALARM ATTACH: it may not occur more than once"},
		{"3.6.6", alarm("ACTION:AUDIO\nTRIGGER:-PT5M\nREPEAT:2\n"), "warning: VALARM REPEAT: DURATION and REPEAT go together"},
		{"3.8.6.3", alarm("ACTION:AUDIO\nTRIGGER:soon\n"), "warning: VALARM TRIGGER: not a duration such as P1W, P2D, PT1H30M or -PT15M"},
		{"3.8.6.3", alarm("ACTION:AUDIO\nTRIGGER;VALUE=DATE-TIME:20260907T090000\n"), "warning: VALARM TRIGGER: it has to be a date-time in UTC"},
		{"3.8.6.3", alarm("ACTION:AUDIO\nTRIGGER;RELATED=END:PT5M\n"), "warning: VALARM TRIGGER: it counts from an end that is not there"},
		{"3.8.6.3", todo("BEGIN:VALARM\nACTION:AUDIO\nTRIGGER:PT5M\nEND:VALARM\n"), "warning: VALARM TRIGGER: it counts from a start that is not there"},
		{"3.8.2.2", event("DTEND;VALUE=DATE:20260908\n"), "warning: VEVENT DTEND: it has to be a date or a date-time as DTSTART is"},
		{"3.8.2.2", event("DTEND:20260907T090000Z\n"), "warning: VEVENT DTEND: it is before DTSTART"},
		{"3.8.2.2", event("DTEND:20260907T2\n"), "error: VEVENT DTEND: " + badDate},
		{"3.8.2.5", event("DURATION:1 hour\n"), "error: VEVENT DURATION: not a duration such as P1W, P2D, PT1H30M or -PT15M"},
		{"3.8.2.5", event("DURATION:-PT1H\n"), "warning: VEVENT DURATION: it may not be negative"},
		{"3.8.2.5", "BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260907\nDURATION:PT1H\nEND:VEVENT\n", "warning: VEVENT DURATION: it has to be in days or weeks as DTSTART is a date"},
		{"3.8.4.4", event("RECURRENCE-ID:yesterday\n"), "error: VEVENT RECURRENCE-ID: " + badDate},
		{"3.8.4.7", strings.Replace(event(""), "UID:1", "UID: ", 1), "error: VEVENT UID: it is empty"},
		{"3.8.5.1", event("EXDATE:20260908T100000Z,x\n"), "error: VEVENT EXDATE: " + badDate},
		{"3.8.5.1", event("EXDATE;VALUE=DATE:20260908\n"), "warning: VEVENT EXDATE: it should be a date or a date-time as DTSTART is"},
		{"3.3.10", event("RRULE:COUNT=3\n"), "error: VEVENT RRULE: the rule has no known FREQ"},
		{"3.3.10", event("RRULE:FREQ=DAILY;COUNT\n"), "error: VEVENT RRULE: a part of the rule is not of the form NAME=VALUE"},
		{"3.3.10", event("RRULE:FREQ=DAILY;freq=DAILY\n"), "error: VEVENT RRULE: a part of the rule occurs twice"},
		{"3.3.10", event("RRULE:FREQ=DAILY;INTERVAL=0\n"), "error: VEVENT RRULE: INTERVAL is not a positive whole number"},
		{"3.3.10", event("RRULE:FREQ=DAILY;UNTIL=20261301\n"), "error: VEVENT RRULE: UNTIL is no such day in the calendar"},
		{"3.3.10", event("RRULE:FREQ=DAILY;UNTIL=20261224\n"), "warning: VEVENT RRULE: UNTIL should be a date, local or in UTC as DTSTART is"},
		{"3.3.10", event("RRULE:FREQ=DAILY;UNTIL=20261224T000000Z;COUNT=3\n"), "error: VEVENT RRULE: the rule has both UNTIL and COUNT"},
		{"3.8.1.1", event("ATTACH;VALUE=BINARY:AA==\n"), "warning: VEVENT ATTACH: VALUE=BINARY and ENCODING=BASE64 go together"},
		{"3.8.1.3", event("CLASS:SECRET\n"), "warning: VEVENT CLASS: not a value that RFC 5545 knows"},
		{"3.8.1.6", event("GEO:91;0\n"), "warning: VEVENT GEO: not a latitude and longitude in degrees, with a semicolon between them"},
		{"3.8.1.9", event("PRIORITY:10\n"), "warning: VEVENT PRIORITY: not a whole number from 0 to 9"},
		{"3.8.1.11", event("STATUS:COMPLETED\n"), "warning: VEVENT STATUS: not a status that RFC 5545 knows for VEVENT"},
		{"3.8.7.2", event("CREATED:20260907T100000\n"), "warning: VEVENT CREATED: it has to be a date-time in UTC"},
		{"3.8.8.3", event("REQUEST-STATUS:2.8\\; x;y\n"), "warning: VEVENT REQUEST-STATUS: not a status code with a text"},
		{"3.6", "BEGIN:X-BOX\nDTSTART:x\nEND:X-BOX\n", "warning: X-BOX DTSTART: " + badDate},
		{"3.2.12", event("ATTENDEE;PARTSTAT=LATE:mailto:a@example.com\n"), "warning: VEVENT ATTENDEE: PARTSTAT has a value that RFC 5545 does not know"},
		{"3.2.20", event("SUMMARY;VALUE=DATE:x\n"), "warning: VEVENT SUMMARY: VALUE names a type that the property does not have"},
		{"3.3.3", event("ORGANIZER:anna\n"), "warning: VEVENT ORGANIZER: not a calendar user address such as mailto:user@example.com"},
	} {
		if got := problems(t, tc.body); len(got) != 1 || got[0] != tc.want {
			t.Errorf("§%s: %q\nwant %q in\n%s", tc.section, got, tc.want, tc.body)
		}
	}
}

func TestRFC5545_3_6_CalendarProperties(t *testing.T) {
	got := fmt.Sprint(Validate(mustParse(t, cal(event("")))))
	if want := "[VCALENDAR PRODID: it is missing VCALENDAR VERSION: it is missing]"; got != want {
		t.Error(got)
	}
	if err := FirstError(Validate(New("VEVENT"))); err == nil || err.Error() != "VEVENT: the outermost component has to be VCALENDAR" {
		t.Error(err)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	c := NewCalendar("x")
	for range 1000 {
		c.AddChild(New("VTODO")) // an error and a warning
	}
	ps := Validate(c)
	if len(ps) != 2*maxProblems {
		t.Errorf("%d problems", len(ps))
	}
}

func TestFirstError(t *testing.T) {
	ps := Validate(mustParse(t, cal("BEGIN:VEVENT\nUID:abc\nEND:VEVENT\n")))
	err := FirstError(ps)
	var p Problem
	if !errors.As(err, &p) || p.UID != "abc" || p.Property != "DTSTART" || p.Severity != Error {
		t.Errorf("%v", err)
	}
	if err := FirstError(ps[:1]); err != nil {
		t.Errorf("a warning counts as an error: %v", err)
	}
}

func BenchmarkValidate(b *testing.B) {
	c := mustParse(b, benchEvent)
	b.ReportAllocs()
	for b.Loop() {
		if ps := Validate(c); len(ps) > 0 {
			b.Fatal(ps)
		}
	}
}
