package wcap

import (
	"strings"
	"testing"
	"time"
)

// TestWCAP_9_14_Instances: an instance that was deleted, by whichever protocol,
// is told of as such, and its series is not.
func TestWCAP_9_14_Instances(t *testing.T) {
	s := newSite(t)
	series := simpleEvent("w", "20260303T090000Z", "RRULE:FREQ=WEEKLY;COUNT=5")
	s.put("anna", "anna", "w.ics", series)
	s.put("anna", "anna", "old.ics", simpleEvent("old", "20260303T090000Z", "RRULE:FREQ=WEEKLY;COUNT=5", "EXDATE:20260310T090000Z"))
	s.clock.Add(10 * time.Minute)
	since := utc(s.clock.Now())
	for _, how := range []string{"WCAP", "CalDAV"} {
		s.clock.Add(time.Minute)
		if how == "WCAP" {
			s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=w&mod=1&rid=20260310T090000Z").errno(0)
		} else {
			s.put("anna", "anna", "w.ics", strings.Replace(series, "RRULE", "EXDATE:20260310T090000Z\nRRULE", 1))
		}
		at := utc(s.clock.Now())
		for _, q := range []string{"", "&recurring=1", "&recurring=1&compressed=1&relativealarm=1&emailorcalid=1"} {
			r := s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&dtstart="+since+"&dtend="+at+q).errno(0)
			r.contains("BEGIN:VEVENT\r\nUID:w\r\nRECURRENCE-ID:20260310T090000Z\r\nDTSTAMP:", "DTSTART:20260310T090000Z\r\n", "LAST-MODIFIED:"+at+"\r\n", "X-NSCP-TRIGGERED_BY:anna\r\n").lacks("RRULE", "SUMMARY", "UID:old")
			if n := strings.Count(r.body, "BEGIN:VEVENT"); n != 1 {
				t.Errorf("%s: %d components in\n%s", how, n, r.body)
			}
		}
		s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&dtstart=0&dtend=0").errno(0).contains("RECURRENCE-ID:20260310T090000Z").lacks("UID:old")
		s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&component-type=todo&dtstart="+since).errno(0).lacks("UID:w")
		s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&dtstart="+since+"&dtend="+since).errno(0).lacks("UID:w")
		s.do("anna", "fetchcomponents_by_lastmod.wcap?calid=anna&recurring=1&compressed=1&dtstart="+since).errno(0).contains("UID:w", "EXDATE:20260310T090000Z")
	}
	s.clock.Add(time.Minute)
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=w&mod=1&rid=20260303T090000Z").errno(0)
	r := s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&maxResults=1&dtstart="+since).errno(0)
	if n := strings.Count(r.body, "BEGIN:VEVENT"); n != 1 {
		t.Errorf("%d components", n)
	}
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=w&mod=4&rid=0").errno(0)
	s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&recurring=1&dtstart="+since).errno(0).contains("UID:w", "RRULE").lacks("RECURRENCE-ID")
}
