package wcap

import (
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
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
	uids, rids, mods := c.p.uids(), c.p.ids("rid"), c.p.ids("mod")
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
		var err error
		if out[i].mod, err = c.mod(pick(mods, i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mod reads a mod; 0 is none.
func (c *call) mod(m string) (int, error) {
	switch {
	case m == "":
		return 0, nil
	case len(m) == 1 && m[0] >= '1' && m[0] <= '4':
		return int(m[0] - '0'), nil
	}
	return 0, &calendar.Error{Kind: calendar.Invalid, Op: c.name, Msg: "mod is 1, 2, 3 or 4"}
}

// ref names an instance for the model. Without a zone it is in that of the
// request. WCAP §6.2.
func (i instance) ref() (calendar.OccurrenceRef, error) {
	r := calendar.OccurrenceRef{UID: i.uid}
	if i.whole() || i.mod == 4 {
		return r, nil
	}
	var err error
	if r.RID, err = ical.ParseDateTime(strings.TrimSpace(i.rid), "", false); err != nil {
		return r, &calendar.Error{Kind: calendar.NotFound, Op: "read rid", Err: err}
	}
	switch i.mod {
	case 2:
		r.Scope = calendar.ThisAndFuture
	case 3:
		r.Scope = calendar.ThisAndPrior
	default:
		r.Scope = calendar.ThisInstance
	}
	return r, nil
}

func (c *call) fetchEventsByID() error { return c.fetchByID("VEVENT") }

func (c *call) fetchTodosByID() error { return c.fetchByID("VTODO") }

// fetchByID fetches components by uid, all of each or one instance. What is
// not there, or is of the other type, is errno 59: a client then asks for the
// other type. WCAP fetchevents_by_id, fetchtodos_by_id.
func (c *call) fetchByID(name string) error {
	zone := c.zone()
	v := c.presentation()
	v.events, v.todos, v.max, v.order = name == "VEVENT", name == "VTODO", 0, -1
	list, err := c.instances()
	if err != nil {
		return c.ofAsked(c.own())
	}
	f := &fetch{c: c, v: v, req: calendar.OccurrencesRequest{Select: calendar.Named, Zone: zone.Name()}}
	unreadable := error(nil)
	for _, in := range list {
		r, err := in.ref()
		if err != nil {
			unreadable = err
		}
		f.req.Refs = append(f.req.Refs, r)
	}
	if v.recurring {
		f.print = f.wholeSeries
	}
	f.done = func(n int) error {
		switch {
		case unreadable != nil || n > 0:
			return unreadable
		case v.recurring && c.lacksInstance(f.list[f.at], f.req):
			return RecurringNotFound
		}
		return ComponentNotFound
	}
	return f.run()
}

// wholeSeries shows a series as master and exceptions. Where there is no master,
// as in who is invited to some instances, a part is missing: errno 81. WCAP §6.5.
func (f *fetch) wholeSeries(s *shower, r *calendar.OccurrencesResult, emit func(*ical.Component) error) error {
	master, parts := false, 0
	err := s.show(r.Object, r.Occurrences, func(k *ical.Component) error {
		parts++
		master = master || k.Prop("RECURRENCE-ID") == nil
		return emit(k)
	})
	if err == nil && parts > 0 && !master && f.req.Refs[r.Ref].RID.IsZero() {
		f.failed = RecurringNotFound
	}
	return err
}

// lacksInstance reports whether what was asked for by instance is there but for
// the instance.
func (c *call) lacksInstance(t target, req calendar.OccurrencesRequest) bool {
	req.None = true
	asked := false
	for i := range req.Refs {
		asked = asked || !req.Refs[i].RID.IsZero()
		req.Refs[i] = calendar.OccurrenceRef{UID: req.Refs[i].UID}
	}
	list, found := []target{t}, false
	return asked && c.occurrences(list, req, func([]calendar.OccurrencesResult) error { return list[0].err }, func(_ int, r *calendar.OccurrencesResult) error {
		found = found || r.Object != nil
		return r.Err
	}) == nil && found
}
