package queue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/notify/queue"
	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// scene is a queue at a moment, as its table and its worker tell of it.
type scene struct {
	queue.Facts
	n int
}

func newScene() *scene {
	return &scene{Facts: queue.Facts{Now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Enabled: true, Relay: "mail.example.com:25", Up: true, Works: true,
		Connections: 20, Each: 4, Load: 0.1, Composing: time.Millisecond, Sending: 20 * time.Millisecond}}
}

// mails adds n of them to a domain, that stand somewhere, and have failed so often
// with such words.
func (s *scene) mails(n int, domain string, place worker.Place, attempts int, err string) *scene {
	for range n {
		s.n++
		m := calendar.Mailing{Kind: calendar.MailScheduling, To: fmt.Sprintf("p%d@%s", s.n, domain), UID: fmt.Sprint("u", s.n)}
		j, e := m.Job()
		if e != nil {
			panic(e)
		}
		j.JobID = calendar.JobID{Owner: "anna", Change: int64(s.n)}
		j.Created, j.Due, j.Attempts, j.Err = s.Now.Add(-2*time.Hour), s.Now.Add(10*time.Minute), attempts, err
		if place != worker.Waiting {
			j.Due = s.Now.Add(-time.Hour)
		}
		if place == worker.Stopped {
			j.Parked = true
		}
		s.Count(&j, place)
	}
	return s
}

func (s *scene) with(change func(*queue.Facts)) *scene { change(&s.Facts); return s }

