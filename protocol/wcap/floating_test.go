package wcap

import (
	"strings"
	"testing"

	"factotum/server/calendar"
)

// TestFloatingInOwnZone: a calendar whose zone is a text of its own, as CalDAV
// clients set it, shows its floating times in that zone, and finds them there.
// WCAP §5, RFC 4791 §5.2.2.
func TestFloatingInOwnZone(t *testing.T) {
	s := newSite(t)
	who := s.people.Actor("anna")
	text := strings.ReplaceAll(`BEGIN:VCALENDAR
VERSION:2.0
PRODID:x
BEGIN:VTIMEZONE
TZID:Far West
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:-0700
TZOFFSETTO:-0700
END:STANDARD
END:VTIMEZONE
END:VCALENDAR
`, "\n", "\r\n")
	if _, err := s.be.UpdateCalendar(t.Context(), who, calendar.UpdateCalendarRequest{ID: "anna", Timezone: &text}); err != nil {
		t.Fatal(err)
	}
	s.put("anna", "anna", "one.ics", simpleEvent("one", "20260303T080000"))
	s.put("anna", "anna", "daily.ics", strings.Replace(simpleEvent("daily", "20260302T081500", "RRULE:FREQ=DAILY"), "PT1H", "PT15M", 1))
	s.put("anna", "anna", "days.ics", strings.Replace(simpleEvent("days", "20260302T010000"), "PT1H", "P1DT1H", 1))
	const window = "&dtstart=20260303T144500Z&dtend=20260303T160000Z"
	for _, form := range []string{"", "&fmt-out=text/xml", "&fmt-out=text/json", "&maxResults=9", "&fetchorder=0"} {
		for range 2 { // remembered, too
			r := s.do("anna", "fetchcomponents_by_range.wcap?calid=anna"+window+form).errno(0)
			r.contains("20260303T150000Z", "20260303T151500Z", "20260303T153000Z", "America/Phoenix").lacks("T080000", "T081500", "days")
		}
	}
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=days&rid=0").errno(0).contains("DTSTART:20260302T080000Z", "DTEND:20260303T090000Z", "X-NSCP-DTSTART-TZID:America/Phoenix")
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=daily&rid=20260304T151500Z&mod=1").errno(0).contains("RECURRENCE-ID:20260304T151500Z", "DTSTART:20260304T151500Z")
	s.do("anna", "storeevents.wcap?calid=anna&uid=daily&summary=x&fetch=1&storetype=2").errno(0).contains("DTSTART:20260302T151500Z", "SUMMARY:x")
	s.do("anna", "verifyevents_by_ids.wcap?calid=anna&uid=daily&rid=20260304T151500Z").lacks("VEVENT")
}

