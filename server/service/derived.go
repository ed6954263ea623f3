package service

import (
	"bytes"
	"sync/atomic"

	"factotum/server/calendar"
)

// memo keeps what was worked out of an object's data, for all who hold the
// same cached object, while it stays in the cache.
type memo struct {
	cal      *calCache   // that holds the object
	used     atomic.Bool // asked for since the cache last made room
	text     atomic.Pointer[[]byte]
	windows  atomic.Pointer[[]expansion]
	compiled atomic.Pointer[compiledObject]
	cost     int64 // of these three; the home's lock guards it
}

// memoOf is the memo of a cached object, nil for others.
func memoOf(o *calendar.Object) *memo {
	m, _ := o.Memo.(*memo)
	return m
}

// touch notes that the object is in use.
func touch(o *calendar.Object) {
	if m := memoOf(o); !m.used.Load() {
		m.used.Store(true)
	}
}

// keep runs store, which keeps something new and says how many octets that
// adds, if the object is still in the cache.
func keep(o *calendar.Object, store func(m *memo) int64) {
	m := memoOf(o)
	if m == nil {
		return
	}
	h := m.cal.home
	h.mu.Lock()
	if now := m.cal.objs[o.Name]; now == nil || memoOf(now) != m || !h.current(m.cal) {
		h.mu.Unlock()
		return
	}
	n := store(m)
	m.cost += n
	h.mu.Unlock()
	h.cache.grow(h, n)
}

// Derived implements Memo.
func (m *memo) Derived(o *calendar.Object, make func([]byte) []byte) []byte {
	if t := m.text.Load(); t != nil {
		return *t
	}
	t := make(o.Data)
	keep(o, func(m *memo) int64 {
		if m.text.Load() != nil {
			return 0
		}
		kept := o.Data
		if !bytes.Equal(t, kept) { // else one will do
			kept = bytes.Clone(t)
		}
		m.text.Store(&kept)
		return m.textCost(o)
	})
	return t
}

// dropText forgets what Derived keeps; it returns the octets this frees. The
// home's lock is held.
func dropText(o *calendar.Object) (freed int64) {
	m := memoOf(o)
	if freed = m.textCost(o); freed > 0 {
		m.text.Store(nil)
		m.cost -= freed
	}
	return freed
}

// textCost is what Derived keeps for o.
func (m *memo) textCost(o *calendar.Object) int64 {
	t := m.text.Load()
	switch {
	case t == nil:
		return 0
	case len(o.Data) > 0 && len(*t) > 0 && &(*t)[0] == &o.Data[0]:
		return 24
	}
	return 24 + allocCost(len(*t))
}

// allocCost is about what n octets take on the heap, whose places come in sizes.
func allocCost(n int) int64 { return int64(n + n/16 + 8) }
