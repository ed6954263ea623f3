package calendar

import (
	"bytes"
	"sync/atomic"
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

// touch notes that the object is in use.
func (o *Object) touch() {
	if !o.memo.used.Load() {
		o.memo.used.Store(true)
	}
}

// keep runs store, which keeps something new and says how many octets that
// adds, if the object is still in the cache.
func (o *Object) keep(store func(m *memo) int64) {
	m := o.memo
	if m == nil {
		return
	}
	h := m.cal.home
	h.mu.Lock()
	if now := m.cal.objs[o.Name]; now == nil || now.memo != m || !h.current(m.cal) {
		h.mu.Unlock()
		return
	}
	n := store(m)
	m.cost += n
	h.mu.Unlock()
	h.cache.grow(h, n)
}

// Derived returns make(o.Data), remembered while the object stays in the
// cache: the XML form of a text is asked for far more often than the text
// changes. There is one memo, so all callers of a process must pass the same
// make. The result is read only. Objects from elsewhere (DWP, partial
// retrieval) are worked out each time.
func (o *Object) Derived(make func([]byte) []byte) []byte {
	if o.memo == nil {
		return make(o.Data)
	}
	if t := o.memo.text.Load(); t != nil {
		return *t
	}
	t := make(o.Data)
	o.keep(func(m *memo) int64 {
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
func (o *Object) dropText() (freed int64) {
	if freed = o.memo.textCost(o); freed > 0 {
		o.memo.text.Store(nil)
		o.memo.cost -= freed
	}
	return freed
}

// textCost is what Derived keeps for o.
func (m *memo) textCost(o *Object) int64 {
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
