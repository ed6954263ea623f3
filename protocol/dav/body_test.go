package dav

import (
	"bytes"
	"io"
	"net/http/httptest"
	"runtime"
	"testing"
)

// A long body costs little more memory than its octets, whether its length is
// announced or not, and one that is only announced costs nearly none.
func TestBodyMemory(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 900_000)
	for _, c := range []struct {
		announced int64
		body      []byte
		most      uint64
	}{
		{int64(len(body)), body, 14 << 20}, {-1, body, 20 << 20}, {9 << 20, body[:10], 100 << 10}, {-1, body[:10], 10 << 10},
	} {
		req := httptest.NewRequest("PUT", "/", io.NopCloser(bytes.NewReader(c.body)))
		req.ContentLength = c.announced
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := readBody(req, 10<<20)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err != nil || !bytes.Equal(got, c.body) || took > c.most {
			t.Errorf("%d octets of which %d were announced took %d, more than %d: %v", len(got), c.announced, took, c.most, err)
		}
	}
}
