package caldav

import (
	"slices"
	"strings"
	"testing"
)

// The request sequences of real clients, as clients.md §13 lists them: each
// discovers, lists, synchronises, writes, runs into a conflict, deletes, and
// (where it uses tokens) comes with a bad one. Headers are the client's own.

// client is a program at work.
type client struct {
	*site
	headers []string // of every request
	// authLate: the client sends every request first without credentials.
	authLate bool
}

func (c *client) ask(method, path, body string, headers ...string) *reply {
	c.t.Helper()
	headers = append(slices.Clone(c.headers), headers...)
	if c.authLate {
		c.do("", method, path, body, headers...).is(401)
	}
	return c.do("anna", method, path, body, headers...)
}

// wellKnown does the first step: the redirect, which no client repeats with
// its credentials before following it.
func (c *client) wellKnown(body string, headers ...string) string {
	c.t.Helper()
	r := c.do("", "PROPFIND", "/.well-known/caldav", body, append(slices.Clone(c.headers), headers...)...)
	return r.is(301).header.Get("Location")
}

// newEvent puts an event and returns its tag, which all later answers repeat.
func (c *client) newEvent(path, text string, headers ...string) string {
	c.t.Helper()
	tag := c.ask("PUT", path, text, headers...).is(201).header.Get("ETag")
	if tag == "" || strings.HasPrefix(tag, "W/") {
		c.t.Fatalf("PUT answers with ETag %q", tag)
	}
	if got := c.ask("PROPFIND", path, propfind("D:getetag"), "Depth: 0").multi().text(path, "D:getetag"); got != tag {
		c.t.Fatalf("PUT says %s, PROPFIND %s", tag, got)
	}
	return tag
}

