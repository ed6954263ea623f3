package service

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
	"factotum/server/match"
	"factotum/server/recur"
)

// The cache holds, for owners whose calendars are in use, four things that are
// each loaded when first asked for and kept current by every commit:
//
//   - the home: its calendars and their properties;
//   - objects with their data;
//   - the full listing of a calendar, as Depth: 1 wants it;
//   - months: all instances that touch a calendar month.
//
// No read therefore costs more than its answer, and a huge calendar is never
// loaded whole unless it is listed. Coherence: the Service is the only writer;
// commits are applied in order under the home's lock before they are
// acknowledged. A load reads a snapshot that knows its change number; commits
// that came after it are replayed from the home's log before it is installed.
type cache struct {
	budget int64
	size   atomic.Int64
	tick   atomic.Int64
	mu     sync.RWMutex
	homes  map[calendar.Owner]*homeCache
}

type homeCache struct {
	cache *cache
	owner calendar.Owner
	used  atomic.Int64
	gone  atomic.Bool // evicted

	load sync.Mutex // one loader of the home at a time

	mu      sync.RWMutex
	loaded  bool
	exists  bool
	change  int64
	bytes   int64
	byName  map[string]*calCache
	byID    map[int64]*calCache
	log     []mutation
	trimmed int64 // the log holds every commit with a higher number
	seen    int64 // the last commit applied
	since   int64 // … and above this since the home was loaded
	size    int64
	applied chan struct{} // closed by the next commit, and when the entry goes; nil if nobody waits
}

// calMeta is a calendar's own state; it is replaced, never changed.
type calMeta struct {
	id         calendar.ID
	row        calendar.CalendarRow
	components []string
	coOwners   []string
	props      []calendar.DeadProp
	zone       recur.Zone // of row.Timezone, nil if it has none
}

func (m *calMeta) isCoOwner(who calendar.Actor) bool {
	return who.User != "" && slices.ContainsFunc(m.coOwners, func(o string) bool { return strings.EqualFold(o, who.User) })
}

type calCache struct {
	home     *homeCache
	meta     *calMeta
	change   int64
	modified time.Time
	objs     map[string]*calendar.Object // with data
	list     []*calendar.Object          // without data, by name
	listed   bool
	shared   bool // list was handed out: copy before changing
	months   map[int32]*month
}

// month holds the instances that overlap one calendar month (UTC; floating
// times as if they were).
type month struct {
	short  []inst // up to shortInst long, by start
	long   []inst
	shared bool
}

type inst struct {
	start, end int64
	flags      int32
	name       string
}

const (
	shortInst = 25 * 3600
	logLength = 512
	homeCost  = 1 << 10 // of an entry without anything
	metaCost  = 2048    // of a calendar without its objects
	maxListed = 100_000
	maxMonths = 64
)

// mutationsOf is what the cache makes of changes; reset: calendars themselves
// changed.
func mutationsOf(changes []*calendar.Change) (muts []mutation, reset bool) {
	for _, ch := range changes {
		m := mutation{change: ch.Number, cal: ch.Incarnation, name: ch.Name, delta: ch.Bytes}
		switch ch.Kind {
		case calendar.ObjectStored:
			m.obj = toObject(&ch.After.ObjectRow, ch.Calendar)
			m.obj.Props = ch.After.Props
			m.is = ch.After.Occurrences
		case calendar.ObjectDeleted:
			m.gone = calendar.Tombstone{Calendar: ch.Calendar, Name: ch.Name, UID: ch.Before.UID, Component: ch.Before.Component, Change: ch.Number, Deleted: ch.When}
		case calendar.ObjectProps:
			m.props = true
		case calendar.PrefsChanged:
			continue
		default:
			reset = true
			continue
		}
		m.times = ch.Retimed()
		if ch.Before != nil {
			m.was = ch.Before.Occurrences
		}
		muts = append(muts, m)
	}
	return muts, reset
}

// mutation is one change of one object. A nil obj is a deletion.
type mutation struct {
	change int64
	cal    int64
	name   string
	obj    *calendar.Object
	props  bool                     // dead properties changed: obj is nil, nothing else changed
	times  bool                     // the occurrences changed too: was and is hold them
	was    []calendar.OccurrenceRow // before
	is     []calendar.OccurrenceRow // after
	delta  int64                    // change of the home's bytes
	gone   calendar.Tombstone       // for a deletion, without data
}

func newCache(budget int64) *cache {
	return &cache{budget: budget, homes: map[calendar.Owner]*homeCache{}}
}

