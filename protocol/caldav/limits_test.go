package caldav

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/service"
)

// roomy is a site with the limits of a server as it is installed.
func roomy(t *testing.T, opt sitetest.Options) *site {
	s := openSite(t, opt)
	s.h = New(Options{Backend: s.be, People: s.people, Now: s.base.Now, Login: s.base.Login, Limits: Limits{ResourceSize: 10 << 20, Attendees: 10000, Instances: 10_000}})
	s.visit("anna")
	return s
}

// An object is as large as is announced, whatever it is made of, and no larger.
func TestRFC4791_5_2_5_MaxResourceSize(t *testing.T) {
	s := roomy(t, sitetest.Options{DWP: true})
	m := s.do("anna", "PROPFIND", annasCal, propfind("C:max-resource-size"), "Depth: 0").multi()
	most, err := strconv.Atoi(m.text(annasCal, "C:max-resource-size"))
	if err != nil {
		t.Fatal(err)
	}
	s.do("anna", "MKCALENDAR", annasHome+"other/", "").is(201)
	lines := []string{"ATTACH;VALUE=BINARY;ENCODING=BASE64:", "DESCRIPTION:", "X-LONG:", "X-LONG;X-P=", "COMMENT;ALTREP=\"http://x.org/"}
	if raceFactor > 1 {
		lines = lines[:1] // all of them without the race detector
	}
	for i, line := range lines {
		end := map[bool]string{true: ":x", false: ""}[strings.HasSuffix(line, "=")]
		if strings.Contains(line, "\"") {
			end = "\":x"
		}
		path := annasCal + strconv.Itoa(i) + ".ics"
		text := func(size int) string {
			e := event(strconv.Itoa(i), "20260310T090000Z", "Large", line+end)
			return strings.Replace(e, line, line+strings.Repeat("A", size-len(e)), 1)
		}
		s.do("anna", "PUT", path, text(most+1)).is(403, "C:max-resource-size")
		if i == 0 {
			s.do("anna", "PUT", path, text(8_800_000)).is(201)
		}
		s.put(path, text(most))
		if got := s.do("anna", "GET", path, "").is(200).body; got != text(most) {
			t.Errorf("%s: %d octets came back", line, len(got))
		}
		s.do("anna", "COPY", path, "", "Destination: "+annasHome+"other/"+strconv.Itoa(i)+".ics").is(201)
		if got := names(s.do("anna", "REPORT", annasHome, query(in(march), "D:getetag")).multi()); !slices.Equal(got, []string{strconv.Itoa(i) + ".ics", strconv.Itoa(i) + ".ics"}) {
			t.Errorf("%s: found %q", line, got)
		}
		s.do("anna", "DELETE", path, "").is(204)
		s.do("anna", "DELETE", annasHome+"other/"+strconv.Itoa(i)+".ics", "").is(204)
	}
}

