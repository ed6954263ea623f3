package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// BenchmarkReply has an attendee accept meetings over HTTP, and store an event of
// his own and of the same size before each: the median time to the answer of both,
// when nothing else is on its way, and the ratio. The mark is 2.
func BenchmarkReply(b *testing.B) {
	h := installed(b).start(b)
	h.visit(b, "anna", "ben")
	own, replies := make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N)
	timed := func(path, body string) time.Duration {
		began := time.Now()
		if r := h.do(b, "ben", "PUT", path, body, "Content-Type: text/calendar"); r.status >= 300 {
			b.Fatalf("%s: %d\n%s", r.what, r.status, r.body)
		}
		return time.Since(began)
	}
	for n := range b.N {
		uid := fmt.Sprint("reply", n)
		path := cal("ben") + uid + ".ics"
		h.do(b, "anna", "PUT", cal("anna")+uid+".ics", meetingWith(uid, "ben@example.com"), "Content-Type: text/calendar").is(201)
		copied := h.do(b, "ben", "GET", path, "")
		for end := time.Now().Add(hosttest.Patience); copied.status != 200 && time.Now().Before(end); copied = h.do(b, "ben", "GET", path, "") {
			time.Sleep(5 * time.Millisecond)
		}
		copied.is(200)
		alone := strings.NewReplacer("UID:reply", "UID:alone", "\r\nORGANIZER", "\r\nX-A", "\r\nATTENDEE", "\r\nX-B").Replace(copied.body)
		accepted := strings.Replace(copied.body, "PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED", 1)
		if accepted == copied.body {
			b.Fatalf("nobody is asked:\n%s", copied.body)
		}
		time.Sleep(50 * time.Millisecond) // what follows from the invitation is done
		own = append(own, timed(cal("ben")+fmt.Sprint("alone", n)+".ics", alone))
		replies = append(replies, timed(path, accepted))
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2].Microseconds()) / 1000
	}
	b.ReportMetric(median(own), "put-ms")
	b.ReportMetric(median(replies), "reply-ms")
	b.ReportMetric(median(replies)/median(own), "ratio")
	b.ReportMetric(0, "ns/op")
}
