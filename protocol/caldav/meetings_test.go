package caldav

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar/calendartest"
)

// meetings is a site whose messages are delivered: of anna and ben, and of rosa,
// who is on another back end where there are two.
type meetings struct {
	*site
	settled func()
}

// onMeetings runs a test in one process and on two back ends.
func onMeetings(t *testing.T, test func(t *testing.T, s meetings)) {
	for _, hosts := range []bool{false, true} {
		t.Run(fmt.Sprintf("hosts=%v", hosts), func(t *testing.T) {
			people := sitetest.Staff()
			maps.Copy(people, calendartest.NewPeople("rosa"))
			opt := sitetest.Options{People: people, Scheduling: true}
			var s meetings
			if hosts {
				h := sitetest.NewHosts(t, opt)
				h.People["rosa"] = people["rosa"]
				s = meetings{(&site{t: t, people: h.People, base: h.Site}).over(h.Backend), h.Settle}
			} else {
				base := sitetest.New(t, opt)
				base.People["rosa"] = people["rosa"]
				s = meetings{(&site{t: t, people: base.People, base: base}).over(base.Backend), base.Settle}
			}
			s.visit("anna", "ben", "rosa")
			test(t, s)
		})
	}
}

// meetingOf is a meeting of anna's, with ben and rosa.
func meetingOf(uid string) string {
	return strings.Replace(event(uid, "20300310T120000Z", "Meeting"), "SUMMARY", "ORGANIZER:mailto:anna@example.com\r\n"+
		"ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben@example.com\r\n"+
		"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa@example.com\r\nSUMMARY", 1)
}

// found is the href of somebody's object of a UID in a collection, "" if it has none.
func (s meetings) found(user, collection, uid string) string {
	s.t.Helper()
	s.settled()
	filter := in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">` + uid + `</C:text-match></C:prop-filter>`)
	m := s.do(user, "REPORT", collection, query(filter, "D:getetag")).multi()
	if len(m.order) == 0 {
		return ""
	}
	return m.order[0]
}

// text is somebody's object of a UID, without folds.
func (s meetings) text(user, collection, uid string) string {
	s.t.Helper()
	href := s.found(user, collection, uid)
	if href == "" {
		return ""
	}
	return strings.ReplaceAll(s.do(user, "GET", href, "").is(200).body, "\r\n ", "")
}

// moved is a MOVE or COPY.
func (s meetings) moved(user, method, from, to string) *reply {
	s.t.Helper()
	return s.do(user, method, from, "", "Destination: http://cal.example.com"+to)
}

func homeOf(user string) string { return "/dav/calendars/" + user + "/" }

// TestRFC6638_3_2_3_2_DeletedCalendar: what was in a calendar is cancelled, and
// declined unless the client says that nobody is told (§8.1).
func TestRFC6638_3_2_3_2_DeletedCalendar(t *testing.T) {
	onMeetings(t, func(t *testing.T, s meetings) {
		for _, user := range []string{"anna", "rosa", "ben"} {
			s.do(user, "MKCALENDAR", homeOf(user)+"work/", "").is(201)
		}
		s.do("anna", "PUT", homeOf("anna")+"work/m.ics", meetingOf("m")).is(201)
		for _, user := range []string{"ben", "rosa"} {
			s.moved(user, "MOVE", s.found(user, homeOf(user)+"calendar/", "m"), homeOf(user)+"work/m.ics").is(201)
		}
		s.do("ben", "DELETE", homeOf("ben")+"work/", "", "Schedule-Reply: F").is(204)
		s.do("rosa", "DELETE", homeOf("rosa")+"work/", "").is(204)
		told := s.text("anna", homeOf("anna")+"work/", "m")
		if got := answerOf(told, "ben"); got != "NEEDS-ACTION" {
			t.Errorf("ben, who leaves without a word, is %s", got)
		}
		if got := answerOf(told, "rosa"); got != "DECLINED" {
			t.Errorf("rosa, who leaves, is %s", got)
		}
		s.do("anna", "PUT", homeOf("anna")+"work/n.ics", meetingOf("n")).is(201)
		s.found("rosa", homeOf("rosa")+"calendar/", "n")
		s.do("anna", "DELETE", homeOf("anna")+"work/", "").is(204)
		for _, user := range []string{"ben", "rosa"} {
			if got := s.text(user, homeOf(user)+"calendar/", "n"); !strings.Contains(got, "STATUS:CANCELLED") {
				t.Errorf("%s has\n%s", user, got)
			}
		}
	})
}

// answerOf is the PARTSTAT of an attendee, "" if he is none.
func answerOf(text, user string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "ATTENDEE") && strings.Contains(line, ":mailto:"+user+"@") {
			_, rest, _ := strings.Cut(line, "PARTSTAT=")
			return rest[:strings.IndexAny(rest+":", ";:")]
		}
	}
	return ""
}
