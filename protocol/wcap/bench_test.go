package wcap

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"factotum/server/calendar"
)

// fill puts n events into anna's calendar, three a day.
func (s *site) fill(n int) {
	s.t.Helper()
	s.as("anna")
	items := make([]calendar.PutItem, n)
	for i := range items {
		start := time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC).AddDate(0, 0, i/3).Add(time.Duration(i%3) * 2 * time.Hour)
		items[i].Data = []byte(simpleEvent(fmt.Sprintf("uid-%05d", i), start.Format(utcForm),
			"DESCRIPTION:What there is to say about this meeting\\, at some length\\, so that it looks like a real one.", "LOCATION:Room 1",
			"ORGANIZER;CN=Anna:mailto:anna@example.com", "ATTENDEE;CN=Ben;PARTSTAT=ACCEPTED:mailto:ben@example.com"))
	}
	res, err := s.be.PutObjects(context.Background(), s.people.Actor("anna"), calendar.PutObjectsRequest{Calendar: "anna", Items: items})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range res {
		if r.Err != nil {
			s.t.Fatal(r.Err)
		}
	}
}

// counter is a ResponseWriter that keeps nothing.
type counter struct {
	h    http.Header
	n    int
	peak uint64 // most memory in use while it wrote
}

func (c *counter) Header() http.Header { return c.h }
func (c *counter) WriteHeader(int)     {}
func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	return len(b), nil
}

func BenchmarkFetchMonth(b *testing.B) {
	s := newSite(b)
	s.fill(10_000)
	url := "http://cal.example.com/fetchcomponents_by_range.wcap?compressed=1&recurring=1&emailorcalid=1&dtstart=20270101T000000Z&dtend=20270201T000000Z&calid=anna&id=" + s.as("anna")
	for b.Loop() {
		w := &counter{h: http.Header{}}
		s.h.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
		if w.n < 50_000 {
			b.Fatalf("%d octets", w.n)
		}
	}
}

func BenchmarkFreebusyHundred(b *testing.B) {
	s := newSite(b)
	s.fill(1000)
	list := ""
	for range 100 {
		list += "anna;"
	}
	url := "http://cal.example.com/get_freebusy.wcap?dtstart=20260301T000000Z&dtend=20260401T000000Z&calid=" + list + "&id=" + s.as("anna")
	for b.Loop() {
		w := &counter{h: http.Header{}}
		s.h.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
	}
}

// TestFetchStreams: a fetch of 10,000 events is sent as it grows; what the
// front holds meanwhile stays small.
func TestFetchStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a large calendar")
	}
	s := newSite(t)
	s.fill(10_000 / raceFactor)
	url := "http://cal.example.com/fetchcomponents_by_range.wcap?compressed=1&recurring=1&calid=anna&id=" + s.as("anna")
	ask := func() *streamed {
		w := &streamed{counter: counter{h: http.Header{}}}
		s.h.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
		return w
	}
	ask() // the back end's caches fill
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := ask()
	if w.n < 5<<20/raceFactor || w.biggest > 64<<10 {
		t.Errorf("%d octets in writes of at most %d", w.n, w.biggest)
	}
	if grown := int64(w.peak) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d octets", grown)
	}
}

// streamed notes how much is held while an answer is written.
type streamed struct {
	counter
	writes, biggest int
}

func (s *streamed) Write(b []byte) (int, error) {
	s.biggest = max(s.biggest, len(b))
	if s.writes++; s.writes%40 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		s.peak = max(s.peak, m.HeapAlloc)
	}
	return s.counter.Write(b)
}
