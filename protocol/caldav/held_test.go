package caldav

import (
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// What came by mail and is held stands in the inbox, says why, and is accepted by a
// POST to it; DELETE rejects it. RFC 6638 §4.1.
func TestHeldItems(t *testing.T) {
	hosts := sitetest.NewHosts(t, sitetest.Options{})
	s := (&site{t: t, people: hosts.People, base: hosts.Site}).over(hosts.Backend)
	s.visit("anna", "ben")
	const inbox, cal = "/dav/calendars/anna/inbox/", "/dav/calendars/anna/calendar/"
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//T//T//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:far\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20300107T100000Z\r\n" +
		"SUMMARY:Plans\r\nORGANIZER:mailto:zoe@far.example\r\nATTENDEE:mailto:anna@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	held := func(id string) string {
		t.Helper()
		res, err := s.be.Deliver(t.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: id, Data: []byte(text),
			Arrival: &calendar.Arrival{Sender: "zoe@far.example", Proof: calendar.Proven}, To: []calendar.Recipient{{Address: "mailto:anna@example.com", Owner: "anna"}}})
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
		list := s.do("anna", "PROPFIND", inbox, "", "Depth: 1").is(207).body
		i := strings.Index(list, "-held-request-")
		if i < 0 {
			t.Fatalf("nothing is held:\n%s", list)
		}
		from, to := strings.LastIndex(list[:i], inbox), i+strings.Index(list[i:], "<")
		return list[from:to]
	}
	post := func(user, path, doc string) *reply {
		return s.do(user, "POST", path, `<F:`+doc+` xmlns:F="urn:factotum:caldav"><F:remember/></F:`+doc+`>`, "Content-Type: application/xml")
	}
	item := held("1")
	s.do("anna", "GET", item, "").is(200).contains("X-FACTOTUM-HELD:unsolicited", "X-FACTOTUM-SENDER:zoe@far.example")
	post("ben", item, "accept").is(403)
	post("anna", item, "perhaps").is(403)
	s.do("anna", "POST", item, text, "Content-Type: text/calendar").is(405)
	post("anna", cal+"far.ics", "accept").is(405)
	s.do("anna", "DELETE", item, "").is(204)
	post("anna", item, "accept").is(404)
	s.do("anna", "GET", cal+"far.ics", "").is(404)
	post("anna", held("2"), "accept").is(200).contains(">invited</", ">true</", ">A new invitation.</")
	s.do("anna", "GET", cal+"far.ics", "").is(200).contains("SUMMARY:Plans").lacks("METHOD", "X-FACTOTUM-HELD")
}
