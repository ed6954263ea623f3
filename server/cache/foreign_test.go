package cache_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// swapped is a store in whose place a test can put another one, or which it
// holds up after a snapshot.
type swapped struct {
	calendar.Store
	mu    sync.Mutex
	after func() // the next View calls it when it has its snapshot
}

func (s *swapped) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	err := s.Store.View(ctx, owner, fn)
	s.mu.Lock()
	after := s.after
	s.after = nil
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return err
}

func put(t *testing.T, svc *service.Service, name, more string) {
	t.Helper()
	_, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: home, Name: name}, Data: event("u-"+name, "20260105T090000Z", more)})
	if err != nil {
		t.Fatal(err)
	}
}

// same asks all that can be asked, twice, and compares with what is stored.
func same(t *testing.T, svc *service.Service, store calendar.Store) {
	t.Helper()
	m := &model{t: t}
	plain := service.New(store, nil, service.Options{CacheBytes: -1})
	for range 2 {
		for _, q := range m.questions() {
			if strings.HasPrefix(q, "view") {
				continue
			}
			if got, want := ask(svc, m, q), ask(plain, m, q); got != want {
				t.Errorf("%s: %s\nstored is %s", q, got, want)
			}
		}
	}
}

// Another program that writes is found out at the next write or load, and what
// it wrote is what readers get then.
func TestForeignWrite(t *testing.T) {
	for name, meet := range map[string]func(*testing.T, *service.Service){
		"by a write": func(t *testing.T, svc *service.Service) { put(t, svc, "b.ics", "") },
		"by a load": func(t *testing.T, svc *service.Service) {
			if _, err := svc.Object(t.Context(), anna, calendar.Ref{Calendar: home, Name: "foreign.ics"}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := calendartest.NewStore()
			var logged strings.Builder
			svc := service.New(store, nil, service.Options{Logger: logger(&logged)})
			put(t, svc, "a.ics", "")
			same(t, svc, store)
			put(t, service.New(store, nil, service.Options{}), "a.ics", "COMMENT:foreign\r\n")
			put(t, service.New(store, nil, service.Options{}), "foreign.ics", "")
			meet(t, svc)
			same(t, svc, store)
			if n := svc.Cache().ForeignWrites(); n != 1 || strings.Count(logged.String(), "level=ERROR") != 1 {
				t.Errorf("%d foreign writes, the log says %s", n, &logged)
			}
		})
	}
}

// An old copy of the store that is put in its place is found out in the same
// way.
func TestRestoreUnderneath(t *testing.T) {
	for name, meet := range map[string]func(*testing.T, *service.Service){
		"by a write": func(t *testing.T, svc *service.Service) { put(t, svc, "b.ics", "") },
		"by a load": func(t *testing.T, svc *service.Service) {
			if _, err := svc.Object(t.Context(), anna, calendar.Ref{Calendar: home, Name: "never.ics"}); calendar.KindOf(err) != calendar.NotFound {
				t.Error(err)
			}
		},
		"by a transaction": func(t *testing.T, svc *service.Service) {
			if err := svc.Cache().ReadStore(t.Context(), "anna", func(cache.View) error { return nil }); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fill := func(n int) *calendartest.Store {
				store := calendartest.NewStore()
				for i := range n {
					put(t, service.New(store, nil, service.Options{}), fmt.Sprintf("o%d.ics", i), "")
				}
				return store
			}
			store := &swapped{Store: fill(5)}
			svc := service.New(store, nil, service.Options{})
			same(t, svc, store)
			put(t, svc, "o0.ics", "COMMENT:again\r\n")
			same(t, svc, store)
			store.Store = fill(3)
			meet(t, svc)
			same(t, svc, store)
			put(t, svc, "c.ics", "")
			same(t, svc, store)
			if n := svc.Cache().ForeignWrites(); n != 1 {
				t.Errorf("found out %d times", n)
			}
		})
	}
}

// A state that was read before a commit which a reader has been told of is not
// what later readers get.
func TestStateOlderThanWhatWasTold(t *testing.T) {
	store := &swapped{Store: calendartest.NewStore()}
	put(t, service.New(store, nil, service.Options{}), "a.ics", "")
	svc := service.New(store, nil, service.Options{})
	number := func(read func(context.Context, calendar.Owner, func(cache.View) error) error) (n int64) {
		if err := read(t.Context(), "anna", func(v cache.View) error { n = v.Home().Change; return nil }); err != nil {
			t.Error(err)
		}
		return n
	}
	var told int64
	store.after = func() { // the state is read, and not published
		done := svc.Cache().Writing("anna")
		defer done()
		put(t, service.New(store, nil, service.Options{}), "a.ics", "COMMENT:on its way\r\n")
		told = number(svc.Cache().ReadStore)
	}
	first := number(svc.Cache().Read)
	if then := number(svc.Cache().Read); told == 0 || first < told || then < told {
		t.Errorf("told of %d, then %d and %d", told, first, then)
	}
}

// Without a cache all is as it is with one.
func TestNothingKept(t *testing.T) {
	store := calendartest.NewStore()
	svc := service.New(store, nil, service.Options{CacheBytes: -1})
	for i := range 3 {
		put(t, svc, fmt.Sprintf("o%d.ics", i), "RRULE:FREQ=DAILY\r\n")
	}
	same(t, svc, store)
	if svc.Cache().Size() != 0 {
		t.Errorf("%d octets are kept", svc.Cache().Size())
	}
}
