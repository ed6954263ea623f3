package caldav

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/service"
)

// TestBadMeetings: what clients store that they should not. What is refused says
// what to mend and changes nothing; what can be meant one way only is taken so.
func TestBadMeetings(t *testing.T) {
	s := newMeetings(t, sitetest.Options{Model: service.Options{Limits: calendar.Limits{Attendees: 100}}}, false)
	calOf := func(user string) string { return homeOf(user) + "calendar/" }
	const org, benLine = "ORGANIZER:mailto:anna@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben@example.com"
	sub := func(from, to string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, from) {
				panic(from + " is not in\n" + text)
			}
			return strings.ReplaceAll(text, from, to)
		}
	}
	exception := func(lines ...string) func(string) string {
		return func(text string) string {
			text = strings.Replace(text, "SUMMARY:Meeting", "RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:Meeting", 1)
			more := "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:20300311T120000Z\r\nDTSTART:20300311T120000Z\r\nDURATION:PT1H\r\nSUMMARY:One\r\n"
			return strings.Replace(text, "END:VCALENDAR", more+strings.Join(lines, "\r\n")+"\r\nEND:VEVENT\r\nEND:VCALENDAR", 1)
		}
	}
	crowd := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "ATTENDEE:mailto:p%d@elsewhere.example\r\n", i)
		}
		return b.String()
	}
	for _, c := range []struct {
		what   string
		user   string // who stores: the organizer his object, others what they were sent
		edit   func(string) string
		status int
		cond   string
		then   func(t *testing.T, text func(user string) string) // what is there afterwards
	}{
		{"another organizer", "anna", sub("ORGANIZER:mailto:anna", "ORGANIZER:mailto:ben"), 403, "C:allowed-organizer-scheduling-object-change", nil},
		{"another organizer, by an attendee", "ben", sub("mailto:anna", "mailto:carl"), 403, "C:allowed-attendee-scheduling-object-change", nil},
		{"himself as organizer, by an attendee", "ben", func(text string) string {
			return regexp.MustCompile(`ORGANIZER[^\r]*`).ReplaceAllString(text, "ORGANIZER:mailto:ben@example.com")
		}, 403, "C:allowed-attendee-scheduling-object-change", nil},
		{"an exception of another organizer", "anna", exception("ORGANIZER:mailto:ben@example.com", benLine), 403, "C:same-organizer-in-all-components", nil},
		{"an exception without organizer", "anna", exception(benLine), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("ben"); strings.Count(got, "ORGANIZER") != 2 {
				t.Errorf("ben has\n%s", got)
			}
		}},
		{"too many attendees", "anna", sub("SUMMARY", crowd(101)+"SUMMARY"), 403, "C:max-attendees-per-instance", nil},
		{"too many in an exception", "anna", exception(org, strings.TrimSuffix(crowd(101), "\r\n")), 403, "C:max-attendees-per-instance", nil},
		{"somebody else, by an attendee", "ben", sub("SUMMARY", "ATTENDEE:mailto:carl@example.com\r\nSUMMARY"), 403, "C:allowed-attendee-scheduling-object-change", nil},
		{"another time, by an attendee", "ben", sub("20300310T12", "20300310T13"), 403, "C:allowed-attendee-scheduling-object-change", nil},
		{"another title, by an attendee", "ben", sub("SUMMARY:Meeting", "SUMMARY:Party"), 403, "C:allowed-attendee-scheduling-object-change", nil},
		{"no list any more, by an attendee", "ben", func(text string) string {
			return regexp.MustCompile(`ATTENDEE[^\r]*\r\n`).ReplaceAllString(text, "")
		}, 403, "C:allowed-attendee-scheduling-object-change", nil},
		{"an answer for somebody else", "ben", sub("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa", "PARTSTAT=DECLINED:mailto:rosa"), 204, "", func(t *testing.T, text func(string) string) {
			for _, who := range []string{"anna", "ben", "rosa"} {
				if got := answerOf(text(who), "rosa"); got != "NEEDS-ACTION" {
					t.Errorf("%s has rosa's answer as %s", who, got)
				}
			}
		}},
		{"an answer that is none", "ben", sub("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben", "PARTSTAT=PERHAPS:mailto:ben"), 204, "", nil},
		{"a METHOD", "anna", sub("BEGIN:VEVENT", "METHOD:REQUEST\r\nBEGIN:VEVENT"), 403, "C:valid-calendar-object-resource", nil},
		{"nobody's address", "anna", sub("SUMMARY", "ATTENDEE:\r\nATTENDEE:mailto:\r\nATTENDEE:urn:uuid:1\r\nATTENDEE:invalid:nomail\r\nATTENDEE:MAILTO:x@y@z\r\nSUMMARY"), 204, "", func(t *testing.T, text func(string) string) {
			if got := answerOf(text("ben"), "ben"); got != "NEEDS-ACTION" {
				t.Errorf("ben is %s", got)
			}
		}},
		{"an attendee twice", "anna", sub(benLine, benLine+"\r\nATTENDEE;PARTSTAT=ACCEPTED;CN=Twice:MAILTO:Ben@Example.com"), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("ben"); got == "" {
				t.Error("ben has nothing")
			}
		}},
		{"the organizer is asked", "anna", sub("PARTSTAT=ACCEPTED:mailto:anna", "PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:anna"), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("anna"); strings.Contains(got, "SCHEDULE-STATUS=1.2:mailto:anna") {
				t.Errorf("anna was sent a message by herself:\n%s", got)
			}
		}},
		{"the organizer by an alias", "anna", sub("ORGANIZER:mailto:anna", "ORGANIZER:mailto:a.berg"), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("ben"); strings.Contains(got, "a.berg") {
				t.Errorf("ben has another organizer:\n%s", got)
			}
		}},
		{"addresses in capitals", "anna", sub("mailto:", "MAILTO:"), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("ben"); got == "" || strings.Contains(got, "CANCELLED") {
				t.Errorf("ben has\n%s", got)
			}
		}},
		{"a status that the client knows", "anna", sub(benLine, "ATTENDEE;SCHEDULE-STATUS=5.3;X-FACTOTUM-REVISION=99:mailto:ben@example.com"), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("anna"); strings.Contains(got, "5.3") || strings.Contains(got, "99:mailto") {
				t.Errorf("anna has\n%s", got)
			}
		}},
		{"an agent that is none", "anna", sub(benLine, "ATTENDEE;SCHEDULE-AGENT=MAYBE:mailto:ben@example.com"), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("ben"); !strings.Contains(got, "STATUS:CANCELLED") { // as NONE: RFC 6638 §7.1
				t.Errorf("ben has\n%s", got)
			}
		}},
		{"a name with lines in it", "anna", sub("ORGANIZER:", `ORGANIZER;CN="x^nATTENDEE:mailto:carl@example.com":`), 204, "", func(t *testing.T, text func(string) string) {
			if got := text("ben"); strings.Contains(got, "\nATTENDEE:mailto:carl") {
				t.Errorf("ben has\n%s", got)
			}
		}},
		{"somebody who acts for her", "anna", sub("ORGANIZER:", `ORGANIZER;SENT-BY="mailto:carl@example.com":`), 204, "", nil},
		{"delegates in a ring", "ben", sub("PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben", `PARTSTAT=DELEGATED;DELEGATED-FROM="mailto:rosa@example.com";DELEGATED-TO="mailto:ben@example.com","mailto:rosa@example.com","mailto:anna@example.com":mailto:ben`), 204, "", func(t *testing.T, text func(string) string) {
			if n := strings.Count(text("anna"), "ATTENDEE"); n != 3 {
				t.Errorf("anna has %d attendees", n)
			}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			s.t, s.site.t = t, t
			text := func(user string) string { return s.text(user, calOf(user), "u") }
			s.do("anna", "PUT", calOf("anna")+"u.ics", meetingOf("u")).is(201)
			s.settled()
			before := map[string]string{}
			for _, who := range []string{"anna", "ben", "rosa"} {
				before[who] = text(who)
			}
			wanted := c.edit(regexp.MustCompile(`;(SCHEDULE-STATUS|X-FACTOTUM-REVISION)=[^;:]*`).ReplaceAllString(before[c.user], ""))
			r := s.do(c.user, "PUT", s.found(c.user, calOf(c.user), "u"), wanted)
			if c.cond == "" {
				r.is(c.status)
			} else {
				r.is(c.status, c.cond).contains("error-description")
			}
			if c.status >= 400 {
				for who, was := range before {
					if now := text(who); now != was {
						t.Errorf("%s has\n%s\nand had\n%s", who, now, was)
					}
				}
			}
			if c.then != nil {
				c.then(t, text)
			}
			// It can be removed, and everybody's copy with it.
			s.do("anna", "DELETE", calOf("anna")+"u.ics", "").is(204)
			s.settled()
			s.clock.Add(time.Second)
			for _, who := range []string{"ben", "rosa"} {
				if href := s.found(who, calOf(who), "u"); href != "" {
					s.do(who, "DELETE", href, "").is(204)
				}
			}
		})
	}
}