// home returns the owner's entry, made if needed; it may not be loaded yet.
func (c *cache) home(owner calendar.Owner) *homeCache {
	c.mu.RLock()
	h := c.homes[owner]
	c.mu.RUnlock()
	if h == nil {
		c.mu.Lock()
		if h = c.homes[owner]; h == nil {
			h = &homeCache{cache: c, owner: owner, size: homeCost}
			c.homes[owner] = h
			c.size.Add(h.size)
		}
		c.mu.Unlock()
		if c.size.Load() > c.budget { // names that nobody has cost memory too
			c.evict(h)
		}
	}
	h.used.Store(c.tick.Add(1))
	return h
}

// grow accounts for n more octets of h, whose lock is not held, and evicts
// what was used least lately when the budget is spent.
func (c *cache) grow(h *homeCache, n int64) {
	if n == 0 {
		return
	}
	h.mu.Lock()
	c.account(h, n)
	h.mu.Unlock()
	if c.size.Load() > c.budget {
		c.evict(h)
	}
}

// account adds n octets to what h, whose lock is held, has in use. What was
// evicted does not count.
func (c *cache) account(h *homeCache, n int64) {
	if !h.gone.Load() {
		h.size += n
		c.size.Add(n)
	}
}

// current tells whether cal is still the calendar that h has; what it is not
// would keep for nobody. The lock is held.
func (h *homeCache) current(cal *calCache) bool { return h.byID[cal.meta.row.ID] == cal }

func (c *cache) evict(keep *homeCache) {
	for range 64 {
		if c.size.Load() <= c.budget {
			return
		}
		var victim *homeCache
		c.mu.Lock()
		oldest, seen := int64(math.MaxInt64), 0
		for _, h := range c.homes { // a sample, in the map's random order
			if t := h.used.Load(); h != keep && t < oldest {
				victim, oldest = h, t
			}
			if seen++; seen >= 16 {
				break
			}
		}
		if victim == nil && len(c.homes) > 1 {
			c.mu.Unlock()
			continue
		}
		c.mu.Unlock()
		if victim == nil {
			keep.shrink(c, c.size.Load()-c.budget+c.budget/8)
			return
		}
		victim.mu.RLock()
		size := victim.size
		victim.mu.RUnlock()
		if size > c.budget/64 && victim.shrink(c, size/2) >= size/4 {
			continue // it may be in use: what was asked for lately stays for now
		}
		c.mu.Lock()
		if c.homes[victim.owner] == victim {
			c.leave(victim)
		}
		c.mu.Unlock()
	}
}

// leave takes an entry out of the cache. Who still reads from it must know as
// soon as commits do not reach it any more. The cache's lock is held.
func (c *cache) leave(h *homeCache) {
	h.mu.Lock()
	delete(c.homes, h.owner)
	h.gone.Store(true)
	h.wake()
	c.size.Add(-h.size)
	h.size = 0
	h.mu.Unlock()
}

// hold puts an object with its data into the cache; it returns what it costs.
// The lock of the home is held.
func (cal *calCache) hold(o *calendar.Object) int64 {
	o.Memo = &memo{cal: cal}
	if cap(o.Data) > len(o.Data)+len(o.Data)/8+64 { // the buffer that a request was read into
		o.Data = bytes.Clone(o.Data)
	}
	cal.objs[o.Name] = o
	return objCost(o)
}

// shrink makes want octets of room in a home; it returns what it made. First goes what is made again
// from memory and seldom asked for again, the parsed forms; then objects that
// nobody asked for since the last time; then XML forms, which are made again
// more quickly than objects are read; then whatever there is.
func (h *homeCache) shrink(c *cache, want int64) (freed int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone.Load() {
		return 0
	}
	each := func(give func(cal *calCache, o *calendar.Object) int64) {
		for _, cal := range h.byID {
			for _, o := range cal.objs {
				if freed >= want {
					return
				}
				freed += give(cal, o)
			}
		}
	}
	drop := func(cal *calCache, o *calendar.Object) int64 {
		delete(cal.objs, o.Name)
		return objCost(o)
	}
	each(func(_ *calCache, o *calendar.Object) int64 { return dropCompiled(o) })
	each(func(cal *calCache, o *calendar.Object) int64 {
		if memoOf(o).used.Swap(false) {
			return 0
		}
		return drop(cal, o)
	})
	each(func(_ *calCache, o *calendar.Object) int64 { return dropText(o) })
	each(drop)
	for _, cal := range h.byID {
		for m, b := range cal.months {
			if freed >= want {
				break
			}
			freed += b.cost()
			delete(cal.months, m)
		}
		if freed < want && cal.listed {
			freed += listCost(cal.list)
			cal.list, cal.listed = nil, false
		}
	}
	c.account(h, -freed)
	return freed
}

