package caldav

import (
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

const annasInbox = annasHome + "inbox/"

// receive puts a scheduling message into anna's inbox, as a delivery would.
func (s *site) receive(name, text string) {
	s.t.Helper()
	err := s.base.Store.Update(s.t.Context(), "anna", func(tx calendar.Tx) error {
		row, ok, err := tx.Calendar("inbox")
		if err != nil || !ok {
			s.t.Fatalf("no inbox is stored: %v", err)
		}
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		err = tx.PutObject(calendar.ObjectRow{Cal: row.ID, Name: name, Component: "VEVENT", Change: n, Created: time.Now(), Modified: time.Now(), Size: len(text), Data: []byte(text)})
		if err != nil {
			return err
		}
		return tx.TouchCalendar(row.ID, n, time.Now())
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.base.Model.Cache().Forget("anna")
}

// TestRFC6638_2_2_Inbox: messages are read, looked for, synchronised and deleted
// as any object, two of one UID too; nothing else can be done to them.
func TestRFC6638_2_2_Inbox(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "PROPPATCH", annasInbox, patch("<t:x xmlns:t='urn:t'>y</t:x>")).multi().node(annasInbox, "{urn:t}x")
	before := s.do("anna", "REPORT", annasInbox, syncBody("", "", "D:getetag")).multi().token
	ctag := s.do("anna", "PROPFIND", annasInbox, propfind("CS:getctag"), "Depth: 0").multi().text(annasInbox, "CS:getctag")
	message := func(method, uid string) string {
		return strings.Replace(strings.Replace(event(uid, "20260310T120000Z", "Meeting"), "SUMMARY", "ORGANIZER:mailto:ben@example.com\r\nATTENDEE:mailto:anna@example.com\r\nSUMMARY", 1),
			"VERSION:2.0", "VERSION:2.0\r\nMETHOD:"+method, 1)
	}
	a, b := annasInbox+"a.ics", annasInbox+"b.ics"
	s.receive("a.ics", message("REQUEST", "m"))
	s.receive("b.ics", message("CANCEL", "m"))
	m := s.do("anna", "PROPFIND", annasInbox, propfind("CS:getctag", "D:getetag", "D:getcontenttype"), "Depth: 1").multi()
	if m.text(annasInbox, "CS:getctag") == ctag || !strings.HasPrefix(m.text(a, "D:getcontenttype"), "text/calendar") || m.text(b, "D:getetag") == "" {
		t.Error(m.r.body)
	}
	m = s.do("anna", "REPORT", annasInbox, syncBody(before, "", "D:getetag", "C:calendar-data")).multi()
	if len(m.order) != 2 || !strings.Contains(m.text(b, "C:calendar-data"), "METHOD:CANCEL") {
		t.Error(m.r.body)
	}
	s.do("anna", "REPORT", annasInbox, multiget([]string{"D:getetag", "C:calendar-data"}, a, b)).multi().node(a, "C:calendar-data")
	for filter, want := range map[string]int{
		in(""):    2,
		in(march): 2,
		in(`<C:time-range start="20260401T000000Z" end="20260501T000000Z"/>`):                              0,
		in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">m</C:text-match></C:prop-filter>`): 2,
		in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">x</C:text-match></C:prop-filter>`): 0,
	} {
		if m := s.do("anna", "REPORT", annasInbox, query(filter, "D:getetag")).multi(); len(m.order) != want {
			t.Errorf("%s finds %q", filter, m.order)
		}
	}
	if got := s.do("anna", "GET", a, "").is(200); got.body != message("REQUEST", "m") || got.header.Get("Schedule-Tag") != "" {
		t.Errorf("GET: %v\n%s", got.header, got.body)
	}
	s.do("ben", "GET", a, "").is(403, "D:need-privileges")
	s.do("anna", "PUT", a, message("REQUEST", "m")).is(403)
	s.do("anna", "PUT", annasInbox+"c.ics", event("c", "20260310T120000Z", "c")).is(403)
	s.do("anna", "MOVE", a, "", "Destination: http://cal.example.com"+annasCal+"a.ics").is(403, "C:valid-calendar-object-resource")
	s.do("anna", "PUT", annasCal+"c.ics", event("c", "20260310T120000Z", "c")).is(201)
	s.do("anna", "COPY", annasCal+"c.ics", "", "Destination: http://cal.example.com"+annasInbox+"c.ics").is(403)
	m = s.do("anna", "REPORT", annasInbox, syncBody("", "", "D:getetag")).multi()
	s.do("anna", "DELETE", a, "", "If-Match: "+m.text(a, "D:getetag")).is(204)
	if m = s.do("anna", "REPORT", annasInbox, syncBody(m.token, "", "D:getetag")).multi(); len(m.order) != 1 || m.at(a).status != 404 {
		t.Error(m.r.body)
	}
	busy := xmlHead("C:free-busy-query") + `<C:time-range start="20260310T110000Z" end="20260310T140000Z"/></C:free-busy-query>`
	s.do("anna", "REPORT", annasHome, busy, "Depth: 1").is(200).contains("20260310T120000Z/20260310T130000Z")
	s.do("anna", "DELETE", annasCal+"c.ics", "").is(204)
	s.do("anna", "REPORT", annasHome, busy, "Depth: 1").is(200).lacks("FREEBUSY;")
}

// TestRFC6638_4_3_1_DefaultCalendar: what can be set of an inbox, and what not.
func TestRFC6638_4_3_1_DefaultCalendar(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "MKCALENDAR", annasHome+"work/", "").is(201)
	set := func(inner string) *multi {
		t.Helper()
		return s.do("anna", "PROPPATCH", annasInbox, patch(inner)).multi()
	}
	const name = "C:schedule-default-calendar-URL"
	for _, bad := range []string{"<D:href>" + annasHome + "none/</D:href>", "<D:href>/dav/calendars/ben/calendar/</D:href>", "<D:href>http://elsewhere.org/</D:href>", "<D:href>" + annasInbox + "</D:href>", ""} {
		m := set("<" + name + ">" + bad + "</" + name + "><D:displayname>x</D:displayname>")
		if got := m.at(annasInbox).props[name].status; got != 403 || m.at(annasInbox).props["D:displayname"].status != 424 {
			t.Errorf("%q: %d\n%s", bad, got, m.r.body)
		}
		m.r.contains("<C:valid-schedule-default-calendar-URL/>")
	}
	set("<"+name+"><D:href>http://cal.example.com"+annasHome+"work/</D:href></"+name+">").node(annasInbox, name)
	if got := s.do("anna", "PROPFIND", annasInbox, propfind(name), "Depth: 0").multi().href(annasInbox, name); got != annasHome+"work/" {
		t.Errorf("set is %s", got)
	}
	s.do("anna", "DELETE", annasHome+"work/", "").is(403, "C:default-calendar-needed")
	s.do("anna", "PROPPATCH", annasInbox, xmlHead("D:propertyupdate")+"<D:remove><D:prop><"+name+"/></D:prop></D:remove></D:propertyupdate>").multi().r.contains("<C:default-calendar-needed/>")
	s.do("anna", "PROPPATCH", annasCal, patch("<"+name+"/>")).multi().r.contains("<D:cannot-modify-protected-property/>")

	const free = "C:calendar-free-busy-set"
	set("<"+free+"><D:href>"+annasHome+"work</D:href><D:href>/dav/calendars/ben/calendar/</D:href></"+free+">").node(annasInbox, free)
	m := s.do("anna", "PROPFIND", annasHome, propfind(free, "C:schedule-calendar-transp"), "Depth: 1").multi()
	if m.href(annasInbox, free) != annasHome+"work/" || m.children(annasCal, "C:schedule-calendar-transp") != "C:transparent" || m.children(annasHome+"work/", "C:schedule-calendar-transp") != "C:opaque" {
		t.Error(m.r.body)
	}
}

// TestBoxesStay: a home keeps its inbox and outbox, and their rights are those of
// the default calendar.
func TestBoxesStay(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for _, box := range []string{annasInbox, annasOutbox} {
		s.do("anna", "MKCALENDAR", box, "").is(403, "D:resource-must-be-null")
		s.do("anna", "MKCOL", box, "").is(405)
		s.do("anna", "DELETE", box, "").is(403)
		s.do("anna", "MOVE", box, "", "Destination: http://cal.example.com"+annasHome+"x/").is(403)
		s.do("anna", "COPY", box, "", "Destination: http://cal.example.com"+annasHome+"x/").is(403)
		s.do("anna", "MOVE", annasCal, "", "Destination: http://cal.example.com"+box, "Overwrite: T").is(403)
		s.do("anna", "ACL", box, xmlHead("D:acl")+"</D:acl>").is(403, "D:need-privileges")
		s.do("anna", "GET", box, "").is(405)
		s.do("ben", "PROPFIND", box, propfind("D:resourcetype"), "Depth: 1").is(403, "D:need-privileges")
		s.do("ben", "PROPFIND", box, propfind("D:resourcetype"), "Depth: 0").multi().node(box, "D:resourcetype")
	}
	m := s.do("ben", "PROPFIND", annasInbox, propfind("D:current-user-privilege-set", "C:schedule-default-calendar-URL"), "Depth: 0").multi()
	m.r.contains("<C:schedule-deliver/>").lacks("<D:read/>")
	s.do("anna", "ACL", annasCal, xmlHead("D:acl")+"</D:acl>").is(200)
	s.do("ben", "PROPFIND", annasInbox, propfind("D:current-user-privilege-set"), "Depth: 0").is(404)
}

// TestRFC6638_4_1_InvitationInTheInbox: Apple's way of a meeting, from the
// invitation that arrives in the inbox and the chosen calendar to the answer that
// the organizer is told of; items leave when their object is written.
func TestRFC6638_4_1_InvitationInTheInbox(t *testing.T) {
	s := openSite(t, sitetest.Options{Scheduling: true})
	s.visit("anna")
	s.visit("ben")
	const bens = "/dav/calendars/ben/"
	s.do("ben", "MKCALENDAR", bens+"work/", "").is(201)
	s.do("ben", "PROPPATCH", bens+"inbox/", patch("<C:schedule-default-calendar-URL><D:href>"+bens+"work/</D:href></C:schedule-default-calendar-URL>")).is(207)
	items := func(user, path string) (hrefs []string) {
		t.Helper()
		s.base.Settle()
		for _, h := range s.do(user, "PROPFIND", path, propfind("D:getetag"), "Depth: 1").multi().order {
			if h != path {
				hrefs = append(hrefs, h)
			}
		}
		return hrefs
	}
	meeting := strings.Replace(event("m", "20260310T120000Z", "Meeting"), "SUMMARY", "ORGANIZER:mailto:anna@example.com\r\n"+
		"ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:ben@example.com\r\nSUMMARY", 1)
	r := s.do("anna", "PUT", annasCal+"m.ics", meeting, "If-None-Match: *").is(201)
	if r.header.Get("ETag") != "" || r.header.Get("Schedule-Tag") == "" {
		t.Errorf("the server had a part in it, and answers %v", r.header)
	}
	came, copies := items("ben", bens+"inbox/"), items("ben", bens+"work/")
	if len(came) != 1 || len(copies) != 1 || len(items("ben", bens+"calendar/")) != 0 {
		t.Fatalf("inbox %q, calendar %q", came, copies)
	}
	s.do("ben", "GET", came[0], "").is(200).contains("METHOD:REQUEST")
	got := s.do("ben", "GET", copies[0], "").is(200).contains("PARTSTAT=NEEDS-ACTION").lacks("METHOD")
	s.do("ben", "PUT", bens+"calendar/again.ics", got.body, "If-None-Match: *").is(403, "C:unique-scheduling-object-resource").contains("<D:href>" + copies[0] + "</D:href>")
	s.do("ben", "PUT", copies[0], strings.Replace(got.body, "PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED", 1), "If-Schedule-Tag-Match: "+got.header.Get("Schedule-Tag")).is(204)
	if left := items("ben", bens+"inbox/"); len(left) != 0 {
		t.Errorf("what was answered is still there: %q", left)
	}
	told := items("anna", annasInbox)
	if len(told) != 1 {
		t.Fatalf("anna's inbox has %q", told)
	}
	s.do("anna", "GET", told[0], "").is(200).contains("METHOD:REPLY", "PARTSTAT=ACCEPTED")
	now := s.do("anna", "GET", annasCal+"m.ics", "").is(200).contains("PARTSTAT=ACCEPTED")
	s.do("anna", "PUT", annasCal+"m.ics", strings.Replace(now.body, "SUMMARY:Meeting", "SUMMARY:Other", 1), "If-Match: "+now.header.Get("ETag")).is(204)
	if left := items("anna", annasInbox); len(left) != 0 {
		t.Errorf("after her write: %q", left)
	}
	// He takes himself out without a word, and she hears nothing.
	s.do("ben", "DELETE", copies[0], "", "Schedule-Reply: F").is(204)
	if left := items("anna", annasInbox); len(left) != 0 {
		t.Errorf("she was told: %q", left)
	}
}
