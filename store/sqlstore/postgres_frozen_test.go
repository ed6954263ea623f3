package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"

	"github.com/jackc/pgx/v5"
)

func openProxied(t *testing.T, opts Options) (*Store, *pgtest.Proxy) {
	t.Helper()
	p := pgtest.NewProxy(t, pgtest.Start(t))
	s, err := OpenPostgres(bg, p.DSN, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Watch(nil)
		p.Thaw()
		s.Close()
	})
	return s, p
}

func setPref(s *Store, owner calendar.Owner) error {
	return s.Update(bg, owner, func(tx calendar.Tx) error { return tx.SetPref("a", "b") })
}

// freezing freezes each connection on which something is asked about an owner
// whose name has the word in it.
func freezing(p *pgtest.Proxy, word string) *atomic.Int64 {
	var n atomic.Int64
	p.Watch(func(l *pgtest.Link, sent []byte) {
		if bytes.Contains(sent, []byte(word)) {
			l.Freeze()
			n.Add(1)
		}
	})
	return &n
}

// While a session hangs, nobody waits for it but its owner: whatever the
// owner's name, and however many have no answer, as when a node of a
// distributed database has stopped.
func TestFrozenSessionsHoldNobodyElse(t *testing.T) {
	for _, victims := range []int{1, 3 * pgWriters} {
		t.Run(fmt.Sprint(victims), func(t *testing.T) {
			s, p := openProxied(t, Options{LeaseTTL: time.Minute, Patience: 10 * time.Minute})
			for i := range 64 {
				if err := setPref(s, calendar.Owner(fmt.Sprint("well", i))); err != nil {
					t.Fatal(err)
				}
			}
			frozen := freezing(p, "victim")
			var waiting sync.WaitGroup
			var answered atomic.Int64
			for i := range victims {
				waiting.Go(func() {
					err := setPref(s, calendar.Owner(fmt.Sprint("victim", i)))
					if err != nil && !errors.Is(err, calendar.Unavailable) { // who had not begun is well again in the end
						t.Errorf("victim %d: %v", i, err)
					}
					answered.Add(1)
				})
			}
			until(t, "sessions that hang", func() bool { return frozen.Load() >= int64(min(victims, pgWriters)) })
			var others sync.WaitGroup
			for i := range 64 {
				others.Go(func() {
					owner := calendar.Owner(fmt.Sprint("well", i))
					if err := setPref(s, owner); err != nil {
						t.Errorf("%s: %v", owner, err)
					}
					err := s.View(bg, owner, func(tx calendar.ReadTx) error { _, err := tx.Prefs(); return err })
					if err != nil {
						t.Errorf("%s reads: %v", owner, err)
					}
				})
			}
			others.Wait()
			if victims == 1 && answered.Load() != 0 {
				t.Error("the victim has been answered")
			}
			p.Watch(nil)
			p.Cut() // which ends those that hang
			waiting.Wait()
			until(t, "the victims to be well again", func() bool {
				return setPref(s, "victim0") == nil && s.Held() == nil
			})
		})
	}
}

// A database that is slow for all, as its disk can be, costs nobody his place:
// who waits for one waits, and all is done when it goes on.
func TestSlowForAll(t *testing.T) {
	s, p := openProxied(t, Options{LeaseTTL: time.Hour, Patience: time.Hour})
	lease := []byte(processID()) // in its holder's name
	p.Watch(func(l *pgtest.Link, sent []byte) {
		if bytes.Contains(sent, []byte("owner-")) || bytes.Contains(sent, lease) {
			l.Freeze()
		}
	})
	var all sync.WaitGroup
	for i := range pgWriters + 4 {
		all.Go(func() {
			if err := setPref(s, calendar.Owner(fmt.Sprint("owner-", i))); err != nil {
				t.Error(err)
			}
		})
	}
	w := s.engine.(*pgEngine).writers
	until(t, "all to hang", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for c := range w.used {
			if c.silence() <= hungFor {
				return false
			}
		}
		return len(w.used) == pgWriters
	})
	for range 3 {
		w.evict()
	}
	p.Watch(nil)
	p.Thaw()
	all.Wait()
}

// While PostgreSQL itself is silent, everything is refused soon, and at once
// when that is known; when it answers again, all goes on.
func TestFrozenServer(t *testing.T) {
	s, p := openProxied(t, Options{LeaseTTL: 10 * time.Second, Patience: 200 * time.Millisecond})
	if err := setPref(s, "anna"); err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	read := func(ctx context.Context) error {
		return s.View(ctx, "anna", func(tx calendar.ReadTx) error { _, err := tx.Prefs(); return err })
	}
	ctx, cancel := context.WithTimeout(bg, time.Minute) // as long as it likes: the store has its own limit
	defer cancel()
	if err := read(ctx); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a read: %v", err)
	}
	if err := setPref(s, "anna"); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a write: %v", err)
	}
	until(t, "it to be known", func() bool { return s.Health().Err != nil })
	if err := read(ctx); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a read: %v", err)
	}
	if _, err := s.Stat(ctx); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a stat: %v", err)
	}
	p.Thaw()
	until(t, "a write", func() bool { return setPref(s, "anna") == nil })
	if err := read(ctx); err != nil {
		t.Error(err)
	}
	until(t, "good health", func() bool { return s.Health().Err == nil })
}

