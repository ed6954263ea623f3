package relay

import (
	"sync"
	"time"
)

// idle are connections that wait for the next message.
type idle struct {
	mu     sync.Mutex
	closed bool
	kept   map[Route][]*waiting
}

type waiting struct {
	c     *session
	timer *time.Timer
}

// take returns the connection that was used last, nil if there is none.
func (i *idle) take(r Route) *session {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.kept[r]
	for len(list) > 0 {
		w := list[len(list)-1]
		list = list[:len(list)-1]
		if w.timer.Stop() {
			i.keep(r, list)
			return w.c
		}
	}
	i.keep(r, nil)
	return nil
}

func (i *idle) keep(r Route, list []*waiting) {
	if len(list) == 0 {
		delete(i.kept, r)
		return
	}
	i.kept[r] = list
}

// put keeps a connection for a while.
func (i *idle) put(r Route, c *session, d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		c.close()
		return
	}
	if i.kept == nil {
		i.kept = map[Route][]*waiting{}
	}
	w := &waiting{c: c}
	w.timer = time.AfterFunc(d, func() { i.drop(r, w) })
	i.kept[r] = append(i.kept[r], w)
}

// drop ends a connection that nobody needed.
func (i *idle) drop(r Route, w *waiting) {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.kept[r]
	for n := range list {
		if list[n] == w {
			i.keep(r, append(list[:n:n], list[n+1:]...))
			break
		}
	}
	w.c.close()
}

func (i *idle) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	for _, list := range i.kept {
		for _, w := range list {
			w.timer.Stop()
			w.c.close()
		}
	}
	i.kept = nil
}
