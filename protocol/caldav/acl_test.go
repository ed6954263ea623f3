package caldav

import (
	"slices"
	"strings"
	"testing"
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
