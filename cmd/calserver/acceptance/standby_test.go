package acceptance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/relay/smtptest"
	"factotum/store/storetest/pgtest"
)

// standbyConf makes of two back ends one and its standby.
func standbyConf(sync string) func(host, conf string) string {
	a, b := movingBacks[0], movingBacks[1]
	return func(host, conf string) string {
		conf = regexp.MustCompile(`(?m)^!?\s*caldb\.dwp\.server\.`+regexp.QuoteMeta(b)+`.*\n`).ReplaceAllString(conf, "")
		switch host {
		case a:
			return conf + fmt.Sprintf("factotum.standby.host = %q\nfactotum.standby.sync = %q\n", b, sync)
		case b:
			return conf + fmt.Sprintf("factotum.standby.of = %q\nfactotum.standby.sync = %q\n", a, sync)
		}
		return conf + fmt.Sprintf("caldb.dwp.server.%s.standby = %q\n", a, b)
	}
}

// TestStandbyTakesOver kills the back end that serves while users write and synchronize by a
// front end: its standby serves within 15 seconds, nothing that was acknowledged is lost, no
// sync-token is refused, and the one that was killed follows in its turn, and takes over when
// the other is frozen, and serves nothing when it wakes. Meanwhile a user is moved between the two and a third
// back end, a reminder becomes due, and people are invited. FACTOTUM_LONG does that thirty times.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	needNames(t)
	rounds := 2
	if os.Getenv("FACTOTUM_LONG") != "" {
		rounds = 30
	}
	const third = "c.example.com"
	sink := smtptest.Start(t, smtptest.Rules{})
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s := newSiteOfThree(t, func(host, conf string) string {
		return standbyConf("yes")(host, conf) + fmt.Sprintf("caldb.smtphost = \"127.0.0.1\"\ncaldb.smtpport = %q\nfactotum.mail.backoff = \"pt1s\"\nalarm.msgalarmnoticercpt = \"root@example.com\"\n", port)
	}, third)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	s.paired()
	var all sync.WaitGroup
	users := s.working(ctx, &all, "anna", "ben", "carl")
	probe := s.client("anna")
	wcap := &connector{t: t, web: s.web, user: "anna", acked: map[string]bool{}, seen: map[string]bool{}}
	if !wcap.sync() {
		t.Fatal("no session by WCAP")
	}
	session := wcap.id
	var moved atomic.Int64
	all.Go(func() { // carl goes there and back
		for ctx.Err() == nil {
			hosts, to := movingBacks, third
			if s.where("carl") == third {
				hosts, to = []string{third}, movingBacks[0]
			}
			for _, h := range hosts {
				if out, err := s.tool("csmove", "-C", s.conf(h), "-q", "-d", to, "-u", "carl", "move"); err == nil {
					moved.Add(1)
					break
				} else if strings.Contains(out, "panic") {
					t.Error(out)
				}
			}
			pause(ctx, 300*time.Millisecond)
		}
	})
	put := func(name, text string) {
		t.Helper()
		if r, err := probe.Send(ctx, "PUT", "/dav/calendars/anna/calendar/"+name, text, "Content-Type", "text/calendar"); err != nil || r.Status != 201 {
			t.Fatalf("%s: %v, %v", name, r, err)
		}
	}
	longest := time.Duration(0)
	for round := range rounds {
		time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
		active := s.paired()
		if round == 0 {
			began := time.Now()
			put("later.ics", alarmed("later", "EMAIL", began.Add(10000*time.Hour)))
			put("dentist.ics", alarmed("dentist", "EMAIL", wholeSecond(time.Now().Add(max(5*time.Second, 5*time.Since(began))))))
			put("lunch.ics", meetingWith("lunch", "eve@example.com", "zoe@far.example"))
		}
		frozen := round%2 == 1
		if frozen {
			if err := hosttest.Freeze(s.running[active].Process); err != nil {
				t.Fatal(err)
			}
		} else {
			s.end(active, syscall.SIGKILL)
		}
		began := time.Now()
		for s.served(probe) == false {
			if time.Since(began) > time.Minute {
				t.Fatalf("nobody serves a minute after %s was killed: %s", active, s.said[movingBacks[0]].String()+s.said[movingBacks[1]].String())
			}
			time.Sleep(50 * time.Millisecond)
		}
		took := time.Since(began)
		longest = max(longest, took)
		t.Logf("%s was killed or frozen, and calendars are served again after %s", active, took.Round(10*time.Millisecond))
		if !wcap.sync() || wcap.id != session {
			t.Error("the session of WCAP is not valid any more")
		}
		if frozen {
			hosttest.Thaw(s.running[active].Process)
		} else {
			s.run(active)
		}
		if now := s.paired(); now == active {
			t.Fatalf("%s serves again, though the other has taken over", active)
		}
	}
	if most := hosttest.Promised(15 * time.Second); longest > most {
		t.Errorf("the standby took over after %s, which is more than %s", longest, most)
	}
	end()
	all.Wait()
	objects := 0
	users[0].acked["/dav/calendars/anna/calendar/later.ics"] = "SUMMARY:Dentist later\r\n"
	users[0].acked["/dav/calendars/anna/calendar/dentist.ics"] = "SUMMARY:Dentist dentist\r\n"
	users[0].acked["/dav/calendars/anna/calendar/lunch.ics"] = "SUMMARY:Lunch\r\n"
	for _, u := range users {
		u.check()
		objects += len(u.acked)
	}
	t.Logf("%d take-overs, %d objects, %d moves, %s at most", rounds, objects, moved.Load(), longest.Round(10*time.Millisecond))
	if moved.Load() == 0 {
		t.Errorf("nobody was moved: %s", s.status())
	}
	mails := func() string { // what was just going out may go out twice
		n := map[string]int{}
		for _, m := range sink.Mails() {
			n[m.To+" "+strings.Join(strings.Fields(m.Header("Subject"))[:2], " ")]++
		}
		return fmt.Sprint(n)
	}
	eventuallyShows(t, "mails", mails, "anna@example.com Reminder: Dentist:", "eve@example.com Invitation: Lunch:", "zoe@far.example Invitation: Lunch:", "root@example.com ALARM: take-over:")
	if regexp.MustCompile(`(Dentist|Lunch):([3-9]|\d\d)`).MatchString(mails()) {
		t.Errorf("mails came more than twice: %s", mails())
	}
	s.paired()
	for _, b := range movingBacks {
		if out, err := s.tool("csdb", "-C", s.conf(b), "check"); err != nil && !strings.Contains(out, "is the standby of") {
			t.Errorf("csdb check on %s: %v\n%s", b, err, out)
		}
	}
}

