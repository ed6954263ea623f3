package caldav

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// sink is the cheapest ResponseWriter there is.
type sink struct {
	h      http.Header
	status int
	n      int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(code int)        { s.status = code }
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }

func benchmark(b *testing.B, objects int, method, path, body string, headers ...string) {
	person := calendar.Person{ID: "anna"}
	h := New(Options{Backend: newFixed(objects), Login: func(context.Context, string, string, netip.Addr) (calendar.Person, error) { return person, nil }})
	r := newRequest(method, path, strings.NewReader(body), headers...)
	r.SetBasicAuth("anna", "anna")
	w := &sink{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		w.n = 0
		r.Body = io.NopCloser(strings.NewReader(body))
		h.ServeHTTP(w, r)
	}
	b.SetBytes(int64(w.n))
}

func BenchmarkGet(b *testing.B) { benchmark(b, 1, "GET", annasCal+"a.ics", "") }

func BenchmarkPropfindEtags1000(b *testing.B) {
	benchmark(b, 1000, "PROPFIND", annasCal, propfind("D:getetag"), "Depth: 1")
}

func BenchmarkPropfindListing1000(b *testing.B) {
	benchmark(b, 1000, "PROPFIND", annasCal, propfind("D:resourcetype", "D:getcontenttype", "D:getetag"), "Depth: 1")
}

func BenchmarkMultiget50(b *testing.B) {
	benchmark(b, 50, "REPORT", annasCal, multigetBody(50), "Depth: 1")
}

func BenchmarkQuery100(b *testing.B) {
	benchmark(b, 100, "REPORT", annasCal, xmlHead("C:calendar-query")+props("D:getetag", "C:calendar-data")+
		`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="20260301T000000Z" end="20260401T000000Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`, "Depth: 1")
}

func BenchmarkSync1000(b *testing.B) {
	benchmark(b, 1000, "REPORT", annasCal, xmlHead("D:sync-collection")+"<D:sync-token/><D:sync-level>1</D:sync-level>"+props("D:getetag", "D:getcontenttype")+"</D:sync-collection>")
}

func multigetBody(n int) string {
	var b strings.Builder
	b.WriteString(xmlHead("C:calendar-multiget") + props("D:getetag", "C:calendar-data"))
	for i := range n {
		fmt.Fprintf(&b, "<D:href>%suid-%04d@example.com.ics</D:href>", annasCal, i)
	}
	b.WriteString("</C:calendar-multiget>")
	return b.String()
}
