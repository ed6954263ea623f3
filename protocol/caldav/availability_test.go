package caldav

import (
	"strings"
	"testing"
)

const (
	officeHours = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t\nBEGIN:VAVAILABILITY\nUID:v\nDTSTAMP:20260101T000000Z\n" +
		"BEGIN:AVAILABLE\nUID:w\nDTSTAMP:20260101T000000Z\nDTSTART:20260301T080000Z\nDTEND:20260301T160000Z\nRRULE:FREQ=DAILY\nEND:AVAILABLE\nEND:VAVAILABILITY\nEND:VCALENDAR"
	busyOutside = "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20260310T000000Z/20260310T080000Z,20260310T160000Z/20260311T000000Z"
)

// TestAvailabilityProperty: one value by two names, set and read by the owner
// alone, and judged; free/busy of the home goes by it. RFC 7953 §7.2.4.
func TestAvailabilityProperty(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	if classes := s.do("anna", "OPTIONS", annasHome, "").header.Get("DAV"); !strings.Contains(classes, "calendar-availability") { // RFC 7953 §7.2.1
		t.Errorf("DAV: %s", classes)
	}
	set := func(name string) string { return "<" + name + ">" + officeHours + "</" + name + ">" }
	outside := func() bool {
		t.Helper()
		body := xmlHead("C:free-busy-query") + `<C:time-range start="20260310T000000Z" end="20260311T000000Z"/></C:free-busy-query>`
		text := s.do("anna", "REPORT", annasHome, body, "Depth: 1").is(200).body
		return strings.Contains(strings.ReplaceAll(text, "\r\n ", ""), busyOutside)
	}
	names := []string{"C:calendar-availability", "CS:calendar-availability"}
	for _, name := range names {
		if outside() {
			t.Fatalf("%s: before it is set", name)
		}
		s.do("anna", "PROPPATCH", annasHome, patch(set(name))).multi().node(annasHome, name)
		m := s.do("anna", "PROPFIND", annasHome, propfind(names...), "Depth: 0").multi()
		for _, n := range names {
			if got := strings.TrimSpace(m.node(annasHome, n).Text); got != officeHours {
				t.Errorf("%s, set as %s: %q", n, name, got)
			}
		}
		s.do("anna", "PROPFIND", annasHome, xmlHead("D:propfind")+"<D:allprop/></D:propfind>", "Depth: 0").lacks("VAVAILABILITY")
		if !outside() {
			t.Errorf("%s: free/busy does not go by it", name)
		}
		s.do("anna", "PROPPATCH", annasHome, patch("", name)).multi()
		s.do("anna", "PROPFIND", annasHome, propfind(names...), "Depth: 0").lacks("VAVAILABILITY")
	}
	for text, cond := range map[string]string{
		"hello": "C:valid-calendar-data",
		strings.ReplaceAll(officeHours, "VAVAILABILITY", "VEVENT"):      "C:supported-calendar-component",
		strings.ReplaceAll(officeHours, "DTSTART:20260301T080000Z", ""): "C:valid-calendar-data",
	} {
		m := s.do("anna", "PROPPATCH", annasHome, patch(`<t:x xmlns:t="urn:test">1</t:x><C:calendar-availability>`+text+"</C:calendar-availability>")).multi()
		props := m.at(annasHome).props
		if props["C:calendar-availability"].status != 403 || props["{urn:test}x"].status != 424 {
			t.Errorf("%s: %+v", cond, props)
		}
		s.do("anna", "PROPFIND", annasHome, propfind("{urn:test}x", "C:calendar-availability"), "Depth: 0").lacks("<t:x", "VCALENDAR")
	}
	s.do("ben", "PROPPATCH", annasHome, patch(set(names[0]))).is(403, "D:need-privileges")
	s.do("anna", "PROPPATCH", annasHome, patch(set(names[0]))).multi()
	s.do("ben", "PROPFIND", annasHome, propfind(names...), "Depth: 0").lacks("VAVAILABILITY")
	s.do("anna", "PROPPATCH", annasCal, patch(set(names[0]))).multi()
	s.do("anna", "PROPFIND", annasCal, propfind(names...), "Depth: 0").lacks("VAVAILABILITY")
	s.do("anna", "PROPPATCH", annasHome, patch("<C:calendar-availability/>")).multi() // nothing is none
	if outside() {
		t.Error("after it was emptied")
	}

	// The inbox has it too.
	inbox := annasHome + "inbox/"
	s.do("anna", "PROPPATCH", inbox, patch(set(names[1]))).multi().node(inbox, names[1])
	for _, path := range []string{inbox, annasHome} {
		if got := strings.TrimSpace(s.do("anna", "PROPFIND", path, propfind(names...), "Depth: 0").multi().node(path, names[0]).Text); got != officeHours {
			t.Errorf("%s: %q", path, got)
		}
	}
	if !outside() {
		t.Error("set on the inbox: free/busy does not go by it")
	}
	mixed := s.do("anna", "PROPPATCH", inbox, patch(set(names[0])+"<D:displayname>x</D:displayname>")).multi().at(inbox).props
	if mixed["D:displayname"].status != 409 || mixed[names[0]].status != 424 {
		t.Errorf("with another property: %+v", mixed)
	}
	if bad := s.do("anna", "PROPPATCH", inbox, patch("<C:calendar-availability>x</C:calendar-availability>")).multi().at(inbox).props; bad[names[0]].status != 403 {
		t.Errorf("what is none: %+v", bad)
	}
	s.do("ben", "PROPPATCH", inbox, patch(set(names[0]))).is(403)
}
