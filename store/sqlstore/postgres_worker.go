package sqlstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"factotum/server/calendar"
)

// pgWriters is how many transactions write at a time.
const pgWriters = 16

// pgQueue has the Updates of one owner that wait. While there are any, one
// goroutine runs them, group by group: those that wait share a transaction, so
// that none of them meets another, and a commit serves many. Owners do not wait
// for each other, but for a connection.
type pgQueue struct {
	e       *pgEngine
	owner   calendar.Owner
	waiting []*update // the engine's lock guards it
	group   []*update // being run
}

// update runs fn in a transaction that it shares with what waits for the same
// owner.
func (e *pgEngine) update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	if err := ctx.Err(); err != nil {
		return wrap("wait to write", err)
	}
	u := &update{ctx: ctx, owner: owner, fn: fn, done: make(chan struct{})}
	e.mu.Lock()
	q := e.queues[owner]
	idle := q == nil
	if idle {
		q = &pgQueue{e: e, owner: owner}
		e.queues[owner] = q
	}
	q.waiting = append(q.waiting, u)
	e.mu.Unlock()
	if idle {
		e.background.Go(q.run)
	}
	return u.await()
}

// run does what waits, until nothing does.
func (q *pgQueue) run() {
	orderly := false
	defer func() {
		if orderly {
			return
		}
		abandon(q.group) // fn ended this goroutine
		q.group = nil
		q.e.background.Go(q.run)
	}()
	for q.gather() {
		q.commit(q.group)
		clear(q.group)
	}
	orderly = true
}

// gather makes a group of what waits; false if nothing does, and the queue is
// gone.
func (q *pgQueue) gather() bool {
	e := q.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(q.waiting) == 0 {
		delete(e.queues, q.owner)
		return false
	}
	n := min(len(q.waiting), maxGroup)
	q.group = append(q.group[:0], q.waiting[:n]...)
	q.waiting = slices.Delete(q.waiting, 0, n)
	return true
}

// commit runs the updates in one transaction and answers them. If the server
// refuses it, each is tried alone. When the connection was lost, nobody knows
// whether it was committed: all of them fail as Unavailable.
func (q *pgQueue) commit(group []*update) {
	err := q.attempts(group)
	for i, u := range group {
		if !u.start() {
			continue
		}
		if err != nil {
			alone := err
			if len(group) > 1 && fromServer(err) {
				alone = q.attempts(group[i : i+1])
			}
			if alone != nil {
				u.err, u.hooks = alone, nil
			}
		}
		u.finish(q.e.opts.logError)
	}
	q.e.analyze()
}

func (q *pgQueue) attempts(group []*update) error {
	ctx, cancel := context.WithTimeout(context.Background(), pgLongest)
	defer cancel()
	return retrying(ctx, func() error { return q.attempt(ctx, group) })
}

// pgLongest bounds a transaction, and the silence of a statement that has much
// to do.
const pgLongest = 5 * time.Minute

// maxTries bounds how often a transaction runs again at the server's wish, and
// longestPause how long it waits before: some two seconds in all. Where
// transactions are serializable, those of all owners can meet in one page.
const (
	maxTries     = 25
	longestPause = 100 * time.Millisecond
)

// retrying runs try again, after a random and growing pause, while it fails
// with a serialization failure or a deadlock.
func retrying(ctx context.Context, try func() error) error {
	pause := 2 * time.Millisecond
	for n := 1; ; n++ {
		err := try()
		if err == nil || !retryable(err) || n == maxTries {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

const sqlLockHome = sqlHome + ` FOR UPDATE`

// attempt runs the updates in one transaction. An error means that the
// transaction as a whole failed; otherwise each update has its own outcome.
func (q *pgQueue) attempt(ctx context.Context, group []*update) error {
	e := q.e
	if err := e.settled(ctx, q.owner); err != nil {
		return err
	}
	c, err := e.take(ctx, e.writers, q.owner)
	if err != nil {
		return err
	}
	defer c.release()
	if err := e.begin(c); err != nil {
		c.rollBack()
		return err
	}
	h := home{loaded: true}
	if h.exists, err = c.row(sqlLockHome, args(string(q.owner)), &h.change, &h.created, &h.purged, &h.bytes, &h.objects); err != nil {
		return wrap("begin to write", err)
	}
	h.stored = h.exists
	kept := false
	for _, u := range group {
		u.err, u.hooks = nil, nil
		if !u.start() {
			continue
		}
		ok, err := q.one(c, u, &h, len(group) > 1)
		if err != nil {
			c.rollBack()
			return err
		}
		kept = kept || ok
	}
	if !kept {
		c.rollBack()
		return nil
	}
	return e.commit(c, q.owner)
}

// one runs an update, inside a savepoint if it shares the transaction. h is the
// owner's row before and, if the update is kept, after it.
func (q *pgQueue) one(c *pgConn, u *update, h *home, shared bool) (kept bool, err error) {
	if shared {
		c.exec("SAVEPOINT one")
		if err := c.flush(); err != nil {
			return false, wrap("begin to write", err)
		}
	}
	t := newTx(c, u.owner, micros(q.e.opts.Now()), q.e.newID)
	t.home = *h
	if u.err = call(func() error { return u.fn(t) }); u.err == nil {
		u.err = t.finish()
	}
	if u.err == nil && shared { // its failures must be its own
		c.exec("RELEASE SAVEPOINT one")
		u.err = wrap("write", c.flush())
	}
	u.hooks = t.hooks
	if u.err == nil {
		*h = t.home
		return true, nil
	}
	u.hooks = nil
	for _, err := range []error{u.err, t.broken} {
		// What concerns the transaction as a whole. Context errors can only
		// come from the transaction's own time limit or from fn itself.
		if retryable(err) || c.c.IsClosed() {
			return false, err
		}
	}
	c.pending = c.pending[:0]
	if shared {
		c.exec("ROLLBACK TO SAVEPOINT one")
		c.exec("RELEASE SAVEPOINT one")
		if err := c.flush(); err != nil {
			return false, wrap("roll back", err)
		}
	}
	return false, nil
}
