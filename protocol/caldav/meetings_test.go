package caldav

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

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
			test(t, newMeetings(t, sitetest.Options{}, hosts))
		})
	}
}

func newMeetings(t *testing.T, opt sitetest.Options, hosts bool) (s meetings) {
	people := sitetest.Staff()
	maps.Copy(people, calendartest.NewPeople("rosa"))
	opt.People, opt.Scheduling, opt.Clock = people, true, &sitetest.Clock{}
	if hosts {
		h := sitetest.NewHosts(t, opt)
		h.People = people
		s = meetings{(&site{t: t, people: h.People, base: h.Site, clock: opt.Clock}).over(h.Backend), h.Settle}
	} else {
		base := sitetest.New(t, opt)
		base.People = people
		s = meetings{(&site{t: t, people: base.People, base: base, clock: opt.Clock}).over(base.Backend), base.Settle}
	}
	s.visit("anna", "ben", "rosa")
	return s
}

// meetingOf is a meeting of anna's, with ben and rosa.
func meetingOf(uid string) string {
	return strings.Replace(event(uid, "20300310T120000Z", "Meeting"), "SUMMARY", "ORGANIZER:mailto:anna@example.com\r\n"+
		"ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben@example.com\r\n"+
		"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa@example.com\r\nSUMMARY", 1)
}

