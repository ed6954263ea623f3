package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// pgEngine serves one schema of a PostgreSQL database, alone: it holds the
// lease. Updates of one owner pass through one queue.
type pgEngine struct {
	opts    Options
	pool    *pgxpool.Pool
	spread  bool // over nodes: CockroachDB, YugabyteDB
	advice  string
	lease   *lease
	writers *slots
	readers *slots
	few     *slots // for owners of whom nothing is heard
	lastID  atomic.Int64

	mu      sync.Mutex
	queues  map[calendar.Owner]*pgQueue
	doubts  map[calendar.Owner]*doubt
	silent  map[calendar.Owner]time.Time       // since when nothing was heard of an owner
	counted atomic.Pointer[calendar.StoreStat] // what a stat found last

	made, analyzeAt atomic.Int64 // new objects, and how many of them call for statistics
	background      sync.WaitGroup
	quit            chan struct{}

	gate gate
}

// OpenPostgres opens the store in the database of the connection string (a
// URL or key=value pairs; search_path chooses a schema) and makes its tables
// if need be. It is refused while another process serves the database, when a
// newer release has written it, and when synchronous_commit is off.
func OpenPostgres(ctx context.Context, dsn string, opts Options) (*Store, error) {
	opts.defaults()
	e, err := connectPostgres(ctx, dsn, &opts)
	if err != nil {
		return nil, err
	}
	e.analyzeAt.Store(analyzeFirst)
	version, err := e.open(ctx)
	if err != nil {
		if e.lease != nil {
			e.lease.release()
		}
		e.pool.Close()
		return nil, err
	}
	var owner string
	err = e.pool.QueryRow(ctx, sqlLeft).Scan(&owner)
	left := err == nil
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		e.lease.release()
		e.pool.Close()
		return nil, wrap("open the store", pgError(err))
	}
	return &Store{engine: e, version: version, now: opts.Now, rests: newSweeper(e, &opts, left)}, nil
}

// connectPostgres makes the engine's pool of connections.
func connectPostgres(ctx context.Context, dsn string, opts *Options) (*pgEngine, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The driver's error quotes the string, which may hold a password.
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: "open the store",
			Msg: "The PostgreSQL connection string is not valid. It is not shown here, since it may hold a password."}
	}
	readers := opts.Readers
	if readers <= 0 {
		readers = max(8, 4*runtime.GOMAXPROCS(0))
	}
	writers := pgWriters
	if opts.MaxConns > 0 {
		config.MaxConns = int32(max(4, opts.MaxConns-1)) // and the lease's
	}
	if opts.MaxConns > 0 || strings.Contains(dsn, "pool_max_conns") {
		n := max(2, int(config.MaxConns)*3/4) // some are for owners of whom nothing is heard, and for upkeep
		readers = min(readers, max(1, n/3))
		writers = min(writers, n-readers)
	} else {
		// Others take the places of those that hang, while these are taken down.
		config.MaxConns = int32(2*(writers+readers+fewSlots) + 4)
	}
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, opts.Patience)
	opts.session = rand.Text()
	config.ConnConfig.Tracer = opts.tracer
	params := config.ConnConfig.RuntimeParams
	params["application_name"] = markSessions(params["application_name"], opts.session)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, wrap("open the store", pgError(err))
	}
	e := &pgEngine{opts: *opts, pool: pool, silent: map[calendar.Owner]time.Time{},
		queues: map[calendar.Owner]*pgQueue{}, doubts: map[calendar.Owner]*doubt{}, quit: make(chan struct{})}
	e.writers, e.readers, e.few = newSlots(e, writers), newSlots(e, readers), newSlots(e, fewSlots)
	return e, nil
}

// open checks the server, takes the lease and migrates, in this order: tables
// must not change under a daemon that serves them. Only a database without
// the lease's table, a new one, is migrated first.
func (e *pgEngine) open(ctx context.Context) (version int64, err error) {
	if err := e.detect(ctx); err != nil {
		return 0, err
	}
	var commit string
	err = e.pool.QueryRow(ctx, "SHOW synchronous_commit").Scan(&commit)
	if err != nil && !sqlState(err, "42704") { // an engine without the setting is always synchronous
		return 0, wrap("open the store", pgError(err))
	}
	if commit == "off" && !e.opts.Relaxed {
		return 0, &calendar.Error{Kind: calendar.Invalid, Op: "open the store", Msg: "The database has synchronous_commit = off, " +
			"so that acknowledged writes could be lost. Set it to on for this database or user."}
	}
	e.lease, err = acquireLease(ctx, e.pool, &e.opts)
	if errors.Is(err, errNoLeaseTable) {
		if version, err = e.migrate(ctx); err != nil {
			return 0, err
		}
		e.lease, err = acquireLease(ctx, e.pool, &e.opts)
		return version, err
	}
	if err != nil {
		return 0, err
	}
	return e.migrate(ctx)
}

func (e *pgEngine) migrate(ctx context.Context) (int64, error) {
	db := stdlib.OpenDBFromPool(e.pool)
	defer db.Close()
	up := migrations.Up
	if e.opts.Unfinished {
		up = migrations.UpUnfinished
	}
	version, err := up(ctx, migrations.Postgres, db, e.distribute)
	if err != nil {
		return 0, fmt.Errorf("open the store: %w", err)
	}
	return version, nil
}

