package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"factotum/server/calendar"
)

func testViewIsReadOnly(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	for name, write := range map[string]func(calendar.Tx) error{
		"NextChange":     func(tx calendar.Tx) error { _, err := tx.NextChange(); return err },
		"PutObject":      func(tx calendar.Tx) error { return tx.PutObject(object(1, "a", "a", "a")) },
		"InsertCalendar": func(tx calendar.Tx) error { return tx.InsertCalendar(calendar.CalendarRow{ID: 2, Name: "x"}) },
		"SetPref":        func(tx calendar.Tx) error { return tx.SetPref("a", "b") },
		"PutJob":         func(tx calendar.Tx) error { return tx.PutJob(aJob(1, 0)) },
		"DeleteJob":      func(tx calendar.Tx) error { return tx.DeleteJob(1, 0) },
	} {
		err := s.View(context.Background(), anna, func(tx calendar.ReadTx) error {
			if w, ok := tx.(calendar.Tx); ok && write(w) == nil { // an engine may well hand out both halves
				t.Errorf("%s in a View succeeds", name)
			}
			return nil
		})
		if err == nil {
			t.Errorf("%s: the View succeeds", name)
		}
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		if n, _, err := tx.CountObjects(1); n != 0 || err != nil {
			t.Errorf("CountObjects: %d %v", n, err)
		}
		return nil
	})
}

func testViewIsSnapshot(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	put(t, s, anna, object(1, "a", "a", "old"))
	view(t, s, anna, func(tx calendar.ReadTx) error {
		if _, _, err := tx.Object(1, "a", true); err != nil {
			return err
		}
		put(t, s, anna, object(1, "a", "a", "new"))
		row, _, err := tx.Object(1, "a", true)
		if string(row.Data) != "old" {
			t.Errorf("a View sees a later commit: %q", row.Data)
		}
		return err
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		row, _, err := tx.Object(1, "a", true)
		if string(row.Data) != "new" {
			t.Errorf("a later View: %q", row.Data)
		}
		return err
	})
}

var errBoom = errors.New("boom")

// writeAll touches every table.
func writeAll(tx calendar.Tx) error {
	change, err := tx.NextChange()
	if err != nil {
		return err
	}
	row := object(1, "x", "x", "x")
	row.Change = change
	return errors.Join(
		tx.InsertCalendar(calendar.CalendarRow{ID: 2, Name: "second"}),
		tx.PutObject(row),
		tx.SetOccurrences(1, "x", []calendar.OccurrenceRow{{Start: 1, End: 2}}),
		tx.SetProp(1, "x", calendar.DeadProp{Local: "l"}),
		tx.SetPref("a", "b"),
		tx.SetToken("t", nil, day),
		tx.PutJob(aJob(change, 0)),
		tx.PutTrace(aTrace(1)),
		tx.TouchCalendar(1, change, day),
	)
}

func wantUntouched(t *testing.T, s calendar.Store) {
	t.Helper()
	view(t, s, anna, func(tx calendar.ReadTx) error {
		h, _, _ := tx.Home()
		cals, _ := tx.Calendars()
		n, _, _ := tx.CountObjects(1)
		occs, _ := tx.ObjectOccurrences(1, "x")
		props, _ := tx.Props(1, "x")
		prefs, _ := tx.Prefs()
		jobs, _ := tx.Jobs()
		journal := traces(t, tx, calendar.TraceQuery{})
		_, token, err := tx.Token("t")
		if h.Change != 1 || h.Bytes != 0 || len(cals) != 1 || cals[0].Change != 1 || n+len(occs)+len(props)+len(prefs)+len(jobs)+len(journal) != 0 || token || err != nil {
			t.Errorf("something stayed: %+v %v %d %v %v %v %v %v %v %v", h, cals, n, occs, props, prefs, jobs, journal, token, err)
		}
		return nil
	})
}

func testRollback(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	err := s.Update(context.Background(), anna, func(tx calendar.Tx) error {
		tx.OnCommit(func() { t.Error("OnCommit after a failure") })
		if err := writeAll(tx); err != nil {
			t.Errorf("write: %v", err)
		}
		return errBoom
	})
	if err != errBoom {
		t.Errorf("Update: %v", err)
	}
	wantUntouched(t, s)
	update(t, s, anna, writeAll)
}

func testPanic(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	err := s.Update(context.Background(), anna, func(tx calendar.Tx) error {
		tx.OnCommit(func() { t.Error("OnCommit after a panic") })
		if err := writeAll(tx); err != nil {
			t.Errorf("write: %v", err)
		}
		panic(errBoom)
	})
	wantKind(t, "Update", err, calendar.Internal)
	wantUntouched(t, s)
	wantKind(t, "View", s.View(context.Background(), anna, func(tx calendar.ReadTx) error { panic("boom") }), calendar.Internal)
	err = s.Update(context.Background(), anna, func(tx calendar.Tx) error {
		tx.OnCommit(func() { panic("in a hook") })
		return writeAll(tx)
	})
	if err != nil {
		t.Errorf("a panic in a hook undoes no commit: %v", err)
	}
	update(t, s, anna, func(tx calendar.Tx) error { return tx.SetPref("still", "alive") })
}

func testCanceled(t *testing.T, s calendar.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	never := func(calendar.Tx) error { t.Error("fn ran"); return nil }
	wantKind(t, "Update", s.Update(ctx, anna, never), calendar.Canceled)

	// One that waits behind another is skipped when its caller goes away.
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Update(context.Background(), anna, func(calendar.Tx) error {
			close(running)
			<-release
			return nil
		})
		if err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-running
	ctx, cancel = context.WithCancel(context.Background())
	gone := make(chan error)
	go func() { gone <- s.Update(ctx, anna, never) }()
	cancel()
	wantKind(t, "one that waits", <-gone, calendar.Canceled)
	close(release)
	wg.Wait()
	update(t, s, anna, func(calendar.Tx) error { return nil })
}

