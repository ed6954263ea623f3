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
	s.clock.Add(time.Minute)
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

// series stores a weekly series of four, from 4 March.
func series(s *site, uid string, more string) {
	s.t.Helper()
	s.do("anna", "storeevents.wcap?dtstart=20260304T090000Z&dtend=20260304T100000Z&rrules=%22FREQ%3DWEEKLY%3BCOUNT%3D4%22&summary=w&desc=d&tzid=Europe/Berlin&uid="+uid+"&storetype=1&mod=4"+more+lightning).errno(0)
}

// TestWCAP_6_2_Instance: one instance is changed by mod=1, others stay.
func TestWCAP_6_2_Instance(t *testing.T) {
	s := newSite(t)
	series(s, "w", "")
	r := s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260311T090000Z&summary=moved&dtstart=20260311T130000Z&dtend=20260311T140000Z"+lightning).errno(0)
	r.contains("RECURRENCE-ID:20260311T090000Z", "DTSTART:20260311T130000Z", "SUMMARY:moved", "RRULE:FREQ=WEEKLY;COUNT=4", "DTSTART:20260304T090000Z")
	has(t, s.stored("anna", "anna", "w"), "RECURRENCE-ID;TZID=Europe/Berlin:20260311T100000", "DTSTART;TZID=Europe/Berlin:20260311T140000", "DESCRIPTION:d")
	s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260312T090000Z&summary=none"+lightning).errno(59)
	s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260311T090000Z&dtstart=20260320T090000Z&dtend=20260320T100000Z"+lightning).errno(65)
	s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260311T090000Z&dtstart=20260318T070000Z&dtend=20260318T080000Z"+lightning).errno(66)
	s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260318T090000Z&icsClass=PRIVATE"+lightning).errno(68)
	s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260318T090000Z&transparent=1"+lightning).errno(68)
	s.do("anna", "storeevents.wcap?uid=w&mod=1&rid=20260318T090000Z&transparent=0&icsClass=PUBLIC&location=here"+lightning).errno(0)
	// The whole series moves an hour: the exceptions stay exceptions.
	s.do("anna", "storeevents.wcap?uid=w&mod=4&dtstart=20260304T100000Z&dtend=20260304T110000Z"+lightning).errno(0)
	has(t, s.stored("anna", "anna", "w"), "RECURRENCE-ID;TZID=Europe/Berlin:20260311T110000", "SUMMARY:moved", "LOCATION:here", "DTSTART;TZID=Europe/Berlin:20260311T140000")
	// Another rule: what is no instance any more goes.
	s.do("anna", "storeevents.wcap?uid=w&mod=4&rchange=1&rrules=%22FREQ%3DWEEKLY%3BINTERVAL%3D2%22"+lightning).errno(0).contains("RRULE:FREQ=WEEKLY;COUNT=60;INTERVAL=2")
	has(t, s.stored("anna", "anna", "w"), "!SUMMARY:moved", "LOCATION:here")
	// None: a single event.
	s.do("anna", "storeevents.wcap?uid=w&mod=4&rrules="+lightning).errno(0).lacks("RRULE", "RECURRENCE-ID")
}

