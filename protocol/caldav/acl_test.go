package caldav

import (
	"slices"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
)

func aclBody(aces ...string) string { return xmlHead("D:acl") + strings.Join(aces, "") + "</D:acl>" }

func grant(principal string, privileges ...string) string {
	return ace(principal, "grant", privileges...)
}

func ace(principal, grant string, privileges ...string) string {
	b := "<D:ace><D:principal>" + principal + "</D:principal><D:" + grant + ">"
	for _, p := range privileges {
		b += "<D:privilege>" + p + "</D:privilege>"
	}
	return b + "</D:" + grant + "></D:ace>"
}

func TestRFC3744_8_1_ACL(t *testing.T) {
	s := newSite(t)
	s.visit("anna", "ben")
	ben := "<D:href>/dav/principals/ben/</D:href>"
	s.do("ben", "REPORT", annasCal, xmlHead("D:sync-collection")+"<D:sync-token/>"+props("D:getetag")+"</D:sync-collection>").is(403, "D:need-privileges")
	s.do("anna", "ACL", annasCal, aclBody(grant(ben, "<D:read/>"))).is(200)
	m := s.do("ben", "PROPFIND", annasCal, propfind("D:current-user-privilege-set", "D:acl", "D:acl-restrictions", "D:inherited-acl-set", "D:supported-privilege-set"), "Depth: 0").multi()
	var got []string
	for p := range m.node(annasCal, "D:current-user-privilege-set").Children() {
		got = append(got, short(p.FirstChild().Name))
	}
	if !slices.Contains(got, "D:read") {
		t.Errorf("reader has %q", got)
	}
	for _, p := range []string{"D:write", "D:write-content", "D:bind", "D:unbind", "D:all"} {
		if slices.Contains(got, p) {
			t.Errorf("reader has %s", p)
		}
	}
	if p := m.at(annasCal).props["D:acl"]; p.status != 403 {
		t.Errorf("a reader sees the list: %d", p.status)
	}
	if m.children(annasCal, "D:acl-restrictions") != "D:no-invert" {
		t.Error("acl-restrictions")
	}
	s.do("ben", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(403, "D:need-privileges")

	// The list as the owner reads it can be written back without its
	// protected entries, and says the same then.
	read := func() string {
		r := s.do("anna", "PROPFIND", annasCal, propfind("D:acl"), "Depth: 0")
		r.multi()
		return r.body[strings.Index(r.body, "<D:acl>"):strings.Index(r.body, "</D:acl>")]
	}
	before := read()
	if !strings.Contains(before, "<D:href>/dav/principals/ben/</D:href>") || !strings.Contains(before, "<D:protected/>") {
		t.Fatal(before)
	}
	var free []string
	for _, a := range strings.SplitAfter(strings.TrimPrefix(before, "<D:acl>"), "</D:ace>") {
		if a != "" && !strings.Contains(a, "<D:protected/>") {
			free = append(free, a)
		}
	}
	s.do("anna", "ACL", annasCal, aclBody(free...)).is(200)
	if after := read(); after != before {
		t.Errorf("\n%s\n%s", before, after)
	}

	for _, c := range []struct {
		body   string
		status int
		cond   string
	}{
		{aclBody(strings.Replace(grant(ben, "<D:read/>"), "</D:ace>", "<D:protected/></D:ace>", 1)), 403, "D:no-protected-ace-conflict"},
		{aclBody(strings.Replace(grant(ben, "<D:read/>"), "</D:ace>", "<D:inherited><D:href>/</D:href></D:inherited></D:ace>", 1)), 403, "D:no-inherited-ace-conflict"},
		{aclBody("<D:ace><D:invert><D:principal><D:all/></D:principal></D:invert><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace>"), 403, "D:no-invert"},
		{aclBody(grant("<D:href>/dav/principals/nobody/</D:href>", "<D:read/>")), 403, "D:recognized-principal"},
		{aclBody(grant("<D:href>http://other.example.com/x</D:href>", "<D:read/>")), 403, "D:recognized-principal"},
		{aclBody(grant("<D:self/>", "<D:read/>")), 403, "D:allowed-principal"},
		{aclBody(grant(ben, "<D:fly/>")), 403, "D:not-supported-privilege"},
		{aclBody(grant(ben, "<D:unlock/>")), 403, "D:no-abstract"},
		{aclBody(grant(ben)), 400, ""},
		{aclBody("<D:ace/>"), 400, ""},
		{"", 400, ""},
	} {
		s.do("anna", "ACL", annasCal, c.body).is(c.status, c.cond)
	}
	if read() != before {
		t.Error("a refused list changed something")
	}
	s.do("ben", "ACL", annasCal, aclBody(grant(ben, "<D:all/>"))).is(403, "D:need-privileges")
	s.do("anna", "ACL", annasCal, aclBody(grant("<D:href>mailto:BEN@example.com</D:href>", "<D:read/>", "<D:write/>"))).is(200)
	s.do("ben", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	s.do("anna", "ACL", annasCal, aclBody(grant("<D:href>/dav/principals/@example.com/</D:href>", "<D:read/>"), grant("<D:authenticated/>", "<C:read-free-busy/>"))).is(200)
	m = s.do("anna", "REPORT", annasCal, xmlHead("D:acl-principal-prop-set")+props("D:displayname")+"</D:acl-principal-prop-set>").multi()
	if !slices.Equal(m.order, []string{"/dav/principals/anna/"}) {
		t.Errorf("acl-principal-prop-set: %q", m.order)
	}
}

// Who may see busy time only learns neither the calendar's name nor, by HEAD,
// what GET refuses.
func TestFreeBusyOnly(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	team := annasHome + "team/"
	s.do("anna", "MKCALENDAR", team, mkcalendar("<D:displayname>Merger</D:displayname><C:calendar-description>Merger</C:calendar-description>")).is(201)
	s.do("anna", "ACL", team, aclBody(grant("<D:href>/dav/principals/ben/</D:href>", "<C:read-free-busy/>"))).is(200)
	s.do("ben", "PROPFIND", team, propfind("D:displayname", "C:calendar-description"), "Depth: 0").is(207).lacks("Merger")
	s.do("ben", "PROPFIND", annasHome, propfind("D:displayname", "C:calendar-description"), "Depth: 1").is(207).lacks("Merger")
	s.do("anna", "MKCALENDAR", annasHome+"open/", "").is(201)
	s.do("anna", "ACL", annasHome+"open/", aclBody(grant("<D:href>/dav/principals/ben/</D:href>", "<D:read/>"))).is(200)
	s.do("anna", "PUT", annasHome+"open/a.ics", event("1", "20260301T090000Z", "A")).is(201)
	s.do("anna", "PUT", team+"b.ics", event("2", "20260301T090000Z", "Merger")).is(201)
	if m := s.do("ben", "REPORT", annasHome, query(in(march), "D:getetag", "C:calendar-data")).multi(); !slices.Equal(m.order, []string{annasHome + "open/a.ics"}) {
		t.Errorf("a query on the home finds %q", m.order)
	}
	s.do("ben", "GET", team, "").is(403, "D:need-privileges")
	s.do("ben", "HEAD", team, "").is(403)
}

// Without DAV:read a calendar shows what it is called, what it is, whose, and
// what one may do with it; nothing tells what is in it, or that it changes.
// Half of the right, c^r or p^r, does not do. WCAP §4.3, RFC 3744 §3.1.
func TestRFC3744_3_1_WithoutRead(t *testing.T) {
	open := []string{"D:resourcetype", "D:displayname", "D:owner", "D:current-user-privilege-set", "C:supported-calendar-component-set", "D:supported-report-set"}
	closed := []string{"C:calendar-description", "C:calendar-timezone", "C:calendar-timezone-id", "A:calendar-color", "A:calendar-order", "D:getetag", "CS:getctag",
		"D:sync-token", "D:getlastmodified", "D:creationdate", "D:resource-id", "C:schedule-calendar-transp"}
	for list, named := range map[string]bool{"ben^c^r^g": false, "ben^a^f^g": false, "ben^c^rwd^g": false, "ben^p^r^g": true, "ben^a^fs^g;ben^p^r^g": true} {
		s := newSite(t)
		s.visit("anna", "ben")
		team := annasHome + "team/"
		s.do("anna", "MKCALENDAR", team, mkcalendar("<D:displayname>Merger</D:displayname><C:calendar-description>Sell it</C:calendar-description><A:calendar-color>#123456</A:calendar-color>")).is(201)
		s.do("anna", "PROPPATCH", team, xmlHead("D:propertyupdate")+"<D:set><D:prop><x:note xmlns:x='x:'>Sell it</x:note></D:prop></D:set></D:propertyupdate>").is(207)
		acl := acl.MustParse(list)
		if _, err := s.be.UpdateCalendar(t.Context(), calendar.Actor{User: "anna"}, calendar.UpdateCalendarRequest{ID: "anna:team", ACL: &acl}); err != nil {
			t.Fatal(err)
		}
		ask := propfind(append(open, closed...)...)
		for _, r := range []*reply{
			s.do("ben", "PROPFIND", team, ask, "Depth: 0"),
			s.do("ben", "PROPFIND", annasHome, ask, "Depth: 1"),
			s.do("ben", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token/>"+strings.TrimSuffix(strings.TrimPrefix(ask, xmlHead("D:propfind")), "</D:propfind>")+"</D:sync-collection>"),
		} {
			m := r.multi().at(team)
			for _, name := range open {
				if m.props[name].status != 200 {
					t.Errorf("%s: %s: %s is %d", list, r.what, name, m.props[name].status)
				}
			}
			for _, name := range closed {
				if m.props[name].status != 403 {
					t.Errorf("%s: %s: %s is %d", list, r.what, name, m.props[name].status)
				}
			}
			if strings.Contains(r.body, "Sell it") || strings.Contains(r.body, "Merger") != named {
				t.Errorf("%s: %s", list, r.body)
			}
		}
		for _, body := range []string{xmlHead("D:propfind") + "<D:allprop/></D:propfind>", xmlHead("D:propfind") + "<D:propname/></D:propfind>"} {
			s.do("ben", "PROPFIND", team, body, "Depth: 0").is(207).lacks("Sell it", "note", "getetag", "getctag", "getlastmodified", "creationdate")
		}
		for _, r := range []*reply{
			s.do("ben", "GET", team, ""), s.do("ben", "HEAD", team, ""), s.do("ben", "PROPFIND", team, ask, "Depth: 1"),
			s.do("ben", "REPORT", team, query(in(march), "D:getetag")), s.do("ben", "PUT", team+"b.ics", event("2", "20260301T090000Z", "B")),
			s.do("ben", "REPORT", team, xmlHead("D:sync-collection")+"<D:sync-token/>"+props("D:getetag")+"</D:sync-collection>"),
		} {
			if r.is(403); r.header.Get("ETag") != "" {
				t.Errorf("%s: %s has the ETag %s", list, r.what, r.header.Get("ETag"))
			}
		}
		// What is written in it shows nowhere in the home.
		tags := func() string {
			return s.do("ben", "PROPFIND", annasHome, propfind("CS:getctag", "D:sync-token"), "Depth: 0").is(207).body
		}
		before := tags()
		token := s.do("ben", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token/>"+props("D:displayname")+"</D:sync-collection>").multi().token
		s.do("anna", "PUT", team+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
		if after := tags(); after != before {
			t.Errorf("%s: the home tells of a change:\n%s\n%s", list, before, after)
		}
		m := s.do("ben", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token>"+props("D:displayname")+"</D:sync-collection>").multi()
		if len(m.order) > 0 || m.token != token {
			t.Errorf("%s: sync-collection tells of %q", list, m.order)
		}
		// A calendar less is told, and the next token goes on from there.
		s.do("anna", "MKCALENDAR", annasHome+"gone/", "").is(201)
		s.do("anna", "DELETE", annasHome+"gone/", "").is(204)
		s.do("ben", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token>"+props("D:displayname")+"</D:sync-collection>").is(403, "D:valid-sync-token")
		token = s.do("ben", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token/>"+props("D:displayname")+"</D:sync-collection>").multi().token
		s.do("ben", "REPORT", annasHome, xmlHead("D:sync-collection")+"<D:sync-token>"+token+"</D:sync-token>"+props("D:displayname")+"</D:sync-collection>").is(207)
	}
}
