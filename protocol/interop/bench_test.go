package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
)

// The same event goes in by both protocols: what storeevents costs beside a PUT.

const stored = `BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Test//EN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:20250330T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20251026T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:%s
DTSTAMP:20260101T000000Z
CREATED:20260101T000000Z
LAST-MODIFIED:20260101T000000Z
SEQUENCE:0
DTSTART;TZID=Europe/Berlin:20260310T100000
DTEND;TZID=Europe/Berlin:20260310T110000
SUMMARY:A meeting
DESCRIPTION:What there is to say about it
LOCATION:Room 1
CLASS:PUBLIC
STATUS:CONFIRMED
TRANSP:OPAQUE
PRIORITY:0
CATEGORIES:Work
END:VEVENT
END:VCALENDAR
`

func BenchmarkPut(b *testing.B) {
	s := newSite(b, sitetest.Variants[0])
	text := strings.ReplaceAll(stored, "\n", "\r\n")
	n := 0
	for b.Loop() {
		n++
		uid := fmt.Sprintf("uid-%d", n)
		s.dav(b, "PUT", uid+".ics", strings.Replace(text, "%s", uid, 1), http.StatusCreated)
	}
}

func BenchmarkStoreevents(b *testing.B) {
	s := newSite(b, sitetest.Variants[0])
	n := 0
	for b.Loop() {
		n++
		w := httptest.NewRecorder()
		s.wcap.ServeHTTP(w, httptest.NewRequest("GET", "/storeevents.wcap?calid=anna&dtstart=20260310T090000Z&dtend=20260310T100000Z&tzid=Europe%2FBerlin&isAllDay=0"+
			"&summary=A%20meeting&desc=What%20there%20is%20to%20say%20about%20it&location=Room%201&icsClass=PUBLIC&status=0&transparent=0&priority=0&categories=Work"+
			"&storetype=1&mod=4&method=1&replace=1&uid=uid-"+fmt.Sprint(n)+"&id="+s.sid, nil))
		if !strings.Contains(w.Body.String(), "ERRNO:0") {
			b.Fatal(w.Body)
		}
	}
}
