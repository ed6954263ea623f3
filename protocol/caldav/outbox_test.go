package caldav

import (
	"slices"
	"strings"
	"testing"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
)

const annasOutbox = annasHome + "outbox/"

// busyText is the message that asks for a day of the attendees' time.
func busyText(organizer string, attendees []string, lines ...string) string {
	text := []string{"BEGIN:VCALENDAR", "CALSCALE:GREGORIAN", "VERSION:2.0", "METHOD:REQUEST", "PRODID:-//Apple Inc.//Mac OS X 10.11//EN", "BEGIN:VFREEBUSY",
		"UID:7F5B3A4C", "DTSTAMP:20260301T000000Z", "DTSTART:20260310T000000Z", "DTEND:20260311T000000Z", "ORGANIZER:" + organizer}
	for _, a := range attendees {
		text = append(text, "ATTENDEE:"+a)
	}
	text = append(text, lines...)
	return strings.Join(append(text, "SUMMARY:Availability", "END:VFREEBUSY", "END:VCALENDAR", ""), "\r\n")
}

// told is what a schedule-response says of one recipient: the status, and the
// busy periods.
func (r *reply) told() (order []string, told map[string]string) {
	r.t.Helper()
	r.is(200)
	root, err := dav.Parse(r.body, dav.Limits{})
	if err != nil || root.Name != dav.C("schedule-response") {
		r.t.Fatalf("%s: %v\n%s", r.what, err, r.body)
	}
	told = map[string]string{}
	for n := range root.Children() {
		who := n.Child(dav.C("recipient")).Child(dav.D("href")).TrimText()
		text := n.Child(dav.C("request-status")).TrimText()
		if data := n.Child(dav.C("calendar-data")); data != nil {
			cal, err := ical.Parse([]byte(data.Text), ical.Limits{})
			if err != nil {
				r.t.Fatal(err)
			}
			fb := cal.Child("VFREEBUSY")
			if cal.Word("METHOD") != "REPLY" || fb.Value("UID") != "7F5B3A4C" || fb.Value("ATTENDEE") != who || fb.Value("ORGANIZER") == "" ||
				fb.Value("DTSTART") != "20260310T000000Z" || fb.Value("DTEND") != "20260311T000000Z" {
				r.t.Errorf("%s is answered\n%s", who, data.Text)
			}
			for p := range fb.All("FREEBUSY") {
				text += " " + p.Param("FBTYPE") + " " + p.Value
			}
		}
		order, told[who] = append(order, who), text
	}
	return order, told
}

// TestRFC6638_5_BusyTime: one question is answered for each of those it names.
func TestRFC6638_5_BusyTime(t *testing.T) {
	s := newSite(t)
	for _, u := range []string{"anna", "ben", "carl"} {
		s.visit(u)
	}
	const bens, carls = "/dav/calendars/ben/calendar/", "/dav/calendars/carl/calendar/"
	s.do("ben", "PUT", bens+"a.ics", event("a", "20260310T090000Z", "Secret")).is(201)
	meeting := strings.Replace(event("m", "20260310T120000Z", "Meeting"), "SUMMARY", "ORGANIZER:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ben@example.com\r\nSUMMARY", 1)
	s.do("ben", "PUT", bens+"m.ics", meeting).is(201)
	s.do("carl", "ACL", carls, xmlHead("D:acl")+"</D:acl>").is(200)
	who := []string{"mailto:ben@example.com", "mailto:carl@example.com", "mailto:nobody@example.com", "mailto:x@elsewhere.org", "/dav/principals/root/", "MAILTO:BEN@example.com",
		"http://cal.example.com/dav/principals/none/", "urn:uuid:1"}
	ask := func(organizer string, lines ...string) (order []string, told map[string]string) {
		t.Helper()
		r := s.do("anna", "POST", annasOutbox, busyText(organizer, who, lines...), "Content-Type: text/calendar", "Originator: "+organizer, "Recipient: "+strings.Join(who, ", "))
		if ct := r.header.Get("Content-Type"); ct != "application/xml; charset=utf-8" || strings.Contains(r.body, "Secret") {
			t.Errorf("Content-Type %q\n%s", ct, r.body)
		}
		return r.told()
	}
	order, told := ask("mailto:anna@example.com")
	if !slices.Equal(order, append(slices.Clone(who[:5]), who[6:]...)) {
		t.Errorf("answered are %q", order)
	}
	const a, m = "20260310T090000Z/20260310T100000Z", "20260310T120000Z/20260310T130000Z"
	for i, want := range []string{"2.0;Success BUSY " + a + "," + m, "3.8;No authority", "3.7;Invalid calendar user", "5.1;No way to ask outside of this server",
		"2.0;Success", "", "3.7;Invalid calendar user", "5.1;No way to ask outside of this server"} {
		if got := told[who[i]]; got != want {
			t.Errorf("%s: %q, want %q", who[i], got, want)
		}
	}
	// Her own meeting, which is to be moved, is no obstacle; what is not hers is,
	// whatever she calls it. Her other addresses are hers too.
	if _, told = ask("mailto:anna@example.com", "X-CALENDARSERVER-MASK-UID:m"); told[who[0]] != "2.0;Success BUSY "+a {
		t.Errorf("without the meeting: %q", told[who[0]])
	}
	if _, told = ask("mailto:a.berg@example.com", "X-CALENDARSERVER-MASK-UID:a"); told[who[0]] != "2.0;Success BUSY "+a+","+m {
		t.Errorf("without what is his: %q", told[who[0]])
	}
}

// TestRFC6638_6_2_OnBehalf: the outbox of somebody else is for who may look up
// busy time for him.
func TestRFC6638_6_2_OnBehalf(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.visit("ben")
	text := busyText("mailto:anna@example.com", []string{"mailto:ben@example.com"})
	s.do("ben", "POST", annasOutbox, text, "Content-Type: text/calendar").is(403, "D:need-privileges").contains("schedule-send-freebusy", "<D:href>"+annasOutbox+"</D:href>")
	s.do("ben", "POST", "/dav/calendars/none/outbox/", text, "Content-Type: text/calendar").is(404)
	list := acl.MustParse("ben^c^l^g;" + acl.DefaultCalendar)
	if _, err := s.be.UpdateCalendar(t.Context(), s.people.Actor("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list}); err != nil {
		t.Fatal(err)
	}
	if _, told := s.do("ben", "POST", annasOutbox, text, "Content-Type: text/calendar").told(); told["mailto:ben@example.com"] != "2.0;Success" {
		t.Errorf("%q", told)
	}
	s.do("ben", "POST", annasOutbox, busyText("mailto:ben@example.com", []string{"mailto:ben@example.com"}), "Content-Type: text/calendar").is(403, "C:valid-organizer")
}
