package service

import "factotum/server/calendar"

// CacheHomes counts the homes in the cache.
func (s *Service) CacheHomes() int {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	return len(s.cache.homes)
}

// CacheDrop takes an owner out of the cache, as when room is needed.
func (s *Service) CacheDrop(owner calendar.Owner) { s.cache.drop(owner) }

// CacheCount adds up anew what the cache holds.
func (s *Service) CacheCount() (n int64) {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	for _, h := range s.cache.homes {
		n += homeCost + int64(len(h.byName))*metaCost
		for i := range h.log {
			n += h.log[i].logCost()
		}
		for _, c := range h.byID {
			for _, o := range c.objs {
				n += objCost(o)
			}
			for _, m := range c.months {
				n += m.cost()
			}
			if c.listed {
				n += listCost(c.list)
			}
		}
	}
	return n
}
