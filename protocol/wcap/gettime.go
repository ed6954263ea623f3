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
	if c.p.text("calid") != "" {
		list, err := c.targets()
		if err != nil {
			return err
		}
		for i := range list {
			if _, err := c.readable(&list[i]); err != nil {
				return err
			}
		}
	}
	return c.simple("", func(o *output) { o.value("X-NSCP-WCAPTIME", text) })
}
