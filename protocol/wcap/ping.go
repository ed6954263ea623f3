package wcap

// ping tells the administrator that the server and the store behind it answer.
// WCAP ping.
func (c *call) ping() error {
	if !c.isAdmin(c.me) {
		return AccessDenied
	}
	if _, err := c.be.Ping(c.ctx); err != nil {
		return err
	}
	return c.simple("PUBLISH", func(*output) {})
}
