package caldav

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func query(inner string, names ...string) string {
	return xmlHead("C:calendar-query") + props(names...) + "<C:filter>" + inner + "</C:filter></C:calendar-query>"
}

func multiget(names []string, hrefs ...string) string {
	b := xmlHead("C:calendar-multiget") + props(names...)
	for _, h := range hrefs {
		b += "<D:href>" + h + "</D:href>"
	}
	return b + "</C:calendar-multiget>"
}

func syncBody(token string, rest string, names ...string) string {
	return xmlHead("D:sync-collection") + "<D:sync-token>" + token + "</D:sync-token><D:sync-level>1</D:sync-level>" + rest + props(names...) + "</D:sync-collection>"
}

const march = `<C:time-range start="20260301T000000Z" end="20260401T000000Z"/>`

// filled has a daily series, one event in March, one in May, and a task.
func filled(t testing.TB) *site {
	s := newSite(t)
	s.visit("anna", "ben")
	s.do("anna", "PUT", annasCal+"march.ics", event("march", "20260310T090000Z", "March <&>")).is(201)
	s.do("anna", "PUT", annasCal+"may.ics", event("may", "20260510T090000Z", "May")).is(201)
	s.do("anna", "PUT", annasCal+"daily.ics", event("daily", "20260101T120000Z", "Daily", "RRULE:FREQ=DAILY")).is(201)
	todo := strings.ReplaceAll(event("todo", "20260310T090000Z", "Todo"), "VEVENT", "VTODO")
	s.do("anna", "PUT", annasCal+"todo.ics", todo).is(201)
	return s
}

func names(m *multi) []string {
	var out []string
	for _, h := range m.order {
		out = append(out, h[strings.LastIndexByte(h, '/')+1:])
	}
	slices.Sort(out)
	return out
}