// Apple Calendar on macOS 10.11 and later.
func TestClientAppleCalendar(t *testing.T) {
	c := &client{site: newSite(t), authLate: true, headers: []string{"Content-Type: text/xml", "Brief: t", "Prefer: return=minimal", "Accept: */*",
		"User-Agent: macOS/13.0 (22A380) dataaccessd/1.0"}}
	start := propfind("D:current-user-principal", "D:principal-URL", "D:resourcetype")
	root := c.wellKnown(start, "Depth: 0")
	prin := c.ask("PROPFIND", root, start, "Depth: 0").multi().href(root, "D:current-user-principal")
	if dav := c.ask("OPTIONS", prin, "").is(200).header.Get("DAV"); !strings.Contains(dav, "calendar-access") {
		t.Fatalf("DAV %q", dav)
	}
	m := c.ask("PROPFIND", prin, propfind("C:calendar-home-set", "C:calendar-user-address-set", "D:current-user-principal", "D:displayname", "CS:dropbox-home-URL",
		"CS:email-address-set", "CS:notification-URL", "D:principal-collection-set", "D:principal-URL", "D:resource-id", "C:schedule-inbox-URL", "C:schedule-outbox-URL",
		"D:supported-report-set", "C:max-attendees-per-instance"), "Depth: 0").multi()
	home, pcol := m.href(prin, "C:calendar-home-set"), m.href(prin, "D:principal-collection-set")
	if m.node(prin, "C:calendar-user-address-set").FirstChild().TrimText() != "mailto:anna@example.com" {
		t.Error("no mailto address: Apple refuses to go on")
	}
	c.ask("REPORT", pcol, xmlHead("D:principal-search-property-set")+"</D:principal-search-property-set>", "Depth: 0").is(200)

	homeProps := propfind("D:add-member", "CS:allowed-sharing-modes", "A:autoprovisioned", "{http://me.com/_namespace/}bulk-requests", "A:calendar-color", "C:calendar-description",
		"C:calendar-free-busy-set", "A:calendar-order", "C:calendar-timezone", "D:current-user-privilege-set", "C:default-alarm-vevent-date", "C:default-alarm-vevent-datetime",
		"D:displayname", "CS:getctag", "CS:invite", "A:language-code", "A:location-code", "D:owner", "CS:pre-publish-url", "CS:publish-url", "CS:push-transports", "CS:pushkey",
		"D:quota-available-bytes", "D:quota-used-bytes", "A:refreshrate", "D:resource-id", "D:resourcetype", "C:schedule-calendar-transp", "C:schedule-default-calendar-URL",
		"CS:source", "CS:subscribed-strip-alarms", "CS:subscribed-strip-attachments", "CS:subscribed-strip-todos", "C:supported-calendar-component-set",
		"C:supported-calendar-component-sets", "D:supported-report-set", "D:sync-token")
	m = c.ask("PROPFIND", home, homeProps, "Depth: 1").multi()
	cal := annasCal
	if m.children(cal, "D:resourcetype") != "D:collection C:calendar" {
		t.Fatal("the calendar is none")
	}
	homeToken := m.text(home, "D:sync-token")
	for _, p := range []string{"default-alarm-vevent-date", "default-alarm-vevent-datetime"} {
		c.ask("PROPPATCH", home, patch("<C:"+p+">BEGIN:VALARM&#13;\nEND:VALARM&#13;\n</C:"+p+">")).is(200)
	}
	c.ask("PROPPATCH", cal, patch("<A:calendar-order>1</A:calendar-order>")).is(200)
	c.ask("PROPPATCH", cal, patch(`<A:calendar-color symbolic-color="orange">#FF9500FF</A:calendar-color>`)).is(200)
	c.ask("PROPPATCH", cal, patch("<C:calendar-timezone>"+strings.ReplaceAll(viennaZone, "\n", "&#13;\n")+"</C:calendar-timezone>")).is(200)

	obj := cal + "0A1B2C3D-0000-4000-8000-000000000001.ics"
	tag := c.newEvent(obj, event("u1", "20260310T090000Z", "One"))
	m = c.ask("PROPFIND", cal, propfind("CS:getctag", "D:sync-token"), "Depth: 0").multi()
	token, ctag := m.text(cal, "D:sync-token"), m.text(cal, "CS:getctag")
	m = c.ask("REPORT", cal, query(in(march), "D:getetag", "D:getcontenttype"), "Depth: 1").multi()
	if !strings.HasPrefix(m.text(obj, "D:getcontenttype"), "text/calendar") || m.text(obj, "D:getetag") != tag {
		t.Error(m.r.body)
	}
	m = c.ask("PROPFIND", cal, propfind("D:getcontenttype", "D:getetag"), "Depth: 1").multi()
	m.text(obj, "D:getetag")
	m = c.ask("REPORT", cal, multiget([]string{"D:getetag", "C:calendar-data", "C:schedule-tag"}, m.order...)).multi()
	if m.node(obj, "C:calendar-data").Text != event("u1", "20260310T090000Z", "One") {
		t.Error("the object does not come back as it was")
	}
	c.ask("REPORT", prin, xmlHead("D:expand-property")+`<D:property name="calendar-proxy-read-for" namespace="http://calendarserver.org/ns/"><D:property name="displayname"/></D:property></D:expand-property>`).is(207)

	// Later: what changed in the home, then in the calendar.
	tag2 := c.ask("PUT", obj, event("u1", "20260310T100000Z", "One"), "If-Match: "+tag).is(204).header.Get("ETag")
	c.ask("PUT", obj, event("u1", "20260310T110000Z", "One"), "If-Match: "+tag).is(412)
	m = c.ask("REPORT", home, syncBody(homeToken, "", "D:resourcetype", "CS:getctag", "D:sync-token"), "Depth: 1").multi()
	if got := m.text(cal, "CS:getctag"); got == ctag {
		t.Error("the CTag stays over a change")
	}
	m = c.ask("REPORT", cal, syncBody(token, "", "D:getetag", "D:getcontenttype"), "Depth: 1").multi()
	if !slices.Equal(m.order, []string{obj}) || m.text(obj, "D:getetag") != tag2 {
		t.Error(m.r.body)
	}
	c.ask("DELETE", obj, "").is(204)
	if m = c.ask("REPORT", cal, syncBody(m.token, "", "D:getetag"), "Depth: 1").multi(); m.at(obj).status != 404 {
		t.Error(m.r.body)
	}
	c.ask("REPORT", cal, syncBody("urn:gone", "", "D:getetag"), "Depth: 1").is(403, "D:valid-sync-token")
}

