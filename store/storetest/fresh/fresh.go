// Package fresh gives tests empty stores. They are copies of one that is made once in
// a test process: to migrate a store to the newest version takes longer than most
// tests of it.
package fresh

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// SQLite opens an empty store on SQLite, which goes with the test.
func SQLite(t testing.TB, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	return open(t, sqlstore.OpenSQLite, Dir(t), opts)
}

// Postgres opens an empty store on PostgreSQL, which goes with the test. It bears with a
// server that is slow because all of the machine is.
func Postgres(t testing.TB, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	opts.Patience = cmp.Or(opts.Patience, pgtest.Patience)
	opts.LeaseTTL = cmp.Or(opts.LeaseTTL, pgtest.Patience)
	return open(t, sqlstore.OpenPostgres, DSN(t), opts)
}

func open(t testing.TB, how func(context.Context, string, sqlstore.Options) (*sqlstore.Store, error), where string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := how(context.Background(), where, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// DSN gives the DSN of an empty store.
func DSN(t testing.TB) string {
	t.Helper()
	return pgtest.Prepared(t, "empty", func(dsn string) error {
		s, err := sqlstore.OpenPostgres(context.Background(), dsn, sqlstore.Options{Patience: pgtest.Patience})
		if err != nil {
			return err
		}
		return s.Close()
	})
}

// Dir gives a directory with the files of an empty store.
func Dir(t testing.TB) string {
	t.Helper()
	files, err := empty()
	if err != nil {
		t.Fatalf("prepare a store: %v", err)
	}
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var empty = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "fresh")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := sqlstore.OpenSQLite(context.Background(), dir, sqlstore.Options{Relaxed: true})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
})
