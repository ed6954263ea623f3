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
	"factotum/server/service"
)

// An event that has ten thousand of something is expanded, and asked about,
// within 64 MB, and in CPU time that grows with it and not with its square: 250
// ms is the mark on a machine of its own. What is allocated in all is looked at,
// which is somewhat more than is held at a time.
func TestTenThousandOfEverything(t *testing.T) {
	if raceFactor > 1 {
		t.Skip("what is measured is not what it costs under the race detector: make check does it without")
	}
	const n = 10_000
	times := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i) + "\r\n")
		}
		return b.String()
	}
	repeat := func(f func(i int) string) string { return times(n, f) }
	at := func(i int) string { return time.Date(2026, 3, 1, 9+i, 0, 0, 0, time.UTC).Format("20060102T150405Z") }
	other := func(i int, more string) string {
		return "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID" + more + ":" + at(i) + "\r\nDTSTART:" + at(i) + "\r\nDURATION:PT20M\r\nSUMMARY:x\r\nEND:VEVENT"
	}
	for name, lines := range map[string]string{
		"alarms": repeat(func(i int) string {
			return fmt.Sprintf("BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Reminder %d\r\nTRIGGER:-PT%dM\r\nEND:VALARM", i, i)
		}),
		"alarms at moments": repeat(func(i int) string {
			return "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER;VALUE=DATE-TIME:" + at(i) + "\r\nEND:VALARM"
		}),
		"attendees":      "ORGANIZER:mailto:anna@example.com\r\n" + repeat(func(i int) string { return fmt.Sprintf("ATTENDEE;CN=P%d:mailto:p%d@example.org", i, i) }),
		"attachments":    repeat(func(i int) string { return fmt.Sprintf("ATTACH:http://example.com/%d", i) }),
		"properties":     repeat(func(i int) string { return fmt.Sprintf("X-PROP-%d;X-P=%d:value", i, i) }),
		"comments":       repeat(func(i int) string { return "COMMENT:x" }),
		"dates":          repeat(func(i int) string { return "RDATE:" + at(i) }),
		"dates of zones": repeat(func(i int) string { return "RDATE;TZID=Europe/Berlin:" + strings.TrimSuffix(at(i), "Z") }),
		"exceptions":     repeat(func(i int) string { return "EXDATE:" + at(i) }),
		"participants":   repeat(func(i int) string { return fmt.Sprintf("BEGIN:PARTICIPANT\r\nUID:%d\r\nEND:PARTICIPANT", i) }),
		"overrides":      "END:VEVENT\r\n" + repeat(func(i int) string { return other(i, "") }),
		"divisions":      "END:VEVENT\r\n" + repeat(func(i int) string { return other(i, ";RANGE=THISANDFUTURE") }),
	} {
		end, rules := "END:VEVENT\r\n", []string{"", "RRULE:FREQ=DAILY\r\n"}
		if strings.HasPrefix(lines, end) {
			end, rules = "", []string{"RRULE:FREQ=HOURLY\r\n"}
		}
		for _, rule := range rules {
			c := costs{name + " " + strings.TrimSpace(rule), most(80)}
			if name == "divisions" { // each of them is a series
				c.most = most(240)
			}
			c.ask(t, "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\n"+rule+lines+end)
		}
	}
	local := func(i int) string { return strings.TrimSuffix(at(i), "Z") }
	event := func(start, lines string) string {
		return "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nDTSTART" + start + "\r\nRRULE:FREQ=DAILY\r\n" + lines + "END:VEVENT\r\n"
	}
	zone := func(id, lines string) string {
		return "BEGIN:VTIMEZONE\r\nTZID:" + id + "\r\n" + lines + "END:VTIMEZONE"
	}
	observance := func(start string, from, to int, lines string) string {
		return fmt.Sprintf("BEGIN:STANDARD\r\nDTSTART:%s\r\nTZOFFSETFROM:+0%d00\r\nTZOFFSETTO:+0%d00\r\n%sEND:STANDARD", start, from%5, to%5, lines)
	}
	for name, body := range map[string]string{
		"observances": zone("Z", repeat(func(i int) string { return observance(local(i), i, i+1, "") })) + "\r\n" + event(";TZID=Z:20260301T090000", ""),
		"onsets":      zone("Z", observance("20000101T000000", 1, 2, repeat(func(i int) string { return "RDATE:" + local(i) }))+"\r\n") + "\r\n" + event(";TZID=Z:20260301T090000", ""),
		"zones": times(2000, func(i int) string {
			return zone(fmt.Sprint("Europe/Z", i), observance("20000101T000000", 1, 2, "")+"\r\n")
		}) + event(";TZID=Europe/Z1:20260301T090000", ""),
		"dates of a zone each": times(2000, func(i int) string { return zone(fmt.Sprint("Z", i), observance("20000101T000000", 1, 2, "")+"\r\n") }) +
			event(":20260301T090000Z", times(2000, func(i int) string { return fmt.Sprintf("RDATE;TZID=Z%d:%s", i, local(i)) })),
		"repetitions": event(":20260301T090000Z", strings.Repeat("BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT1H\r\nREPEAT:10000\r\nDURATION:P1D\r\nEND:VALARM\r\n", 100)),
		"parameters":  event(":20260301T090000Z", "X-A"+strings.ReplaceAll(repeat(func(i int) string { return fmt.Sprintf(";P%d=v", i) }), "\r\n", "")+":x\r\n"),
		"periods":     event(":20260301T090000Z", "RDATE;VALUE=PERIOD:20260301T090000Z/PT1H"+strings.ReplaceAll(repeat(func(i int) string { return "," + at(i) + "/PT1H" }), "\r\n", "")+"\r\n"),
	} {
		c := costs{name, most(160)}
		c.ask(t, body)
	}
}