// TestNamedZones: clients know zones by name, so that times of a zone that is
// only a text are told with one of the database that has the same hours. WCAP §5.
func TestNamedZones(t *testing.T) {
	s := newSite(t)
	const eu = "BEGIN:STANDARD\r\nDTSTART:16011028T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n" +
		"BEGIN:DAYLIGHT\r\nDTSTART:16010325T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\n"
	const fixed = "BEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0800\r\nTZOFFSETTO:+0800\r\nEND:STANDARD\r\n"
	for _, c := range []struct{ tzid, zone, start, want string }{
		{"Customized Time Zone", fixed, "20260305T010000Z", "Asia/Shanghai"},
		{"Customized Time Zone 1", eu, "20260305T080000Z", "Europe/Berlin"},
		{`(UTC+01:00) Stockholm\, Rome`, eu, "20260305T080000Z", "Europe/Berlin"}, // that of the calendar
		{"tzone://Microsoft/Custom", fixed, "20260305T010000Z", "Asia/Shanghai"},
		{"W. Europe Standard Time", eu, "20260305T080000Z", "Europe/Berlin"},
		{"Europe/Paris", eu, "20260305T080000Z", "Europe/Berlin"},
	} {
		name := strings.ReplaceAll(c.tzid, `\`, "")
		for _, shape := range []string{"DTEND;TZID=\"" + name + "\":20260305T100000", "DURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=2"} {
			s.put("anna", "anna", "e.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:"+c.tzid+"\r\n"+c.zone+"END:VTIMEZONE\r\n"+
				"BEGIN:VEVENT\r\nUID:e\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=\""+name+"\":20260305T090000\r\n"+shape+"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
			s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260305T000000Z&dtend=20260306T000000Z").errno(0).
				contains("DTSTART:"+c.start, "X-NSCP-DTSTART-TZID:"+c.want, "X-NSCP-DTEND-TZID:"+c.want).lacks("TZID:UTC")
		}
	}
}

// TestTimesAsTheyStand: what has no zone is shown by the clock on the wall of its
// calendar whoever looks, a day as that day, and what ends before it begins as
// what it is taken for everywhere.
func TestTimesAsTheyStand(t *testing.T) {
	s := newSite(t)
	s.as("anna")
	for i, c := range []struct{ lines, want string }{
		{"DTSTART:20260328T120000\nDTEND:20260329T120000", "20260328T110000Z/20260329T100000Z"}, // over the change of clocks
		{"DTSTART:20260328T120000\nDURATION:P1D", "20260328T110000Z/20260329T100000Z"},
		{"DTSTART:20260328T120000\nDURATION:PT24H", "20260328T110000Z/20260329T110000Z"},
		{"DTSTART:20260329T023000\nDTEND:20260329T033000", "20260329T013000Z/20260329T023000Z"}, // in the gap
		{"DTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260330", "20260329/20260330"},
		{"DTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260329", "20260329/20260330"},
		{"DTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260301", "20260329/20260330"},
		{"DTSTART:20260310T090000Z\nDTEND:20260310T080000Z", "20260310T090000Z/20260310T090000Z"},
		{"DTSTART:20260310T090000Z\nDTEND:20260310T090000Z", "20260310T090000Z/20260310T090000Z"},
		{"DTSTART;TZID=No/Where:20260310T090000\nDTEND;TZID=No/Where:20260310T100000", "20260310T080000Z/20260310T090000Z"},
		{"DTSTART:20260310T090000Z\nDTEND;VALUE=DATE:20260311", "20260310T090000Z/20260311T000000Z"},
		{"DTSTART;TZID=Europe/Berlin:20260310T090000\nDTEND;VALUE=DATE:20260311", "20260310T080000Z/20260310T230000Z"},
		{"DTSTART;VALUE=DATE:20260329\nDTEND:20260330T120000Z", "20260329/20260331"},
		{"DTSTART;VALUE=DATE:20260329\nDURATION:PT12H", "20260329/20260330"},
		{"DTSTART;VALUE=DATE:20260329\nDURATION:PT36H", "20260329/20260331"},
		{"DTSTART;VALUE=DATE:20260329\nDURATION:PT0S", "20260329/20260330"},
		{"DTSTART;VALUE=DATE:20260329\nDURATION:-P1D", "20260329/20260330"},
		{"DTSTART:20260310T090000Z\nDURATION:-PT1H", "20260310T090000Z/20260310T090000Z"},
		{"DTSTART;TZID=America/New_York:20260310T090000\nDTEND:20260310T100000", "20260310T130000Z/20260310T140000Z"},
		{"DTSTART:20260310T090000Z\nDTEND:20260310T100000", "20260310T090000Z/20260310T100000Z"},
	} {
		for _, series := range []string{"", "\nRRULE:FREQ=YEARLY;COUNT=2"} {
			uid := "e" + itoa(i)
			s.put("anna", "anna", uid+".ics", "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:"+uid+"\nDTSTAMP:20260101T000000Z\n"+c.lines+series+"\nEND:VEVENT\nEND:VCALENDAR\n")
			for _, q := range []string{"", "&recurring=1&compressed=1", "&tzid=America/New_York"} {
				r := s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid="+uid+q).errno(0)
				if got := r.value("DTSTART") + "/" + r.value("DTEND"); got != c.want {
					t.Errorf("%q%s%s: %s, want %s", c.lines, series, q, got, c.want)
				}
			}
		}
	}
	s.put("anna", "anna", "t.ics", "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VTODO\nUID:t\nDTSTAMP:20260101T000000Z\nDUE;TZID=Europe/Berlin:20260328T120000\nRRULE:FREQ=DAILY;COUNT=2\nEND:VTODO\nEND:VCALENDAR\n")
	s.do("anna", "fetchtodos_by_id.wcap?calid=anna&uid=t").errno(0).contains("DUE:20260328T110000Z", "DUE:20260329T100000Z").lacks("\nDTSTART")
}
