package wcap

import (
	"strings"
	"testing"

	"factotum/server/calendar"
)

// What a range takes in is one thing for fetch, export, import and delete: an
// undated task is in none that has an end. WCAP §9.15.
func TestRangesAgreeAboutTasks(t *testing.T) {
	for _, c := range []struct {
		lines string
		in    bool // March of 2026
	}{
		{"SUMMARY:undated", false},
		{"SUMMARY:undated\r\nCREATED:20260305T090000Z", false},
		{"SUMMARY:undated\r\nCREATED:20200305T090000Z\r\nCOMPLETED:20260305T090000Z\r\nSTATUS:COMPLETED", false},
		{"DUE:20260305T090000Z", true},
		{"DTSTART:20260305T090000Z", true},
		{"DTSTART:20260305T090000Z\r\nDUE:20260306T090000Z", true},
		{"DUE:20260401T000000Z", true}, // RFC 4791 §9.9: a task is at its end, too
		{"DUE:20260402T090000Z", false},
		{"DTSTART:20260228T090000Z", false},
	} {
		s := newSite(t)
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTODO\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n" + c.lines + "\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
		there := func() bool {
			return strings.Contains(s.do("anna", "fetchtodos_by_id.wcap?calid=anna&uid=u&fmt-out=text/calendar").body, "DTSTAMP")
		}
		s.as("anna")
		const march = "dtstart=20260301T000000Z&dtend=20260401T000000Z&calid=anna&fmt-out=text/calendar&id="
		s.post("import.wcap?content-in=text/calendar&"+march+s.sid["anna"], "text/calendar", text)
		if got := there(); got != c.in {
			t.Errorf("%s: imported: %t", c.lines, got)
		}
		if !c.in {
			if _, err := s.be.PutObject(t.Context(), calendar.Actor{User: "anna"}, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "u.ics"}, Data: []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, command := range []string{"fetchcomponents_by_range.wcap?", "export.wcap?content-out=text/calendar&"} {
			if got := strings.Contains(s.get(command+march+s.sid["anna"]).body, "BEGIN:VTODO"); got != c.in {
				t.Errorf("%s: %s shows it: %t", c.lines, command, got)
			}
		}
		s.get("deletecomponents_by_range.wcap?" + march + s.sid["anna"]).errno(0)
		if got := there(); got == c.in {
			t.Errorf("%s: left: %t", c.lines, got)
		}
		s.get("deletetodos_by_range.wcap?calid=anna&fmt-out=text/calendar&id=" + s.sid["anna"]).errno(0)
		if there() {
			t.Errorf("%s: the open range leaves it", c.lines)
		}
	}
}
