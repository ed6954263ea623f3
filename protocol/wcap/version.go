package wcap

// version tells the versions of protocol and server; clients ask before they
// log in. WCAP version.
func (c *call) version() error {
	c.out.begin("PUBLISH")
	c.out.value("X-NSCP-WCAPVERSION", c.set.Version)
	c.out.text("X-NSCP-SERVERVERSION", c.set.ServerVersion)
	c.out.end()
	return nil
}
