// Package migrations holds the schema of the store as SQL files, one series
// for each engine with the same numbers. They are frozen once released. Those since
// the release before can be undone, so that there is a way back from an upgrade.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Engine names a series of migrations.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

var dialects = map[Engine]goose.Dialect{SQLite: goose.DialectSQLite3, Postgres: goose.DialectPostgres}

// NewerError says that a store was written by a newer release.
type NewerError struct {
	Have, Know int64 // the store's version, the highest this program knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the store has schema version %d, this program knows versions up to %d: "+
		"a newer release has written it; start that release, or have it undo its upgrade (\"calserver upgrade undo\"), or restore a backup made before",
		e.Have, e.Know)
}

// Unfinished is the schema version of a store that is being filled: no release opens
// it, nor did any before.
const Unfinished = 1 << 30

// UnfinishedError says that a store was to be filled, and is not whole.
type UnfinishedError struct{}

func (*UnfinishedError) Error() string {
	return "the store is not whole: the csrename that was to fill it did not end; call it again, or use another database"
}

// Up brings the database to the newest version and returns it. each, unless
// nil, is called before the first migration and after each of them. A store that
// is newer than this program is left as it is: *NewerError. So is one that is not
// whole: *UnfinishedError.
func Up(ctx context.Context, engine Engine, db *sql.DB, each func(context.Context) error) (version int64, err error) {
	return UpTo(ctx, engine, db, 0, each)
}

func provider(engine Engine, db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	series, err := fs.Sub(files, string(engine))
	if err != nil {
		return nil, fmt.Errorf("open migrations: %w", err)
	}
	p, err := goose.NewProvider(dialects[engine], db, series, append(options,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName("schema_version"), goose.WithLogger(goose.NopLogger()))...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return p, nil
}

// UpUnfinished is Up for a new store that is to be filled: from before its first table is
// made it has the version Unfinished, until Finished. One that has it already goes on.
func UpUnfinished(ctx context.Context, engine Engine, db *sql.DB, each func(context.Context) error) (version int64, err error) {
	p, err := provider(engine, db, goose.WithAllowOutofOrder(true))
	if err != nil {
		return 0, err
	}
	have, know, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the schema version: %w", err)
	case have == 0:
		if _, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO schema_version (version_id, is_applied) VALUES (%d, true)", Unfinished)); err != nil {
			return 0, fmt.Errorf("mark the store: %w", err)
		}
	case have != Unfinished:
		return have, errors.New("the store is not empty")
	}
	for {
		if each != nil {
			if err := each(ctx); err != nil {
				return 0, err
			}
		}
		_, err := p.UpByOne(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return know, nil
		}
		if err != nil {
			return 0, fmt.Errorf("migrate to schema version %d: %w", know, err)
		}
	}
}

// UpTo is Up, no farther than a version; 0 is the newest.
func UpTo(ctx context.Context, engine Engine, db *sql.DB, to int64, each func(context.Context) error) (version int64, err error) {
	p, err := provider(engine, db)
	if err != nil {
		return 0, err
	}
	have, know, err := p.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	if have == Unfinished {
		return have, &UnfinishedError{}
	}
	if have > know {
		return have, &NewerError{Have: have, Know: know}
	}
	if to != 0 && to < know {
		know = to
	}
	for {
		if each != nil {
			if err := each(ctx); err != nil {
				return have, err
			}
		}
		if have >= know {
			return know, nil
		}
		res, err := p.UpByOne(ctx)
		if err != nil {
			return have, fmt.Errorf("migrate from schema version %d to %d: %w", have, know, err)
		}
		have = res.Source.Version
	}
}
