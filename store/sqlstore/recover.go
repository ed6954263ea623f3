package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
)

// Rows that nothing leads to. They can go without loss: occurrences are made
// of the texts, and a body without an object is read by nobody.
const (
	sqlStrayOccurrences = `DELETE FROM occurrences WHERE NOT EXISTS (SELECT 1 FROM objects o
WHERE o.owner = occurrences.owner AND o.cal = occurrences.cal AND o.name = occurrences.name AND o.deleted = 0)`
	sqlStrayBodies = `DELETE FROM bodies WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.owner = bodies.owner AND o.body = bodies.id)`
)

// tables are all that the migrations make, apart from their own.
var tables = []string{"owners", "calendars", "objects", "bodies", "attachments", "occurrences", "props", "prefs", "tokens", "jobs", "traces", "registrations", "history", "rests", "zone_data", "leases"}

// Recover writes the engine's indexes anew and removes rows that nothing leads
// to. Opening the store has brought in what its log had by then; the model's
// Rebuild does the rest. csdb recover.
func (s *Store) Recover(ctx context.Context) error {
	const op = "recover the store"
	return s.engine.write(ctx, func(c conn) error {
		for _, text := range s.engine.reindex() {
			if err := c.exec(text); err != nil {
				return wrap(op, err)
			}
		}
		for _, text := range []string{sqlStrayOccurrences, sqlStrayBodies} {
			if _, err := c.count(text); err != nil {
				return wrap(op, err)
			}
		}
		return nil
	})
}

func (e *sqliteEngine) reindex() []string { return []string{"REINDEX"} }

func (e *pgEngine) reindex() (texts []string) {
	if e.spread { // they have no such statement: an index is as good as its table
		return nil
	}
	for _, table := range tables[:len(tables)-1] { // the lease is in use
		texts = append(texts, "REINDEX TABLE "+table)
	}
	return texts
}

// RemoveSQLite deletes the database at path, which OpenSQLite would open. It
// is refused while a process serves it, and NotFound if there is none.
func RemoveSQLite(path string) error {
	file, err := sqlitePath(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return &calendar.Error{Kind: calendar.NotFound, Op: "remove the store", Msg: "there is no database at " + file}
	}
	lock, err := lockFile(file + ".lock")
	if err != nil {
		return err
	}
	defer lock.release()
	// The database first: its log alone is nothing, it alone without its log
	// would be an older state.
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the store: %w", err)
		}
	}
	return syncDir(filepath.Dir(file))
}

// RemovePostgres drops our tables, all or none; the database stays. It is
// refused while a process serves them.
func RemovePostgres(ctx context.Context, dsn string, opts Options) error {
	const op = "remove the store"
	opts.defaults()
	e, err := connectPostgres(ctx, dsn, &opts)
	if err != nil {
		return err
	}
	defer e.pool.Close()
	if err := e.detect(ctx); err != nil {
		return err
	}
	if e.lease, err = acquireLease(ctx, e.pool, &e.opts); errors.Is(err, errNoLeaseTable) {
		return &calendar.Error{Kind: calendar.NotFound, Op: op, Msg: "there are no tables of calendars in this database"}
	} else if err != nil {
		return err
	}
	defer e.lease.release()
	return wrap(op, pgError(pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		for _, table := range append([]string{"schema_version"}, tables[:len(tables)-1]...) {
			if _, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
				return err
			}
		}
		// Last, and with it the lease: whoever waits for it finds a new database.
		_, err := tx.Exec(ctx, "DROP TABLE leases")
		return err
	})))
}
