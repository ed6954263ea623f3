package wcap

import (
	"factotum/server/recur"
)

// getTime tells the server's time, in UTC or in the zone tzidout. Calendars
// that are named must be readable. WCAP gettime.
func (c *call) getTime() error {
	now := c.now().UTC()
	text := now.Format(utcForm)
	if z, ok := recur.LoadZone(c.p.text("tzidout")); ok && c.p.text("tzidout") != "" {
		text = z.FromUTC(now).Format(civilForm)
	}
	return c.simple("", func(o *output) { o.value("X-NSCP-WCAPTIME", text) })
}

// The forms of a date-time on the wire.
const (
	utcForm   = "20060102T150405Z"
	civilForm = "20060102T150405"
	dateForm  = "20060102"
)
