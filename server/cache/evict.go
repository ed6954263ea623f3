package cache

import "math"

// account adds n octets to what h, whose lock is held, has in use. What is out
// of the cache does not count.
func (h *home) account(n int64) {
	if !h.gone {
		h.size += n
		h.cache.size.Add(n)
	}
}

// evict makes room when the budget is spent: what was used least lately of a
// sample goes, half of it if it is large, for it may be in use. keep is in use.
func (c *Cache) evict(keep *home) {
	for range 64 {
		over := c.size.Load() - c.opt.Bytes
		if over <= 0 {
			return
		}
		victim := c.idlest(keep)
		if victim == nil {
			keep.shrink(over + c.opt.Bytes/8)
			return
		}
		victim.mu.RLock()
		size := victim.size
		victim.mu.RUnlock()
		if size > c.opt.Bytes/64 && victim.shrink(size/2) >= size/4 {
			continue
		}
		c.mu.Lock()
		if c.homes[victim.owner] == victim && victim.writers == 0 {
			c.leave(victim)
		}
		c.mu.Unlock()
	}
}

// idlest is the one that was used least lately of a sample, which is in the
// map's random order; nil if there is none but keep.
func (c *Cache) idlest(keep *home) (victim *home) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	oldest, seen := int64(math.MaxInt64), 0
	for _, h := range c.homes {
		if t := h.used.Load(); h != keep && h.writers == 0 && t < oldest {
			victim, oldest = h, t
		}
		if seen++; seen >= 16 && victim != nil {
			break
		}
	}
	return victim
}

// shrink makes room in a home, and returns how much. First go parsed forms,
// which are made again from memory; then objects that nobody asked for since
// the last time; then whatever there is.
func (h *home) shrink(want int64) (freed int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return 0
	}
	each := func(give func(v *values, o *Object) int64) {
		for _, v := range h.values {
			for _, o := range v.objects {
				if freed >= want {
					return
				}
				freed += give(v, o)
			}
		}
	}
	drop := func(v *values, o *Object) int64 {
		delete(v.objects, o.Name)
		return o.cost
	}
	each(func(_ *values, o *Object) (n int64) {
		if o.parsed.Swap(nil) != nil {
			n = o.cost - objectCost(o.Object)
			o.cost -= n
		}
		return n
	})
	each(func(v *values, o *Object) int64 {
		if o.used.Swap(false) {
			return 0
		}
		return drop(v, o)
	})
	each(drop)
	for _, v := range h.values {
		for k, d := range v.derived {
			if freed >= want {
				break
			}
			freed += d.cost()
			delete(v.derived, k)
		}
	}
	h.account(-freed)
	return freed
}
