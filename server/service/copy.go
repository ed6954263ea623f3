package service

import (
	"context"
	"strings"

	"factotum/server/calendar"
	"factotum/server/object"
)

// CopyObject copies or moves an object between calendars of one owner. A move
// inside a calendar keeps the UID and is a rename; a copy inside a calendar
// would double the UID and is refused. RFC 4918 §§9.8, 9.9, RFC 4791 §5.3.2.1.
func (s *Service) CopyObject(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	ctx = bind(ctx, who, req)
	op := "copy object"
	if req.Move {
		op = "move object"
	}
	res, err := s.copyObject(ctx, who, op, req)
	err = s.settled(ctx, op, req.From.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) copyObject(ctx context.Context, who calendar.Actor, op string, req calendar.CopyRequest) (calendar.CopyResult, error) {
	from, to := req.From, req.To
	owner := from.Calendar.Owner()
	if to.Calendar.Owner() != owner {
		return calendar.CopyResult{}, calendar.Failf(calendar.Unsupported, "", op, to.String(), "source and destination are of different owners")
	}
	if from == to {
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, to.String(), "source and destination are the same")
	}
	if err := s.checkObjectName(op, to); err != nil {
		return calendar.CopyResult{}, err
	}
	h, c, r, err := s.calendar(ctx, who, op, from.Calendar)
	if err != nil {
		return calendar.CopyResult{}, err
	}
	if err := need(r.CanRead() && (!req.Move || r.CanDelete()), r, op, from.Calendar); err != nil {
		return calendar.CopyResult{}, err
	}
	_, tc, tr, err := s.calendar(ctx, who, op, to.Calendar)
	if err != nil {
		if calendar.KindOf(err) == calendar.NoCalendar { // the parent of the destination: RFC 4918 §9.8.5 wants 409
			return calendar.CopyResult{}, calendar.Failf(calendar.Stale, "", "destination", string(to.Calendar), "the collection of the destination does not exist")
		}
		return calendar.CopyResult{}, err
	}
	if err := need(tr.CanWrite(), tr, op, to.Calendar); err != nil {
		return calendar.CopyResult{}, err
	}
	got, err := s.fetch(ctx, h, c, []string{from.Name})
	if err != nil {
		return calendar.CopyResult{}, wrap(op, from.String(), err)
	}
	src := got[0]
	if src == nil {
		return calendar.CopyResult{}, calendar.Fail(calendar.NotFound, op, from.String())
	}
	if s.masks(src.Class, r, who, c.meta) {
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, from.String(), "a private object is copied by its owners only")
	}
	obj, err := object.Parse(op, s.rulesOf(tc.meta), src.Data, src.ContentType)
	if err != nil {
		return calendar.CopyResult{}, err
	}
	var res calendar.CopyResult
	err = s.once(ctx, op, owner, &res, func(w *writer) error {
		res = calendar.CopyResult{}
		frow, tok, err := w.pair(op, from.Calendar, to.Calendar)
		if err != nil {
			return err
		}
		old, exists, err := w.Object(frow.ID, from.Name, false)
		if err != nil {
			return err
		}
		if !exists {
			return calendar.Fail(calendar.NotFound, op, from.String())
		}
		if old.Change != src.Change || !req.Precond.Check(&old, true) {
			return calendar.Fail(calendar.Stale, op, from.String())
		}
		dest, taken, err := w.Object(tok.ID, to.Name, false)
		if err != nil {
			return err
		}
		if taken && !req.Overwrite || !req.IfDest.Check(&dest, taken) {
			return calendar.Failf(calendar.Stale, "overwrite", op, to.String(), "the destination exists")
		}
		if taken && s.masks(dest.Private, tr, who, tc.meta) {
			return calendar.Fail(calendar.Denied, op, to.String())
		}
		if tok.Plain {
			if sub, ok, err := w.Calendar(to.Calendar.Name() + "/" + to.Name); err != nil {
				return err
			} else if ok {
				if !req.Overwrite {
					return calendar.Failf(calendar.Stale, "overwrite", op, to.String(), "the destination exists")
				}
				if frow.ID == sub.ID || strings.HasPrefix(frow.Name, sub.Name+"/") {
					return calendar.Failf(calendar.Denied, "", op, to.String(), "an object cannot replace the collection that it stands in")
				}
				if err := w.deleteTree(sub, true); err != nil {
					return err
				}
				res.Replaced = true
			}
		}
		props, err := w.Props(frow.ID, from.Name)
		if err != nil {
			return err
		}
		if req.Move {
			if old.Attached { // its files must be there before the source goes
				files, err := w.filing(tok.ID, to.Name, obj)
				if err != nil {
					return err
				}
				if err := w.file(tok.ID, to.Name, files); err != nil {
					return err
				}
			}
			if err := w.remove(frow, old); err != nil {
				return err
			}
		}
		put, err := s.write(w, op, tok, to.Name, obj, dest, taken)
		if err != nil {
			return err
		}
		if err := w.DeleteProps(tok.ID, to.Name); err != nil {
			return err
		}
		for _, p := range props {
			if err := w.SetProp(tok.ID, to.Name, p); err != nil {
				return err
			}
		}
		if n := len(w.muts); n > 0 && w.muts[n-1].obj != nil {
			w.muts[n-1].obj.Props = props
		}
		res.Replaced = res.Replaced || taken
		res.Object = put.Object
		return nil
	})
	return res, err
}