// iOS: users paste any URL, and it asks /, /principals/ too; Reminders makes a
// calendar of its own.
func TestClientIOS(t *testing.T) {
	c := &client{site: newSite(t), authLate: true, headers: []string{"Content-Type: text/xml", "Brief: t", "Prefer: return=minimal", "User-Agent: iOS/18.1.1 (22B91) dataaccessd/1.0"}}
	c.visit("anna")
	ask := propfind("D:current-user-principal", "D:principal-URL", "D:resourcetype")
	for _, path := range []string{"/", "/principals/", "/dav/", annasHome, annasCal} {
		if got := c.ask("PROPFIND", path, ask, "Depth: 0").multi().href(path, "D:current-user-principal"); got != "/dav/principals/anna/" {
			t.Errorf("%s: %q", path, got)
		}
	}
	c.ask("PROPFIND", "/calendar/dav/anna/user/", ask, "Depth: 0").is(404)
	tasks := annasHome + "5D0C2A6E-0000-4000-8000-000000000002/"
	c.ask("MKCALENDAR", tasks, mkcalendar(`<C:supported-calendar-component-set><C:comp name="VTODO"/></C:supported-calendar-component-set><D:displayname>Reminders</D:displayname>`)).is(201)
	if comp, _ := c.ask("PROPFIND", tasks, propfind("C:supported-calendar-component-set"), "Depth: 0").multi().node(tasks, "C:supported-calendar-component-set").FirstChild().Attr("name"); comp != "VTODO" {
		t.Errorf("component %q", comp)
	}
	c.newEvent(tasks+"t.ics", strings.ReplaceAll(event("t", "20260310T090000Z", "T"), "VEVENT", "VTODO"))
	obj := annasCal + "E.ics"
	c.newEvent(obj, event("e", "20260310T090000Z", "E"))
	m := c.ask("REPORT", annasCal, query(in(`<C:time-range start="20260201T000000Z"/>`), "D:getetag", "D:getcontenttype"), "Depth: 1").multi()
	if !slices.Equal(m.order, []string{obj}) {
		t.Error(m.order)
	}
	m = c.ask("REPORT", tasks, query(`<C:comp-filter name="VCALENDAR"><C:comp-filter name="VTODO"/></C:comp-filter>`, "D:getetag", "D:getcontenttype"), "Depth: 1").multi()
	if !slices.Equal(m.order, []string{tasks + "t.ics"}) {
		t.Error(m.order)
	}
}