func testOnCommit(t *testing.T, s calendar.Store) {
	const writers, each = 8, 20
	var mu sync.Mutex
	var order []int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				var change int64
				ran := false
				err := s.Update(context.Background(), anna, func(tx calendar.Tx) (err error) {
					change, err = tx.NextChange()
					n := change
					tx.OnCommit(func() {
						mu.Lock()
						order = append(order, n)
						mu.Unlock()
					})
					tx.OnCommit(func() { ran = true })
					return err
				})
				if err != nil || !ran {
					t.Errorf("Update: %v, hooks ran before it returned: %v", err, ran)
				}
				view(t, s, anna, func(tx calendar.ReadTx) error {
					if h, _, err := tx.Home(); h.Change < change || err != nil {
						t.Errorf("an acknowledged write is not seen: %+v %v", h, err)
					}
					return nil
				})
			}
		})
	}
	wg.Wait()
	if len(order) != writers*each || !slices.IsSorted(order) {
		t.Errorf("%d hooks ran, in the order %v", len(order), order)
	}
}

// Updates that fail take no other with them, though many share a commit.
func testGroupIsolation(t *testing.T, s calendar.Store) {
	const n = 120
	makeCalendar(t, s, anna, 1, "calendar")
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // holds the writer until the others wait
		s.Update(context.Background(), anna, func(calendar.Tx) error {
			close(running)
			<-release
			return nil
		})
	})
	<-running
	errs := make([]error, n)
	var mu sync.Mutex
	committed := 0
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint("o", i)
			errs[i] = s.Update(context.Background(), anna, func(tx calendar.Tx) error {
				tx.OnCommit(func() { mu.Lock(); committed++; mu.Unlock() })
				row := object(1, name, name, name)
				row.Change, _ = tx.NextChange()
				if err := tx.PutObject(row); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return errBoom
				case 2:
					panic("boom")
				case 3:
					return tx.InsertCalendar(calendar.CalendarRow{ID: 2, Name: "calendar"})
				}
				return nil
			})
		})
	}
	close(release)
	wg.Wait()
	view(t, s, anna, func(tx calendar.ReadTx) error {
		h, _, _ := tx.Home()
		if h.Change != 1+n/4 || committed != n/4 {
			t.Errorf("change %d, %d hooks: a failed Update took a number", h.Change, committed)
		}
		for i, err := range errs {
			name := fmt.Sprint("o", i)
			_, ok, _ := tx.Object(1, name, false)
			if ok != (i%4 == 0) || (err == nil) != ok {
				t.Errorf("%s: stored %v, error %v", name, ok, err)
			}
			switch i % 4 {
			case 1:
				if err != errBoom {
					t.Errorf("%s: %v", name, err)
				}
			case 2:
				wantKind(t, name, err, calendar.Internal)
			case 3:
				wantKind(t, name, err, calendar.Exists)
			}
		}
		return nil
	})
}

// Writers race with a condition on what they read: one wins each version.
func testRaceOnOneObject(t *testing.T, s calendar.Store) {
	const writers, rounds = 4, 25
	makeCalendar(t, s, anna, 1, "calendar")
	put(t, s, anna, object(1, "a", "a", "0"))
	errStale := errors.New("stale")
	var mu sync.Mutex
	wins := map[int64]int{}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				var seen int64
				view(t, s, anna, func(tx calendar.ReadTx) error {
					row, _, err := tx.Object(1, "a", false)
					seen = row.Change
					return err
				})
				err := s.Update(context.Background(), anna, func(tx calendar.Tx) error {
					row, ok, err := tx.Object(1, "a", true)
					if err != nil || !ok {
						return fmt.Errorf("read: %v %w", ok, err)
					}
					if row.Change != seen {
						return errStale
					}
					if row.Change, err = tx.NextChange(); err != nil {
						return err
					}
					row.Data = append(row.Data, '+')
					return tx.PutObject(row)
				})
				switch {
				case err == nil:
					mu.Lock()
					wins[seen]++
					mu.Unlock()
				case err != errStale:
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for version, n := range wins {
		if n != 1 {
			t.Errorf("version %d has %d winners", version, n)
		}
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		row, _, err := tx.Object(1, "a", true)
		if got := strings.Count(string(row.Data), "+"); got != len(wins) || len(wins) < rounds {
			t.Errorf("%d writes in the data, %d winners", got, len(wins))
		}
		return err
	})
}

func testManyOwners(t *testing.T, s calendar.Store) {
	const owners, each = 16, 10
	var wg sync.WaitGroup
	for i := range owners {
		owner := calendar.Owner(fmt.Sprint("owner", i))
		wg.Go(func() {
			makeCalendar(t, s, owner, 1, "calendar")
			for j := range each {
				name := fmt.Sprint(j)
				put(t, s, owner, object(1, name, name, name))
			}
		})
	}
	wg.Wait()
	st, err := s.Stat(context.Background())
	if st.Owners != owners || st.Objects != owners*each || err != nil {
		t.Errorf("Stat: %+v %v", st, err)
	}
	for i := range owners {
		view(t, s, calendar.Owner(fmt.Sprint("owner", i)), func(tx calendar.ReadTx) error {
			if h, _, err := tx.Home(); h.Change != each+1 || err != nil {
				t.Errorf("Home: %+v %v", h, err)
			}
			return nil
		})
	}
}
