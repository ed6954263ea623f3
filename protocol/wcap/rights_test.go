package wcap

import (
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Reading needs a^r^g: with c^r^g alone, or p^r^g, nobody reads a component,
// logged in or not. WCAP §4.3.
func TestReadingNeedsBothParts(t *testing.T) {
	for list, want := range map[string]string{"@^c^r^g": "28", "@^c^rwd^g": "28", "@^p^r^g;@^a^fs^g": "28", "@^a^r^g": "0"} {
		s := newSite(t)
		s.do("anna", "storeevents.wcap?calid=anna&uid=u&dtstart=20260305T090000Z&summary=Secret&storetype=1&fmt-out=text/calendar").errno(0)
		l := acl.MustParse(list)
		if _, err := s.be.UpdateCalendar(t.Context(), calendar.Actor{User: "anna"}, calendar.UpdateCalendarRequest{ID: "anna", ACL: &l}); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{
			"fetchcomponents_by_range.wcap?dtstart=20260301T000000Z&dtend=20260401T000000Z", "fetchcomponents_by_lastmod.wcap?dtstart=20000101T000000Z",
			"fetchevents_by_id.wcap?uid=u", "export.wcap?content-out=text/calendar", "fetch_deletedcomponents.wcap?dtstart=20000101T000000Z",
		} {
			for who, r := range map[string]*reply{
				"ben":     s.do("ben", command+"&calid=anna&fmt-out=text/calendar"),
				"anybody": s.get(command + "&calid=anna&fmt-out=text/calendar"),
			} {
				if got := r.errnos(); want != "0" && got != want || strings.Contains(r.body, "Secret") != (want == "0" && !strings.Contains(command, "deleted")) {
					t.Errorf("%s: %s as %s: errno %s\n%s", list, command, who, got, r.body)
				}
			}
		}
		if want != "0" {
			s.do("ben", "storeevents.wcap?calid=anna&uid=v&dtstart=20260305T090000Z&summary=x&fmt-out=text/calendar").errno(28)
			s.do("ben", "deleteevents_by_id.wcap?calid=anna&uid=u&mod=4&fmt-out=text/calendar").errno(28)
		}
	}
}
