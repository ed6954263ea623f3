package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
)

// Options are the choices of both engines; the zero value is right for
// production.
type Options struct {
	// Log receives what the store does on its own (checkpoints that fail, a
	// lease that is lost); nil discards it.
	Log *slog.Logger
	// Now is the clock for request tokens and new homes, time.Now if nil.
	Now func() time.Time
	// Readers bounds the connections for reading; 0 chooses by the processors.
	Readers int
	// MaxConns bounds all connections to PostgreSQL; 0 leaves it to what the
	// connection string says, or to the engine.
	MaxConns int

	// Relaxed trades durability for speed: SQLite runs with synchronous=NORMAL
	// and PostgreSQL may run with synchronous_commit=off. After a power cut
	// the last acknowledged writes can be missing. For imports and tests.
	Relaxed bool

	// Patience is how long PostgreSQL may be silent when it is asked something,
	// before the request fails; 0 means 5 s. What has much to do, as the
	// deletion of a calendar, is given more.
	Patience time.Duration

	// LeaseTTL is how long a PostgreSQL store stays reserved after its daemon
	// died without saying so; 0 means 15 s.
	LeaseTTL time.Duration

	// Fenced makes PostgreSQL transactions prove by a lock on the lease that it
	// is still held, instead of relying on the sessions of a holder before
	// being ended. It costs a statement for each, and is switched on by itself
	// where sessions cannot be ended: on CockroachDB and YugabyteDB.
	Fenced bool

	// Unfinished opens a store that is new, or that was opened so before, to be filled:
	// nobody opens it otherwise, whatever becomes of who fills it, until Finished.
	Unfinished bool

	// Failed is told when the store can only go on by being opened anew, by
	// another process: its lease went to somebody, who has left again.
	Failed func(error)

	session string // the mark of this process's PostgreSQL sessions

	tracer   pgx.QueryTracer // tests: every statement that PostgreSQL is sent
	pieces   pieces          // tests: how large deletions are taken apart
	maxPages int             // tests: SQLite's max_page_count, a full disk without a disk
}

// defaultPatience is a variable for tests, whose machine may stand still for longer.
var defaultPatience = 5 * time.Second

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.LeaseTTL <= 0 {
		o.LeaseTTL = 15 * time.Second
	}
}

// Store is a calendar.Store in an SQL database. Open one with OpenSQLite or
// OpenPostgres.
type Store struct {
	engine  engine
	version int64
	now     func() time.Time
	rests   *sweeper
}

var _ calendar.Store = (*Store)(nil)

// engine runs transactions. Both engines report failures of their own as
// *calendar.Error and pass errors of fn through unchanged.
type engine interface {
	name() string
	view(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error
	update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error
	// read runs fn on a snapshot of the whole store, across owners.
	read(ctx context.Context, fn func(conn) error) error
	// write runs fn in a transaction of its own, for upkeep across owners.
	write(ctx context.Context, fn func(conn) error) error
	// tend does the same for upkeep of one owner, whose Updates it takes turns with.
	tend(ctx context.Context, owner calendar.Owner, fn func(conn) error) error
	// stat counts owners, objects and octets; where that would take long, it
	// tells what it knows.
	stat(ctx context.Context) (calendar.StoreStat, error)
	health() Health
	held() error
	check(ctx context.Context) error
	reindex() []string // statements that write all indexes anew
	maintain(ctx context.Context) error
	close() error
}

// View runs fn on one snapshot of the owner's data, read only.
func (s *Store) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	for {
		lacks := lacksNothing
		err := s.engine.view(ctx, owner, func(tx calendar.ReadTx) error {
			err := fn(tx)
			if lacks = lacksOf(tx); lacks != lacksNothing {
				return errUnsettled
			}
			return err
		})
		if lacks == lacksNothing {
			return err
		}
		if calendar.ReadsOnly(ctx) {
			return &calendar.Error{Kind: calendar.Unavailable, Op: "read a home", Ref: string(owner), Err: errUnsettled}
		}
		if err := s.rests.settle(ctx, owner); err != nil {
			return err
		}
	}
}

func lacksOf(rt calendar.ReadTx) lack { return rt.(*tx).lacks }

