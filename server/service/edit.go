package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/match"
	"factotum/server/object"
)

// EditObject changes components by UID. Items of one UID that follow one
// another are one write, so that ten deleted instances are one new ETag.
func (s *Service) EditObject(ctx context.Context, who calendar.Actor, req calendar.EditRequest) (calendar.EditResult, error) {
	ctx = bind(ctx, who, req)
	const op = "edit object"
	id := req.Calendar
	c, r, items, err := s.editItems(ctx, who, op, req)
	if err != nil {
		return calendar.EditResult{}, wrap(op, string(id), err)
	}
	res := calendar.EditResult{Items: items}
	if req.Return || req.Within != nil {
		var gone error
		if res.Calendar, gone = s.Calendar(ctx, who, id); gone != nil && c != nil { // meanwhile
			res.Calendar = s.describe(c, r, who)
		}
	}
	if req.Return && c != nil {
		_, res.Float = s.float(c)
		err = s.firstInstances(ctx, c, res.Items, match.Bounds{Most: req.Instances, Endless: req.Bound})
	}
	return res, wrap(op, string(id), err)
}

// editItems carries the items out, once for a request token. The calendar is
// nil where that was done before, and the actor has no access any more.
func (s *Service) editItems(ctx context.Context, who calendar.Actor, op string, req calendar.EditRequest) (c *cache.Calendar, r calendar.Rights, items []calendar.EditItemResult, err error) {
	id := req.Calendar
	var saved []savedEdit
	c, r, items, done, err := s.tryEdit(ctx, who, op, req, &saved)
	if err != nil {
		failed := err
		if err = s.unlessDone(ctx, op, id.Owner(), &saved, err); err != nil {
			return c, r, nil, failed
		}
		done = true
	}
	if done {
		var row calendar.CalendarRow
		if c != nil {
			row = c.Row
		}
		err = s.store.View(ctx, id.Owner(), func(tx calendar.ReadTx) (err error) {
			items, err = restoreEdit(tx, row, id, saved, req.Return, func(o *cache.Object) *cache.Object { return s.shown(c, o, r, who) })
			return err
		})
	}
	return c, r, items, err
}

func (s *Service) tryEdit(ctx context.Context, who calendar.Actor, op string, req calendar.EditRequest, saved *[]savedEdit) (c *cache.Calendar, r calendar.Rights, items []calendar.EditItemResult, done bool, err error) {
	id := req.Calendar
	may := editAccess(&req)
	if c, r, err = s.look(ctx, who, op, id, may); err != nil {
		return nil, r, nil, false, err
	}
	switch {
	case !c.Row.Kind.Rules().Objects:
		err = calendar.Failf(calendar.Unsupported, "", op, string(id), "this collection is not a calendar")
	case len(req.Items) > s.opt.Limits.Refs:
		err = calendar.Failf(calendar.TooMany, "", op, string(id), "at most %d components in one request", s.opt.Limits.Refs)
	case req.Component == "" && !deletes(&req):
		err = calendar.Failf(calendar.Invalid, "", op, string(id), "what is stored must be said: VEVENT or VTODO")
	}
	if err != nil {
		return c, r, nil, false, err
	}
	p, err := s.person(ctx, op, id.Owner())
	if err != nil && calendar.KindOf(err) != calendar.NoCalendar { // who left the directory still has a calendar
		return c, r, nil, false, err
	}
	me := &p
	if err != nil {
		me = &calendar.Person{}
	}
	editor := edit.Editor{Component: req.Component, Owner: p, Floating: s.floatingOf(nil, c), RecurrenceBound: req.Bound}
	if who.User != string(id.Owner()) {
		editor.SentBy = who.Mail
	}
	files, err := s.newAttachments(op, id, req.Items)
	if err != nil {
		return c, r, nil, false, err
	}
	need := calendar.Need{Calendar: id, Row: c.Row.ID, ByUID: true, Token: onceKey(ctx, op)}
	var fresh []string // for what comes without a UID
	for _, it := range req.Items {
		uid := it.UID
		if uid == "" {
			uid = newUID()
			fresh = append(fresh, uid)
		}
		need.UIDs, need.Names = append(need.UIDs, uid), append(need.Names, object.NameFor(uid)+".ics")
	}
	ctx = withPerson(ctx, me)
	done, err = s.writeOnce(calendar.WithNeed(ctx, need), who, op, id.Owner(), saved, func(w *writer) error {
		p, err := w.enter(id, may)
		if err != nil {
			return err
		}
		x := &editTx{writer: w, place: p, editor: editor, req: &req, files: files, fresh: fresh}
		x.editor.Now = w.now
		if req.Within != nil {
			items, err = x.within(ctx)
		} else {
			items, err = x.items()
		}
		if calendar.Token(ctx) != "" {
			*saved = saveEdit(items)
		}
		return err
	})
	return c, r, items, done, err
}

