package move

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
)

// book is what a client was told.
type book struct {
	mu     sync.Mutex
	acked  map[string]string   // texts by name
	maybe  map[string][]string // those that may have come after
	tries  int
	again  int // that were told to come again
	failed int // that were not answered
}

// write writes to the calendars of ben until done is closed.
func (k *book) write(t *testing.T, s *site, n int, done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		name := fmt.Sprintf("w%d-%d.ics", n, i%30)
		text := fmt.Sprintf("%d of %d", i, n)
		put := func() error {
			_, err := s.router.PutObject(bg, calendar.Actor{User: "ben"}, calendar.PutRequest{Ref: calendar.Ref{Calendar: "ben", Name: name}, Data: event(name, text)})
			return err
		}
		err := put()
		if e := (*calendar.Error)(nil); errors.As(err, &e) && e.Kind == calendar.Unavailable && e.After > 0 && e.After <= 2*time.Second {
			time.Sleep(e.After) // as a client does that is told to come again
			k.mu.Lock()
			k.again++
			k.mu.Unlock()
			err = put()
		}
		k.mu.Lock()
		k.tries++
		switch {
		case err == nil:
			k.acked[name], k.maybe[name] = text, nil
		case errors.Is(err, calendar.Unavailable), errors.Is(err, calendar.Canceled):
			k.maybe[name] = append(k.maybe[name], text)
			k.failed++
		default:
			t.Errorf("put %s: %v", name, err)
		}
		k.mu.Unlock()
		time.Sleep(5 * time.Millisecond) // each leaves a version, which moves too
	}
}

// check compares what is there with the book.
func (k *book) check(t *testing.T, s *site) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, text := range k.acked {
		o, err := s.router.Object(bg, calendar.Actor{User: "ben"}, calendar.Ref{Calendar: "ben", Name: name})
		if err != nil {
			t.Errorf("%s was acknowledged: %v", name, err)
			continue
		}
		if !slices.ContainsFunc(append(k.maybe[name], text), func(x string) bool { return strings.Contains(string(o.Data), "SUMMARY:"+x+"\r\n") }) {
			t.Errorf("%s is not what was acknowledged last, %q: %s", name, text, o.Data)
		}
	}
}

// A directory that answers as before the switch, as a replica does that lags behind, brings
// no home back after a restart: there would be two.
func TestMoveByOldDirectory(t *testing.T) {
	s := newSite(t, nil)
	s.put(t, "ben", "a.ics", "x")
	from, to := s.hosts[hostA], s.hosts[hostB]
	died := make(chan struct{})
	var once sync.Once
	lags := func(n int) {
		s.people.mu.Lock()
		defer s.people.mu.Unlock()
		s.people.old = n
	}
	from.step = func(step string, _ calendar.Owner) (err error) {
		if step == "activate" { // the directory is switched
			once.Do(func() { lags(1 << 30); err = errors.New("killed"); close(died) })
		}
		return err
	}
	if err := from.mover.Move(bg, "ben", to.host); err != nil {
		t.Fatal(err)
	}
	<-died
	read := func(b *backEnd) error {
		_, err := b.model.Object(bg, calendar.Actor{User: "ben"}, calendar.Ref{Calendar: "ben", Name: "a.ics"})
		return err
	}
	from.step = func(step string, _ calendar.Owner) error {
		if step == "begin" {
			t.Error("the home is at the source again, and is moved once more")
		}
		return nil
	}
	from.again()
	time.Sleep(300 * time.Millisecond)
	lags(0)
	if res := from.wait("ben"); res.State != stateMoved {
		t.Fatalf("the move is %+v", res)
	}
	if err := read(from); calendar.ReasonOf(err) != calendar.HomeMoved {
		t.Errorf("the source answers %v", err)
	}
	if err := read(to); err != nil {
		t.Errorf("the target answers %v", err)
	}
}

