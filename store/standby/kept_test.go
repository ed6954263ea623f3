package standby

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// TestWhatBelongsToNoHome: the standby has it before it is admitted, and soon when it changes.
func TestWhatBelongsToNoHome(t *testing.T) {
	dirs := []string{fresh.Dir(t), fresh.Dir(t)}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		ours, theirs := [][]byte{[]byte("one"), []byte("two")}, []string{}
		var admitted func() bool
		open := func(dir string) Options {
			s, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return Options{Dir: dir, Store: s, Sync: true}
		}
		opt := open(dirs[1])
		opt.Keep = func(_ context.Context, piece []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if len(theirs) < 2 && admitted() {
				t.Error("it was admitted before")
			}
			theirs = append(theirs, string(piece))
			return nil
		}
		p := NewPassive(State{Epoch: 1}, opt)
		admitted = func() bool { st := p.Status(); return st.Ready() }
		opt = open(dirs[0])
		opt.Dial = func() (calendar.Twin, error) { return p, nil }
		opt.Kept = func(context.Context) ([][]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return ours, nil
		}
		a := NewActive(State{Epoch: 1, Active: true}, opt)
		done := make(chan struct{})
		go func() { defer close(done); a.Run(ctx) }()
		defer func() { cancel(); <-done }()
		has := func(want ...string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			if st := a.Status(); !st.Ready() || !slices.Equal(theirs, want) {
				t.Errorf("the standby has %q: %+v", theirs, st)
			}
		}
		has("one", "two")
		mu.Lock()
		ours = [][]byte{[]byte("three")}
		mu.Unlock()
		a.KeptChanged()
		has("one", "two", "three")
	})
}
