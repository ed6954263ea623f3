package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// leaveRests has a calendar of anna and the home of bert go, of which all rows are still there.
func leaveRests(t *testing.T, s *Store) {
	t.Helper()
	for _, owner := range []calendar.Owner{"anna", "bert"} {
		if err := s.Update(bg, owner, func(tx calendar.Tx) error {
			n, err := tx.NextChange()
			all := errors.Join(err, tx.InsertCalendar(calendar.CalendarRow{ID: 7, Name: "work", Change: n, Created: epoch, Modified: epoch}))
			for i := range 40 {
				name := fmt.Sprint("o", i)
				all = errors.Join(all, tx.PutObject(calendar.ObjectRow{Cal: 7, Name: name, UID: name, Component: "VEVENT", Change: n, Since: n, Created: epoch, Modified: epoch, Data: []byte(name)}))
			}
			return all
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(bg, owner, func(tx calendar.Tx) error {
			if owner == "bert" {
				return tx.(calendar.Loader).DropHome()
			}
			n, err := tx.NextChange()
			h, bad := calendar.CalendarVersion(calendar.CalendarRow{ID: 7, Name: "work"}, nil)
			h.Change, h.When = n, epoch
			return errors.Join(err, bad, tx.KeepCalendar(h), tx.DeleteCalendar(7, n, epoch))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if left := rests(t, s); len(left) != 2 {
		t.Fatalf("rests: %v", left)
	}
}

// An older release, which knows of no rests, finds none of their rows, and what they had for the history there.
func TestUndoWithRests(t *testing.T) {
	few := Options{Relaxed: true, pieces: pieces{rows: 4, most: -1}}
	look := func(t *testing.T, db *sql.DB) {
		t.Helper()
		for table, want := range map[string]int{"objects": 0, "bodies": 0, "history": 41} {
			n := -1
			if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != want {
				t.Errorf("%s: %d rows, want %d: %v", table, n, want, err)
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		s, err := OpenSQLite(bg, dir, few)
		if err != nil {
			t.Fatal(err)
		}
		leaveRests(t, s)
		s.Close()
		if err := UndoSQLite(bg, dir, restsSince-1, nil); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite3", filepath.Join(dir, sqliteFile))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		look(t, db)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.Start(t)
		s, err := OpenPostgres(bg, dsn, few)
		if err != nil {
			t.Fatal(err)
		}
		leaveRests(t, s)
		s.Close()
		if err := UndoPostgres(bg, dsn, Options{}, restsSince-1, nil); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		look(t, db)
	})
}
