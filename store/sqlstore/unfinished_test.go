package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// A store that is being filled is opened by nobody else, whatever becomes of who fills it.
func TestUnfinished(t *testing.T) {
	for name, open := range map[string]func(*testing.T) func(sqlstore.Options) (*sqlstore.Store, error){
		"SQLite": func(t *testing.T) func(sqlstore.Options) (*sqlstore.Store, error) {
			path := filepath.Join(t.TempDir(), "calendar.db")
			return func(o sqlstore.Options) (*sqlstore.Store, error) { return sqlstore.OpenSQLite(t.Context(), path, o) }
		},
		"PostgreSQL": func(t *testing.T) func(sqlstore.Options) (*sqlstore.Store, error) {
			dsn := pgtest.Start(t)
			return func(o sqlstore.Options) (*sqlstore.Store, error) { return sqlstore.OpenPostgres(t.Context(), dsn, o) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			open := open(t)
			must := func(o sqlstore.Options) *sqlstore.Store {
				t.Helper()
				s, err := open(o)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			write := func(s *sqlstore.Store, owner calendar.Owner) {
				t.Helper()
				if err := s.Update(context.Background(), owner, func(tx calendar.Tx) error { return tx.SetEntry("e") }); err != nil {
					t.Fatal(err)
				}
			}
			s := must(sqlstore.Options{Unfinished: true})
			write(s, "anna")
			s.Close()
			var unfinished *migrations.UnfinishedError
			if _, err := open(sqlstore.Options{}); !errors.As(err, &unfinished) {
				t.Fatalf("it is opened: %v", err)
			}
			s = must(sqlstore.Options{Unfinished: true})
			write(s, "ben")
			if err := s.Finished(t.Context()); err != nil {
				t.Fatal(err)
			}
			version, _ := s.Stat(t.Context())
			s.Close()
			s = must(sqlstore.Options{})
			owners, err := s.Owners(t.Context(), "", 0)
			if is, _ := s.Stat(t.Context()); err != nil || len(owners) != 2 || is.Version != version.Version {
				t.Error(owners, err, is.Version, version.Version)
			}
			s.Close()
			if _, err := open(sqlstore.Options{Unfinished: true}); err == nil {
				t.Error("a store that is in use is filled")
			}
		})
	}
}
