package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest"
	"factotum/store/storetest/fresh"
)

func openSQLite(t testing.TB, path string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenSQLite(context.Background(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) calendar.Store { return fresh.SQLite(t, sqlstore.Options{}) })
}

func TestSQLiteReopen(t *testing.T) {
	dir := t.TempDir()
	storetest.Reopen(t, func() calendar.Store { return openSQLite(t, dir, sqlstore.Options{}) })
}

// The file may lie in a directory of any name, which is made if need be; only
// its owner can read it.
func TestSQLitePath(t *testing.T) {
	for _, c := range []struct{ path, file string }{
		{"store", "store/calendar.db"},
		{"a b/100%/was?#ü", "a b/100%/was?#ü/calendar.db"},
		{"one.db", "one.db"},
	} {
		dir := t.TempDir()
		s := openSQLite(t, filepath.Join(dir, c.path), sqlstore.Options{})
		info, err := os.Stat(filepath.Join(dir, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", c.path, info.Mode())
		}
		if err := s.Check(context.Background()); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}

func TestSQLiteServedOnce(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, dir, sqlstore.Options{})
	_, err := sqlstore.OpenSQLite(context.Background(), dir, sqlstore.Options{})
	if !errors.Is(err, calendar.Unavailable) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	s.Close()
	openSQLite(t, dir, sqlstore.Options{})
}

// What is no store is refused and left as it is.
func TestSQLiteForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	text := strings.Repeat("not a database\n", 1000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlstore.OpenSQLite(context.Background(), path, sqlstore.Options{}); err == nil {
		s.Close()
		t.Error("a text file is opened as a store")
	}
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Error("the file has changed")
	}
}

func testMaintain(t *testing.T, open func(sqlstore.Options) *sqlstore.Store) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	s := open(sqlstore.Options{Now: func() time.Time { return now }})
	ctx := context.Background()
	err := s.Update(ctx, "anna", func(tx calendar.Tx) error {
		return errors.Join(tx.SetToken("old", nil, now.Add(-61*time.Minute)), tx.SetToken("new", nil, now.Add(-59*time.Minute)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Maintain(ctx); err != nil {
		t.Fatal(err)
	}
	err = s.View(ctx, "anna", func(tx calendar.ReadTx) error {
		for token, want := range map[string]bool{"old": false, "new": true} {
			if _, ok, err := tx.Token(token); ok != want || err != nil {
				t.Errorf("token %s: %v %v", token, ok, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSQLiteMaintain(t *testing.T) {
	dir := t.TempDir()
	testMaintain(t, func(o sqlstore.Options) *sqlstore.Store { return openSQLite(t, dir, o) })
	if info, err := os.Stat(filepath.Join(dir, "calendar.db-wal")); err != nil || info.Size() != 0 {
		t.Errorf("the log after Maintain: %v %v", info, err)
	}
}

func BenchmarkSQLite(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) calendar.Store { return openSQLite(b, b.TempDir(), sqlstore.Options{}) })
}