// editAccess is what the items ask for: to delete, or to write. Each is looked
// at for itself again.
func editAccess(req *calendar.EditRequest) access {
	if deletes(req) {
		return toDelete
	}
	return toWrite
}

// deletes tells whether a request deletes and does nothing else.
func deletes(req *calendar.EditRequest) bool {
	return req.Within != nil || len(req.Items) > 0 && !slices.ContainsFunc(req.Items, func(it calendar.EditItem) bool { return it.Mode != calendar.EditDelete })
}

// editTx is an EditObject inside its transaction.
type editTx struct {
	*writer
	*place
	editor edit.Editor
	req    *calendar.EditRequest
	files  [][]calendar.AttachmentRow // for each item
	fresh  []string                   // UIDs for the items to come that have none
	ref    string                     // of the object at hand
}

// fatal are the failures that end the transaction rather than one item.
func fatal(err error) bool {
	var e *calendar.Error
	return err != nil && (!errors.As(err, &e) || e.Kind == calendar.Unavailable || e.Kind == calendar.Internal || e.Kind == calendar.Canceled)
}

func (x *editTx) items() ([]calendar.EditItemResult, error) {
	out := make([]calendar.EditItemResult, len(x.req.Items))
	for from := 0; from < len(out); {
		to := from + 1
		for uid := x.req.Items[from].UID; uid != "" && to < len(out) && x.req.Items[to].UID == uid; {
			to++
		}
		if err := x.one(x.req.Items[from:to], x.files[from:to], out[from:to]); err != nil {
			return nil, err
		}
		from = to
	}
	return out, nil
}

// one carries out the items of one UID.
func (x *editTx) one(items []calendar.EditItem, files [][]calendar.AttachmentRow, out []calendar.EditItemResult) error {
	uid := items[0].UID
	for i := range items {
		out[i].UID, out[i].RID = uid, items[i].RID
	}
	all := func(err error) error {
		if fatal(err) {
			return err
		}
		for i := range out {
			if out[i].Err == nil {
				out[i].Object, out[i].Created, out[i].Removed, out[i].Detached, out[i].Err = nil, false, false, 0, err
			}
		}
		return nil
	}
	var old calendar.ObjectRow
	exists := false
	creates := uid != "" && len(items) == 1 && items[0].Mode == calendar.EditCreate && len(files[0]) == 0 // needs no text that is there
	if uid == "" {
		uid, x.fresh = x.fresh[0], x.fresh[1:]
		out[0].UID = uid
	} else if !creates {
		var err error
		if old, exists, err = x.ObjectByUID(x.row.ID, uid, true); err != nil {
			return err
		}
	}
	x.ref = refOf(calendar.NewID(x.owner, x.row.Name), uid)
	if exists && x.hides(&old) {
		return all(calendar.Failf(calendar.Denied, calendar.OwnerNeeded, x.op, x.ref, "a private object is changed by its owners only"))
	}
	var cal *ical.Component
	if exists {
		var err error
		if cal, err = x.seen(x.place, &old); err != nil {
			return all(err)
		}
	}
	cur, dirty := cal, false
	var added []calendar.AttachmentRow
	var parts []*ical.Component // later parts of divided series, objects of their own
	for i := range items {
		it := &items[i]
		next, part, err := x.step(cur, uid, it, &out[i])
		if err != nil {
			if fatal(err) {
				return err
			}
			out[i].Err = err
			continue
		}
		out[i].Created = cal == nil && cur == nil
		out[i].Removed = next == nil
		added = append(added, files[i]...)
		if part != nil {
			parts = append(parts, part)
		}
		cur, dirty = next, true
	}
	if !dirty {
		return nil
	}
	objs := make([]*object.Resource, 0, 1+len(parts)) // all are judged before any is written
	if cur != nil {
		parts = append([]*ical.Component{cur}, parts...)
	}
	for _, part := range parts {
		obj, err := x.judge(part, added)
		if err != nil {
			return all(err)
		}
		objs = append(objs, obj)
	}
	if creates { // before anything is written: the transaction goes on with the next item
		if _, taken, err := x.ObjectByUID(x.row.ID, uid, false); err != nil {
			return err
		} else if taken {
			return all(calendar.Failf(calendar.Exists, "", x.op, x.ref, "the component exists"))
		}
	}
	var res *calendar.Object
	own := slices.ContainsFunc(items, func(it calendar.EditItem) bool { return it.Role == calendar.OwnCopy })
	switch {
	case cur == nil && !exists: // made and taken away again
		return all(calendar.Fail(calendar.NotFound, x.op, x.ref))
	case cur == nil:
		if err := x.removeTelling(old, telling{own: own, noMail: x.req.NoMail}); err != nil {
			return all(err)
		}
	default:
		var err error
		var was *calendar.ObjectRow
		if exists {
			was = &old
		}
		res, err = x.save(objs[0], was, telling{own: own, noMail: x.req.NoMail})
		if err != nil {
			return all(err)
		}
		objs = objs[1:]
	}
	for _, obj := range objs {
		// The other part of a series: without it the call leaves nothing done.
		if _, err := x.save(obj, nil, telling{noMail: x.req.NoMail}); err != nil {
			return err
		}
	}
	for i := range out {
		if out[i].Err == nil && res != nil {
			out[i].Object, out[i].Removed = res, false
		}
	}
	return nil
}

