package service

import (
	"context"
	"errors"
	"strings"

	"factotum/server/admission"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
)

// CopyObject copies or moves an object between calendars of one owner; what
// goes to another is for CopyOut and CopyIn. A move
// inside a calendar keeps the UID and is a rename; a copy inside a calendar
// would double the UID and is refused. RFC 4918 §§9.8, 9.9, RFC 4791 §5.3.2.1.
func (s *Service) CopyObject(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	ctx = bind(ctx, who, req)
	op := moveOp(req.Move)
	res, err := s.copyObject(ctx, who, op, req)
	err = s.unlessDone(ctx, op, req.From.Calendar.Owner(), &res, err)
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
	// That there is no destination comes first, whatever the source is like.
	tm, _, refused := s.look(ctx, who, op, to.Calendar, toWrite)
	if calendar.KindOf(refused) == calendar.NoCalendar {
		return calendar.CopyResult{}, destination(op, to.Calendar, refused)
	}
	leave := toLeave(req.Move)
	for tries := 1; ; tries++ {
		src, err := s.source(ctx, who, op, &req, leave)
		if err == nil {
			err = refused
		}
		if err != nil {
			return calendar.CopyResult{}, err
		}
		obj, err := object.Parse(s.rulesOf(ctx, tm), src.Data, src.ContentType)
		if err != nil {
			return calendar.CopyResult{}, wrap(op, string(to.Calendar), err)
		}
		var res calendar.CopyResult
		err = s.write(ctx, who, op, owner, &res, func(w *writer) (err error) {
			res, err = w.copyObject(req, leave, src.Change, obj)
			return err
		})
		// What became of a message is written into meetings by the server itself:
		// a client that made no condition is not told of that.
		if tries == maxCopies || !errors.Is(err, errOvertaken) {
			return res, err
		}
	}
}

// maxCopies is how often an object is read for a copy that is written meanwhile.
const maxCopies = 4

var errOvertaken = errors.New("the object was written meanwhile")

// source is the object that is to be copied or moved.
func (s *Service) source(ctx context.Context, who calendar.Actor, op string, req *calendar.CopyRequest, leave access) (src *calendar.Object, err error) {
	from := req.From
	err = s.readCalendar(ctx, who, op, from.Calendar, leave, func(v cache.View, cal *cache.Calendar, r calendar.Rights) error {
		o, err := v.Object(ctx, cal, from.Name)
		if err != nil {
			return wrap(op, from.String(), err)
		}
		if o == nil {
			return leaves(op, req, nil, false)
		}
		src = o.Object
		return leaves(op, req, stampOf(src), s.hides(o.Class, r, who, cal))
	})
	return src, err
}

// stampOf is of an object what conditions are about, nil for none.
func stampOf(o *calendar.Object) *calendar.ObjectRow {
	if o == nil {
		return nil
	}
	return &calendar.ObjectRow{Change: o.Change, ScheduleTag: o.ScheduleTag, Modified: o.Modified, Size: o.Size}
}

// leaves decides whether an object may be copied or moved from where it is.
func leaves(op string, req *calendar.CopyRequest, src *calendar.ObjectRow, hidden bool) error {
	switch {
	case src == nil:
		return calendar.Fail(calendar.NotFound, op, req.From.String())
	case hidden:
		return calendar.Failf(calendar.Denied, "", op, req.From.String(), "a private object is copied by its owners only")
	case !req.Precond.Check(src, true):
		return calendar.Fail(calendar.Stale, op, req.From.String())
	}
	return nil
}

// copyObject copies or moves, inside the transaction, the object whose text
// was read at a change number.
func (w *writer) copyObject(req calendar.CopyRequest, leave access, read int64, obj *object.Resource) (res calendar.CopyResult, err error) {
	from, to := req.From, req.To
	fp, err := w.enter(from.Calendar, leave)
	if err != nil {
		return res, err
	}
	tp, err := w.enterDestination(to.Calendar)
	if err != nil {
		return res, err
	}
	src, err := w.object(fp, from.Name)
	if err != nil {
		return res, err
	}
	if err := leaves(w.op, &req, src, src != nil && fp.hides(src)); err != nil {
		return res, err
	}
	if src.Change != read {
		return res, &calendar.Error{Kind: calendar.Stale, Op: w.op, Ref: from.String(), Err: errOvertaken}
	}
	dest, err := w.room(tp, fp, &req, &res)
	if err != nil {
		return res, err
	}
	obj, jobs, err := w.relocate(fp, tp, &req, src, dest, obj)
	if err != nil {
		return res, err
	}
	props, err := w.Props(fp.row.ID, from.Name)
	if err != nil {
		return res, err
	}
	how := storing{props: &props, jobs: jobs}
	if !req.Move {
		res.Object, err = w.store(tp, to.Name, obj, dest, how)
		return res, err
	}
	how.from = &from
	if fp.row.Kind == calendar.InboxCollection {
		if err := w.letGo(admission.Rejected, *src); err != nil {
			return res, err
		}
	}
	res.Object, err = w.carryOver(fp, tp, src, to, obj, dest, how)
	return res, err
}

