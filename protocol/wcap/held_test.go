package wcap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

// What came by mail and is held is shown to its recipient, with why, in every format,
// and is accepted or rejected: docs/wcap.md, "What is held".
func TestHeld(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.do("anna", "fetch_held.wcap").errno(0).contains("X-NSCP-CALPROPS-RELATIVE-CALID:anna")
	for i, from := range []string{"zoe", "yan", "eve"} {
		text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Far\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0200\r\n"+
			"TZOFFSETTO:+0200\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:u%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Far:20300107T100000\r\n"+
			"SUMMARY:Plans\\, all\r\nORGANIZER:mailto:%s@far.example\r\nATTENDEE:mailto:anna@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", i, from)
		res, err := s.be.Deliver(t.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: fmt.Sprint("mail/", i), Data: []byte(text),
			Arrival: &calendar.Arrival{Sender: from + "@far.example", Proof: calendar.Proven}, To: []calendar.Recipient{{Address: "mailto:anna@example.com", Owner: "anna"}}})
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
		s.clock.Add(time.Second) // the oldest comes first
	}
	r := s.do("anna", "fetch_held.wcap").errno(0).contains("DTSTART:20300107T080000Z", `SUMMARY:Plans\, all`, "X-FACTOTUM-HELD:unsolicited", "X-FACTOTUM-SENDER:zoe@far.example", "X-FACTOTUM-METHOD:REQUEST",
		"X-FACTOTUM-SENTENCE:An invitation from somebody", "REQUEST-NEEDS-ACTION")
	items := r.values("X-FACTOTUM-ITEM")
	if uids := r.values("UID"); len(items) != 3 || strings.Join(uids, " ") != "u0 u1 u2" {
		t.Fatalf("items %q of %q\n%s", items, uids, r.body)
	}
	if n := strings.Count(s.do("anna", "fetch_held.wcap?fmt-out=text/xml").errno(0).body, "<X-FACTOTUM-HELD>unsolicited</X-FACTOTUM-HELD>"); n != 3 {
		t.Errorf("%d in XML", n)
	}
	s.do("anna", "fetch_held.wcap?fmt-out=text/json&tzidout=Asia/Tokyo").errno(0).contains(`20300107T170000`)
	if got := s.do("anna", "fetch_held.wcap?maxResults=2").errno(0).values("UID"); len(got) != 2 {
		t.Errorf("two at most: %q", got)
	}
	if got := s.do("anna", "fetch_held.wcap?component-type=todo").errno(0).values("UID"); len(got) != 0 {
		t.Errorf("tasks: %q", got)
	}
	if got := s.do("anna", "fetchcomponents_by_range.wcap").errno(0).values("UID"); len(got) != 0 {
		t.Errorf("in the calendar: %q", got)
	}
	decide := func(user, item, rest string) *reply {
		t.Helper()
		return s.do(user, "decide_held.wcap?calid=anna&item="+item+"&"+rest)
	}
	// Nobody else sees it or decides; and what is asked wrongly decides nothing.
	s.do("ben", "fetch_held.wcap?calid=anna").errno(28)
	decide("ben", items[0], "decision=accept").errno(28)
	decide("anna", items[0], "decision=perhaps").errno(14)
	decide("anna", items[0], "").errno(46)
	decide("anna", "", "decision=accept").errno(46)
	decide("anna", items[0], "decision=accept&remember=often").errno(14)
	decide("anna", "none.ics", "decision=accept").errno(59)
	s.get("fetch_held.wcap").errno(1)

	decide("anna", items[0], "decision=accept").errno(0).contains("X-FACTOTUM-REASON:invited", "X-FACTOTUM-APPLIED:1", "X-FACTOTUM-SENTENCE:A new invitation.")
	decide("anna", items[0], "decision=accept").errno(59)
	decide("anna", items[1], "decision=reject&remember=1").errno(0).contains("X-FACTOTUM-REASON:rejected", "X-FACTOTUM-APPLIED:0")
	decide("root", items[2], "decision=accept").errno(0)
	if got := s.do("anna", "fetchcomponents_by_range.wcap").errno(0).values("UID"); strings.Join(got, " ") != "u0 u2" {
		t.Errorf("in the calendar: %q", got)
	}
	if left := s.do("anna", "fetch_held.wcap").errno(0).values("UID"); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	s.do("anna", "get_userprefs.wcap").errno(0).contains("X-NSCP-WCAP-PREF-factotumMailNever:yan@far.example")
}
