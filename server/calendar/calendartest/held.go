package calendartest

import (
	"strings"

	"factotum/server/calendar"
)

// What is held is decided about by its recipient and by administrators, once; others
// are not even told whether it is there.
func testDecide(s *suite) {
	s.home("anna")
	const inbox calendar.ID = "anna:inbox"
	hold := func(uid string) (name string) {
		s.Helper()
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//T//T//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\n" +
			"DTSTART:20300107T100000Z\r\nORGANIZER:mailto:zoe@far.example\r\nATTENDEE:mailto:anna@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		res, err := s.be.Deliver(s.ctx, calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: "mail/" + uid, Data: []byte(text),
			Arrival: &calendar.Arrival{Sender: "zoe@far.example", Proof: calendar.Proven}, To: []calendar.Recipient{{Address: "mailto:anna@example.com", Owner: "anna"}}})
		s.ok(err)
		s.ok(res[0].Err)
		equal(s, "why it is held", res[0].Reason, "unsolicited")
		s.ok(s.be.Query(s.ctx, s.as("anna"), calendar.QueryRequest{Calendar: inbox}, func(o *calendar.Object) error {
			if h, ok := calendar.HeldItem(o.Name, o.Data, o.Modified); ok && h.UID == uid {
				name = o.Name
			}
			return nil
		}))
		return name
	}
	decide := func(who, name string, accept bool) (calendar.Decided, error) {
		return s.be.Decide(s.ctx, s.as(who), calendar.DecideRequest{Ref: calendar.Ref{Calendar: inbox, Name: name}, Accept: accept})
	}
	one := hold("one")
	for _, who := range []string{"bert", ""} {
		if _, err := decide(who, one, true); calendar.KindOf(err) != calendar.Denied && calendar.KindOf(err) != calendar.NoCalendar {
			s.Errorf("%q decides for anna: %v", who, err)
		}
	}
	res, err := decide("anna", one, true)
	s.ok(err)
	equal(s, "accepted", res, calendar.Decided{Applied: true, Reason: "invited"})
	_, err = decide("anna", one, true)
	s.kind(err, calendar.NotFound)
	res, err = decide("root", hold("two"), false)
	s.ok(err)
	equal(s, "rejected", res, calendar.Decided{Reason: "rejected"})
	_, err = s.be.Decide(s.ctx, s.as("anna"), calendar.DecideRequest{Ref: calendar.Ref{Calendar: "anna", Name: "x.ics"}, Accept: true})
	s.kind(err, calendar.Unsupported)
	var uids []string
	s.ok(s.be.Query(s.ctx, s.as("anna"), calendar.QueryRequest{Calendar: "anna"}, func(o *calendar.Object) error {
		_, uid, _ := strings.Cut(string(o.Data), "\nUID:")
		uids = append(uids, uid[:strings.IndexByte(uid, '\r')])
		return nil
	}))
	same(s, "in the calendar", uids, []string{"one"})
}
