package move

import (
	"context"
	"fmt"
	"sync"
	"time"

	"factotum/server/calendar"
)

// state is what may be done with a home.
type state uint8

const (
	open     state = iota // anything
	frozen                // reading: writes wait
	closed                // nothing: all wait until it is known where the home is
	arriving              // the same: it is not here yet
	moved                 // nothing: it is somewhere else
)

// patience is how long a request waits at a home that is about to move.
const patience = 1500 * time.Millisecond

// again is when who waited for nothing comes once more.
const again = time.Second

// Gate is a calendar.Store whose homes may be moved. The model writes by it; the Mover
// goes round it.
type Gate struct {
	calendar.Store

	mu    sync.Mutex
	homes map[calendar.Owner]*home
}

// home is one with somebody in it, or that is not open.
type home struct {
	state   state
	host    string        // where it went
	inside  int           // writers
	changed chan struct{} // closed when the state is another, or the last writer leaves
}

// NewGate makes one before a store.
func NewGate(s calendar.Store) *Gate { return &Gate{Store: s, homes: map[calendar.Owner]*home{}} }

// View implements calendar.Store.
func (g *Gate) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if err := g.enter(ctx, owner, false); err != nil {
		return err
	}
	return g.Store.View(ctx, owner, fn)
}

// Update implements calendar.Store.
func (g *Gate) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if err := g.enter(ctx, owner, true); err != nil {
		return err
	}
	defer g.leave(owner)
	return g.Store.Update(ctx, owner, fn)
}

// Owners implements calendar.Store: those whose homes are not here are left out.
func (g *Gate) Owners(ctx context.Context, after calendar.Owner, limit int) (list []calendar.Owner, err error) {
	for {
		all, err := g.Store.Owners(ctx, after, limit)
		if err != nil || len(all) == 0 {
			return nil, err
		}
		for _, o := range all {
			if after = o; g.here(o) {
				list = append(list, o)
			}
		}
		if len(list) > 0 || limit == 0 {
			return list, nil
		}
	}
}

// Jobs implements calendar.Store: those of homes that are not here, or not known to be, are
// left out, and marks of moves.
func (g *Gate) Jobs(ctx context.Context, after calendar.JobID, limit int) (list []calendar.Job, err error) {
	for {
		all, err := g.Store.Jobs(ctx, after, limit)
		if err != nil || len(all) == 0 {
			return nil, err
		}
		for i := range all {
			if after = all[i].JobID; all[i].Kind != calendar.JobMove && g.here(after.Owner) {
				list = append(list, all[i])
			}
		}
		if len(list) > 0 || limit == 0 {
			return list, nil
		}
	}
}

// here tells whether a home is, and may be read.
func (g *Gate) here(owner calendar.Owner) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.homes[owner]
	return h == nil || h.state == open || h.state == frozen
}

func (g *Gate) of(owner calendar.Owner) *home {
	h := g.homes[owner]
	if h == nil {
		h = &home{changed: make(chan struct{})}
		g.homes[owner] = h
	}
	return h
}

// enter waits until the home may be read, or written to: not for long.
func (g *Gate) enter(ctx context.Context, owner calendar.Owner, write bool) error {
	var timeout <-chan time.Time
	for {
		g.mu.Lock()
		h := g.homes[owner]
		switch {
		case h == nil && !write:
			g.mu.Unlock()
			return nil
		case h == nil || h.state == open || h.state == frozen && !write:
			if write {
				g.of(owner).inside++
			}
			g.mu.Unlock()
			return nil
		case h.state == moved:
			g.mu.Unlock()
			return &calendar.Error{Kind: calendar.Unavailable, Reason: calendar.HomeMoved, Op: "open the home", Ref: string(owner), Host: h.host, After: again,
				Msg: fmt.Sprintf("moved: %s", h.host)}
		}
		changed := h.changed
		g.mu.Unlock()
		if timeout == nil {
			t := time.NewTimer(patience)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &calendar.Error{Kind: calendar.Canceled, Op: "open the home", Ref: string(owner), Err: ctx.Err()}
		case <-timeout:
			return &calendar.Error{Kind: calendar.Unavailable, Op: "open the home", Ref: string(owner), After: again, Msg: "the calendars are being moved to another host; try again in a second"}
		}
	}
}

func (g *Gate) leave(owner calendar.Owner) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.homes[owner]
	if h.inside--; h.inside == 0 {
		h.wake()
		g.clear(owner, h)
	}
}

func (h *home) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// clear forgets what is as any other.
func (g *Gate) clear(owner calendar.Owner, h *home) {
	if h.inside == 0 && h.state == open {
		delete(g.homes, owner)
	}
}

// set gives a home another state; those who wait go on by it.
func (g *Gate) set(owner calendar.Owner, s state, host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.of(owner)
	h.state, h.host = s, host
	h.wake()
	g.clear(owner, h)
}

// freeze has writes wait from now on, and returns when those that had begun are over.
func (g *Gate) freeze(ctx context.Context, owner calendar.Owner) error {
	g.set(owner, frozen, "")
	for {
		g.mu.Lock()
		h := g.homes[owner]
		inside, changed := h.inside, h.changed
		g.mu.Unlock()
		if inside == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
