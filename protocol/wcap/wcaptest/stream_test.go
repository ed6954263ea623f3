package wcaptest

import (
	"net/http"
	"runtime"
	"testing"

	"factotum/protocol/sitetest"
)

// held is a ResponseWriter that notes how much memory is in use while an
// answer goes out.
type held struct {
	sink
	writes, biggest int
	peak            uint64
}

func (h *held) Write(b []byte) (int, error) {
	h.biggest = max(h.biggest, len(b))
	if h.writes++; h.writes%50 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		h.peak = max(h.peak, m.HeapAlloc)
	}
	return h.sink.Write(b)
}

// TestStreams: 10,000 events go through a front end with less than 16 MiB,
// what the back end behind DWP holds meanwhile included.
func TestStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a large calendar")
	}
	if detected {
		t.Skip("without the race detector")
	}
	s := newSite(t, sitetest.Variants[1])
	s.fill(10_000)
	for _, command := range []string{"fetchcomponents_by_range.wcap?", "fetchcomponents_by_lastmod.wcap?dtstart=20200101T000000Z&", "export.wcap?content-out=text/calendar&"} {
		ask := func() *held {
			h := &held{sink: sink{h: http.Header{}}}
			s.wcap.ServeHTTP(h, request("GET", "/"+command+"recurring=1&compressed=1&fmt-out=text/xml&calid=anna&id="+s.as("anna"), "", ""))
			return h
		}
		ask() // fills the caches of the back end
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		h := ask()
		if h.n < 3<<20 || h.biggest > 128<<10 {
			t.Errorf("%s: %d octets in writes of at most %d", command, h.n, h.biggest)
		}
		if grown := int64(h.peak) - int64(before.HeapAlloc); grown > 16<<20 || h.peak == 0 {
			t.Errorf("%s: the heap grew by %d octets", command, grown)
		}
	}
}
