package caldav

import "testing"

func TestRFC4791_5_3_1_Mkcalendar(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	work := annasHome + "work/"
	// As Apple sends it.
	r := s.do("anna", "MKCALENDAR", work, mkcalendar(`<A:calendar-order>4</A:calendar-order><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>`+
		`<A:calendar-color>#1BADF8FF</A:calendar-color><D:displayname>Work</D:displayname><C:schedule-calendar-transp><C:opaque/></C:schedule-calendar-transp><t:x xmlns:t="urn:t">dead</t:x>`)).is(201)
	if r.header.Get("Cache-Control") != "no-cache" {
		t.Error("the answer may be cached")
	}
	m := s.do("anna", "PROPFIND", work, propfind("D:resourcetype", "D:displayname", "C:supported-calendar-component-set", "A:calendar-color", "A:calendar-order", "{urn:t}x"), "Depth: 0").multi()
	if m.children(work, "D:resourcetype") != "D:collection C:calendar" || m.text(work, "D:displayname") != "Work" || m.text(work, "A:calendar-order") != "4" ||
		m.text(work, "A:calendar-color") != "#1BADF8FF" || m.children(work, "C:supported-calendar-component-set") != "C:comp" || m.text(work, "{urn:t}x") != "dead" {
		t.Error(m.r.body)
	}
	s.do("anna", "MKCALENDAR", work, "").is(403, "D:resource-must-be-null")
	s.do("anna", "MKCALENDAR", annasHome+"plainly", "").is(201)
	s.do("anna", "MKCALENDAR", work+"inner/", "").is(403, "C:calendar-collection-location-ok")
	s.do("anna", "MKCALENDAR", "/dav/calendars/ben/x/", "").is(403, "D:need-privileges")
	s.do("anna", "MKCALENDAR", annasHome+"bad/", mkcalendar(`<C:supported-calendar-component-set><C:comp name="VPOLL"/></C:supported-calendar-component-set><D:displayname>B</D:displayname>`)).
		is(207).contains("<C:supported-calendar-component/>", "424 Failed Dependency")
	s.do("anna", "PROPFIND", annasHome+"bad/", "", "Depth: 0").is(404)
	s.do("anna", "MKCALENDAR", annasHome+"y/", xmlHead("D:mkcol")+"</D:mkcol>").is(415)
	s.do("anna", "MKCALENDAR", annasHome+"y/", "<x").is(400)
	s.do("anna", "DELETE", work, "").is(204)
	s.do("anna", "PROPFIND", work, "", "Depth: 0").is(404)
	s.do("anna", "DELETE", annasCal, "").is(403, "C:default-calendar-needed")
	s.do("anna", "DELETE", annasHome+"plainly/", "", "Depth: 0").is(400)
}

// TestRFC4791_5_3_1_RightsComeFirst: who may not make a calendar learns neither what
// stands there nor what is wrong with his request, then what stands there is told,
// and the properties come last.
func TestRFC4791_5_3_1_RightsComeFirst(t *testing.T) {
	onSites(t, func(t *testing.T, s *site) {
		bad := "<C:supported-calendar-component-set><C:comp name='VPOLL'/></C:supported-calendar-component-set>"
		zone := "<C:calendar-timezone-id>Mars/Base</C:calendar-timezone-id>"
		mkcol := func(props string) string {
			return xmlHead("D:mkcol") + "<D:set><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype>" + props + "</D:prop></D:set></D:mkcol>"
		}
		for _, props := range []string{"", bad, zone} {
			for _, name := range []string{"team/", "new/", "calendar/"} {
				s.do("anna", "MKCALENDAR", "/dav/calendars/rosa/"+name, mkcalendar(props)).is(403, "D:need-privileges")
				s.do("anna", "MKCOL", "/dav/calendars/rosa/"+name, mkcol(props)).is(403, "D:need-privileges")
			}
			s.do("rosa", "MKCALENDAR", rosasTeam, mkcalendar(props)).is(403, "D:resource-must-be-null")
			s.do("rosa", "MKCOL", rosasTeam, mkcol(props)).is(403, "D:resource-must-be-null")
			s.do("anna", "MKCALENDAR", "/dav/calendars/nobody-at-all/x/", mkcalendar(props)).is(403, "D:need-privileges")
		}
		s.do("rosa", "MKCALENDAR", "/dav/calendars/rosa/new/", mkcalendar(bad)).is(207)
		s.do("rosa", "MKCOL", "/dav/calendars/rosa/new/", mkcol(bad)).is(207)
		s.do("rosa", "PROPFIND", "/dav/calendars/rosa/new/", "", "Depth: 0").is(404)
		s.do("rosa", "MKCALENDAR", "/dav/calendars/rosa/new/", mkcalendar("")).is(201)
	})
}

func TestRFC5689_ExtendedMkcol(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	mkcol := func(props string) string {
		return xmlHead("D:mkcol") + "<D:set><D:prop>" + props + "</D:prop></D:set></D:mkcol>"
	}
	k := annasHome + "kde/"
	s.do("anna", "MKCOL", k, mkcol("<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>K</D:displayname>")).is(201)
	m := s.do("anna", "PROPFIND", k, propfind("D:resourcetype", "D:displayname"), "Depth: 0").multi()
	if m.children(k, "D:resourcetype") != "D:collection C:calendar" || m.text(k, "D:displayname") != "K" {
		t.Error(m.r.body)
	}
	s.do("anna", "MKCOL", annasHome+"ab/", mkcol("<D:resourcetype><D:collection/><CR:addressbook xmlns:CR='urn:ietf:params:xml:ns:carddav'/></D:resourcetype><D:displayname>K</D:displayname>")).
		is(207).contains("<D:mkcol-response", "<D:valid-resourcetype/>", "424")
	s.do("anna", "MKCOL", annasHome+"ab/", "garbage", "Content-Type: xzy-foo/bar-512").is(415)
	p := annasHome + "files/"
	s.do("anna", "MKCOL", p, "").is(201)
	if got := s.do("anna", "PROPFIND", p, propfind("D:resourcetype"), "Depth: 0").multi().children(p, "D:resourcetype"); got != "D:collection" {
		t.Errorf("MKCOL makes %q", got)
	}
	s.do("anna", "MKCOL", p, "").is(405)
	s.do("anna", "MKCOL", annasHome+"none/inner/", "").is(409)
	s.do("anna", "MKCOL", p+"inner/", "").is(201)
}
