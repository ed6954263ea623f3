package crash

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
)

// destination is where mail goes, by a server of its own.
type destination struct {
	domain string
	sink   *smtptest.Sink    // nil: its server's name leads nowhere
	does   *smtptest.Trouble // nil: it is well
}

func (d *destination) takes() bool { return d.does == nil || d.does.Takes }

// hostile makes destinations, of which two of five are in trouble of every kind.
func hostile(t *testing.T, n int, wait time.Duration) (list []destination) {
	kinds := append([]smtptest.Trouble{{Name: "no such host"}}, smtptest.Troubles...)
	for i := range n {
		d := destination{domain: fmt.Sprintf("d%d.example", i)}
		rules := smtptest.Rules{}
		if i%5 < 2 {
			d.does = &kinds[(i/5*2+i%5)%len(kinds)]
			if d.does.Rules != nil {
				rules = d.does.Rules(wait)
			}
		}
		if d.does == nil || d.does.Rules != nil {
			d.sink = smtptest.Start(t, rules)
		}
		list = append(list, d)
	}
	return list
}

// TestKillHostileMail invites people at destinations whose servers refuse for now and
// for ever, are slow or silent, hang up at any moment, fail in TLS, take few, or are
// not there, and kills the server meanwhile: who can be reached is mailed once, and
// again only where an answer was lost or a process died behind the first; of the
// others the organizer is told.
func TestKillHostileMail(t *testing.T) {
	t.Parallel()
	count, each, wait, patience := 35, 5, 300*time.Millisecond, 10*time.Minute
	if os.Getenv("FACTOTUM_LONG") != "" {
		count, each, wait, patience = 100, 100, 600*time.Millisecond, 40*time.Minute // on a busy machine: PostgreSQL took 9
	}
	databases(t, func(t *testing.T, lines []string, store func(string) string) {
		t.Parallel()
		if lines != nil && os.Getenv("FACTOTUM_LONG") == "" {
			t.Skip("on PostgreSQL with FACTOTUM_LONG")
		}
		list := hostile(t, count, wait)
		own := smtptest.Start(t, smtptest.Rules{})
		_, port, err := net.SplitHostPort(own.Addr)
		if err != nil {
			t.Fatal(err)
		}
		var routes []string
		for _, d := range list {
			to := "nowhere.invalid"
			if d.sink != nil {
				to = d.sink.Addr
			}
			routes = append(routes, d.domain+"="+to)
		}
		address := freeAddress(t)
		dir, conf := install(t, "localhost", append(append(setting("service.http", address), `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`,
			`factotum.mail.backoff = "pt1s pt2s"`, `factotum.mail.timeout = "3"`, `factotum.mail.routes = "`+strings.Join(routes, " ")+`"`), lines...)...)
		p := program(t, "serve", conf, func() error { return httpReady(address) })
		p.start(t)
		defer p.kill(t)
		done := make(chan error, 1)
		go func() { done <- inviteAll(address, list, each) }()
		arrived := func() (all map[string][]smtptest.Mail) {
			all = map[string][]smtptest.Mail{}
			for _, d := range list {
				if d.sink != nil {
					for _, m := range d.sink.Mails() {
						all[m.To] = append(all[m.To], m)
					}
				}
			}
			return all
		}
		began, times := time.Now(), kills(4)
		var died []time.Time
		for range times {
			time.Sleep(time.Duration(300+rand.IntN(700)) * time.Millisecond)
			died = append(died, time.Now())
			p.kill(t)
			p.start(t)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, d := range list {
			if d.takes() {
				want += each
			}
		}
		patiently(t, "all to be mailed that can be", patience, func() error {
			if n := len(arrived()); n != want {
				return fmt.Errorf("%d of %d", n, want)
			}
			return nil
		})
		// Enough of waiting: the rest is returned at its next attempt.
		took := time.Since(began)
		p.kill(t)
		died = append(died, time.Now())
		text, err := os.ReadFile(conf)
		if err != nil {
			t.Fatal(err)
		}
		hosttest.Write(t, conf, string(text)+"factotum.mail.notices = \"pt1s\"\n")
		p.start(t)
		patiently(t, "the queue to be empty", patience, func() error {
			if out := run(t, "csqueue", "-C", conf, "list"); !strings.HasPrefix(out, "0 mails") {
				return fmt.Errorf("%.3000s", out)
			}
			return nil
		})
		again, late := 0, 0
		mails := arrived()
		for _, d := range list {
			for m := range each {
				to := fmt.Sprintf("p%d@%s", m, d.domain)
				got := mails[to]
				if d.takes() != (len(got) > 0) {
					t.Errorf("%s, %v: %d mails", to, d.does, len(got))
				}
				for i := 1; i < len(got); i++ {
					again++
					between := slices.ContainsFunc(died, func(at time.Time) bool { return !at.Before(got[i-1].When.Add(-time.Second)) && at.Before(got[i].When) })
					if lost := d.does != nil && d.does.Again && i == 1; !between && !lost || got[i].Header("Message-Id") != got[0].Header("Message-Id") {
						t.Errorf("%s, %v: came again, at %v and at %v", to, d.does, got[i-1].When, got[i].When)
					}
				}
				if d.does == nil && len(got) > 0 && got[0].When.After(died[times-1]) {
					late++
				}
			}
		}
		told := map[string]bool{}
		for _, m := range own.Mails() {
			told[m.Header("Message-Id")] = true
		}
		if lost := count*each - want; len(told) != lost {
			t.Errorf("the organizer was told of %d, and %d could not be delivered", len(told), lost)
		}
		statuses(t, newClient(address, userName(0)), list, each)
		p.stop(t)
		if lines == nil {
			check(t, store(dir))
		}
		t.Logf("%d kills, %d mails to %d destinations: %d mailed after %v, %d came again, %d to the well ones after the last kill, %d returned", times, count*each, count, want, took, again, late, count*each-want)
	})
}

// inviteAll has user0 invite somebody at each destination, again and again, to
// meetings that are made once each.
func inviteAll(address string, list []destination, each int) error {
	c := newClient(address, userName(0))
	for m := range each {
		text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:hostile%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20300101T100000Z\r\n"+
			"DTEND:20300101T110000Z\r\nSUMMARY:hostile\r\nORGANIZER:mailto:user0@example.com\r\n", m)
		for _, d := range list {
			text += fmt.Sprintf("ATTENDEE:mailto:p%d@%s\r\n", m, d.domain)
		}
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			a, err := c.put(fmt.Sprintf("hostile%d.ics", m), text+"END:VEVENT\r\nEND:VCALENDAR\r\n", "If-None-Match", "*")
			if err == nil && (a.ok() || a.status == 412) { // it was stored before the answer was lost
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("invite: %v, %+v", err, a)
			}
		}
	}
	return nil
}

// statuses looks at what the organizer sees of each attendee.
func statuses(t *testing.T, c *client, list []destination, each int) {
	t.Helper()
	for m := range each {
		a, err := c.get(fmt.Sprintf("hostile%d.ics", m))
		if err != nil || !a.ok() {
			t.Fatalf("%v, %+v", err, a)
		}
		seen := map[string]string{}
		for line := range strings.SplitSeq(strings.ReplaceAll(string(a.body), "\r\n ", ""), "\r\n") {
			if _, to, ok := strings.Cut(line, ":mailto:"); ok && strings.HasPrefix(line, "ATTENDEE") {
				_, status, _ := strings.Cut(line, "SCHEDULE-STATUS=")
				seen[to] = status[:min(len(status), 3)]
			}
		}
		want := map[string]string{}
		for _, d := range list {
			want[fmt.Sprintf("p%d@%s", m, d.domain)] = map[bool]string{true: "1.1", false: "5.1"}[d.takes()]
		}
		if !maps.Equal(seen, want) {
			t.Errorf("statuses: %v, want %v", seen, want)
		}
	}
}

// patiently is eventually with more time.
func patiently(t testing.TB, what string, patience time.Duration, try func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}