// objCost is about what an object takes on the heap: the structs, its place in
// the map, the text, the names, and what was worked out of it.
func objCost(o *calendar.Object) int64 {
	n := 330 + allocCost(len(o.Data)) + allocCost(len(o.Name)) + allocCost(len(o.UID))
	for i := range o.Props {
		n += 80 + int64(len(o.Props[i].Space)+len(o.Props[i].Local)+len(o.Props[i].Value))
	}
	return n + memoOf(o).cost
}

// logCost is what a commit costs in the log, which keeps no data.
func (m *mutation) logCost() int64 { return int64(len(m.was)+len(m.is))*56 + int64(len(m.name)) + 640 }

func listCost(l []*calendar.Object) int64 { return int64(len(l)) * 300 }

func (b *month) cost() int64 { return int64(len(b.short)+len(b.long))*40 + 128 }

// apply brings the owner's entry up to date with a commit, whose change
// numbers are first to change. It runs in commit order, before the commit is
// acknowledged. When numbers are missing, a commit whose outcome nobody knew
// has succeeded after all: then the entry forgets what it holds.
func (c *cache) apply(owner calendar.Owner, first, change int64, muts []mutation, reset bool) {
	c.mu.RLock()
	h := c.homes[owner]
	c.mu.RUnlock()
	if h == nil {
		return
	}
	h.mu.Lock()
	if h.seen == 0 && h.loaded {
		h.seen = h.change
	}
	switch {
	case reset:
		c.forget(h, change)
	case h.seen == 0: // a load under way must have what came before
		h.trimmed = max(h.trimmed, first-1)
	case first > h.seen+1:
		c.forget(h, first-1)
	}
	h.seen = max(h.seen, change)
	var grown int64
	for _, m := range muts {
		if h.loaded && !reset && m.change > h.since { // what was loaded has those before
			grown += h.applyOne(m)
		}
		if len(h.log) >= logLength {
			cut := logLength / 4
			h.trimmed = max(h.trimmed, h.log[cut-1].change)
			for i := range h.log[:cut] {
				grown -= h.log[i].logCost()
			}
			h.log = append(make([]mutation, 0, logLength), h.log[cut:]...)
		}
		if m.obj != nil {
			m.obj = m.obj.Meta()
		}
		h.log = append(h.log, m)
		grown += m.logCost()
	}
	h.change = max(h.change, change)
	h.wake()
	h.mu.Unlock()
	c.grow(h, grown)
}

// wake lets go on who waits for a commit. The lock is held.
func (h *homeCache) wake() {
	if h.applied != nil {
		close(h.applied)
		h.applied = nil
	}
}

