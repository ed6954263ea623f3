package caldav

import (
	"slices"
	"strings"
	"testing"
)

func TestRFC4918_9_1_PropfindForms(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	a := annasCal + "a.ics"

	for _, body := range []string{"", xmlHead("D:propfind") + "<D:allprop/></D:propfind>"} {
		m := s.do("anna", "PROPFIND", a, body, "Depth: 0").multi()
		for _, p := range []string{"D:resourcetype", "D:getetag", "D:getcontenttype", "D:getcontentlength", "D:getlastmodified", "D:creationdate"} {
			m.node(a, p)
		}
		if _, ok := m.at(a).props["C:calendar-data"]; ok {
			t.Error("allprop gives calendar-data")
		}
	}
	m := s.do("anna", "PROPFIND", a, xmlHead("D:propfind")+"<D:allprop/><D:include><D:owner/><D:getetag/></D:include></D:propfind>", "Depth: 0").multi()
	if got := m.href(a, "D:owner"); got != "/dav/principals/anna/" {
		t.Errorf("owner %q", got)
	}
	m = s.do("anna", "PROPFIND", annasCal, xmlHead("D:propfind")+"<D:propname/></D:propfind>", "Depth: 0").multi()
	if n := m.node(annasCal, "D:displayname"); n.Text != "" {
		t.Error("propname gives values")
	}
	for _, bad := range []string{"<D:propfind", xmlHead("D:propfind") + "</D:propfind>", xmlHead("D:nothing") + "</D:nothing>",
		xmlHead("D:propfind") + "<D:allprop/><D:propname/></D:propfind>"} {
		s.do("anna", "PROPFIND", a, bad, "Depth: 0").is(400)
	}
	s.do("anna", "PROPFIND", a, "", "Depth: 2").is(400)
	s.do("anna", "PROPFIND", a, propfind("D:getetag"), "Depth: 0", "Content-Type: application/json").is(415)
	s.do("anna", "PROPFIND", a, `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`, "Depth: 0").is(403, "D:no-external-entities")
	s.do("anna", "PROPFIND", a, strings.Repeat("<a>", 100_000), "Depth: 0").is(413)
}

// RFC 4918 §9.1: finite depth on homes and calendars.
func TestDepthInfinityIsRefused(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for _, path := range []string{annasHome, annasCal, "/dav/calendars/"} {
		s.do("anna", "PROPFIND", path, "", "Depth: infinity").is(403, "D:propfind-finite-depth")
	}
	s.do("anna", "PROPFIND", annasHome, "").is(403, "D:propfind-finite-depth")
	s.do("anna", "PROPFIND", "/dav/", propfind("D:current-user-principal")).multi().href("/dav/", "D:current-user-principal")
	s.do("anna", "PROPFIND", annasCal+"x.ics", "", "Depth: infinity").is(404)
}

func TestUpperTree(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/", "/principals/", "/dav/", "/dav/principals/", "/dav/calendars/"} {
		m := s.do("anna", "PROPFIND", path, propfind("D:current-user-principal", "D:principal-URL", "D:resourcetype", "D:owner"), "Depth: 0").multi()
		if got := m.href(path, "D:current-user-principal"); got != "/dav/principals/anna/" {
			t.Errorf("%s: current-user-principal %q", path, got)
		}
		if got := m.children(path, "D:resourcetype"); got != "D:collection" {
			t.Errorf("%s: resourcetype %q", path, got)
		}
		if got := m.children(path, "D:owner"); got != "" {
			t.Errorf("%s: owner %q", path, got)
		}
	}
	for path, members := range map[string][]string{
		"/dav/":            {"/dav/", "/dav/principals/", "/dav/calendars/"},
		"/dav/principals/": {"/dav/principals/", "/dav/principals/anna/"},
		"/dav/calendars/":  {"/dav/calendars/", annasHome},
	} {
		if m := s.do("anna", "PROPFIND", path, propfind("D:resourcetype"), "Depth: 1").multi(); !slices.Equal(m.order, members) {
			t.Errorf("%s: %q", path, m.order)
		}
	}
	// A path without its slash answers for the collection.
	s.do("anna", "PROPFIND", "/dav/principals/anna", propfind("D:resourcetype"), "Depth: 0").multi().node("/dav/principals/anna/", "D:resourcetype")
	s.do("anna", "PROPFIND", "/dav/calendars/anna", propfind("D:resourcetype"), "Depth: 0").multi().node(annasHome, "D:resourcetype")
	s.do("anna", "PROPFIND", strings.TrimSuffix(annasCal, "/"), propfind("D:resourcetype"), "Depth: 0").multi().node(annasCal, "D:resourcetype")
}

