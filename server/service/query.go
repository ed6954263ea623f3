package service

import (
	"context"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/match"
	"factotum/server/object"
	"factotum/server/recur"
	"factotum/server/zone"
)

// Query streams the objects of a calendar that match a filter. A time range on
// a component is answered from the time index; the rest of the filter is
// tested on the text of what remains. Up to readChunk candidates are of one
// state. Of more, the candidates are, and what was changed since is looked at
// again. An object that cannot be given as it is asked for is Refused, alone.
// RFC 4791 §7.8.
func (s *Service) Query(ctx context.Context, who calendar.Actor, req calendar.QueryRequest, emit func(*calendar.Object) error) error {
	form, err := match.NewForm(req.Data)
	if err != nil { // unless he may not know of the calendar
		if _, _, err := s.look(ctx, who, "query", req.Calendar, toRead); err != nil {
			return err
		}
		return wrap("query", "", err)
	}
	return s.query(ctx, who, &req, form, func(q *query, o *cache.Object) error {
		out, err := s.present(ctx, q.cal, o, q.rights, who, form)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			out = s.meta(q.cal, o, q.rights, who)
			out.Refused = err
		}
		return emit(out)
	})
}

// query is Query with another answer: take is given what matches as it is, and
// unmasked.
func (s *Service) query(ctx context.Context, who calendar.Actor, req *calendar.QueryRequest, form *match.Form, take func(*query, *cache.Object) error) error {
	const op = "query"
	q := &query{s: s, who: who, take: take, left: req.Limit}
	if q.left <= 0 || q.left > s.opt.Limits.Results {
		q.left = s.opt.Limits.Results
	}
	q.limit = q.left
	var names []string
	var objs []*cache.Object
	err := s.readCalendar(ctx, who, op, req.Calendar, toRead, func(v cache.View, cal *cache.Calendar, r calendar.Rights) (err error) {
		if q.filter, err = match.Compile(req.Filter); err != nil {
			return wrap(op, "", err)
		}
		kind := cal.Row.Kind.Rules()
		if !kind.Objects && !kind.Messages {
			// What is in other collections is no calendar object resource. RFC 4791 §4.1.
			if req.Object != "" {
				return calendar.Failf(calendar.Unsupported, "", op, string(req.Calendar), "this is no calendar object resource")
			}
			return nil
		}
		q.cal, q.rights, q.chosen = cal, r, v.Home().Change
		q.float = s.floatingOf(form, cal)
		if req.Object != "" {
			names, q.chosen = []string{req.Object}, -1 // whatever it was in any index, its text decides
		} else if kind.Messages { // which are in no index
			q.chosen = -1
			names, err = membersOf(ctx, v, cal, q.filter)
			if err != nil {
				return err
			}
		} else if names, err = candidates(ctx, v, cal, q.filter, q.float); err != nil {
			return err
		}
		objs, err = v.Objects(ctx, cal, names[:min(len(names), readChunk)])
		if err == nil && req.Object != "" && objs[0] == nil {
			return calendar.Fail(calendar.NotFound, op, refOf(cal.ID, req.Object))
		}
		return err
	})
	for err == nil {
		if err = q.give(ctx, objs); err != nil {
			break
		}
		if names = names[len(objs):]; len(names) == 0 {
			break
		}
		err = s.read(ctx, who, op, string(req.Calendar), req.Calendar.Owner(), func(v cache.View) (err error) {
			objs, err = v.Objects(ctx, q.cal, names[:min(len(names), readChunk)])
			return err
		})
	}
	return err
}

// query is a Query under way.
type query struct {
	s           *Service
	who         calendar.Actor
	take        func(*query, *cache.Object) error
	filter      *match.Filter
	float       recur.Zone
	cal         *cache.Calendar
	rights      calendar.Rights
	chosen      int64 // the number of the state that the candidates are of
	limit, left int
}

// give emits those of the candidates that match.
func (q *query) give(ctx context.Context, objs []*cache.Object) error {
	const op = "query"
	if err := ctx.Err(); err != nil {
		return wrap(op, string(q.cal.ID), err)
	}
	f := q.filter
	for _, o := range objs {
		if o == nil || !f.MayPass(o.Object) {
			continue
		}
		if !f.Decides(o.Object) || o.Change > q.chosen {
			text := q.s.shown(q.cal, o, q.rights, q.who) // a filter must not reveal what reading hides
			ok, err := f.Passes(ctx, text.Data, q.float, q.s.opt.Limits.Instances)
			if err != nil {
				return wrap(op, refOf(q.cal.ID, o.Name), err)
			}
			if !ok {
				continue
			}
		}
		if q.left--; q.left < 0 {
			return calendar.Failf(calendar.TooMany, "", op, string(q.cal.ID), "more than %d objects match", q.limit)
		}
		if err := q.take(q, o); err != nil {
			return err
		}
	}
	return nil
}

// floatingOf returns the zone in which floating time is read: the request's,
// the calendar's, the server's. RFC 4791 §9.8.
func (s *Service) floatingOf(form *match.Form, cal *cache.Calendar) recur.Zone {
	if form != nil && form.Zone() != nil {
		return form.Zone()
	}
	if cal.Zone != nil {
		return cal.Zone
	}
	return zone.Floating("", cal.Row.TZID, s.zone)
}

// candidates are the names of what may match a query: all that does, and
// perhaps more.
func candidates(ctx context.Context, v cache.View, cal *cache.Calendar, f *match.Filter, float recur.Zone) (names []string, err error) {
	if f.Never() {
		return nil, nil
	}
	if w := f.Window(); w != nil {
		seen := make(map[string]struct{}, 64)
		err := instances(ctx, v, cal, *w, float, func(i cache.Instance) {
			if _, dup := seen[i.Name]; !dup {
				seen[i.Name] = struct{}{}
				names = append(names, i.Name)
			}
		})
		return names, err
	}
	return membersOf(ctx, v, cal, f)
}

// membersOf are the names of what may match by the listing alone.
func membersOf(ctx context.Context, v cache.View, cal *cache.Calendar, f *match.Filter) (names []string, err error) {
	list, err := v.List(ctx, cal)
	if err != nil {
		return nil, err
	}
	names = make([]string, 0, len(list))
	for _, o := range list {
		if f.MayPass(o) {
			names = append(names, o.Name)
		}
	}
	return names, nil
}

// instances calls fn for every instance of the calendar that overlaps the
// window. Tasks and journals come always, once, flagged OccTodo. An instance
// may come twice.
func instances(ctx context.Context, v cache.View, cal *cache.Calendar, w calendar.Window, float recur.Zone, fn func(cache.Instance)) error {
	from, to := w.Unix()
	return v.Instances(ctx, cal, from-object.FloatingSlack, to+object.FloatingSlack, func(i cache.Instance) {
		if i.Flags&calendar.OccTodo != 0 {
			fn(i)
			return
		}
		i.Start, i.End = object.InZone(i.Start, i.End, int(i.Flags), float)
		if match.Overlaps(i.Start, i.End, from, to) {
			fn(i)
		}
	})
}
