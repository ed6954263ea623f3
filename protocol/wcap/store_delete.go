package wcap

import (
	"cmp"

	"factotum/server/calendar"
)

func (c *call) deleteEventsByID() error { return c.deleteByID("VEVENT") }

func (c *call) deleteTodosByID() error { return c.deleteByID("VTODO") }

// deleteByID deletes components, or instances of them. The answer has one
// component for each uid, also when it failed. WCAP deleteevents_by_id,
// deletetodos_by_id.
func (c *call) deleteByID(name string) error {
	t, err := c.one()
	if err != nil {
		if t.asked == "" {
			return err
		}
		c.refuse(&t, c.errno(err))
		return nil
	}
	list, err := c.instances()
	if err != nil {
		return t.because(c.own())
	}
	s := &storing{c: c, name: name}
	if err := s.readZone(); err != nil {
		return t.because(err)
	}
	role := calendar.OwnCopy // an attendee takes his copy away
	if c.p.flag("notify", false) {
		role = calendar.AsAttendee
	}
	req := &calendar.EditRequest{Component: name}
	for _, in := range list {
		it, err := s.item(in)
		if err != nil {
			return t.because(err)
		}
		it.Mode, it.Role = calendar.EditDelete, role
		req.Items = append(req.Items, it)
	}
	res, err := c.edit(&t, req)
	if err != nil {
		c.refuse(&t, c.errno(err))
		return nil
	}
	c.out.begin("PUBLISH")
	all := OK
	for i := range res.Items {
		it := &res.Items[i]
		n := OK
		if it.Err != nil {
			n = c.errno(it.Err)
		}
		if all == OK {
			all = n
		}
		if err := c.out.comp(brief(name, it, status("Delete", n), &t, c)); err != nil {
			return err
		}
	}
	c.out.errno(all)
	c.out.end()
	return nil
}

func (c *call) deleteComponentsByRange() error { return c.deleteByRange("") }

func (c *call) deleteEventsByRange() error { return c.deleteByRange("VEVENT") }

func (c *call) deleteTodosByRange() error { return c.deleteByRange("VTODO") }

// deleteByRange deletes what lies completely in a range, with no range all of
// the kind. WCAP deletecomponents_by_range and its kin.
func (c *call) deleteByRange(name string) error {
	zone := c.zone()
	w, err := c.window(zone)
	if err != nil {
		return c.ofAsked(err)
	}
	return c.each(func(t *target) error {
		res, err := c.edit(t, &calendar.EditRequest{Component: name, Within: &w})
		if err != nil {
			return err
		}
		c.begin(t, &res.Calendar)
		all := OK
		for i := range res.Items {
			it := &res.Items[i]
			if it.Err == nil {
				continue
			}
			n := c.errno(it.Err)
			if all == OK {
				all = n
			}
			if err := c.out.comp(brief(cmp.Or(name, "VEVENT"), it, status("Delete", n), t, c)); err != nil {
				return err
			}
		}
		return c.partly(all)
	})
}

// partly ends the block of a calendar for which some of many things failed:
// what did not is done, and told in the block, so that it cannot be an error's.
func (c *call) partly(n Errno) error {
	if n == OK {
		return nil
	}
	c.out.errno(n)
	c.out.end()
	return errAnswered
}
