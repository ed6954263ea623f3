package wcap

import (
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

func (c *call) verifyEvents() error { return c.verify("VEVENT") }

func (c *call) verifyTodos() error { return c.verify("VTODO") }

// verify lists those pairs of uid and rid that do not exist. WCAP
// verifyevents_by_ids, verifytodos_by_ids.
func (c *call) verify(name string) error {
	zone, err := c.zone(false)
	if err != nil {
		return err
	}
	uids, rids := commas(c.p.list("uid")), commas(c.p.list("rid"))
	switch {
	case len(uids) == 0 || len(uids) != len(rids):
		return InsufficientParameters
	case len(uids) > c.set.MaxIDs:
		return &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	t := c.target(c.defaultCalid())
	if ids := c.p.ids("calid"); len(ids) > 0 {
		t = c.target(ids[0])
	}
	c.block(&t, func(t *target) error {
		cal, err := c.readable(t)
		if err != nil {
			return err
		}
		c.out.begin("")
		return c.objects(cal.ID, uids, func(i int, o *calendar.Object) error {
			in := instance{uid: uids[i], rid: rids[i]}
			if o != nil && o.Component == name {
				if in.whole() {
					return nil
				}
				if tree, err := ical.Parse(o.Data, ical.Limits{}); err == nil {
					set, zones, comps := compile(tree)
					if rid, err := ridOf(in.rid, comps, zone); err == nil && set != nil {
						if _, ok := set.InstanceIn(rid, zones, c.floating(&cal)); ok {
							return nil
						}
					}
				}
			}
			missing := ical.New(name)
			missing.SetText("UID", in.uid)
			if !in.whole() {
				missing.Set("RECURRENCE-ID", ical.EscapeText(in.rid))
			}
			return c.out.comp(missing)
		})
	})
	return nil
}

// commas splits a list that came as one item at its commas: the guide has both.
func commas(list []string) []string {
	if len(list) == 1 && strings.Contains(list[0], ",") {
		return strings.Split(list[0], ",")
	}
	return list
}
