package service

import (
	"context"
	"errors"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/match"
)

// fetchChunk is how many objects one read transaction of a write brings, and
// readChunk how many a read gives in one state.
const (
	fetchChunk = 200
	readChunk  = 1000
)

// Object returns one object with its data, masked as the actor's rights ask.
func (s *Service) Object(ctx context.Context, who calendar.Actor, ref calendar.Ref) (*calendar.Object, error) {
	const op = "get object"
	var out *calendar.Object
	err := s.readCalendar(ctx, who, op, ref.Calendar, toRead, func(v cache.View, cal *cache.Calendar, r calendar.Rights) error {
		o, err := v.Object(ctx, cal, ref.Name)
		if err != nil {
			return wrap(op, ref.String(), err)
		}
		if o == nil {
			return calendar.Fail(calendar.NotFound, op, ref.String())
		}
		out = s.shown(cal, o, r, who).Object
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Objects streams one answer for each ref. Up to readChunk refs of a calendar
// that follow one another are answered from one state.
func (s *Service) Objects(ctx context.Context, who calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) error {
	form, err := match.NewForm(req.Data)
	if err != nil {
		return wrap("get objects", "", err)
	}
	return s.objects(ctx, who, &req, func(in *readable, ref calendar.Ref, o *cache.Object, err error) error {
		res := calendar.ObjectResult{Ref: ref, Err: err}
		if err == nil {
			res.Object, res.Err = s.present(ctx, in.cal, o, in.rights, who, form)
		}
		return emit(res)
	})
}

// readable is a calendar whose objects an actor may read.
type readable struct {
	cal    *cache.Calendar
	rights calendar.Rights
}

// objects is Objects with another answer: take is given what there is as it is,
// and unmasked, or the reason why nothing is.
func (s *Service) objects(ctx context.Context, who calendar.Actor, req *calendar.ObjectsRequest, take func(*readable, calendar.Ref, *cache.Object, error) error) error {
	const op = "get objects"
	if len(req.Refs)+len(req.UIDs) > s.opt.Limits.Refs {
		return calendar.Failf(calendar.TooMany, "", op, "", "at most %d objects in one request", s.opt.Limits.Refs)
	}
	for refs := req.Refs; len(refs) > 0; {
		id := refs[0].Calendar
		n := 1
		for n < len(refs) && n < readChunk && refs[n].Calendar == id {
			n++
		}
		if err := s.objectsOf(ctx, who, op, id, refs[:n], nil, take); err != nil {
			return err
		}
		refs = refs[n:]
	}
	for chunk := range slices.Chunk(req.UIDs, readChunk) {
		refs := make([]calendar.Ref, len(chunk))
		for i := range refs {
			refs[i].Calendar = req.Calendar
		}
		if err := s.objectsOf(ctx, who, op, req.Calendar, refs, chunk, take); err != nil {
			return err
		}
	}
	return nil
}

// objectsOf answers refs of one calendar. With uids it finds out what the
// objects are called.
func (s *Service) objectsOf(ctx context.Context, who calendar.Actor, op string, id calendar.ID, refs []calendar.Ref, uids []string, take func(*readable, calendar.Ref, *cache.Object, error) error) error {
	var objs []*cache.Object
	var in readable
	var refused error
	err := s.read(ctx, who, op, string(id), id.Owner(), func(v cache.View) (err error) {
		in.cal, in.rights, refused = s.find(v, who, op, id, toRead)
		if errors.Is(refused, errNoDefault) {
			return refused
		}
		if refused != nil {
			return nil
		}
		if uids != nil {
			if err := nameRefs(ctx, v, in.cal, refs, uids); err != nil {
				return err
			}
		}
		names := make([]string, len(refs))
		for i, ref := range refs {
			names[i] = ref.Name
		}
		objs, err = v.Objects(ctx, in.cal, names)
		return err
	})
	if err != nil {
		if in.cal != nil {
			return err
		}
		refused = err // it is not even known whether there is such a calendar
	}
	refused = wrap(op, string(id), refused)
	for i, ref := range refs {
		var o *cache.Object
		err := refused
		if err == nil {
			if o = objs[i]; o == nil {
				err = calendar.Fail(calendar.NotFound, op, ref.String())
			}
		}
		if err := take(&in, ref, o, err); err != nil {
			return err
		}
	}
	return nil
}

// nameRefs finds the names of objects by their UIDs; they are empty where there
// is none.
func nameRefs(ctx context.Context, v cache.View, cal *cache.Calendar, refs []calendar.Ref, uids []string) error {
	return v.Tx(ctx, cal, func(tx calendar.ReadTx) error {
		for i, uid := range uids {
			row, ok, err := tx.ObjectByUID(cal.Row.ID, uid, false)
			if err != nil {
				return err
			}
			if refs[i].Name = ""; ok {
				refs[i].Name = row.Name
			}
		}
		return nil
	})
}

// ListObjects streams the members of a calendar without their data.
func (s *Service) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	const op = "list objects"
	var out calendar.Calendar
	var list []*calendar.Object
	var of *cache.Calendar
	err := s.readCalendar(ctx, who, op, id, nil, func(v cache.View, cal *cache.Calendar, r calendar.Rights) (err error) {
		of, out = cal, s.describe(cal, r, who)
		if err := s.tellInbox(v, cal, &out); err != nil {
			return err
		}
		if _, err := s.admit(who, op, id, &cal.Row, cal.CoOwners, toRead); err != nil {
			return err
		}
		list, err = v.List(ctx, cal)
		return err
	})
	if err != nil {
		return out, err
	}
	out.Count = len(list)
	for _, o := range list {
		if o.Class != 0 && s.hides(o.Class, out.Rights, who, of) {
			o = match.Mask(o)
		}
		if err := emit(o); err != nil {
			return out, err
		}
	}
	return out, nil
}
