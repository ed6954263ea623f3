package wcap

import (
	"strings"
	"testing"

	"factotum/server/calendar"
)

// A series without end, of more instances than any answer has, spoils neither
// what stands beside it nor the calendars behind.
func TestEndlessSeriesSpoilsNoOther(t *testing.T) {
	rules := []string{"FREQ=MINUTELY", "FREQ=SECONDLY", "FREQ=MINUTELY;COUNT=100000"}
	if raceFactor > 1 {
		rules = rules[:1]
	}
	for _, rule := range rules {
		s := newSite(t)
		sid := s.as("anna")
		s.get("createcalendar.wcap?fmt-out=text/calendar&calid=zuletzt&id=" + sid).errno(0)
		put := func(id calendar.ID, uid, lines string) {
			text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\n" + lines +
				"\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
			req := calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: uid + ".ics"}, Data: []byte(text)}
			if _, err := s.be.PutObject(t.Context(), calendar.Actor{User: "anna"}, req); err != nil {
				t.Fatal(err)
			}
		}
		put("anna", "first", "DTSTART:20260310T090000Z")
		put("anna", "second", "DTSTART:20260301T000000Z\r\nRRULE:"+rule)
		put("anna", "third", "DTSTART:20260310T090000Z\r\nRRULE:FREQ=WEEKLY;COUNT=3")
		put("anna:zuletzt", "fourth", "DTSTART:20260310T090000Z")
		const in = "calid=anna;anna:zuletzt&dtstart=20260301T000000Z&dtend=20270301T000000Z&fmt-out=text/calendar&id="
		for _, command := range []string{
			"fetchcomponents_by_range.wcap?", "fetchcomponents_by_range.wcap?recurring=1&", "fetchcomponents_by_range.wcap?fetchorder=1&",
			"fetchcomponents_by_range.wcap?component-type=event&", "fetchcomponents_by_alarmrange.wcap?", "fetchcomponents_by_lastmod.wcap?", "export.wcap?content-out=text/calendar&",
		} {
			r := s.get(command + in + sid)
			for _, uid := range []string{"first", "second", "third", "fourth"} {
				if !strings.Contains(r.body, "UID:"+uid) {
					t.Errorf("%s: %s lacks %s", rule, command, uid)
				}
			}
			if got := strings.Trim(r.errnos(), "0 "); got != "" {
				t.Errorf("%s: %s: errno %s", rule, command, got)
			}
		}
		if got := s.get("get_freebusy.wcap?" + in + sid).errnos(); got != "0 0" {
			t.Errorf("%s: free/busy: errno %s", rule, got)
		}
		s.get("deletecomponents_by_range.wcap?calid=anna;anna:zuletzt&dtstart=20260310T000000Z&dtend=20260311T000000Z&fmt-out=text/calendar&id=" + sid)
		r := s.get("fetchcomponents_by_range.wcap?recurring=1&" + in + sid)
		if strings.Contains(r.body, "UID:first") || strings.Contains(r.body, "UID:fourth") {
			t.Errorf("%s: what stands beside the series was not deleted", rule)
		}
	}
}
