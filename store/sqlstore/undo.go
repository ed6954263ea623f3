package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Seen is what a look at a database tells, also at one that is in use, and at that of
// another release. A look changes nothing.
type Seen struct {
	Engine  migrations.Engine
	Version int64 // of the schema; 0: there are no tables yet
	Owners  int64
	Objects int64
	Bytes   int64 // of texts and files
	Size    int64 // of SQLite's file and log
	Jobs    []JobCount
	Marks   []calendar.Job // of homes that are being moved, or were
	Zones   ZoneData       // the zone database that it was used with last, without its rules; zero: not known
	Back    migrations.Back
	NoBack  error // why there is no way back to the version that was asked for
}

// JobCount tells of the jobs of one kind.
type JobCount struct {
	Kind    string
	Waiting int64
	Parked  int64     // of them: given up
	Oldest  time.Time // when the first of those that are not was due
}

// LookSQLite looks at the file in a directory, or at one that ends in .db, and at the way
// back to a version. Where there is none the error is fs.ErrNotExist.
func LookSQLite(ctx context.Context, path string, to int64) (s Seen, err error) {
	s.Engine = migrations.SQLite
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, sqliteFile)
	}
	if path, err = filepath.Abs(path); err != nil {
		return s, fmt.Errorf("find the store: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	// A database whose log is empty is read as it lies: nothing is made beside it, which
	// would belong to who looks.
	query := "mode=ro&immutable=1"
	s.Size = info.Size()
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		query, s.Size = "mode=ro&_pragma=busy_timeout(5000)", s.Size+log.Size()
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return s, fmt.Errorf("look at the store: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := s.look(ctx, db, to); err != nil {
		return s, fmt.Errorf("look at the store %s: %w", path, err)
	}
	return s, nil
}

// LookPostgres looks at a database of PostgreSQL.
func LookPostgres(ctx context.Context, dsn string, to int64) (s Seen, err error) {
	s.Engine = migrations.Postgres
	if err := TryPostgres(ctx, dsn); err != nil {
		return s, err
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return s, errors.New("factotum.store.dsn is no connection string of PostgreSQL")
	}
	db := stdlib.OpenDB(*config)
	defer db.Close()
	if err := s.look(ctx, db, to); err != nil {
		return s, wrap("look at the store", pgError(err))
	}
	return s, nil
}

// Since which versions there is what is looked at, and how.
const (
	jobsSince  = 4
	zonesSince = 13
	allOwners  = "SELECT count(*), cast(coalesce(sum(objects), 0) AS BIGINT), cast(coalesce(sum(bytes), 0) AS BIGINT) FROM owners"
	allJobs    = `SELECT kind, count(*), cast(sum(parked) AS BIGINT), cast(coalesce(min(CASE WHEN parked = 0 THEN due END), 0) AS BIGINT)
FROM jobs WHERE kind <> $1 GROUP BY kind ORDER BY kind`
	lastZones = "SELECT id, version FROM zone_data ORDER BY used DESC, id DESC LIMIT 1"
	allMarks  = "SELECT owner, change, seq, payload FROM jobs WHERE kind = $1 ORDER BY owner"
)

func (s *Seen) look(ctx context.Context, db *sql.DB, to int64) (err error) {
	if s.Version, err = migrations.Version(ctx, s.Engine, db); err != nil || s.Version == 0 {
		return err
	}
	if err := db.QueryRowContext(ctx, allOwners).Scan(&s.Owners, &s.Objects, &s.Bytes); err != nil {
		return fmt.Errorf("count owners: %w", err)
	}
	if s.Version >= jobsSince {
		if err := s.jobs(ctx, db); err != nil {
			return fmt.Errorf("count jobs: %w", err)
		}
	}
	if s.Version >= zonesSince {
		err := db.QueryRowContext(ctx, lastZones).Scan(&s.Zones.ID, &s.Zones.Version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read the rules of zones: %w", err)
		}
	}
	s.Back, s.NoBack = migrations.WayBack(ctx, s.Engine, db, to)
	return nil
}

func (s *Seen) jobs(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, allJobs, calendar.JobMove)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c JobCount
		var due int64
		if err := rows.Scan(&c.Kind, &c.Waiting, &c.Parked, &due); err != nil {
			return err
		}
		c.Oldest = fromMicros(due)
		s.Jobs = append(s.Jobs, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	marks, err := db.QueryContext(ctx, allMarks, calendar.JobMove)
	if err != nil {
		return err
	}
	defer marks.Close()
	for marks.Next() {
		j := calendar.Job{Kind: calendar.JobMove}
		var owner string
		if err := marks.Scan(&owner, &j.Change, &j.Seq, &j.Payload); err != nil {
			return err
		}
		j.Owner = calendar.Owner(owner)
		s.Marks = append(s.Marks, j)
	}
	return marks.Err()
}

// restsSince is the version since which a large deletion leaves rows that are nobody's.
const restsSince = 14

// settleRests has them go before a release comes that takes them for somebody's.
func settleRests(ctx context.Context, engine migrations.Engine, db *sql.DB, to int64, open func() (*Store, error)) error {
	have, err := migrations.Version(ctx, engine, db)
	if err != nil || have < restsSince || to >= restsSince {
		return err
	}
	var owner string
	if err := db.QueryRowContext(ctx, sqlLeft).Scan(&owner); errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for what was deleted: %w", err)
	}
	s, err := open()
	if err != nil {
		return err
	}
	return errors.Join(s.rests.settleAll(ctx), s.Close())
}

// UndoSQLite brings a database that nobody uses back to an older version: see
// migrations.Down. each is told of every migration that is undone.
func UndoSQLite(ctx context.Context, path string, to int64, each func(migrations.Step)) error {
	file, err := sqlitePath(path)
	if err != nil {
		return err
	}
	dsn := url.URL{Scheme: "file", Path: file, RawQuery: "mode=rw&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)"}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	open := func() (*Store, error) { return OpenSQLite(ctx, file, Options{}) }
	if err := settleRests(ctx, migrations.SQLite, db, to, open); err != nil {
		return err
	}
	lock, err := lockFile(file + ".lock")
	if err != nil {
		return err
	}
	defer lock.release()
	return migrations.Down(ctx, migrations.SQLite, db, to, each)
}

// UndoPostgres does the same with a database of PostgreSQL, which is leased meanwhile.
func UndoPostgres(ctx context.Context, dsn string, opts Options, to int64, each func(migrations.Step)) error {
	opts.defaults()
	e, err := connectPostgres(ctx, dsn, &opts)
	if err != nil {
		return err
	}
	defer e.pool.Close()
	if err := e.detect(ctx); err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(e.pool)
	defer db.Close()
	open := func() (*Store, error) { return OpenPostgres(ctx, dsn, opts) }
	if err := settleRests(ctx, migrations.Postgres, db, to, open); err != nil {
		return err
	}
	if e.lease, err = acquireLease(ctx, e.pool, &e.opts); err != nil {
		return err
	}
	defer e.lease.release()
	return migrations.Down(ctx, migrations.Postgres, db, to, each)
}
