package directory

import "sync"

// recent is a bounded map that forgets what was not asked for lately: two
// generations, the older one dropped when the younger is half the size. It is
// safe for concurrent use; a hit in the younger one takes only a read lock.
type recent[K comparable, V any] struct {
	mu         sync.RWMutex
	size       int
	young, old map[K]V
}

func newRecent[K comparable, V any](size int) *recent[K, V] {
	return &recent[K, V]{size: max(size, 2), young: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.RLock()
	v, ok := r.young[k]
	inOld := false
	if !ok {
		v, inOld = r.old[k]
	}
	r.mu.RUnlock()
	if !inOld {
		return v, ok
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok = r.young[k]; ok {
		return v, true
	}
	if v, ok = r.old[k]; ok {
		r.putLocked(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	r.putLocked(k, v)
	r.mu.Unlock()
}

func (r *recent[K, V]) putLocked(k K, v V) {
	delete(r.old, k)
	if len(r.young) >= r.size/2 {
		r.old, r.young = r.young, make(map[K]V)
	}
	r.young[k] = v
}

// getOr returns the value of k, made by fresh if there is none.
func (r *recent[K, V]) getOr(k K, fresh func() V) V {
	if v, ok := r.get(k); ok {
		return v
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.young[k]; ok {
		return v
	}
	v := fresh()
	r.putLocked(k, v)
	return v
}

func (r *recent[K, V]) drop(k K) {
	r.mu.Lock()
	delete(r.young, k)
	delete(r.old, k)
	r.mu.Unlock()
}

func (r *recent[K, V]) clear() {
	r.mu.Lock()
	r.young, r.old = map[K]V{}, nil
	r.mu.Unlock()
}

func (r *recent[K, V]) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.young) + len(r.old)
}

// dropFunc forgets all values that f accepts.
func (r *recent[K, V]) dropFunc(f func(V) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range []map[K]V{r.young, r.old} {
		for k, v := range m {
			if f(v) {
				delete(m, k)
			}
		}
	}
}
