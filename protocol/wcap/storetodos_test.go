package wcap

import (
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

// TestWCAP_13_Storetodos: due without a start, progress there and back.
func TestWCAP_13_Storetodos(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storetodos.wcap?dtstart=0&due=20260310T120000Z&completed=0&percent=0&status=3&summary=t&tzid=Europe/Berlin&uid=t&storetype=1&mod=4&method=1"+lightning).
		errno(0).contains("BEGIN:VTODO", "DUE:20260310T120000Z", "X-NSCP-DUE-TZID:Europe/Berlin", "STATUS:NEEDS-ACTION", "PERCENT-COMPLETE:0").lacks("\nDTSTART:", "\nCOMPLETED:")
	has(t, s.stored("anna", "anna", "t"), "DUE;TZID=Europe/Berlin:20260310T130000")
	s.do("anna", "storetodos.wcap?uid=t&percent=100&completed=20260309T080000Z"+lightning).errno(0).contains("COMPLETED:20260309T080000Z", "PERCENT-COMPLETE:100", "STATUS:COMPLETED")
	s.do("anna", "storetodos.wcap?uid=t&completed=0&percent=0&mod=1&method=2&fmt-out=text/xml&fetch=1&calid=anna").errno(0).
		contains("<PERCENT>0</PERCENT>", "<STATUS>NEEDS-ACTION</STATUS>", "<RSTATUS>2.0;Success.  Store successful.</RSTATUS>").lacks("<COMPLETED>")
	s.do("anna", "storetodos.wcap?uid=t&due=0"+lightning).errno(0).lacks("DUE")
	s.do("anna", "storetodos.wcap?uid=t&dtstart=20260310T120000Z&due=20260311T120000Z&status=5"+lightning).errno(0).contains("DTSTART:", "STATUS:IN-PROCESS")
	s.do("anna", "storetodos.wcap?uid=none&storetype=2"+lightning).errno(62)
	s.do("anna", "storetodos.wcap?uid=t&storetype=1"+lightning).errno(63)
	s.do("anna", "storeevents.wcap?uid=t&storetype=2&summary=x"+lightning).errno(62) // a task is no event
	s.do("anna", "storetodos.wcap?uid=t&percent=101"+lightning).errno(15)
	s.do("anna", "deletetodos_by_id.wcap?calid=anna&uid=t;none&rid=0;0&mod=4;4").errno(59).contains("UID:t\r\nREQUEST-STATUS:2.0", "UID:none\r\nREQUEST-STATUS:3.1")
}

// TestWCAP_7_8_Alarms: parameters become VALARMs and come back.
func TestWCAP_7_8_Alarms(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storeevents.wcap?uid=a&dtstart=20260310T090000Z&alarmStart=-PT15M&alarmEmails=anna@example.com;x@y.z&alarmPopup=-PT5M"+lightning).errno(0).
		contains("ACTION:EMAIL", "TRIGGER:-PT15M", "ATTENDEE:mailto:anna@example.com", "ATTENDEE:mailto:x@y.z", "ACTION:DISPLAY", "TRIGGER:-PT5M", "DESCRIPTION:This is the alarm description")
	s.do("anna", "fetchevents_by_id.wcap?uid=a&calid=anna").errno(0).contains("TRIGGER;VALUE=DATE-TIME:20260310T084500Z")
	s.do("anna", "storeevents.wcap?uid=a&calid=anna&alarmEmails=more@y.z").errno(0)
	has(t, s.stored("anna", "anna", "a"), "mailto:x@y.z", "mailto:more@y.z", "TRIGGER:-PT15M")
	s.do("anna", "storeevents.wcap?uid=a&calid=anna&alarmPopup=20260310T083000Z&alarmDescription=wake").errno(0)
	has(t, s.stored("anna", "anna", "a"), "TRIGGER;VALUE=DATE-TIME:20260310T083000Z", "!-PT5M", "DESCRIPTION:wake")
	s.do("anna", "storeevents.wcap?uid=a&alarmStart=&alarmPopup=&alarmEmails="+lightning).errno(0).lacks("VALARM")
	series(s, "w", "&alarmStart=20260304T083000Z&alarmEmails=anna@example.com")
	has(t, s.stored("anna", "anna", "w"), "TRIGGER:-PT30M")
	for bad, n := range map[string]int{"alarmStart=PXX": 14, "alarmStart=-PT5M&alarmEmails=nobody": 60, "alarmStart=2026": 14} {
		s.do("anna", "storeevents.wcap?uid=b&dtstart=20260310T090000Z&calid=anna&"+bad).errno(n)
	}
	// What another client wrote into the alarm stays.
	s.put("anna", "anna", "c.ics", simpleEvent("c", "20260310T090000Z", "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:x", "TRIGGER:-PT1M", "X-KEEP:1", "END:VALARM"))
	s.do("anna", "storeevents.wcap?uid=c&calid=anna&alarmPopup=-PT7M").errno(0)
	has(t, s.stored("anna", "anna", "c"), "X-KEEP:1", "TRIGGER:-PT7M", "!-PT1M")
}

// TestWCAP_13_AlarmRange: an alarm in the window, not the event.
func TestWCAP_13_AlarmRange(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storeevents.wcap?uid=far&dtstart=20260310T090000Z&alarmPopup=-P5D&calid=anna").errno(0)
	s.do("anna", "storeevents.wcap?uid=near&dtstart=20260305T090000Z&calid=anna").errno(0)
	s.do("anna", "storeevents.wcap?uid=w&dtstart=20260302T090000Z&rrules=%22FREQ=DAILY;COUNT=9%22&alarmPopup=-PT1H&calid=anna").errno(0)
	s.do("anna", "storetodos.wcap?uid=todo&due=20260305T090000Z&alarmPopup=-PT1H&calid=anna").errno(0)
	const window = "fetchcomponents_by_alarmrange.wcap?calid=anna&dtstart=20260305T000000Z&dtend=20260306T000000Z"
	s.do("anna", window).errno(0).contains("UID:far", "UID:todo", "RECURRENCE-ID:20260305T090000Z").lacks("UID:near", "RECURRENCE-ID:20260306", "RECURRENCE-ID:20260304")
	s.do("anna", window+"&recurring=1&compressed=1&fmt-out=text/xml").errno(0).contains("<RRULE>FREQ=DAILY;COUNT=9</RRULE>", "<ALARM>")
	s.do("anna", window+"&component-type=todo").errno(0).contains("UID:todo").lacks("UID:far")
	s.do("anna", "fetchcomponents_by_alarmrange.wcap?calid=anna&recurring=1").errno(0).contains("UID:far", "UID:w").lacks("UID:near")
	s.as("ben")
	s.do("ben", window).errno(28)
}

// TestWCAP_13_AttendeeErrorTellsWhy: the newest failure of the journal stands in
// the component, for those to whom the journal is told.
func TestWCAP_13_AttendeeErrorTellsWhy(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	failing := func(uid, private string) string {
		return simpleEvent(uid, "20260310T090000Z", private, "ORGANIZER:mailto:anna@example.com", "ATTENDEE:mailto:x@y.z", "ATTENDEE:mailto:ben@example.com")
	}
	s.put("anna", "anna", "a.ics", failing("a", "CLASS:PUBLIC"))
	s.put("anna", "anna", "b.ics", failing("b", "CLASS:PUBLIC"))
	step := func(step calendar.TraceStep, reason, detail, to string) calendar.Trace {
		return calendar.Trace{Message: "anna/1/0", Method: "REQUEST", UID: "a", From: "mailto:anna@example.com", To: []string{to}, Step: step, Reason: reason, Detail: detail}
	}
	statuses := map[string]string{calendar.AddressKey("mailto:x@y.z"): "3.7", calendar.AddressKey("mailto:ben@example.com"): "5.1"}
	if err := s.base.Model.Settle(t.Context(), "anna", calendar.Settlement{UID: "b", Statuses: statuses}); err != nil {
		t.Fatal(err)
	}
	err := s.base.Model.Settle(t.Context(), "anna", calendar.Settlement{UID: "a", Statuses: statuses, Traces: []calendar.Trace{
		step(calendar.TraceFailed, calendar.ReasonNoRights, "", "mailto:x@y.z"),
		step(calendar.TraceFailed, calendar.ReasonUnknownUser, "It, too.", "mailto:x@y.z"),
		step(calendar.TraceDelayed, calendar.ReasonDelayed, "", "mailto:ben@example.com"),
		step(calendar.TraceDelivered, calendar.ReasonDelivered, "", "mailto:carl@example.com"),
		step(calendar.TraceDelayed, calendar.ReasonDelayed, "The notice of it.", "mailto:anna@example.com"), // to herself: no attendee's
	}})
	if err != nil {
		t.Fatal(err)
	}
	const ask = "fetchcomponents_by_attendee_error.wcap?calid=anna"
	r := s.do("anna", ask).errno(0).contains("UID:a", "UID:b", "X-FACTOTUM-WHY;X-FACTOTUM-STEP=delayed;X-FACTOTUM-REASON=delayed;X-FACTOTUM-TIME=2", "and is tried again.").lacks("no-rights", "unknown-user", "REASON=delivered", "The notice of it.")
	if n := strings.Count(r.unfolded(), "X-FACTOTUM-WHY"); n != 1 {
		t.Errorf("%d components tell why, 1 has a reason", n)
	}
	for _, more := range []string{"", "&fetchorder=0", "&recurring=1&compressed=1", "&fmt-out=text/xml"} {
		s.do("anna", ask+"&attendee=mailto:x@y.z"+more).errno(0).contains("unknown-user", "Nobody here has this address. It").lacks("no-rights", "delayed")
	}
	s.do("anna", "fetchcomponents_by_range.wcap?calid=anna").errno(0).contains("UID:a").lacks("X-FACTOTUM-WHY")
	s.do("anna", "set_calprops.wcap?calid=anna&acl=@@o^a^r^g;@^a^frs^g").errno(0)
	s.do("ben", ask).errno(0).contains("UID:a").lacks("X-FACTOTUM-WHY", "unknown-user")
}

// TestWCAP_7_1_Attendees: strings in, properties out, by calid and by address.
func TestWCAP_7_1_Attendees(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storeevents.wcap?uid=m&dtstart=20260310T090000Z&method=2&orgCalid=anna&attendees=RSVP=TRUE^PARTSTAT=NEEDS-ACTION^ROLE=REQ-PARTICIPANT^CN=B%5E%3B%22x^mailto%3Aben@example.com;PARSTAT=needs_action^carl;mailto:out@side.org"+lightning).errno(0).
		contains("X-S1CS-CALID=ben:mailto:ben@example.com", "X-S1CS-CALID=carl:mailto:carl@example.com", "PARTSTAT=NEEDS-ACTION", ":mailto:out@side.org", "ORGANIZER", `X-NSCP-GSE-COMMENT=REQUEST-PENDING`)
	has(t, s.stored("anna", "anna", "m"), "ORGANIZER;CN=Anna Berg:mailto:anna@example.com", "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;CN=\"B^^;^'x\";SCHEDULE-STATUS=1.0:mailto:ben@example.com")
	s.do("anna", "fetchevents_by_id.wcap?uid=m&calid=anna").errno(0).contains("X-S1CS-EMAIL=ben@example.com:ben\r\n")
	s.do("anna", "storeevents.wcap?uid=m&calid=anna&attendees=PARTSTAT=X-NSCP-WCAP-ATTENDEE-DELETE^carl").errno(0)
	has(t, s.stored("anna", "anna", "m"), "!carl", "ben@example.com")
	s.do("anna", "storeevents.wcap?uid=m&calid=anna&attendees=PARTSTAT=ACCEPTED^ben;carl").errno(0)
	has(t, s.stored("anna", "anna", "m"), "PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT", "carl@example.com") // an answer is the attendee's to give
	s.do("anna", "storeevents.wcap?uid=m&calid=anna&replace=1&attendees=").errno(0)
	has(t, s.stored("anna", "anna", "m"), "!ATTENDEE", "!ORGANIZER")
	for _, bad := range []string{"nobody", "mailto:", "mailto:a%20b@c", "PARTSTAT=ACCEPTED^", "PARTSTAT=A%0D%0AB^ben", "^"} {
		s.do("anna", "storeevents.wcap?uid=x&calid=anna&dtstart=20260310T090000Z&attendees="+bad).errno(60)
	}
	s.do("anna", "storeevents.wcap?uid=x&calid=anna&dtstart=20260310T090000Z&storetype=1&orgUID=anna").errno(67)
	s.do("anna", "storeevents.wcap?uid=x&calid=anna&dtstart=20260310T090000Z&orgCalid=nobody").errno(60)
}

// TestWCAP_7_5_Roles: an attendee answers and keeps his own alarms, no more.
func TestWCAP_7_5_Roles(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.put("ben", "ben", "m.ics", simpleEvent("m", "20260310T090000Z", "ORGANIZER:mailto:anna@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com",
		"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;X-ODD=1:mailto:ben@example.com"))
	do := func(n int, more string) *reply {
		t.Helper()
		return s.do("ben", "storeevents.wcap?uid=m&calid=ben&fetch=1&"+more).errno(n)
	}
	do(45, "summary=x")
	do(79, "summary=x&method=2")
	do(0, "method=4&attendees=PARTSTAT=ACCEPTED^ben&summary=ignored&alarmPopup=-PT5M").contains("X-NSCP-GSE-COMMENT=REPLY-ACCEPTED").lacks("ignored")
	has(t, s.stored("ben", "ben", "m"), "ATTENDEE;PARTSTAT=ACCEPTED;RSVP=TRUE;X-ODD=1;X-FACTOTUM-REVISION=0/20260302T120000Z:mailto:ben@example.com", "TRIGGER:-PT5M", "!SEQUENCE")
	do(14, "method=4&attendees=PARTSTAT=ACCEPTED^carl")
	do(0, "method=256&categories=mine&smtp=0&smtpNotify=0&notify=0").contains("CATEGORIES:mine")
	do(14, "method=3")
	s.do("ben", "storeevents.wcap?uid=none&calid=ben&method=4&attendees=PARTSTAT=ACCEPTED^ben").errno(59)
	s.do("ben", "storeevents.wcap?uid=n&calid=ben&method=2&dtstart=20260310T090000Z&orgCalid=anna&attendees=ben").errno(45)
	s.do("ben", "storeevents.wcap?uid=n&calid=ben&method=256&dtstart=20260310T090000Z&orgEmail=mailto:anna@example.com&attendees=ben;anna").errno(0)
	s.do("anna", "storeevents.wcap?uid=c&calid=anna&method=8&dtstart=20260310T090000Z").errno(0)
	has(t, s.stored("anna", "anna", "c"), "STATUS:CANCELLED")
}

// TestWCAP_7_7_Privacy: others see that a private event is there, and change
// it as little as read it; a resource is never transparent.
func TestWCAP_7_7_Privacy(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.do("anna", "set_calprops.wcap?calid=anna&acl=ben^a^rwd^g").errno(0)
	s.do("anna", "storeevents.wcap?uid=p&calid=anna&dtstart=20260310T090000Z&summary=secret&icsClass=PRIVATE").errno(0)
	s.do("ben", "storeevents.wcap?uid=p&calid=anna&summary=x").errno(47)
	s.do("ben", "deleteevents_by_id.wcap?uid=p&calid=anna&rid=0&mod=4").errno(47)
	s.do("ben", "deleteevents_by_range.wcap?calid=anna").errno(0)
	has(t, s.stored("anna", "anna", "p"), "SUMMARY:secret")
	s.clock.Add(time.Second)
	s.do("root", "storeevents.wcap?uid=r&calid=room1&dtstart=20260310T090000Z&transparent=1").errno(29)
	if _, err := s.be.CreateCalendar(t.Context(), s.people.Actor("root"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "room1"}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	s.do("root", "storeevents.wcap?uid=r&calid=room1&dtstart=20260310T090000Z&transparent=1").errno(80)
	s.do("root", "storeevents.wcap?uid=r&calid=room1&dtstart=20260310T090000Z&dtend=20260310T100000Z").errno(0)
	s.do("root", "storeevents.wcap?uid=r2&calid=room1&dtstart=20260310T093000Z&dtend=20260310T100000Z").errno(40)
}
