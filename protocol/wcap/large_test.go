package wcap

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// What export gives, import takes: a calendar of many years in either form.
func TestImportTakesALargeExport(t *testing.T) {
	const n = 25_000 / raceFactor
	s := newSite(t, func(o *Options) { o.Settings.MaxBody = 20 << 20 }) // factotum.limit.bodysize
	var items []calendar.PutItem
	for i := range n {
		items = append(items, calendar.PutItem{Data: fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u%d\r\nDTSTAMP:20260101T000000Z\r\n"+
			"DTSTART:20%02d0310T090000Z\r\nDTEND:20%02d0310T100000Z\r\nSUMMARY:Meeting %d\r\nLOCATION:Room %d\r\nDESCRIPTION:What was said\\, and by whom\r\nCATEGORIES:Work,Weekly\r\n"+
			"CLASS:PUBLIC\r\nSTATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\nPRIORITY:5\r\nSEQUENCE:1\r\nURL:http://example.com/%d\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", i, i%90+10, i%90+10, i, i%7, i)})
	}
	if _, err := s.be.PutObjects(t.Context(), calendar.Actor{User: "anna"}, calendar.PutObjectsRequest{Calendar: "anna", Items: items}); err != nil {
		t.Fatal(err)
	}
	for user, form := range map[string]string{"ben": "text/calendar", "carl": "text/xml"} {
		file := s.do("anna", "export.wcap?calid=anna&content-out="+form).body
		s.post("import.wcap?fmt-out=text/calendar&calid="+user+"&content-in="+form+"&id="+s.as(user), "application/octet-stream", file).errno(0)
		r := s.do(user, "export.wcap?calid="+user+"&content-out=text/calendar")
		if got := strings.Count(r.body, "BEGIN:VEVENT"); got != n {
			t.Errorf("%s, %d octets: %d of %d events came in", form, len(file), got, n)
		}
	}
}
