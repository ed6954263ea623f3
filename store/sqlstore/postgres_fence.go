package sqlstore

import (
	"context"
	"errors"
	"strings"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Where sessions cannot be ended, since they may be on any node, transactions
// are fenced: each that writes locks the lease, which it must hold, against
// being given away. Who takes the lease waits for these locks, so that all
// that was sent before is committed by then or never will be, and finds a
// holder that wakes up later without the lease.

const (
	// KEY SHARE lets others share, and the holder renew.
	sqlHoldLease = `SELECT holder FROM leases WHERE owner = '' AND holder = $1 FOR KEY SHARE`
	sqlFence     = `SELECT holder FROM leases WHERE owner = '' FOR UPDATE`

	// A session whose process is gone without a word does not keep the lock.
	sqlDoNotLinger = `SET LOCAL idle_in_transaction_session_timeout = '60s'`
)

// execer is a pool or a transaction.
type execer interface {
	Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error)
}

// detect finds out what serves the database.
func (e *pgEngine) detect(ctx context.Context) error {
	var version string
	if err := e.pool.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return wrap("open the store", pgError(err))
	}
	e.spread = spread(version)
	e.opts.Fenced = e.opts.Fenced || e.spread
	return nil
}

// spread tells by its version whether an engine is one of many nodes.
func spread(version string) bool {
	return strings.Contains(version, "CockroachDB") || strings.Contains(version, "-YB-")
}

// begin opens a transaction that writes, and asks first.
func (e *pgEngine) begin(c *pgConn, first ...pgQuery) error {
	c.exec("BEGIN")
	if !e.opts.Fenced {
		if len(first) == 0 {
			return nil
		}
		return wrap("begin to write", c.queries(first...))
	}
	c.exec(sqlDoNotLinger)
	held := false
	hold := pgQuery{sqlHoldLease, args(e.lease.holder), func(scanner) error {
		held = true
		return nil
	}}
	err := c.queries(append([]pgQuery{hold}, first...)...)
	if err == nil && !held {
		err = &engineError{kind: calendar.Unavailable, msg: "the lease of the database is not held", cause: errLeaseLost}
	}
	return wrap("begin to write", err)
}

var errLeaseLost = errors.New("another process has taken the store's lease")

// fence waits until every transaction that holds the lease is over, and then
// runs do, if there is one, before another can begin.
func fence(ctx context.Context, pool *pgxpool.Pool, do func(context.Context, execer) error) error {
	return retrying(ctx, func() error {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, sqlFence); err != nil || do == nil {
				return err
			}
			return do(ctx, tx)
		})
		if retryable(pgError(err)) {
			return pgError(err)
		}
		return err
	})
}