// served tells whether a user can read his calendar.
func (s *movingSite) served(c *davclient.Client) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := c.Send(ctx, "PROPFIND", "/dav/calendars/anna/calendar/", `<d:propfind xmlns:d="DAV:"><d:prop><d:getctag xmlns:d="http://calendarserver.org/ns/"/></d:prop></d:propfind>`, "Depth", "0")
	return err == nil && r.Status == 207
}

// paired waits until one of the back ends serves and the other has all, and tells which one serves.
func (s *movingSite) paired() string {
	s.t.Helper()
	var last string
	for end := time.Now().Add(hosttest.Patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		last = ""
		for _, b := range movingBacks {
			out, err := s.tool("standby", "status", "-C", s.conf(b))
			last += b + ": " + out
			if err == nil && strings.Contains(out, "this host serves") && strings.Contains(out, "paired") {
				return b
			}
		}
	}
	said := ""
	for _, b := range movingBacks {
		said += b + " says: " + s.said[b].String() + "\n"
	}
	s.t.Fatalf("the two back ends do not find each other: %s\n%s", last, said)
	return ""
}

// TestStandbyByHand stops the standby, kills it, detaches it and hands over to it, while somebody
// writes: the host that serves goes on alone at once where its standby says good-bye, serves nothing
// where it went away without a word, and each order is refused where it would lose something. Each role
// has a process of its own, and the standby gets what was acknowledged a moment later.
func TestStandbyByHand(t *testing.T) {
	t.Parallel()
	needNames(t)
	s := newSiteOfThree(t, func(host, conf string) string {
		return standbyConf("no")(host, conf) + "factotum.processes = \"each\"\n"
	})
	a, b := movingBacks[0], movingBacks[1]
	if got := s.paired(); got != a {
		t.Fatalf("%s serves at first", got)
	}
	order := func(host, word string, want string) {
		t.Helper()
		out, err := s.tool("standby", word, "-C", s.conf(host))
		if (err == nil) != (want == "") || !strings.Contains(out, want) {
			t.Errorf("standby %s on %s: %v\n%s", word, host, err, out)
		}
	}
	u := &mover{t: t, site: s, user: "anna", acked: map[string]string{}, seen: map[string]string{}, client: s.client("anna")}
	u.write(0)
	u.sync(context.Background())
	probe := s.client("anna")
	within := func(most time.Duration, what string, ok func() bool) {
		t.Helper()
		began := time.Now()
		for !ok() {
			if time.Since(began) > hosttest.Promised(most) {
				t.Fatalf("%s: not within %s\n%s\n%s", what, most, s.said[a], s.said[b])
			}
			time.Sleep(50 * time.Millisecond)
		}
		took := time.Since(began)
		if took > hosttest.Promised(most) { // it was one long wait
			t.Errorf("%s: after %s, want %s at most", what, took, most)
		}
		t.Logf("%s: after %s", what, took.Round(10*time.Millisecond))
	}
	order(a, "detach", "answers")
	order(b, "take", "it serves")
	order(b, "switch", "does not serve")

	// A clean stop.
	s.end(b, syscall.SIGTERM)
	within(3*time.Second, "a write after the standby was stopped", func() bool { u.write(1); return true })
	s.run(b)
	if got := s.paired(); got != a {
		t.Fatalf("%s serves after the standby was stopped and started", got)
	}

	// A planned hand-over, and what it does to a writer.
	order(a, "switch", "")
	within(15*time.Second, "a write after a hand-over", func() bool { u.write(2); return true })
	if got := s.paired(); got != b {
		t.Fatalf("%s serves after a hand-over", got)
	}
	if aside, _ := filepath.Glob(filepath.Join(filepath.Dir(s.conf(a)), "data", "csdb", "*before-epoch*")); len(aside) > 0 {
		t.Errorf("after a hand-over the database was put aside: %v", aside)
	}
	if !u.sync(context.Background()) {
		t.Error("nothing can be synchronized after a hand-over")
	}

	// The standby is gone without a word.
	s.end(a, syscall.SIGKILL)
	within(20*time.Second, "nothing is served without a lease", func() bool { return !s.served(probe) })
	if out, err := s.tool("standby", "status", "-C", s.conf(b)); err == nil || !strings.Contains(out, "NOT serve") {
		t.Errorf("status without a lease: %v\n%s", err, out)
	}
	order(b, "detach", "")
	within(5*time.Second, "calendars are served after the standby was detached", func() bool { return s.served(probe) })
	u.write(3)
	s.run(a)
	if got := s.paired(); got != b {
		t.Fatalf("%s serves after it was detached", got)
	}

	// Both are off, and only one comes back.
	s.end(a, syscall.SIGTERM)
	u.write(4)
	s.run(a)
	s.paired()
	s.end(b, syscall.SIGKILL)
	s.end(a, syscall.SIGKILL)
	s.run(a)
	within(30*time.Second, "the standby that comes back alone waits", func() bool {
		out, _ := s.tool("standby", "status", "-C", s.conf(a))
		return strings.Contains(out, "NOT take over")
	})
	order(a, "take", "")
	within(20*time.Second, "calendars are served after a take-over by force", func() bool { return s.served(probe) })
	s.run(b)
	if got := s.paired(); got != a {
		t.Fatalf("%s serves after %s has taken over by force", got, a)
	}
	u.write(5)
	u.check()
}

