package front

import (
	"context"
	"errors"
	"testing"
	"time"
)

func newWork(parent context.Context, left time.Duration) *work {
	return &work{Context: parent, rec: &recorder{}, end: time.Now().Add(left)}
}

func TestWorkEndsWithItsTime(t *testing.T) {
	for name, wait := range map[string]func(*work){
		"Done": func(c *work) { <-c.Done() },
		"Err": func(c *work) {
			for c.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		},
		"a child": func(c *work) {
			child, cancel := context.WithCancel(context.WithValue(c, recordKey{}, nil))
			defer cancel()
			<-child.Done()
			if context.Cause(child) != context.DeadlineExceeded {
				t.Errorf("a child's cause: %v", context.Cause(child))
			}
		},
	} {
		c := newWork(t.Context(), 5*time.Millisecond)
		wait(c)
		if c.Err() == nil || context.Cause(c) != context.DeadlineExceeded {
			t.Errorf("%s: %v because of %v", name, c.Err(), context.Cause(c))
		}
		select {
		case <-c.Done():
		default:
			t.Errorf("%s: an error, but not done", name)
		}
		c.close()
	}
}

func TestWorkGoesOnOnceItsAnswerBegan(t *testing.T) {
	for _, asked := range []bool{false, true} {
		c := newWork(t.Context(), time.Hour)
		if asked {
			c.Done()
		}
		c.begun()
		c.end = time.Now().Add(-time.Second)
		if c.Err() != nil {
			t.Errorf("asked before: %v; then %v", asked, c.Err())
		}
		select {
		case <-c.Done():
			t.Errorf("asked before: %v; done", asked)
		default:
		}
		c.close()
		never := newWork(t.Context(), time.Hour)
		never.close()
		if <-never.Done(); never.Err() == nil {
			t.Error("closed before it was asked, and goes on")
		}
		if <-c.Done(); !errors.Is(c.Err(), context.Canceled) {
			t.Errorf("closed: %v", c.Err())
		}
	}
}

func TestWorkEndsWithItsConnection(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	before, after := newWork(parent, time.Hour), newWork(parent, time.Hour)
	done := before.Done()
	gone := errors.New("the client went away")
	cancel(gone)
	<-done
	<-after.Done()
	for _, c := range []*work{before, after, newWork(parent, time.Hour)} {
		if c.Err() == nil || context.Cause(c) != gone {
			t.Errorf("%v because of %v", c.Err(), context.Cause(c))
		}
	}
}