func TestClientThunderbird(t *testing.T) {
	c := &client{site: newSite(t), headers: []string{"Accept: text/xml", "Accept-Charset: utf-8,*;q=0.1", "Content-Type: text/xml; charset=utf-8"}}
	first := propfind("D:resourcetype", "D:owner", "D:displayname", "D:current-user-principal", "D:current-user-privilege-set", "A:calendar-color", "C:calendar-home-set")
	root := c.wellKnown(first, "Depth: 0")
	// Every response of the scan has resourcetype in its propstat 200.
	m := c.ask("PROPFIND", root, first, "Depth: 0").multi()
	prin := m.href(root, "D:current-user-principal")
	home := c.ask("PROPFIND", prin, propfind("C:calendar-home-set"), "Depth: 0").multi().href(prin, "C:calendar-home-set")
	m = c.ask("PROPFIND", home, propfind("D:resourcetype", "D:displayname", "D:current-user-privilege-set", "A:calendar-color"), "Depth: 1").multi()
	for _, h := range m.order {
		m.node(h, "D:resourcetype")
	}
	cal := annasCal
	m = c.ask("PROPFIND", cal, propfind("D:resourcetype", "D:owner", "D:current-user-principal", "D:current-user-privilege-set", "D:supported-report-set", "C:supported-calendar-component-set", "CS:getctag"), "Depth: 0").multi()
	m.node(cal, "C:supported-calendar-component-set")
	// It throws the first token away and must not find auto-schedule yet.
	if dav := c.ask("OPTIONS", home, "").is(200).header.Get("DAV"); strings.Contains(dav, "calendar-auto-schedule") || !strings.Contains(dav, ", calendar-access") {
		t.Errorf("DAV %q", dav)
	}
	obj := cal + "b5b1_-1.ics"
	tag := c.newEvent(obj, event("b5b1@1", "20260310T090000Z", "B"), "If-None-Match: *", "Content-Type: text/calendar; charset=utf-8")
	m = c.ask("REPORT", cal, syncBody("", "", "D:getcontenttype", "D:getetag"), "Depth: 1").multi()
	token := m.token
	if m.text(obj, "D:getetag") != tag || !strings.HasPrefix(m.text(obj, "D:getcontenttype"), "text/calendar") {
		t.Error(m.r.body)
	}
	m = c.ask("REPORT", cal, multiget([]string{"D:getetag", "C:calendar-data"}, obj), "Depth: 1").multi()
	m.node(obj, "C:calendar-data")
	c.ask("PUT", obj, event("b5b1@1", "20260310T090000Z", "B"), "If-None-Match: *").is(412)
	tag = c.ask("PUT", obj, event("b5b1@1", "20260310T100000Z", "B"), "If-Match: "+tag).is(204).header.Get("ETag")
	c.ask("DELETE", obj, "", `If-Match: "old"`).is(412)
	if got := c.ask("HEAD", obj, "").is(200).header.Get("ETag"); got != tag {
		t.Errorf("HEAD: %q", got)
	}
	c.ask("DELETE", obj, "", "If-Match: "+tag).is(204)
	c.ask("HEAD", obj, "").is(404)
	if m = c.ask("REPORT", cal, syncBody(token, "", "D:getcontenttype", "D:getetag"), "Depth: 1").multi(); m.at(obj).status != 404 {
		t.Error(m.r.body)
	}
	r := c.ask("REPORT", cal, syncBody("bad", "", "D:getetag"), "Depth: 1").is(403, "D:valid-sync-token")
	r.lacks(`<D:error xmlns:D="DAV:"/>`) // it would take that for a rate limit
}

