package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/server/why"
)

// message is a scheduling message about an event whose lines are given.
func message(method, uid string, lines ...string) string {
	text := meeting(uid, lines...)
	if method == "" {
		return text
	}
	return strings.Replace(text, "VERSION", "METHOD:"+method+"\r\nVERSION", 1)
}

func (s *site) deliver(id, from, to, text string) calendar.DeliverResult {
	s.Helper()
	res, err := s.be.Deliver(s.Context(), s.as(from), calendar.DeliverRequest{ID: id, From: "mailto:" + from + "@example.com",
		To: []calendar.Recipient{{Address: "mailto:" + to + "@example.com", Owner: calendar.Owner(to)}}, Data: []byte(text)})
	if err != nil || res[0].Err != nil {
		s.Fatal(id, err, res)
	}
	return res[0]
}

// TestBadMessages: what may not change a calendar, does not, and the journal of
// the one to whom it came says why, in a code and in words.
func TestBadMessages(t *testing.T) {
	s := newSite(t, sitetest.SQLite, false)
	const when, later = "DTSTART:20300107T100000Z\r\nDTEND:20300107T110000Z\r\nSUMMARY:Plans", "DTSTART:20300108T100000Z\r\nDTEND:20300108T110000Z\r\nSUMMARY:Plans\r\nSEQUENCE:9"
	const org, ben, carl = "ORGANIZER:mailto:anna@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ben@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:carl@example.com"
	const forAnna = `ORGANIZER;SENT-BY="mailto:carl@example.com":mailto:anna@example.com`
	second := func(text, uid string, lines ...string) string {
		more := "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\n" + strings.Join(lines, "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR"
		return strings.Replace(text, "END:VCALENDAR", more, 1)
	}
	deputies := make([]string, 2000)
	for i := range deputies {
		deputies[i] = fmt.Sprintf(`"mailto:d%d@example.com"`, i)
	}
	for _, c := range []struct {
		what, from, to, text string
		reason               string
		changes              bool // it is no bad input in the end
	}{
		{"a reply of who is not invited", "carl", "anna", message("REPLY", "u", when, org, carl), "not-invited", false},
		{"a reply in somebody else's name", "carl", "anna", message("REPLY", "u", when, org, ben), "not-invited", false},
		{"a reply of who says that he acts for another", "carl", "anna", message("REPLY", "u", when, org, `ATTENDEE;SENT-BY="mailto:carl@example.com";PARTSTAT=DECLINED:mailto:ben@example.com`), "not-invited", false},
		{"a reply of who says that he was sent", "carl", "anna", message("REPLY", "u", when, org, `ATTENDEE;DELEGATED-FROM="mailto:ben@example.com";PARTSTAT=ACCEPTED:mailto:carl@example.com`), "not-invited", false},
		{"a reply to another meeting", "ben", "anna", message("REPLY", "other", when, org, ben), "unknown-meeting", false},
		{"a reply for an instance that is none", "ben", "anna", message("REPLY", "u", when, org, ben, "RECURRENCE-ID:20300109T100000Z"), "unknown-instance", false},
		{"a reply with no attendee", "ben", "anna", message("REPLY", "u", when, org), "not-invited", false},
		{"a reply of the organizer himself", "anna", "anna", message("REPLY", "u", when, org, "ATTENDEE;PARTSTAT=DECLINED:mailto:anna@example.com"), "not-invited", false},
		{"a request that changes the organizer", "carl", "ben", message("REQUEST", "u", later, "ORGANIZER:mailto:carl@example.com", ben), "not-organizer", false},
		{"a request by a third person", "carl", "ben", message("REQUEST", "u", later, org, ben), "not-organizer", false},
		{"a request of who says that he acts for the organizer", "carl", "ben", message("REQUEST", "u", later, forAnna, ben), "not-organizer", false},
		{"a new request of who says so", "carl", "ben", message("REQUEST", "new", later, forAnna, ben), "not-organizer", false},
		{"a request of several organizers", "anna", "ben", second(message("REQUEST", "u", later, org, ben), "u", "RECURRENCE-ID:20300107T100000Z", "DTSTART:20300107T100000Z", "ORGANIZER:mailto:carl@example.com", ben), "unreadable", false},
		{"a request without organizer", "anna", "ben", message("REQUEST", "u", later, ben), "unreadable", false},
		{"a request without the one to whom it comes", "anna", "ben", message("REQUEST", "u", later, org, carl), "not-addressed", false},
		{"a request of an older revision", "anna", "ben", message("REQUEST", "u", "DTSTART:20300107T120000Z", "SEQUENCE:1", org, ben), "older-revision", false},
		{"a request without times", "anna", "ben", message("REQUEST", "u", "SEQUENCE:9", org, ben), "unreadable", false},
		{"a request with a rule that cannot be read", "anna", "ben", message("REQUEST", "u", later, "RRULE:FREQ=NEVER", org, ben), "unreadable", false},
		{"a request of two UIDs", "anna", "ben", second(message("REQUEST", "u", later, org, ben), "v", later, org, ben), "unreadable", false},
		{"a request for busy time", "anna", "ben", strings.ReplaceAll(message("REQUEST", "u", later, org, ben), "VEVENT", "VFREEBUSY"), "unreadable", false},
		{"a cancel by a third person", "carl", "ben", message("CANCEL", "u", "SEQUENCE:9", org, ben), "not-organizer", false},
		{"a cancel of another organizer", "carl", "ben", message("CANCEL", "u", "SEQUENCE:9", "ORGANIZER:mailto:carl@example.com", ben), "not-organizer", false},
		{"a cancel of an older revision", "anna", "ben", message("CANCEL", "u", "SEQUENCE:1", org, ben), "older-revision", false},
		{"no method", "anna", "ben", message("", "u", later, org, ben), "unreadable", false},
		{"a method that nobody knows", "anna", "ben", message("DESTROY", "u", later, org, ben), "unreadable", false},
		{"no iCalendar", "anna", "ben", "x", "unreadable", false},
		{"no component", "anna", "ben", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n", "unreadable", false},
		{"a refresh of who is not invited", "carl", "anna", message("REFRESH", "u", org, carl), "not-invited", false},
		{"a declined proposal of a third person", "carl", "ben", message("DECLINECOUNTER", "u", org, ben), "not-organizer", false},
		{"a name of a million letters", "anna", "ben", message("REQUEST", "long", later, org, "ATTENDEE;CN="+strings.Repeat("x", 1<<20)+":mailto:ben@example.com"), "invited", true},
		{"a name with lines in it", "anna", "ben", message("REQUEST", "lines", later, `ORGANIZER;CN="A^nATTENDEE:mailto:x@example.com":mailto:anna@example.com`, ben), "invited", true},
		{"an agent that nobody knows", "anna", "ben", message("REQUEST", "agent", later, "ORGANIZER;SCHEDULE-AGENT=X:mailto:anna@example.com", "ATTENDEE;SCHEDULE-AGENT=Y;SCHEDULE-STATUS=9.9:mailto:ben@example.com"), "invited", true},
		{"addresses in capitals", "anna", "ben", message("REQUEST", "caps", later, "ORGANIZER:MAILTO:ANNA@EXAMPLE.COM", "ATTENDEE:MAILTO:Ben@Example.com"), "invited", true},
		{"two lines of one attendee", "anna", "ben", message("REQUEST", "two", later, org, "ATTENDEE:mailto:ben@example.com", "ATTENDEE;PARTSTAT=DECLINED:MAILTO:BEN@example.com"), "invited", true},
		{"a status of a million digits", "ben", "anna", message("REPLY", "u", when, org, ben, "REQUEST-STATUS:"+strings.Repeat("2.", 1<<19)+";x"), "answered", true},
		{"thousands in one's place", "ben", "anna", strings.Replace(message("REPLY", "u", when, org, "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="+strings.Join(deputies, ",")+":mailto:ben@example.com"), "DTSTAMP:2026", "DTSTAMP:2030", 1), "delegated", true},
	} {
		t.Run(c.what, func(t *testing.T) {
			s.TB = t
			if _, o := s.copy("anna", "u"); o == nil {
				s.put("anna", "u.ics", invitation("u", "SEQUENCE:3"))
				s.settled()
			}
			before, _ := s.copy(c.to, "u")
			id := "bad/" + c.what
			res := s.deliver(id, c.from, c.to, c.text)
			if res.Reason != c.reason {
				t.Errorf("the reason is %s (%s), want %s", res.Reason, res.Detail, c.reason)
			}
			after, _ := s.copy(c.to, "u")
			if before != after && !c.changes {
				t.Errorf("it changed\n%s\nto\n%s", before, after)
			}
			if len(after) > len(before)+4000 {
				t.Errorf("the copy grew from %d to %d octets", len(before), len(after))
			}
			// The one to whom it came can read why; that it comes once more is nothing.
			if again := s.deliver(id, c.from, c.to, c.text); again != res {
				t.Errorf("once more: %+v, first %+v", again, res)
			}
			told, err := s.be.Why(t.Context(), s.as(c.to), calendar.WhyRequest{Owner: calendar.Owner(c.to), Query: calendar.TraceQuery{Message: id}})
			if err != nil || len(told.Traces) != 1 || told.Traces[0].Reason != c.reason || why.Sentence(c.reason) == "" {
				t.Fatalf("the journal has %+v, %v", told.Traces, err)
			}
			if step := told.Traces[0].Step; !c.changes && step != calendar.TraceRefused && step != calendar.TraceIgnored {
				t.Errorf("the step is %s", step)
			}
		})
	}
}

// TestNoCalendarIsMadeForNothing: who never came gets a calendar with his first
// invitation, and for no other message.
func TestNoCalendarIsMadeForNothing(t *testing.T) {
	s := newSite(t, sitetest.SQLite, false)
	const lines = "DTSTART:20300107T100000Z\r\nORGANIZER:mailto:anna@example.com"
	there := func() bool {
		home, err := s.be.Home(t.Context(), calendar.Actor{Admin: true}, calendar.HomeRequest{Owner: "carl"})
		return err == nil && len(home.Calendars) > 0
	}
	for i, c := range []struct{ method, to, reason string }{
		{"CANCEL", "carl", "unknown-meeting"}, {"REPLY", "carl", "unknown-meeting"}, {"REQUEST", "ben", "not-addressed"}, {"BUY", "carl", "unreadable"},
	} {
		res := s.deliver(fmt.Sprint("n/", i), "anna", "carl", message(c.method, "u", lines, "ATTENDEE:mailto:"+c.to+"@example.com"))
		if res.Reason != c.reason || there() {
			t.Errorf("%s: %s, a calendar: %v", c.method, res.Reason, there())
		}
	}
	if res := s.deliver("n/last", "anna", "carl", message("REQUEST", "u", lines, "ATTENDEE:mailto:carl@example.com")); res.Reason != "invited" || !there() {
		t.Errorf("an invitation: %s, a calendar: %v", res.Reason, there())
	}
}

// TestANameIsTakenAgain: a back end whose store was put back gives names a second
// time, to other messages.
func TestANameIsTakenAgain(t *testing.T) {
	s := newSite(t, sitetest.SQLite, false)
	lines := "DTSTART:20300107T100000Z\r\nORGANIZER:mailto:anna@example.com\r\nATTENDEE:mailto:carl@example.com"
	for _, uid := range []string{"first", "first", "second"} {
		if res := s.deliver("anna/1/0/0", "anna", "carl", message("REQUEST", uid, lines)); res.Reason != "invited" {
			t.Errorf("%s: %s", uid, res.Reason)
		}
		if text, _ := s.copy("carl", uid); text == "" {
			t.Errorf("carl has no %s", uid)
		}
	}
}

// TestSeriesOfTooMany: a series gets no more exceptions than factotum.limit.exceptions,
// whatever brings them.
func TestSeriesOfTooMany(t *testing.T) {
	s := &site{TB: t, people: calendartest.NewPeople("anna", "ben", "zoe")}
	one := sitetest.New(t, sitetest.Options{People: s.people, Model: service.Options{Limits: calendar.Limits{Exceptions: 3}}})
	s.be = one.Backend
	full, over := hugeSeries(3, ""), hugeSeries(4, "")
	refused := func(what string, err error) {
		t.Helper()
		if calendar.KindOf(err) != calendar.TooLarge || calendar.ReasonOf(err) != calendar.MaxInstances || !strings.Contains(calendar.MessageOf(err), "4 exceptions") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := s.tryPut("anna", "m.ics", over)
	refused("a new one", err)
	s.put("anna", "m.ics", full)
	_, err = s.tryPut("anna", "m.ics", over)
	refused("one more", err)
	imported, err := s.be.PutObjects(t.Context(), s.as("anna"), calendar.PutObjectsRequest{Calendar: "anna", Replace: true, Items: []calendar.PutItem{{Data: []byte(over)}}})
	if err != nil {
		t.Fatal(err)
	}
	refused("imported", imported[0].Err)
	if text, _ := s.copy("anna", "huge"); text != full && strings.Count(text, "RECURRENCE-ID") != 3 {
		t.Errorf("anna has %s", text)
	}

	request := func(text string) string {
		return strings.Replace(text, "VERSION", "METHOD:REQUEST\r\nVERSION", 1)
	}
	if res := s.deliver("1", "anna", "ben", request(over)); res.Reason != "too-large" || !strings.Contains(res.Detail, "4 exceptions") || res.Status != calendar.StatusRejected {
		t.Errorf("delivered: %+v", res)
	}
	if _, o := s.copy("ben", "huge"); o != nil {
		t.Error("ben has it")
	}
	if res := s.deliver("2", "anna", "ben", request(full)); res.Reason != "invited" {
		t.Errorf("delivered: %+v", res)
	}
	told, err := s.be.Why(t.Context(), s.as("ben"), calendar.WhyRequest{Owner: "ben", Query: calendar.TraceQuery{UID: "huge"}})
	if err != nil || len(told.Traces) != 2 || told.Traces[1].Step != calendar.TraceRefused || told.Traces[1].Reason != "too-large" {
		t.Errorf("the journal has %+v, %v", told.Traces, err)
	}
	lines := strings.Split(strings.ReplaceAll(hugeSeries(9, ""), "huge", "alone"), "\r\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "ATTENDEE") || strings.HasPrefix(l, "ORGANIZER") })
	s.put("anna", "alone.ics", strings.Join(lines, "\r\n")) // nobody is invited
}
