package sqlstore

import (
	"context"
	"math/rand/v2"
	"time"

	"factotum/server/calendar"
)

// pgWorkers is how many transactions write at a time.
const pgWorkers = 16

// pgWorker runs the Updates of its share of the owners, one owner at a time:
// those of one owner that wait share a transaction, so that none of them
// meets another, and a commit serves many.
type pgWorker struct {
	e       *pgEngine
	queue   chan *update
	waiting []*update // taken from the queue, in order
	group   []*update // being run
	quit    chan struct{}
	stopped chan struct{}
}

func newPGWorker(e *pgEngine) *pgWorker {
	w := &pgWorker{e: e, queue: make(chan *update, maxGroup), quit: make(chan struct{}), stopped: make(chan struct{})}
	go w.run()
	return w
}

func (w *pgWorker) close() {
	close(w.quit)
	<-w.stopped
}

func (w *pgWorker) run() {
	orderly := false
	defer func() {
		if orderly {
			close(w.stopped)
			return
		}
		abandon(w.group)
		w.group = nil
		go w.run()
	}()
	for {
		if len(w.waiting) == 0 {
			select {
			case u := <-w.queue:
				w.waiting = append(w.waiting, u)
			case <-w.quit:
				orderly = true
				return
			}
		}
		w.gather()
		w.commit(w.group)
		w.group = w.group[:0]
	}
}

// gather makes a group of what waits for the first one's owner.
func (w *pgWorker) gather() {
	for more := true; more; {
		select {
		case u := <-w.queue:
			w.waiting = append(w.waiting, u)
		default:
			more = false
		}
	}
	owner := w.waiting[0].owner
	w.group = w.group[:0]
	rest := w.waiting[:0]
	for _, u := range w.waiting {
		if u.owner == owner && len(w.group) < maxGroup {
			w.group = append(w.group, u)
		} else {
			rest = append(rest, u)
		}
	}
	clear(w.waiting[len(rest):])
	w.waiting = rest
}

// commit runs the updates in one transaction and answers them. If the server
// refuses it, each is tried alone. When the connection was lost, nobody knows
// whether it was committed: all of them fail as Unavailable.
func (w *pgWorker) commit(group []*update) {
	err := w.attempts(group)
	for i, u := range group {
		if !u.start() {
			continue
		}
		if err != nil {
			alone := err
			if len(group) > 1 && fromServer(err) {
				alone = w.attempts(group[i : i+1])
			}
			if alone != nil {
				u.err, u.hooks = alone, nil
			}
		}
		u.finish(w.e.opts.logError)
	}
	w.e.analyze()
}

func (w *pgWorker) attempts(group []*update) error {
	ctx, cancel := context.WithTimeout(context.Background(), pgLongest)
	defer cancel()
	return retrying(ctx, func() error { return w.attempt(ctx, group) })
}

// pgLongest bounds a transaction, so that a server that has gone silent does
// not hold the owners of a worker for ever.
const pgLongest = 5 * time.Minute

// maxTries bounds how often a transaction runs again at the server's wish, and
// longestPause how long it waits before: some two seconds in all. Where
// transactions are serializable, those of all workers can meet in one page.
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
func (w *pgWorker) attempt(ctx context.Context, group []*update) error {
	if err := w.e.lease.held(); err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, pgPatience)
	pooled, err := w.e.pool.Acquire(soon)
	cancel()
	if err != nil {
		return &calendar.Error{Kind: calendar.Unavailable, Op: "wait for a connection", Err: err}
	}
	// A connection left inside a transaction is dropped by the pool.
	defer pooled.Release()
	c := &pgConn{ctx: ctx, c: pooled.Conn()}
	if err := w.e.begin(c); err != nil {
		if !c.c.IsClosed() {
			c.c.Exec(ctx, "ROLLBACK")
		}
		return err
	}
	h := home{loaded: true}
	if h.exists, err = c.row(sqlLockHome, args(string(group[0].owner)), &h.change, &h.created, &h.purged, &h.bytes, &h.objects); err != nil {
		return wrap("begin to write", err)
	}
	h.stored = h.exists
	kept := false
	for _, u := range group {
		u.err, u.hooks = nil, nil
		if !u.start() {
			continue
		}
		ok, err := w.one(c, u, &h, len(group) > 1)
		if err != nil {
			if !c.c.IsClosed() {
				c.c.Exec(ctx, "ROLLBACK")
			}
			return err
		}
		kept = kept || ok
	}
	if !kept {
		c.pending = c.pending[:0]
		c.exec("ROLLBACK")
		return wrap("roll back", c.flush())
	}
	return w.e.commit(c)
}

// one runs an update, inside a savepoint if it shares the transaction. h is the
// owner's row before and, if the update is kept, after it.
func (w *pgWorker) one(c *pgConn, u *update, h *home, shared bool) (kept bool, err error) {
	if shared {
		c.exec("SAVEPOINT one")
		if err := c.flush(); err != nil {
			return false, wrap("begin to write", err)
		}
	}
	t := newTx(c, u.owner, micros(w.e.opts.Now()), w.e.newID)
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