func TestClientDAVx5(t *testing.T) {
	c := &client{site: newSite(t), headers: []string{"Content-Type: application/xml; charset=utf-8", "Accept: application/xml, text/xml", "User-Agent: DAVx5/4.5 (at.bitfire.davdroid)"}}
	c.ask("PROPFIND", "/", propfind("D:resourcetype", "D:displayname", "D:current-user-principal", "D:current-user-privilege-set", "C:calendar-home-set", "C:supported-calendar-component-set",
		"A:calendar-color", "C:calendar-description", "C:calendar-timezone"), "Depth: 0").multi()
	root := c.wellKnown(propfind("D:current-user-principal"), "Depth: 0")
	prin := c.ask("PROPFIND", root, propfind("D:current-user-principal"), "Depth: 0").multi().href(root, "D:current-user-principal")
	if dav := c.ask("OPTIONS", prin, "", "Accept-Encoding: identity").header.Get("DAV"); !strings.Contains(dav, "calendar-access") {
		t.Fatal("the principal is ignored without calendar-access")
	}
	m := c.ask("PROPFIND", prin, propfind("D:displayname", "D:group-membership", "D:resourcetype", "C:calendar-home-set", "CS:calendar-proxy-read-for", "CS:calendar-proxy-write-for", "C:calendar-user-address-set"), "Depth: 0").multi()
	home := m.href(prin, "C:calendar-home-set")
	m = c.ask("PROPFIND", home, propfind("D:current-user-privilege-set", "D:displayname", "D:owner", "D:resourcetype", "{https://bitfire.at/webdav-push}transports", "{https://bitfire.at/webdav-push}topic",
		"A:calendar-color", "C:calendar-description", "C:calendar-timezone", "C:calendar-timezone-id", "C:supported-calendar-component-set", "CS:source"), "Depth: 1").multi()
	cal, owner := annasCal, m.href(annasCal, "D:owner")
	c.ask("PROPFIND", owner, propfind("D:displayname", "D:resourcetype"), "Depth: 0").multi().text(owner, "D:displayname")
	m = c.ask("PROPFIND", cal, propfind("D:supported-report-set", "D:sync-token", "CS:getctag", "C:max-resource-size"), "Depth: 0").multi()
	before := m.text(cal, "D:sync-token")
	obj := cal + "e5f5-1.ics"
	r := c.ask("PUT", obj, event("e5f5-1", "20260310T090000Z", "E"), "If-None-Match: *", "Content-Type: text/calendar;charset=utf-8", "Push-Dont-Notify: *").is(201)
	m = c.ask("REPORT", cal, query(in(`<C:time-range start="20260101T000000Z"/>`), "D:getetag"), "Depth: 1").multi()
	if m.text(obj, "D:getetag") != r.header.Get("ETag") {
		t.Error("ETags differ")
	}
	m = c.ask("REPORT", cal, syncBody(before, "", "D:getetag", "D:resourcetype"), "Depth: 0").multi()
	if !slices.Equal(m.order, []string{obj}) {
		t.Error(m.order)
	}
	m = c.ask("REPORT", cal, multiget([]string{"D:getcontenttype", "D:getetag", "C:schedule-tag", "C:calendar-data"}, obj)).multi()
	tag := m.text(obj, "D:getetag")
	if st := m.at(obj).props["C:schedule-tag"]; st.status == 200 {
		// It prefers the schedule tag wherever it knows one.
		c.ask("PUT", obj, event("e5f5-1", "20260310T100000Z", "E"), "If-Schedule-Tag-Match: "+st.node.TrimText()).is(204)
		c.ask("PUT", obj, event("e5f5-1", "20260310T110000Z", "E"), `If-Schedule-Tag-Match: "s0"`).is(412)
	} else {
		c.ask("PUT", obj, event("e5f5-1", "20260310T100000Z", "E"), "If-Match: "+tag).is(204)
	}
	c.ask("PUT", obj, event("e5f5-1", "20260310T110000Z", "E"), "If-Match: "+tag).is(412)
	c.ask("DELETE", obj, "", "If-Match: "+tag).is(412)
	c.ask("DELETE", obj, "").is(204)
	c.ask("REPORT", cal, syncBody("urn:factotum:sync:x:y", "", "D:getetag"), "Depth: 0").is(403, "D:valid-sync-token")
	made := annasHome + "3f0e-davx5/"
	c.ask("MKCALENDAR", made, mkcalendar(`<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>New</D:displayname><C:calendar-description>d</C:calendar-description>`+
		`<A:calendar-color>#FF0000FF</A:calendar-color><C:calendar-timezone-id>Europe/Vienna</C:calendar-timezone-id><C:supported-calendar-component-set><C:comp name="VEVENT"/><C:comp name="VTODO"/></C:supported-calendar-component-set>`)).is(201)
	c.ask("DELETE", made, "").is(204)
}

