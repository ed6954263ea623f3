package sqlstore_test

import (
	"context"
	"testing"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest"
	"factotum/store/storetest/pgtest"
)

func openPostgres(t testing.TB, dsn string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenPostgres(context.Background(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) calendar.Store { return openPostgres(t, pgtest.Start(t), sqlstore.Options{}) })
}

func BenchmarkPostgres(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) calendar.Store { return openPostgres(b, pgtest.Start(b), sqlstore.Options{}) })
}
