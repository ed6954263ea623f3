package sqlstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
)

// wantCalendar compares what a writer remembers with what is stored.
func wantCalendar(t *testing.T, s *Store, change int64, color string) {
	t.Helper()
	look := func(tx calendar.Tx) error {
		home, _, err := tx.Home()
		if err != nil {
			return err
		}
		row, ok, err := tx.Calendar("calendar")
		if !ok || row.Change != change || row.Color != color || home.Change != change {
			t.Errorf("home %+v, calendar %v %d %q, want change %d and color %q", home, ok, row.Change, row.Color, change, color)
		}
		return err
	}
	for _, run := range []func(func(calendar.Tx) error) error{
		func(fn func(calendar.Tx) error) error { return s.Update(bg, "anna", fn) },
		func(fn func(calendar.Tx) error) error { return s.View(bg, "anna", fn) },
	} {
		if err := run(look); err != nil {
			t.Error(err)
		}
	}
}

// What the writer remembers follows every commit and no failure.
func testMemory(t *testing.T, s *Store) {
	stamp := func(tx calendar.Tx) error {
		row, _, err := tx.Calendar("calendar")
		if err != nil {
			return err
		}
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		return tx.TouchCalendar(row.ID, n, time.UnixMicro(n))
	}
	boom := errors.New("boom")
	steps := []struct {
		fn     func(calendar.Tx) error
		want   error
		change int64
		color  string
	}{
		{func(tx calendar.Tx) error { return tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar"}) }, nil, 0, ""},
		{stamp, nil, 1, ""},
		{func(tx calendar.Tx) error { return errors.Join(stamp(tx), stamp(tx)) }, nil, 3, ""},
		{func(tx calendar.Tx) error { return errors.Join(stamp(tx), boom) }, boom, 3, ""},
		{func(tx calendar.Tx) error {
			return errors.Join(stamp(tx), tx.UpdateCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: 9, Color: "red"}), boom)
		}, boom, 3, ""},
		{func(tx calendar.Tx) error {
			return errors.Join(stamp(tx), tx.UpdateCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: 4, Color: "red"}))
		}, nil, 4, "red"},
		{stamp, nil, 5, "red"},
		{func(tx calendar.Tx) error {
			return errors.Join(tx.DeleteCalendar(1, 5, time.UnixMicro(5)), tx.InsertCalendar(calendar.CalendarRow{ID: 2, Name: "calendar", Change: 5}))
		}, nil, 5, ""},
	}
	for i, c := range steps {
		if err := s.Update(bg, "anna", c.fn); !errors.Is(err, c.want) {
			t.Fatalf("step %d: %v, want %v", i, err, c.want)
		}
		wantCalendar(t, s, c.change, c.color)
	}
}

func TestSQLiteMemory(t *testing.T)   { testMemory(t, mustOpenSQLite(t, t.TempDir())) }
func TestPostgresMemory(t *testing.T) { testMemory(t, mustOpenPostgres(t)) }

// Of a group, those that fail after they wrote leave nothing, and the others
// lose nothing.
func TestSQLiteSpoiledGroups(t *testing.T) {
	s := mustOpenSQLite(t, t.TempDir())
	boom := errors.New("boom")
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			err := s.Update(bg, "anna", func(tx calendar.Tx) error {
				if _, err := tx.NextChange(); err != nil {
					return err
				}
				if err := tx.SetPref(fmt.Sprint(i), "x"); err != nil || i%4 != 0 {
					return err
				}
				return boom
			})
			if i%4 == 0 && err != boom || i%4 != 0 && err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
	err := s.View(bg, "anna", func(tx calendar.Tx) error {
		prefs, err := tx.Prefs()
		home, _, _ := tx.Home()
		if len(prefs) != 150 || home.Change != 150 || prefs["4"] != "" || prefs["5"] != "x" {
			t.Errorf("%d preferences, change %d", len(prefs), home.Change)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