func TestRFC4791_7_8_CalendarQuery(t *testing.T) {
	s := filled(t)
	for _, depth := range [][]string{nil, {"Depth: 0"}, {"Depth: 1"}} {
		m := s.do("anna", "REPORT", annasCal, query(in(march), "D:getetag", "C:calendar-data"), depth...).multi()
		if got := names(m); !slices.Equal(got, []string{"daily.ics", "march.ics"}) {
			t.Errorf("%v: %q", depth, got)
		}
		if m.node(annasCal+"march.ics", "C:calendar-data").Text != event("march", "20260310T090000Z", "March <&>") {
			t.Error("calendar-data is not what was stored")
		}
	}
	for filter, want := range map[string]string{
		`<C:comp-filter name="VCALENDAR"/>`:                                                                        "daily.ics march.ics may.ics todo.ics",
		`<C:comp-filter name="VCALENDAR"><C:comp-filter name="VTODO"/></C:comp-filter>`:                            "todo.ics",
		`<C:comp-filter name="VCALENDAR"><C:comp-filter name="VJOURNAL"/></C:comp-filter>`:                         "",
		in(`<C:time-range start="20260501T000000Z"/>`):                                                             "daily.ics may.ics",
		in(`<C:prop-filter name="SUMMARY"><C:text-match>MARCH</C:text-match></C:prop-filter>`):                     "march.ics",
		in(`<C:prop-filter name="RRULE"><C:is-not-defined/></C:prop-filter>`):                                      "march.ics may.ics",
		in(`<C:prop-filter name="UID"><C:text-match collation="i;octet">may</C:text-match></C:prop-filter>`):       "may.ics",
		in(`<C:prop-filter name="SUMMARY"><C:text-match collation="i;octet">MARCH</C:text-match></C:prop-filter>`): "",
	} {
		if got := strings.Join(names(s.do("anna", "REPORT", annasCal, query(filter, "D:getetag")).multi()), " "); got != want {
			t.Errorf("%s: %q", filter, got)
		}
	}
	expand := `<C:calendar-data><C:expand start="20260310T000000Z" end="20260312T000000Z"/></C:calendar-data>`
	body := xmlHead("C:calendar-query") + "<D:prop>" + expand + "</D:prop><C:filter>" + in(`<C:time-range start="20260310T000000Z" end="20260312T000000Z"/>`) + "</C:filter></C:calendar-query>"
	r := s.do("anna", "REPORT", annasCal, body).contains("RECURRENCE-ID:20260310T120000Z", "RECURRENCE-ID:20260311T120000Z").lacks("RRULE", "20260312T120000Z")
	r.multi()
	s.do("anna", "REPORT", annasCal, xmlHead("C:calendar-query")+`<D:prop><C:calendar-data><C:comp name="VCALENDAR"><C:comp name="VEVENT"><C:prop name="UID"/></C:comp></C:comp></C:calendar-data></D:prop><C:filter>`+
		in(march)+"</C:filter></C:calendar-query>").contains("UID:march").lacks("SUMMARY", "DTSTART")
	// On the home: the calendars of it.
	m := s.do("anna", "REPORT", annasHome, query(in(march), "D:getetag", "D:current-user-privilege-set")).multi()
	if got := names(m); !slices.Equal(got, []string{"daily.ics", "march.ics"}) {
		t.Errorf("home: %q", got)
	}
	m.node(annasCal+"march.ics", "D:current-user-privilege-set")

	// On an object, RFC 4791 §7: that one, if it matches.
	for object, want := range map[string]string{"march.ics": "march.ics", "daily.ics": "daily.ics", "may.ics": "", "todo.ics": ""} {
		m := s.do("anna", "REPORT", annasCal+object, query(in(march), "D:getetag"), "Depth: 0").multi()
		if got := strings.Join(names(m), " "); got != want {
			t.Errorf("on %s: %q", object, got)
		}
	}
	s.do("anna", "REPORT", annasCal+"none.ics", query(in(march), "D:getetag")).is(404)
	s.do("ben", "REPORT", annasCal+"march.ics", query(in(march), "D:getetag")).is(403, "D:need-privileges")
	s.do("anna", "PROPFIND", annasCal+"march.ics", xmlHead("D:propfind")+props("D:supported-report-set")+"</D:propfind>", "Depth: 0").contains("calendar-query")

	for _, c := range []struct {
		body   string
		status int
		cond   string
	}{
		{query(in(march)+in(march), "D:getetag"), 403, "C:valid-filter"},
		{xmlHead("C:calendar-query") + props("D:getetag") + "</C:calendar-query>", 403, "C:valid-filter"},
		{xmlHead("C:calendar-query") + props("D:getetag") + "<C:timezone>x</C:timezone><C:filter>" + in(march) + "</C:filter></C:calendar-query>", 403, "C:valid-calendar-data"},
		{xmlHead("C:calendar-query") + props("D:getetag") + "<C:timezone-id>Nowhere/Land</C:timezone-id><C:filter>" + in(march) + "</C:filter></C:calendar-query>", 403, "C:valid-timezone"},
		{xmlHead("C:calendar-query") + props("D:getetag") + "<C:timezone-id>Europe/Vienna</C:timezone-id><C:filter>" + in(march) + "</C:filter></C:calendar-query>", 207, ""},
		{xmlHead("D:version-tree") + "</D:version-tree>", 403, "D:supported-report"},
		{"", 400, ""},
	} {
		r := s.do("anna", "REPORT", annasCal, c.body)
		if c.status == 207 {
			r.is(207)
			continue
		}
		r.is(c.status, c.cond)
	}
	s.do("anna", "REPORT", "/dav/principals/anna/", query(in(march), "D:getetag")).is(403, "D:supported-report")
	s.do("anna", "REPORT", annasHome+"none/", query(in(march), "D:getetag")).is(404)
}

// A client that wants few results gets few, and is told. RFC 5323 §5.17.
func TestQueryLimit(t *testing.T) {
	s := filled(t)
	limited := func(n int) *multi {
		return s.do("anna", "REPORT", annasCal, strings.Replace(query(in(march), "D:getetag"), "<C:filter>", fmt.Sprintf("<D:limit><D:nresults>%d</D:nresults></D:limit><C:filter>", n), 1)).multi()
	}
	if m := limited(1); len(m.order) != 2 || m.at(annasCal).status != 507 {
		t.Errorf("limit 1: %q", m.order)
	}
	if m := limited(2); len(m.order) != 2 || m.res[annasCal] != nil {
		t.Errorf("limit 2: %q", m.order)
	}
}