func TestClientEvolution(t *testing.T) {
	c := &client{site: newSite(t), headers: []string{"Connection: close", "Cache-Control: no-cache", "Pragma: no-cache", "User-Agent: Evolution/3.54"}}
	first := propfind("D:resourcetype", "D:current-user-principal", "D:principal-URL", "C:calendar-home-set", "C:calendar-user-address-set", "{urn:ietf:params:xml:ns:carddav}addressbook-home-set")
	c.do("", "OPTIONS", "/dav/", "").is(401) // never 404: it would give up
	prin := c.ask("PROPFIND", "/dav/", first, "Depth: 0").multi().href("/dav/", "D:current-user-principal")
	home := c.ask("PROPFIND", prin, first, "Depth: 0").multi().href(prin, "C:calendar-home-set")
	m := c.ask("PROPFIND", home, propfind("D:resourcetype", "CS:source", "C:supported-calendar-component-set", "D:displayname", "D:getetag", "CS:getctag", "D:getcontenttype", "D:getcontentlength",
		"D:creationdate", "D:getlastmodified", "C:calendar-description", "A:calendar-color", "A:calendar-order"), "Depth: 1").multi()
	cal := annasCal
	m.node(cal, "C:supported-calendar-component-set") // it hides the calendar otherwise
	if r := c.ask("OPTIONS", cal, "").is(200); !strings.Contains(r.header.Get("DAV"), "calendar-access") || !strings.Contains(r.header.Get("Allow"), "DELETE") {
		t.Error(r.header)
	}
	c.ask("PROPFIND", cal, propfind("D:current-user-privilege-set"), "Depth: 0").multi()
	c.ask("PROPFIND", cal, propfind("CS:getctag", "D:supported-report-set"), "Depth: 0").multi()
	m = c.ask("REPORT", cal, syncBody("", "", "D:getetag"), "Depth: 0").multi()
	token := m.token
	if !strings.ContainsAny(token, ":/") {
		t.Errorf("it drops the token %q", token)
	}
	obj := cal + "ev%40host.ics"
	r := newRequest("PUT", obj, strings.NewReader(event("ev@host", "20260310T090000Z", "E")), append(c.headers, "If-None-Match: *", `Content-Type: text/calendar; charset="utf-8"`)...)
	r.ContentLength = -1 // chunked
	r.TransferEncoding = []string{"chunked"}
	tag := c.send("anna", r).is(201).header.Get("ETag")
	m = c.ask("REPORT", cal, syncBody(token, "", "D:getetag"), "Depth: 0").multi()
	if !slices.Equal(m.order, []string{cal + "ev@host.ics"}) {
		t.Errorf("%q: @ and %%40 are the same", m.order)
	}
	if got := c.ask("REPORT", cal, multiget([]string{"D:getetag", "C:calendar-data"}, obj)).multi().text(obj, "D:getetag"); got != tag {
		t.Errorf("%q", got)
	}
	if got := c.ask("GET", obj, "").is(200).header.Get("ETag"); got != tag {
		t.Errorf("GET: %q", got)
	}
	c.ask("PUT", obj, event("ev@host", "20260310T090000Z", "F"), `If-Match: "old"`).is(412)
	c.ask("PUT", obj, event("ev@host", "20260310T090000Z", "F"), "If-Match: "+tag).is(204)
	c.ask("DELETE", obj, "", "Schedule-Reply: F").is(204)
	c.ask("DELETE", obj, "").is(404)
	c.ask("REPORT", cal, syncBody("old", "", "D:getetag"), "Depth: 0").is(403, "D:valid-sync-token")
	c.ask("REPORT", cal, query(in(`<C:time-range start="20260201T000000Z" end="20260501T000000Z"/>`), "D:getetag"), "Depth: 0").multi()
	owner := c.ask("PROPFIND", cal, propfind("D:owner"), "Depth: 0").multi().href(cal, "D:owner")
	c.ask("PROPFIND", owner, propfind("C:schedule-outbox-URL"), "Depth: 0").multi()
	c.ask("REPORT", owner, xmlHead("C:free-busy-query")+`<C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`, "Depth: infinity").is(403, "D:supported-report")
}

