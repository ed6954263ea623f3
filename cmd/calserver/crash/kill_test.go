package crash

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"factotum/cmd/internal/certificates"
	"factotum/protocol/dwp"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"
)

// kills is how often a test kills: a few times in make check, a hundred times
// in make crash.
func kills(few int) int {
	if os.Getenv("FACTOTUM_LONG") != "" {
		return 100
	}
	return few
}

// check is csdb check on a store that nobody serves: the engine, every
// object's text and the time index beside it.
func check(t testing.TB, store string) {
	t.Helper()
	ctx := context.Background()
	st, err := openStore(ctx, store)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer st.Close()
	rep, err := service.New(st, nil, service.Options{}).Check(ctx, nil)
	if err != nil || len(rep.Findings) > 0 {
		t.Fatalf("check the store: %v %+v", err, rep.Findings)
	}
}

// stores runs a test on both engines.
func stores(t *testing.T, run func(t *testing.T, store string)) {
	t.Run("SQLite", func(t *testing.T) { run(t, t.TempDir()) })
	t.Run("PostgreSQL", func(t *testing.T) { run(t, "postgres "+pgtest.Start(t)) })
}

// server is the processes of a server in the order in which they start.
type server struct {
	address   string // of HTTP
	store     string
	processes []*process
	pairs     *pairWatch // nil: nobody imports
	check     func(t testing.TB)
	upkeep    bool // the process that serves HTTP has the store
}

// killing kills one process after the other at random moments while clients
// write, and compares what is there with what was acknowledged.
func killing(t *testing.T, s *server, times int) {
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
	l := newLoad(s.address)
	l.upkeep = s.upkeep
	l.provision(t)
	l.start()
	l.await(t, 50)
	for n := range times {
		victim := s.processes[rand.IntN(len(s.processes))]
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		victim.kill(t)
		if n%5 == 4 { // again, while it recovers
			victim.launch(t)
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			victim.kill(t)
		}
		victim.start(t)
		l.await(t, 20)
		if n%3 != 2 && n != times-1 {
			continue
		}
		l.finish()
		l.verify(t)
		if s.pairs != nil {
			s.pairs.verify(t, s.address)
		}
		if s.check != nil {
			s.check(t)
		}
		if t.Failed() {
			t.Fatalf("after kill %d, of %s", n+1, victim.name)
		}
		l.start()
	}
	l.finish()
	for _, p := range s.processes {
		p.kill(t)
	}
	check(t, s.store)
	t.Logf("%d kills, %d writes acknowledged", times, l.acks.Load())
}

// TestKillOneProcess kills a server that is one process, and checks the store
// before it is started again every now and then.
func TestKillOneProcess(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store string) {
		s := &server{address: freeAddress(t), store: store, pairs: &pairWatch{}, upkeep: true}
		p := partProcess(t, "calserver", part{Store: store, HTTP: s.address, Import: true})
		p.out.each = s.pairs.line
		s.processes = []*process{p}
		s.check = func(t testing.TB) {
			p.kill(t)
			check(t, store)
			p.start(t)
		}
		killing(t, s, kills(6))
	})
}

// TestKillRoles kills the parts of a server of two hosts: csstored, csdwpd,
// and the front end, which reaches the back end over mutual TLS.
func TestKillRoles(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, store string) {
		tls := mutual(t, "front.sesta.com", backendHost)
		front, back := tls["front.sesta.com"], tls[backendHost]
		s := &server{address: freeAddress(t), store: store, pairs: &pairWatch{}}
		socket, link := "unix:"+filepath.Join(shortDir(t), "s"), freeAddress(t)
		csstored := partProcess(t, "csstored", part{Store: store, DWP: socket, Import: true})
		csstored.out.each = s.pairs.line
		s.processes = []*process{
			csstored,
			partProcess(t, "csdwpd", part{Backend: socket, DWP: link, TLS: back}),
			partProcess(t, "cshttpd", part{Backend: link, TLS: front, HTTP: s.address}),
		}
		killing(t, s, kills(6))
	})
}

// shortDir is a directory whose name leaves room for a socket's.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// mutual makes the certificates of hosts that trust each other.
func mutual(t testing.TB, hosts ...string) map[string]*dwp.TLS {
	t.Helper()
	dir := t.TempDir()
	if _, err := certificates.Make(dir, hosts, 1); err != nil {
		t.Fatal(err)
	}
	out := map[string]*dwp.TLS{}
	for _, h := range hosts {
		out[h] = &dwp.TLS{Cert: filepath.Join(dir, h+".pem"), Key: filepath.Join(dir, h+".key"), CA: filepath.Join(dir, certificates.Authority+".pem")}
	}
	return out
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
