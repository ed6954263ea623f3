package caldav

import (
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// TestCallsPerMethod: a request costs one call to each back end; those that
// cost more are written down, with the reason, and named in
// docs/architecture.md.
func TestCallsPerMethod(t *testing.T) {
	clock := &sitetest.Clock{}
	hosts := sitetest.NewHosts(t, sitetest.Options{Clock: clock})
	s := (&site{t: t, people: hosts.People, base: hosts.Site}).over(hosts.Backend)
	for _, user := range []calendar.UserID{"anna", "ben", "carl", "room1", "root"} {
		if _, err := s.be.Home(t.Context(), s.people.Actor(user), calendar.HomeRequest{Owner: calendar.Owner(user)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.be.Subscribe(t.Context(), s.people.Actor("root"), calendar.SubscribeRequest{Owner: "root", Add: []calendar.Subscription{"room1"}}); err != nil {
		t.Fatal(err)
	}
	event := func(uid string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260303T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	const roots = "/dav/calendars/root/"
	const anna, home, other = "/dav/calendars/anna/calendar/", "/dav/calendars/anna/", "/dav/calendars/room1/calendar/"
	const xmlns = ` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"`
	propfind := func(props string) string {
		return "<D:propfind" + xmlns + "><D:prop>" + props + "</D:prop></D:propfind>"
	}
	const props = "<D:resourcetype/><D:getetag/><D:displayname/><D:acl/><D:owner/><D:current-user-privilege-set/><D:sync-token/><S:getctag/><D:quota-used-bytes/>" +
		"<C:calendar-home-set/><D:current-user-principal/><C:schedule-default-calendar-URL/><C:calendar-free-busy-set/><C:calendar-user-address-set/><D:group-membership/>"
	report := func(name, body string) string { return "<" + name + xmlns + ">" + body + "</" + name + ">" }
	const want = "<D:prop><D:getetag/><C:calendar-data/></D:prop>"
	const ics = "Content-Type: text/calendar"
	for _, c := range []struct {
		what, method, path, body string
		headers                  []string
		status                   int
		calls                    int // 0 is at most 1
		why                      string
	}{
		{"OPTIONS", "OPTIONS", anna, "", nil, 200, 0, ""},
		{"PUT", "PUT", anna + "a.ics", event("a"), []string{ics}, 201, 0, ""},
		{"PUT again", "PUT", anna + "a.ics", event("a"), []string{ics}, 204, 0, ""},
		{"PUT elsewhere", "PUT", other + "r.ics", event("r"), []string{ics}, 201, 0, ""},
		{"GET", "GET", anna + "a.ics", "", nil, 200, 0, ""},
		{"HEAD", "HEAD", anna + "a.ics", "", nil, 200, 0, ""},
		{"GET a calendar", "GET", anna, "", nil, 200, 2, "conditions are for its CTag: mostly the first call is the only one"},
		{"POST", "POST", anna, event("p"), []string{ics}, 201, 0, ""},
		{"POST to an outbox", "POST", "/dav/calendars/root/outbox/", busyText("/dav/principals/root/", []string{"/dav/principals/anna/", "/dav/principals/ben/", "/dav/principals/room1/"}), []string{ics}, 200, 0, ""},
		{"POST to another's outbox", "POST", home + "outbox/", busyText("mailto:anna@example.com", []string{"/dav/principals/anna/", "/dav/principals/room1/"}), []string{ics}, 200, 2, "may one ask on her behalf, which her host knows; then the question"},
		{"PROPFIND of the root", "PROPFIND", "/dav/", propfind(props), []string{"Depth: 1"}, 207, 0, ""},
		{"PROPFIND of a principal", "PROPFIND", "/dav/principals/anna/", propfind(props), []string{"Depth: 0"}, 207, 0, ""},
		{"PROPFIND of a home", "PROPFIND", home, propfind(props), []string{"Depth: 0"}, 207, 0, ""},
		{"PROPFIND of a home's calendars", "PROPFIND", home, propfind(props), []string{"Depth: 1"}, 207, 0, ""},
		{"PROPFIND of a calendar", "PROPFIND", anna, propfind(props), []string{"Depth: 0"}, 207, 0, ""},
		{"PROPFIND of a calendar's members", "PROPFIND", anna, propfind(props), []string{"Depth: 1"}, 207, 2, "its own properties stand before its members, which are streamed"},
		{"PROPFIND of an object", "PROPFIND", anna + "a.ics", propfind("<D:resourcetype/><D:getetag/><D:getcontenttype/><D:displayname/>"), []string{"Depth: 0"}, 207, 0, ""},
		{"PROPFIND of an object with rights", "PROPFIND", anna + "a.ics", propfind(props), []string{"Depth: 0"}, 207, 2, "the rights are those of its calendar, which no other property needs"},
		{"PROPFIND of an object's journal", "PROPFIND", anna + "a.ics", propfind(`<X:why xmlns:X="urn:factotum:caldav"/>`), []string{"Depth: 0"}, 207, 2, "the object, whose UID the journal is asked for"},
		{"PROPFIND allprop", "PROPFIND", anna, "", []string{"Depth: 0"}, 207, 0, ""},
		{"PROPPATCH of a calendar", "PROPPATCH", anna, `<D:propertyupdate` + xmlns + `><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>`, nil, 207, 0, ""},
		{"PROPPATCH of an object", "PROPPATCH", anna + "a.ics", `<D:propertyupdate` + xmlns + `><D:set><D:prop><X xmlns="x:">x</X></D:prop></D:set></D:propertyupdate>`, nil, 207, 0, ""},
		{"MKCALENDAR", "MKCALENDAR", home + "work/", "", nil, 201, 0, ""},
		{"MKCOL", "MKCOL", home + "files/", "", nil, 201, 0, ""},
		{"ACL", "ACL", home + "work/", `<D:acl` + xmlns + `><D:ace><D:principal><D:all/></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>`, nil, 200, 0, ""},
		{"COPY", "COPY", anna + "a.ics", "", []string{"Destination: " + home + "work/b.ics"}, 201, 0, ""},
		{"MOVE", "MOVE", home + "work/b.ics", "", []string{"Destination: " + home + "work/c.ics"}, 201, 0, ""},
		{"COPY to another home", "COPY", anna + "a.ics", "", []string{"Destination: /dav/calendars/carl/calendar/b.ics"}, 201, 2, "no transaction spans two owners: out of one home, into the other"},
		{"COPY to another host", "COPY", anna + "a.ics", "", []string{"Destination: " + other + "b.ics"}, 201, 0, ""},
		{"MOVE to another host", "MOVE", home + "work/c.ics", "", []string{"Destination: /dav/calendars/root/calendar/c.ics"}, 201, 2, "copied, then deleted: out of one home, into the other, and out of the first for good"},
		{"COPY of a calendar", "COPY", home + "work/", "", []string{"Destination: " + home + "more/"}, 201, 0, ""},
		{"MOVE of a calendar", "MOVE", home + "more/", "", []string{"Destination: " + home + "most/"}, 201, 0, ""},
		{"calendar-query", "REPORT", anna, report("C:calendar-query", want+`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>`), []string{"Depth: 1"}, 207, 0, ""},
		{"calendar-query of a home", "REPORT", home, report("C:calendar-query", want+`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>`), []string{"Depth: 1"}, 207, 4, "the home, and a query for each of its calendars: no client that we know asks for it"},
		{"calendar-multiget", "REPORT", anna, report("C:calendar-multiget", want+"<D:href>"+anna+"a.ics</D:href><D:href>"+other+"r.ics</D:href><D:href>"+anna+"none.ics</D:href>"), nil, 207, 0, ""},
		{"free-busy-query", "REPORT", anna, report("C:free-busy-query", `<C:time-range start="20260303T000000Z" end="20260304T000000Z"/>`), []string{"Depth: 1"}, 200, 0, ""},
		{"free-busy-query of a home", "REPORT", home, report("C:free-busy-query", `<C:time-range start="20260303T000000Z" end="20260304T000000Z"/>`), []string{"Depth: 1"}, 200, 0, ""},
		{"sync-collection", "REPORT", anna, report("D:sync-collection", "<D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>"), nil, 207, 0, ""},
		{"sync-collection with data", "REPORT", anna, report("D:sync-collection", "<D:sync-token/><D:sync-level>1</D:sync-level>"+want), nil, 207, 0, ""},
		{"sync-collection of a home", "REPORT", home, report("D:sync-collection", "<D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>"), nil, 207, 0, ""},
		{"expand-property", "REPORT", "/dav/principals/anna/", report("D:expand-property", `<D:property name="calendar-home-set" namespace="urn:ietf:params:xml:ns:caldav"><D:property name="displayname"/></D:property>`), nil, 207, 0, ""},
		{"principal-property-search", "REPORT", "/dav/principals/", report("D:principal-property-search", "<D:property-search><D:prop><D:displayname/></D:prop><D:match>a</D:match></D:property-search><D:prop><D:displayname/><C:calendar-home-set/></D:prop>"), nil, 207, 0, ""},
		{"calendarserver-principal-search", "REPORT", "/dav/principals/", report("S:calendarserver-principal-search", "<S:search-token>a</S:search-token><D:prop><D:displayname/></D:prop>"), nil, 207, 0, ""},
		{"principal-search-property-set", "REPORT", "/dav/principals/", report("D:principal-search-property-set", ""), nil, 200, 0, ""},
		{"principal-match", "REPORT", "/dav/principals/", report("D:principal-match", "<D:self/>"), nil, 207, 0, ""},
		{"acl-principal-prop-set", "REPORT", anna, report("D:acl-principal-prop-set", "<D:prop><D:displayname/></D:prop>"), nil, 207, 0, ""},
		{"PROPFIND of a home with shares", "PROPFIND", roots, propfind(props), []string{"Depth: 1"}, 207, 2, "the home and its list, then the calendars on it where they are"},
		{"sync-collection of a home with shares", "REPORT", roots, report("D:sync-collection", "<D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>"), []string{"Depth: 1"}, 207, 2, "the home and its list, then the calendars on it where they are"},
		{"PROPFIND of a share", "PROPFIND", roots + "~room1/", propfind(props), []string{"Depth: 0"}, 207, 2, "what is the user's own for it, then the calendar"},
		{"PROPFIND of a share's members", "PROPFIND", roots + "~room1/", propfind("<D:getetag/>"), []string{"Depth: 1"}, 207, 3, "what is the user's own for it, the calendar, then its members"},
		{"GET in a share", "GET", roots + "~room1/r.ics", "", nil, 200, 0, ""},
		{"sync-collection of a share", "REPORT", roots + "~room1/", report("D:sync-collection", "<D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>"), nil, 207, 0, ""},
		{"PROPPATCH of a share", "PROPPATCH", roots + "~room1/", `<D:propertyupdate` + xmlns + `><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>`, nil, 207, 0, ""},
		{"CS:share", "POST", anna, report("S:share", "<S:set><D:href>mailto:carl@example.com</D:href><S:read/></S:set>"), []string{"Content-Type: text/xml"}, 200, 0, ""},
		{"CS:invite-reply", "POST", roots, report("S:invite-reply", "<S:invite-accepted/><S:hosturl><D:href>"+other+"</D:href></S:hosturl>"), []string{"Content-Type: text/xml"}, 200, 2, "the calendar, where it is; then the list"},
		{"PROPFIND of notifications", "PROPFIND", "/dav/notifications/root/", propfind("<D:getetag/><S:notificationtype/>"), []string{"Depth: 1"}, 207, 0, ""},
		{"DELETE of a share", "DELETE", roots + "~room1/", "", nil, 204, 0, ""},
		{"DELETE", "DELETE", anna + "a.ics", "", nil, 204, 0, ""},
		{"DELETE of a calendar", "DELETE", home + "work/", "", nil, 204, 0, ""},
		{"GET of nothing", "GET", anna + "none.ics", "", nil, 404, 0, ""},
		{"LOCK", "LOCK", anna, "", nil, 405, 0, ""},
	} {
		r := newRequest(c.method, c.path, strings.NewReader(c.body), c.headers...)
		for i, v := range r.Header["Destination"] {
			r.Header["Destination"][i] = "http://cal.example.com" + v
		}
		hosts.Reset()
		rep := s.send("root", r)
		n, which := hosts.Most()
		if rep.status != c.status {
			t.Errorf("%s: status %d, want %d\n%s", c.what, rep.status, c.status, rep.body)
		}
		if c.calls > 0 && n != c.calls || c.calls == 0 && n > 1 {
			t.Errorf("%s: %d calls to a back end, %d are known: %s", c.what, n, c.calls, which)
		}
		if (c.calls > 0) != (c.why != "") {
			t.Errorf("%s: an exception has a reason", c.what)
		}
	}
}