// found is the href of somebody's object of a UID in a collection, "" if it has
// none. What follows is a second later.
func (s meetings) found(user, collection, uid string) string {
	s.t.Helper()
	s.settled()
	s.clock.Add(time.Second)
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
// declined unless the client says that nobody is told (RFC 6638 §8.1).
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

// TestRFC6638_3_2_4_1_CopiedCalendar: a home has a meeting once, whoever organizes
// it and in which way it is copied; what the server does not speak for may be
// there twice.
func TestRFC6638_3_2_4_1_CopiedCalendar(t *testing.T) {
	onMeetings(t, func(t *testing.T, s meetings) {
		s.do("rosa", "MKCALENDAR", homeOf("rosa")+"work/", "").is(201)
		s.do("anna", "MKCALENDAR", homeOf("anna")+"work/", "").is(201)
		s.do("anna", "PUT", homeOf("anna")+"work/own.ics", event("own", "20300311T120000Z", "Alone")).is(201)
		s.do("anna", "PUT", homeOf("anna")+"work/m.ics", meetingOf("m")).is(201)
		s.moved("rosa", "MOVE", s.found("rosa", homeOf("rosa")+"calendar/", "m"), homeOf("rosa")+"work/m.ics").is(201)
		for _, user := range []string{"anna", "rosa"} {
			s.moved(user, "COPY", homeOf(user)+"work/", homeOf(user)+"again/").is(403, "C:unique-scheduling-object-resource").contains("<D:href>" + homeOf(user) + "work/m.ics</D:href>")
			s.do(user, "PROPFIND", homeOf(user)+"again/", propfind("D:resourcetype"), "Depth: 0").is(404)
		}
		s.do("anna", "COPY", homeOf("anna")+"work/", "", "Destination: http://cal.example.com"+homeOf("anna")+"empty/", "Depth: 0").is(201)
		s.moved("anna", "MOVE", homeOf("anna")+"work/", homeOf("anna")+"job/").is(201)
		if got := s.text("rosa", homeOf("rosa")+"work/", "m"); !strings.Contains(got, "SUMMARY:Meeting") || strings.Contains(got, "CANCELLED") {
			t.Errorf("after a move of the calendar rosa has\n%s", got)
		}
		client := strings.ReplaceAll(meetingOf("client"), "ATTENDEE;", "ATTENDEE;SCHEDULE-AGENT=CLIENT;")
		s.do("anna", "PUT", homeOf("anna")+"empty/client.ics", client).is(201)
		s.moved("anna", "COPY", homeOf("anna")+"empty/", homeOf("anna")+"again/").is(201)
		s.do("anna", "GET", homeOf("anna")+"again/client.ics", "").is(200)
	})
}

// TestMeetingInAnothersHome: what is copied there tells nobody and is there once;
// a meeting that the server speaks for is not moved there, and stays whole.
func TestMeetingInAnothersHome(t *testing.T) {
	onMeetings(t, func(t *testing.T, s meetings) {
		all := aclBody(grant("<D:all/>", "<D:read/>", "<D:write/>"))
		s.visit("carl")
		for _, user := range []string{"anna", "ben", "rosa", "carl"} {
			s.do(user, "ACL", homeOf(user)+"calendar/", all).is(200)
		}
		s.do("anna", "PUT", homeOf("anna")+"calendar/m.ics", meetingOf("m")).is(201)
		rosas := s.found("rosa", homeOf("rosa")+"calendar/", "m")
		for _, to := range []string{"ben", "carl"} {
			s.moved("anna", "MOVE", homeOf("anna")+"calendar/m.ics", homeOf(to)+"calendar/x.ics").is(403, "C:allowed-organizer-scheduling-object-change")
			s.moved("rosa", "MOVE", rosas, homeOf(to)+"calendar/x.ics").is(403, "C:allowed-attendee-scheduling-object-change")
		}
		s.do("ben", "MKCALENDAR", homeOf("ben")+"other/", "").is(201)
		s.moved("ben", "COPY", homeOf("anna")+"calendar/m.ics", homeOf("ben")+"other/x.ics").is(403, "C:unique-scheduling-object-resource")
		s.moved("carl", "COPY", rosas, homeOf("carl")+"calendar/x.ics").is(201)
		if got := s.text("carl", homeOf("carl")+"calendar/", "m"); !strings.Contains(got, "ORGANIZER") || answerOf(got, "carl") != "" {
			t.Errorf("carl, who is told what is on, has\n%s", got)
		}
		s.do("carl", "DELETE", homeOf("carl")+"calendar/x.ics", "").is(204)
		if got := s.text("anna", homeOf("anna")+"calendar/", "m"); answerOf(got, "ben") != "NEEDS-ACTION" || answerOf(got, "carl") != "" || strings.Contains(got, "DECLINED") {
			t.Errorf("anna has\n%s", got)
		}
		client := strings.ReplaceAll(meetingOf("client"), "ATTENDEE;", "ATTENDEE;SCHEDULE-AGENT=CLIENT;")
		s.do("anna", "PUT", homeOf("anna")+"calendar/c.ics", client).is(201)
		s.moved("anna", "MOVE", homeOf("anna")+"calendar/c.ics", homeOf("carl")+"calendar/c.ics").is(201)
	})
}

// TestRFC6638_3_2_3_4_PlainCollections: what comes from a collection that is no
// calendar is as if it were put, what goes there as if it were deleted.
func TestRFC6638_3_2_3_4_PlainCollections(t *testing.T) {
	onMeetings(t, func(t *testing.T, s meetings) {
		files, cal, bens, rosas := homeOf("anna")+"files/", homeOf("anna")+"calendar/", homeOf("ben")+"calendar/", homeOf("rosa")+"calendar/"
		s.do("anna", "MKCOL", files, "").is(201)
		s.do("anna", "PUT", files+"m.ics", meetingOf("m"), "Content-Type: text/calendar").is(201)
		if s.found("rosa", rosas, "m") != "" {
			t.Error("a file invites rosa")
		}
		s.moved("anna", "COPY", files+"m.ics", cal+"m.ics").is(201)
		for user, at := range map[string]string{"ben": bens, "rosa": rosas} {
			if got := s.text(user, at, "m"); answerOf(got, user) != "NEEDS-ACTION" {
				t.Errorf("%s has\n%s", user, got)
			}
		}
		s.moved("anna", "COPY", cal+"m.ics", files+"copy.ics").is(201)
		s.do("rosa", "MKCOL", homeOf("rosa")+"files/", "").is(201)
		s.moved("rosa", "MOVE", s.found("rosa", rosas, "m"), homeOf("rosa")+"files/m.ics").is(201)
		if got := s.text("anna", cal, "m"); answerOf(got, "rosa") != "DECLINED" {
			t.Errorf("rosa put it away, and is %q", answerOf(got, "rosa"))
		}
		s.moved("anna", "MOVE", cal+"m.ics", files+"away.ics").is(201)
		if got := s.text("ben", bens, "m"); !strings.Contains(got, "STATUS:CANCELLED") {
			t.Errorf("anna put it away, and ben has\n%s", got)
		}
	})
}

// TestRFC7953_HoursOfARoom: what is outside of the hours in which a room can be
// booked is declined, with a word why; they are in its free/busy too, and in that
// of people, who decide for themselves.
func TestRFC7953_HoursOfARoom(t *testing.T) {
	onMeetings(t, func(t *testing.T, s meetings) {
		room := s.people["room1"]
		room.AutoReply, room.NoDoubles = true, true
		s.people["room1"] = room
		hours := func(user, inbox string) {
			text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VAVAILABILITY\r\nUID:h\r\nDTSTAMP:20260101T000000Z\r\nBEGIN:AVAILABLE\r\nUID:i\r\nDTSTAMP:20260101T000000Z\r\n" +
				"DTSTART:20260105T080000Z\r\nDTEND:20260105T180000Z\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\r\nEND:AVAILABLE\r\nEND:VAVAILABILITY\r\nEND:VCALENDAR\r\n"
			s.do(user, "PROPPATCH", inbox, patching("<C:calendar-availability>"+text+"</C:calendar-availability>")).is(207).lacks("403")
		}
		s.do("root", "PROPFIND", homeOf("room1"), propfind("D:resourcetype"), "Depth: 0").is(207)
		hours("root", homeOf("room1")+"inbox/")
		hours("rosa", homeOf("rosa")+"inbox/")
		booking := func(uid, start string, more ...string) string {
			s.do("anna", "PUT", homeOf("anna")+"calendar/"+uid+".ics", event(uid, start, "Booked", append(more, "ORGANIZER:mailto:anna@example.com",
				"ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:room1@example.com",
				"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:rosa@example.com")...)).is(201)
			return s.text("anna", homeOf("anna")+"calendar/", uid)
		}
		for uid, c := range map[string]struct {
			start, more, want string
		}{
			"day":       {"20300311T080000Z", "", "ACCEPTED"},
			"last-hour": {"20300311T170000Z", "", "ACCEPTED"},
			"over":      {"20300311T173000Z", "", "DECLINED"},
			"sunday":    {"20300310T120000Z", "", "DECLINED"},
			"daily":     {"20300312T120000Z", "RRULE:FREQ=DAILY;COUNT=8", "DECLINED"},
			"workdays":  {"20300312T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;COUNT=500", "ACCEPTED"},
		} {
			var more []string
			if c.more != "" {
				more = []string{c.more}
			}
			text := booking(uid, c.start, more...)
			if got := answerOf(text, "room1"); got != c.want {
				t.Errorf("%s: the room %s, want %s\n%s", uid, got, c.want, text)
			}
			if got := answerOf(text, "rosa"); got != "NEEDS-ACTION" {
				t.Errorf("%s: rosa was answered for: %s", uid, got)
			}
		}
		ask := xmlHead("D:propfind") + `<D:prop><why xmlns="urn:factotum:caldav"/></D:prop></D:propfind>`
		declined := s.found("root", homeOf("room1")+"calendar/", "over")
		s.do("root", "PROPFIND", declined, ask, "Depth: 0").is(207).contains(">outside-hours<", "It cannot be booked at that hour, on 2030-03-11 17:30 (UTC).")
		for _, user := range []string{"room1", "rosa"} {
			r := s.do("anna", "POST", homeOf("anna")+"outbox/", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY\r\nUID:f\r\nDTSTAMP:20260101T000000Z\r\n"+
				"DTSTART:20300309T000000Z\r\nDTEND:20300311T000000Z\r\nORGANIZER:mailto:anna@example.com\r\nATTENDEE:mailto:"+user+"@example.com\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n",
				"Content-Type: text/calendar").is(200)
			if !strings.Contains(strings.ReplaceAll(r.body, "\r\n ", ""), "FBTYPE=BUSY-UNAVAILABLE:20300309T000000Z/20300311T000000Z") {
				t.Errorf("the busy time of %s:\n%s", user, r.body)
			}
		}
	})
}
