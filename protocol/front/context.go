package front

import (
	"context"
	"sync"
	"time"
)

// work is the context of one request: that of its connection, with the
// record, and with an end when the answer has not begun within the time that
// it may take.
type work struct {
	context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex // over what follows
	timer *time.Timer
	over  bool // the answer began, or the request ended: no end any more
}

type recordKey struct{}

// newWork begins the work of a request, which may take so long; close ends it.
func newWork(parent context.Context, rec *recorder, left time.Duration) *work {
	c := &work{}
	c.Context, c.cancel = context.WithCancelCause(context.WithValue(parent, recordKey{}, rec))
	c.timer = time.AfterFunc(left, func() { c.cancel(context.DeadlineExceeded) })
	return c
}

// begun stops the clock: the answer is on its way.
func (c *work) begun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.timer.Stop()
}

// renew sets another end for the answer to begin, if it has not.
func (c *work) renew(end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.timer.Reset(time.Until(end))
	}
}

// close ends the context with its request.
func (c *work) close() {
	c.begun()
	c.cancel(nil)
}