// Each classic cause of a queue is named, with its evidence, and none where there is
// none. admin.md §22.
func TestDiagnose(t *testing.T) {
	const at = "mail.example.com:25: "
	skipped := at + "too many failures to this host during this run; skipping this host: "
	host := func(step relay.Step, cause string) func(*queue.Facts) {
		return func(f *queue.Facts) {
			f.Hosts = []queue.Host{{Name: "mail.example.com:25", Failures: 3, Step: step, Cause: cause, Until: f.Now.Add(time.Minute)}}
		}
	}
	for name, c := range map[string]struct {
		scene   *scene
		problem bool
		want    []string // of each finding: cause state: words; and words of evidence
	}{
		"nothing":         {newScene(), false, nil},
		"calm":            {newScene().mails(3, "a.example", worker.Running, 0, "").mails(5, "b.example", worker.Ready, 0, ""), false, nil},
		"one that waits":  {newScene().mails(1, "a.example", worker.Waiting, 1, at+"end of data: the server has closed the connection").mails(9, "b.example", worker.Waiting, 0, ""), false, nil},
		"held":            {newScene().mails(3, "a.example", worker.Stopped, 4, "held by an administrator: "+at+"connect: no such host"), false, nil},
		"disabled":        {newScene().with(func(f *queue.Facts) { f.Enabled = false }).mails(3, "a.example", worker.Waiting, 5, "no mail is sent: see"), true, []string{"configuration : service.notify.enable is no|3 mails wait"}},
		"no relay":        {newScene().with(func(f *queue.Facts) { f.Relay = "" }).mails(1, "a.example", worker.Waiting, 5, "no mail is sent: see"), true, []string{"configuration : caldb.smtphost is empty|1 mail waits"}},
		"disabled, empty": {newScene().with(func(f *queue.Facts) { f.Enabled = false }), false, nil},
		"read-only":       {newScene().with(func(f *queue.Facts) { f.ReadOnly, f.Works = true, false }).mails(1, "a.example", worker.Unknown, 0, ""), true, []string{"configuration : read-only"}},
		"stopped":         {newScene().with(func(f *queue.Facts) { f.Up, f.Works = false, false }).mails(1, "a.example", worker.Unknown, 0, ""), true, []string{"ours : csstored does not run"}},
		"frozen":          {newScene().with(func(f *queue.Facts) { f.Hangs = true }), true, []string{"ours : does not answer|10 % busy"}},
		"not started":     {newScene().with(func(f *queue.Facts) { f.Works = false }).mails(1, "a.example", worker.Unknown, 0, ""), true, []string{"ours : does no jobs"}},
		"relay of no name": {newScene().mails(2, "a.example", worker.Waiting, 6, at+"connect: no such host").mails(30, "b.example", worker.Waiting, 6, skipped+"no such host"), true,
			[]string{"configuration queued: no host of the name in mail.example.com:25|32 mails have failed for it of 32"}},
		"relay refuses": {newScene().with(host(relay.LoggingIn, "5.7.8 wrong password")).mails(30, "b.example", worker.Waiting, 6, skipped+"5.7.8 wrong password"), true,
			[]string{"configuration queued: refuses our log-in|auth: 5.7.8 wrong password|3 failures|left alone until 2026-11-01T12:01:00Z"}},
		"relay without TLS": {newScene().mails(3, "b.example", worker.Waiting, 1, at+"starttls: x509: certificate has expired"), true, []string{"configuration queued: no protected connection"}},
		"relay away": {newScene().with(host(relay.Connecting, "connection refused")).mails(3, "b.example", worker.Waiting, 9, skipped+"connection refused"), true,
			[]string{"destination queued: cannot be reached|connect: connection refused"}},
		"route of no name": {newScene().with(func(f *queue.Facts) { f.Routes = []string{"gone.b.example:25"} }).mails(3, "b.example", worker.Waiting, 2, "gone.b.example:25: connect: no such host").mails(50, "a.example", worker.Waiting, 0, ""), true,
			[]string{"configuration queued: Bad route: there is no host of the name in gone.b.example:25|3 mails have failed for it of 53"}},
		"a route away": {newScene().with(func(f *queue.Facts) { f.Routes = []string{"mx.b.example:25"} }).mails(3, "b.example", worker.Waiting, 2, "mx.b.example:25: connect: connection refused").mails(5, "a.example", worker.Waiting, 0, ""), false,
			[]string{"destination queued: cannot be reached|3 of 8 mails|b.example: 3 mails, the oldest for 2h0m: mx.b.example:25: connect"}},
		"direct": {newScene().with(func(f *queue.Facts) { f.Relay, f.Direct = "", true }).mails(4, "b.example", worker.Waiting, 3, "b.example (mx.b.example:25): connect: no such host").mails(2, "c.example", worker.Waiting, 1, "c.example"+skipped[len(at)-2:]+"no such host"), false,
			[]string{"destination queued: cannot be reached|6 of 6 mails|b.example: 4 mails|c.example: 2 mails"}},
		"over quota": {newScene().mails(7, "b.example", worker.Waiting, 9, at+"rcpt: 452 4.2.2 mailbox full").mails(2, "a.example", worker.Waiting, 1, at+"rcpt: 552 5.2.2 over quota").mails(3, "c.example", worker.Waiting, 0, ""), false,
			[]string{"configuration queued: Mailboxes are full|9 of 9 that failed|b.example: 7 mails, the oldest for 2h0m: " + at + "rcpt: 452"}},
		"slow directory": {newScene().with(func(f *queue.Facts) { f.Composing, f.Looking = 4*time.Second, 3*time.Second }).mails(20, "b.example", worker.Ready, 0, ""), true,
			[]string{"configuration : The directory is slow|4s to make a mail, of which people are looked up for 3s, and 20ms to send"}},
		"slow directory, all connections": {newScene().with(func(f *queue.Facts) {
			f.Composing, f.Looking, f.Active, f.Longest = 40*time.Second, 39*time.Second, 20, time.Minute
		}).mails(20, "b.example", worker.Running, 0, "").mails(20, "b.example", worker.Ready, 0, ""), true, []string{"configuration : The directory is slow"}},
		"slow directory, idle": {newScene().with(func(f *queue.Facts) { f.Composing, f.Looking = 4*time.Second, 3*time.Second }).mails(1, "b.example", worker.Waiting, 0, ""), false, nil},
		"slow store": {newScene().with(func(f *queue.Facts) { f.Composing, f.Looking = 4*time.Second, time.Second }).mails(20, "b.example", worker.Ready, 0, ""), true,
			[]string{"ours : the directory is not why|4s to make a mail, of which people are looked up for 1s|10 % busy"}},
		"no directory": {newScene().mails(2, "b.example", worker.Waiting, 2, "the mail cannot be made: the directory does not answer"), true,
			[]string{"configuration : cannot be made|2 mails could not be made|the directory does not answer"}},
		"dead worker": {newScene().with(func(f *queue.Facts) { f.Overdue = time.Hour }).mails(20, "b.example", worker.Ready, 0, ""), true,
			[]string{"ours : The worker is dead|20 mails are due, for 1h0m at most, and none is being sent"}},
		"in doubt": {newScene().with(func(f *queue.Facts) { f.Overdue, f.Doubts = time.Hour, 2 }).mails(1, "b.example", worker.Ready, 0, ""), true,
			[]string{"ours : does not tell what was committed|2 users"}},
		"orphans": {newScene().mails(7, "b.example", worker.Unknown, 0, ""), true, []string{"ours : orphans|7 mails|anna/1/0|anna/5/0|…"}},
		"parked":  {newScene().mails(1, "b.example", worker.Stopped, 1, "read a mailing: invalid character"), true, []string{"ours : nobody was told of|1 mail|anna/1/0"}},
		"stuck": {newScene().with(func(f *queue.Facts) { f.Active, f.Longest, f.Overdue = 20, 4*time.Minute, 9*time.Minute }).mails(20, "b.example", worker.Running, 0, "").mails(90, "b.example", worker.Ready, 0, ""), true,
			[]string{"destination stuck: little to do|20 of 20 connections are in use, the first for 4m|10 % busy|b.example: 20 being sent, 90 more are due"}},
		"queued": {newScene().mails(40, "b.example", worker.Waiting, 8, at+"rcpt: 451 4.4.1 no route to host").mails(2, "c.example", worker.Waiting, 1, at+"rcpt: 450 greylisted"), false,
			[]string{"destination queued: ask to come again|42 of 42 mails have failed, 40 of them 4 times or more|b.example: 40 mails|c.example: 2 mails"}},
		"too much": {newScene().with(func(f *queue.Facts) {
			f.Active, f.Longest, f.Overdue, f.Load, f.Sending = 20, 3*time.Second, 6*time.Minute, 0.97, 2*time.Second
		}).mails(20, "b.example", worker.Running, 0, "").mails(9000, "c.example", worker.Ready, 0, ""), true,
			[]string{"capacity : We cannot keep up|9000 mails are due, the first for 6m, which take some 38m more|20 of 20 connections|97 % busy"}},
		"a burst": {newScene().with(func(f *queue.Facts) { f.Active, f.Longest, f.Overdue = 20, time.Second, 3*time.Second }).mails(20, "b.example", worker.Running, 0, "").mails(500, "c.example", worker.Ready, 0, ""), false, nil},
	} {
		d := queue.Diagnose(c.scene.Facts)
		for _, cause := range queue.Causes {
			if d.Needs(cause) != slices.ContainsFunc(c.want, func(w string) bool { return c.problem && strings.HasPrefix(w, string(cause)) }) {
				t.Errorf("%s: somebody is needed for %s: %v", name, cause, d.Needs(cause))
			}
		}
		if d.Problem != c.problem || len(d.Findings) != len(c.want) || d.Says == "" || (d.Problem == strings.Contains(d.Says, "not a problem") && d.Says != "No mail waits.") {
			t.Errorf("%s: %+v", name, d)
			continue
		}
		for i, f := range d.Findings {
			all := fmt.Sprintf("%s %s: %s\n%s", f.Cause, f.State, f.Says, strings.Join(f.Evidence, "\n"))
			words := strings.Split(c.want[i], "|")
			kind, says, _ := strings.Cut(words[0], ": ")
			if !strings.HasPrefix(all, kind+": ") || !strings.Contains(f.Says, says) || len(f.Do) == 0 {
				t.Errorf("%s: %s\n%v", name, all, f.Do)
			}
			for _, w := range words[1:] {
				if !strings.Contains(all, w) {
					t.Errorf("%s: no %q in\n%s", name, w, all)
				}
			}
		}
	}
}