// Update runs fn in a transaction and returns when it is durable.
func (s *Store) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	for whole := false; ; {
		lacks := lacksNothing
		err := s.engine.update(ctx, owner, func(ct calendar.Tx) error {
			t := ct.(*tx)
			t.whole, t.piece, lacks = whole || s.rests.whole, s.rests.rows, lacksNothing
			err := fn(t)
			if err == nil {
				err = t.keepNow()
			}
			if lacks = t.lacks; lacks != lacksNothing {
				return errUnsettled
			}
			if len(t.made) > 0 {
				t.OnCommit(s.rests.wake)
			}
			return err
		})
		switch lacks {
		case lacksNothing:
			return err
		case lacksWhole:
			whole = true
		case lacksRest:
			if err := s.rests.settle(ctx, owner); err != nil {
				return err
			}
		}
	}
}

const sqlOwners = `SELECT owner FROM owners WHERE owner > $1 ORDER BY owner LIMIT $2`

// Owners lists the owners that have a home, in order, after the given one, at
// most limit of them (0 = all).
func (s *Store) Owners(ctx context.Context, after calendar.Owner, limit int) (owners []calendar.Owner, err error) {
	err = s.engine.read(ctx, func(c conn) error {
		owners = owners[:0]
		var owner string
		err := c.query(sqlOwners, args(string(after), limitOf(limit)), func(r scanner) error {
			if err := r.scan(&owner); err != nil {
				return err
			}
			owners = append(owners, calendar.Owner(owner))
			return nil
		})
		return wrap("list owners", err)
	})
	return owners, err
}

const sqlStat = `SELECT count(*), cast(coalesce(sum(objects), 0) AS BIGINT), cast(coalesce(sum(bytes), 0) AS BIGINT) FROM owners`

// Stat tells the engine, the schema version and what the store holds; its cost
// follows the number of owners, not of objects. It fails while the store cannot
// serve.
func (s *Store) Stat(ctx context.Context) (calendar.StoreStat, error) {
	st, err := s.engine.stat(ctx)
	st.Engine, st.Version = s.engine.name(), fmt.Sprint(s.version)
	return st, err
}

// countOwners is what a stat counts.
func countOwners(c conn) (st calendar.StoreStat, err error) {
	var owners int64
	_, err = c.row(sqlStat, nil, &owners, &st.Objects, &st.Bytes)
	st.Owners = int(owners)
	return st, wrap("count the store", err)
}

// Health is how a store gets on with its database. SQLite's, which is a file,
// is always there.
type Health struct {
	Err   error     // why nothing can be stored at the moment, nil if it can
	Since time.Time // since when it is so; zero for SQLite
	Taken bool      // another process serves the database now
}

// Health asks nobody: it tells what is known.
func (s *Store) Health() Health { return s.engine.health() }

// Advice is what an administrator should do about the database, or nothing.
func (s *Store) Advice() string {
	if e, ok := s.engine.(*pgEngine); ok {
		return e.advice
	}
	return ""
}

// Held is nil while this process may answer for the store, from memory too:
// nobody else writes to it.
func (s *Store) Held() error { return s.engine.held() }

// tokenLife is how long the outcome of a write with a request token is kept.
const tokenLife = time.Hour

const sqlPurgeTokens = `DELETE FROM tokens WHERE made < $1`

// Maintain does the upkeep that wants doing now and then, say every hour: it
// forgets old request tokens and lets the engine tidy up.
func (s *Store) Maintain(ctx context.Context) error {
	s.rests.wake() // nobody has, where it was not known whether a deletion was committed
	before := micros(s.now().Add(-tokenLife))
	err := s.engine.write(ctx, func(c conn) error {
		return wrap("purge request tokens", c.exec(sqlPurgeTokens, before))
	})
	if err != nil {
		return err
	}
	return s.engine.maintain(ctx)
}

// BeforeAnswers has fn called when transactions were committed together, after what they have
// for OnCommit and before anybody is answered. PostgreSQL's are committed one by one: there it
// is never called.
func (s *Store) BeforeAnswers(fn func()) {
	if e, ok := s.engine.(*sqliteEngine); ok {
		e.writer.settle.Store(&fn)
	}
}

// Close waits for running transactions and releases the store.
func (s *Store) Close() error {
	s.rests.close()
	return s.engine.close()
}

// Check verifies the engine's own integrity and what must hold between the
// tables; it reads everything. The error's message says what is wrong.
// What large deletions have left goes first.
func (s *Store) Check(ctx context.Context) error {
	for {
		settled := s.rests.settleAll(ctx)
		err := s.engine.check(ctx)
		if !errors.Is(err, errUnsettled) {
			return err
		}
		if settled != nil {
			return settled
		}
	}
}
