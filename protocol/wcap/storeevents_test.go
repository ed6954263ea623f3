package wcap

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

// enc writes parameters as clients do: names and values in turn.
func enc(pairs ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pairs[i] + "=" + strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return b.String()
}

// lightning is what one client sends with every store.
const lightning = "&replace=1&fetch=1&relativealarm=1&compressed=1&recurring=1&emailorcalid=1&fmt-out=text%2Fcalendar&calid=anna"

// stored is the text of the object with a uid, as CalDAV sees it.
func (s *site) stored(user string, id calendar.ID, uid string) string {
	s.t.Helper()
	var out string
	err := s.be.Objects(s.t.Context(), s.people.Actor(user), calendar.ObjectsRequest{Calendar: id, UIDs: []string{uid}}, func(r calendar.ObjectResult) error {
		if r.Err != nil {
			return r.Err
		}
		out = strings.ReplaceAll(string(r.Object.Data), "\r\n ", "")
		return nil
	})
	if err != nil {
		s.t.Fatalf("%s: %v", uid, err)
	}
	return out
}

// has checks texts for lines.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if not, ok := strings.CutPrefix(l, "!"); ok {
			if strings.Contains(text, not) {
				t.Errorf("%q is in\n%s", not, text)
			}
		} else if !strings.Contains(text, l) {
			t.Errorf("no %q in\n%s", l, text)
		}
	}
}

// TestWCAP_13_Storeevents: create once, modify what is there, delete by empty
// values, keep what is absent.
func TestWCAP_13_Storeevents(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	create := "storeevents.wcap?" + enc("dtstart", "20260310T090000Z", "dtend", "20260310T100000Z", "summary", "Größe; a, b", "desc", "two\r\nlines",
		"location", "", "icsUrl", "", "categories", "", "tzid", "Europe/Berlin", "uid", "u1", "storetype", "1", "mod", "4", "method", "1", "isAllDay", "0",
		"priority", "3", "icsClass", "PUBLIC", "status", "0", "transparent", "0") + lightning
	r := s.do("anna", create).errno(0)
	r.contains("UID:u1\r\n", "SUMMARY:Größe\\; a\\, b", "DESCRIPTION:two\\nlines", "DTSTART:20260310T090000Z", "DTEND:20260310T100000Z",
		"X-NSCP-DTSTART-TZID:Europe/Berlin", "X-NSCP-DTEND-TZID:Europe/Berlin", "REQUEST-STATUS:2.0;Success.  Store successful.", "STATUS:CONFIRMED", "PRIORITY:3",
		"X-NSCP-CALPROPS-RELATIVE-CALID:anna")
	r.lacks("LOCATION", "URL", "CATEGORIES")
	has(t, s.stored("anna", "anna", "u1"), "DTSTART;TZID=Europe/Berlin:20260310T100000\r\n", "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin", "SEQUENCE:0", "!ORGANIZER")
	s.do("anna", create).errno(63)
	s.do("anna", "storeevents.wcap?uid=none&storetype=2&summary=x"+lightning).errno(62)
	s.do("anna", "storeevents.wcap?uid=u1&storetype=2&summary=new"+lightning).errno(0).contains("DESCRIPTION:two", "SUMMARY:new", "SEQUENCE:0")
	s.clock.add(time.Minute)
	s.do("anna", "storeevents.wcap?uid=u1&storetype=2&mod=4&desc=&dtstart=20260310T110000Z&dtend=20260310T120000Z"+lightning).errno(0).
		lacks("DESCRIPTION").contains("SUMMARY:new", "DTSTART:20260310T110000Z", "SEQUENCE:1", "X-NSCP-DTSTART-TZID:Europe/Berlin")
	has(t, s.stored("anna", "anna", "u1"), "DTSTART;TZID=Europe/Berlin:20260310T120000\r\n", "LAST-MODIFIED:20260302T120100Z", "CREATED:20260302T120000Z")
	r = s.do("anna", "storeevents.wcap?uid=u1&summary=x&fmt-out=text/xml&calid=anna").errno(0)
	r.contains("<EVENT>\n<UID>u1</UID>\n<RSTATUS>2.0;Success.  Store successful.</RSTATUS>\n</EVENT>")
	r = s.do("anna", "storeevents.wcap?dtstart=20260311T100000&dtend=20260311T110000&summary=made&calid=anna&tzid=America/New_York").errno(0)
	if !guidPattern.MatchString(r.value("UID")) {
		t.Errorf("made up UID %q", r.value("UID"))
	}
	has(t, s.stored("anna", "anna", r.value("UID")), "DTSTART;TZID=America/New_York:20260311T100000")
	s.do("anna", "storeevents.wcap?summary=x&calid=anna").errno(14)
	s.do("anna", "storeevents.wcap?summary=x&dtstart=20260311T100000").errno(38)
	s.do("anna", "storeevents.wcap?summary=x&dtstart=20260311T100000&calid=nobody").errno(29)
	s.as("ben")
	s.do("anna", "storeevents.wcap?summary=x&dtstart=20260311T100000&calid=ben").errno(28)
}

// TestWCAP_13_WeeklyOverDST: a weekly rule keeps its wall-clock time.
func TestWCAP_13_WeeklyOverDST(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storeevents.wcap?dtstart=20260318T090000Z&dtend=20260318T100000Z&isAllDay=0&rrules=%22FREQ%3DWEEKLY%3BCOUNT%3D4%22&rdates=&exrules=&exdates=&summary=w&tzid=Europe/Berlin&uid=w&storetype=1&mod=4&method=1"+lightning).
		errno(0).contains("RRULE:FREQ=WEEKLY;COUNT=4")
	r := s.do("anna", "fetchevents_by_id.wcap?uid=w&calid=anna").errno(0)
	if got := strings.Join(r.values("DTSTART"), " "); got != "20260318T090000Z 20260325T090000Z 20260401T080000Z 20260408T080000Z" {
		t.Error(got)
	}
}