func TestPrincipalProperties(t *testing.T) {
	s := newSite(t)
	me := "/dav/principals/anna/"
	m := s.do("anna", "PROPFIND", me, propfind("D:displayname", "D:principal-URL", "D:resourcetype", "C:calendar-home-set", "C:calendar-user-address-set",
		"C:calendar-user-type", "CS:email-address-set", "CS:first-name", "CS:last-name", "CS:record-type", "D:group-membership", "D:resource-id",
		"CS:calendar-proxy-read-for", "C:schedule-inbox-URL", "C:schedule-outbox-URL", "D:supported-report-set", "D:alternate-URI-set"), "Depth: 0").multi()
	for name, want := range map[string]string{"D:displayname": "Anna Berg", "C:calendar-user-type": "INDIVIDUAL", "CS:first-name": "Anna", "CS:last-name": "Berg", "CS:record-type": "users"} {
		if got := m.text(me, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if m.href(me, "D:principal-URL") != me || m.href(me, "C:calendar-home-set") != annasHome {
		t.Error("principal-URL or calendar-home-set is wrong")
	}
	if got := m.children(me, "C:calendar-home-set"); got != "D:href" {
		t.Errorf("calendar-home-set has %q: clients want exactly one", got)
	}
	// clients.md §7.2: the preferred address first and last.
	var addresses []string
	for h := range m.node(me, "C:calendar-user-address-set").Children() {
		a := h.TrimText()
		if v, _ := h.Attr("preferred"); v == "1" {
			a += "!"
		}
		addresses = append(addresses, a)
	}
	if want := []string{"mailto:anna@example.com", "mailto:a.berg@example.com", "mailto:anna@example.com!"}; !slices.Equal(addresses, want) {
		t.Errorf("addresses %q", addresses)
	}
	if !strings.HasPrefix(m.href(me, "D:resource-id"), "urn:uuid:") {
		t.Error("resource-id is no UUID")
	}
	// Only one's own inbox and outbox are told. clients.md §7.1.
	of := s.do("ben", "PROPFIND", me, propfind("C:schedule-inbox-URL", "C:schedule-outbox-URL"), "Depth: 0").multi()
	for p, name := range map[string]string{"C:schedule-inbox-URL": "inbox/", "C:schedule-outbox-URL": "outbox/"} {
		if got := m.href(me, p); got != annasHome+name {
			t.Errorf("%s: %s", p, got)
		}
		if got := of.at(me).props[p].status; got != 404 {
			t.Errorf("%s for somebody else: %d", p, got)
		}
	}
	s.do("anna", "PROPFIND", "/dav/principals/ben/", propfind("D:displayname"), "Depth: 1").multi().text("/dav/principals/ben/", "D:displayname")
}

func TestHomeAndCalendarProperties(t *testing.T) {
	s := newSite(t)
	m := s.do("anna", "PROPFIND", annasHome, propfind("D:resourcetype", "D:displayname", "D:owner", "D:current-user-privilege-set", "C:supported-calendar-component-set",
		"CS:getctag", "D:sync-token", "D:supported-report-set", "C:schedule-calendar-transp", "C:max-resource-size", "C:supported-calendar-data", "C:supported-collation-set",
		"C:max-attendees-per-instance", "C:min-date-time", "C:max-date-time", "D:quota-used-bytes", "D:quota-available-bytes", "D:add-member", "D:getetag", "A:calendar-color",
		"CS:push-transports", "D:supportedlock"), "Depth: 1").multi()
	if !slices.Equal(m.order, []string{annasHome, annasCal, annasHome + "inbox/", annasHome + "outbox/"}) {
		t.Fatalf("responses %q", m.order)
	}
	if got := m.children(annasHome, "D:resourcetype"); got != "D:collection" {
		t.Errorf("home: resourcetype %q", got)
	}
	if got := m.children(annasCal, "D:resourcetype"); got != "D:collection C:calendar" {
		t.Errorf("calendar: resourcetype %q", got)
	}
	for _, path := range []string{annasHome, annasCal} {
		if m.href(path, "D:owner") != "/dav/principals/anna/" {
			t.Errorf("%s: owner", path)
		}
		// clients.md rule 7: tags and tokens are neither numbers nor in need of escaping.
		for _, p := range []string{"CS:getctag", "D:sync-token"} {
			v := m.text(path, p)
			if !strings.ContainsAny(v, ":-") || strings.ContainsAny(v, `&<>"' `) || strings.Trim(v, "0123456789") == "" {
				t.Errorf("%s: %s %q", path, p, v)
			}
		}
		var list []string
		for sr := range m.node(path, "D:supported-report-set").Children() {
			list = append(list, short(sr.FirstChild().FirstChild().Name))
		}
		for _, want := range []string{"D:sync-collection", "C:calendar-query", "C:calendar-multiget", "C:free-busy-query"} {
			if !slices.Contains(list, want) {
				t.Errorf("%s: no %s in supported-report-set", path, want)
			}
		}
	}
	var privileges []string
	for p := range m.node(annasCal, "D:current-user-privilege-set").Children() {
		privileges = append(privileges, short(p.FirstChild().Name))
	}
	for _, want := range []string{"D:all", "D:read", "D:write", "D:write-properties", "D:write-content", "D:bind", "D:unbind", "D:read-current-user-privilege-set", "C:read-free-busy"} {
		if !slices.Contains(privileges, want) {
			t.Errorf("no %s in current-user-privilege-set", want)
		}
	}
	if m.text(annasHome, "D:quota-used-bytes") != "0" || m.at(annasHome).props["D:quota-available-bytes"].status != 404 {
		t.Error("quota without a limit")
	}
	if m.href(annasCal, "D:add-member") != annasCal {
		t.Error("add-member")
	}
	if m.text(annasCal, "C:max-resource-size") != "102400" || m.text(annasCal, "C:max-attendees-per-instance") != "100" {
		t.Error("limits")
	}
	if m.at(annasCal).props["CS:push-transports"].status != 404 {
		t.Error("push-transports")
	}
}

// RFC 8144 §2.1, and the older Brief: what is not found is left out, and a
// response in which nothing is found has an empty propstat 200.
func TestPreferMinimal(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for _, h := range []string{"Prefer: return=minimal", "Prefer: return-minimal", "Brief: t"} {
		r := s.do("anna", "PROPFIND", annasCal, propfind("CS:push-transports"), "Depth: 0", h)
		r.lacks("404").contains("<D:propstat><D:prop></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>")
		if r.header.Get("Vary") != "Brief, Prefer" || r.header.Get("Preference-Applied") != "return=minimal" {
			t.Errorf("%s: Vary %q, Preference-Applied %q", h, r.header.Get("Vary"), r.header.Get("Preference-Applied"))
		}
	}
	m := s.do("anna", "PROPFIND", annasHome, propfind("D:resourcetype"), "Depth: 1", "Prefer: depth-noroot").multi()
	if !slices.Equal(m.order, []string{annasCal, annasHome + "inbox/", annasHome + "outbox/"}) {
		t.Errorf("depth-noroot: %q", m.order)
	}
}

// A half answer is never taken for a whole one: early failures get their
// status, late ones break the connection.
func TestBrokenStream(t *testing.T) {
	for _, n := range []int{3, 4000} {
		be := newFixed(5000)
		be.fail = n
		s := newSite(t).over(be)
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			s.do("anna", "PROPFIND", annasCal, propfind("D:getetag"), "Depth: 1").is(503)
		}()
		if aborted := <-done != nil; aborted != (n == 4000) {
			t.Errorf("failure after %d objects: aborted %v", n, aborted)
		}
	}
}