func TestRFC4791_7_9_Multiget(t *testing.T) {
	s := filled(t)
	odd := "/dav/calendars/anna/cal%65ndar/may.ics"
	full := "http://cal.example.com" + annasCal + "march.ics"
	m := s.do("anna", "REPORT", annasCal, multiget([]string{"D:getetag", "C:calendar-data", "D:displayname"}, odd, annasCal+"none.ics", annasCal+"march.ics", "/dav/calendars/ben/calendar/x.ics", "/%2e%2e/x", annasCal)).multi()
	// In the order of the request, under the href as it was sent.
	if want := []string{odd, annasCal + "none.ics", annasCal + "march.ics", "/dav/calendars/ben/calendar/x.ics", "/%2e%2e/x", annasCal}; !slices.Equal(m.order, want) {
		t.Errorf("order %q", m.order)
	}
	for _, h := range []string{annasCal + "none.ics", "/dav/calendars/ben/calendar/x.ics", "/%2e%2e/x", annasCal} {
		if m.at(h).status != 404 {
			t.Errorf("%s: status %d", h, m.at(h).status)
		}
	}
	if m.node(odd, "C:calendar-data").Text != event("may", "20260510T090000Z", "May") || m.at(odd).props["D:displayname"].status != 404 {
		t.Error(m.r.body)
	}
	s.do("anna", "REPORT", annasCal, multiget([]string{"D:getetag"}, full)).is(207).contains("<D:href>"+full+"</D:href>", "200 OK")
	s.do("anna", "REPORT", annasHome, multiget([]string{"D:getetag", "D:acl"}, annasCal+"may.ics")).multi().node(annasCal+"may.ics", "D:acl")
	s.do("anna", "REPORT", annasCal+"may.ics", multiget([]string{"D:getetag"}, annasCal+"may.ics")).multi().text(annasCal+"may.ics", "D:getetag")
	s.do("anna", "REPORT", annasCal, multiget([]string{"D:getetag"})).is(400)
	var many []string
	for i := range 1500 {
		many = append(many, fmt.Sprintf("%s%d.ics", annasCal, i))
	}
	if m := s.do("anna", "REPORT", annasCal, multiget([]string{"D:getetag"}, many...)).multi(); len(m.order) != 1500 {
		t.Errorf("%d responses", len(m.order))
	}
	var b strings.Builder
	for range 100_000 {
		b.WriteString("<D:href>/dav/calendars/anna/calendar/x.ics</D:href>")
	}
	if r := s.do("anna", "REPORT", annasCal, xmlHead("C:calendar-multiget")+props("D:getetag")+b.String()+"</C:calendar-multiget>"); r.status != 403 && r.status != 413 {
		t.Errorf("100,000 hrefs: %d", r.status)
	}
}

func TestRFC6578_3_2_SyncCollection(t *testing.T) {
	s := filled(t)
	m := s.do("anna", "REPORT", annasCal, syncBody("", "", "D:getetag", "D:getcontenttype")).multi()
	if got := names(m); len(got) != 4 || m.token == "" {
		t.Fatalf("%q %q", got, m.token)
	}
	first := m.token
	if got := s.do("anna", "PROPFIND", annasCal, propfind("D:sync-token"), "Depth: 0").multi().text(annasCal, "D:sync-token"); got != first {
		t.Errorf("PROPFIND gives %q, the report %q", got, first)
	}
	if m = s.do("anna", "REPORT", annasCal, syncBody(first, "", "D:getetag"), "Depth: 0").multi(); len(m.order) != 0 || m.token != first {
		t.Errorf("no change: %q %q", m.order, m.token)
	}
	s.do("anna", "DELETE", annasCal+"may.ics", "").is(204)
	tag := s.do("anna", "PUT", annasCal+"june.ics", event("june", "20260610T090000Z", "June")).is(201).header.Get("ETag")
	// tsdav: no Depth, no level, prop last, and the data at once.
	m = s.do("anna", "REPORT", annasCal, xmlHead("D:sync-collection")+"<D:sync-token>"+first+"</D:sync-token>"+props("D:getetag", "C:calendar-data")+"</D:sync-collection>").multi()
	if len(m.order) != 2 || m.at(annasCal+"may.ics").status != 404 || m.text(annasCal+"june.ics", "D:getetag") != tag || m.node(annasCal+"june.ics", "C:calendar-data").Text == "" {
		t.Error(m.r.body)
	}
	// Truncated: the members so far, 507 on the collection, and a token to go on with.
	m = s.do("anna", "REPORT", annasCal, syncBody(first, "<D:limit><D:nresults>1</D:nresults></D:limit>", "D:getetag")).multi()
	if len(m.order) != 2 || m.at(annasCal).status != 507 {
		t.Errorf("limit: %s", m.r.body)
	}
	m.r.contains("<D:error><D:number-of-matches-within-limits/></D:error>")
	m = s.do("anna", "REPORT", annasCal, syncBody(m.token, "<D:limit><D:nresults>1</D:nresults></D:limit>", "D:getetag")).multi()
	if len(m.order) != 1 || m.res[annasCal] != nil {
		t.Errorf("continued: %s", m.r.body)
	}
	for _, bad := range []string{"x", "urn:factotum:sync:1:1", "17", first + "z"} {
		r := s.do("anna", "REPORT", annasCal, syncBody(bad, "", "D:getetag")).is(403, "D:valid-sync-token")
		if ct := r.header.Get("Content-Type"); ct != "application/xml; charset=utf-8" {
			t.Errorf("Content-Type %q", ct)
		}
	}
	s.do("anna", "REPORT", annasCal, strings.Replace(syncBody("", "", "D:getetag"), "level>1<", "level>7<", 1)).is(400)
	s.do("anna", "REPORT", annasCal, syncBody("", "<D:limit><D:nresults>0</D:nresults></D:limit>", "D:getetag")).is(400)
	s.do("ben", "REPORT", annasCal, syncBody("", "", "D:getetag")).is(403, "D:need-privileges")
	// A calendar of the same name is another calendar.
	s.do("anna", "MKCALENDAR", annasHome+"w/", "").is(201)
	old := s.do("anna", "REPORT", annasHome+"w/", syncBody("", "", "D:getetag")).multi().token
	s.do("anna", "DELETE", annasHome+"w/", "").is(204)
	s.do("anna", "MKCALENDAR", annasHome+"w/", "").is(201)
	s.do("anna", "REPORT", annasHome+"w/", syncBody(old, "", "D:getetag")).is(403, "D:valid-sync-token")
}

