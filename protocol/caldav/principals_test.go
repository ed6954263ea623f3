package caldav

import (
	"slices"
	"strings"
	"testing"
)

func search(rest string, matches ...string) string {
	b := xmlHead("D:principal-property-search" + rest)
	b = strings.Replace(b, "<D:principal-property-search"+rest, "<D:principal-property-search", 1)
	b = strings.Replace(b, ` xmlns:D=`, rest+` xmlns:D=`, 1)
	return b + strings.Join(matches, "") + props("D:displayname", "D:principal-URL") + "</D:principal-property-search>"
}

func match(name, how, text string) string {
	return "<D:property-search>" + props(name) + `<D:match match-type="` + how + `">` + text + "</D:match></D:property-search>"
}

func TestRFC3744_9_4_PrincipalPropertySearch(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct{ name, body, want string }{
		{"contains", search("", match("D:displayname", "contains", "ERG")), "anna"},
		{"starts-with", search("", match("D:displayname", "starts-with", "be")), "ben"},
		{"equals", search("", match("D:displayname", "equals", "carl")), "carl"},
		{"all of", search("", match("D:displayname", "contains", "a"), match("CS:email-address-set", "starts-with", "carl@")), "carl"},
		{"any of", search(` test="anyof"`, match("D:displayname", "starts-with", "ben"), match("CS:last-name", "starts-with", "ber")), "anna ben"},
		{"address", search("", match("C:calendar-user-address-set", "equals", "mailto:a.berg@example.com")), "anna"},
		{"bare address", search("", match("C:calendar-user-address-set", "contains", "ben@example.com")), "ben"},
		{"nobody has it", search("", match("D:getetag", "contains", "x")), ""},
		{"several properties", search("", "<D:property-search>"+props("CS:first-name", "CS:last-name")+"<D:match>n</D:match></D:property-search>"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			m := s.do("anna", "REPORT", "/dav/principals/", c.body).multi()
			var got []string
			for _, h := range m.order {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(h, "/dav/principals/"), "/"))
				m.text(h, "D:displayname")
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("%q", got)
			}
		})
	}
	s.t = t
	// Evolution searches on the calendar, KDE and others on themselves.
	s.visit("anna")
	s.do("anna", "REPORT", annasCal, search("", "<D:apply-to-principal-collection-set/>", match("D:displayname", "contains", "ben")), "Depth: 0").is(207).contains("/dav/principals/ben/")
	s.do("anna", "REPORT", "/dav/principals/", search("")).is(400)
	s.do("anna", "REPORT", "/dav/principals/", search("", "<D:property-search>"+props("D:displayname")+"</D:property-search>")).is(400)
	s.do("anna", "REPORT", "/dav/principals/", search("", "<D:limit><D:nresults>1</D:nresults></D:limit>", match("CS:email-address-set", "contains", "example"))).is(207).contains("507 Insufficient Storage")
}

// Apple asks once at set-up and wants 200, not 207.
func TestRFC3744_9_5_SearchPropertySet(t *testing.T) {
	s := newSite(t)
	s.do("anna", "REPORT", "/dav/principals/", xmlHead("D:principal-search-property-set")+"</D:principal-search-property-set>", "Depth: 0").is(200).
		contains("<D:principal-search-property-set ", "<D:principal-search-property><D:prop><D:displayname/></D:prop><D:description xml:lang=\"en\">", "<CS:email-address-set/>")
}

func TestCalendarServerPrincipalSearch(t *testing.T) {
	s := newSite(t)
	body := func(context string, tokens ...string) string {
		b := strings.Replace(xmlHead("CS:calendarserver-principal-search"), " xmlns:D", ` context="`+context+`" xmlns:D`, 1)
		for _, tok := range tokens {
			b += "<CS:search-token>" + tok + "</CS:search-token>"
		}
		return b + props("D:displayname", "C:calendar-user-address-set", "CS:record-type") + "</CS:calendarserver-principal-search>"
	}
	m := s.do("ben", "REPORT", "/dav/principals/", body("attendee", "ann", "berg")).multi()
	if !slices.Equal(m.order, []string{"/dav/principals/anna/"}) {
		t.Errorf("%q", m.order)
	}
	if m := s.do("ben", "REPORT", "/dav/principals/", body("attendee", "ann", "ben")).multi(); len(m.order) != 0 {
		t.Errorf("%q", m.order)
	}
	s.do("ben", "REPORT", "/dav/principals/", body("attendee")).is(400)
}

