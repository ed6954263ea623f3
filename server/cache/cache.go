package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"factotum/server/calendar"
)

// Options of a Cache.
type Options struct {
	Bytes     int64 // of memory; 0 or less: nothing is kept
	Instances int   // of a series that one question looks at
	Logger    *slog.Logger
}

// Cache gives Views of the homes in a store.
type Cache struct {
	store   calendar.Store
	opt     Options
	size    atomic.Int64
	tick    atomic.Int64
	foreign atomic.Int64

	mu    sync.RWMutex // before that of a home
	homes map[calendar.Owner]*home
}

// New returns an empty cache. All writes to the store are to be told to it.
func New(store calendar.Store, opt Options) *Cache {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &Cache{store: store, opt: opt, homes: map[calendar.Owner]*home{}}
}

// Size tells how many octets are in use.
func (c *Cache) Size() int64 { return c.size.Load() }

// ForeignWrites counts how often somebody else has written to the store.
func (c *Cache) ForeignWrites() int64 { return c.foreign.Load() }

func (c *Cache) on() bool { return c.opt.Bytes > 0 }

// errMoved says that a View has no answer in its state any more.
var errMoved = errors.New("the state has moved on")

// restarts is how often Read looks for a state in memory before it takes a
// transaction.
const restarts = 4

// Read runs fn with a View of the owner's home, perhaps more than once. The
// View is good until fn returns, what it gave is so for ever, and read only.
func (c *Cache) Read(ctx context.Context, owner calendar.Owner, fn func(View) error) error {
	if c.on() {
		if err := c.store.Held(); err != nil {
			return err
		}
		for range restarts {
			h := c.home(owner)
			st, err := h.current(ctx)
			if err == nil {
				err = fn(&pinned{h, st})
			}
			if !errors.Is(err, errMoved) {
				return err
			}
		}
	}
	return c.ReadStore(ctx, owner, fn)
}

// ReadStore is Read with a transaction of the store, whatever is kept.
func (c *Cache) ReadStore(ctx context.Context, owner calendar.Owner, fn func(View) error) error {
	known := int64(0)
	if c.on() {
		known = c.published(owner)
	}
	var at int64
	err := c.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		row, exists, err := tx.Home()
		if err != nil {
			return err
		}
		at = row.Change
		return fn(&plain{tx: tx, owner: owner, row: row, exists: exists, instances: c.opt.Instances})
	})
	if !c.on() {
		return err
	}
	for {
		c.mu.RLock()
		h := c.homes[owner]
		c.mu.RUnlock()
		if h == nil {
			return err
		}
		if at < known {
			h.report("the store is older than what was read from it", at, known)
			return err
		}
		switch e := h.await(ctx, at); {
		case e == nil:
			return err
		case !errors.Is(e, errMoved):
			return e
		}
	}
}

// published is the owner's last number that is known, 0 if none is.
func (c *Cache) published(owner calendar.Owner) int64 {
	c.mu.RLock()
	h := c.homes[owner]
	c.mu.RUnlock()
	if h == nil {
		return 0
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return max(h.last, h.floor)
}

// home returns the owner's entry, made if needed.
func (c *Cache) home(owner calendar.Owner) *home {
	c.mu.RLock()
	h := c.homes[owner]
	c.mu.RUnlock()
	if h == nil {
		c.mu.Lock()
		if h = c.homes[owner]; h == nil {
			h = c.enter(owner, 0)
		}
		c.mu.Unlock()
		c.evict(h) // names that nobody has cost memory too
	}
	h.used.Store(c.tick.Add(1))
	return h
}

// enter makes an entry; the lock is held.
func (c *Cache) enter(owner calendar.Owner, writers int) *home {
	h := &home{cache: c, owner: owner, lineage: rand.Text(), writers: writers, loading: make(chan struct{}, 1), last: unknown, size: homeCost, values: map[int64]*values{}}
	c.homes[owner] = h
	c.size.Add(h.size)
	return h
}

// leave takes an entry out; the lock is held. Who still reads from it restarts
// as soon as he needs to know what came later.
func (c *Cache) leave(h *home) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return
	}
	h.gone = true
	h.wake()
	c.size.Add(-h.size)
	h.size = 0
	delete(c.homes, h.owner)
}

// Forget drops what is kept of an owner, of whom it is not known what is
// stored: a commit failed, and perhaps only its answer did.
func (c *Cache) Forget(owner calendar.Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.homes[owner]; h != nil {
		c.leave(h)
		if h.writers > 0 {
			c.enter(owner, h.writers)
		}
	}
}

// Writing tells that a transaction of the owner begins, whose change numbers
// will come by Commit, and by its result that all came that will.
func (c *Cache) Writing(owner calendar.Owner) (done func()) {
	if !c.on() {
		return func() {}
	}
	c.mu.Lock()
	h := c.homes[owner]
	if h == nil {
		h = c.enter(owner, 0)
	}
	h.writers++
	c.mu.Unlock()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		h := c.homes[owner] // another one, if it was forgotten meanwhile
		h.writers--
		if h.writers == 0 {
			h.mu.Lock()
			h.untold = 0
			h.wake()
			h.mu.Unlock()
		}
	}
}

// Commit publishes what a transaction of the owner did: its changes in the
// order of their numbers. It is called in commit order, before the writer is
// told.
func (c *Cache) Commit(owner calendar.Owner, changes []*calendar.Change) {
	if !c.on() || len(changes) == 0 {
		return
	}
	c.mu.RLock()
	h := c.homes[owner]
	c.mu.RUnlock()
	if h == nil {
		return
	}
	h.commit(changes)
	c.evict(h)
}