// ask stores an object, and asks about it.
func (c costs) ask(t *testing.T, body string) {
	t.Helper()
	s := roomy(t, sitetest.Options{Model: service.Options{Limits: calendar.Limits{Attendees: 10_000}}})
	s.costs = c
	s.costed("PUT", annasCal+"u.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"+body+"END:VCALENDAR\r\n")
	for _, span := range []string{`start="20260310T000000Z" end="20260311T000000Z"`, `start="20260301T000000Z" end="20260401T000000Z"`, year} {
		ranged := in("<C:time-range " + span + "/>")
		for _, form := range []string{"expand", "limit-recurrence-set"} {
			s.costed("REPORT", annasCal, xmlHead("C:calendar-query")+"<D:prop><C:calendar-data><C:"+form+" "+span+"/></C:calendar-data></D:prop><C:filter>"+ranged+"</C:filter></C:calendar-query>")
		}
		s.costed("REPORT", annasCal, query(in(`<C:comp-filter name="VALARM"><C:time-range `+span+`/></C:comp-filter>`), "D:getetag"))
		s.costed("REPORT", annasCal, query(in(`<C:prop-filter name="DTEND"><C:time-range `+span+`/></C:prop-filter>`), "D:getetag"))
		s.costed("REPORT", annasCal, xmlHead("C:free-busy-query")+"<C:time-range "+span+"/></C:free-busy-query>")
	}
}

// costs are what an answer may cost.
type costs struct {
	what string
	most costtest.Cost
}

// most is what an answer may cost that may be large.
func most(megabytes uint64) costtest.Cost {
	return costtest.Cost{CPU: raceFactor * 2 * time.Second, Memory: raceFactor * megabytes << 20}
}

// costed sends a request as anna, whose answer is thrown away, and looks at what
// it cost.
func (s *site) costed(method, path, body string) {
	s.t.Helper()
	w := &sink{h: http.Header{}}
	took, ok := costtest.Within(s.costs.most, 3, func() {
		r := newRequest(method, path, strings.NewReader(body), "Depth: 1")
		r.SetBasicAuth("anna", "anna")
		*w = sink{h: http.Header{}}
		s.h.ServeHTTP(w, r)
	})
	if w.status >= 400 {
		s.t.Errorf("%s: %s: %d", s.costs.what, method, w.status)
	}
	if !ok {
		s.t.Errorf("%s: %s: %v for an answer of %d\n%.300s", s.costs.what, method, took, w.n, body)
	}
}
