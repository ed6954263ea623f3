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
	"runtime"
	"strings"
	"sync/atomic"

	"factotum/migrations"
	"factotum/server/calendar"

	_ "github.com/ncruces/go-sqlite3/driver" // migrations run on database/sql
)

// sqliteFile is the store's file in its directory.
const sqliteFile = "calendar.db"

// sqliteEngine owns one database file: readers see the last commit, one writer
// groups what waits. The lock file keeps a second daemon out.
type sqliteEngine struct {
	path    string
	opts    Options
	lock    *fileLock
	writer  *sqliteWriter
	readers chan *sqliteConn // idle ones
	tending chan struct{}    // has one while upkeep of an owner is done
	opened  atomic.Int32     // readers opened so far
	gate    gate
	left    bool // what large deletions left was there at the start
}

// OpenSQLite opens or makes the store at path: a directory, which then holds
// calendar.db, or a file name ending in .db. It is refused when another
// process serves the store, or when a newer release has written it.
func OpenSQLite(ctx context.Context, path string, opts Options) (*Store, error) {
	opts.defaults()
	file, err := sqlitePath(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(file + ".lock")
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{path: file, opts: opts, lock: lock, tending: make(chan struct{}, 1)}
	version, err := e.open(ctx)
	if err != nil {
		lock.release()
		return nil, err
	}
	return &Store{engine: e, version: version, now: opts.Now, rests: newSweeper(e, &opts, e.left)}, nil
}

// sqlitePath makes the directory and returns the absolute name of the file.
func sqlitePath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the store: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() || !strings.HasSuffix(path, ".db") {
		path = filepath.Join(path, sqliteFile)
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("make the store's directory: %w", err)
	}
	return path, nil
}

// makeDir makes a directory and those above it, each durable.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func (e *sqliteEngine) open(ctx context.Context) (version int64, err error) {
	defer func() {
		if damaged(err) {
			err = damagedFile(e.path, err)
		}
	}()
	if info, err := os.Stat(e.path); err == nil && info.Size() == 0 {
		if log, err := os.Stat(e.path + "-wal"); err == nil && log.Size() > 32 {
			// SQLite would take it for a new database, and remove the log.
			return 0, damagedFile(e.path, errors.New("the file is empty, but its log is not"))
		}
	}
	// SQLite gives its log and index the permissions of the file.
	f, err := os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open the store: %w", err)
	}
	f.Close()

	w, err := newSQLiteWriter(e.path, e.opts)
	if err != nil {
		return 0, err
	}
	if version, err = e.migrate(ctx); err == nil {
		err = syncDir(filepath.Dir(e.path)) // the files' names must last as well
	}
	if err == nil {
		err = w.conn.forgetStatistics()
	}
	if err == nil {
		var owner string
		e.left, err = w.conn.row(sqlLeft, nil, &owner)
	}
	if err == nil {
		err = w.begin()
	}
	if err != nil {
		w.conn.close()
		return 0, err
	}
	n := e.opts.Readers
	if n <= 0 {
		n = max(4, 2*runtime.GOMAXPROCS(0))
	}
	e.writer, e.readers = w, make(chan *sqliteConn, n)
	return version, nil
}

// damagedFile says what to do.
func damagedFile(path string, err error) error {
	return &calendar.Error{Kind: calendar.Internal, Reason: calendar.Damaged, Op: "open the store", Err: err, Msg: "the calendar database " + path +
		" is damaged: \"csdb check\" says how; stop the server and run \"csdb recover\", which saves all that can be read, or restore a backup"}
}

func (e *sqliteEngine) migrate(ctx context.Context) (int64, error) {
	dsn := url.URL{Scheme: "file", Path: e.path, RawQuery: "_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)"}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return 0, fmt.Errorf("open the store: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	up := migrations.Up
	if e.opts.Unfinished {
		up = migrations.UpUnfinished
	}
	version, err := up(ctx, migrations.SQLite, db, nil)
	if err != nil {
		return 0, fmt.Errorf("open the store %s: %w", e.path, err)
	}
	return version, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the store's directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync the store's directory: %w", err)
	}
	return nil
}

