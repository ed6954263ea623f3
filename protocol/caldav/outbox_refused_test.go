package caldav

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/observe/costtest"
)

// TestRFC6638_5_2_Refused: what is no question for busy time is refused with what
// to mend, and costs little; what is one is answered without the headers of the
// RFC's drafts. Nothing costs more than 250 ms of CPU and 64 MB.
func TestRFC6638_5_2_Refused(t *testing.T) {
	s := roomy(t, sitetest.Options{Clock: &sitetest.Clock{}})
	s.visit("ben")
	for uid, rule := range map[string]string{"daily": "RRULE:FREQ=DAILY", "hourly": "RRULE:FREQ=HOURLY", "always": "RRULE:FREQ=SECONDLY"} {
		s.do("ben", "PUT", "/dav/calendars/ben/calendar/"+uid+".ics", event(uid, "20260301T090000Z", "x", rule)).is(201)
	}
	for i := range 40 {
		who := fmt.Sprint("busy", i)
		s.people[who] = calendar.Person{ID: who, Kind: calendar.Individual, Name: who, Mails: []string{who + "@example.com"}, Active: true}
		s.do(who, "PROPFIND", homeOf(who), propfind("D:resourcetype"), "Depth: 0").is(207)
		s.do(who, "PUT", homeOf(who)+"calendar/d.ics", event("d", "20260301T090000Z", "x", "RRULE:FREQ=DAILY")).is(201)
	}
	const org, message, another = "mailto:anna@example.com", "C:valid-scheduling-message", "/dav/calendars/ben/outbox/"
	good := busyText(org, []string{"mailto:ben@example.com"})
	crowd := func(n int) []string {
		many := make([]string, n)
		for i := range many {
			many[i] = fmt.Sprintf("mailto:p%d@example.com", i)
		}
		return many
	}
	with := func(from, to string) string {
		text := strings.Replace(good, from, to, 1)
		if text == good {
			t.Fatalf("%q is not in it", from)
		}
		return text
	}
	body := good[strings.Index(good, "BEGIN:VFREEBUSY"):strings.Index(good, "END:VCALENDAR")]
	for _, c := range []struct {
		what, text, kind, at string
		status               int
		cond                 string
		says                 string
	}{
		{what: "without Originator and Recipient", text: good, status: 200, says: "2.0;Success"},
		{what: "an attendee whom nobody knows", text: busyText(org, []string{"mailto:nobody@example.com"}), status: 200, says: "3.7;Invalid calendar user"},
		{what: "an attendee who is no address", text: busyText(org, []string{"x y", "mailto:", "http://[", "mailto:ben@example.com"}), status: 200, says: "2.0;Success"},
		{what: "text/plain", text: good, kind: "text/plain", status: 403, cond: "C:supported-calendar-data"},
		{what: "no Content-Type", text: good, kind: "none", status: 200, says: "2.0;Success"},
		{what: "XML", text: xmlHead("C:free-busy-query") + "</C:free-busy-query>", kind: "text/xml", status: 403, cond: "C:supported-calendar-data"},
		{what: "no iCalendar", text: "x", status: 403, cond: "C:valid-calendar-data"},
		{what: "broken XML", text: "<C:free-busy-query", status: 403, cond: "C:valid-calendar-data"},
		{what: "nothing", text: "", status: 403, cond: "C:valid-calendar-data"},
		{what: "half of it", text: good[:len(good)/2], status: 403, cond: "C:valid-calendar-data"},
		{what: "two calendars", text: good + good, status: 403, cond: "C:valid-calendar-data"},
		{what: "two VFREEBUSY", text: with("END:VCALENDAR", body+"END:VCALENDAR"), status: 400, cond: message, says: "one VFREEBUSY"},
		{what: "no VFREEBUSY", text: with(body, ""), status: 400, cond: message},
		{what: "an event", text: strings.ReplaceAll(good, "VFREEBUSY", "VEVENT"), status: 400, cond: message},
		{what: "no METHOD", text: with("METHOD:REQUEST\r\n", ""), status: 400, cond: message},
		{what: "METHOD:REPLY", text: with("METHOD:REQUEST", "METHOD:REPLY"), status: 400, cond: message},
		{what: "METHOD:PUBLISH", text: with("METHOD:REQUEST", "METHOD:PUBLISH"), status: 400, cond: message},
		{what: "no UID", text: with("UID:7F5B3A4C\r\n", ""), status: 400, cond: message},
		{what: "no DTSTART", text: with("DTSTART:20260310T000000Z\r\n", ""), status: 400, cond: message},
		{what: "no DTEND", text: with("DTEND:20260311T000000Z\r\n", ""), status: 400, cond: message},
		{what: "two of DTEND", text: with("DTEND:", "DTEND:20260312T000000Z\r\nDTEND:"), status: 400, cond: message},
		{what: "local time", text: with("DTEND:20260311T000000Z", "DTEND:20260311T000000"), status: 400, cond: message, says: "DTEND must be in UTC"},
		{what: "a day", text: with("DTSTART:20260310T000000Z", "DTSTART;VALUE=DATE:20260310"), status: 400, cond: message},
		{what: "no moment", text: with("DTSTART:20260310T000000Z", "DTSTART:20269999T000000Z"), status: 400, cond: message},
		{what: "DTEND before DTSTART", text: with("DTEND:20260311", "DTEND:20260309"), status: 400, cond: message, says: "before DTEND"},
		{what: "DTEND at DTSTART", text: with("DTEND:20260311", "DTEND:20260310"), status: 400, cond: message},
		{what: "a thousand years", text: with("DTEND:20260311", "DTEND:30260311"), status: 200, says: "FBTYPE=BUSY"},
		{what: "all of time", text: strings.Replace(with("DTEND:20260311", "DTEND:99991231"), "DTSTART:20260310", "DTSTART:00010102", 1), status: 200},
		{what: "a thousand years of many", text: strings.Replace(strings.ReplaceAll(busyText(org, crowd(40)), "mailto:p", "mailto:busy"), "DTEND:20260311", "DTEND:30260311", 1),
			status: 403, cond: "D:number-of-matches-within-limits", says: "ask for a shorter one, or for fewer people"},
		{what: "a year of many", text: strings.Replace(strings.ReplaceAll(busyText(org, crowd(40)), "mailto:p", "mailto:busy"), "DTEND:20260311", "DTEND:20270311", 1), status: 200, says: "FBTYPE=BUSY"},
		{what: "no attendee", text: busyText(org, nil), status: 400, cond: message},
		{what: "10,000 attendees", text: busyText(org, crowd(10_000)), status: 200, says: "3.7;"},
		{what: "10,001 attendees", text: busyText(org, crowd(10_001)), status: 403, cond: "C:max-attendees-per-instance", says: "10001 attendees are more than 10000"},
		{what: "one attendee 10,000 times", text: busyText(org, strings.Split(strings.Repeat("MAILTO:Ben@example.com ", 9_999)+org, " ")), status: 200},
		{what: "no organizer", text: with("ORGANIZER:"+org+"\r\n", ""), status: 400, cond: message},
		{what: "two organizers", text: with("ORGANIZER:", "ORGANIZER:mailto:ben@example.com\r\nORGANIZER:"), status: 400, cond: message},
		{what: "somebody else as organizer", text: busyText("mailto:ben@example.com", []string{org}), status: 403, cond: "C:valid-organizer"},
		{what: "another's outbox", text: good, at: another, status: 403, cond: "D:need-privileges"},
		{what: "another's outbox, in his name", text: busyText("mailto:ben@example.com", []string{org}), at: another, status: 403, cond: "D:need-privileges"},
		{what: "nobody's outbox", text: good, at: "/dav/calendars/none/outbox/", status: 404},
		{what: "an inbox", text: good, at: annasHome + "inbox/", status: 403, cond: "D:need-privileges"},
		{what: "a member of an outbox", text: good, at: annasOutbox + "x.ics", status: 405},
		{what: "11 MB", text: with("SUMMARY:", "COMMENT:"+strings.Repeat("x", 11<<20)+"\r\nSUMMARY:"), status: 403},
	} {
		t.Run(c.what, func(t *testing.T) {
			s.t = t
			headers := []string{"Content-Type: text/calendar; charset=utf-8"}
			if c.kind != "" {
				headers = []string{"Content-Type: " + strings.TrimPrefix(c.kind, "none")}
			}
			path := annasOutbox
			if c.at != "" {
				path = c.at
			}
			var r *reply
			took, ok := costtest.Within(costtest.Cost{CPU: raceFactor * 250 * time.Millisecond, Memory: raceFactor * 64 << 20}, 3, func() {
				r = s.do("anna", "POST", path, c.text, headers...)
			})
			if !ok {
				t.Errorf("%v for an answer of %d", took, len(r.body))
			}
			if c.cond == "" {
				r.is(c.status)
			} else {
				r.is(c.status, c.cond).contains("error-description")
			}
			if c.says != "" {
				r.contains(c.says)
			}
			if r.status == http.StatusOK && strings.Contains(r.body, "SUMMARY:x") {
				t.Error("it tells what takes place")
			}
		})
	}
}
