package wcap

// storeTodos creates or changes tasks. WCAP storetodos.
func (c *call) storeTodos() error { return c.store("VTODO") }