// end ends a host and waits for it.
func (s *movingSite) end(host string, how syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	store, dwp := s.running[host], s.dwp[host]
	s.mu.Unlock()
	for _, cmd := range []*exec.Cmd{dwp, store} { // as stop-cal does
		if cmd != nil {
			cmd.Process.Signal(how)
			cmd.Wait()
		}
	}
}

// TestStandbyOfOneDatabase stops, and then kills, the host that serves of two that share a database in
// PostgreSQL: the other takes over within 15 seconds, and the first stands by in its turn.
func TestStandbyOfOneDatabase(t *testing.T) {
	t.Parallel()
	needNames(t)
	dsn := pgtest.Start(t)
	s := newSiteOfThree(t, func(host, conf string) string {
		if conf = standbyConf("yes")(host, conf); host != movingFront {
			conf += fmt.Sprintf("factotum.store.type = \"postgres\"\nfactotum.store.dsn = %q\n", dsn)
		}
		return conf
	})
	u := &mover{t: t, site: s, user: "anna", acked: map[string]string{}, seen: map[string]string{}, client: s.client("anna")}
	u.write(0)
	u.sync(t.Context())
	for round := range 2 {
		var active, other string
		for end := time.Now().Add(hosttest.Patience); active == "" || other == ""; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("one serves and the other waits: %q, %q\n%s\n%s", active, other, s.said[movingBacks[0]], s.said[movingBacks[1]])
			}
			active, other = "", ""
			for _, b := range movingBacks {
				switch out, _ := s.tool("standby", "status", "-C", s.conf(b)); {
				case strings.Contains(out, "this host serves"):
					active = b
				case strings.Contains(out, "this host waits"):
					other = b
				}
			}
		}
		u.write(2*round + 1)
		if round == 0 { // as another host that is lost: here it would be seen that its process is gone
			if err := hosttest.Freeze(s.running[active].Process); err != nil {
				t.Fatal(err)
			}
		} else {
			s.end(active, syscall.SIGKILL)
		}
		began := time.Now()
		u.write(2*round + 2)
		took := time.Since(began)
		t.Logf("%s was stopped or killed, and a write is taken after %s", active, took.Round(10*time.Millisecond))
		if took > hosttest.Promised(15*time.Second) {
			t.Errorf("%s has taken over only after %s", other, took)
		}
		if !u.sync(t.Context()) {
			t.Error("nothing can be synchronized")
		}
		if round == 0 { // and it finds that it is not the one any more
			hosttest.Thaw(s.running[active].Process)
		} else {
			s.run(active)
		}
	}
	u.check()
}