// TestWCAP_13_DeleteByID: instances by EXDATE, the last one with the series,
// whole series into the log.
func TestWCAP_13_DeleteByID(t *testing.T) {
	s := newSite(t)
	series(s, "w", "")
	r := s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=w;w&mod=1&rid=20260311T090000Z;20260318T090000Z&fmt-out=text/xml").errno(0)
	r.contains("<EVENT>\n<UID>w</UID>\n<RECURID>20260311T090000Z</RECURID>\n<RSTATUS>2.0;Success.  Delete successful.</RSTATUS>\n</EVENT>")
	has(t, s.stored("anna", "anna", "w"), "EXDATE;TZID=Europe/Berlin:20260311T100000", "EXDATE;TZID=Europe/Berlin:20260318T100000")
	// A store without exdates keeps them. WCAP §6.4.
	s.do("anna", "storeevents.wcap?uid=w&mod=4&summary=again&rrules=%22FREQ%3DWEEKLY%3BCOUNT%3D4%22"+lightning).errno(0).contains("EXDATE:20260311T090000Z")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=w&mod=1&rid=20260311T090000Z").errno(59).contains("UID:w", "REQUEST-STATUS:3.1;")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=w;w&mod=1;1&rid=20260304T090000Z;20260325T090000Z").errno(0)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=w").errno(59)
	s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&recurring=1").errno(0).contains("UID:w")
	for _, form := range []string{"mod=4&rid=0", "mod=1&rid=0", "mod=4", ""} {
		s.do("anna", "storeevents.wcap?calid=anna&uid=one&dtstart=20260304T090000Z").errno(0)
		s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=one&"+form).errno(0)
		s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=one").errno(59)
	}
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=none&mod=4&rid=0").errno(59)
	s.do("anna", "deleteevents_by_id.wcap?uid=none&mod=4&rid=0").errno(38)
	series(s, "f", "")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=f&mod=2&rid=20260318T090000Z").errno(0)
	if got := s.do("anna", "fetchevents_by_id.wcap?uid=f&calid=anna").errno(0).values("DTSTART"); strings.Join(got, " ") != "20260304T090000Z 20260311T090000Z" {
		t.Error(got)
	}
	series(s, "p", "")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=p&mod=3&rid=20260311T090000Z").errno(0)
	if got := s.do("anna", "fetchevents_by_id.wcap?uid=p&calid=anna").errno(0).values("DTSTART"); strings.Join(got, " ") != "20260318T090000Z 20260325T090000Z" {
		t.Error(got)
	}
	s.as("ben")
	s.do("ben", "deleteevents_by_id.wcap?calid=anna&uid=f&mod=4&rid=0").errno(28)
}

// TestWCAP_13_DeleteByRange: only what lies completely in the range, and of
// its kind.
func TestWCAP_13_DeleteByRange(t *testing.T) {
	s := newSite(t)
	fill := func() {
		series(s, "w", "")
		for uid, p := range map[string]string{"in": "dtstart=20260312T090000Z&dtend=20260312T100000Z", "over": "dtstart=20260309T090000Z&dtend=20260312T100000Z", "out": "dtstart=20260412T090000Z"} {
			s.do("anna", "storeevents.wcap?calid=anna&uid="+uid+"&"+p).errno(0)
		}
		s.do("anna", "storetodos.wcap?calid=anna&uid=todo&dtstart=20260312T090000Z&due=20260312T100000Z").errno(0)
		s.do("anna", "storetodos.wcap?calid=anna&uid=bare&summary=x").errno(0)
	}
	left := func() string {
		seen := map[string]bool{}
		for _, u := range s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&recurring=1").errno(0).values("UID") {
			seen[u] = true
		}
		var out []string
		for _, u := range []string{"bare", "in", "out", "over", "todo", "w"} {
			if seen[u] {
				out = append(out, u)
			}
		}
		return strings.Join(out, " ")
	}
	const week = "?calid=anna&dtstart=20260310T000000Z&dtend=20260317T000000Z"
	for cmd, want := range map[string]string{
		"deletecomponents_by_range" + week: "bare out over w", "deleteevents_by_range" + week: "bare out over todo w", "deletetodos_by_range" + week: "bare in out over w",
		"deletecomponents_by_range": "", "deletetodos_by_range": "in out over w", "deleteevents_by_range": "bare todo",
	} {
		fill()
		s.do("anna", strings.Replace(cmd, "_range", "_range.wcap", 1)).errno(0)
		if got := left(); got != want {
			t.Errorf("%s leaves %q, want %q", cmd, got, want)
		}
		if strings.HasPrefix(cmd, "deleteevents_by_range?") {
			has(t, s.stored("anna", "anna", "w"), "EXDATE;TZID=Europe/Berlin:20260311T100000")
		}
		s.do("anna", "deletecomponents_by_range.wcap").errno(0)
	}
}