// A home goes back and forth while it is written to, and either side is killed at any
// step: it is always on one side, nothing that was acknowledged is lost, and no
// sync-token of before becomes invalid.
func TestMoveKilled(t *testing.T) {
	moves := 15
	if os.Getenv("FACTOTUM_LONG") != "" {
		moves = 1000
	}
	s := newSite(t, nil)
	ben := calendar.Actor{User: "ben"}
	if _, err := s.router.Home(bg, ben, calendar.HomeRequest{Owner: "ben"}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		s.put(t, "ben", fmt.Sprintf("n%d.ics", i), "x")
	}
	cal, err := s.router.Calendar(bg, ben, "ben")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	k := &book{acked: map[string]string{}, maybe: map[string][]string{}}
	done := make(chan struct{})
	var busy sync.WaitGroup
	for n := range 3 {
		busy.Go(func() { k.write(t, s, n, done) })
	}
	steps := []string{"begin", "part", "freeze", "ready", "switch", "activate", "drop",
		"target begin", "target part", "target check", "target ready", "target activate", "source restarts", "directory", "nothing"}
	at := hostA
	for i := range moves {
		from, to := s.hosts[at], s.hosts[hostA]
		if at == hostA {
			to = s.hosts[hostB]
		}
		victim, kill := from, steps[i%len(steps)]
		if strings.HasPrefix(kill, "target") {
			victim = to
		}
		died := make(chan struct{})
		var once sync.Once
		hook := func(step string, _ calendar.Owner) (err error) {
			if step == kill {
				once.Do(func() { err = errors.New("killed"); close(died) })
			}
			return err
		}
		victim.step = hook
		lost := 0
		s.people.mu.Lock()
		s.people.fail, s.people.after = nil, nil
		if kill == "directory" { // it does what it is asked, and says that it did not
			s.people.after = func() error {
				if lost++; lost < 3 {
					return fail(calendar.Unavailable, "ben", "the connection broke")
				}
				return nil
			}
		}
		s.people.mu.Unlock()
		if err := from.mover.Move(bg, "ben", to.host); err != nil {
			t.Fatalf("move %d: %v", i, err)
		}
		if kill != "source restarts" && kill != "directory" && kill != "nothing" {
			select {
			case <-died:
			case <-time.After(time.Minute):
				t.Fatalf("move %d never comes to %q: %+v", i, kill, from.mover.Status())
			}
			time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
			victim.again()
		} else if kill == "source restarts" {
			time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
			from.again()
			to.again()
		}
		from.wait("ben")
		if list := from.mover.Status(); len(list) > 0 && list[len(list)-1].State != stateMoved {
			t.Fatalf("move %d, killed at %q: %+v", i, kill, list)
		}
		for end := time.Now().Add(time.Minute); len(to.mover.Status()) > 0 && to.mover.Status()[0].From != ""; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("move %d, killed at %q, is not active: %+v", i, kill, to.mover.Status())
			}
		}
		if host, _ := s.people.Host(bg, "ben"); host != to.host {
			t.Fatalf("move %d, killed at %q: the directory says %s", i, kill, host)
		}
		if got := s.owned(t, "ben"); !slices.Equal(got, []string{to.host}) {
			t.Fatalf("move %d, killed at %q: it is on %v", i, kill, got)
		}
		victim.step = nil
		at = to.host
	}
	close(done)
	busy.Wait()
	k.check(t, s)
	changed := 0
	if _, err := s.router.Sync(bg, ben, calendar.SyncRequest{Calendar: "ben", Token: cal.SyncToken()}, func(it calendar.SyncItem) error { changed++; return nil }); err != nil {
		t.Errorf("the token of before: %v", err)
	}
	if changed < len(k.acked) {
		t.Errorf("%d objects changed since, of %d", changed, len(k.acked))
	}
	t.Logf("%d moves, %d writes, of which %d were not answered", moves, k.tries, k.failed)
	for _, host := range []string{hostA, hostB} {
		if err := s.hosts[host].raw.Check(bg); err != nil {
			t.Error(err)
		}
	}
}

// With nobody killed no write fails: on a busy machine one may have to come again once.
func TestMoveUnderLoad(t *testing.T) {
	s := newSite(t, nil)
	if _, err := s.router.Home(bg, calendar.Actor{User: "ben"}, calendar.HomeRequest{Owner: "ben"}); err != nil {
		t.Fatal(err)
	}
	k := &book{acked: map[string]string{}, maybe: map[string][]string{}}
	done := make(chan struct{})
	var busy sync.WaitGroup
	for n := range 4 {
		busy.Go(func() { k.write(t, s, n, done) })
	}
	for i := range 10 {
		from, to := s.hosts[hostA], hostB
		if i%2 == 1 {
			from, to = s.hosts[hostB], hostA
		}
		if err := from.mover.Move(bg, "ben", to); err != nil {
			t.Fatal(err)
		}
		if st := from.wait("ben"); st.State != stateMoved {
			t.Fatalf("move %d: %+v", i, st)
		}
	}
	close(done)
	busy.Wait()
	k.check(t, s)
	if k.failed > 0 {
		t.Errorf("of %d writes %d failed", k.tries, k.failed)
	}
	t.Logf("of %d writes %d had to come again", k.tries, k.again)
}