// pair reads the rows of source and destination.
func (w *writer) pair(op string, from, to calendar.ID) (a, b calendar.CalendarRow, err error) {
	a, ok, err := w.Calendar(from.Name())
	if err == nil && !ok {
		err = calendar.Fail(calendar.NoCalendar, op, string(from))
	}
	if err != nil {
		return a, b, err
	}
	if b, ok, err = w.Calendar(to.Name()); err == nil && !ok {
		err = calendar.Failf(calendar.Stale, "", "destination", string(to), "the collection of the destination does not exist")
	}
	return a, b, err
}

// CopyCalendar copies or moves a collection inside one owner's home, a plain
// one with the collections below it. A moved calendar keeps its identity: sync
// tokens stay valid.
func (s *Service) CopyCalendar(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	ctx = bind(ctx, who, req)
	op := "copy calendar"
	if req.Move {
		op = "move calendar"
	}
	res, err := s.copyCalendar(ctx, who, op, req)
	err = s.settled(ctx, op, req.From.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) copyCalendar(ctx context.Context, who calendar.Actor, op string, req calendar.CopyRequest) (calendar.CopyResult, error) {
	from, to := req.From.Calendar, req.To.Calendar
	owner := from.Owner()
	_, c, r, err := s.calendar(ctx, who, op, from)
	if err != nil {
		return calendar.CopyResult{}, err
	}
	name := to.Name()
	if err := calendar.CheckName(name); err != nil {
		return calendar.CopyResult{}, calendar.Failf(calendar.Invalid, calendar.CollectionLocationOK, op, string(to), "%v", err)
	}
	switch {
	case to.Owner() != owner:
		return calendar.CopyResult{}, calendar.Failf(calendar.Unsupported, "", op, string(to), "source and destination are of different owners")
	case from == to || strings.HasPrefix(name, from.Name()+"/"):
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(to), "a collection cannot go into itself")
	case strings.HasPrefix(from.Name(), name+"/"):
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(to), "a collection cannot replace one that it stands in")
	case !r.Owner:
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(from), "only the owner copies or moves a calendar")
	case req.Move && from.Name() == calendar.DefaultName:
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, op, string(from), "the default calendar cannot be moved")
	case !c.meta.row.Plain && strings.ContainsRune(name, '/'):
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, calendar.CollectionLocationOK, op, string(to), "a calendar stands directly in a home")
	}
	var res calendar.CopyResult
	err = s.once(ctx, op, owner, &res, func(w *writer) error {
		res = calendar.CopyResult{}
		return s.copyTree(w, op, req, &res)
	})
	return res, err
}

