package front

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWorkEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWork(t.Context(), &recorder{}, time.Second)
		defer c.close()
		child, cancel := context.WithCancel(context.WithValue(c, recordKey{}, nil))
		defer cancel()
		time.Sleep(999 * time.Millisecond)
		if c.Err() != nil {
			t.Errorf("too early: %v", c.Err())
		}
		<-c.Done()
		<-child.Done()
		for _, ctx := range []context.Context{c, child} {
			if ctx.Err() == nil || context.Cause(ctx) != context.DeadlineExceeded {
				t.Errorf("%v because of %v", ctx.Err(), context.Cause(ctx))
			}
		}
	})
}

func TestWorkThatIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := newWork(t.Context(), &recorder{}, time.Second)
		defer c.close()
		c.renew(begin.Add(time.Minute))
		<-c.Done()
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestWorkGoesOnOnceItsAnswerBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newWork(t.Context(), &recorder{}, time.Second)
		c.begun()
		c.renew(time.Now().Add(time.Second)) // says nothing any more
		time.Sleep(time.Hour)
		if c.Err() != nil {
			t.Errorf("ended because of %v", context.Cause(c))
		}
		c.close()
		if <-c.Done(); !errors.Is(c.Err(), context.Canceled) {
			t.Errorf("closed: %v", c.Err())
		}
	})
}

func TestWorkEndsWithItsConnection(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	before := newWork(parent, &recorder{}, time.Hour)
	gone := errors.New("the client went away")
	cancel(gone)
	<-before.Done()
	for _, c := range []*work{before, newWork(parent, &recorder{}, time.Hour)} {
		if c.Err() == nil || context.Cause(c) != gone {
			t.Errorf("%v because of %v", c.Err(), context.Cause(c))
		}
		c.close()
	}
}