func (e *pgEngine) name() string { return "postgres" }

func (e *pgEngine) health() Health { return e.lease.state() }

func (e *pgEngine) held() error { return e.lease.held() }

// statPatience is how long a stat waits for what is counted: on a distributed
// database every node has a part of it, and one of them may be away.
const statPatience = time.Second

// stat fails as Health does. Of the sums it tells the last ones where they
// cannot be had soon.
func (e *pgEngine) stat(ctx context.Context) (calendar.StoreStat, error) {
	if h := e.health(); h.Err != nil {
		return calendar.StoreStat{}, h.Err
	}
	ctx, cancel := context.WithTimeout(ctx, statPatience)
	defer cancel()
	err := e.read(ctx, func(c conn) error {
		st, err := countOwners(c)
		if err == nil {
			e.counted.Store(&st)
		}
		return err
	})
	if errors.Is(err, errClosed) {
		return calendar.StoreStat{}, err
	}
	if st := e.counted.Load(); st != nil {
		return *st, nil
	}
	return calendar.StoreStat{}, nil
}

func (e *pgEngine) view(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if err := e.settled(ctx, owner); err != nil {
		return err
	}
	return e.readOf(ctx, owner, func(c conn) error {
		t := newTx(c, owner, 0, nil)
		if err := call(func() error { return fn(t) }); err != nil {
			return err
		}
		return t.broken
	})
}

func (e *pgEngine) read(ctx context.Context, fn func(conn) error) error {
	return e.readOf(ctx, "", fn)
}

// readOf runs fn on one snapshot. BEGIN travels with the first query, and nobody
// waits for the COMMIT: one query is one round trip.
//
// PostgreSQL itself never refuses it; a distributed engine may, and has it run
// again.
func (e *pgEngine) readOf(ctx context.Context, owner calendar.Owner, fn func(conn) error) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	if err := e.lease.held(); err != nil {
		return err
	}
	return retrying(ctx, func() error { return e.readOnce(ctx, owner, fn) })
}

func (e *pgEngine) readOnce(ctx context.Context, owner calendar.Owner, fn func(conn) error) error {
	c, err := e.take(ctx, e.readers, owner)
	if err != nil {
		return err
	}
	c.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	defer func() {
		if len(c.pending) > 0 { // nothing was read
			c.release()
			return
		}
		c.detach()  // from the caller, who does not wait
		go func() { // the pool drops a connection that is still in a transaction
			defer c.release()
			if !c.c.IsClosed() {
				c.tag("COMMIT")
			}
		}()
	}()
	return fn(c)
}

// pgPatience bounds what the store does on its own behalf.
const pgPatience = 30 * time.Second

// write runs fn in a transaction of its own, again when the server asks so. It
// may take long.
func (e *pgEngine) write(ctx context.Context, fn func(conn) error) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	return retrying(ctx, func() error {
		c, err := e.take(ctx, e.writers, "")
		if err != nil {
			return err
		}
		defer c.release()
		c.patient()
		err = e.begin(c)
		if err == nil {
			err = fn(c)
		}
		if err != nil {
			c.rollBack()
			return err
		}
		return e.commit(c, "")
	})
}

// commit ends the transaction, of an owner or of upkeep. It fails, and nothing
// is written, when the lease has run out: another daemon may serve the database
// by then.
func (e *pgEngine) commit(c *pgConn, owner calendar.Owner) error {
	if err := e.lease.held(); err != nil {
		c.rollBack()
		return err
	}
	tag, err := c.tag("COMMIT")
	switch {
	case tag.String() == "COMMIT":
		return nil // even if the connection broke after that
	case err == nil: // the server rolled back instead
		err = &engineError{kind: calendar.Internal, msg: "COMMIT was answered by " + tag.String()}
	case c.c.IsClosed():
		if owner != "" {
			e.doubt(owner, c.c.PgConn().PID())
		}
		err = &engineError{kind: calendar.Unavailable, msg: "the connection was lost at COMMIT, whose outcome is not known", cause: unknownOutcome{err}}
	}
	c.rollBack()
	return wrap("commit", err)
}

// unknownOutcome hides from errors.As that the server may have said why it
// ended the session: it does so after a commit, too.
type unknownOutcome struct{ err error }

func (u unknownOutcome) Error() string { return u.err.Error() }

// newID makes rising ids; microseconds leave room for 256 of them each.
func (e *pgEngine) newID() int64 {
	e.made.Add(1)
	for {
		last := e.lastID.Load()
		id := max(last+1, e.opts.Now().UnixMicro()<<8)
		if e.lastID.CompareAndSwap(last, id) {
			return id
		}
	}
}

func (e *pgEngine) check(ctx context.Context) error {
	return e.read(ctx, func(c conn) error {
		c.patient()
		return checkRows(c)
	})
}

// maintain leaves the tables to autovacuum.
func (e *pgEngine) maintain(context.Context) error { return nil }

func (e *pgEngine) close() error {
	if !e.gate.shut() {
		return nil
	}
	close(e.quit)
	e.background.Wait()
	e.lease.release()
	e.pool.Close()
	return nil
}