func (e *sqliteEngine) name() string { return "sqlite" }

func (e *sqliteEngine) stat(ctx context.Context) (st calendar.StoreStat, err error) {
	err = e.read(ctx, func(c conn) (err error) {
		st, err = countOwners(c)
		return err
	})
	return st, err
}

func (e *sqliteEngine) health() Health { return Health{} }

// held needs no lease: the lock of the file lasts as long as the process.
func (e *sqliteEngine) held() error { return nil }

func (e *sqliteEngine) view(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	return e.read(ctx, func(c conn) error {
		t := newTx(c, owner, 0, nil)
		if err := call(func() error { return fn(t) }); err != nil {
			return err
		}
		return t.broken
	})
}

// read runs fn on a reader inside a read transaction: one snapshot.
func (e *sqliteEngine) read(ctx context.Context, fn func(conn) error) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	c, err := e.reader(ctx)
	if err != nil {
		return err
	}
	healthy := false
	defer func() {
		c.ctx = nil
		if healthy && !c.swollen {
			e.readers <- c
			return
		}
		c.close()
		e.opened.Add(-1)
	}()
	if err := c.exec("BEGIN"); err != nil {
		return wrap("begin to read", err)
	}
	c.ctx = ctx
	err = fn(c)
	healthy = c.exec("COMMIT") == nil
	return err
}

// reader takes an idle connection or opens one.
func (e *sqliteEngine) reader(ctx context.Context) (*sqliteConn, error) {
	select {
	case c := <-e.readers:
		return c, nil
	default:
	}
	if n := e.opened.Add(1); int(n) <= cap(e.readers) {
		c, err := openSQLiteConn(e.path, "query_only = 1", "cache_size = -4096", "temp_store = memory")
		if err != nil {
			e.opened.Add(-1)
			return nil, wrap("open a reader", err)
		}
		return c, nil
	}
	e.opened.Add(-1)
	select {
	case c := <-e.readers:
		return c, nil
	case <-ctx.Done():
		return nil, wrap("wait for a reader", ctx.Err())
	}
}

func (e *sqliteEngine) update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	return e.submit(&update{ctx: ctx, owner: owner, fn: fn})
}

func (e *sqliteEngine) write(ctx context.Context, fn func(conn) error) error {
	return e.submit(&update{ctx: ctx, raw: fn})
}

// tend has one at a time: there is one writer for all, who would have what waits share a transaction.
func (e *sqliteEngine) tend(ctx context.Context, _ calendar.Owner, fn func(conn) error) error {
	select {
	case e.tending <- struct{}{}:
		defer func() { <-e.tending }()
	case <-ctx.Done():
		return wrap("wait to write", ctx.Err())
	}
	return e.write(ctx, fn)
}

func (e *sqliteEngine) submit(u *update) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	return u.submit(e.writer.queue)
}

func (e *sqliteEngine) check(ctx context.Context) error {
	return e.read(ctx, func(c conn) error {
		var found []string
		err := c.query("PRAGMA integrity_check(20)", nil, func(r scanner) error {
			var line string
			if err := r.scan(&line); err != nil {
				return err
			}
			if line != "ok" {
				found = append(found, line)
			}
			return nil
		})
		if damaged(err) {
			found, err = append(found, err.Error()), nil
		}
		if err != nil {
			return wrap("check the store", err)
		}
		if len(found) > 0 {
			if where := damagedPages(e.path); where != "" {
				found = []string{where} // it says more than SQLite does
			}
			return &calendar.Error{Kind: calendar.Internal, Reason: calendar.Damaged, Op: "check the store", Msg: damagedStore + ": " + strings.Join(found, "; ")}
		}
		return checkRows(c)
	})
}

// maintain empties the log. There is no ANALYZE: see forgetStatistics.
func (e *sqliteEngine) maintain(context.Context) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	return e.writer.checkpoint("TRUNCATE")
}

func (e *sqliteEngine) close() error {
	if !e.gate.shut() {
		return nil
	}
	for range e.opened.Load() {
		(<-e.readers).close()
	}
	err := e.writer.close() // the last connection: SQLite folds the log into the file
	e.lock.release()
	return wrap("close the store", err)
}
