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
	req := calendar.OccurrencesRequest{Select: calendar.Named, Components: []string{name}, None: true, Zone: zone.Name()}
	asked := make([]int, 0, len(uids)) // of uids, by place in the request
	for i := range uids {
		if r, err := (instance{uid: uids[i], rid: rids[i]}).ref(); err == nil {
			req.Refs, asked = append(req.Refs, r), append(asked, i)
		}
	}
	list := []target{t}
	found := make([]bool, len(uids))
	err = c.occurrences(list, req, func([]calendar.OccurrencesResult) error { return nil }, func(_ int, r *calendar.OccurrencesResult) error {
		if r.Err == nil {
			found[asked[r.Ref]] = true
		}
		return r.Err
	})
	c.block(&list[0], func(t *target) error {
		if err != nil {
			return err
		}
		c.out.begin("")
		for i := range uids {
			if found[i] {
				continue
			}
			missing := ical.New(name)
			missing.SetText("UID", uids[i])
			if in := (instance{rid: rids[i]}); !in.whole() {
				missing.Set("RECURRENCE-ID", ical.EscapeText(in.rid))
			}
			if err := c.out.comp(missing); err != nil {
				return err
			}
		}
		return nil
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
