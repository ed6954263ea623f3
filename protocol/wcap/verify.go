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
	zone := c.zone()
	uids, rids := pairs(c.p.uids(), c.p.list("rid"))
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
	err := c.occurrences(list, req, func([]calendar.OccurrencesResult) error { return nil }, func(_ int, r *calendar.OccurrencesResult) error {
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

// pairs splits lists that came as one item each at their commas, since the
// guide has both: where the rids, which have none themselves, say that the
// commas of the uid part uids.
func pairs(uids, rids []string) ([]string, []string) {
	if len(uids) != 1 || len(rids) != 1 {
		return uids, rids
	}
	if n := strings.Count(rids[0], ","); n > 0 && n == strings.Count(uids[0], ",") {
		return strings.Split(uids[0], ","), strings.Split(rids[0], ",")
	}
	return uids, rids
}
