package caldav

import (
	"slices"
	"testing"
)

// Plain collections: what generic WebDAV clients (cadaver, litmus) do.
func TestRFC4918_PlainCollections(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	p := annasHome + "files/"
	s.do("anna", "MKCOL", p, "").is(201)
	r := s.do("anna", "PUT", p+"r%20s.txt", "hello", "Content-Type: text/plain").is(201)
	get := s.do("anna", "GET", p+"r%20s.txt", "").is(200)
	if get.body != "hello" || get.header.Get("ETag") != r.header.Get("ETag") || get.header.Get("Content-Type") != "text/plain" {
		t.Errorf("%v %q", get.header, get.body)
	}
	if get.header.Get("X-Content-Type-Options") != "nosniff" || get.header.Get("Content-Security-Policy") == "" {
		t.Error("a browser would run what is stored")
	}
	s.do("anna", "MKCOL", p+"sub/", "").is(201)
	s.do("anna", "PUT", p+"sub/deep.txt", "deep").is(201)
	s.do("anna", "MKCOL", p+"sub/subsub/", "").is(201)
	m := s.do("anna", "PROPFIND", p, propfind("D:resourcetype", "D:getetag"), "Depth: 1").multi()
	slices.Sort(m.order)
	if want := []string{p, p + "r%20s.txt", p + "sub/"}; !slices.Equal(m.order, want) {
		t.Errorf("members %q", m.order)
	}
	if m := s.do("anna", "PROPFIND", annasHome, propfind("D:resourcetype"), "Depth: 1").multi(); len(m.order) != 5 { // itself, two collections, inbox and outbox
		t.Errorf("the home shows nested collections: %q", m.order)
	}
	s.do("anna", "PROPFIND", p+"sub", propfind("D:resourcetype"), "Depth: 0").multi().node(p+"sub/", "D:resourcetype")
	// RFC 4918 §9.7: a collection cannot be put, nor anything without a parent.
	s.do("anna", "PUT", p+"sub", "x").is(405)
	s.do("anna", "PUT", p+"none/x.txt", "x").is(409)
	s.do("anna", "PUT", p+"none/x.txt/", "x").is(409)
	s.do("anna", "PUT", p+"sub/", "x").is(405)
	s.do("anna", "MKCOL", p+"r%20s.txt", "").is(405)
	s.do("anna", "DELETE", p+"sub", "").is(204)
	s.do("anna", "GET", p+"sub/deep.txt", "").is(404)
}

