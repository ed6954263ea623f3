package caldav

import (
	"strings"
	"testing"
)

func patch(set string, remove ...string) string {
	b := xmlHead("D:propertyupdate")
	if set != "" {
		b += "<D:set><D:prop>" + set + "</D:prop></D:set>"
	}
	for _, r := range remove {
		b += "<D:remove>" + props(r) + "</D:remove>"
	}
	return b + "</D:propertyupdate>"
}

const viennaZone = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VTIMEZONE\nTZID:Europe/Vienna\nBEGIN:STANDARD\nDTSTART:19701025T030000\n" +
	"RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:19700329T020000\n" +
	"RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR\n"

// What Apple, DAVx5 and vdirsyncer set on calendars.
func TestPatchCalendar(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for _, c := range []struct{ name, set, want string }{
		{"D:displayname", "<D:displayname>Work &amp; play</D:displayname>", "Work & play"},
		{"C:calendar-description", `<C:calendar-description xml:lang="de">Größe</C:calendar-description>`, "Größe"},
		{"A:calendar-color", `<A:calendar-color symbolic-color="custom">#FF2D55FF</A:calendar-color>`, "#FF2D55FF"},
		{"A:calendar-order", "<A:calendar-order>3</A:calendar-order>", "3"},
		{"C:calendar-timezone", "<C:calendar-timezone>" + strings.ReplaceAll(viennaZone, "\n", "&#13;\n") + "</C:calendar-timezone>", strings.TrimSpace(strings.ReplaceAll(viennaZone, "\n", "\r\n"))},
		{"C:calendar-timezone-id", "<C:calendar-timezone-id>Europe/Lisbon</C:calendar-timezone-id>", "Europe/Lisbon"},
	} {
		m := s.do("anna", "PROPPATCH", annasCal, patch(c.set)).multi()
		if n := m.node(annasCal, c.name); n.Text != "" {
			t.Errorf("%s: the answer repeats the value", c.name)
		}
		m = s.do("anna", "PROPFIND", annasCal, propfind(c.name, "C:calendar-timezone-id"), "Depth: 0").multi()
		if got := m.text(annasCal, c.name); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
		if c.name == "C:calendar-timezone" && m.text(annasCal, "C:calendar-timezone-id") != "Europe/Vienna" {
			t.Error("calendar-timezone-id does not follow calendar-timezone")
		}
	}
	// RFC 7809 §5.2: the zone of the id is shown as VTIMEZONE too.
	s.do("anna", "PROPFIND", annasCal, propfind("C:calendar-timezone"), "Depth: 0").contains("TZID:Europe/Lisbon")
	s.do("anna", "PROPPATCH", annasCal, patch("<C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>")).multi()
	if got := s.do("anna", "PROPFIND", annasCal, propfind("C:schedule-calendar-transp"), "Depth: 0").multi().children(annasCal, "C:schedule-calendar-transp"); got != "C:transparent" {
		t.Errorf("schedule-calendar-transp %q", got)
	}
	s.do("anna", "PROPPATCH", annasCal, patch("", "C:calendar-description")).multi().node(annasCal, "C:calendar-description")
	if p := s.do("anna", "PROPFIND", annasCal, propfind("C:calendar-description"), "Depth: 0").multi().at(annasCal).props["C:calendar-description"]; p.status != 404 {
		t.Error("a removed property is still there")
	}
}

