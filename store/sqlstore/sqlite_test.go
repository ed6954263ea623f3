package sqlstore_test

import (
	"context"
	"testing"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest"
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
	storetest.Run(t, func(t *testing.T) calendar.Store { return openSQLite(t, t.TempDir(), sqlstore.Options{Relaxed: true}) })
}

func BenchmarkSQLite(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) calendar.Store { return openSQLite(b, b.TempDir(), sqlstore.Options{}) })
}