func TestRFC3744_9_3_PrincipalMatch(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	m := s.do("anna", "REPORT", "/dav/principals/", xmlHead("D:principal-match")+"<D:self/>"+props("D:displayname")+"</D:principal-match>").multi()
	if !slices.Equal(m.order, []string{"/dav/principals/anna/"}) {
		t.Errorf("self: %q", m.order)
	}
	m = s.do("anna", "REPORT", annasHome, xmlHead("D:principal-match")+"<D:principal-property><D:owner/></D:principal-property></D:principal-match>").multi()
	if !slices.Equal(m.order, []string{annasCal, annasHome + "inbox/", annasHome + "outbox/"}) {
		t.Errorf("owner: %q", m.order)
	}
	s.do("anna", "REPORT", annasHome, xmlHead("D:principal-match")+"</D:principal-match>").is(400)
}

func TestRFC3253_3_8_ExpandProperty(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	// Apple's question about delegates.
	r := s.do("anna", "REPORT", "/dav/principals/anna/", xmlHead("D:expand-property")+
		`<D:property name="calendar-proxy-write-for" namespace="http://calendarserver.org/ns/"><D:property name="displayname"/></D:property>`+
		`<D:property name="current-user-principal"><D:property name="displayname"/><D:property name="nothing" namespace="urn:x"/></D:property>`+
		`<D:property name="nothing"/></D:expand-property>`)
	m := r.multi()
	if m.children("/dav/principals/anna/", "CS:calendar-proxy-write-for") != "" {
		t.Error("proxies")
	}
	inner := m.node("/dav/principals/anna/", "D:current-user-principal").FirstChild()
	res := r.response(inner)
	if res.props["D:displayname"].node.TrimText() != "Anna Berg" || res.props["{urn:x}nothing"].status != 404 {
		t.Error(r.body)
	}
	s.do("anna", "REPORT", annasCal, xmlHead("D:expand-property")+`<D:property name="owner"><D:property name="calendar-home-set" namespace="urn:ietf:params:xml:ns:caldav"><D:property name="displayname"/></D:property></D:property></D:expand-property>`).
		is(207).contains("<D:owner><D:response><D:href>/dav/principals/anna/</D:href>", "<C:calendar-home-set><D:response><D:href>/dav/calendars/anna/</D:href>")
	deep := strings.Repeat(`<D:property name="owner">`, 20) + strings.Repeat("</D:property>", 20)
	s.do("anna", "REPORT", annasCal, xmlHead("D:expand-property")+deep+"</D:expand-property>").is(403)
	for _, bad := range []string{"", "a b", "&lt;x", "1a", "a&quot;"} {
		s.do("anna", "REPORT", annasCal, xmlHead("D:expand-property")+`<D:property name="`+bad+`"/></D:expand-property>`).is(400)
	}
	s.do("anna", "REPORT", "/dav/principals/nobody/", xmlHead("D:expand-property")+"</D:expand-property>").is(404)
}

// What is refused inside an expanded property does not show up outside of it.
func TestExpandedACL(t *testing.T) {
	s := newSite(t)
	s.visit("anna", "ben")
	r := s.do("ben", "REPORT", "/dav/principals/anna/", xmlHead("D:expand-property")+
		`<D:property name="calendar-home-set" namespace="urn:ietf:params:xml:ns:caldav"><D:property name="acl"/><D:property name="resourcetype"/></D:property></D:expand-property>`)
	if m := r.multi(); len(m.at("/dav/principals/anna/").props) != 1 {
		t.Error(r.body)
	}
}