func TestClientKDE(t *testing.T) {
	c := &client{site: newSite(t), headers: []string{"Content-Type: text/xml; charset=utf-8", "User-Agent: KDE DAV groupware client"}}
	first := propfind("C:calendar-home-set", "D:current-user-principal", "D:principal-URL")
	prin := c.ask("PROPFIND", "/dav/", first, "Depth: 0").multi().href("/dav/", "D:current-user-principal")
	home := c.ask("PROPFIND", prin, propfind("C:calendar-home-set"), "Depth: 0").multi().href(prin, "C:calendar-home-set")
	m := c.ask("PROPFIND", home, propfind("D:displayname", "D:resourcetype", "A:calendar-color", "C:supported-calendar-component-set", "D:current-user-privilege-set", "CS:getctag"), "Depth: 1").multi()
	cal, ctag := annasCal, m.text(annasCal, "CS:getctag")
	obj := cal + "libkcal-1.ics"
	c.ask("PUT", obj, event("libkcal-1", "20260310T090000Z", "K"), "If-None-Match: *", "Content-Type: text/calendar").is(201)
	tag := c.ask("GET", obj, "").is(200).header.Get("ETag")
	if got := c.ask("PROPFIND", home, propfind("CS:getctag"), "Depth: 1").multi().text(cal, "CS:getctag"); got == ctag {
		t.Error("it sees changes by the CTag only")
	}
	for comp, want := range map[string]int{"VEVENT": 1, "VTODO": 0, "VJOURNAL": 0} {
		m = c.ask("REPORT", cal, query(`<C:comp-filter name="VCALENDAR"><C:comp-filter name="`+comp+`"/></C:comp-filter>`, "D:getetag", "D:resourcetype"), "Depth: 1").multi()
		if len(m.order) != want {
			t.Errorf("%s: %q", comp, m.order)
		}
	}
	// It reads the first propstat only.
	r := c.ask("REPORT", cal, multiget([]string{"D:displayname", "D:getetag", "C:calendar-data"}, obj), "Depth: 1")
	r.multi()
	if strings.Index(r.body, "200 OK") > strings.Index(r.body, "404 Not Found") {
		t.Error("the propstat 404 comes first")
	}
	c.ask("PUT", obj, event("libkcal-1", "20260310T100000Z", "K"), `If-Match: "old"`).is(412)
	c.ask("PUT", obj, event("libkcal-1", "20260310T100000Z", "K"), "If-Match: "+tag).is(204)
	tag = c.ask("GET", obj, "").is(200).header.Get("ETag")
	c.ask("DELETE", obj, "", "If-Match: "+tag).is(204)
	made := home + "kde-made/"
	c.ask("MKCOL", made, xmlHead("D:mkcol")+`<D:set><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>K</D:displayname></D:prop></D:set></D:mkcol>`).is(201)
}

