package service

import (
	"context"
	"maps"
	"slices"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/match"
	"factotum/server/object"
	"factotum/server/recur"
)

// firstInstances tells of the objects of an edit which instances they have.
func (s *Service) firstInstances(ctx context.Context, c *cache.Calendar, items []calendar.EditItemResult, b match.Bounds) error {
	b.Most = min(b.Most, s.opt.Limits.Instances)
	for i := range items {
		o := items[i].Object
		if b.Most <= 0 || o == nil || !match.MayRecur(o.Data) {
			continue
		}
		known, err := (&cache.Object{Object: o}).Parsed()
		if err != nil || !match.Recurs(known.Cal) {
			continue
		}
		series := match.Series{Cal: known.Cal, Set: known.Set, Floating: s.floatingOf(nil, c)}
		if items[i].Occurrences, err = series.Within(ctx, calendar.Window{}, b); err != nil {
			return err
		}
	}
	return nil
}

// eventsAndTasks are the components that Occurrences knows.
var eventsAndTasks = []string{"VEVENT", "VTODO"}

// Occurrences streams what takes place in calendars: an index and a text decide
// as in Query, and what recurs is worked out here and nowhere else.
func (s *Service) Occurrences(ctx context.Context, who calendar.Actor, req calendar.OccurrencesRequest, emit func(calendar.OccurrencesResult) error) error {
	const op = "occurrences"
	if len(req.Calendars) > s.opt.Limits.Refs || len(req.Refs) > s.opt.Limits.Refs {
		return calendar.Failf(calendar.TooMany, "", op, "", "at most %d calendars, and of each so many components, in one request", s.opt.Limits.Refs)
	}
	if req.Select > calendar.Named {
		return calendar.Failf(calendar.Unsupported, "", op, "", "what is to be selected is not known here")
	}
	if len(req.Components) == 0 {
		req.Components = eventsAndTasks
	}
	for _, name := range req.Components {
		if !slices.Contains(eventsAndTasks, name) {
			return calendar.Failf(calendar.Unsupported, calendar.SupportedFilter, op, "", "%s is neither VEVENT nor VTODO", name)
		}
	}
	look := &lookUp{s: s, who: who, req: &req, emit: emit, bounds: match.Bounds{Most: s.opt.Limits.Instances, Endless: req.Bound}, day: recur.UTC}
	if req.Instances > 0 {
		look.bounds.Most = min(req.Instances, look.bounds.Most)
	}
	if z, ok := recur.LoadZone(req.Zone); ok {
		look.day = z
	}
	cals := make([]*cache.Calendar, len(req.Calendars)) // those that can be read
	for i, id := range req.Calendars {
		res := calendar.OccurrencesResult{Index: i}
		c, r, err := s.look(ctx, who, op, id, nil)
		if err == nil {
			cal := s.describe(c, r, who)
			res.Calendar = &cal
			_, res.Float = s.float(c)
			_, err = s.admit(who, op, id, &c.Row, c.CoOwners, toRead)
		}
		if err == nil && req.Invitations {
			res.Invitations, err = s.invitations(ctx, who, id)
		}
		if res.Err = err; err == nil {
			cals[i] = c
		}
		if err := emit(res); err != nil {
			return err
		}
	}
	for i, c := range cals {
		if c == nil {
			continue
		}
		look.index, look.id = i, req.Calendars[i]
		look.float, _ = s.float(c)
		err := look.calendar(ctx)
		switch {
		case look.stopped != nil:
			return look.stopped
		case ctx.Err() != nil:
			return wrap(op, string(look.id), ctx.Err())
		case err != nil:
			if err := emit(calendar.OccurrencesResult{Index: i, Err: err}); err != nil {
				return err
			}
		}
	}
	return nil
}

