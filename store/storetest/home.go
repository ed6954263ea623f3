package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"factotum/server/calendar"
)

func testHome(t *testing.T, s calendar.Store) {
	view(t, s, anna, func(tx calendar.ReadTx) error {
		h, ok, err := tx.Home()
		if ok || err != nil || h != (calendar.HomeRow{}) {
			t.Errorf("Home before any write: %+v %v %v", h, ok, err)
		}
		return nil
	})
	makeCalendar(t, s, anna, 1, "calendar")
	view(t, s, anna, func(tx calendar.ReadTx) error {
		h, ok, err := tx.Home()
		if !ok || err != nil || h.Change != 1 || h.Bytes != 0 || h.Created.IsZero() {
			t.Errorf("Home: %+v %v %v", h, ok, err)
		}
		return nil
	})
}

func testEntry(t *testing.T, s calendar.Store) {
	entry := func(want string) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			if h, ok, err := tx.Home(); h.Entry != want || !ok || err != nil {
				t.Errorf("Home: %+v %v %v, want the entry %q", h, ok, err, want)
			}
			return nil
		})
	}
	update(t, s, anna, func(tx calendar.Tx) error { return tx.SetEntry("entryuuid:1") }) // the row is made
	entry("entryuuid:1")
	makeCalendar(t, s, anna, 1, "calendar")
	entry("entryuuid:1")
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.SetEntry("entryuuid:2"); err != nil {
			return err
		}
		if h, _, err := tx.Home(); h.Entry != "entryuuid:2" || err != nil {
			t.Errorf("Home in the transaction: %+v %v", h, err)
		}
		_, err := tx.NextChange()
		return err
	})
	entry("entryuuid:2")
	if err := s.Update(t.Context(), anna, func(tx calendar.Tx) error {
		if err := tx.SetEntry("entryuuid:3"); err != nil {
			return err
		}
		return fmt.Errorf("no")
	}); err == nil {
		t.Error("a transaction that fails succeeds")
	}
	entry("entryuuid:2")
}

func testNextChange(t *testing.T, s calendar.Store) {
	for first := int64(1); first <= 7; first += 3 {
		update(t, s, anna, func(tx calendar.Tx) error {
			want := first // it may run again
			for range 3 { // another number at each call
				if n, err := tx.NextChange(); n != want || err != nil {
					t.Errorf("NextChange: %d %v, want %d", n, err, want)
				}
				if h, ok, err := tx.Home(); h.Change != want || !ok || err != nil {
					t.Errorf("Home in the transaction: %+v %v %v", h, ok, err)
				}
				want++
			}
			return nil
		})
	}
	update(t, s, "ben", func(tx calendar.Tx) error {
		if n, err := tx.NextChange(); n != 1 || err != nil {
			t.Errorf("NextChange of another owner: %d %v", n, err)
		}
		return nil
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.SetPref("a", "b") })
	view(t, s, anna, func(tx calendar.ReadTx) error {
		if h, _, err := tx.Home(); h.Change != 9 || err != nil {
			t.Errorf("a write without NextChange: %+v %v", h, err)
		}
		return nil
	})
}

func testBytes(t *testing.T, s calendar.Store) {
	want := func(what string, bytes, objects int64) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			if h, _, err := tx.Home(); h.Bytes != bytes || err != nil {
				t.Errorf("%s: %d bytes, want %d (%v)", what, h.Bytes, bytes, err)
			}
			return nil
		})
		st, err := s.Stat(context.Background())
		if err != nil || st.Bytes != bytes || st.Objects != objects || st.Owners != 1 || st.Engine == "" || st.Version == "" {
			t.Errorf("%s: Stat %+v %v", what, st, err)
		}
	}
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "work")
	put(t, s, anna, object(1, "a", "a", "12345"))
	put(t, s, anna, object(1, "b", "b", "123"))
	put(t, s, anna, object(2, "a", "a", "1234567"))
	want("three objects", 15, 3)
	put(t, s, anna, object(1, "a", "a", "1"))
	want("a smaller one", 11, 3)
	remove(t, s, anna, 1, "b", day)
	want("a deletion", 8, 2)
	put(t, s, anna, object(1, "b", "b", "12"))
	want("a name used again", 10, 3)
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteCalendar(1, 9, day) })
	want("a calendar's deletion", 7, 1)
	// The sums follow within one transaction too.
	update(t, s, anna, func(tx calendar.Tx) error {
		for i := range 3 {
			if err := tx.PutObject(object(2, "x", "x", fmt.Sprint(i, i, i))); err != nil {
				return err
			}
		}
		if h, _, err := tx.Home(); h.Bytes != 12 || err != nil {
			t.Errorf("in the transaction: %+v %v", h, err)
		}
		return tx.DeleteObject(2, "a", 0, day, "anna")
	})
	want("several in one", 5, 1)
}

func testOwners(t *testing.T, s calendar.Store) {
	ctx := context.Background()
	names := []calendar.Owner{"Zoe", "anna", "ben@sesta.com", "ben@varrius.com", "émile"}
	for _, o := range slices.Backward(names) {
		makeCalendar(t, s, o, 1, "calendar")
	}
	if got, err := s.Owners(ctx, "", 0); err != nil || !slices.Equal(got, names) {
		t.Errorf("Owners: %q %v", got, err)
	}
	if got, err := s.Owners(ctx, "anna", 2); err != nil || !slices.Equal(got, names[2:4]) {
		t.Errorf("Owners after anna: %q %v", got, err)
	}
	if got, err := s.Owners(ctx, "émile", 2); err != nil || len(got) != 0 {
		t.Errorf("Owners after the last: %q %v", got, err)
	}
}
