package acceptance

import (
	"fmt"
	"net"
	"testing"
	"time"

	"factotum/notify/relay/smtptest"
)

// BenchmarkMail has an organizer invite a hundred people outside, of as many domains,
// again and again: from the answer to the last write until the last mail is taken by
// an SMTP server on this machine. Each mail is stored before it is sent, and that it
// was sent too.
func BenchmarkMail(b *testing.B) {
	sink := smtptest.Start(b, smtptest.Rules{})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		b.Fatal(err)
	}
	h := installed(b, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`).start(b)
	h.visit(b, "anna")
	const each = 100
	var guests []string
	for n := range each {
		guests = append(guests, fmt.Sprintf("guest@d%d.example", n))
	}
	b.ResetTimer()
	began, cpu := time.Now(), h.cpu(b)
	for n := range b.N {
		uid := fmt.Sprint("bench", n)
		h.do(b, "anna", "PUT", cal("anna")+uid+".ics", meetingWith(uid, guests...), "Content-Type: text/calendar").is(201)
	}
	for sink.Count() < b.N*each {
		time.Sleep(time.Millisecond)
		if time.Since(began) > 10*time.Minute {
			b.Fatalf("%d mails came", sink.Count())
		}
	}
	b.ReportMetric(float64(b.N*each)/time.Since(began).Seconds(), "mails/s")
	b.ReportMetric(float64((h.cpu(b)-cpu).Microseconds())/float64(b.N*each), "cpu-us/mail")
}
