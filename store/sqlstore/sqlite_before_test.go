package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"factotum/server/calendar"
)

// TestBeforeCommit: who is told before a commit hears of what wrote and succeeded, in order, may
// refuse it, and learns what came of it.
func TestBeforeCommit(t *testing.T) {
	ctx := context.Background()
	s, err := OpenSQLite(ctx, t.TempDir(), Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var mu sync.Mutex
	var told []calendar.Committing
	var outcomes []error
	refuse := error(nil)
	s.BeforeCommit(func(all []calendar.Committing) (func(error), error) {
		mu.Lock()
		defer mu.Unlock()
		if refuse != nil {
			return nil, refuse
		}
		told = append(told, all...)
		return func(err error) { outcomes = append(outcomes, err) }, nil
	})
	set := func(owner calendar.Owner, value string, end error) error {
		return s.Update(ctx, owner, func(x calendar.Tx) error {
			x.(interface{ Annotate(any) }).Annotate(value)
			if err := x.SetPref("p", value); err != nil {
				return err
			}
			return end
		})
	}
	if err := set("ann", "1", nil); err != nil {
		t.Fatal(err)
	}
	if err := set("ann", "2", errors.New("no")); err == nil {
		t.Error("a transaction that fails succeeds")
	}
	if err := s.Update(ctx, "ben", func(x calendar.Tx) error { _, _, err := x.Home(); return err }); err != nil {
		t.Fatal(err)
	}
	refuse = errors.New("refused")
	if err := set("ann", "3", nil); !errors.Is(err, refuse) {
		t.Errorf("a commit that is refused ends with %v", err)
	}
	refuse = nil
	var all sync.WaitGroup
	for _, o := range []calendar.Owner{"c1", "c2", "c3", "c4"} {
		all.Go(func() {
			end := error(nil)
			if o == "c2" {
				end = errors.New("spoiled")
			}
			if err := set(o, "x", end); (err != nil) != (end != nil) {
				t.Errorf("%s: %v", o, err)
			}
		})
	}
	all.Wait()
	if err := set("ann", "4", nil); err != nil {
		t.Fatal(err)
	}
	if first, last := told[0], told[len(told)-1]; first != (calendar.Committing{Owner: "ann", Note: "1"}) || last != (calendar.Committing{Owner: "ann", Note: "4"}) || len(told) != 5 {
		t.Errorf("told of %v", told)
	}
	if slices.ContainsFunc(told, func(c calendar.Committing) bool { return c.Owner == "c2" || c.Owner == "ben" }) {
		t.Errorf("told of what wrote nothing, or failed: %v", told)
	}
	if len(outcomes) == 0 || slices.ContainsFunc(outcomes, func(err error) bool { return err != nil }) {
		t.Errorf("the commits ended with %v", outcomes)
	}
	if err := s.View(ctx, "ann", func(x calendar.ReadTx) error {
		prefs, err := x.Prefs()
		if prefs["p"] != "4" {
			t.Errorf("stored: %v", prefs)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
