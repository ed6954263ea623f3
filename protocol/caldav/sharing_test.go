package caldav

import (
	"strconv"
	"testing"
)

// Ben reads one calendar of Anna's and sees busy time in the others.
func sharedSite(t *testing.T) *site {
	s := newSite(t)
	s.visit("anna", "ben")
	s.do("anna", "MKCALENDAR", annasHome+"team/", "").is(201)
	s.do("anna", "ACL", annasHome+"team/", aclBody(grant("<D:href>/dav/principals/ben/</D:href>", "<D:read/>"))).is(200)
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	s.do("anna", "PUT", annasHome+"team/t.ics", event("2", "20260301T090000Z", "T")).is(201)
	s.do("anna", "PUT", annasHome+"team/p.ics", event("3", "20260301T090000Z", "P", "CLASS:PRIVATE", "DESCRIPTION:hidden")).is(201)
	return s
}

// A query on a home is about the calendars that the asker may read.
func TestRFC4791_7_8_QueryOnAnothersHome(t *testing.T) {
	s := sharedSite(t)
	m := s.do("ben", "REPORT", annasHome, query(`<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter>`, "D:getetag", "C:calendar-data"), "Depth: 1").is(207).multi()
	if len(m.order) != 2 {
		t.Errorf("answers for %q", m.order)
	}
	m.node(annasHome+"team/t.ics", "D:getetag")
}

// The length and tag of a masked object are those of what is shown.
func TestLengthOfMaskedObjects(t *testing.T) {
	s := sharedSite(t)
	p := annasHome + "team/p.ics"
	get := s.do("ben", "GET", p, "").is(200).lacks("hidden")
	m := s.do("ben", "PROPFIND", p, propfind("D:getetag", "D:getcontentlength"), "Depth: 0").multi()
	if n := m.text(p, "D:getcontentlength"); n != strconv.Itoa(len(get.body)) {
		t.Errorf("length %s of %d octets", n, len(get.body))
	}
	full := s.do("anna", "GET", p, "").is(200)
	m = s.do("ben", "PROPFIND", annasHome+"team/", propfind("D:getetag", "D:getcontentlength"), "Depth: 1").
		lacks("<D:getcontentlength>"+strconv.Itoa(len(full.body))+"<", "<D:getcontentlength>0<").multi()
	if tag := m.text(p, "D:getetag"); tag != get.header.Get("ETag") || tag == full.header.Get("ETag") {
		t.Errorf("tag %s, of GET %s", tag, get.header.Get("ETag"))
	}
}

// A move from home to home that may not delete its source copies nothing.
func TestRFC4918_9_9_MoveFromAnothersHome(t *testing.T) {
	s := sharedSite(t)
	dest := "/dav/calendars/ben/calendar/t.ics"
	s.do("ben", "MOVE", annasHome+"team/t.ics", "", "Destination: "+dest).is(403, "D:need-privileges")
	s.do("ben", "GET", dest, "").is(404)
	s.do("ben", "COPY", annasHome+"team/t.ics", "", "Destination: "+dest).is(201)
}

// RFC 9110 §13.1: conditions hold for PROPPATCH too.
func TestRFC4918_9_2_ConditionsOfPropPatch(t *testing.T) {
	s := sharedSite(t)
	p := annasCal + "a.ics"
	tag := s.do("anna", "GET", p, "").is(200).header.Get("ETag")
	body := patch(`<t:x xmlns:t="urn:test">v</t:x>`)
	s.do("anna", "PROPPATCH", p, body, `If-Match: "other"`).is(412)
	s.do("anna", "PROPPATCH", p, body, `If-None-Match: *`).is(412)
	s.do("anna", "PROPFIND", p, propfind("{urn:test}x"), "Depth: 0").lacks(">v<")
	s.do("anna", "PROPPATCH", p, body, "If-Match: "+tag).is(207)
	s.do("anna", "PROPFIND", p, propfind("{urn:test}x"), "Depth: 0").contains(">v<")
}

// How much someone stores is for his own eyes.
func TestRFC4331_3_QuotaOfOthers(t *testing.T) {
	s := sharedSite(t)
	ask := propfind("D:quota-used-bytes", "D:quota-available-bytes")
	s.do("ben", "PROPFIND", annasHome, ask, "Depth: 0").lacks("200 OK")
	s.do("anna", "PROPFIND", annasHome, ask, "Depth: 0").contains("<D:quota-used-bytes>")
}
