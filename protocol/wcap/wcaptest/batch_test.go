package wcaptest

import (
	"strings"
	"testing"
	"time"
)

// TestBatches: what one component of a call is refused for spoils no other,
// on any engine; and a series that is split is two at once.
func TestBatches(t *testing.T) {
	everywhere(t, func(t *testing.T, s *site) {
		there := func(uids ...string) {
			t.Helper()
			list := strings.Join(uids, ";")
			got := s.do("anna", "verifyevents_by_ids.wcap?calid=anna&uid="+list+"&rid="+strings.TrimSuffix(strings.Repeat("0;", len(uids)), ";")).errno("0")
			if strings.Contains(got.body, "UID:") {
				t.Errorf("missing:\n%s", got.body)
			}
		}
		const new = "&storetype=1&dtstart=20260310T090000Z"
		s.do("anna", "storeevents.wcap?calid=anna&uid=b"+new).errno("0")
		r := s.do("anna", "storeevents.wcap?calid=anna&uid=a;b;c"+new).errno("63")
		if !strings.Contains(r.body, "UID:b\r\nREQUEST-STATUS:3.7;Failed. Store failed.;63\r\n") || strings.Count(r.body, "2.0;Success.") != 2 {
			t.Errorf("stored:\n%s", r.body)
		}
		there("a", "b", "c")
		r = s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=a;none;c&rid=0;0;0&mod=4;4;4").errno("59")
		if !strings.Contains(r.body, "UID:none\r\nREQUEST-STATUS:3.1;Failed. No such component.;59\r\n") {
			t.Errorf("deleted:\n%s", r.body)
		}
		there("b")
		s.do("anna", "deleteevents_by_range.wcap?calid=anna").errno("0")

		s.caldav("anna", "PUT", davPath("anna")+"long.ics", wrap(event("long", "20260303T090000Z", "RRULE:FREQ=DAILY")...), 201)
		s.do("anna", "storeevents.wcap?calid=anna&uid=long&mod=2&rid=20260306T090000Z&location=There").errno("0")
		r = s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260311T000000Z").errno("0")
		if here, moved := strings.Count(r.body, "UID:long\r\n"), strings.Count(r.body, "LOCATION:There\r\n"); here != 3 || moved != 5 {
			t.Errorf("%d and %d instances:\n%s", here, moved, r.body)
		}
		s.clock.Add(time.Minute)
		s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=long&mod=1&rid=20260304T090000Z").errno("0")
		r = s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&recurring=1").errno("0")
		if !strings.Contains(r.body, "UID:long\r\nRECURRENCE-ID:20260304T090000Z\r\n") {
			t.Errorf("deleted:\n%s", r.body)
		}
	})
}