// invitations counts the components of a calendar that wait for an answer of
// its owner.
func (s *Service) invitations(ctx context.Context, who calendar.Actor, id calendar.ID) (n int, err error) {
	var owner calendar.Person
	if s.people != nil {
		if owner, err = s.people.Person(ctx, string(id.Owner())); err != nil && calendar.KindOf(err) != calendar.NotFound {
			return 0, err
		}
	}
	for _, name := range eventsAndTasks {
		filter := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: name, Props: []calendar.PropFilter{{Name: "ORGANIZER"}}}}}
		err := s.query(ctx, who, &calendar.QueryRequest{Calendar: id, Filter: filter}, nil, func(q *query, o *cache.Object) error {
			known, err := s.shown(q.cal, o, q.rights, who).Parsed()
			if err != nil {
				return nil
			}
			for k := range known.Cal.ChildrenOf(name) {
				if object.StateOf(k, owner) == object.NeedsAction {
					n++
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// Calendars describes calendars.
func (s *Service) Calendars(ctx context.Context, who calendar.Actor, req calendar.CalendarsRequest) ([]calendar.CalendarResult, error) {
	const op = "get calendars"
	if len(req.IDs) > s.opt.Limits.Refs {
		return nil, calendar.Failf(calendar.TooMany, "", op, "", "at most %d calendars in one request", s.opt.Limits.Refs)
	}
	out := make([]calendar.CalendarResult, len(req.IDs))
	for i, id := range req.IDs {
		res := &out[i]
		may := access(func(r calendar.Rights) bool {
			return (!req.Properties || toReadProps(r)) && (!req.Objects && !req.Invitations || toRead(r)) && (!req.ACL || toReadACL(r)) && (!req.Lookup || toLookUp(r))
		})
		res.Err = s.readCalendar(ctx, who, op, id, nil, func(v cache.View, cal *cache.Calendar, r calendar.Rights) error {
			res.Calendar = s.describe(cal, r, who) // also if it is refused: the caller says which one that is
			if err := s.tellInbox(v, cal, &res.Calendar); err != nil {
				return err
			}
			_, err := s.admit(who, op, id, &cal.Row, cal.CoOwners, may)
			return err
		})
		if res.Err == nil && req.Invitations {
			res.Invitations, res.Err = s.invitations(ctx, who, id)
		}
	}
	return out, wrap(op, "", ctx.Err())
}

// float is the zone in which floating time of a calendar is read, and how a
// front is told of it.
func (s *Service) float(c *cache.Calendar) (zone recur.Zone, text string) {
	zone = s.floatingOf(nil, c)
	if zone == c.Zone {
		return zone, c.Row.Timezone
	}
	return zone, zone.Name()
}

// lookUp is an Occurrences request on its way through the calendars.
type lookUp struct {
	s       *Service
	who     calendar.Actor
	req     *calendar.OccurrencesRequest
	emit    func(calendar.OccurrencesResult) error
	stopped error // what emit said
	bounds  match.Bounds
	day     recur.Zone // of the client

	troubles   map[string]*calendar.Trace // of Undelivered: the newest of each UID
	troublesOf calendar.Owner

	index int // the calendar at hand
	id    calendar.ID
	float recur.Zone
}

// send emits a result for the calendar at hand.
func (l *lookUp) send(res calendar.OccurrencesResult) error {
	res.Index = l.index
	l.stopped = l.emit(res)
	return l.stopped
}

func (l *lookUp) calendar(ctx context.Context) error {
	switch l.req.Select {
	case calendar.Named:
		return l.named(ctx)
	case calendar.Changed:
		return l.written(ctx, func(*calendar.Object) bool { return true }, func(ctx context.Context, o *cache.Object, _ calendar.UserID) error { return l.whole(ctx, o) })
	case calendar.Deleted:
		if err := l.deleted(ctx); err != nil {
			return err
		}
		return l.written(ctx, func(o *calendar.Object) bool { return o.Lacks != calendar.LacksNothing && o.Modified.After(o.Created) }, l.excluded)
	}
	for _, name := range l.req.Components {
		if err := l.query(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// query finds the components of one type by a filter.
func (l *lookUp) query(ctx context.Context, name string) error {
	f := calendar.CompFilter{Name: name}
	show := l.overlapping
	var within *calendar.Window
	if w := &l.req.Window; !w.From.IsZero() || !w.To.IsZero() {
		within = w
	}
	switch l.req.Select {
	case calendar.Alarmed:
		f.Comps = []calendar.CompFilter{{Name: "VALARM", TimeRange: within}}
		show = l.alarmed
	case calendar.Undelivered:
		if err := l.readTroubles(ctx); err != nil {
			return err
		}
		f.Props = []calendar.PropFilter{{Name: "ATTENDEE"}}
		show = l.undelivered
	default:
		f.TimeRange = within
	}
	filter := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{f}}
	return l.s.query(ctx, l.who, &calendar.QueryRequest{Calendar: l.id, Filter: filter}, nil, func(q *query, o *cache.Object) error {
		if l.req.Select == calendar.Overlapping && within != nil && o.Component == "VTODO" {
			if known, err := o.Parsed(); err != nil || !slices.ContainsFunc(known.Cal.Children, isDated) {
				return nil
			}
		}
		return show(ctx, l.s.shown(q.cal, o, q.rights, l.who))
	})
}

func isDated(c *ical.Component) bool { return c.Name != "VTIMEZONE" && object.Dated(c) }

// object sends an object with its occurrences; with none, as it stands.
func (l *lookUp) object(o *cache.Object, list []calendar.Occurrence, cut bool) error {
	if l.req.None {
		return l.send(calendar.OccurrencesResult{Object: o.Meta()})
	}
	return l.send(calendar.OccurrencesResult{Object: o.Object, Why: l.troubles[o.UID], Occurrences: list, Cut: cut})
}

// series prepares the recurrence of an object; nil if it stands for itself. What
// was stored by other means and cannot be compiled has no instances: csdb check
// tells of it.
func (l *lookUp) series(o *cache.Object) (series *match.Series, alone bool) {
	if l.req.Series || !match.MayRecur(o.Data) {
		return nil, true
	}
	return l.compiled(o)
}

func (l *lookUp) compiled(o *cache.Object) (series *match.Series, alone bool) {
	known, err := o.Parsed()
	if err != nil {
		return nil, false
	}
	if !match.Recurs(known.Cal) {
		return nil, true
	}
	o.Keep(known)
	return &match.Series{Cal: known.Cal, Set: known.Set, Floating: l.float}, false
}

// instances sends an object with those of its instances that find finds, if any.
func (l *lookUp) instances(o *cache.Object, find func(*match.Series) ([]calendar.Occurrence, error)) error {
	series, alone := l.series(o)
	if alone {
		return l.object(o, nil, false)
	}
	if series == nil {
		return nil
	}
	list, err := find(series)
	if err != nil || len(list) == 0 {
		return err
	}
	return l.object(o, list, series.Cut)
}

func (l *lookUp) overlapping(ctx context.Context, o *cache.Object) error {
	return l.instances(o, func(series *match.Series) ([]calendar.Occurrence, error) {
		return series.Within(ctx, l.req.Window, l.bounds)
	})
}

func (l *lookUp) alarmed(ctx context.Context, o *cache.Object) error {
	return l.instances(o, func(series *match.Series) ([]calendar.Occurrence, error) {
		return series.Alarmed(ctx, l.req.Window, l.bounds)
	})
}

// whole sends an object with its instances of all times.
func (l *lookUp) whole(ctx context.Context, o *cache.Object) error {
	return l.instances(o, func(series *match.Series) ([]calendar.Occurrence, error) {
		return series.Within(ctx, calendar.Window{}, l.bounds)
	})
}

func (l *lookUp) undelivered(ctx context.Context, o *cache.Object) error {
	known, err := o.Parsed()
	if err != nil || !match.Undelivered(known.Cal, l.req.Attendee) {
		return nil
	}
	return l.whole(ctx, o)
}

// written goes through the objects that were last written in the window and
// that pass.
func (l *lookUp) written(ctx context.Context, pass func(*calendar.Object) bool, show func(context.Context, *cache.Object, calendar.UserID) error) error {
	var by map[string]calendar.UserID // who wrote them, by name
	const op = "occurrences"
	err := l.s.readCalendar(ctx, l.who, op, l.id, toRead, func(v cache.View, cal *cache.Calendar, _ calendar.Rights) error {
		by = map[string]calendar.UserID{}
		w := l.req.Window
		meant := func(o *calendar.Object) bool {
			return slices.Contains(l.req.Components, o.Component) && pass(o) && match.Written(o.Modified, w)
		}
		switch {
		case quiet(&cal.Row, w):
			return nil
		case w.From.IsZero():
			return l.ofAllTime(ctx, v, cal, meant, by)
		}
		return v.Tx(ctx, cal, func(tx calendar.ReadTx) error {
			clear(by)
			return tx.Latest(cal.Row.ID, func(o *calendar.ObjectRow) (bool, error) {
				when := o.Modified
				if !o.Deleted.IsZero() {
					when = o.Deleted
				} else if meant(cache.ObjectOf(o, l.id, nil)) {
					by[o.Name] = o.By
				}
				return !when.Before(w.From.Add(-clockSlack)), ctx.Err()
			})
		})
	})
	if err != nil {
		return err
	}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(by)), fetchChunk) {
		refs := make([]calendar.Ref, len(names))
		for i, name := range names {
			refs[i] = calendar.Ref{Calendar: l.id, Name: name}
		}
		err := l.s.objects(ctx, l.who, &calendar.ObjectsRequest{Refs: refs}, func(in *readable, ref calendar.Ref, o *cache.Object, err error) error {
			if err != nil {
				return nil // deleted meanwhile
			}
			return show(ctx, l.s.shown(in.cal, o, in.rights, l.who), by[ref.Name])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ofAllTime finds what is meant among all members, and who wrote it.
func (l *lookUp) ofAllTime(ctx context.Context, v cache.View, cal *cache.Calendar, meant func(*calendar.Object) bool, by map[string]calendar.UserID) error {
	list, err := v.List(ctx, cal)
	if err != nil {
		return err
	}
	var names []string
	for _, o := range list {
		if meant(o) {
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return v.Tx(ctx, cal, func(tx calendar.ReadTx) error {
		clear(by)
		for some := range slices.Chunk(names, fetchChunk) {
			rows, err := tx.ObjectsByName(cal.Row.ID, some, false)
			if err != nil {
				return err
			}
			for i := range rows {
				by[rows[i].Name] = rows[i].By
			}
		}
		return ctx.Err()
	})
}

// deleted sends the tombstones of the window, with the instances of what was
// deleted.
func (l *lookUp) deleted(ctx context.Context) error {
	gone := calendar.Window{From: l.req.Window.From}
	if !l.req.Window.To.IsZero() {
		gone.To = l.req.Window.To.Add(time.Second)
	}
	req := calendar.SyncRequest{Calendar: l.id, Gone: &gone, Deleted: true}
	_, err := l.s.Sync(ctx, l.who, req, func(it calendar.SyncItem) error {
		if it.Gone == nil || !slices.Contains(l.req.Components, it.Gone.Component) {
			return nil
		}
		res := calendar.OccurrencesResult{Gone: it.Gone}
		series, alone := l.series(&cache.Object{Object: &calendar.Object{Data: it.Gone.Data}})
		switch {
		case alone:
		case series == nil:
			res.Gone = withoutText(it.Gone)
		default:
			list, err := series.Within(ctx, calendar.Window{}, l.bounds)
			if err != nil {
				return err
			}
			res.Cut = series.Cut
			if res.Occurrences = list; len(list) == 0 {
				res.Gone = withoutText(it.Gone)
			}
		}
		return l.send(res)
	})
	return err
}

// withoutText is a tombstone of what had no instances.
func withoutText(g *calendar.Tombstone) *calendar.Tombstone {
	out := *g
	out.Data = nil
	return &out
}

// excluded sends a series with the instances that it lacks: no log has the
// single ones, but the object's last change is when they went at the latest.
func (l *lookUp) excluded(_ context.Context, o *cache.Object, by calendar.UserID) error {
	if !match.MayRecur(o.Data) {
		return nil
	}
	known, err := o.Parsed()
	if err != nil {
		return nil
	}
	series := &match.Series{Cal: known.Cal, Set: known.Set, Floating: l.float}
	list := series.Excluded(l.bounds.Most)
	if len(list) == 0 {
		return nil
	}
	return l.send(calendar.OccurrencesResult{Object: o.Object, Occurrences: list, Excluded: true, By: by})
}

// named answers Refs.
func (l *lookUp) named(ctx context.Context) error {
	uids := make([]string, len(l.req.Refs))
	for i := range uids {
		uids[i] = l.req.Refs[i].UID
	}
	i := -1
	return l.s.objects(ctx, l.who, &calendar.ObjectsRequest{Calendar: l.id, UIDs: uids}, func(in *readable, _ calendar.Ref, o *cache.Object, err error) error {
		i++
		switch {
		case err != nil && calendar.KindOf(err) == calendar.NotFound:
			return nil
		case err != nil:
			return err
		case !slices.Contains(l.req.Components, o.Component):
			return nil
		}
		return l.oneOf(ctx, i, l.s.shown(in.cal, o, in.rights, l.who))
	})
}

func (l *lookUp) oneOf(ctx context.Context, i int, o *cache.Object) error {
	ref := l.req.Refs[i]
	res := calendar.OccurrencesResult{Ref: i, Object: o.Object}
	var list []calendar.Occurrence
	var err error
	switch {
	case !ref.RID.IsZero() && ref.Scope != calendar.WholeSeries:
		known, bad := o.Parsed()
		if bad != nil {
			return nil
		}
		o.Keep(known)
		series := &match.Series{Cal: known.Cal, Set: known.Set, Floating: l.float}
		if list, err = series.Named(ctx, ref, l.day, l.bounds); err != nil || len(list) == 0 {
			return err
		}
		res.Cut = series.Cut
	case !l.req.None:
		series, alone := l.series(o)
		if !alone {
			if series == nil {
				return nil
			}
			if list, err = series.Within(ctx, calendar.Window{}, l.bounds); err != nil || len(list) == 0 {
				return err
			}
			res.Cut = series.Cut
		}
	}
	if l.req.None {
		res.Object = o.Meta()
	} else {
		res.Occurrences = list
	}
	return l.send(res)
}
