package wcap

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/observe/costtest"

	"github.com/google/go-cmp/cmp"
)

// series puts n daily series into anna's calendar, each written twice, so that it
// was changed after it was made.
func (s *site) series(n int) {
	s.t.Helper()
	s.as("anna")
	for seq := range 2 {
		s.clock.Add(time.Second)
		for from := 0; from < n; from += 1000 {
			items := make([]calendar.PutItem, min(1000, n-from))
			for i := range items {
				start := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, (from+i)%365)
				items[i].Data = []byte(simpleEvent(fmt.Sprintf("uid-%06d", from+i), start.Format(utcForm), "RRULE:FREQ=WEEKLY;COUNT=10", "SUMMARY:A meeting "+itoa(seq)))
			}
			res, err := s.be.PutObjects(context.Background(), s.people.Actor("anna"), calendar.PutObjectsRequest{Calendar: "anna", Items: items, Replace: true})
			if err != nil {
				s.t.Fatal(err)
			}
			for _, r := range res {
				if r.Err != nil {
					s.t.Fatal(r.Err)
				}
			}
		}
	}
}

// TestWhoDeleted: X-NSCP-TRIGGERED_BY names who it was, by whichever way, and over
// hosts too; nobody where that is not known.
func TestWhoDeleted(t *testing.T) {
	for _, dwp := range []bool{false, true} {
		s := newSite(t)
		if dwp {
			clock := &sitetest.Clock{}
			base := sitetest.New(t, sitetest.Options{Clock: clock, DWP: true})
			s = newSite(t, func(o *Options) {
				o.Backend, o.People, o.Sessions, o.Now, o.Login = base.Backend, base.People, base.Sessions, base.Now, base.Login
			})
			s.clock, s.people = clock, base.People
		}
		s.do("anna", "set_calprops.wcap?calid=anna&acl=ben^a^rwd^g").errno(0)
		for _, uid := range []string{"one", "many", "range", "dav", "root", "mine", "proxy"} {
			s.put("anna", "anna", uid+".ics", simpleEvent(uid, "20260310T090000Z"))
		}
		s.put("anna", "anna", "series.ics", simpleEvent("series", "20260310T090000Z", "RRULE:FREQ=DAILY;COUNT=5"))
		s.put("anna", "anna", "todo.ics", "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VTODO\nUID:todo\nDTSTAMP:20260101T000000Z\nDUE:20300310T090000Z\nEND:VTODO\nEND:VCALENDAR\n")
		s.clock.Add(time.Minute)
		since := s.h.now().Format(utcForm)
		s.do("ben", "deleteevents_by_id.wcap?calid=anna&uid=one;many&rid=0;0&mod=4;4").errno(0)
		s.do("ben", "deleteevents_by_id.wcap?calid=anna&uid=series&rid=20260311T090000Z&mod=1").errno(0)
		s.do("ben", "deletetodos_by_range.wcap?calid=anna&dtstart=20300101T000000Z&dtend=20310101T000000Z").errno(0)
		s.remove("ben", "anna", "dav.ics")
		s.remove("root", "anna", "root.ics")
		s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=mine&rid=0&mod=4").errno(0)
		proxy := s.get("login.wcap?user=root&password=root&proxyauth=ben").value("X-NSCP-WCAP-SESSION-ID")
		s.get("deleteevents_by_id.wcap?calid=anna&uid=proxy&rid=0&mod=4&id=" + proxy).errno(0)
		got := map[string]string{}
		r := s.do("anna", "fetch_deletedcomponents.wcap?calid=anna&recurring=1&dtstart="+since).errno(0)
		for _, block := range strings.Split(r.unfolded(), "BEGIN:V")[2:] {
			uid, _, _ := strings.Cut(block[strings.Index(block, "UID:")+4:], "\r\n")
			_, by, _ := strings.Cut(block, "X-NSCP-TRIGGERED_BY:")
			got[uid], _, _ = strings.Cut(by, "\r\n")
		}
		want := map[string]string{"one": "ben", "many": "ben", "series": "ben", "todo": "ben", "dav": "ben", "root": "root", "mine": "anna", "proxy": "ben"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("over DWP %v: %s\n%s", dwp, d, r.body)
		}
	}
}

// BenchmarkFetchDeleted: what a client's poll costs, by what is in the calendar
// and by what was deleted.
func BenchmarkFetchDeleted(b *testing.B) {
	ask := func(b *testing.B, s *site, query string) {
		b.ReportAllocs()
		before := costtest.CPU()
		n := 0
		for b.Loop() {
			w := &counter{h: http.Header{}}
			s.h.ServeHTTP(w, httptest.NewRequest("GET", "http://cal.example.com/fetch_deletedcomponents.wcap?"+query+"&calid=anna&id="+s.as("anna"), nil))
			n = w.n
		}
		b.ReportMetric(float64(costtest.CPU()-before)/float64(b.N)/1e6, "cpu-ms/op")
		b.ReportMetric(float64(n), "octets")
	}
	for _, live := range []int{1000, 20_000} {
		s := newSite(b)
		s.series(live)
		s.clock.Add(time.Minute)
		since := "recurring=1&dtstart=" + s.h.now().Format(utcForm)
		s.clock.Add(time.Minute)
		s.put("anna", "anna", "one.ics", simpleEvent("one", "20260310T090000Z"))
		s.remove("anna", "anna", "one.ics")
		b.Run(fmt.Sprint(live, "-live-poll"), func(b *testing.B) { ask(b, s, since) })
		b.Run(fmt.Sprint(live, "-live-first"), func(b *testing.B) { ask(b, s, "recurring=1") })
	}
	for _, gone := range []int{1000, 50_000} {
		s := newSite(b)
		s.fill(gone)
		s.clock.Add(time.Minute)
		since := "dtstart=" + s.h.now().Format(utcForm)
		s.do("anna", "deletecomponents_by_range.wcap?calid=anna").errno(0)
		b.Run(fmt.Sprint(gone, "-gone"), func(b *testing.B) { ask(b, s, since) })
	}
}
