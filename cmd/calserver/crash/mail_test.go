package crash

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/notify/relay/smtptest"
)

// TestKillMail kills the server while it mails invitations by an SMTP server that
// refuses for now, refuses for good, and breaks off before and after its answers:
// whoever was invited by an acknowledged write is mailed, under one Message-ID, and
// more than once only where an answer was lost or the server died.
func TestKillMail(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, lines []string, _ func(string) string) {
		t.Parallel()
		var mu sync.Mutex
		lost, calm := 0, false // answers that did not arrive; the end of all trouble
		sink := smtptest.Start(t, smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, arg string) string {
			mu.Lock()
			defer mu.Unlock()
			if verb == "RCPT" && strings.Contains(arg, "nobody@") {
				return "550 5.1.1 no such user"
			}
			if calm {
				return ""
			}
			switch n := rand.IntN(100); {
			case verb == "RCPT" && n < 10:
				return "450 4.2.0 come again"
			case verb == "DATA" && n < 3:
				return smtptest.HangUp
			case verb == "." && n < 3:
				return smtptest.HangUp
			case verb == "." && n < 6:
				lost++
				return smtptest.TakeAndHangUp
			case verb == "" && n < 10:
				return "421 4.3.2 busy"
			}
			return ""
		}})
		_, port, err := net.SplitHostPort(sink.Addr)
		if err != nil {
			t.Fatal(err)
		}
		address := freeAddress(t)
		_, conf := install(t, "localhost", append(append(setting("service.http", address), `caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "`+port+`"`,
			`factotum.mail.backoff = "pt1s"`), lines...)...)
		p := program(t, "serve", conf, func() error { return httpReady(address) })
		p.start(t)
		defer p.kill(t)
		times := kills(6)
		invited := map[string]bool{} // addresses of acknowledged writes
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			c := newClient(address, userName(0))
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				uid := fmt.Sprint("mail", n)
				to := []string{fmt.Sprintf("nobody@d%d.example", n%20)}
				for i := range 5 {
					to = append(to, fmt.Sprintf("g%d.%d@d%d.example", n, i, (n+i)%20))
				}
				text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20300101T100000Z\r\n" +
					"DTEND:20300101T110000Z\r\nSUMMARY:" + uid + "\r\nORGANIZER:" + "mailto:user0@example.com\r\n"
				for _, a := range to {
					text += "ATTENDEE:mailto:" + a + "\r\n"
				}
				if a, err := c.put(uid+".ics", text+"END:VEVENT\r\nEND:VCALENDAR\r\n"); err != nil || !a.ok() {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				for _, a := range to[1:] {
					invited[a] = true
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		for range times {
			time.Sleep(time.Duration(200+rand.IntN(400)) * time.Millisecond)
			p.kill(t)
			p.start(t)
		}
		close(stop)
		<-done
		mu.Lock()
		calm = true
		mu.Unlock()
		eventually(t, "the queue to be empty", func() error {
			if list := run(t, "csdb", "-C", conf, "jobs"); !strings.Contains(list, "\n0 jobs") && !strings.HasPrefix(list, "0 jobs") {
				return fmt.Errorf("%.500s", list)
			}
			return nil
		})
		count, ids := map[string]int{}, map[string]string{}
		for _, m := range sink.Mails() {
			if count[m.To]++; m.To == "user0@example.com" {
				continue // notices of what was returned
			}
			if id := m.Header("Message-Id"); ids[m.To] != "" && ids[m.To] != id {
				t.Errorf("%s got %s and %s", m.To, ids[m.To], id)
			} else {
				ids[m.To] = id
			}
		}
		again := 0
		for a := range invited {
			if count[a] == 0 {
				t.Errorf("%s was never mailed", a)
			}
			again += max(count[a]-1, 0)
		}
		if most := lost + times*20; again > most { // each kill interrupts as many as there are connections
			t.Errorf("%d mails came again, want %d at most", again, most)
		}
		t.Logf("%d kills, %d invited, %d came again, %d answers were lost, %d notices", times, len(invited), again, lost, count["user0@example.com"])
	})
}
