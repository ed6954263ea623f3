package wcap

import (
	"strings"
	"testing"
)

// TestWCAP_6_2_ThisAndFuture: of a series without end the later part becomes a
// series of its own, and deletions take exactly their part.
func TestWCAP_6_2_ThisAndFuture(t *testing.T) {
	s := newSite(t)
	start := func(uid string) {
		s.put("anna", "anna", uid+".ics", simpleEvent(uid, "20260303T090000Z", "RRULE:FREQ=DAILY"))
	}
	const march = "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260311T000000Z"
	start("u")
	s.upload("anna", "storeevents.wcap?calid=anna&uid=u&mod=2&rid=20260306T090000Z&location=Elsewhere", [2]string{"Content-Disposition: form-data; name=f; filename=x", "data"}).errno(0).contains("UID:u\r\n")
	r := s.do("anna", march).errno(0)
	if here, there := strings.Count(r.body, "UID:u\r\n"), strings.Count(r.body, "LOCATION:Elsewhere"); here != 3 || there != 5 || strings.Count(r.body, "BEGIN:VEVENT") != 8 {
		t.Errorf("%d and %d instances:\n%s", here, there, r.body)
	}
	r = s.do("anna", "export.wcap?calid=anna&content-out=text/calendar")
	if n := strings.Count(r.body, "MANAGED-ID"); n != 1 || strings.Count(r.body, "RRULE:") != 2 {
		t.Errorf("%d files:\n%s", n, r.body)
	}
	id := attachPattern.FindStringSubmatch(strings.ReplaceAll(s.do("anna", march).body, "\r\n ", ""))[1]
	for _, uid := range s.do("anna", march).values("UID")[3:4] {
		if got := s.do("anna", "fetchattachment.wcap?calid=anna&uid="+uid+"&attachid="+id).fetched(); got["x application/octet-stream"] != "data" {
			t.Errorf("the file is %q", got)
		}
	}
	s.do("anna", "deleteevents_by_range.wcap?calid=anna").errno(0)
	start("v")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=v&mod=3&rid=20290101T090000Z").errno(0)
	s.do("anna", march).errno(0).lacks("UID:v")
	s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&recurring=1&compressed=1&dtstart=20300101T000000Z&dtend=20300102T000000Z").errno(0).
		contains("UID:v\r\n", "DTSTART:20290102T090000Z\r\n", "RRULE:FREQ=DAILY\r\n")
}
