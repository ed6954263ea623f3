package crash

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

// soon is how long something may take that takes a moment.
const soon = 15 * time.Second

// within waits for something, no longer than it may take.
func within(t testing.TB, limit time.Duration, what string, try func() error) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, what, try)
	took := time.Since(began)
	if took > hosttest.Promised(limit) {
		t.Errorf("%s: after %v, want %v at most", what, took, limit)
	}
	return took
}

// shows waits until somebody's only copy of a meeting is of a version, and returns it.
func (a *attendee) shows(t testing.TB, limit time.Duration, uid string, version int) (c *copied) {
	t.Helper()
	took := within(t, limit, fmt.Sprintf("%s to have version %d", a.user, version), func() error {
		found, err := a.query(a.collection(), uid)
		switch {
		case err != nil:
			return err
		case len(found) != 1:
			return fmt.Errorf("%d copies", len(found))
		}
		if c = &found[0]; versionOf(c) != version {
			return fmt.Errorf("version %d", versionOf(c))
		}
		return nil
	})
	t.Logf("%s has version %d after %v", a.user, version, took.Round(time.Millisecond))
	return c
}

// answers has somebody answer with what he has.
func (a *attendee) answers(t testing.TB, uid, partStat string) {
	t.Helper()
	found, err := a.query(a.collection(), uid)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d copies, %v", a.user, len(found), err)
	}
	found[0].line("ATTENDEE", a.user).SetParam("PARTSTAT", partStat)
	res, err := a.put(found[0].name, string(found[0].cal.Bytes()))
	if err := judged("PUT", res, err); err != nil {
		t.Fatal(err)
	}
}

// TestBackEndAway: while a back end is away, killed, stopped or frozen, those on
// another one have their invitations as ever, and answer; when it is there again
// its people have theirs within a moment, the newest only once, and their answers
// arrive also at an organizer whose own back end was away.
func TestBackEndAway(t *testing.T) {
	t.Parallel()
	s := twoBackEnds(t, func(testing.TB) []string { return nil })
	for _, p := range s.processes {
		p.start(t)
		defer p.kill(t)
	}
	one, two := s.processes[0], s.processes[1]
	l := newMeetings(s.address, false)
	l.provision(t)
	organizer := l.organizers[0].protocol.(*byCalDAV) // on one, as 2 is; 1 is on two
	near, far := l.attendees[2], l.attendees[1]
	turn := func(p *process, how func(*os.Process) error) {
		t.Helper()
		if err := how(p.cmd.Process); err != nil {
			t.Fatal(err)
		}
	}
	for n, way := range []struct {
		name     string
		go_, end func(p *process)
	}{
		{"stopped", func(p *process) { p.stop(t) }, func(p *process) { p.start(t) }},
		{"killed", func(p *process) { p.kill(t) }, func(p *process) { p.start(t) }},
		{"frozen", func(p *process) { turn(p, hosttest.Freeze) }, func(p *process) { turn(p, hosttest.Thaw) }},
	} {
		m := &meeting{uid: fmt.Sprint("away", n), sure: map[int]bool{}, maybe: map[int]bool{}}
		was, to := agreed{}, agreed{version: 1, start: 10 * n, with: []int{1, 2}}
		way.go_(two)
		if err := organizer.create(m, to); err != nil {
			t.Fatal(err)
		}
		near.shows(t, soon, m.uid, 1)
		for v := 2; v <= 3; v++ {
			was, to = to, agreed{version: v, start: to.start + 1, with: to.with}
			c, err := organizer.look(m)
			if err == nil {
				err = organizer.change(m, c, was, to)
			}
			if err != nil {
				t.Fatal(err)
			}
			near.shows(t, soon, m.uid, v)
		}
		near.answers(t, m.uid, "ACCEPTED")
		within(t, soon, "the near one's answer", func() error { return hears(organizer, m, near.user, "ACCEPTED", "2.0", "1.2") })
		if err := hears(organizer, m, far.user, "NEEDS-ACTION", calendar.StatusPending); err != nil {
			t.Errorf("%s: the organizer is not told that it is on its way: %v", way.name, err)
		}
		way.end(two)
		his := far.shows(t, soon, m.uid, 3)
		for _, name := range []string{"DTSTART", "SEQUENCE"} {
			if c, err := organizer.look(m); err != nil || c.event().Value(name) != his.event().Value(name) {
				t.Errorf("%s: %s is %q: %v", way.name, name, his.event().Value(name), err)
			}
		}
		within(t, soon, "the news of its arrival", func() error { return hears(organizer, m, far.user, "NEEDS-ACTION", "1.2") })
		// The other way round.
		way.go_(one)
		far.answers(t, m.uid, "TENTATIVE")
		time.Sleep(1500 * time.Millisecond) // it is tried in vain
		way.end(one)
		eventually(t, "the organizer's back end", func() error { _, err := organizer.look(m); return err })
		within(t, soon, "the far one's answer", func() error { return hears(organizer, m, far.user, "TENTATIVE", "2.0", "1.2") })
		quiet(t, s.backEnds)
		his = far.shows(t, soon, m.uid, 3)
		if got := his.line("ORGANIZER", organizer.user).Param("SCHEDULE-STATUS"); got != calendar.StatusDelivered {
			t.Errorf("%s: what became of the answer: %s", way.name, got)
		}
		for _, a := range l.attendees {
			a.everything(t)
		}
		journals(t, s.backEnds)
		if told := run(t, "why", "-C", s.confs[1], m.uid); strings.Count(told, "applied\tREQUEST\tinvited") != 1 {
			t.Errorf("%s: calserver why tells\n%s", way.name, told)
		}
	}
}

