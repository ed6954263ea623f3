package caldav

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

// Nothing that a client sets becomes a line of what is printed, also not in a
// program that takes the escape for the line that it stands for.
func TestNoPropertyBecomesALine(t *testing.T) {
	const evil = "END:VCALENDAR"
	for _, sep := range []string{"&#13;&#10;", "&#10;", "\n", "&#13;", "&#x85;", "&#x2028;", "\\n", "&#13;&#10;&#13;&#10;", "\t&#10; "} {
		s := newSite(t)
		s.visit("anna")
		text := "Team" + sep + evil + sep + "X-EVIL:1"
		s.do("anna", "PROPPATCH", annasCal, xmlHead("D:propertyupdate")+"<D:set><D:prop><D:displayname>"+text+"</D:displayname><C:calendar-description>"+text+
			"</C:calendar-description><A:calendar-color>"+text+"</A:calendar-color><A:calendar-order>"+text+"</A:calendar-order></D:prop></D:set></D:propertyupdate>").is(207)
		s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
		body := s.do("anna", "GET", annasCal, "").is(200).body
		n := 0
		for cal, err := range ical.ParseStream(strings.NewReader(body), ical.Limits{}) {
			if n++; err != nil || cal.Prop("X-EVIL") != nil || cal.Child("VEVENT") == nil || strings.Contains(cal.Text("X-WR-CALNAME"), "\n") {
				t.Errorf("%q: %v %s", sep, err, body)
			}
		}
		if n != 1 || strings.Count(body, "\n"+evil) != 1 || strings.ContainsAny(body, "\u2028\u0085") {
			t.Errorf("%q: %q", sep, body)
		}
		if sep == "\\n" {
			continue // two characters that mean nothing in XML
		}
		m := s.do("anna", "PROPFIND", annasCal, propfind("D:displayname", "A:calendar-color", "A:calendar-order"), "Depth: 0").multi()
		for name, p := range m.at(annasCal).props {
			if strings.ContainsAny(p.node.Text, "\r\n\u2028\u0085") || p.node.Text != "Team "+evil+" X-EVIL:1" && !strings.HasPrefix(sep, "\t") {
				t.Errorf("%q: %s is %q", sep, name, p.node.Text)
			}
		}
	}
}
