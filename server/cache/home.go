package cache

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"factotum/server/calendar"
)

// home is an owner's entry.
type home struct {
	cache   *Cache
	owner   calendar.Owner
	lineage string // of its numbers: no other entry has it, in whatever process
	used    atomic.Int64
	state   atomic.Pointer[state] // nil when it must be read
	loading chan struct{}         // full while it is read
	writers int                   // transactions under way; the cache's lock guards it

	mu     sync.RWMutex
	gone   bool  // out of the cache
	last   int64 // the last number published, or unknown
	floor  int64 // while it is unknown: one that a reader was told of
	untold int64 // up to this one, commits that the state had before they were told
	log    []record
	reach  int64 // the log has every change above this one up to the last
	values map[int64]*values
	size   int64
	told   chan struct{} // closed when something is, nil if nobody waits
}

const (
	unknown   = -1
	logLength = 512
)

// values are what is kept of one incarnation of a calendar.
type values struct {
	objects map[string]*Object
	derived map[int32]version // by month, and the list
}

const (
	listKey      = -1 << 31
	maxDerived   = 65       // of a calendar
	maxListed    = 100_000  // a longer list is not kept
	largestKept  = 64 << 10 // octets of a text
	homeCost     = 1 << 10  // of an entry without anything
	calendarCost = 2048     // without its objects
)

func (v *values) object(name string) *Object {
	if v == nil {
		return nil
	}
	return v.objects[name]
}

func (v *values) version(key int32) version {
	if v == nil {
		return version{}
	}
	return v.derived[key]
}

// of returns the values of an incarnation, made if needed. The lock is held.
func (h *home) of(cal int64) *values {
	v := h.values[cal]
	if v == nil {
		v = &values{objects: map[string]*Object{}, derived: map[int32]version{}}
		h.values[cal] = v
	}
	return v
}