// TestWCAP_5_AllDay: days come as dates, as date-times of a zone, as midnight
// in UTC.
func TestWCAP_5_AllDay(t *testing.T) {
	s := newSite(t)
	for i, p := range []string{"dtstart=20260310&dtend=20260312", "dtstart=20260310T000000&dtend=20260312T000000", "dtstart=20260309T230000Z&dtend=20260311T230000Z", "dtstart=20260310T000000Z&dtend=20260312T000000Z"} {
		uid := itoa(i)
		r := s.do("anna", "storeevents.wcap?isAllDay=1&tzid=Europe/Berlin&uid="+uid+"&"+p+lightning).errno(0)
		r.contains("DTSTART;VALUE=DATE:20260310", "DTEND;VALUE=DATE:20260312", "TRANSP:TRANSPARENT")
		has(t, s.stored("anna", "anna", uid), "DTSTART;VALUE=DATE:20260310", "DTEND;VALUE=DATE:20260312", "!VTIMEZONE")
	}
	s.do("anna", "storeevents.wcap?isAllDay=1&tzid=Europe/Berlin&uid=s&dtstart=20260310&rrules=%22FREQ=DAILY;COUNT=3%22&transparent=0"+lightning).errno(0).contains("RRULE:FREQ=DAILY;COUNT=3", "TRANSP:OPAQUE")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=s;s&mod=1&rid=20260310T230000Z;20260312T000000Z&tzid=Europe/Berlin").errno(0)
	has(t, s.stored("anna", "anna", "s"), "EXDATE;VALUE=DATE:20260311", "EXDATE;VALUE=DATE:20260312")
	s.do("anna", "storeevents.wcap?isAllDay=0&uid=0&dtstart=20260310T080000Z&dtend=20260310T090000Z&tzid=Europe/Berlin"+lightning).errno(0).contains("DTSTART:20260310T080000Z", "X-NSCP-DTSTART-TZID:Europe/Berlin")
}

// TestWCAP_7_11_Lists: append, replace, delete.
func TestWCAP_7_11_Lists(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&dtstart=20260310T090000Z&categories=Work;A%26B;c%3Bd&resources=beamer&contacts=Joe&relatedTos=x1;x2&attachments=http%3A%2F%2Fx%2Fa&geo=37.3;-122&seq=4&location=l").errno(0)
	has(t, s.stored("anna", "anna", "u"), "CATEGORIES:Work,A&B,c\\;d", "RESOURCES:beamer", "CONTACT:Joe", "RELATED-TO:x1", "RELATED-TO:x2", "ATTACH:http://x/a", "GEO:37.3;-122", "SEQUENCE:4")
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&categories=Work;new&relatedTos=x2;x3&attachments=http://x/b").errno(0)
	has(t, s.stored("anna", "anna", "u"), "CATEGORIES:Work,A&B,c\\;d", "CATEGORIES:new", "RELATED-TO:x3", "ATTACH:http://x/a", "ATTACH:http://x/b")
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&categories=only&replace=1&location=").errno(0)
	has(t, s.stored("anna", "anna", "u"), "CATEGORIES:only", "!Work", "!LOCATION", "RELATED-TO:x3")
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&categories=&relatedTos=&attachments=&contacts=&resources=&replace=1").errno(0)
	has(t, s.stored("anna", "anna", "u"), "!CATEGORIES", "!RELATED", "!ATTACH", "!CONTACT", "!RESOURCES")
}

// TestWCAP_7_12_XTokens: X- parameters become properties, Sun's own do not.
func TestWCAP_7_12_XTokens(t *testing.T) {
	s := newSite(t)
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&dtstart=20260310T090000Z&X-MINE=A=b^some;thing&X-NSCP-TOMBSTONE=1&X-NSCP-DTSTART-TZID=X-NSCP-ORIGINAL-OPERATION=X-NSCP-WCAP-PROPERTY-REPLACE^America/Denver").errno(0)
	has(t, s.stored("anna", "anna", "u"), "X-MINE;A=b:some\\;thing", "DTSTART;TZID=America/Denver:20260310T030000", "!TOMBSTONE")
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=u").errno(0).contains("X-MINE;A=b:some\\;thing", "X-NSCP-DTSTART-TZID:America/Denver")
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=u&fmt-out=text/xml").errno(0).contains(`<X-MINE A="b">some;thing</X-MINE>`)
	s.do("anna", "storeevents.wcap?calid=anna&uid=u&X-MINE=").errno(0)
	has(t, s.stored("anna", "anna", "u"), "!X-MINE")
}