// Neither readiness nor status waits for what counts the owners, as a node of a
// distributed database may be away that has a part of them.
func TestStatWaitsForNobody(t *testing.T) {
	dsn := pgtest.Start(t)
	s, err := OpenPostgres(bg, dsn, Options{Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, owner := range []calendar.Owner{"anna", "bert"} {
		if err := s.Update(bg, owner, func(tx calendar.Tx) error { _, err := tx.NextChange(); return err }); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "a count", func() bool { st, err := s.Stat(bg); return st.Owners == 2 && err == nil })
	c, err := pgx.Connect(bg, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(bg)
	if _, err := c.Exec(bg, "BEGIN; LOCK TABLE owners IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	st, err := service.New(s, nil, service.Options{}).Ping(ctx)
	if st.Owners != 2 || err != nil || ctx.Err() != nil {
		t.Errorf("%d owners, %v, %v", st.Owners, err, ctx.Err())
	}
}

// A COMMIT that is not answered is no success. Nobody is told anything of the
// owner before it is certain what came of it; after that memory and store
// agree, whatever it was, and a request token tells.
func TestCommitOfUnknownOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		hang  func(*pgtest.Link)
		token string
	}{
		"sent and not carried out": {hang: (*pgtest.Link).Freeze},
		"carried out, no answer":   {hang: (*pgtest.Link).Mute},
		"cut":                      {hang: (*pgtest.Link).Cut},
		"carried out, with token":  {hang: (*pgtest.Link).Mute, token: "t"},
		"cut, with token":          {hang: (*pgtest.Link).Cut, token: "t"},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := openProxied(t, Options{LeaseTTL: time.Minute, Patience: 500 * time.Millisecond})
			var armed atomic.Bool
			model := service.New(hooked{s, func() { armed.Store(true) }}, nil, service.Options{})
			anna := calendar.Actor{User: "anna"}
			put := func(m *service.Service, summary, token string) error {
				ref := calendar.Ref{Calendar: "anna", Name: "a.ics"}
				_, err := m.PutObject(bg, anna, calendar.PutRequest{Ref: ref, Token: token, Data: []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" +
					"BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T100000Z\r\nSUMMARY:" + summary + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")})
				return err
			}
			text := func(m *service.Service) (string, error) {
				o, err := m.Object(bg, anna, calendar.Ref{Calendar: "anna", Name: "a.ics"})
				return string(o.Data), err
			}
			if err := put(model, "first", ""); err != nil {
				t.Fatal(err)
			}
			if _, err := text(model); err != nil {
				t.Fatal(err)
			}
			armed.Store(false)
			var hung atomic.Bool
			var its atomic.Pointer[pgtest.Link]
			p.Watch(func(l *pgtest.Link, sent []byte) {
				if bytes.Contains(sent, []byte("second")) {
					its.Store(l)
				}
				if armed.Load() && its.Load() == l && hung.CompareAndSwap(false, true) {
					c.hang(l)
				}
			})
			err := put(model, "second", c.token)
			if !hung.Load() {
				t.Fatal("nothing hung")
			}
			if c.token == "" && !errors.Is(err, calendar.Unavailable) {
				t.Errorf("a commit without an answer: %v", err)
			}
			var got string
			until(t, "certainty", func() bool {
				var rerr error
				got, rerr = text(model)
				return rerr == nil
			})
			stored := bytes.Contains([]byte(got), []byte("second"))
			if err == nil && !stored {
				t.Error("it was told to be a success, and is not stored")
			}
			if c.token != "" && errors.Is(err, calendar.Unavailable) {
				err := put(model, "second", c.token)
				if again, _ := text(model); err != nil || !bytes.Contains([]byte(again), []byte("second")) {
					t.Errorf("again under the token: %v, %s", err, again)
				}
			}
			got, _ = text(model)
			if fresh, err := text(service.New(s, nil, service.Options{})); fresh != got || err != nil {
				t.Errorf("memory has\n%s\nstored is\n%s %v", got, fresh, err)
			}
			if err := put(model, "third", ""); err != nil {
				t.Errorf("the next write: %v", err)
			}
			if n := model.Cache().ForeignWrites(); n != 0 {
				t.Errorf("%d foreign writes", n)
			}
		})
	}
}

// hooked is a store that tells when an Update has done what it does, before it
// is committed.
type hooked struct {
	calendar.Store
	done func()
}

func (h hooked) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	return h.Store.Update(ctx, owner, func(tx calendar.Tx) error {
		err := fn(tx)
		h.done()
		return err
	})
}