func TestSyncOfTheHome(t *testing.T) {
	s := filled(t)
	m := s.do("anna", "REPORT", annasHome, syncBody("", "", "D:resourcetype", "CS:getctag")).multi()
	if !slices.Equal(m.order, []string{annasCal, annasHome + "inbox/", annasHome + "outbox/"}) || m.children(annasCal, "D:resourcetype") != "D:collection C:calendar" {
		t.Fatal(m.r.body)
	}
	s.do("anna", "MKCALENDAR", annasHome+"w/", "").is(201)
	m = s.do("anna", "REPORT", annasHome, syncBody(m.token, "", "D:resourcetype")).multi()
	if !slices.Equal(m.order, []string{annasHome + "w/"}) {
		t.Error(m.order)
	}
	s.do("anna", "DELETE", annasHome+"w/", "").is(204)
	m = s.do("anna", "REPORT", annasHome, syncBody(m.token, "", "D:resourcetype")).multi()
	if len(m.order) != 1 || m.at(annasHome+"w/").status != 404 {
		t.Error(m.r.body)
	}
	s.do("anna", "REPORT", annasHome, syncBody("x", "", "D:resourcetype")).is(403, "D:valid-sync-token")
	s.do("anna", "REPORT", annasHome, strings.Replace(syncBody("", "", "D:getetag"), "level>1<", "level>infinite<", 1)).is(403, "D:sync-traversal-supported")
}

func TestRFC4791_7_10_FreeBusyQuery(t *testing.T) {
	s := filled(t)
	body := xmlHead("C:free-busy-query") + `<C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`
	for _, path := range []string{annasCal, annasHome} {
		r := s.do("anna", "REPORT", path, body, "Depth: 1").is(200)
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/calendar") {
			t.Errorf("Content-Type %q", r.header.Get("Content-Type"))
		}
		r.body = strings.ReplaceAll(r.body, "\r\n ", "")
		r.contains("BEGIN:VFREEBUSY\r\n", "DTSTART:20260310T000000Z\r\n", "DTEND:20260311T000000Z\r\n", "20260310T090000Z/20260310T100000Z", "20260310T120000Z/20260310T130000Z").lacks("SUMMARY")
	}
	// Free/busy is open to others by default, the events are not.
	s.do("ben", "REPORT", annasCal, body).is(200).contains("20260310T090000Z")
	s.do("anna", "REPORT", annasCal, xmlHead("C:free-busy-query")+"</C:free-busy-query>").is(400)
}