func TestClientCalDavSynchronizer(t *testing.T) {
	c := &client{site: newSite(t), headers: []string{"Content-Type: application/xml; charset=utf-8", "User-Agent: CalDavSynchronizer/4.4"}}
	first := propfind("D:current-user-principal", "D:principal-URL", "D:resourcetype")
	root := c.wellKnown(first, "Depth: 0")
	prin := c.ask("PROPFIND", root, first, "Depth: 0").multi().href(root, "D:current-user-principal")
	home := c.ask("PROPFIND", prin, propfind("C:calendar-home-set"), "Depth: 0").multi().href(prin, "C:calendar-home-set")
	m := c.ask("PROPFIND", home, propfind("D:resourcetype", "D:displayname", "A:calendar-color", "C:supported-calendar-component-set"), "Depth: 1").multi()
	cal := annasCal
	// Both must be there, or the calendar is hidden.
	m.node(cal, "D:displayname")
	m.r.contains(`<C:comp name="VEVENT"/>`)
	c.ask("OPTIONS", prin, "").is(200)
	c.ask("PROPFIND", prin, propfind("CS:calendar-proxy-read-for", "CS:calendar-proxy-write-for"), "Depth: 0").multi()
	for _, p := range [][]string{{"D:resourcetype"}, {"D:supported-report-set"}, {"D:current-user-privilege-set"}, {"D:owner", "CS:organizer"}} {
		c.ask("PROPFIND", cal, propfind(p...), "Depth: 0").multi()
	}
	// D:all alone is read-only to it.
	c.ask("PROPFIND", cal, propfind("D:current-user-privilege-set"), "Depth: 0").contains("<D:privilege><D:write/></D:privilege>", "<D:privilege><D:bind/></D:privilege>", "<D:privilege><D:unbind/></D:privilege>")
	obj := cal + "2d6c0b1e.ics"
	tag := c.newEvent(obj, event("2d6c", "20260310T090000Z", "C"), "If-None-Match: *", "Content-Type: text/calendar; charset=utf-8")
	m = c.ask("REPORT", cal, query(in(march), "D:getetag"), "Depth: 1").multi()
	m.text(obj, "D:getetag")
	m = c.ask("REPORT", cal, multiget([]string{"D:getetag", "D:displayname", "C:calendar-data"}, obj), "Depth: 1").multi()
	m.node(obj, "C:calendar-data")
	r := c.ask("PUT", obj, event("2d6c", "20260310T100000Z", "C"), "If-Match: "+strings.Trim(tag, `"`)).is(204) // an option of it: tags without quotes
	c.ask("PUT", obj, event("2d6c", "20260310T110000Z", "C"), "If-Match: "+tag).is(412)
	m = c.ask("REPORT", cal, syncBody("", "", "D:getetag"), "Depth: 0").multi()
	if strings.ContainsAny(m.token, `&<>"`) {
		t.Errorf("it writes the token %q back without escaping", m.token)
	}
	d := c.ask("DELETE", obj, "", "If-Match: "+r.header.Get("ETag")).is(204)
	if d.header.Get("X-Dav-Error") != "" {
		t.Error("X-Dav-Error")
	}
	if m = c.ask("REPORT", cal, syncBody(m.token, "", "D:getetag"), "Depth: 0").multi(); m.at(obj).status != 404 {
		t.Error(m.r.body)
	}
	c.ask("REPORT", cal, syncBody("x", "", "D:getetag"), "Depth: 0").is(403, "D:valid-sync-token")
	made := home + "new-cs/"
	c.ask("MKCOL", made, xmlHead("D:mkcol")+`<D:set><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype></D:prop></D:set></D:mkcol>`).is(201)
	c.ask("PROPPATCH", made, patch("<D:displayname>New</D:displayname>"), "Depth: 0").multi()
}

// vdirsyncer, calcurse and tsdav in short.
func TestClientsWithoutTokens(t *testing.T) {
	c := &client{site: newSite(t)}
	c.visit("anna")
	cal, obj := annasCal, annasCal+"v.ics"
	c.newEvent(obj, strings.ReplaceAll(event("v", "20260310T090000Z", "V"), "\r\n", "\n"), "If-None-Match: *")
	m := c.ask("PROPFIND", cal, propfind("D:resourcetype", "D:getcontenttype", "D:getetag"), "Depth: 1").multi()
	if len(m.order) != 2 || m.children(obj, "D:resourcetype") != "" {
		t.Error(m.order)
	}
	for _, p := range []string{"D:displayname", "C:calendar-description", "A:calendar-color", "A:calendar-order"} {
		c.ask("PROPFIND", cal, propfind(p), "Depth: 0").multi()
	}
	// calcurse: an empty filter on VCALENDAR means everything.
	if m = c.ask("REPORT", cal, query(`<C:comp-filter name="VCALENDAR"/>`, "D:getetag"), "Depth: 1").multi(); len(m.order) != 1 {
		t.Error(m.order)
	}
	// tsdav asks the well-known address without Depth and reads the redirect itself.
	c.wellKnown(propfind("D:resourcetype"))
	c.ask("DELETE", obj, "").is(204)
}
