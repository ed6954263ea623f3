package wcap

import (
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// instance is one of the pairs of uid and rid that a request lists.
type instance struct {
	uid string
	rid string // "" or 0: the whole component
	mod int    // 1 this instance, 2 and later ones, 3 and earlier ones, 4 all; 0 not given
}

// whole reports whether no single instance is meant.
func (i instance) whole() bool { return strings.Trim(i.rid, "0") == "" }

// instances reads the lists uid, rid and mod. A single rid or mod goes for
// all uids, and a single uid for all rids; other lengths must be equal.
// WCAP §6.2.
func (c *call) instances() ([]instance, error) {
	uids, rids, mods := c.p.list("uid"), c.p.ids("rid"), c.p.ids("mod")
	n := max(len(uids), len(rids))
	fits := func(k int) bool { return k == n || k <= 1 }
	if len(uids) == 0 || !fits(len(uids)) || !fits(len(rids)) || len(mods) > 1 && len(mods) != n {
		return nil, InsufficientParameters
	}
	if n > c.set.MaxIDs {
		return nil, &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	pick := func(list []string, i int) string {
		switch len(list) {
		case 0:
			return ""
		case 1:
			return list[0]
		}
		return list[i]
	}
	out := make([]instance, n)
	for i := range out {
		out[i] = instance{uid: pick(uids, i), rid: pick(rids, i)}
		if m := pick(mods, i); len(m) == 1 && m[0] >= '1' && m[0] <= '4' {
			out[i].mod = int(m[0] - '0')
		}
	}
	return out, nil
}

// objects calls fn with the object of each uid, nil where there is none.
func (c *call) objects(id calendar.ID, uids []string, fn func(i int, o *calendar.Object) error) error {
	i := 0
	return c.be.Objects(c.ctx, c.who, calendar.ObjectsRequest{Calendar: id, UIDs: uids}, func(r calendar.ObjectResult) error {
		i++
		if r.Err != nil && calendar.KindOf(r.Err) != calendar.NotFound {
			return r.Err
		}
		return fn(i-1, r.Object)
	})
}

func (c *call) fetchEventsByID() error { return c.fetchByID("VEVENT") }

func (c *call) fetchTodosByID() error { return c.fetchByID("VTODO") }

// fetchByID fetches components by uid, all of each or one instance. What is
// not there, or is of the other type, is errno 59: a client then asks for the
// other type. WCAP fetchevents_by_id, fetchtodos_by_id.
func (c *call) fetchByID(name string) error {
	zone, err := c.zone(true)
	if err != nil {
		return err
	}
	v, err := c.presentation(true)
	if err != nil {
		return err
	}
	v.events, v.todos = name == "VEVENT", name == "VTODO"
	list, err := c.instances()
	if err != nil {
		return c.own()
	}
	uids := make([]string, len(list))
	for i := range list {
		uids[i] = list[i].uid
	}
	return c.each(func(t *target) error {
		cal, err := c.readable(t)
		if err != nil {
			return err
		}
		c.begin(t, &cal)
		found := 0
		err = c.objects(cal.ID, uids, func(i int, o *calendar.Object) error {
			if o == nil || o.Component != name {
				return nil
			}
			count := func(k *ical.Component) error { found++; return c.out.comp(k) }
			if in := list[i]; !in.whole() && in.mod != 4 {
				return c.showInstance(v, &cal, o, in, zone, count)
			}
			return c.show(v, &cal, o, calendar.Window{}, count)
		})
		if err == nil && found == 0 {
			err = ComponentNotFound
		}
		return err
	})
}

// showInstance shows the instance that in names, with mod 2 and 3 those after
// or before it too.
func (c *call) showInstance(v *presentation, cal *calendar.Calendar, o *calendar.Object, in instance, zone recur.Zone, emit func(*ical.Component) error) error {
	tree, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil
	}
	set, zones, comps := compile(tree)
	if set == nil {
		return nil
	}
	rid, err := ridOf(in.rid, comps, zone)
	if err != nil {
		return err
	}
	s := c.shower(v, cal)
	s.obj, s.zones = o, zones
	one, ok := set.InstanceIn(rid, zones, s.float)
	if !ok {
		return nil
	}
	if in.mod == 2 || in.mod == 3 {
		w := calendar.Window{From: one.Start}
		if in.mod == 3 {
			w = calendar.Window{To: one.End}
		}
		wide := *v
		wide.recurring = false
		return c.show(&wide, cal, o, w, emit)
	}
	if !s.wanted(one.Comp) {
		return nil
	}
	return emit(s.instance(&one))
}

// compile prepares the recurrence of a stored object; the set is nil if that
// cannot be done.
func compile(tree *ical.Component) (*recur.Set, *recur.Zones, []*ical.Component) {
	var comps []*ical.Component
	for _, k := range tree.Children {
		if k.Name != "VTIMEZONE" {
			comps = append(comps, k)
		}
	}
	zones := recur.ZonesOf(tree)
	set, err := recur.Compile(comps, zones)
	if err != nil {
		return nil, zones, comps
	}
	return set, zones, comps
}

// ridOf reads a rid: a date-time, in UTC or in the zone given, or a date. Of
// an all-day series it is the day that it falls on there.
func ridOf(s string, comps []*ical.Component, zone recur.Zone) (ical.DateTime, error) {
	d, err := ical.ParseDateTime(strings.TrimSpace(s), "", false)
	if err != nil {
		return d, &calendar.Error{Kind: calendar.NotFound, Op: "read rid", Err: err}
	}
	allDay := false
	for _, k := range comps {
		if p := k.Prop("DTSTART"); p != nil {
			if first, err := p.DateTime(); err == nil && first.Kind == ical.Date {
				allDay = true
			}
			break
		}
	}
	switch {
	case allDay && d.Kind == ical.UTC && (d.Hour != 0 || d.Min != 0 || d.Sec != 0):
		return ical.FromCivil(zone.FromUTC(d.Civil()), ical.Date, ""), nil
	case allDay:
		return ical.FromCivil(d.Civil(), ical.Date, ""), nil
	case d.Kind == ical.UTC:
		return d, nil
	}
	return ical.FromCivil(zone.ToUTC(d.Civil()), ical.UTC, ""), nil
}
