package caldav

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// letter is a request over HTTP and what must come back: what the RFCs, Apple's
// conformance scripts and real clients expect to the letter.
type letter struct {
	what, user, method, path, body string
	headers                        []string
	status                         int
	condition                      string   // the precondition element, "" for none
	has, lacks                     []string // parts of the body
}

// letters sends them in order.
func (s *site) letters(rows []letter) {
	all := s.t.(*testing.T)
	defer func() { s.t = all }()
	for _, l := range rows {
		all.Run(l.what, func(t *testing.T) {
			s.t = t
			r := s.do(l.user, l.method, l.path, l.body, l.headers...).is(l.status)
			if got := r.precondition(); got != l.condition {
				t.Errorf("precondition %q, want %q\n%s", got, l.condition, r.body)
			}
			r.contains(l.has...).lacks(l.lacks...)
		})
	}
}

func mkcolBody(props string) string {
	return xmlHead("D:mkcol") + "<D:set><D:prop>" + props + "</D:prop></D:set></D:mkcol>"
}

// What MKCALENDAR and MKCOL refuse, and with which words. RFC 4791 §5.3.1, RFC
// 4918 §9.3.1, RFC 5689 §3; mkcalendar.xml and errors.xml of Apple's scripts.
func TestRFC4791_5_3_1_WhereNothingIsMade(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna", "ben")
	s.do("anna", "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "A")).is(201)
	s.do("anna", "MKCOL", annasHome+"files/", "").is(201)
	s.do("anna", "PUT", annasHome+"files/f", "x").is(201)
	const null, location = "D:resource-must-be-null", "C:calendar-collection-location-ok"
	unsettable := "<D:getetag>x</D:getetag><D:displayname>X</D:displayname>"
	isCalendar := "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
	badZone := "<C:calendar-timezone>BEGIN:VCALENDAR\nEND:VCALENDAR</C:calendar-timezone>"
	multi := "<D:multistatus "
	s.letters([]letter{
		{"MKCALENDAR on a calendar", "anna", "MKCALENDAR", annasCal, "", nil, 403, null, nil, nil},
		{"without its slash", "anna", "MKCALENDAR", strings.TrimSuffix(annasCal, "/"), "", nil, 403, null, nil, nil},
		{"with a body", "anna", "MKCALENDAR", annasCal, mkcalendar("<D:displayname>X</D:displayname>"), nil, 403, null, nil, nil},
		{"existence before bad properties", "anna", "MKCALENDAR", annasCal, mkcalendar(unsettable), nil, 403, null, nil, nil},
		{"on an object", "anna", "MKCALENDAR", annasCal + "a.ics", "", nil, 403, null, nil, nil},
		{"on an object, with bad properties", "anna", "MKCALENDAR", annasCal + "a.ics", mkcalendar(unsettable), nil, 403, null, nil, nil},
		{"on a file", "anna", "MKCALENDAR", annasHome + "files/f", "", nil, 403, null, nil, nil},
		{"on the home", "anna", "MKCALENDAR", annasHome, "", nil, 403, null, nil, nil},
		{"on the homes", "anna", "MKCALENDAR", "/dav/calendars/", "", nil, 403, null, nil, nil},
		{"on the root", "anna", "MKCALENDAR", "/dav/", "", nil, 403, null, nil, nil},
		{"on a principal", "anna", "MKCALENDAR", "/dav/principals/anna/", "", nil, 403, null, nil, nil},
		{"on another's calendar", "anna", "MKCALENDAR", "/dav/calendars/ben/calendar/", mkcalendar(unsettable), nil, 403, "D:need-privileges", nil, nil},
		{"into a calendar", "anna", "MKCALENDAR", annasCal + "inner/", "", nil, 403, location, nil, nil},
		{"into a collection", "anna", "MKCALENDAR", annasHome + "files/inner/", "", nil, 403, location, nil, nil},
		{"below nothing", "anna", "MKCALENDAR", annasHome + "none/inner/", "", nil, 409, location, nil, nil},
		{"into another's home", "anna", "MKCALENDAR", "/dav/calendars/ben/x/", "", nil, 403, "D:need-privileges", []string{"<D:href>/dav/calendars/ben/</D:href>", "<D:bind/>"}, nil},
		{"outside of homes", "anna", "MKCALENDAR", "/dav/x/", "", nil, 403, location, nil, nil},
		{"deeper outside of homes", "anna", "MKCALENDAR", "/dav/x/y/", "", nil, 409, "", nil, nil},
		{"among the principals", "anna", "MKCALENDAR", "/dav/principals/nobody/", "", nil, 403, location, nil, nil},
		{"among the homes", "anna", "MKCALENDAR", "/dav/calendars/nobody/", "", nil, 403, location, nil, nil},
		{"an unsettable property", "anna", "MKCALENDAR", annasHome + "new/", mkcalendar(unsettable), nil, 207, "",
			[]string{multi, "<D:href>/dav/calendars/anna/new/</D:href>", "<D:getetag/></D:prop><D:status>HTTP/1.1 403", "<D:cannot-modify-protected-property/>", "<D:displayname/></D:prop><D:status>HTTP/1.1 424"}, nil},
		{"a component that calendars do not hold", "anna", "MKCALENDAR", annasHome + "new/", mkcalendar(`<C:supported-calendar-component-set><C:comp name="VCARD"/></C:supported-calendar-component-set>`), nil, 207, "",
			[]string{multi, "<C:supported-calendar-component/>"}, nil},
		{"a zone that is none", "anna", "MKCALENDAR", annasHome + "new/", mkcalendar(badZone), nil, 207, "", []string{multi, "<C:valid-calendar-data/>"}, nil},
		{"nothing was made", "anna", "PROPFIND", annasHome + "new/", "", []string{"Depth: 0"}, 404, "", nil, nil},
		{"another body", "anna", "MKCALENDAR", annasHome + "new/", mkcolBody(isCalendar), nil, 415, "", nil, nil},

		{"MKCOL on a calendar", "anna", "MKCOL", annasCal, "", nil, 405, null, nil, nil},
		{"MKCOL on a collection", "anna", "MKCOL", annasHome + "files/", "", nil, 405, null, nil, nil},
		{"MKCOL on a file", "anna", "MKCOL", annasHome + "files/f", "", nil, 405, null, nil, nil},
		{"MKCOL on the home", "anna", "MKCOL", annasHome, "", nil, 405, null, nil, nil},
		{"extended MKCOL on a calendar", "anna", "MKCOL", annasCal, mkcolBody(isCalendar), nil, 403, null, nil, nil},
		{"extended MKCOL, existence first", "anna", "MKCOL", annasCal, mkcolBody(isCalendar + unsettable), nil, 403, null, nil, nil},
		{"MKCOL into a calendar", "anna", "MKCOL", annasCal + "inner/", "", nil, 403, location, nil, nil},
		{"extended MKCOL into a calendar", "anna", "MKCOL", annasCal + "inner/", mkcolBody(isCalendar), nil, 403, location, nil, nil},
		{"MKCOL below nothing", "anna", "MKCOL", annasHome + "none/inner/", "", nil, 409, "", nil, nil},
		{"MKCOL outside of homes", "anna", "MKCOL", "/dav/x/", "", nil, 403, location, nil, nil},
		{"MKCOL into another's home", "anna", "MKCOL", "/dav/calendars/ben/x/", "", nil, 403, "D:need-privileges", nil, nil},
		{"extended MKCOL, an unsettable property", "anna", "MKCOL", annasHome + "new/", mkcolBody(isCalendar + unsettable), nil, 207, "",
			[]string{"<D:mkcol-response ", "<D:getetag/></D:prop><D:status>HTTP/1.1 403", "<D:cannot-modify-protected-property/>", "<D:displayname/></D:prop><D:status>HTTP/1.1 424"}, nil},
		{"extended MKCOL, an unknown type", "anna", "MKCOL", annasHome + "new/", mkcolBody("<D:resourcetype><D:collection/><D:principal/></D:resourcetype>"), nil, 207, "",
			[]string{"<D:mkcol-response ", "<D:valid-resourcetype/>"}, nil},
		{"nothing was made by MKCOL", "anna", "PROPFIND", annasHome + "new/", "", []string{"Depth: 0"}, 404, "", nil, nil},
		{"a body that nobody knows", "anna", "MKCOL", annasHome + "new/", "x", []string{"Content-Type: xzy-foo/bar-512"}, 415, "", nil, nil},

		{"PUT outside of homes", "anna", "PUT", "/dav/x.ics", event("x", "20260310T090000Z", "X"), nil, 403, "", nil, nil},
		{"PUT below nothing", "anna", "PUT", "/dav/x/y.ics", event("x", "20260310T090000Z", "X"), nil, 409, "", nil, nil},
	})
}

// The letters of reports on principals: RFC 3744 §9, and Apple's aclreports.xml
// and expandproperty.xml.
func TestRFC3744_9_Depth(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	self := xmlHead("D:principal-match") + "<D:self/></D:principal-match>"
	acl := xmlHead("D:acl-principal-prop-set") + props("D:displayname") + "</D:acl-principal-prop-set>"
	set := xmlHead("D:principal-search-property-set") + "</D:principal-search-property-set>"
	expand := xmlHead("D:expand-property") + `<D:property name="owner"/></D:expand-property>`
	find := search("", match("D:displayname", "contains", "anna"))
	apple := xmlHead("CS:calendarserver-principal-search") + "<CS:search-token>anna</CS:search-token></CS:calendarserver-principal-search>"
	const people = "/dav/principals/"
	var rows []letter
	for _, c := range []struct {
		what, path, body       string
		zero, one, deep, query int // the status; query: without a Depth
	}{
		{"principal-match", people, self, 207, 400, 400, 207},
		{"acl-principal-prop-set", annasCal, acl, 207, 400, 400, 207},
		{"principal-search-property-set", people, set, 200, 400, 400, 200},
		{"expand-property", annasCal, expand, 207, 400, 400, 207},
		{"principal-property-search", people, find, 207, 207, 400, 207},
		{"calendarserver-principal-search", people, apple, 207, 207, 400, 207},
		{"calendar-query", annasCal, query(in(march), "D:getetag"), 207, 207, 207, 207},
		{"sync-collection", annasCal, syncBody("", "", "D:getetag"), 207, 207, 207, 207},
	} {
		for depth, status := range map[string]int{"Depth: 0": c.zero, "Depth: 1": c.one, "Depth: infinity": c.deep, "X: y": c.query} {
			rows = append(rows, letter{c.what + ", " + depth, "anna", "REPORT", c.path, c.body, []string{depth}, status, "", nil, nil})
		}
	}
	s.letters(rows)
}

// Depth: infinity is answered in full or refused. RFC 4918 §9.1.
func TestRFC4918_9_1_DepthInfinity(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	s.do("anna", "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "A")).is(201)
	deep := []string{"Depth: infinity"}
	var rows []letter
	for _, path := range []string{"/", "/dav/", "/principals/", "/dav/principals/", "/dav/calendars/", annasHome, annasCal} {
		rows = append(rows, letter{path, "anna", "PROPFIND", path, "", deep, 403, "D:propfind-finite-depth", nil, nil})
	}
	for _, path := range []string{"/dav/principals/anna/", annasCal + "a.ics"} {
		rows = append(rows, letter{path, "anna", "PROPFIND", path, "", deep, 207, "", []string{path}, nil})
	}
	for _, path := range []string{"/", "/dav/", "/dav/principals/", "/dav/calendars/"} {
		rows = append(rows, letter{path + " without Depth", "anna", "PROPFIND", path, propfind("D:current-user-principal"), nil, 207, "", []string{"/dav/principals/anna/"}, nil})
	}
	s.letters(rows)
}

// Times of a free-busy-query are UTC, both, and in order; else it is a bad
// request: it has no filter that could be valid. RFC 4791 §7.10.
func TestRFC4791_7_10_BadTimes(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	var rows []letter
	for what, r := range map[string]string{
		"no range": "", "no end": `<C:time-range start="20260310T000000Z"/>`, "no start": `<C:time-range end="20260310T000000Z"/>`,
		"dates": `<C:time-range start="20260310" end="20260311"/>`, "floating": `<C:time-range start="20260310T000000" end="20260311T000000"/>`,
		"backwards": `<C:time-range start="20260311T000000Z" end="20260310T000000Z"/>`, "empty": `<C:time-range start="20260310T000000Z" end="20260310T000000Z"/>`,
		"no such day": `<C:time-range start="20260230T000000Z" end="20260310T000000Z"/>`, "words": `<C:time-range start="now" end="then"/>`,
	} {
		rows = append(rows, letter{what, "anna", "REPORT", annasCal, xmlHead("C:free-busy-query") + r + "</C:free-busy-query>", nil, 400, "", nil, nil})
	}
	s.letters(rows)
}

// What is stored in a calendar, and what is told of the rest. RFC 4791
// §5.3.2.1, RFC 7529 §10; errors.xml, nonascii.xml and rscale.xml of Apple's.
func TestRFC4791_5_3_2_1_UnsupportedData(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	s.do("anna", "MKCOL", annasHome+"files/", "").is(201)
	for name, ct := range map[string]string{"doc": "text/xml", "picture": "image/png", "broken.ics": "text/calendar"} {
		s.do("anna", "PUT", annasHome+"files/"+name, "<doc/>", "Content-Type: "+ct).is(201)
	}
	put := func(what, ct, body string, status int, cond string) letter {
		var h []string
		if ct != "" {
			h = []string{"Content-Type: " + ct}
		}
		return letter{what, "anna", "PUT", annasCal + "x.ics", body, h, status, cond, nil, nil}
	}
	scale := func(s string) string {
		return event("scale", "20260310T090000Z", "S", "RRULE:RSCALE="+s+";FREQ=YEARLY")
	}
	to := func(name string) []string { return []string{"Destination: " + annasCal + name + ".ics"} }
	s.letters([]letter{
		put("XML", "text/xml; charset=utf-8", "<doc/>", 403, "C:supported-calendar-data"),
		put("a picture", "image/png", "\x89PNG\r\n", 403, "C:supported-calendar-data"),
		put("JSON", "application/calendar+json", `["vcalendar",[],[]]`, 403, "C:supported-calendar-data"),
		put("a vCard", "text/vcard", "BEGIN:VCARD\r\nEND:VCARD\r\n", 403, "C:supported-calendar-data"),
		put("no iCalendar", "text/calendar; charset=utf-8", "<doc/>", 403, "C:valid-calendar-data"),
		put("no iCalendar, no type", "", "<doc/>", 403, "C:valid-calendar-data"),
		put("vCalendar 1.0", "text/calendar", strings.Replace(event("x", "20260310T090000Z", "X"), "2.0", "1.0", 1), 403, "C:supported-calendar-data"),
		put("another calendar", "text/calendar", scale("CHINESE"), 403, "C:supported-rscale"),
		put("another calendar, in small letters", "text/calendar", scale("hebrew"), 403, "C:supported-rscale"),
		put("a calendar that nobody knows", "text/calendar", scale("MARTIAN"), 403, "C:supported-rscale"),
		put("a rule that is none", "text/calendar", event("x", "20260310T090000Z", "X", "RRULE:FREQ=NEVER"), 403, "C:valid-calendar-data"),
		put("the Gregorian one", "text/calendar", scale("GREGORIAN"), 201, ""),
		{"COPY of XML", "anna", "COPY", annasHome + "files/doc", "", to("doc"), 403, "C:supported-calendar-data", nil, nil},
		{"MOVE of a picture", "anna", "MOVE", annasHome + "files/picture", "", to("picture"), 403, "C:supported-calendar-data", nil, nil},
		{"COPY of what is no iCalendar", "anna", "COPY", annasHome + "files/broken.ics", "", to("broken"), 403, "C:valid-calendar-data", nil, nil},
		{"POST of XML", "anna", "POST", annasCal, "<doc/>", []string{"Content-Type: text/xml"}, 403, "C:supported-calendar-data", nil, nil},
		{"POST in another calendar", "anna", "POST", annasCal, scale("CHINESE"), []string{"Content-Type: text/calendar"}, 403, "C:supported-rscale", nil, nil},
		{"POST of a file", "anna", "POST", annasHome + "files/", "x", []string{"Content-Type: text/plain"}, 403, "C:supported-calendar-data", nil, nil},
		{"which is not offered", "anna", "PROPFIND", annasHome + "files/", propfind("D:add-member"), []string{"Depth: 0"}, 207, "", []string{"404"}, nil},
		{"supported-rscale-set of a calendar", "anna", "PROPFIND", annasCal, propfind("C:supported-rscale-set"), []string{"Depth: 0"}, 207, "",
			[]string{"<C:supported-rscale-set><C:supported-rscale>GREGORIAN</C:supported-rscale></C:supported-rscale-set>"}, nil},
		{"supported-rscale-set of a home", "anna", "PROPFIND", annasHome, propfind("C:supported-rscale-set"), []string{"Depth: 0"}, 207, "", []string{"GREGORIAN"}, nil},
		{"not in allprop", "anna", "PROPFIND", annasCal, "", []string{"Depth: 0"}, 207, "", nil, []string{"rscale"}},
		{"not to be set", "anna", "PROPPATCH", annasCal, patch("<C:supported-rscale-set/>"), nil, 207, "", []string{"<D:cannot-modify-protected-property/>"}, nil},
	})
}

func utf16Of(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// Character sets: XML in UTF-16 (XML 1.0 §4.3.3), XML under other names, and
// objects in the set that their type names. RFC 5545 §3.1.4.
func TestCharsets(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	ask := strings.Replace(propfind("D:displayname"), "utf-8", "utf-16", 1)
	doc := func(what, ct, body string, status int) letter {
		return letter{what, "anna", "PROPFIND", annasCal, body, []string{"Depth: 0", "Content-Type: " + ct}, status, "", nil, nil}
	}
	s.letters([]letter{
		doc("UTF-16", "application/xml; charset=utf-16", utf16Of(binary.BigEndian, "\uFEFF"+ask), 207),
		doc("UTF-16, the other order", "text/xml", utf16Of(binary.LittleEndian, "\uFEFF"+ask), 207),
		doc("UTF-16, no mark", "text/xml; charset=\"utf-16le\"", utf16Of(binary.LittleEndian, ask), 207),
		doc("text/plain", "text/plain", propfind("D:displayname"), 207),
		doc("text/calendar", "text/calendar; charset=utf-8", propfind("D:displayname"), 207),
		doc("a form", "application/x-www-form-urlencoded", propfind("D:displayname"), 207),
		doc("JSON", "application/json", "{}", 415),
		doc("Latin-1", "text/xml; charset=iso-8859-1", propfind("D:displayname"), 415),
		{"REPORT in UTF-16", "anna", "REPORT", annasCal, utf16Of(binary.BigEndian, "\uFEFF"+query(in(march), "D:getetag")), []string{"Content-Type: text/xml"}, 207, "", nil, nil},
		{"PROPPATCH in UTF-16", "anna", "PROPPATCH", annasCal, utf16Of(binary.BigEndian, "\uFEFF"+patch("<D:displayname>Bücher 📅</D:displayname>")), []string{"Content-Type: text/xml"}, 207, "", []string{"200 OK"}, nil},
		{"what it set", "anna", "PROPFIND", annasCal, propfind("D:displayname"), []string{"Depth: 0"}, 207, "", []string{"Bücher 📅"}, nil},
	})
	latin := func(s string) string {
		var b []byte
		for _, r := range s {
			b = append(b, byte(r))
		}
		return string(b)
	}
	want := event("c", "20260310T090000Z", "Café über")
	for _, c := range []struct{ what, ct, body string }{
		{"ISO-8859-1", "text/calendar; charset=iso-8859-1", latin(want)},
		{"Latin-1 in quotes", `text/calendar; component=VEVENT; charset="ISO_8859-1"`, latin(want)},
		{"Windows-1252", "text/calendar;charset=windows-1252", latin(want)},
		{"UTF-16", "text/calendar; charset=utf-16", utf16Of(binary.BigEndian, "\uFEFF"+want)},
		{"UTF-8 that is called ISO-8859-1", "text/calendar; charset=iso-8859-1", want},
	} {
		s.do("anna", "DELETE", annasCal+"c.ics", "")
		r := s.do("anna", "PUT", annasCal+"c.ics", c.body, "Content-Type: "+c.ct).is(201)
		if r.header.Get("ETag") != "" {
			t.Errorf("%s: an ETag for what was not sent", c.what)
		}
		if got := s.do("anna", "GET", annasCal+"c.ics", "").is(200); got.body != want || got.header.Get("Content-Type") != "text/calendar; charset=utf-8" {
			t.Errorf("%s: %q", c.what, got.body)
		}
	}
	s.letters([]letter{
		{"octets that are not UTF-8", "anna", "PUT", annasCal + "d.ics", latin(want), []string{"Content-Type: text/calendar"}, 403, "C:valid-calendar-data", nil, nil},
		{"octets that are not the UTF-8 they promise", "anna", "PUT", annasCal + "d.ics", latin(want), []string{"Content-Type: text/calendar; charset=utf-8"}, 403, "C:valid-calendar-data", nil, nil},
		{"a charset that nobody knows", "anna", "PUT", annasCal + "d.ics", latin(want), []string{"Content-Type: text/calendar; charset=x-none"}, 403, "C:valid-calendar-data", nil, nil},
	})
	s.do("anna", "DELETE", annasCal+"c.ics", "").is(204)
	r := s.do("anna", "POST", annasCal, latin(want), "Content-Type: text/calendar; charset=iso-8859-1").is(201)
	if r.header.Get("ETag") != "" || s.do("anna", "GET", r.header.Get("Location"), "").is(200).body != want {
		t.Error("POST")
	}
	// A file is what it is.
	s.do("anna", "MKCOL", annasHome+"files/", "").is(201)
	s.do("anna", "PUT", annasHome+"files/f.txt", latin("é"), "Content-Type: text/plain; charset=iso-8859-1").is(201)
	if got := s.do("anna", "GET", annasHome+"files/f.txt", "").is(200).body; got != latin("é") {
		t.Errorf("the file is %q", got)
	}
}

// The elements of an error are those that the RFC names, with a text that
// Apple's scripts pass over.
func TestRFC4918_8_7_ErrorElements(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	root, err := dav.Parse(s.do("anna", "MKCALENDAR", annasCal, "").body, dav.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n := range root.Children() {
		names = append(names, short(n.Name))
	}
	if got := strings.Join(names, " "); got != "D:resource-must-be-null {http://twistedmatrix.com/xml_namespace/dav/}error-description" {
		t.Errorf("%s", got)
	}
}

// A GET with If-Modified-Since, for those who know no entity tags: of an
// object, of a calendar, of a file. RFC 9110 §13.1.3.
func TestRFC9110_13_1_3_IfModifiedSince(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	obj := annasCal + "a.ics"
	s.do("anna", "PUT", obj, event("a", "20260310T090000Z", "A")).is(201)
	s.do("anna", "PUT", annasCal+"b.ics", event("b", "20260310T090000Z", "B")).is(201)
	file := attach(t, s, "c", "c.txt", "c")
	for _, path := range []string{obj, annasCal, file} {
		r := s.do("anna", "GET", path, "").is(200)
		when := r.header.Get("Last-Modified")
		at, err := http.ParseTime(when)
		if err != nil {
			t.Fatalf("%s: Last-Modified %q", path, when)
		}
		since := func(d time.Duration) string { return "If-Modified-Since: " + at.Add(d).Format(http.TimeFormat) }
		if cc := r.header.Get("Cache-Control"); cc != "no-cache" && path != file {
			t.Errorf("%s: Cache-Control %q: how long it stays fresh is to be guessed", path, cc)
		}
		before := "If-Unmodified-Since: " + at.Add(-time.Second).Format(http.TimeFormat)
		etag := "ETag of " + path
		for _, c := range []struct {
			what    string
			headers []string
			status  int
		}{
			{"the same second", []string{since(0)}, 304},
			{"later", []string{since(time.Hour)}, 304},
			{"earlier", []string{since(-time.Second)}, 200},
			{"no date", []string{"If-Modified-Since: yesterday"}, 200},
			{"an entity tag says more", []string{since(0), `If-None-Match: "other"`}, 200},
			{"the entity tag", []string{since(-time.Hour), "If-None-Match: " + r.header.Get("ETag")}, 304},
			{"changed since", []string{before}, 412},
			{"changed since, but the tag matches", []string{before, "If-Match: " + r.header.Get("ETag")}, 200},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				got := s.do("anna", method, path, "", c.headers...)
				if got.status != c.status || c.status == 304 && (got.body != "" || got.header.Get("ETag") != r.header.Get("ETag") || got.header.Get("Last-Modified") != when) {
					t.Errorf("%s of %s, %s: %d %v", method, etag, c.what, got.status, got.header)
				}
			}
		}
	}
	// Whatever changes in a calendar changes its date.
	last := s.do("anna", "HEAD", annasCal, "").header.Get("Last-Modified")
	for _, c := range []struct{ method, path, body string }{
		{"PUT", obj, event("a", "20260310T090000Z", "A2")}, {"DELETE", annasCal + "b.ics", ""}, {"PROPPATCH", annasCal, patch("<D:displayname>New</D:displayname>")},
	} {
		s.clock.Add(time.Minute)
		s.do("anna", c.method, c.path, c.body)
		r := s.do("anna", "GET", annasCal, "", "If-Modified-Since: "+last).is(200)
		if last = r.header.Get("Last-Modified"); s.do("anna", "GET", annasCal, "", "If-Modified-Since: "+last).status != 304 {
			t.Errorf("after %s: %s", c.method, last)
		}
	}
	// It is of GET and HEAD alone.
	s.do("anna", "PROPFIND", annasCal, "", "Depth: 0", "If-Modified-Since: "+last).is(207)
}

// Paths: several slashes are one, and owners are found as principals are: in
// upper case, or by an address. Answers have the path by which all know them.
func TestPathsOfCalendars(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna", "ben")
	s.do("anna", "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "A")).is(201)
	mail := s.people["anna"].Mails[0]
	depth0 := []string{"Depth: 0"}
	find := propfind("D:resourcetype")
	var rows []letter
	for _, path := range []string{"//dav//calendars/anna//", "/dav/calendars/ANNA/", "/dav/calendars/Anna", "/dav/calendars/" + mail + "/"} {
		for _, user := range []string{"anna", "ben"} {
			rows = append(rows, letter{user + " " + path, user, "PROPFIND", path, find, depth0, 207, "", []string{"<D:href>" + annasHome + "</D:href>"}, nil})
		}
	}
	for _, path := range []string{"//", "///", "/dav//", "//dav/"} {
		rows = append(rows, letter{path, "anna", "PROPFIND", path, find, depth0, 207, "", []string{"<D:collection/>"}, nil})
	}
	s.letters(append(rows, []letter{
		{"GET", "anna", "GET", "/dav/calendars/Anna//calendar/a.ics", "", nil, 200, "", []string{"UID:a"}, nil},
		{"multiget", "anna", "REPORT", "/dav/calendars/ANNA/calendar/", multiget([]string{"C:calendar-data"}, "/dav/calendars/Anna/calendar//a.ics"), nil, 207, "", []string{"UID:a"}, nil},
		{"multiget by the usual path", "anna", "REPORT", annasCal, multiget([]string{"C:calendar-data"}, "/dav/calendars/ANNA/calendar/a.ics"), nil, 207, "", []string{"UID:a"}, nil},
		{"MKCALENDAR", "anna", "MKCALENDAR", "/dav/calendars/ANNA/work/", "", nil, 201, "", nil, nil},
		{"where it is", "anna", "PROPFIND", annasHome + "work/", find, depth0, 207, "", []string{"<C:calendar/>"}, nil},
		{"MOVE", "anna", "MOVE", annasCal + "a.ics", "", []string{"Destination: http://cal.example.com//dav/calendars/aNNa/work/a.ics"}, 201, "", nil, nil},
		{"PUT", "anna", "PUT", "/dav/calendars/ANNA/work/b.ics", event("b", "20260310T090000Z", "B"), nil, 201, "", nil, nil},
		{"a principal in upper case", "anna", "PROPFIND", "/dav/principals/ANNA/", find, depth0, 207, "", []string{"<D:href>/dav/principals/anna/</D:href>"}, nil},
		{"the rest of a path is what it is", "anna", "GET", annasHome + "work/B.ics", "", nil, 404, "", nil, nil},
		{"nobody", "anna", "PROPFIND", "/dav/calendars/NOBODY/", find, depth0, 404, "", nil, nil},
		{"an encoded slash", "anna", "PROPFIND", "/dav/calendars/anna%2Fcalendar/", find, depth0, 400, "", nil, nil},
		{"the parent", "anna", "PROPFIND", "/dav/calendars//../calendars/", find, depth0, 400, "", nil, nil},
		{"well-known", "", "GET", "/.well-known/caldav", "", nil, 301, "", nil, nil},
	}...))
	file := attach(t, s, "f", "f.txt", "f")
	s.do("anna", "GET", strings.Replace(file, "/anna/", "//ANNA/", 1), "").is(200)
	if cc := s.do("", "PROPFIND", "/.well-known/caldav", "").is(301).header.Get("Cache-Control"); cc != "max-age=3600" {
		t.Errorf("Cache-Control %q", cc)
	}
}

// withGroups has groups: carl's crew is in the staff, and so is anna herself;
// the staff looks after nobody, the crew is looked after by anna.
func withGroups(t testing.TB) *site {
	s := newSite(t)
	group := func(id, owner string, in ...string) {
		s.people[id] = calendar.Person{ID: id, Kind: calendar.Group, Name: id, Active: true, Owner: owner, Groups: in}
	}
	group("staff", "")
	group("crew", "anna", "staff")
	for id, in := range map[string]string{"anna": "staff", "carl": "crew"} {
		p := s.people[id]
		p.Groups = []string{in}
		s.people[id] = p
	}
	s.visit("anna", "ben", "carl")
	return s.served()
}

func hrefs(name string, ids ...string) string {
	b := "<" + name + ">"
	for _, id := range ids {
		b += "<D:href>/dav/principals/" + id + "/</D:href>"
	}
	return b + "</" + name + ">"
}

// Direct members and groups are in the properties of RFC 3744 §§4.3, 4.4, those
// through other groups in Calendar Server's (expandproperty.xml).
func TestRFC3744_4_3_Members(t *testing.T) {
	s := withGroups(t)
	depth0 := []string{"Depth: 0"}
	ask := propfind("D:group-member-set", "D:group-membership", "CS:expanded-group-member-set", "CS:expanded-group-membership")
	const members, in, allMembers, allIn = "D:group-member-set", "D:group-membership", "CS:expanded-group-member-set", "CS:expanded-group-membership"
	expand := func(name string) string {
		space, local, _ := strings.Cut(name, ":")
		uri := map[string]string{"D": "DAV:", "CS": "http://calendarserver.org/ns/"}[space]
		return xmlHead("D:expand-property") + `<D:property name="` + local + `" namespace="` + uri + `"><D:property name="displayname"/></D:property></D:expand-property>`
	}
	s.letters([]letter{
		{"staff", "ben", "PROPFIND", "/dav/principals/staff/", ask, depth0, 207, "",
			[]string{hrefs(members, "anna", "crew"), hrefs(in), hrefs(allMembers, "anna", "carl", "crew"), hrefs(allIn)}, []string{"404"}},
		{"crew", "ben", "PROPFIND", "/dav/principals/crew/", ask, depth0, 207, "",
			[]string{hrefs(members, "carl"), hrefs(in, "staff"), hrefs(allMembers, "carl"), hrefs(allIn, "staff")}, nil},
		{"carl", "ben", "PROPFIND", "/dav/principals/carl/", ask, depth0, 207, "",
			[]string{hrefs(members), hrefs(in, "crew"), hrefs(allMembers), hrefs(allIn, "crew", "staff")}, []string{"404"}},
		{"ben is in none", "ben", "PROPFIND", "/dav/principals/ben/", ask, depth0, 207, "", []string{hrefs(members), hrefs(in), hrefs(allMembers), hrefs(allIn)}, nil},
		{"direct ones expanded", "ben", "REPORT", "/dav/principals/staff/", expand(members), nil, 207, "", []string{"Anna Berg", "crew</D:displayname>"}, []string{"Carl"}},
		{"all expanded", "ben", "REPORT", "/dav/principals/staff/", expand(allMembers), nil, 207, "", []string{"Anna Berg", "crew</D:displayname>", "Carl"}, nil},
		{"groups expanded", "ben", "REPORT", "/dav/principals/carl/", expand(in), nil, 207, "", []string{"crew</D:displayname>"}, []string{"staff"}},
		{"all groups expanded", "ben", "REPORT", "/dav/principals/carl/", expand(allIn), nil, 207, "", []string{"crew</D:displayname>", "staff</D:displayname>"}, nil},
		{"none can be set", "anna", "PROPPATCH", "/dav/principals/anna/", patch("<D:group-member-set/>"), nil, 207, "", []string{"<D:cannot-modify-protected-property/>"}, nil},
	})
}

// principal-match: the user, the groups that he is in, and what names one of
// them in any property, dead ones too. RFC 3744 §9.3.
func TestRFC3744_9_3_Matches(t *testing.T) {
	s := withGroups(t)
	s.do("anna", "MKCALENDAR", annasHome+"work/", "").is(201)
	for name, who := range map[string]string{"a": "anna", "b": "ben", "s": "staff"} {
		s.do("anna", "PUT", annasCal+name+".ics", event(name, "20260310T090000Z", name)).is(201)
		s.do("anna", "PROPPATCH", annasCal+name+".ics", patch("<t:keeper xmlns:t='urn:t'><D:href>/dav/principals/"+who+"/</D:href></t:keeper>")).is(207)
	}
	s.do("anna", "PROPPATCH", annasHome+"work/", patch("<t:keeper xmlns:t='urn:t'><D:href>http://cal.example.com/dav/principals/CARL/</D:href></t:keeper>")).is(207)
	s.do("anna", "ACL", annasCal, xmlHead("D:acl")+"<D:ace><D:principal><D:authenticated/></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>").is(200)
	s.do("anna", "ACL", annasHome+"work/", xmlHead("D:acl")+"<D:ace><D:principal><D:authenticated/></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>").is(200)
	self := "<D:self/>"
	prop := func(name string) string { return "<D:principal-property>" + name + "</D:principal-property>" }
	keeper := prop("<t:keeper xmlns:t='urn:t'/>")
	const pr = "/dav/principals/"
	a, b, st, work := annasCal+"a.ics", annasCal+"b.ics", annasCal+"s.ics", annasHome+"work/"
	in, out := annasHome+"inbox/", annasHome+"outbox/"
	for _, c := range []struct {
		what, user, path, match string
		want                    []string
	}{
		{"self of anna", "anna", pr, self, []string{pr + "anna/", pr + "staff/"}},
		{"self of carl", "carl", pr, self, []string{pr + "carl/", pr + "crew/", pr + "staff/"}},
		{"self of ben", "ben", pr, self, []string{pr + "ben/"}},
		{"self from the root", "ben", "/dav/", self, []string{pr + "ben/"}},
		{"a group that she is in", "anna", pr + "staff/", self, []string{pr + "staff/"}},
		{"a group that he is in by another", "carl", pr + "staff/", self, []string{pr + "staff/"}},
		{"a group that she is not in", "anna", pr + "crew/", self, nil},
		{"herself", "anna", pr + "anna/", self, []string{pr + "anna/"}},
		{"another", "anna", pr + "ben/", self, nil},
		{"no principals are in a home", "anna", annasHome, self, nil},
		{"owner", "anna", annasHome, prop("<D:owner/>"), []string{annasCal, a, b, st, work, in, out}},
		{"owner in a calendar", "anna", annasCal, prop("<D:owner/>"), []string{a, b, st}},
		{"owner is another", "ben", annasHome, prop("<D:owner/>"), nil},
		{"owner from the homes", "anna", "/dav/calendars/", prop("<D:owner/>"), []string{annasHome, annasCal, a, b, st, work, in, out}},
		{"a dead property", "anna", annasHome, keeper, []string{a, st}},
		{"in a calendar of another's", "ben", annasCal, keeper, []string{b}},
		{"a calendar's property, by a whole address", "carl", annasHome, keeper, []string{st, work}},
		{"group-membership", "anna", pr, prop("<D:group-membership/>"), []string{pr + "anna/"}},
		{"current-user-principal", "anna", annasCal, prop("<D:current-user-principal/>"), []string{a, b, st}},
		{"a property that names nobody", "anna", annasHome, prop("<D:displayname/>"), nil},
		{"a property that nobody has", "anna", annasHome, prop("<D:none/>"), nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			s.t = t
			m := s.do(c.user, "REPORT", c.path, xmlHead("D:principal-match")+c.match+props("D:resourcetype")+"</D:principal-match>").multi()
			slices.Sort(m.order)
			slices.Sort(c.want)
			if !slices.Equal(m.order, c.want) {
				t.Errorf("%q, want %q", m.order, c.want)
			}
			for _, h := range m.order {
				m.node(h, "D:resourcetype")
			}
		})
	}
	s.t = t
	s.letters([]letter{
		{"without properties", "anna", "REPORT", annasCal, xmlHead("D:principal-match") + keeper + "</D:principal-match>", nil, 207, "",
			[]string{"<D:response><D:href>" + a + "</D:href><D:status>HTTP/1.1 200 OK</D:status></D:response>"}, []string{"propstat"}},
		{"two properties lists", "anna", "REPORT", annasCal, xmlHead("D:principal-match") + self + props("D:owner") + props("D:group") + "</D:principal-match>", nil, 400, "", nil, nil},
		{"neither", "anna", "REPORT", annasCal, xmlHead("D:principal-match") + "</D:principal-match>", nil, 400, "", nil, nil},
		{"both", "anna", "REPORT", annasCal, xmlHead("D:principal-match") + self + keeper + "</D:principal-match>", nil, 400, "", nil, nil},
		{"where nothing is", "anna", "REPORT", annasHome + "none/", xmlHead("D:principal-match") + keeper + "</D:principal-match>", nil, 404, "", nil, nil},
	})
}

// The properties of access control are on every resource, and the report that
// goes by them. RFC 3744 §§5, 9.2.
func TestRFC3744_5_EveryResource(t *testing.T) {
	s := withGroups(t)
	s.do("anna", "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "A")).is(201)
	s.do("anna", "MKCOL", annasHome+"files/", "").is(201)
	s.do("anna", "PUT", annasHome+"files/f", "x").is(201)
	names := []string{"D:owner", "D:group", "D:supported-privilege-set", "D:current-user-privilege-set", "D:acl", "D:acl-restrictions", "D:inherited-acl-set",
		"D:principal-collection-set", "D:current-user-principal", "D:supported-report-set", "D:resourcetype"}
	acl := xmlHead("D:acl-principal-prop-set") + props("D:displayname") + "</D:acl-principal-prop-set>"
	const pr = "/dav/principals/"
	for path, owner := range map[string]string{
		"/": "", "/dav/": "", "/principals/": "", pr: "", "/dav/calendars/": "", pr + "anna/": "anna", pr + "ben/": "ben", pr + "staff/": "staff", pr + "crew/": "anna",
		annasHome: "anna", annasCal: "anna", annasCal + "a.ics": "anna", annasHome + "files/": "anna", annasHome + "files/f": "anna",
	} {
		m := s.do("anna", "PROPFIND", path, propfind(names...), "Depth: 0").multi()
		at := m.order[0]
		for _, n := range names {
			m.node(at, n)
		}
		if got := m.node(at, "D:owner").Child(dav.D("href")).TrimText(); owner == "" && got != "" || owner != "" && got != pr+owner+"/" {
			t.Errorf("%s belongs to %q", path, got)
		}
		if !strings.Contains(m.r.body, "<D:protected/>") || !strings.Contains(m.r.body, "<D:read-acl/>") || !strings.Contains(m.r.body, "<D:acl-principal-prop-set/>") {
			t.Errorf("%s: no entry is protected, the list is not readable, or the report is not offered\n%s", path, m.r.body)
		}
		s.do("anna", "PROPFIND", path, "", "Depth: 0").is(207).lacks("privilege", "<D:owner")
		got := s.do("anna", "REPORT", path, acl).is(207)
		if strings.HasPrefix(path, annasHome) {
			got.contains("<D:displayname>Anna Berg</D:displayname>")
		}
	}
	s.letters([]letter{
		{"the list of another's home", "ben", "PROPFIND", annasHome, propfind("D:acl", "D:owner", "D:group"), []string{"Depth: 0"}, 207, "", []string{"<D:acl/></D:prop><D:status>HTTP/1.1 403", "<D:group/>"}, nil},
		{"the report on another's home", "ben", "REPORT", annasHome, acl, nil, 403, "D:need-privileges", []string{"<D:read-acl/>"}, nil},
		{"the report without properties", "anna", "REPORT", annasCal, xmlHead("D:acl-principal-prop-set") + "</D:acl-principal-prop-set>", nil, 400, "", nil, nil},
		{"the report with too many", "anna", "REPORT", annasCal, xmlHead("D:acl-principal-prop-set") + props("D:owner") + props("D:owner") + "</D:acl-principal-prop-set>", nil, 400, "", nil, nil},
		{"search properties of a calendar", "anna", "REPORT", annasCal, xmlHead("D:principal-search-property-set") + "</D:principal-search-property-set>", nil, 403, "D:supported-report", nil, nil},
		{"search properties of the root", "anna", "REPORT", "/dav/", xmlHead("D:principal-search-property-set") + "</D:principal-search-property-set>", nil, 200, "", nil, nil},
	})
}

// expand-property goes through dead properties, of objects, calendars and
// homes, and shows what the user may see. RFC 3253 §3.8.
func TestRFC3253_3_8_DeadProperties(t *testing.T) {
	s := withGroups(t)
	s.do("anna", "PUT", annasCal+"a.ics", event("a", "20260310T090000Z", "A")).is(201)
	s.do("ben", "MKCALENDAR", "/dav/calendars/ben/secret/", mkcalendar("<D:displayname>Secret</D:displayname>")).is(201)
	s.do("ben", "ACL", "/dav/calendars/ben/secret/", xmlHead("D:acl")+"</D:acl>").is(200)
	dead := "<t:links xmlns:t='urn:t'>A<D:href>/dav/principals/ben/</D:href><D:href>http://cal.example.com" + annasCal + "</D:href><D:href>/dav/calendars/ben/secret/</D:href>" +
		"<t:more><t:most><D:href>/dav/principals/carl/</D:href></t:most></t:more><D:href>http://other.example.com/</D:href><D:href>mailto:x@example.com</D:href></t:links><t:text xmlns:t='urn:t'>no link</t:text><D:details1><D:href>/dav/principals/anna/</D:href></D:details1>"
	expand := xmlHead("D:expand-property") + `<D:property name="links" namespace="urn:t"><D:property name="displayname"/></D:property>` +
		`<D:property name="text" namespace="urn:t"><D:property name="displayname"/></D:property><D:property name="details1"><D:property name="resourcetype"/></D:property></D:expand-property>`
	var rows []letter
	for _, path := range []string{annasHome, annasCal, annasCal + "a.ics"} {
		s.do("anna", "PROPPATCH", path, patch(dead)).is(207).contains("200 OK")
		rows = append(rows, letter{path, "anna", "REPORT", path, expand, nil, 207, "", []string{
			"<D:href>/dav/principals/ben/</D:href><D:propstat><D:prop><D:displayname>Ben</D:displayname>",
			"<D:href>/dav/principals/carl/</D:href><D:propstat><D:prop><D:displayname>Carl</D:displayname>",
			"<D:href>" + annasCal + "</D:href><D:propstat><D:prop><D:displayname>",
			"<D:href>/dav/calendars/ben/secret/</D:href><D:status>HTTP/1.1 404",
			"no link", "<D:resourcetype><D:principal/></D:resourcetype>",
		}, []string{"Secret", "other.example.com"}})
	}
	s.letters(rows)
}

// The attributes of searches are Calendar Server's: what they cannot mean is a
// bad request. aclreports.xml of Apple's scripts.
func TestCalendarServerSearchAttributes(t *testing.T) {
	s := withGroups(t)
	tokens := func(attrs, word string) string {
		return strings.Replace(xmlHead("CS:calendarserver-principal-search"), " xmlns:D", attrs+" xmlns:D", 1) + "<CS:search-token>" + word + "</CS:search-token>" + props("D:displayname") + "</CS:calendarserver-principal-search>"
	}
	find := func(attrs, match string) string {
		return search(attrs, "<D:property-search>"+props("D:displayname")+"<D:match "+match+"</D:match></D:property-search>")
	}
	const pr = "/dav/principals/"
	for _, c := range []struct {
		what, body string
		status     int
		want       []string
	}{
		{"all", tokens("", "r"), 207, []string{"anna", "carl", "crew", "room1", "root"}},
		{"type of people", tokens(` type="INDIVIDUAL"`, "r"), 207, []string{"anna", "carl", "root"}},
		{"type of groups", tokens(` type="GROUP"`, "r"), 207, []string{"crew"}},
		{"type of resources, in small letters", tokens(` type="resource"`, "r"), 207, []string{"room1"}},
		{"type of rooms", tokens(` type="ROOM"`, "r"), 207, nil},
		{"type and context", tokens(` type="GROUP" context="attendee"`, "r"), 207, []string{"crew"}},
		{"context of groups", tokens(` context="group"`, "r"), 207, []string{"crew"}},
		{"context of attendees", tokens(` context="attendee"`, "r"), 207, []string{"anna", "carl", "crew", "room1", "root"}},
		{"a type that nobody knows", tokens(` type="ALIEN"`, "r"), 400, nil},
		{"property search, type", find(` type="GROUP"`, `>r`), 207, []string{"crew"}},
		{"property search, all of a type", find(` type="INDIVIDUAL" test="anyof"`, `match-type="contains">r`), 207, []string{"anna", "carl", "root"}},
		{"property search, case", find("", `caseless="no">C`), 207, []string{"carl"}},
		{"property search, no case", find("", `caseless="yes">C`), 207, []string{"carl", "crew"}},
		{"test", find(` test="some"`, ">r"), 400, nil},
		{"type", find(` type="ALIEN"`, ">r"), 400, nil},
		{"match-type", find("", `match-type="like">r`), 400, nil},
		{"caseless", find("", `caseless="perhaps">r`), 400, nil},
		{"by home, as Thunderbird does", search("", match("C:calendar-home-set", "contains", "/dav/calendars/anna/")), 207, []string{"anna"}},
		{"by home, without the slash", search("", match("C:calendar-home-set", "equals", "/dav/calendars/%61nna")), 207, nil},
		{"by a home that is none", search("", match("C:calendar-home-set", "contains", "/dav/calendars/nobody/")), 207, nil},
		{"limit", strings.Replace(find("", ">r"), "<D:property-search>", "<D:limit><D:nresults>many</D:nresults></D:limit><D:property-search>", 1), 400, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			s.t = t
			r := s.do("ben", "REPORT", pr, c.body).is(c.status)
			if c.status != 207 {
				return
			}
			var got []string
			for _, h := range r.multi().order {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(h, pr), "/"))
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Reports are about calendar object resources: files are none, and an object's
// report is about that object. RFC 4791 §§4.1, 7.8, 7.9; depthreports.xml.
func TestRFC4791_7_WhatReportsAreAbout(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	a, b, f := annasCal+"a.ics", annasCal+"b.ics", annasHome+"files/f"
	s.do("anna", "PUT", a, event("a", "20260310T090000Z", "A")).is(201)
	s.do("anna", "PUT", b, event("b", "20260310T090000Z", "B")).is(201)
	s.do("anna", "MKCOL", annasHome+"files/", "").is(201)
	s.do("anna", "PUT", f, event("f", "20260310T090000Z", "F")).is(201)
	all := `<C:comp-filter name="VCALENDAR"/>`
	get := func(refs ...string) string { return multiget([]string{"D:getetag"}, refs...) }
	busy := xmlHead("C:free-busy-query") + `<C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`
	data := func(inner string) string {
		return xmlHead("C:calendar-query") + "<D:prop><C:calendar-data>" + inner + "</C:calendar-data></D:prop><C:filter>" + all + "</C:filter></C:calendar-query>"
	}
	const day = `start="20260310T000000Z" end="20260311T000000Z"`
	s.letters([]letter{
		{"query of a collection of files", "anna", "REPORT", annasHome + "files/", query(all, "D:getetag"), nil, 207, "", nil, []string{"<D:response>"}},
		{"query of a file", "anna", "REPORT", f, query(all, "D:getetag"), nil, 403, "D:supported-report", nil, nil},
		{"query of an object", "anna", "REPORT", a, query(all, "D:getetag"), nil, 207, "", []string{a}, []string{b}},
		{"query of the home", "anna", "REPORT", annasHome, query(all, "D:getetag"), nil, 207, "", []string{a, b}, []string{f}},
		{"multiget of files", "anna", "REPORT", annasHome + "files/", get(f), nil, 207, "", []string{"404"}, []string{"getetag"}},
		{"multiget of a file", "anna", "REPORT", f, get(f), nil, 403, "D:supported-report", nil, nil},
		{"multiget of an object", "anna", "REPORT", a, get(a, b), nil, 207, "", []string{"<D:href>" + b + "</D:href><D:status>HTTP/1.1 404"}, nil},
		{"busy time of a file", "anna", "REPORT", f, busy, nil, 403, "D:supported-report", nil, nil},
		{"busy time of files", "anna", "REPORT", annasHome + "files/", busy, nil, 200, "", nil, []string{"FREEBUSY;"}},
		{"two filters", "anna", "REPORT", annasCal, xmlHead("C:calendar-query") + props("D:getetag") + "<C:filter>" + all + "</C:filter><C:filter>" + all + "</C:filter></C:calendar-query>", nil, 403, "C:valid-filter", nil, nil},
		{"no filter", "anna", "REPORT", annasCal, xmlHead("C:calendar-query") + props("D:getetag") + "</C:calendar-query>", nil, 403, "C:valid-filter", nil, nil},
		{"a filter with dates", "anna", "REPORT", annasCal, query(in(`<C:time-range start="20260310" end="20260311"/>`), "D:getetag"), nil, 403, "C:valid-filter", nil, nil},
		{"expand without an end", "anna", "REPORT", annasCal, data(`<C:expand start="20260310T000000Z"/>`), nil, 400, "", nil, nil},
		{"expand with dates", "anna", "REPORT", annasCal, data(`<C:expand start="20260310" end="20260311"/>`), nil, 400, "", nil, nil},
		{"limit-recurrence-set backwards", "anna", "REPORT", annasCal, data(`<C:limit-recurrence-set end="20260310T000000Z" start="20260311T000000Z"/>`), nil, 400, "", nil, nil},
		{"both", "anna", "REPORT", annasCal, data("<C:expand " + day + "/><C:limit-recurrence-set " + day + "/>"), nil, 400, "", nil, nil},
		{"limit-freebusy-set in words", "anna", "REPORT", annasCal, data(`<C:limit-freebusy-set start="now" end="then"/>`), nil, 400, "", nil, nil},
		{"a comp without a name", "anna", "REPORT", annasCal, data("<C:comp/>"), nil, 400, "", nil, nil},
		{"another type", "anna", "REPORT", annasCal, strings.Replace(data(""), "<C:calendar-data>", `<C:calendar-data content-type="text/html">`, 1), nil, 403, "C:supported-calendar-data", nil, nil},
		{"another version", "anna", "REPORT", annasCal, strings.Replace(data(""), "<C:calendar-data>", `<C:calendar-data version="3.0">`, 1), nil, 403, "C:supported-calendar-data", nil, nil},
	})
}

// What is not there is told before what is wrong with the request.
func TestExistenceFirst(t *testing.T) {
	s := newSite(t).served()
	s.visit("anna")
	s.do("anna", "MKCOL", annasHome+"files/", "").is(201)
	s.do("anna", "MKCALENDAR", annasHome+"work/", "").is(201)
	bad := xmlHead("D:acl") + "<D:ace><D:principal><D:all/></D:principal><D:grant><D:privilege><D:nothing/></D:privilege></D:grant></D:ace></D:acl>"
	to := func(path string) []string { return []string{"Destination: " + path} }
	const location = "C:calendar-collection-location-ok"
	s.letters([]letter{
		{"PROPPATCH of no calendar", "anna", "PROPPATCH", annasHome + "none/", patch("<D:getetag>x</D:getetag>"), nil, 404, "", nil, nil},
		{"PROPPATCH of no object", "anna", "PROPPATCH", annasCal + "none.ics", patch("<D:getetag>x</D:getetag>"), nil, 404, "", nil, nil},
		{"PROPPATCH of nobody's home", "anna", "PROPPATCH", "/dav/calendars/nobody/", patch("<D:getetag>x</D:getetag>"), nil, 404, "", nil, nil},
		{"PROPPATCH of nobody", "anna", "PROPPATCH", "/dav/principals/nobody/", patch("<D:displayname>x</D:displayname>"), nil, 404, "", nil, nil},
		{"multiget of no calendar", "anna", "REPORT", annasHome + "none/", multiget([]string{"D:getetag"}, annasHome+"none/a.ics"), nil, 404, "", nil, nil},
		{"query of no calendar", "anna", "REPORT", annasHome + "none/", query(in(march), "D:getetag"), nil, 404, "", nil, nil},
		{"busy time of no calendar", "anna", "REPORT", annasHome + "none/", xmlHead("C:free-busy-query") + `<C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`, nil, 404, "", nil, nil},
		{"GET of nobody", "anna", "GET", "/dav/principals/nobody/", "", nil, 404, "", nil, nil},
		{"GET of nobody's home", "anna", "GET", "/dav/calendars/nobody/", "", nil, 404, "", nil, nil},
		{"DELETE of nobody's home", "anna", "DELETE", "/dav/calendars/nobody/", "", nil, 404, "", nil, nil},
		{"GET of somebody", "anna", "GET", "/dav/principals/ben/", "", nil, 405, "", nil, nil},
		{"DELETE of a home", "anna", "DELETE", annasHome, "", nil, 405, "", nil, nil},
		{"PROPPATCH of a calendar", "anna", "PROPPATCH", annasCal, patch("<D:getetag>x</D:getetag>"), nil, 207, "", []string{"403"}, nil},
		{"a value that means nothing", "anna", "PROPPATCH", annasCal, patch("<C:schedule-calendar-transp><C:glass/></C:schedule-calendar-transp>"), nil, 207, "", []string{"409 Conflict"}, nil},
		{"ACL of no calendar", "anna", "ACL", annasHome + "none/", bad, nil, 404, "", nil, nil},
		{"ACL of a calendar", "anna", "ACL", annasCal, bad, nil, 403, "D:not-supported-privilege", nil, nil},
		{"PUT of nonsense below nothing", "anna", "PUT", annasHome + "none/a.ics", "x", nil, 409, "", nil, nil},
		{"COPY of a collection into a calendar", "anna", "COPY", annasHome + "files/", "", to(annasCal + "files/"), 403, location, nil, nil},
		{"MOVE of a collection into a calendar", "anna", "MOVE", annasHome + "files/", "", to(annasCal + "files/"), 403, location, nil, nil},
		{"COPY of a calendar into a calendar", "anna", "COPY", annasHome + "work/", "", to(annasCal + "work/"), 403, location, nil, nil},
		{"MOVE of a calendar into a collection", "anna", "MOVE", annasHome + "work/", "", to(annasHome + "files/work/"), 403, location, nil, nil},
		{"COPY of a collection below nothing", "anna", "COPY", annasHome + "files/", "", to(annasHome + "none/files/"), 409, "", nil, nil},
		{"COPY of a calendar below nothing", "anna", "COPY", annasHome + "work/", "", to(annasHome + "none/work/"), 409, "", nil, nil},
		{"COPY to the home", "anna", "COPY", annasHome + "work/", "", to(annasHome), 403, "", nil, nil},
		{"COPY of the root", "anna", "COPY", "/", "", to("/copy/"), 403, "", nil, nil},
	})
}

// One expand-property looks at so many resources, and asks each property once:
// a property of many links must not multiply.
func TestExpandPropertyEnds(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "PROPPATCH", annasCal, patch("<t:l xmlns:t='urn:t'>"+strings.Repeat("<D:href>"+annasCal+"</D:href>", 400)+"</t:l>")).is(207)
	report := func(inner string) *reply {
		return s.do("anna", "REPORT", annasCal, xmlHead("D:expand-property")+inner+"</D:expand-property>")
	}
	const links, kind = `<D:property name="l" namespace="urn:t">`, `<D:property name="resourcetype"/>`
	r := report(strings.Repeat(links+strings.Repeat(links+kind+"</D:property>", 3)+"</D:property>", 3)).is(207)
	if n := strings.Count(r.body, "<D:resourcetype>"); n == 0 || n > maxExpanded {
		t.Errorf("%d resources", n)
	}
	if n := strings.Count(r.body, "507 Insufficient Storage"); n == 0 || n > 2*400 {
		t.Errorf("%d are left out", n)
	}
	if n := strings.Count(report(strings.Repeat(kind, 600)).is(207).body, "<D:resourcetype>"); n != 1 {
		t.Errorf("asked often: %d answers", n)
	}
	var many strings.Builder
	for i := range 600 {
		fmt.Fprintf(&many, `<D:property name="p%d"/>`, i)
	}
	report(many.String()).is(413)
}
