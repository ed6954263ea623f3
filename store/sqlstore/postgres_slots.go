package sqlstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"factotum/server/calendar"
)

// A session of PostgreSQL, or a node of a distributed one, can stop without a
// word, and what is asked of it then hangs. So no answer is waited for longer
// than Options.Patience; and where connections become scarce meanwhile, who
// hangs for longest gives way, after hungFor, if the lease, which is asked for
// then, shows that others are answered: a disk that is slow for all is no reason.
// An owner of whom nothing was heard
// shares some few connections with others of that sort until something is, and
// each of them is asked for a second at most: owners whose data is well are not
// kept waiting by those whose is not.
const (
	hungFor  = 700 * time.Millisecond
	lookEach = 100 * time.Millisecond

	fewSlots  = 4
	fewLimit  = time.Second
	silentFor = 10 * time.Second // since the last time that nothing was heard
)

// slots bounds how many transactions of one sort run at a time.
type slots struct {
	e    *pgEngine
	free chan struct{}
	mu   sync.Mutex
	used map[*pgConn]bool
}

func newSlots(e *pgEngine, n int) *slots {
	s := &slots{e: e, free: make(chan struct{}, n), used: map[*pgConn]bool{}}
	for range n {
		s.free <- struct{}{}
	}
	return s
}

// wait takes a place, if need be from a transaction that hangs.
func (s *slots) wait(ctx context.Context) error {
	select {
	case <-s.free:
		return nil
	default:
	}
	look := time.NewTicker(lookEach)
	defer look.Stop()
	for {
		select {
		case <-s.free:
			return nil
		case <-ctx.Done():
			return wrap("wait for a connection", ctx.Err())
		case <-look.C:
			s.evict()
		}
	}
}

// evict gives up the transaction that has been waiting for an answer for
// longest, if that is long.
func (s *slots) evict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var worst *pgConn
	longest := hungFor
	for c := range s.used {
		if d := c.silence(); d > longest {
			worst, longest = c, d
		}
	}
	if worst != nil && s.e.lease.provedAfter(time.Unix(0, worst.since.Load()).Add(hungFor/2)) {
		worst.cut(errSilent)
	}
}

var errSilent = errors.New("PostgreSQL did not answer in time")

// take gives a connection for one transaction of an owner, or of all ("");
// its release gives it back.
func (e *pgEngine) take(ctx context.Context, s *slots, owner calendar.Owner) (*pgConn, error) {
	if err := e.lease.state().Err; err != nil {
		return nil, err // and nobody waits for what is known not to answer
	}
	limit, soon := e.opts.Patience, ctx
	if e.isSilent(owner) {
		s, limit = e.few, min(limit, fewLimit)
		var cancel context.CancelFunc
		soon, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if err := s.wait(soon); err != nil {
		if ctx.Err() == nil {
			return nil, &calendar.Error{Kind: calendar.Unavailable, Op: "wait for a connection", Err: errSilent}
		}
		return nil, err
	}
	soon, cancel := context.WithTimeoutCause(ctx, limit, errSilent)
	pooled, err := e.pool.Acquire(soon)
	cancel()
	if err != nil {
		s.free <- struct{}{}
		if ctx.Err() != nil {
			return nil, wrap("wait for a connection", ctx.Err())
		}
		return nil, &calendar.Error{Kind: calendar.Unavailable, Op: "wait for a connection", Err: err}
	}
	c := &pgConn{e: e, owner: owner, c: pooled.Conn(), pooled: pooled, slots: s}
	c.ctx, c.cut = context.WithCancelCause(context.WithoutCancel(ctx))
	c.leave = context.AfterFunc(ctx, func() { c.cut(context.Cause(ctx)) })
	c.limit.Store(int64(limit))
	c.armed.Store(true)
	c.timer = time.AfterFunc(limit, c.goOff)
	s.mu.Lock()
	s.used[c] = true
	s.mu.Unlock()
	return c, nil
}

// isSilent tells whether nothing was heard of an owner the last time.
func (e *pgEngine) isSilent(owner calendar.Owner) bool {
	if owner == "" {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ok := e.silent[owner]
	if ok && time.Since(at) > silentFor {
		delete(e.silent, owner)
		ok = false
	}
	return ok
}

// heard notes whether the server has said something about an owner.
func (e *pgEngine) heard(owner calendar.Owner, something bool) {
	if owner == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if something {
		delete(e.silent, owner)
		return
	}
	if len(e.silent) > 10_000 { // all of them: it is the server, which the lease tells
		clear(e.silent)
	}
	e.silent[owner] = time.Now()
}

// release gives the connection back. One left inside a transaction is dropped
// by the pool.
func (c *pgConn) release() {
	c.rest()
	c.timer.Stop()
	c.leave()
	if cut := context.Cause(c.ctx) == errSilent; cut || c.few() {
		c.e.heard(c.owner, !cut)
	}
	c.slots.mu.Lock()
	delete(c.slots.used, c)
	c.slots.mu.Unlock()
	c.cut(nil)
	c.pooled.Release()
	c.slots.free <- struct{}{}
}

// few tells that the owner was silent before.
func (c *pgConn) few() bool { return c.slots == c.e.few }

// detach lets the transaction go on when its caller has left.
func (c *pgConn) detach() { c.leave() }

// ask begins to wait for the server, or goes on after a sign of life; rest says
// that nothing is due. Both are called for each answer, so the timer is left
// alone until it goes off.
func (c *pgConn) ask() {
	c.since.Store(time.Now().UnixNano())
	if c.armed.CompareAndSwap(false, true) {
		c.timer.Reset(time.Duration(c.limit.Load()))
	}
}

func (c *pgConn) rest() { c.since.Store(0) }

// goOff cuts a transaction whose answer is overdue.
func (c *pgConn) goOff() {
	c.armed.Store(false)
	since := c.since.Load()
	if since == 0 {
		return // and who asks next arms it
	}
	left := time.Duration(c.limit.Load() - (time.Now().UnixNano() - since))
	if left <= 0 {
		c.cut(errSilent)
	} else if c.armed.CompareAndSwap(false, true) {
		c.timer.Reset(left)
	}
}

// silence is how long the server has not said a word that is due. What may take
// long has no part in this.
func (c *pgConn) silence() time.Duration {
	since := c.since.Load()
	if since == 0 || c.slow.Load() {
		return 0
	}
	return time.Duration(time.Now().UnixNano() - since)
}

// patient says that what follows in this transaction has much to do.
func (c *pgConn) patient() {
	c.limit.Store(int64(pgLongest))
	c.slow.Store(true)
}

// rollBack gives up the transaction. Where it fails, the connection is dropped.
func (c *pgConn) rollBack() {
	c.pending = c.pending[:0]
	if c.c.IsClosed() {
		return
	}
	c.exec("ROLLBACK")
	c.flush()
}
