package caldav

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/observe/costtest"
)

// BenchmarkHosts is what lists of a thousand cost where the back end is another
// process, as a ratio of what they cost in one: the CPU of both sides, without
// the HTTP of either. The two take turns.
//
//	go test -run '^$' -bench Hosts -benchtime 500x ./protocol/caldav
func BenchmarkHosts(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(300)) // as calserver does
	s := openSite(b, sitetest.Options{})
	var items []calendar.PutItem
	for i := range 1000 {
		uid := fmt.Sprintf("6F9619FF-8B86-D011-B42D-00CF4FC9%04d", i)
		items = append(items, calendar.PutItem{Name: uid + ".ics", Data: []byte(strings.ReplaceAll(
			"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:"+uid+"\nDTSTAMP:20260101T000000Z\nDTSTART:20260901T090000Z\nDTEND:20260901T100000Z\nDESCRIPTION:"+
				strings.Repeat("words ", 100)+"\nEND:VEVENT\nEND:VCALENDAR\n", "\n", "\r\n"))})
	}
	who := calendar.Actor{User: "anna"}
	if _, err := s.be.Home(b.Context(), who, calendar.HomeRequest{Owner: "anna"}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.be.PutObjects(b.Context(), who, calendar.PutObjectsRequest{Calendar: "anna", Items: items}); err != nil {
		b.Fatal(err)
	}
	hosts := s.over(sitetest.OverDWP(b, s.base.Model))
	for _, c := range []struct{ name, method, depth, body string }{
		{"propfind", "PROPFIND", "1", `<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>`},
		{"syncinit", "REPORT", "0", `<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`},
		{"query", "REPORT", "1", `<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/><C:calendar-data/></prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`},
	} {
		run := func(s *site) time.Duration {
			before := costtest.CPU()
			req := newRequest(c.method, annasCal, strings.NewReader(c.body), "Depth: "+c.depth)
			req.SetBasicAuth("anna", "anna")
			w := &counter{header: http.Header{}}
			s.h.ServeHTTP(w, req)
			took := costtest.CPU() - before
			if w.code != http.StatusMultiStatus || w.octets < 100_000 {
				b.Fatal(w.code, w.octets)
			}
			return took
		}
		b.Run(c.name, func(b *testing.B) {
			run(s)
			run(hosts)
			var one, two time.Duration
			for range b.N {
				one += run(s)
				two += run(hosts)
			}
			b.ReportMetric(float64(one.Microseconds())/float64(b.N), "one-us/op")
			b.ReportMetric(float64(two.Microseconds())/float64(b.N), "hosts-us/op")
			b.ReportMetric(float64(two)/float64(one), "ratio")
		})
	}
}

// counter is where answers go of which only the length matters.
type counter struct {
	header http.Header
	code   int
	octets int
}

func (c *counter) Header() http.Header { return c.header }

func (c *counter) WriteHeader(code int) { c.code = code }

func (c *counter) Write(p []byte) (int, error) {
	c.octets += len(p)
	return len(p), nil
}