// current is the published state, which is read if needed.
func (h *home) current(ctx context.Context) (*state, error) {
	if st := h.state.Load(); st != nil {
		return st, nil
	}
	select {
	case h.loading <- struct{}{}:
		defer func() { <-h.loading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		if st := h.state.Load(); st != nil {
			return st, nil
		}
		st, err := h.load(ctx)
		if st != nil || err != nil {
			return st, err
		}
	}
}

// load reads the state, with the commits that came after its snapshot, and
// publishes it. It is nil when that cannot be.
func (h *home) load(ctx context.Context) (*state, error) {
	known := h.cache.published(h.owner)
	st := &state{}
	err := h.cache.store.View(ctx, h.owner, func(tx calendar.ReadTx) error {
		row, exists, err := tx.Home()
		if err != nil {
			return err
		}
		st.Home = Home{exists, row.Change, row.Bytes, row.Entry}
		if st.cals, err = readCalendars(tx, h.owner); err != nil || !exists {
			return err
		}
		prefs, err := tx.Prefs()
		st.avail = availabilityOf(prefs)
		return err
	})
	if err != nil {
		return nil, err
	}
	if st.Change < known {
		h.report("the store is older than what was read from it", st.Change, known)
		return nil, errMoved
	}
	h.cache.mu.RLock()
	writers := h.writers
	h.mu.Lock()
	h.cache.mu.RUnlock()
	defer h.cache.evict(h)
	defer h.mu.Unlock()
	switch {
	case h.gone:
		return nil, errMoved
	case h.last == unknown && st.Change < h.floor:
		return nil, nil
	case h.last == unknown:
		h.last, h.reach = st.Change, st.Change
		if writers > 0 {
			h.untold = st.Change
		}
	case st.Change > h.last:
		h.mu.Unlock()
		err := h.await(ctx, st.Change)
		h.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	part, ok := between(h.log, h.reach, st.Change, h.last)
	if !ok {
		return nil, nil
	}
	if len(part) > 0 {
		if st = st.next(part); st == nil {
			return nil, nil
		}
	}
	st.log, st.reach = h.log, h.reach
	h.state.Store(st)
	h.account(st.cost())
	return st, nil
}

// commit publishes changes, of which the state may have had the first already.
func (h *home) commit(changes []*calendar.Change) {
	h.mu.Lock()
	for len(changes) > 0 && changes[0].Number <= h.untold {
		changes = changes[1:]
	}
	if h.gone || len(changes) == 0 {
		h.mu.Unlock()
		return
	}
	if h.last == unknown {
		h.last, h.reach = changes[0].Number-1, changes[0].Number-1
	}
	was := h.last
	records := make([]record, len(changes))
	for i, c := range changes {
		if c.Number != h.last+1 {
			h.mu.Unlock()
			h.report("a change number does not follow the last one", c.Number, was)
			return
		}
		records[i] = recordOf(c)
		h.last = c.Number
		h.replace(&records[i], c)
		h.account(records[i].cost())
	}
	h.log = append(h.log, records...)
	h.trim()
	if st := h.state.Load(); st != nil {
		next := st.next(records)
		h.account(-st.cost())
		if next != nil {
			next.log, next.reach = h.log, h.reach
			h.account(next.cost())
		}
		h.state.Store(next)
	}
	h.wake()
	h.mu.Unlock()
}

// trim shortens a log that is too long. States before have what they had.
func (h *home) trim() {
	if len(h.log) <= logLength {
		return
	}
	cut := len(h.log) - logLength*3/4
	for i := range h.log[:cut] {
		h.account(-h.log[i].cost())
	}
	h.reach = h.log[cut-1].number
	h.log = append(make([]record, 0, logLength+1), h.log[cut:]...)
}

// replace puts the object that a commit stored in the place of the one before,
// and drops what holds no more.
func (h *home) replace(r *record, c *calendar.Change) {
	if r.reset {
		for id := range h.values {
			if r.cal == 0 || id == r.cal {
				h.drop(id)
			}
		}
	}
	if r.name == "" {
		return
	}
	v := h.values[r.cal]
	if old := v.object(r.name); old != nil {
		h.account(-old.cost)
		delete(v.objects, r.name)
	}
	if r.object != nil && c.After.Data != nil && len(c.After.Data) <= largestKept && h.state.Load() != nil {
		o := *r.object
		o.Data = c.After.Data
		o.Personal, _ = calendar.CutPersonal(c.After.Props)
		h.keepObject(r.cal, &o, r.number)
	}
}

// keepObject puts an object among those that are kept. The lock is held.
func (h *home) keepObject(cal int64, obj *calendar.Object, since int64) *Object {
	o := newObject(obj)
	o.home, o.cal, o.since = h, cal, since
	o.used.Store(true)
	h.of(cal).objects[o.Name] = o
	h.account(o.cost)
	return o
}

// keepRead is keepObject for one that a snapshot had, if it is one to keep. The
// lock is held.
func (h *home) keepRead(cal *Calendar, obj *calendar.Object, since, at int64) *Object {
	id := cal.Row.ID
	if o := h.values[id].object(obj.Name); o != nil && o.Change == obj.Change && o.since <= since {
		return o
	}
	part, ok := between(h.log, h.reach, at, h.last)
	for i := range part {
		r := &part[i]
		ok = ok && !(r.of(id) && (r.reset || r.name == obj.Name))
	}
	if !ok || h.gone || len(obj.Data) > largestKept || h.values[id].object(obj.Name) != nil {
		return &Object{Object: obj, since: since}
	}
	return h.keepObject(id, obj, since)
}

// keepsObject tells whether an object is kept still. The lock is held.
func (h *home) keepsObject(o *Object) bool { return !h.gone && h.values[o.cal].object(o.Name) == o }

// keepVersion keeps a derived value in the place of an earlier one. The lock is
// held.
func (h *home) keepVersion(cal int64, key int32, v version) {
	if l, ok := v.derived.(list); h.gone || v.derived == nil || ok && len(l) > maxListed {
		return
	}
	vals := h.of(cal)
	old, had := vals.derived[key]
	switch {
	case had && old.at >= v.at:
		return
	case had:
		h.account(-old.cost())
	case len(vals.derived) >= maxDerived:
		for k, x := range vals.derived {
			if k != listKey {
				h.account(-x.cost())
				delete(vals.derived, k)
				break
			}
		}
	}
	vals.derived[key] = v
	h.account(v.cost())
}

// drop forgets what is kept of a calendar. The lock is held.
func (h *home) drop(cal int64) {
	v := h.values[cal]
	for _, o := range v.objects {
		h.account(-o.cost)
	}
	for _, d := range v.derived {
		h.account(-d.cost())
	}
	delete(h.values, cal)
}

// await waits until a number that the store has is published. Without it a
// reader who was told of a commit before its writer was could find the state
// before it in memory, the next time.
func (h *home) await(ctx context.Context, number int64) error {
	for {
		h.cache.mu.RLock()
		writers := h.writers
		h.mu.Lock()
		h.cache.mu.RUnlock()
		switch {
		case h.gone:
			h.mu.Unlock()
			return errMoved
		case h.last == unknown: // a load of the state may have begun before
			h.floor = max(h.floor, number)
			h.mu.Unlock()
			return nil
		case h.last >= number:
			h.mu.Unlock()
			return nil
		case writers == 0:
			last := h.last
			h.mu.Unlock()
			h.report("the store has a change that nobody here made", number, last)
			return errMoved
		}
		if h.told == nil {
			h.told = make(chan struct{})
		}
		told := h.told
		h.mu.Unlock()
		select {
		case <-told:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake lets go on who waits. The lock is held.
func (h *home) wake() {
	if h.told != nil {
		close(h.told)
		h.told = nil
	}
}

// report says once that somebody else writes, or that a commit whose failure
// was reported has succeeded after all, and forgets the home.
func (h *home) report(what string, number, known int64) {
	c := h.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.homes[h.owner] != h {
		return
	}
	c.leave(h)
	if h.writers > 0 {
		c.enter(h.owner, h.writers)
	}
	c.foreign.Add(1)
	c.opt.Logger.Error("another program writes to the calendar store", "calid", string(h.owner), "err", what, "number", number, "known", known)
}

// cost is about what a record takes on the heap.
func (r *record) cost() int64 {
	n := int64(len(r.was)+len(r.is))*56 + int64(len(r.name)) + 300 + r.avail.Cost()
	if r.object != nil || r.gone != nil {
		n += 340
	}
	return n
}

func (l list) cost() int64 { return int64(len(l))*300 + 64 }

func (m *month) cost() int64 { return int64(len(m.short)+len(m.long))*40 + 128 }

// objectCost is about what an object takes on the heap: the structs, its place
// in the map, the text, the names.
func objectCost(o *calendar.Object) int64 {
	n := 420 + allocCost(len(o.Data)) + allocCost(len(o.Name)) + allocCost(len(o.UID))
	if strings.HasPrefix(o.Name, o.UID) {
		n -= allocCost(len(o.UID))
	}
	for _, props := range [...][]calendar.DeadProp{o.Props, o.Personal} {
		for i := range props {
			n += 80 + int64(len(props[i].Space)+len(props[i].Local)+len(props[i].Value))
		}
	}
	return n
}

// allocCost is about what n octets take on the heap, whose places come in sizes.
func allocCost(n int) int64 { return int64(n + n/16 + 8) }