func TestRFC4918_9_8_CopyAndMove(t *testing.T) {
	s := newSite(t)
	s.visit("anna", "ben")
	p := annasHome + "files/"
	s.do("anna", "MKCOL", p, "").is(201)
	s.do("anna", "PUT", p+"a", "A", "Content-Type: text/plain").is(201)
	s.do("anna", "PROPPATCH", p+"a", patch(`<t:x xmlns:t="urn:test">kept</t:x>`)).is(207)
	to := func(path string, more ...string) []string {
		return append([]string{"Destination: http://cal.example.com" + path}, more...)
	}
	s.do("anna", "COPY", p+"a", "", to(p+"b")...).is(201)
	s.do("anna", "COPY", p+"a", "", to(p+"b", "Overwrite: F")...).is(412)
	s.do("anna", "COPY", p+"a", "", to(p+"b", "Overwrite: T")...).is(204)
	s.do("anna", "PROPFIND", p+"b", propfind("{urn:test}x"), "Depth: 0").contains("kept")
	s.do("anna", "COPY", p+"a", "", to(p+"none/b")...).is(409)
	s.do("anna", "COPY", p+"a", "", to(p+"a")...).is(403)
	s.do("anna", "COPY", p+"a", "").is(400)
	s.do("anna", "COPY", p+"a", "", "Destination: http://other.example.com/x").is(502)
	s.do("anna", "COPY", p+"a", "", to("/elsewhere")...).is(403)
	s.do("anna", "COPY", p+"a", "", to(annasHome+"x")...).is(403)
	s.do("anna", "COPY", p+"a", "", to(p+"c", "Overwrite: X")...).is(400)
	s.do("anna", "COPY", p+"a", "", to(p+"c", "Depth: 1")...).is(400)
	s.do("anna", "COPY", p+"none", "", to(p+"c")...).is(404)
	s.do("anna", "MOVE", p+"b", "", to(p+"m")...).is(201)
	s.do("anna", "GET", p+"b", "").is(404)
	// Onto a collection, and a collection onto a file.
	s.do("anna", "MKCOL", p+"coll/", "").is(201)
	s.do("anna", "MOVE", p+"m", "", to(p+"coll/", "Overwrite: F")...).is(412)
	s.do("anna", "COPY", p+"a", "", to(p+"coll/")...).is(204)
	s.do("anna", "GET", p+"coll", "").is(200)
	s.do("anna", "MKCOL", p+"src/", "").is(201)
	s.do("anna", "PUT", p+"src/f", "F").is(201)
	s.do("anna", "MKCOL", p+"src/in/", "").is(201)
	s.do("anna", "COPY", p+"src/", "", to(p+"coll/", "Overwrite: F")...).is(412)
	s.do("anna", "COPY", p+"src/", "", to(p+"coll/")...).is(204)
	s.do("anna", "GET", p+"coll/f", "").is(200)
	s.do("anna", "COPY", p+"src/", "", to(p+"shallow/", "Depth: 0")...).is(201)
	s.do("anna", "GET", p+"shallow/f", "").is(404)
	s.do("anna", "COPY", p+"src/", "", to(p+"src/in/deeper/")...).is(403)
	s.do("anna", "COPY", p+"src/", "", to("/dav/calendars/ben/src/")...).is(403)
	s.do("anna", "COPY", p+"src/", "", to(p+"no/where/")...).is(409)
	s.do("anna", "MOVE", p+"src/", "", to(p+"dst/")...).is(201)
	s.do("anna", "GET", p+"dst/f", "").is(200)
	s.do("anna", "PROPFIND", p+"dst/in/", "", "Depth: 0").is(207)
	s.do("anna", "GET", p+"src/f", "").is(404)
}

// Calendars: a move keeps the object, a copy within one doubles the UID.
func TestMoveBetweenCalendars(t *testing.T) {
	s := newSite(t)
	s.visit("anna", "ben")
	s.do("anna", "MKCALENDAR", annasHome+"work/", "").is(201)
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	s.do("anna", "COPY", annasCal+"a.ics", "", "Destination: "+annasCal+"b.ics").is(409, "C:no-uid-conflict")
	s.do("anna", "MOVE", annasCal+"a.ics", "", "Destination: "+annasHome+"work/a.ics", `If-Match: "x"`).is(412)
	s.do("anna", "MOVE", annasCal+"a.ics", "", "Destination: "+annasHome+"work/a.ics").is(201)
	s.do("anna", "GET", annasCal+"a.ics", "").is(404)
	tag := s.do("anna", "GET", annasHome+"work/a.ics", "").is(200).header.Get("ETag")
	s.do("anna", "COPY", annasHome+"work/a.ics", "", "Destination: /dav/calendars/ben/calendar/a.ics").is(403, "D:need-privileges")
	// Ben lets Anna write; then objects go from home to home.
	s.do("ben", "ACL", "/dav/calendars/ben/calendar/", aclBody(grant("<D:href>/dav/principals/anna/</D:href>", "<D:read/>", "<D:write/>"))).is(200)
	s.do("anna", "MOVE", annasHome+"work/a.ics", "", "Destination: /dav/calendars/ben/calendar/a.ics", "If-Match: "+tag, "Overwrite: F").is(201)
	s.do("anna", "GET", annasHome+"work/a.ics", "").is(404)
	s.do("ben", "GET", "/dav/calendars/ben/calendar/a.ics", "").is(200)
	s.do("anna", "MOVE", annasHome+"work/", "", "Destination: "+annasHome+"job/").is(201)
	s.do("anna", "PROPFIND", annasHome+"job/", propfind("D:resourcetype"), "Depth: 0").is(207)
}
