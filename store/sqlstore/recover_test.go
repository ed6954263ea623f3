package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// Rows that nothing leads to are found by a check and removed by a recovery.
func testRecover(t *testing.T, s *sqlstore.Store, exec func(string)) {
	ctx := context.Background()
	if err := crashPut(s, "anna", "a", 1); err != nil {
		t.Fatal(err)
	}
	exec(`INSERT INTO bodies (owner, id, data) SELECT owner, 1, data FROM bodies`)
	exec(`INSERT INTO occurrences (owner, cal, cls, start_at, name, seq, end_at, flags, more)
SELECT owner, cal, cls, start_at, 'nobody', seq, end_at, flags, more FROM occurrences`)
	if err := s.Check(ctx); err == nil {
		t.Error("the check finds nothing")
	}
	if err := s.Recover(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(ctx); err != nil {
		t.Errorf("after the recovery: %v", err)
	}
	err := s.View(ctx, "anna", func(tx calendar.ReadTx) error {
		o, ok, err := tx.Object(1, "a", true)
		occ, _ := tx.ObjectOccurrences(1, "a")
		if !ok || string(o.Data) != string(crashData("a", 1)) || len(occ) != 1 {
			t.Errorf("the object: %v, %d occurrences", ok, len(occ))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// testRemove: not while it is served; then it is gone, and a new one is empty.
func testRemove(t *testing.T, open func() *sqlstore.Store, remove func() error) {
	if err := remove(); !errors.Is(err, calendar.NotFound) {
		t.Errorf("nothing there: %v", err)
	}
	s := open()
	if err := crashPut(s, "anna", "a", 1); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("while it is served: %v", err)
	}
	if st, err := s.Stat(context.Background()); err != nil || st.Objects != 1 {
		t.Errorf("after the refusal: %+v %v", st, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !errors.Is(err, calendar.NotFound) {
		t.Errorf("again: %v", err)
	}
	if st, err := open().Stat(context.Background()); err != nil || st.Owners != 0 {
		t.Errorf("a new one: %+v %v", st, err)
	}
}

func TestSQLiteRecover(t *testing.T) {
	dir := t.TempDir()
	s, err := crashOpen("sqlite " + dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	testRecover(t, s, func(text string) {
		db, err := sql.Open("sqlite3", filepath.Join(dir, "calendar.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPostgresRecover(t *testing.T) {
	dsn := pgtest.Start(t)
	testRecover(t, openPostgres(t, dsn, sqlstore.Options{}), func(text string) { sqlExec(t, dsn, text) })
}

func TestSQLiteRemove(t *testing.T) {
	dir := t.TempDir()
	testRemove(t, func() *sqlstore.Store {
		s, err := sqlstore.OpenSQLite(context.Background(), dir, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}, func() error { return sqlstore.RemoveSQLite(dir) })
}

func TestPostgresRemove(t *testing.T) {
	dsn := pgtest.Start(t)
	testRemove(t, func() *sqlstore.Store { return openPostgres(t, dsn, sqlstore.Options{}) },
		func() error { return sqlstore.RemovePostgres(context.Background(), dsn, sqlstore.Options{}) })
}