// carryOver removes an object here and stores it there.
func (w *writer) carryOver(fp, tp *place, src *calendar.ObjectRow, to calendar.Ref, obj *object.Resource, dest *calendar.ObjectRow, how storing) (calendar.Object, error) {
	if src.Attached { // its files must be there before the source goes
		files, err := w.filing(tp.row.ID, to.Name, obj)
		if err != nil {
			return calendar.Object{}, err
		}
		if err := w.file(nil, &tp.row, to.Name, files.copies()); err != nil {
			return calendar.Object{}, err
		}
	}
	if err := w.remove(fp, *src, &to); err != nil {
		return calendar.Object{}, err
	}
	return w.store(tp, to.Name, obj, dest, how)
}

// relocate says what a copy or move is to other people, as obj is to be stored and
// with the messages that follow. Between calendars it is nothing, but a home has
// a meeting once; what comes out of a plain collection is as if it were put, what
// goes into one as if it were deleted. RFC 6638 §§3.2.3.3, 3.2.3.4.
func (w *writer) relocate(fp, tp *place, req *calendar.CopyRequest, src, dest *calendar.ObjectRow, obj *object.Resource) (*object.Resource, []task, error) {
	was, is := fp.row.Kind.Rules().Objects, tp.row.Kind.Rules().Objects
	var post *calendar.Post
	var err error
	switch {
	case !was && is:
		obj, post, err = w.schedule(tp, req.To.Name, obj, dest, telling{stale: true})
	case is && !req.Move:
		err = w.only(tp, obj)
	case was && !is && req.Move:
		post, err = w.farewell(fp, src, telling{})
	}
	if err != nil {
		return nil, nil, err
	}
	jobs, err := posts(post)
	return obj, jobs, err
}

// room makes room for what is copied or moved to a place: it returns the object
// that will be replaced, or nil. from is the place where it comes from, nil if
// that is in another home.
func (w *writer) room(p, from *place, req *calendar.CopyRequest, res *calendar.CopyResult) (dest *calendar.ObjectRow, err error) {
	to := req.To
	dest, err = w.object(p, to.Name)
	switch {
	case err != nil:
		return nil, err
	case dest != nil && !req.Overwrite || !holds(&req.IfDest, dest):
		return nil, calendar.Failf(calendar.Stale, calendar.Overwrite, w.op, to.String(), "the destination exists")
	case dest != nil && p.hides(dest):
		return nil, calendar.Fail(calendar.Denied, w.op, to.String())
	}
	res.Replaced = dest != nil
	if p.row.Kind.Rules().Nests {
		replaced, err := w.replaceCollection(from, to, req.Overwrite)
		if err != nil {
			return nil, err
		}
		res.Replaced = res.Replaced || replaced
	}
	return dest, nil
}

// replaceCollection makes room for a file where a collection of that name is.
func (w *writer) replaceCollection(from *place, to calendar.Ref, overwrite bool) (replaced bool, err error) {
	sub, ok, err := w.Calendar(to.Calendar.Name() + "/" + to.Name)
	switch {
	case err != nil || !ok:
		return false, err
	case !overwrite:
		return false, calendar.Failf(calendar.Stale, calendar.Overwrite, w.op, to.String(), "the destination exists")
	case from != nil && (from.row.ID == sub.ID || strings.HasPrefix(from.row.Name, sub.Name+"/")):
		return false, calendar.Failf(calendar.Denied, "", w.op, to.String(), "an object cannot replace the collection that it stands in")
	}
	p, err := w.enter(calendar.NewID(w.owner, sub.Name), toOwn)
	if calendar.KindOf(err) == calendar.NoCalendar { // there is one that he may not know of
		err = calendar.Fail(calendar.Denied, w.op, to.String())
	}
	if err != nil {
		return false, err
	}
	return true, w.deleteTree(p.row, telling{})
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
	err = s.unlessDone(ctx, op, req.From.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) copyCalendar(ctx context.Context, who calendar.Actor, op string, req calendar.CopyRequest) (calendar.CopyResult, error) {
	from, to := req.From.Calendar, req.To.Calendar
	owner := from.Owner()
	m, r, err := s.look(ctx, who, op, from, nil)
	if err != nil {
		return calendar.CopyResult{}, err
	}
	name := to.Name()
	if err := calendar.CheckName(name); err != nil {
		return calendar.CopyResult{}, calendar.Failf(calendar.Invalid, calendar.CollectionLocationOK, op, string(to), "%v", err)
	}
	if _, reserved := calendar.KindOfName(name); reserved {
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, calendar.CollectionLocationOK, op, string(to), "every home has a collection for scheduling of that name")
	}
	switch {
	case to.Owner() != owner:
		return calendar.CopyResult{}, calendar.Failf(calendar.Unsupported, calendar.CollectionLocationOK, op, string(to), "a collection stays with its owner")
	case from == to || strings.HasPrefix(name, from.Name()+"/"):
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(to), "a collection cannot go into itself")
	case strings.HasPrefix(from.Name(), name+"/"):
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(to), "a collection cannot replace one that it stands in")
	case !r.Owner:
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(from), "only the owner copies or moves a calendar")
	case req.Move && from.Name() == calendar.DefaultName:
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, op, string(from), "the default calendar cannot be moved")
	case !m.Row.Kind.Rules().Made && (!req.Move || isBox(&m.Row)):
		return calendar.CopyResult{}, calendar.Failf(calendar.Denied, "", op, string(from), "clients make no collections of this kind")
	}
	var res calendar.CopyResult
	err = s.write(ctx, who, op, owner, &res, func(w *writer) error {
		res = calendar.CopyResult{}
		return w.copyTree(req, &res)
	})
	return res, err
}