// TestMeetingsOfNobody: what was copied from elsewhere, by a program that does not
// schedule, is nobody's business.
func TestMeetingsOfNobody(t *testing.T) {
	s := newMeetings(t, sitetest.Options{}, false)
	s.do("anna", "PUT", annasCal+"m.ics", meetingOf("m")).is(201)
	s.visit("carl")
	// Carl is neither organizer nor attendee; ben says that he was invited to what is not there.
	s.do("carl", "PUT", homeOf("carl")+"calendar/m.ics", meetingOf("m")).is(201)
	s.do("ben", "PUT", homeOf("ben")+"calendar/x.ics", strings.Replace(meetingOf("x"), "PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben", "PARTSTAT=ACCEPTED:mailto:ben", 1)).is(201)
	if got := s.text("anna", annasCal, "x"); got != "" {
		t.Errorf("anna has\n%s", got)
	}
	if got := s.text("rosa", homeOf("rosa")+"calendar/", "x"); got != "" {
		t.Errorf("rosa has\n%s", got)
	}
	told := s.text("ben", homeOf("ben")+"calendar/", "x")
	if !strings.Contains(told, "SCHEDULE-STATUS=1.2:mailto:anna") {
		t.Errorf("ben has\n%s", told)
	}
	s.do("anna", "DELETE", annasCal+"m.ics", "").is(204)
	if got := s.text("carl", homeOf("carl")+"calendar/", "m"); strings.Contains(got, "CANCELLED") {
		t.Errorf("carl has\n%s", got)
	}
}
