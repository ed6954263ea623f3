package cache

// Homes counts the homes that are kept.
func Homes(c *Cache) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.homes)
}

// Count adds up anew what is kept.
func Count(c *Cache) (n int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, h := range c.homes {
		n += homeCost
		if st := h.state.Load(); st != nil {
			n += st.cost()
		}
		for i := range h.log {
			n += h.log[i].cost()
		}
		for _, v := range h.values {
			for _, o := range v.objects {
				n += objectCost(o.Object)
				if p := o.parsed.Load(); p != nil {
					n += p.cost(len(o.Data))
				}
			}
			for _, d := range v.derived {
				n += d.cost()
			}
		}
	}
	return n
}