// RFC 4918 §9.2: all or nothing.
func TestPatchIsAtomic(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	r := s.do("anna", "PROPPATCH", annasCal, patch("<D:displayname>New</D:displayname><D:getetag>x</D:getetag><C:calendar-timezone>no zone</C:calendar-timezone>"))
	m := r.multi()
	for name, want := range map[string]int{"D:displayname": 424, "D:getetag": 403, "C:calendar-timezone": 403} {
		if got := m.at(annasCal).props[name].status; got != want {
			t.Errorf("%s: %d", name, got)
		}
	}
	r.contains("<D:cannot-modify-protected-property/>", "<C:valid-calendar-data/>")
	s.do("anna", "PROPFIND", annasCal, propfind("D:displayname"), "Depth: 0").lacks("New")
	// RFC 4791 §5.2.3: settled at creation.
	s.do("anna", "PROPPATCH", annasCal, patch("<C:supported-calendar-component-set><C:comp name='VTODO'/></C:supported-calendar-component-set>")).
		contains("403 Forbidden", "cannot-modify-protected-property")
	for _, bad := range []string{"", xmlHead("D:propertyupdate") + "</D:propertyupdate>", xmlHead("D:x") + "</D:x>"} {
		s.do("anna", "PROPPATCH", annasCal, bad).is(400)
	}
	s.do("ben", "PROPPATCH", annasCal, patch("<D:displayname>Ben's</D:displayname>")).is(403, "D:need-privileges")
	s.do("anna", "PROPPATCH", "/dav/principals/anna/", patch("<D:displayname>X</D:displayname>")).contains("403 Forbidden")
	s.do("anna", "PROPPATCH", "/dav/", patch("<D:displayname>X</D:displayname>")).is(405)
	if r := s.do("anna", "PROPPATCH", annasCal, patch("<D:displayname>Short</D:displayname>"), "Prefer: return=minimal"); r.status != 200 || r.body != "" {
		t.Errorf("return=minimal: %d %s", r.status, r.body)
	}
}

// RFC 4918 §4.3: what the server does not know it keeps as it was written.
func TestDeadProperties(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	tag := func() string { return s.do("anna", "GET", annasCal+"a.ics", "").header.Get("ETag") }
	before := tag()
	for _, path := range []string{annasHome, annasCal, annasCal + "a.ics"} {
		s.do("anna", "PROPPATCH", path, patch(`<t:x xmlns:t="urn:test" t:a="1">one<t:y/>&lt;two&gt;</t:x><u xmlns="">plain</u>`)).multi()
		r := s.do("anna", "PROPFIND", path, propfind("{urn:test}x", "{urn:test}z"), "Depth: 0")
		m := r.multi()
		n := m.node(path, "{urn:test}x")
		if n.Text != "one<two>" || n.FirstChild() == nil {
			t.Errorf("%s: %q in %s", path, n.Text, r.body)
		}
		if m.at(path).props["{urn:test}z"].status != 404 {
			t.Errorf("%s: a property that nobody set", path)
		}
		s.do("anna", "PROPFIND", path, xmlHead("D:propfind")+"<D:allprop/></D:propfind>", "Depth: 0").multi().node(path, "{urn:test}x")
		s.do("anna", "PROPPATCH", path, patch("", "{urn:test}x")).multi()
		s.do("anna", "PROPFIND", path, propfind("{urn:test}x"), "Depth: 0").lacks("one")
		s.do("anna", "PROPPATCH", path, patch("", "{urn:test}x")).multi().node(path, "{urn:test}x") // not there: no error
	}
	if tag() != before {
		t.Error("a dead property changes the ETag")
	}
	s.do("anna", "PROPPATCH", annasCal+"none.ics", patch(`<t:x xmlns:t="urn:test"/>`)).is(404)
	// Apple's default alarms live on the home.
	alarm := "BEGIN:VALARM&#13;\nACTION:NONE&#13;\nEND:VALARM&#13;\n"
	s.do("anna", "PROPPATCH", annasHome, patch("<C:default-alarm-vevent-date>"+alarm+"</C:default-alarm-vevent-date>")).multi()
	s.do("anna", "PROPFIND", annasHome, propfind("C:default-alarm-vevent-date"), "Depth: 1").contains("ACTION:NONE")
	s.do("ben", "PROPPATCH", annasHome, patch("<C:default-alarm-vevent-date/>")).is(403, "D:need-privileges")
}
