package service

import (
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

// What rooms and other resources answer is mailed to organizers only where it is asked
// for.
func TestNoticesOfRooms(t *testing.T) {
	for _, c := range []struct {
		params       string
		plain, asked int
	}{{"", 1, 1}, {";CUTYPE=INDIVIDUAL", 1, 1}, {";CUTYPE=ROOM", 0, 1}, {";CUTYPE=RESOURCE", 0, 1}} {
		cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20300107T100000Z\r\nORGANIZER:mailto:anna@example.com\r\nATTENDEE"+
			c.params+";PARTSTAT=ACCEPTED:mailto:blue@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		r := &itip.Receipt{Object: cal, Answers: []itip.Answer{{Attendee: *cal.Child("VEVENT").Prop("ATTENDEE"), Was: "NEEDS-ACTION", Is: "ACCEPTED"}}}
		d := &delivery{DeliverRequest: &calendar.DeliverRequest{ID: "blue/1", From: "mailto:blue@example.com"}, msg: cal, to: calendar.Recipient{Address: "mailto:anna@example.com"}}
		if plain, asked := len(answerNotices(d, r, false)), len(answerNotices(d, r, true)); plain != c.plain || asked != c.asked {
			t.Errorf("%q: %d mails, and %d where it is asked for", c.params, plain, asked)
		}
	}
}
