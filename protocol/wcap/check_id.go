package wcap

// checkID tells whether a session lives, without prolonging it. It answers
// whoever asks: a command that fails would say the same. WCAP check_id.
func (c *call) checkID() error {
	alive := "0"
	if s, ok := c.sessions.Peek(c.id); ok && (s.User == "" || c.holds(s)) {
		alive = "1"
	}
	c.out.begin("PUBLISH")
	c.out.value("X-NSCP-WCAP-CHECK-ID", alive)
	c.out.end()
	return nil
}
