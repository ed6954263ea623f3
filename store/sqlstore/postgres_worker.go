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

// pgQueue has the Updates of one owner that wait. The first one runs where its
// caller does, and those that come meanwhile after it in one goroutine, group by
// group: those that wait share a transaction, so that none of them meets another,
// and a commit serves many. Owners do not wait for each other, but for a
// connection.
type pgQueue struct {
	e       *pgEngine
	owner   calendar.Owner
	waiting []*update // the engine's lock guards it
	group   []*update // being run
}

// update runs fn in a transaction that it shares with what waits for the same
// owner.
func (e *pgEngine) update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	return e.submit(&update{ctx: ctx, owner: owner, fn: fn})
}

// tend goes through the owner's queue, too: who writes has read before, and relies on it.
func (e *pgEngine) tend(ctx context.Context, owner calendar.Owner, fn func(conn) error) error {
	return e.submit(&update{ctx: ctx, owner: owner, raw: fn})
}

func (e *pgEngine) submit(u *update) error {
	if err := e.gate.enter(); err != nil {
		return err
	}
	defer e.gate.leave()
	if err := u.ctx.Err(); err != nil {
		return wrap("wait to write", err)
	}
	u.done = make(chan struct{})
	e.mu.Lock()
	q := e.queues[u.owner]
	if q == nil {
		q = &pgQueue{e: e, owner: u.owner}
		e.queues[u.owner] = q
		e.mu.Unlock()
		q.lead(u)
		return u.err
	}
	q.waiting = append(q.waiting, u)
	e.mu.Unlock()
	return u.await()
}

// lead runs the first update of a queue, and lets go on what has come since.
func (q *pgQueue) lead(u *update) {
	defer func() { // also when fn ends its goroutine
		q.e.mu.Lock()
		defer q.e.mu.Unlock()
		if len(q.waiting) == 0 {
			delete(q.e.queues, q.owner)
			return
		}
		q.e.background.Go(q.run)
	}()
	q.commit([]*update{u})
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
	return retrying(ctx, func() error {
		err := q.attempt(ctx, group, false)
		if err == errSpoiled {
			err = q.attempt(ctx, group, true)
		}
		return err
	})
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

// Nobody but this queue writes to the owner, so his row needs no lock; only
// where sessions cannot be ended it tells that the transaction is over: settle.
const sqlLockHome = sqlHome + ` FOR UPDATE`

// attempt runs the updates in one transaction, in two round trips where their
// callers have said what they need: in the first it begins and reads; in the
// second it writes and commits. An error means that the
// transaction as a whole failed; otherwise each update has its own outcome.
//
// An update that fails has mostly sent nothing by then, and what it would have
// written is dropped. Only if one fails later, the group is run again, apart:
// each update inside a savepoint.
func (q *pgQueue) attempt(ctx context.Context, group []*update, apart bool) error {
	e := q.e
	if err := e.settled(ctx, q.owner); err != nil {
		return err
	}
	c, err := e.take(ctx, e.writers, q.owner)
	if err != nil {
		return err
	}
	defer c.release()
	h, known := home{loaded: true}, newAhead()
	read := sqlHome
	if e.opts.Fenced {
		read = sqlLockHome
	}
	own := pgQuery{read, args(string(q.owner)), func(r scanner) error {
		h.exists, h.stored = true, true
		return r.scan(h.columns()...)
	}}
	if err := e.begin(c, append([]pgQuery{own}, known.fetch(string(q.owner), group)...)...); err != nil {
		c.rollBack()
		return err
	}
	kept := false
	for _, u := range group {
		u.err, u.hooks = nil, nil
		if !u.start() {
			continue
		}
		ok, err := q.one(c, u, &h, known, len(group) > 1, apart)
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

// one runs an update, which may share the transaction with others. h is the
// owner's row before and, if the update is kept, after it.
func (q *pgQueue) one(c *pgConn, u *update, h *home, known *ahead, shared, apart bool) (kept bool, err error) {
	if apart {
		c.exec("SAVEPOINT one")
		if err := c.flush(); err != nil {
			return false, wrap("begin to write", err)
		}
	}
	pending, sent := len(c.pending), c.sent
	t := newTx(c, u.owner, micros(q.e.opts.Now()), q.e.newID)
	t.home, t.ahead = *h, known
	if u.raw != nil {
		u.err = call(func() error { return u.raw(c) })
		t.wrote = true
		known.forget()
	} else if u.err = call(func() error { return u.fn(t) }); u.err == nil {
		u.err = t.finish()
	}
	if u.err == nil && apart { // its failures must be its own
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
	if t.wrote {
		known.forget()
	}
	switch {
	case apart:
		c.pending = c.pending[:0]
		c.exec("ROLLBACK TO SAVEPOINT one")
		c.exec("RELEASE SAVEPOINT one")
		if err := c.flush(); err != nil {
			return false, wrap("roll back", err)
		}
	case c.sent == sent: // nothing of it is on its way
		c.pending = c.pending[:pending]
	case !shared:
		c.pending = c.pending[:0] // and all of it is rolled back
	case fromServer(t.broken) || t.wrote:
		return false, errSpoiled
	}
	return false, nil
}