// step makes the next text of an object, and the later part of a series that had
// to be divided for it.
func (x *editTx) step(cur *ical.Component, uid string, it *calendar.EditItem, out *calendar.EditItemResult) (next, later *ical.Component, err error) {
	switch {
	case it.Mode == calendar.EditDelete:
		if cur == nil {
			return nil, nil, calendar.Failf(calendar.NotFound, "", x.op, x.ref, "there is no such component")
		}
		if !x.rights.CanDelete() {
			return nil, nil, calendar.Fail(calendar.Denied, x.op, x.ref)
		}
		next, err = x.editor.Remove(cur, it)
		return next, nil, wrap(x.op, x.ref, err)
	case !x.rights.CanWrite():
		return nil, nil, calendar.Fail(calendar.Denied, x.op, x.ref)
	case it.Mode == calendar.EditCreate && cur != nil:
		return nil, nil, calendar.Failf(calendar.Exists, "", x.op, x.ref, "the component exists")
	case it.Mode == calendar.EditModify && cur == nil:
		return nil, nil, calendar.Failf(calendar.NotFound, "", x.op, x.ref, "there is no such component")
	}
	if cur != nil {
		uid = newUID() // for a later part
	}
	next, later, err = x.editor.Store(cur, uid, it)
	if err != nil {
		return nil, nil, wrap(x.op, x.ref, err)
	}
	if len(it.Detach) > 0 && cur != nil {
		known := object.Attachments(cur, x.owner)
		for _, id := range it.Detach {
			_, inline := object.InlineFile(cur, id)
			if inline || slices.Contains(known, id) {
				out.Detached++
			}
		}
	}
	return next, later, nil
}

// newUID makes a UID as Sun's server did: hexadecimal digits.
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// judge is what the model thinks of an object that an edit made. added are the
// files that came along.
func (x *editTx) judge(cal *ical.Component, added []calendar.AttachmentRow) (*object.Resource, error) {
	data := cal.Bytes()
	if len(data) > x.s.opt.Limits.ObjectSize {
		return nil, calendar.Failf(calendar.TooLarge, calendar.MaxResourceSize, x.op, x.ref, "the object is larger than %d octets", x.s.opt.Limits.ObjectSize)
	}
	obj, err := object.Judge(x.writer.rules(x.place), cal, data)
	if err != nil {
		return nil, wrap(x.op, x.ref, err)
	}
	if limit := x.s.opt.Limits.Attachments; len(added) > 0 && len(obj.Attached) > limit {
		return nil, calendar.Failf(calendar.TooLarge, "", x.op, x.ref, "more than %d attachments", limit)
	}
	obj.Files = added
	return obj, nil
}

