package sqlstore

import (
	"context"
	"errors"
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
	queue   chan *job
	waiting []*job // taken from the queue, in order
	group   []*job // being run
	quit    chan struct{}
	stopped chan struct{}
}

func newPGWorker(e *pgEngine) *pgWorker {
	w := &pgWorker{e: e, queue: make(chan *job, maxGroup), quit: make(chan struct{}), stopped: make(chan struct{})}
	go w.run()
	return w
}

func (w *pgWorker) submit(j *job) error {
	j.done = make(chan struct{})
	select {
	case w.queue <- j:
	case <-j.ctx.Done():
		return wrap("wait to write", j.ctx.Err())
	}
	return j.await()
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
		for _, j := range w.group { // fn has ended this goroutine: see sqliteWriter
			j.err, j.hooks = errGoexit, nil
			j.answer()
		}
		w.group = nil
		go w.run()
	}()
	for {
		if len(w.waiting) == 0 {
			select {
			case j := <-w.queue:
				w.waiting = append(w.waiting, j)
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

var errGoexit = &calendar.Error{Kind: calendar.Internal, Op: "run a transaction",
	Err: errors.New("a transaction function ended its goroutine")}

// gather makes a group of what waits for the first one's owner.
func (w *pgWorker) gather() {
	for more := true; more; {
		select {
		case j := <-w.queue:
			w.waiting = append(w.waiting, j)
		default:
			more = false
		}
	}
	owner := w.waiting[0].owner
	w.group = w.group[:0]
	rest := w.waiting[:0]
	for _, j := range w.waiting {
		if j.owner == owner && len(w.group) < maxGroup {
			w.group = append(w.group, j)
		} else {
			rest = append(rest, j)
		}
	}
	clear(w.waiting[len(rest):])
	w.waiting = rest
}

// commit runs the jobs in one transaction and answers them. If the server
// refuses it, each is tried alone. When the connection was lost, nobody knows
// whether it was committed: all of them fail as Unavailable.
func (w *pgWorker) commit(group []*job) {
	err := w.attempts(group)
	for i, j := range group {
		if !j.start() {
			continue
		}
		if err != nil {
			alone := err
			if len(group) > 1 && fromServer(err) {
				alone = w.attempts(group[i : i+1])
			}
			if alone != nil {
				j.err, j.hooks = alone, nil
			}
		}
		j.finish(w.e.opts.logError)
	}
	w.e.analyze()
}

func (w *pgWorker) attempts(group []*job) error {
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

// attempt runs the jobs in one transaction. An error means that the
// transaction as a whole failed; otherwise each job has its own outcome.
func (w *pgWorker) attempt(ctx context.Context, group []*job) error {
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
	for _, j := range group {
		j.err, j.hooks = nil, nil
		if !j.start() {
			continue
		}
		ok, err := w.one(c, j, &h, len(group) > 1)
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

// one runs a job, inside a savepoint if it shares the transaction. h is the
// owner's row before and, if the job is kept, after it.
func (w *pgWorker) one(c *pgConn, j *job, h *home, shared bool) (kept bool, err error) {
	if shared {
		c.exec("SAVEPOINT one")
		if err := c.flush(); err != nil {
			return false, wrap("begin to write", err)
		}
	}
	t := newTx(c, j.owner, micros(w.e.opts.Now()), w.e.newID)
	t.home = *h
	if j.err = call(t, j.fn); j.err == nil {
		j.err = t.finish()
	}
	if j.err == nil && shared { // its failures must be its own
		c.exec("RELEASE SAVEPOINT one")
		j.err = wrap("write", c.flush())
	}
	j.hooks = t.hooks
	if j.err == nil {
		*h = t.home
		return true, nil
	}
	j.hooks = nil
	for _, err := range []error{j.err, t.broken} {
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