// What takes place is within the dates that are announced; ranges may begin and
// end with them. RFC 4791 §5.2.6, §5.2.7, §7.8.
func TestRFC4791_5_2_6_Dates(t *testing.T) {
	s := roomy(t, sitetest.Options{})
	m := s.do("anna", "PROPFIND", annasCal, propfind("C:min-date-time", "C:max-date-time"), "Depth: 0").multi()
	from, to := m.text(annasCal, "C:min-date-time"), m.text(annasCal, "C:max-date-time")
	for _, c := range []struct {
		lines string
		cond  string // "" is stored
	}{
		{"DTSTART:" + from, ""},
		{"DTSTART:" + to, ""},
		{"DTSTART:" + to + "\r\nDTEND:" + to, ""},
		{"DTSTART;VALUE=DATE:00010101", ""},
		{"DTSTART;VALUE=DATE:99991231", ""},
		{"DTSTART:00000101T000000Z", "C:min-date-time"},
		{"DTSTART:00001231T235959Z", "C:min-date-time"},
		{"DTSTART:00000101T000000", "C:min-date-time"},
		{"DTSTART;VALUE=DATE:00000101", "C:min-date-time"},
		{"DTSTART;TZID=Asia/Tokyo:00010101T000000", "C:min-date-time"},
		{"DTSTART;TZID=America/New_York:00010101T000000", ""},
		{"DTSTART;TZID=America/New_York:99991231T235959", "C:max-date-time"},
		{"DTSTART;TZID=Asia/Tokyo:99991231T235959", ""},
		{"DTSTART;TZID=Asia/Tokyo:99991231T235959\r\nDURATION:P1D", ""},
		{"DTSTART:00000101T000000Z\r\nDTEND:20260101T000000Z", "C:min-date-time"},
		{"DTSTART:20260310T090000Z\r\nRRULE:FREQ=DAILY;UNTIL=00001231T000000Z", "C:min-date-time"},
		{"DTSTART:20260310T090000Z\r\nRDATE:20260311T090000Z,00000101T000000Z", "C:min-date-time"},
		{"DTSTART:20260310T090000Z\r\nRDATE;VALUE=PERIOD:00000101T000000Z/PT1H", "C:min-date-time"},
		{"DTSTART:20260310T090000Z\r\nRDATE;TZID=America/New_York:99991231T230000", "C:max-date-time"},
		{"DTSTART:20260310T090000Z\r\nRRULE:FREQ=DAILY\r\nEXDATE:00000101T000000Z", "C:min-date-time"},
		{"DTSTART:20260310T090000Z\r\nRECURRENCE-ID:00000101T000000Z", "C:min-date-time"},
		{"DTSTART:20260310T090000Z\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER;VALUE=DATE-TIME:00000101T000000Z\r\nEND:VALARM", "C:min-date-time"},
		// Google wrote this; when a calendar was written is nothing that takes place.
		{"DTSTART:20260310T090000Z\r\nCREATED:00001231T000000Z\r\nLAST-MODIFIED:00000101T000000Z", ""},
		{"DTSTART:20260310T090000Z\r\nRRULE:FREQ=YEARLY;UNTIL=" + to, ""},
		{"DTSTART:99990310T090000Z\r\nRRULE:FREQ=DAILY", ""},
	} {
		for _, kind := range []string{"VEVENT", "VTODO"} {
			lines := c.lines
			if kind == "VTODO" {
				lines = strings.ReplaceAll(lines, "DTEND", "DUE")
			}
			text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:" + kind + "\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n" + lines + "\r\nEND:" + kind + "\r\nEND:VCALENDAR\r\n"
			r := s.do("anna", "PUT", annasCal+"u.ics", text)
			if c.cond != "" {
				r.is(403, c.cond)
				continue
			}
			r.is(201)
			all := `start="` + from + `" end="` + to + `"`
			filter := strings.ReplaceAll(in("<C:time-range "+all+"/>"), "VEVENT", kind)
			for _, form := range []string{"<C:expand " + all + "/>", "<C:limit-recurrence-set " + all + "/>", "<C:limit-freebusy-set " + all + "/>"} {
				body := xmlHead("C:calendar-query") + "<D:prop><C:calendar-data>" + form + "</C:calendar-data></D:prop><C:filter>" + filter + "</C:filter></C:calendar-query>"
				m := s.do("anna", "REPORT", annasCal, body).multi()
				if strings.HasPrefix(c.lines, "DTSTART:"+to) {
					continue // its moment is not in a range that ends with it
				}
				if len(m.order) != 1 {
					t.Errorf("%s %s: %d found", kind, c.lines, len(m.order))
				} else if data := m.text(annasCal+"u.ics", "C:calendar-data"); strings.Contains(data, ":10000") {
					t.Errorf("%s %s: the answer has a date that nobody reads:\n%s", kind, c.lines, data)
				}
			}
			s.do("anna", "DELETE", annasCal+"u.ics", "").is(204)
		}
	}
	s.do("anna", "PUT", annasCal+"first.ics", event("first", from, "The first hour")).is(201)
	for times, want := range map[string]int{
		`start="` + from + `"`: 1, `start="` + from + `" end="00010101T000001Z"`: 1, `end="` + to + `"`: 1, `start="` + to + `"`: 0, `end="` + from + `"`: 0,
		`start="00010101T010000Z"`: 0,
	} {
		if m := s.do("anna", "REPORT", annasCal, query(in("<C:time-range "+times+"/>"), "D:getetag")).multi(); len(m.order) != want {
			t.Errorf("%s: %d found", times, len(m.order))
		}
	}
	s.do("anna", "REPORT", annasCal, xmlHead("C:free-busy-query")+`<C:time-range start="`+from+`" end="`+to+`"/></C:free-busy-query>`).is(200).
		contains("DTSTART:"+from, "DTEND:"+to, from+"/00010101T010000Z")
	for _, times := range []string{`start="00000101T000000Z"`, `end="00001231T235959Z"`, `start="00000101T000000Z" end="20260101T000000Z"`} {
		s.do("anna", "REPORT", annasCal, query(in("<C:time-range "+times+"/>"), "D:getetag")).is(403, "C:min-date-time")
	}
}

// Attendees are counted by instance. RFC 4791 §5.2.9.
func TestRFC4791_5_2_9_MaxAttendees(t *testing.T) {
	s := roomy(t, sitetest.Options{Model: service.Options{Limits: calendar.Limits{Attendees: 1000}}})
	with := func(master, override int) string {
		e := event("u", "20260310T090000Z", "x", append([]string{"RRULE:FREQ=DAILY;COUNT=3", "ORGANIZER:mailto:anna@example.com"}, slices.Repeat([]string{"ATTENDEE:mailto:x@example.org"}, master)...)...)
		o := event("u", "20260311T100000Z", "x", append([]string{"RECURRENCE-ID:20260311T090000Z", "ORGANIZER:mailto:anna@example.com"}, slices.Repeat([]string{"ATTENDEE:mailto:x@example.org"}, override)...)...)
		return strings.Replace(e, "END:VCALENDAR\r\n", o[strings.Index(o, "BEGIN:VEVENT"):], 1)
	}
	s.do("anna", "PUT", annasCal+"u.ics", with(1000, 1000)).is(201)
	s.do("anna", "PUT", annasCal+"u.ics", with(1001, 0)).is(403, "C:max-attendees-per-instance")
	s.do("anna", "PUT", annasCal+"u.ics", with(0, 1001)).is(403, "C:max-attendees-per-instance")
}
