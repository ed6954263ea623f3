package wcap

// logOut ends the session; -1 is success. WCAP logout.
func (c *call) logOut() error {
	if c.id == "" {
		return LoginFailed
	}
	s, known := c.sessions.Use(c.id)
	if !c.sessions.End(c.id) {
		return LoginFailed
	}
	if known {
		c.session(s, false)
	}
	c.setCookie("")
	c.out.begin("PUBLISH")
	c.out.errno(LogoutOK)
	c.out.end()
	return nil
}
