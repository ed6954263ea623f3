package wcap

import (
	"factotum/server/calendar"
)

// getTime tells the server's time, in UTC or in the zone tzidout. Calendars
// that are named must be readable. WCAP gettime.
func (c *call) getTime() error {
	now := c.now().UTC()
	text := now.Format(utcForm)
	if z := c.outZone(); z != nil {
		text = z.FromUTC(now).Format(civilForm)
	}
	if c.p.text("calid") != "" {
		list, err := c.targets()
		if err != nil {
			return err
		}
		_, err = c.calendars(list, calendar.CalendarsRequest{Objects: true})
		if err != nil {
			return err
		}
		for i := range list {
			if err := list[i].because(list[i].err); err != nil {
				return err
			}
		}
	}
	return c.simple("", func(o *output) { o.value("X-NSCP-WCAPTIME", text) })
}
