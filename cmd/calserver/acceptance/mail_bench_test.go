package acceptance

import (
	"fmt"
	"net"
	"strings"
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

// BenchmarkMailAmongHostile invites people at a hundred destinations, a mail server
// each: all well, and then forty of them hostile in every way. What counts is when
// the last mail is at the sixty that are well both times.
func BenchmarkMailAmongHostile(b *testing.B) {
	for _, hostile := range []bool{false, true} {
		b.Run(map[bool]string{false: "calm", true: "hostile"}[hostile], func(b *testing.B) {
			kinds := append([]smtptest.Trouble{{Name: "no such host"}}, smtptest.Troubles...)
			var well []*smtptest.Sink
			var routes, guests []string
			for n := range 100 {
				domain, to, rules := fmt.Sprintf("d%d.example", n), "nowhere.invalid", smtptest.Rules{}
				kind := kinds[(n/5*2+n%5)%len(kinds)]
				if n%5 > 1 || !hostile {
					kind = smtptest.Trouble{Rules: func(time.Duration) smtptest.Rules { return smtptest.Rules{} }}
				}
				if kind.Rules != nil {
					rules = kind.Rules(600 * time.Millisecond)
					sink := smtptest.Start(b, rules)
					if to = sink.Addr; n%5 > 1 {
						well = append(well, sink)
					}
				}
				routes, guests = append(routes, domain+"="+to), append(guests, "guest@"+domain)
			}
			h := installed(b, `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "1"`, `factotum.mail.timeout = "3"`, `factotum.mail.routes = "`+strings.Join(routes, " ")+`"`).start(b)
			h.visit(b, "anna")
			b.ResetTimer()
			began := time.Now()
			for n := range b.N {
				uid := fmt.Sprint("bench", n)
				h.do(b, "anna", "PUT", cal("anna")+uid+".ics", meetingWith(uid, guests...), "Content-Type: text/calendar").is(201)
			}
			for came := 0; came < b.N*len(well); time.Sleep(time.Millisecond) {
				came = 0
				for _, s := range well {
					came += s.Count()
				}
				if time.Since(began) > 20*time.Minute {
					b.Fatalf("%d mails came", came)
				}
			}
			b.ReportMetric(time.Since(began).Seconds(), "s-until-all-well")
			b.ReportMetric(float64(b.N*len(well))/time.Since(began).Seconds(), "mails/s")
		})
	}
}
