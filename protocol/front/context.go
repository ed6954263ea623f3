package front

import (
	"context"
	"sync"
	"time"
)

// work is the context of one request: that of its connection, with the
// record, and with an end when the answer has not begun within the time that
// it may take.
//
// Most requests are answered from memory long before anybody asks whether
// they may go on. So the timer and what it cancels are made when Done is
// called first, not for each request: together they would be a tenth of a
// small answer.
type work struct {
	context.Context // the parent
	rec             *recorder
	end             time.Time // when the answer must have begun

	mu     sync.Mutex
	inner  context.Context // what Done made, nil before
	cancel context.CancelCauseFunc
	timer  *time.Timer
	over   bool // the answer began: no timer any more
	closed bool // the request ended
}

type recordKey struct{}

// Value implements context.Context.
func (c *work) Value(key any) any {
	if key == (recordKey{}) {
		return c.rec
	}
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key) // it also finds itself there, for contexts made of c
	}
	return c.Context.Value(key)
}

// Done implements context.Context.
func (c *work) Done() <-chan struct{} { return c.armed().Done() }

// Err implements context.Context.
func (c *work) Err() error {
	c.mu.Lock()
	idle := c.inner == nil && !c.closed && (c.over || time.Now().Before(c.end))
	c.mu.Unlock()
	if idle {
		return c.Context.Err()
	}
	return c.armed().Err()
}

// armed returns the context that can be canceled, with its timer running.
func (c *work) armed() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithCancelCause(c.Context)
		switch left := time.Until(c.end); {
		case c.closed:
			c.cancel(nil)
		case c.over:
		case left <= 0:
			c.cancel(context.DeadlineExceeded)
		default:
			cancel := c.cancel
			c.timer = time.AfterFunc(left, func() { cancel(context.DeadlineExceeded) })
		}
	}
	return c.inner
}

// begun stops the clock: the answer is on its way.
func (c *work) begun() {
	c.mu.Lock()
	c.over = true
	timer := c.timer
	c.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
}

// renew sets another end for the answer to begin, if it has not.
func (c *work) renew(end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.end = end
	if c.timer != nil {
		c.timer.Reset(time.Until(end))
	}
}

// close ends the context with its request.
func (c *work) close() {
	c.begun()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed = true; c.cancel != nil {
		c.cancel(nil)
	}
}
