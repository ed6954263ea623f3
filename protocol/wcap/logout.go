package wcap

// logOut ends the session; -1 is success. WCAP logout.
func (c *call) logOut() error {
	if c.id == "" || !c.sessions.End(c.id) {
		return LoginFailed
	}
	c.setCookie("")
	c.out.begin("PUBLISH")
	c.out.errno(LogoutOK)
	c.out.end()
	return nil
}
