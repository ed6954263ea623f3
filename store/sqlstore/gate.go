package sqlstore

import (
	"sync"

	"factotum/server/calendar"
)

// gate counts the transactions inside the store, so that close waits for them
// and later ones are refused. Not an RWMutex: a View inside a View would wait
// for a close that waits for it.
type gate struct {
	mu     sync.Mutex
	inside int
	closed bool
	empty  sync.Cond
}

var errClosed = &calendar.Error{Kind: calendar.Unavailable, Op: "use the store", Msg: "The store is closed."}

func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	g.inside++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.closed {
		g.empty.Broadcast()
	}
}

// shut refuses newcomers and waits until all have left; false if it was shut.
func (g *gate) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.closed = true
	g.empty.L = &g.mu
	for g.inside > 0 {
		g.empty.Wait()
	}
	return true
}
