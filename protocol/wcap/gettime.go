package wcap

import (
	"factotum/server/zone"
)

// getTime tells the server's time, in UTC or in the zone tzidout. Calendars
// that are named must be readable. WCAP gettime.
func (c *call) getTime() error {
	now := c.now().UTC()
	text := now.Format(utcForm)
	if z, ok := zone.Load(c.p.text("tzidout")); ok && c.p.text("tzidout") != "" {
		text = z.FromUTC(now).Format(civilForm)
	}
	if c.p.text("calid") != "" {
		list, err := c.targets()
		if err != nil {
			return err
		}
		found, err := c.calendars(list, false)
		if err != nil {
			return err
		}
		for i := range list {
			switch {
			case list[i].err != nil:
				return list[i].err
			case !found[i].Calendar.Rights.CanRead():
				return AccessDenied
			}
		}
	}
	return c.simple("", func(o *output) { o.value("X-NSCP-WCAPTIME", text) })
}