// await waits until the owner's entry has a commit that a reader has met in
// the store. Without it a reader that was told of a commit before its writer
// was could find the state before it in memory, the next time. What was read
// is kept and given away after that only: the commits on their way to the
// entry would else turn it back, one by one.
func (c *cache) await(ctx context.Context, owner calendar.Owner, change int64) error {
	for {
		c.mu.RLock()
		h := c.homes[owner]
		c.mu.RUnlock()
		if h == nil {
			return nil
		}
		h.mu.Lock()
		if !h.loaded { // a load under way may have begun before that commit
			h.trimmed = max(h.trimmed, change)
		}
		if !h.loaded || h.change >= change || h.gone.Load() {
			h.mu.Unlock()
			return nil
		}
		if h.applied == nil {
			h.applied = make(chan struct{})
		}
		applied := h.applied
		h.mu.Unlock()
		select {
		case <-applied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drop forgets the owner: it is not known what is stored of him. Loads under
// way fill the old entry, which nobody finds any more.
func (c *cache) drop(owner calendar.Owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.homes[owner]; h != nil {
		c.leave(h)
	}
}

// forget drops all but the home's existence; loads begun before change must
// not be installed.
func (c *cache) forget(h *homeCache, change int64) {
	h.loaded, h.byName, h.byID, h.log = false, nil, nil, nil
	h.trimmed = change
	c.account(h, homeCost-h.size)
}

func (h *homeCache) applyOne(m mutation) (grown int64) {
	h.bytes += m.delta
	cal := h.byID[m.cal]
	if cal == nil {
		return 0
	}
	if !m.props {
		cal.change = max(cal.change, m.change)
	}
	if m.obj != nil {
		cal.modified = m.obj.Modified
	} else if !m.gone.Deleted.IsZero() {
		cal.modified = m.gone.Deleted
	}
	if old := cal.objs[m.name]; old != nil {
		grown -= objCost(old)
		delete(cal.objs, m.name)
	}
	if m.props {
		if cal.listed {
			grown -= listCost(cal.list)
		}
		cal.list, cal.listed = nil, false
		return grown
	}
	if m.obj != nil && m.obj.Data != nil && len(m.obj.Data) <= 64<<10 {
		grown += cal.hold(m.obj)
	}
	if cal.listed {
		grown += cal.applyList(m)
	}
	if m.times {
		grown += cal.applyTimes(m)
	}
	return grown
}

func (cal *calCache) applyList(m mutation) int64 {
	if cal.shared {
		cal.list, cal.shared = slices.Clone(cal.list), false
	}
	i, found := slices.BinarySearchFunc(cal.list, m.name, func(o *calendar.Object, n string) int { return strings.Compare(o.Name, n) })
	switch {
	case m.obj == nil && found:
		cal.list = slices.Delete(cal.list, i, i+1)
		return -300
	case m.obj == nil:
	case found:
		cal.list[i] = m.obj.Meta()
	default:
		cal.list = slices.Insert(cal.list, i, m.obj.Meta())
		return 300
	}
	return 0
}

func (cal *calCache) applyTimes(m mutation) (grown int64) {
	for k, b := range cal.months {
		from, to := monthBounds(k)
		touched := func(rows []calendar.OccurrenceRow) bool {
			return slices.ContainsFunc(rows, func(r calendar.OccurrenceRow) bool { return match.Overlaps(r.Start, r.End, from, to) })
		}
		was, is := touched(m.was), touched(m.is)
		if !was && !is {
			continue
		}
		if is && slices.ContainsFunc(m.is, func(r calendar.OccurrenceRow) bool {
			return r.Flags&calendar.OccTail != 0 && match.Overlaps(r.Start, r.End, from, to)
		}) || was && slices.ContainsFunc(m.was, func(r calendar.OccurrenceRow) bool { return r.Flags&calendar.OccTail != 0 }) && len(m.is) > 0 {
			grown -= b.cost()
			delete(cal.months, k) // the open end of a series needs an expansion: load it again when asked for
			continue
		}
		before := b.cost()
		if b.shared {
			b = &month{short: slices.Clone(b.short), long: slices.Clone(b.long)}
			cal.months[k] = b
		}
		if was {
			drop := func(i inst) bool { return i.name == m.name }
			b.short = slices.DeleteFunc(b.short, drop)
			b.long = slices.DeleteFunc(b.long, drop)
		}
		for _, r := range m.is {
			if match.Overlaps(r.Start, r.End, from, to) {
				b.add(inst{r.Start, r.End, int32(r.Flags), m.name})
			}
		}
		grown += b.cost() - before
	}
	return grown
}

func (b *month) add(i inst) {
	if i.end-i.start > shortInst {
		b.long = append(b.long, i)
		return
	}
	at := sort.Search(len(b.short), func(k int) bool { return b.short[k].start > i.start })
	b.short = slices.Insert(b.short, at, i)
}

func monthOf(unix int64) int32 {
	t := time.Unix(unix, 0).UTC()
	return int32(t.Year()*12 + int(t.Month()) - 1)
}

func monthBounds(m int32) (from, to int64) {
	y, mon := int(m)/12, time.Month(int(m)%12+1)
	return time.Date(y, mon, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(y, mon+1, 1, 0, 0, 0, 0, time.UTC).Unix()
}

// replay calls fn for the commits after change; ok is false when the log does
// not reach back that far. The lock is held.
func (h *homeCache) replay(change int64, fn func(mutation)) (ok bool) {
	if change < h.trimmed {
		return false
	}
	at := sort.Search(len(h.log), func(i int) bool { return h.log[i].change > change })
	for _, e := range h.log[at:] {
		fn(e)
	}
	return true
}

// still tells whether no commit after a change touched what touches says, as
// far as memory knows.
func (h *homeCache) still(change int64, touches func(*mutation) bool) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	same := true
	ok := h.replay(change, func(e mutation) { same = same && !touches(&e) })
	return ok && same && !h.gone.Load()
}

// state is the change number that the entry is at.
func (h *homeCache) state() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.change
}
