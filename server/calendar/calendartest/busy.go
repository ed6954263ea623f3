package calendartest

import (
	"time"

	"factotum/server/calendar"
)

// testBusyOfPeople: a person is asked about, and not a calendar: who has none yet
// is free and nobody is told apart, his own answers count, and when he can be met.
func testBusyOfPeople(s *suite) {
	s.home("anna")
	const byBert = "ORGANIZER:mailto:bert@example.com"
	s.put("anna", "1", event("1", at(9), at(10), byBert, "ATTENDEE;PARTSTAT=DECLINED:mailto:anna@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:carl@example.com"))
	s.put("anna", "2", event("2", at(10), at(11), byBert, "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:anna@example.com"))
	s.put("anna", "3", event("3", at(-48+11), at(-48+12), byBert, "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:carl@example.com", "ATTENDEE:mailto:anna@example.com", "RRULE:FREQ=DAILY"))
	s.put("anna", "4", event("4", at(12), at(13), "ORGANIZER:mailto:anna@example.com", "ATTENDEE:mailto:anna@example.com", "ATTENDEE:mailto:bert@example.com"))
	stamp := func(t time.Time) string { return t.Format("20060102T150405Z") }
	s.ok(s.be.SetPrefs(s.ctx, s.as("anna"), calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{calendar.AvailabilityPref: "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" +
		"BEGIN:VAVAILABILITY\r\nUID:v\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + stamp(day) + "\r\nBEGIN:AVAILABLE\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + stamp(at(8)) +
		"\r\nDTEND:" + stamp(at(18)) + "\r\nRRULE:FREQ=DAILY\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"}}))
	bad := s.be.SetPrefs(s.ctx, s.as("anna"), calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{calendar.AvailabilityPref: "BEGIN:VCALENDAR"}})
	s.kind(bad, calendar.Invalid)
	equal(s, "why", calendar.ReasonOf(bad), calendar.ValidCalendarData)

	ask := func(describe bool, targets ...calendar.FreeBusyTarget) []calendar.FreeBusyResult {
		s.Helper()
		r, err := s.be.FreeBusy(s.ctx, s.as("otto"), calendar.FreeBusyRequest{Targets: targets, Window: calendar.Window{From: day, To: at(24)}, Describe: describe})
		s.ok(err)
		if len(r) != len(targets) {
			s.Fatalf("%d answers for %d targets", len(r), len(targets))
		}
		return r
	}
	lines := func(r calendar.FreeBusyResult) (out []string) {
		for _, b := range r.Busy {
			out = append(out, b.Type+" "+b.Start.Format("1504")+"-"+b.End.Format("1504"))
		}
		return out
	}
	meetings := []string{"BUSY-TENTATIVE 1000-1200", "BUSY 1200-1300"}
	for _, describe := range []bool{false, true} {
		r := ask(describe, calendar.FreeBusyTarget{Calendar: "anna", Home: true}, calendar.FreeBusyTarget{Calendar: "anna"},
			calendar.FreeBusyTarget{Calendar: "carl", Home: true}, calendar.FreeBusyTarget{Calendar: "nobody", Home: true}, calendar.FreeBusyTarget{Calendar: "carl"})
		s.ok(r[0].Err)
		same(s, "a person", lines(r[0]), append(append([]string{"BUSY-UNAVAILABLE 0000-0800"}, meetings...), "BUSY-UNAVAILABLE 1800-0000"))
		s.ok(r[1].Err)
		same(s, "a calendar", lines(r[1]), meetings)
		s.ok(r[2].Err)
		same(s, "who never logged in", lines(r[2]), nil)
		s.kind(r[3].Err, calendar.NoCalendar)
		s.kind(r[4].Err, calendar.NoCalendar)
		equal(s, "described", r[0].Calendar != nil && r[0].Calendar.ID == "anna", describe)
		equal(s, "a calendar that is not there", r[2].Calendar == nil, true)
	}
}

// testBusyOfDays: days and floating times are those of the calendar's zone, and who
// sees them has the right to: f is enough, and nothing else is shown by it.
func testBusyOfDays(s *suite) {
	s.home("anna")
	c := s.calendar("anna:far", "bert^c^f^g;carl^a^r^g")
	zone := "Asia/Tokyo" // nine hours ahead, without summer time
	_, err := s.be.UpdateCalendar(s.ctx, s.as("anna"), calendar.UpdateCalendarRequest{ID: c.ID, TZID: &zone})
	s.ok(err)
	s.put(c.ID, "day", object("VEVENT", "day", "DTSTART;VALUE=DATE:"+day.Format("20060102"), "SUMMARY:Secret"))
	s.put(c.ID, "free", object("VEVENT", "free", "DTSTART;VALUE=DATE:"+day.AddDate(0, 0, 1).Format("20060102"), "TRANSP:TRANSPARENT"))
	s.put(c.ID, "late", object("VEVENT", "late", "DTSTART:"+day.AddDate(0, 0, 1).Format("20060102")+"T030000", "DURATION:PT1H", "STATUS:TENTATIVE", "CLASS:CONFIDENTIAL"))
	ask := func(who string) calendar.FreeBusyResult {
		s.Helper()
		r, err := s.be.FreeBusy(s.ctx, s.as(who), calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: c.ID}}, Window: calendar.Window{From: at(-24), To: at(48)}})
		s.ok(err)
		return r[0]
	}
	for _, who := range []string{"anna", "bert", "carl"} {
		r := ask(who)
		s.ok(r.Err)
		same(s, who+" sees", r.Busy, []calendar.Busy{{Start: at(-9), End: at(15), Type: "BUSY"}, {Start: at(18), End: at(19), Type: "BUSY-TENTATIVE"}})
	}
	s.kind(ask("rita").Err, calendar.NoCalendar)
	_, err = s.be.Object(s.ctx, s.as("bert"), calendar.Ref{Calendar: c.ID, Name: "day"})
	s.kind(err, calendar.Denied)
}
