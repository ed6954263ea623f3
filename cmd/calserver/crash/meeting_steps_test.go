package crash

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

// stepwise is a back end that kills itself at steps of deliveries.
type stepwise struct {
	*process
	part part
	dies death
}

// doom says when it kills itself after its next start.
func (s *stepwise) doom(t testing.TB, d death) {
	t.Helper()
	s.dies, s.part.Dies = d, d
	text, err := json.Marshal(s.part)
	if err != nil {
		t.Fatal(err)
	}
	s.env = []string{roleEnv + "=" + string(text)}
}

// steps are back ends of those names, each with a store, and the server that they
// make: the first has HTTP too if it is alone, else there is a front end.
func steps(t testing.TB, store func(testing.TB) string, names ...string) (*attended, []*stepwise) {
	t.Helper()
	s := &attended{address: freeAddress(t)}
	dir := shortDir(t)
	hosts := map[string]string{}
	for _, name := range names {
		hosts[name] = "unix:" + filepath.Join(dir, name)
	}
	var all []*stepwise
	for i, name := range names {
		p := part{Store: store(t), Name: name, Hosts: hosts, DWP: hosts[name], HTTP: s.address}
		if len(names) > 1 {
			p.HTTP = freeAddress(t)
		}
		b := &stepwise{process: partProcess(t, name, p), part: p}
		all = append(all, b)
		s.processes = append(s.processes, b.process)
		be := &backEnd{read: map[calendar.Owner]int64{}, waiting: func(t testing.TB) string {
			t.Helper()
			a, err := newClient(p.HTTP, "").do("GET", "/jobs", "")
			if err != nil || !a.ok() {
				t.Fatalf("ask for jobs: %v, status %d: %s", err, a.status, a.body)
			}
			return string(a.body)
		}, reach: func(t testing.TB) (calendar.Backend, func()) {
			t.Helper()
			c, err := dwp.NewClient(dwp.ClientOptions{Host: name, Address: hosts[name], Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return c, func() { c.Close() }
		}}
		for n := range meetingUsers {
			if n%len(names) == i {
				be.users = append(be.users, n)
			}
		}
		s.backEnds = append(s.backEnds, be)
	}
	if len(names) > 1 {
		s.processes = append(s.processes, partProcess(t, "cshttpd", part{Hosts: hosts, HTTP: s.address}))
	}
	return s, all
}

// TestKillBetweenSteps has the server killed between every pair of steps of a
// delivery, while people invite each other, answer, change and call off: of what
// was acknowledged nothing is lost, and nothing is done twice. make check has each
// engine once.
func TestKillBetweenSteps(t *testing.T) {
	t.Parallel() // they wait more than they work
	for name, c := range map[string]struct {
		hosts []string
		short string
	}{"OneProcess": {[]string{"one.example.com"}, "SQLite"}, "TwoBackEnds": {[]string{"one.example.com", "two.example.com"}, "PostgreSQL"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for engine, store := range map[string]func(testing.TB) string{
				"SQLite":     func(t testing.TB) string { return t.TempDir() },
				"PostgreSQL": func(t testing.TB) string { return "postgres " + pgtest.Start(t) },
			} {
				if engine != c.short && os.Getenv("FACTOTUM_LONG") == "" {
					continue
				}
				t.Run(engine, func(t *testing.T) {
					s, all := steps(t, store, c.hosts...)
					between(t, s, all, rounds(2*len(deaths)))
				})
			}
		})
	}
}

// fateOf deals the steps in turn.
func fateOf(n int) death {
	d := deaths[n%len(deaths)]
	d.Nth = 1 + rand.Int64N(6)
	return d
}

// firstDead waits for one that has killed itself.
func firstDead(t testing.TB, all []*stepwise) (dead *stepwise) {
	t.Helper()
	eventually(t, "a back end to kill itself", func() error {
		for _, b := range all {
			select {
			case <-b.gone:
				if status := b.cmd.ProcessState; status.Sys().(syscall.WaitStatus).Signaled() {
					dead = b
					return nil
				} else if !strings.Contains(b.out.tail(), "context deadline exceeded") { // PostgreSQL was too slow for its start
					t.Fatalf("%s ended: %v\n%s", b.name, status, b.out.tail())
				}
				b.launch(t)
			default:
			}
		}
		return fmt.Errorf("none of %v did", all)
	})
	return dead
}

func between(t *testing.T, s *attended, all []*stepwise, times int) {
	for _, p := range s.processes {
		p.start(t)
		defer p.kill(t)
	}
	defer func() {
		for _, p := range s.processes {
			if t.Failed() {
				t.Logf("%s:\n%s", p.name, p.out.tail())
			}
		}
	}()
	l := newMeetings(s.address, false)
	l.provision(t)
	l.start()
	l.await(t, 10)
	died := map[string]int{}
	for done := 0; done < times; {
		for _, b := range all {
			b.kill(t)
			b.doom(t, fateOf(done+rand.IntN(2)))
			b.launch(t) // it may die while it starts
		}
		for range min(verifyEach, times-done) {
			b := firstDead(t, all)
			died[b.dies.String()]++
			b.doom(t, fateOf(done))
			b.launch(t)
			done++
		}
		for _, b := range all {
			b.kill(t)
			b.doom(t, death{})
			b.start(t)
		}
		l.finish()
		l.verify(t, s.backEnds)
		if t.Failed() {
			t.Fatalf("after %d deaths", done)
		}
		l.start()
	}
	l.finish()
	t.Logf("%d writes acknowledged; killed %v", l.acks.Load(), died)
	if len(died) < len(deaths) && times >= 2*len(deaths) {
		t.Errorf("it was never killed at some steps: %v of %v", slices.Sorted(maps.Keys(died)), deaths)
	}
}
