package caldav

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/service"
)

// An event that has ten thousand of something is expanded, and asked about,
// within 64 MB, and in CPU time that grows with it and not with its square: 250
// ms is the mark on a machine of its own. What is allocated in all is looked at,
// which is somewhat more than is held at a time.
func TestTenThousandOfEverything(t *testing.T) {
	const n = 10_000
	repeat := func(f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i) + "\r\n")
		}
		return b.String()
	}
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
			s := roomy(t, sitetest.Options{Model: service.Options{Limits: calendar.Limits{Attendees: n}}})
			s.costs = costs{name + " " + strings.TrimSpace(rule), 80 << 20, 250 * time.Millisecond * 8}
			if name == "divisions" { // each of them is a series
				s.costs.memory *= 3
			}
			s.costed("PUT", annasCal+"u.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\n"+
				rule+lines+end+"END:VCALENDAR\r\n")
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
	}
}

// costs are what an answer may cost.
type costs struct {
	what   string
	memory uint64 // allocated meanwhile
	cpu    time.Duration
}

// costed sends a request as anna, whose answer is thrown away, and looks at what
// it cost.
func (s *site) costed(method, path, body string) {
	s.t.Helper()
	r := newRequest(method, path, strings.NewReader(body), "Depth: 1")
	r.SetBasicAuth("anna", "anna")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := cpuTime(s.t)
	w := &sink{h: http.Header{}}
	s.h.ServeHTTP(w, r)
	cpu := cpuTime(s.t) - begin
	runtime.ReadMemStats(&after)
	if w.status >= 400 {
		s.t.Errorf("%s: %s: %d", s.costs.what, method, w.status)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > raceFactor*s.costs.memory || cpu > raceFactor*s.costs.cpu {
		s.t.Errorf("%s: %s: %d octets of memory, %v for an answer of %d\n%.300s", s.costs.what, method, used, cpu, w.n, body)
	}
}

func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