func (s *Service) copyTree(w *writer, op string, req calendar.CopyRequest, res *calendar.CopyResult) error {
	from, to := req.From.Calendar, req.To.Calendar
	src, ok, err := w.Calendar(from.Name())
	if err != nil {
		return err
	}
	if !ok {
		return calendar.Fail(calendar.NoCalendar, op, string(from))
	}
	if up, nested := parentOf(to.Name()); nested {
		parent, ok, err := w.Calendar(up)
		if err != nil {
			return err
		}
		if !ok || !parent.Plain {
			return calendar.Failf(calendar.Stale, "", "destination", string(to), "the collection above the destination does not exist")
		}
		if file, ok, err := w.Object(parent.ID, lastSegment(to.Name()), false); err != nil {
			return err
		} else if ok {
			if !req.Overwrite {
				return calendar.Failf(calendar.Stale, "overwrite", op, string(to), "the destination exists")
			}
			if err := w.remove(parent, file); err != nil {
				return err
			}
			res.Replaced = true
		}
	}
	dest, taken, err := w.Calendar(to.Name())
	if err != nil {
		return err
	}
	if taken {
		if !req.Overwrite {
			return calendar.Failf(calendar.Stale, "overwrite", op, string(to), "the destination exists")
		}
		if to.Name() == calendar.DefaultName {
			return calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, op, string(to), "the default calendar cannot be replaced")
		}
		if err := w.deleteTree(dest, true); err != nil {
			return err
		}
		res.Replaced = true
	}
	all, err := w.Calendars()
	if err != nil {
		return err
	}
	w.reset = true
	n := len(all)
	for _, c := range all {
		rest, below := strings.CutPrefix(c.Name, src.Name+"/")
		if c.ID != src.ID && (!below || req.Shallow && !req.Move) {
			continue
		}
		name := to.Name()
		if below {
			name += "/" + rest
		}
		if err := calendar.CheckName(name); err != nil {
			return calendar.Failf(calendar.Invalid, calendar.CollectionLocationOK, op, string(to), "%v", err)
		}
		if n++; !req.Move && n > s.opt.Limits.Calendars {
			return calendar.Failf(calendar.OverQuota, "", op, string(to), "a home holds at most %d collections", s.opt.Limits.Calendars)
		}
		if req.Move {
			err = w.rename(c, name)
		} else {
			err = s.copyOne(w, op, c, name, req.Shallow)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rename gives a calendar another name and leaves a tombstone of the old one,
// so that the sync of the home tells of it.
func (w *writer) rename(c calendar.CalendarRow, name string) error {
	n, err := w.stamp()
	if err != nil {
		return err
	}
	old := calendar.CalendarRow{ID: w.s.newID(), Name: c.Name, Plain: c.Plain, Change: n, MetaChange: n, Created: w.now, Modified: w.now}
	c.Name, c.MetaChange, c.Change, c.Modified = name, n, n, w.now
	if err := w.UpdateCalendar(c); err != nil {
		return err
	}
	if err := w.InsertCalendar(old); err != nil {
		return err
	}
	return w.DeleteCalendar(old.ID, n, w.now)
}

func (s *Service) copyOne(w *writer, op string, c calendar.CalendarRow, name string, shallow bool) error {
	old := c.ID
	c.ID, c.Name = s.newID(), name
	if err := w.insertCalendar(c); err != nil {
		return err
	}
	if err := w.CopyProps(old, "", c.ID, ""); err != nil {
		return err
	}
	if shallow {
		return nil
	}
	c.NoDoubles = false // what overlaps in the original may do so in the copy
	var names []string
	if err := w.Objects(old, "", false, func(o *calendar.ObjectRow) error { names = append(names, o.Name); return nil }); err != nil {
		return err
	}
	for _, n := range names {
		o, ok, err := w.Object(old, n, true)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		occ, err := w.ObjectOccurrences(old, n)
		if err != nil {
			return err
		}
		obj := &object.Object{Data: o.Data, ContentType: o.ContentType, Uid: o.UID, Component: o.Component, Class: o.Private, Scheduled: o.ScheduleTag != 0, Occ: occ, OccHash: o.OccHash}
		if o.Attached {
			files, err := w.Attachments(old, n)
			if err != nil {
				return err
			}
			for _, f := range files {
				obj.Attached = append(obj.Attached, f.ID)
			}
		}
		if _, err := s.write(w, op, c, n, obj, calendar.ObjectRow{}, false); err != nil {
			return err
		}
		if err := w.CopyProps(old, n, c.ID, n); err != nil {
			return err
		}
	}
	return nil
}
