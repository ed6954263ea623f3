// Package migrations holds the schema of the store as SQL files, one series
// for each engine with the same numbers. They go forward only and are frozen
// once released.
package migrations

import (
	"context"
	"database/sql"
	"embed"
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
		"a newer release has written it, and there is no way back; start that release, or restore a backup made before the upgrade",
		e.Have, e.Know)
}

// Up brings the database to the newest version and returns it. each, unless
// nil, is called before the first migration and after each of them. A store that
// is newer than this program is left as it is: *NewerError.
func Up(ctx context.Context, engine Engine, db *sql.DB, each func(context.Context) error) (version int64, err error) {
	return UpTo(ctx, engine, db, 0, each)
}

// UpTo is Up, no farther than a version; 0 is the newest.
func UpTo(ctx context.Context, engine Engine, db *sql.DB, to int64, each func(context.Context) error) (version int64, err error) {
	series, err := fs.Sub(files, string(engine))
	if err != nil {
		return 0, fmt.Errorf("open migrations: %w", err)
	}
	p, err := goose.NewProvider(dialects[engine], db, series,
		goose.WithDisableGlobalRegistry(true), goose.WithTableName("schema_version"), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	have, know, err := p.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
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