// hears is nil if the organizer's copy has an answer, and one of the statuses.
func hears(organizer *byCalDAV, m *meeting, user, partStat string, statuses ...string) error {
	c, err := organizer.look(m)
	if err != nil {
		return err
	}
	line := c.line("ATTENDEE", user)
	if c.partStat(user) != partStat || !slices.Contains(statuses, line.Param("SCHEDULE-STATUS")) {
		return fmt.Errorf("%s: %s, status %s", user, c.partStat(user), line.Param("SCHEDULE-STATUS"))
	}
	return nil
}

// balancer is a way to one of several servers, which may be another one from a
// moment on: what is open then breaks.
type balancer struct {
	address string
	mu      sync.Mutex
	to      string
	open    map[net.Conn]bool
}

func newBalancer(t testing.TB, to string) *balancer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	b := &balancer{address: ln.Addr().String(), to: to, open: map[net.Conn]bool{}}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			go b.serve(in)
		}
	}()
	return b
}

func (b *balancer) serve(in net.Conn) {
	defer in.Close()
	b.mu.Lock()
	out, err := net.Dial("tcp", b.to)
	if err != nil {
		b.mu.Unlock()
		return
	}
	defer out.Close()
	b.open[in], b.open[out] = true, true
	b.mu.Unlock()
	go func() {
		defer in.Close()
		io.Copy(in, out)
	}()
	io.Copy(out, in)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, in)
	delete(b.open, out)
}

// turn sends all to another server.
func (b *balancer) turn(to string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
	for c := range b.open {
		c.Close()
	}
}

// takeOver starts the process as a watcher does: it is refused while a renewal of
// the lease that was under way still comes to the database.
func (p *process) takeOver(t testing.TB) {
	t.Helper()
	p.launch(t)
	eventually(t, p.name+" to take over", func() error {
		select {
		case <-p.gone:
			p.launch(t)
		default:
		}
		return p.ready()
	})
}

// TestFailOver has a second server take over the database of one that stands
// still in the midst of its deliveries, and that goes on afterwards: both bring
// the same messages, and each is applied once.
func TestFailOver(t *testing.T) {
	t.Parallel()
	if rounds(0) == 0 {
		t.Skip("a lease lasts for some seconds: make long")
	}
	dsn := pgtest.Start(t)
	lines := func(testing.TB) []string {
		return []string{`factotum.store.type = "postgres"`, `factotum.store.dsn = "` + dsn + `"`}
	}
	now, next := oneProcess(t, lines), oneProcess(t, lines)
	now.processes[0].start(t)
	defer func() { now.processes[0].kill(t); next.processes[0].kill(t) }()
	b := newBalancer(t, now.address)
	l := newMeetings(b.address, true)
	l.provision(t)
	read := now.backEnds[0].read
	for n := range 20 {
		l.start()
		l.await(t, 30)
		if err := hosttest.Freeze(now.processes[0].cmd.Process); err != nil {
			t.Fatal(err)
		}
		next.processes[0].takeOver(t)
		b.turn(next.address)
		l.await(t, 1)
		if err := hosttest.Thaw(now.processes[0].cmd.Process); err != nil {
			t.Fatal(err)
		}
		l.await(t, 10)
		l.finish()
		next.backEnds[0].read = read
		l.verify(t, next.backEnds)
		if t.Failed() {
			t.Fatalf("after %d times: the first says\n%s\nthe second\n%s", n+1, now.processes[0].out.tail(), next.processes[0].out.tail())
		}
		now.processes[0].kill(t)
		now, next = next, now
	}
	t.Logf("%d writes acknowledged", l.acks.Load())
}