func (w *writer) copyTree(req calendar.CopyRequest, res *calendar.CopyResult) error {
	s, op := w.s, w.op
	from, to := req.From.Calendar, req.To.Calendar
	p, err := w.enter(from, toOwn)
	if err != nil {
		return err
	}
	src := p.row
	if up, nested := parentOf(to.Name()); nested {
		parent, ok, err := w.Calendar(up)
		if err != nil {
			return err
		}
		if ok && !src.Kind.Rules().Nests {
			return calendar.Failf(calendar.Denied, calendar.CollectionLocationOK, op, string(to), "a calendar stands directly in a home")
		}
		if ok && !parent.Kind.Rules().Nests {
			return calendar.Failf(calendar.Denied, calendar.CollectionLocationOK, op, string(to), "the collection above the destination holds no others")
		}
		if !ok {
			return calendar.Failf(calendar.Stale, calendar.NoDestination, op, string(to), "the collection above the destination does not exist")
		}
		if file, ok, err := w.Object(parent.ID, lastSegment(to.Name()), true); err != nil {
			return err
		} else if ok {
			if !req.Overwrite {
				return calendar.Failf(calendar.Stale, calendar.Overwrite, op, string(to), "the destination exists")
			}
			if err := w.remove(w.made(parent), file, nil); err != nil {
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
			return calendar.Failf(calendar.Stale, calendar.Overwrite, op, string(to), "the destination exists")
		}
		if to.Name() == calendar.DefaultName {
			return calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, op, string(to), "the default calendar cannot be replaced")
		}
		if err := w.deleteTree(dest, telling{}); err != nil {
			return err
		}
		res.Replaced = true
	}
	all, err := w.Calendars()
	if err != nil {
		return err
	}
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
		if calendar.Reserved(name) {
			return reservedName(op, to)
		}
		if n++; !req.Move && n > s.opt.Limits.Calendars {
			return calendar.Failf(calendar.OverQuota, "", op, string(to), "a home holds at most %d collections", s.opt.Limits.Calendars)
		}
		if req.Move {
			err = w.renameCalendar(c, name)
		} else {
			err = w.copyCalendar(c, name, req.Shallow)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyCalendar makes a calendar like another one, with what is in it.
func (w *writer) copyCalendar(c calendar.CalendarRow, name string, shallow bool) error {
	old := c.ID
	props, err := w.Props(old, "")
	if err != nil {
		return err
	}
	c.ID, c.Name = w.s.newID(), name
	p, err := w.createCalendar(c, props)
	if err != nil || shallow {
		return err
	}
	p.row.NoDoubles = false // what overlaps in the original may do so in the copy
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
		obj, err := w.again(old, &o)
		if err != nil {
			return err
		}
		if o.ScheduleTag != 0 {
			if obj.Calendar, err = textOf(&o); err == nil {
				err = w.only(p, obj)
			}
			if err != nil {
				return err
			}
		}
		if obj.Occurrences, err = w.ObjectOccurrences(old, n); err != nil {
			return err
		}
		props, err := w.Props(old, n)
		if err != nil {
			return err
		}
		if _, err := w.store(p, n, obj, nil, storing{props: &props}); err != nil {
			return err
		}
	}
	return nil
}

// again is what is stored, as it would come to be stored, but for its instances.
func (w *writer) again(cal int64, o *calendar.ObjectRow) (*object.Resource, error) {
	obj := &object.Resource{Data: o.Data, ContentType: o.ContentType, UID: o.UID, Component: o.Component, Class: o.Private, Lacks: o.Lacks, Scheduled: o.ScheduleTag != 0, OccHash: o.OccHash}
	if !o.Attached {
		return obj, nil
	}
	files, err := w.Attachments(cal, o.Name)
	for _, f := range files {
		obj.Attached = append(obj.Attached, f.ID)
	}
	return obj, err
}
