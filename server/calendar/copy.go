package calendar

import (
	"context"
	"strings"
)

// CopyObject copies or moves an object between calendars of one owner. A move
// inside a calendar keeps the UID and is a rename; a copy inside a calendar
// would double the UID and is refused. RFC 4918 §§9.8, 9.9, RFC 4791 §5.3.2.1.
func (s *Service) CopyObject(ctx context.Context, who Actor, req CopyRequest) (CopyResult, error) {
	ctx = bind(ctx, who, req)
	op := "copy object"
	if req.Move {
		op = "move object"
	}
	res, err := s.copyObject(ctx, who, op, req)
	err = s.settled(ctx, op, req.From.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) copyObject(ctx context.Context, who Actor, op string, req CopyRequest) (CopyResult, error) {
	from, to := req.From, req.To
	owner := from.Calendar.Owner()
	if to.Calendar.Owner() != owner {
		return CopyResult{}, failMsg(Unsupported, "", op, refString(to), "source and destination are of different owners")
	}
	if from == to {
		return CopyResult{}, failMsg(Denied, "", op, refString(to), "source and destination are the same")
	}
	if err := s.checkObjectName(op, to); err != nil {
		return CopyResult{}, err
	}
	h, c, r, err := s.calendar(ctx, who, op, from.Calendar)
	if err != nil {
		return CopyResult{}, err
	}
	if err := need(r.CanRead() && (!req.Move || r.CanDelete()), r, op, from.Calendar); err != nil {
		return CopyResult{}, err
	}
	_, tc, tr, err := s.calendar(ctx, who, op, to.Calendar)
	if err != nil {
		if KindOf(err) == NoCalendar { // the parent of the destination: RFC 4918 §9.8.5 wants 409
			return CopyResult{}, failMsg(Stale, "", "destination", string(to.Calendar), "the collection of the destination does not exist")
		}
		return CopyResult{}, err
	}
	if err := need(tr.CanWrite(), tr, op, to.Calendar); err != nil {
		return CopyResult{}, err
	}
	got, err := s.fetch(ctx, h, c, []string{from.Name})
	if err != nil {
		return CopyResult{}, wrap(op, refString(from), err)
	}
	src := got[0]
	if src == nil {
		return CopyResult{}, fail(NotFound, op, refString(from))
	}
	if s.masks(src.class, r, who, c.meta) {
		return CopyResult{}, failMsg(Denied, "", op, refString(from), "a private object is copied by its owners only")
	}
	obj, err := s.parse(op, tc.meta, src.Data, src.ContentType)
	if err != nil {
		return CopyResult{}, err
	}
	var res CopyResult
	err = s.once(ctx, op, owner, &res, func(w *writer) error {
		res = CopyResult{}
		frow, tok, err := w.pair(op, from.Calendar, to.Calendar)
		if err != nil {
			return err
		}
		old, exists, err := w.Object(frow.ID, from.Name, false)
		if err != nil {
			return err
		}
		if !exists {
			return fail(NotFound, op, refString(from))
		}
		if old.Change != src.Change || !req.Precond.check(&old, true) {
			return fail(Stale, op, refString(from))
		}
		dest, taken, err := w.Object(tok.ID, to.Name, false)
		if err != nil {
			return err
		}
		if taken && !req.Overwrite || !req.IfDest.check(&dest, taken) {
			return failMsg(Stale, "overwrite", op, refString(to), "the destination exists")
		}
		if taken && s.masks(dest.Private, tr, who, tc.meta) {
			return fail(Denied, op, refString(to))
		}
		if tok.Plain {
			if sub, ok, err := w.Calendar(to.Calendar.Name() + "/" + to.Name); err != nil {
				return err
			} else if ok {
				if !req.Overwrite {
					return failMsg(Stale, "overwrite", op, refString(to), "the destination exists")
				}
				if frow.ID == sub.ID || strings.HasPrefix(frow.Name, sub.Name+"/") {
					return failMsg(Denied, "", op, refString(to), "an object cannot replace the collection that it stands in")
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
func (w *writer) pair(op string, from, to ID) (a, b CalendarRow, err error) {
	a, ok, err := w.Calendar(from.Name())
	if err == nil && !ok {
		err = fail(NoCalendar, op, string(from))
	}
	if err != nil {
		return a, b, err
	}
	if b, ok, err = w.Calendar(to.Name()); err == nil && !ok {
		err = failMsg(Stale, "", "destination", string(to), "the collection of the destination does not exist")
	}
	return a, b, err
}

// CopyCalendar copies or moves a collection inside one owner's home, a plain
// one with the collections below it. A moved calendar keeps its identity: sync
// tokens stay valid.
func (s *Service) CopyCalendar(ctx context.Context, who Actor, req CopyRequest) (CopyResult, error) {
	ctx = bind(ctx, who, req)
	op := "copy calendar"
	if req.Move {
		op = "move calendar"
	}
	res, err := s.copyCalendar(ctx, who, op, req)
	err = s.settled(ctx, op, req.From.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) copyCalendar(ctx context.Context, who Actor, op string, req CopyRequest) (CopyResult, error) {
	from, to := req.From.Calendar, req.To.Calendar
	owner := from.Owner()
	_, c, r, err := s.calendar(ctx, who, op, from)
	if err != nil {
		return CopyResult{}, err
	}
	name := to.Name()
	if err := CheckName(name); err != nil {
		return CopyResult{}, failMsg(Invalid, CollectionLocationOK, op, string(to), "%v", err)
	}
	switch {
	case to.Owner() != owner:
		return CopyResult{}, failMsg(Unsupported, "", op, string(to), "source and destination are of different owners")
	case from == to || strings.HasPrefix(name, from.Name()+"/"):
		return CopyResult{}, failMsg(Denied, "", op, string(to), "a collection cannot go into itself")
	case strings.HasPrefix(from.Name(), name+"/"):
		return CopyResult{}, failMsg(Denied, "", op, string(to), "a collection cannot replace one that it stands in")
	case !r.Owner:
		return CopyResult{}, failMsg(Denied, "", op, string(from), "only the owner copies or moves a calendar")
	case req.Move && from.Name() == DefaultName:
		return CopyResult{}, failMsg(Denied, DefaultCalendarNeeded, op, string(from), "the default calendar cannot be moved")
	case !c.meta.row.Plain && strings.ContainsRune(name, '/'):
		return CopyResult{}, failMsg(Denied, CollectionLocationOK, op, string(to), "a calendar stands directly in a home")
	}
	var res CopyResult
	err = s.once(ctx, op, owner, &res, func(w *writer) error {
		res = CopyResult{}
		return s.copyTree(w, op, req, &res)
	})
	return res, err
}

func (s *Service) copyTree(w *writer, op string, req CopyRequest, res *CopyResult) error {
	from, to := req.From.Calendar, req.To.Calendar
	src, ok, err := w.Calendar(from.Name())
	if err != nil {
		return err
	}
	if !ok {
		return fail(NoCalendar, op, string(from))
	}
	if up, nested := parentOf(to.Name()); nested {
		parent, ok, err := w.Calendar(up)
		if err != nil {
			return err
		}
		if !ok || !parent.Plain {
			return failMsg(Stale, "", "destination", string(to), "the collection above the destination does not exist")
		}
		if file, ok, err := w.Object(parent.ID, lastSegment(to.Name()), false); err != nil {
			return err
		} else if ok {
			if !req.Overwrite {
				return failMsg(Stale, "overwrite", op, string(to), "the destination exists")
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
			return failMsg(Stale, "overwrite", op, string(to), "the destination exists")
		}
		if to.Name() == DefaultName {
			return failMsg(Denied, DefaultCalendarNeeded, op, string(to), "the default calendar cannot be replaced")
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
		if err := CheckName(name); err != nil {
			return failMsg(Invalid, CollectionLocationOK, op, string(to), "%v", err)
		}
		if n++; !req.Move && n > s.opt.Limits.Calendars {
			return failMsg(OverQuota, "", op, string(to), "a home holds at most %d collections", s.opt.Limits.Calendars)
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
func (w *writer) rename(c CalendarRow, name string) error {
	n, err := w.stamp()
	if err != nil {
		return err
	}
	old := CalendarRow{ID: w.s.newID(), Name: c.Name, Plain: c.Plain, Change: n, MetaChange: n, Created: w.now, Modified: w.now}
	c.Name, c.MetaChange, c.Change, c.Modified = name, n, n, w.now
	if err := w.UpdateCalendar(c); err != nil {
		return err
	}
	if err := w.InsertCalendar(old); err != nil {
		return err
	}
	return w.DeleteCalendar(old.ID, n, w.now)
}

func (s *Service) copyOne(w *writer, op string, c CalendarRow, name string, shallow bool) error {
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
	if err := w.Objects(old, "", false, func(o *ObjectRow) error { names = append(names, o.Name); return nil }); err != nil {
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
		obj := &parsed{data: o.Data, contentType: o.ContentType, uid: o.UID, component: o.Component, class: o.Private, scheduled: o.ScheduleTag != 0, occ: occ, occHash: o.OccHash}
		if o.Attached {
			files, err := w.Attachments(old, n)
			if err != nil {
				return err
			}
			for _, f := range files {
				obj.attached = append(obj.attached, f.ID)
			}
		}
		if _, err := s.write(w, op, c, n, obj, ObjectRow{}, false); err != nil {
			return err
		}
		if err := w.CopyProps(old, n, c.ID, n); err != nil {
			return err
		}
	}
	return nil
}