// save writes an object that an edit made; old is what it replaces, or nil.
func (x *editTx) save(obj *object.Resource, old *calendar.ObjectRow, how telling) (*calendar.Object, error) {
	var name string
	var err error
	if old == nil {
		if name, err = x.freeName(x.row.ID, obj.UID); err != nil {
			return nil, err
		}
	} else if name = old.Name; true {
		// The object was found by its UID; the row by its name tells the store what it replaces.
		if old, err = x.object(x.place, name); err != nil {
			return nil, err
		}
	}
	obj, stored, err := x.compose(x.place, name, obj, old, how)
	if err != nil {
		return nil, err
	}
	o, err := x.writer.store(x.place, name, obj, old, stored)
	if err != nil {
		return nil, err
	}
	if x.req.Return {
		o.Data, err = x.answer(name, obj)
	}
	return &o, err
}

// answer is the text that the actor is told of what was stored.
func (x *editTx) answer(name string, obj *object.Resource) ([]byte, error) {
	if !x.apart {
		return obj.Data, nil
	}
	cal, err := x.seen(x.place, &calendar.ObjectRow{Name: name, Data: obj.Data})
	if err != nil {
		return nil, err
	}
	return cal.Bytes(), nil
}

// removeTelling removes an object, and tells whom it concerns.
func (x *editTx) removeTelling(o calendar.ObjectRow, how telling) error {
	post, err := x.farewell(x.place, &o, how)
	if err != nil {
		return err
	}
	jobs, err := posts(post)
	if err != nil {
		return err
	}
	return x.writer.remove(x.place, o, nil, jobs...)
}

// within deletes what lies completely in a window: an attendee his copies only,
// as by default when he deletes by UID. WCAP §9.4.
func (x *editTx) within(ctx context.Context) ([]calendar.EditItemResult, error) {
	win := *x.req.Within
	names, err := x.near(ctx, win)
	if err != nil {
		return nil, err
	}
	var out []calendar.EditItemResult
	for _, name := range names {
		o, ok, err := x.Object(x.row.ID, name, !win.From.IsZero() || !win.To.IsZero())
		if err != nil {
			return nil, err
		}
		meant := x.editor.Component == "" && o.Component != "VJOURNAL" || o.Component == x.editor.Component
		if !ok || !meant || x.hides(&o) {
			continue
		}
		res, err := x.withinOne(ctx, o, win)
		if err != nil {
			return nil, err
		}
		if res != nil {
			out = append(out, *res)
		}
	}
	return out, nil
}

// near are the names, in order, of what may lie in a window: all that does, and
// perhaps more. Floating times are as far from UTC as any zone is.
func (x *editTx) near(ctx context.Context, win calendar.Window) (names []string, err error) {
	if win.From.IsZero() && win.To.IsZero() {
		err = x.Objects(x.row.ID, "", false, func(o *calendar.ObjectRow) error {
			names = append(names, o.Name)
			return ctx.Err()
		})
		return names, err
	}
	const farthest = 15 * 3600
	from, to := win.Unix()
	err = x.Occurrences(x.row.ID, from-farthest, to+farthest, func(o calendar.OccurrenceRow) error {
		names = append(names, o.Name)
		return ctx.Err()
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

func (x *editTx) withinOne(ctx context.Context, o calendar.ObjectRow, win calendar.Window) (*calendar.EditItemResult, error) {
	x.ref = refOf(calendar.NewID(x.owner, x.row.Name), o.UID)
	res := &calendar.EditItemResult{UID: o.UID}
	copyOnly := telling{own: true, noMail: x.req.NoMail}
	if win.From.IsZero() && win.To.IsZero() {
		res.Removed = true
		if o.ScheduleTag != 0 { // whom it concerns stands in its text
			full, ok, err := x.Object(x.row.ID, o.Name, true)
			if err != nil || !ok {
				return nil, err
			}
			o = full
		}
		return res, x.removeTelling(o, copyOnly)
	}
	cal, err := x.seen(x.place, &o)
	if calendar.KindOf(err) == calendar.Invalid {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	next, hit, err := x.editor.RemoveWithin(ctx, cal, win, x.s.opt.Limits.Instances)
	if err != nil || !hit {
		return nil, wrap(x.op, x.ref, err)
	}
	if next == nil {
		res.Removed = true
		return res, x.removeTelling(o, copyOnly)
	}
	obj, err := x.judge(next, nil)
	if err == nil {
		res.Object, err = x.save(obj, &o, copyOnly)
	}
	res.Err = err
	if fatal(res.Err) {
		return nil, res.Err
	}
	return res, nil
}
