package calendar

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/ical"
	"factotum/server/recur"
)

// EditObject changes components by UID. Items of one UID that follow one
// another are one write, so that ten deleted instances are one new ETag.
func (s *Service) EditObject(ctx context.Context, who Actor, req EditRequest) (EditResult, error) {
	ctx = bind(ctx, who, req)
	const op = "edit object"
	id := req.Calendar
	h, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return EditResult{}, err
	}
	deletes := req.Within != nil || len(req.Items) > 0 && !slices.ContainsFunc(req.Items, func(it EditItem) bool { return it.Mode != EditDelete })
	allowed := r.CanWrite()
	if deletes {
		allowed = r.CanDelete()
	}
	if err := need(allowed, r, op, id); err != nil {
		return EditResult{}, err
	}
	if c.meta.row.Plain {
		return EditResult{}, failMsg(Unsupported, "", op, string(id), "this collection is not a calendar")
	}
	if len(req.Items) > s.opt.Limits.Refs {
		return EditResult{}, failMsg(TooMany, "", op, string(id), "at most %d components in one request", s.opt.Limits.Refs)
	}
	if req.Component == "" && !deletes {
		return EditResult{}, failMsg(Invalid, "", op, string(id), "what is stored must be said: VEVENT or VTODO")
	}
	p, err := s.person(ctx, op, id.Owner())
	if err != nil && KindOf(err) != NoCalendar { // who left the directory still has a calendar
		return EditResult{}, err
	}
	e := editor{op: op, ref: string(id), kind: req.Component, bound: req.Bound, float: s.floating(nil, c.meta), owner: p,
		resource: p.Kind == Resource || p.Kind == Room}
	files, err := s.newAttachments(op, id, req.Items)
	if err != nil {
		return EditResult{}, err
	}
	var items []EditItemResult
	var saved []savedEdit
	err = s.once(ctx, op, id.Owner(), &saved, func(w *writer) error {
		row, ok, err := w.Calendar(id.Name())
		if err != nil {
			return err
		}
		if !ok {
			return fail(NoCalendar, op, string(id))
		}
		x := &edit{s: s, w: w, who: who, meta: c.meta, row: row, req: &req, editor: e, files: files}
		x.now = w.now
		x.rights = s.rights(who, id.Owner(), strings.Fields(row.CoOwners), row.ACL)
		if req.Within != nil {
			items, err = x.within(ctx)
		} else {
			items, err = x.items()
		}
		if Token(ctx) != "" {
			saved = saveEdit(items)
		}
		return err
	})
	if err == nil && items == nil && saved != nil { // done before
		err = s.store.View(ctx, id.Owner(), func(tx Tx) (err error) {
			items, err = restoreEdit(tx, c.meta.row, id, saved, req.Return)
			return err
		})
	}
	if err != nil {
		return EditResult{}, wrap(op, string(id), err)
	}
	res := EditResult{Items: items}
	if req.Return || req.Within != nil {
		res.Calendar = h.describe(c, r)
	}
	return res, nil
}

// edit is an EditObject inside its transaction.
type edit struct {
	editor
	s      *Service
	w      *writer
	who    Actor
	meta   *calMeta
	row    CalendarRow
	rights Rights
	req    *EditRequest
	files  [][]AttachmentRow // for each item
}

// fatal are the failures that end the transaction rather than one item.
func fatal(err error) bool {
	var e *Error
	return err != nil && (!errors.As(err, &e) || e.Kind == Unavailable || e.Kind == Internal || e.Kind == Canceled)
}

func (x *edit) items() ([]EditItemResult, error) {
	out := make([]EditItemResult, len(x.req.Items))
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
func (x *edit) one(items []EditItem, files [][]AttachmentRow, out []EditItemResult) error {
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
	var old ObjectRow
	exists := false
	if uid == "" {
		uid = newUID()
		out[0].UID = uid
	} else if len(items) > 1 || items[0].Mode != EditCreate || len(files[0]) > 0 { // else the store tells whether the UID is free
		var err error
		if old, exists, err = x.w.ObjectByUID(x.row.ID, uid, true); err != nil {
			return err
		}
	}
	x.ref = refString(Ref{NewID(x.w.owner, x.row.Name), uid})
	if exists && x.s.masks(old.Private, x.rights, x.who, &calMeta{coOwners: strings.Fields(x.row.CoOwners)}) {
		return all(failMsg(Denied, OwnerNeeded, x.op, x.ref, "a private object is changed by its owners only"))
	}
	var cal *ical.Component
	if exists {
		var err error
		if cal, err = ical.Parse(old.Data, ical.Limits{}); err != nil {
			return all(&Error{Kind: Invalid, Op: x.op, Ref: x.ref, Msg: "the stored text cannot be read", Err: err})
		}
	}
	cur, dirty := cal, false
	var added []AttachmentRow
	for i := range items {
		it := &items[i]
		next, err := x.step(cur, uid, it, &out[i])
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
		cur, dirty = next, true
	}
	if !dirty {
		return nil
	}
	if cur == nil {
		if err := x.w.remove(x.row, old); err != nil {
			return all(err)
		}
		return nil
	}
	res, err := x.save(cur, old, exists, uid, added)
	if errors.Is(err, UIDConflict) && !exists {
		err = failMsg(Exists, "", x.op, x.ref, "the component exists")
	}
	if err != nil {
		return all(err)
	}
	for _, cal := range x.rest {
		// The other part of a series: without it the call leaves nothing done.
		if _, err := x.save(cal, ObjectRow{}, false, components(cal)[0].Text("UID"), added); err != nil {
			return err
		}
	}
	x.rest = nil
	for i := range out {
		if out[i].Err == nil {
			out[i].Object, out[i].Removed = res, false
		}
	}
	return nil
}

// step makes the next text of an object.
func (x *edit) step(cur *ical.Component, uid string, it *EditItem, out *EditItemResult) (*ical.Component, error) {
	switch {
	case it.Mode == EditDelete:
		if cur == nil {
			return nil, failMsg(NotFound, "", x.op, x.ref, "there is no such component")
		}
		if !x.rights.CanDelete() {
			return nil, fail(Denied, x.op, x.ref)
		}
		return x.remove(cur, it)
	case !x.rights.CanWrite():
		return nil, fail(Denied, x.op, x.ref)
	case it.Mode == EditCreate && cur != nil:
		return nil, failMsg(Exists, "", x.op, x.ref, "the component exists")
	case it.Mode == EditModify && cur == nil:
		return nil, failMsg(NotFound, "", x.op, x.ref, "there is no such component")
	}
	if len(it.Detach) > 0 && cur != nil {
		one := *it
		one.Patch.Props = append(slices.Clone(it.Patch.Props), PropEdit{Name: "ATTACH", Append: true, Remove: it.Detach})
		known := attachmentsOf(cur, x.w.owner)
		for _, id := range it.Detach {
			if slices.Contains(known, id) {
				out.Detached++
			}
		}
		it = &one
	}
	next, err := x.store(cur, uid, it)
	if err != nil {
		out.Detached = 0
		return nil, err
	}
	if it.Scope == WholeSeries {
		detach(next, it.Detach)
	}
	return next, nil
}

// save writes an object that an edit made.
func (x *edit) save(cal *ical.Component, old ObjectRow, exists bool, uid string, added []AttachmentRow) (*Object, error) {
	data := cal.Bytes()
	if len(data) > x.s.opt.Limits.ObjectSize {
		return nil, failMsg(TooLarge, MaxResourceSize, x.op, x.ref, "the object is larger than %d octets", x.s.opt.Limits.ObjectSize)
	}
	obj, err := x.s.judge(x.op, x.meta, cal, data)
	if err != nil {
		return nil, err
	}
	if limit := x.s.opt.Limits.Attachments; len(added) > 0 && len(obj.attached) > limit {
		return nil, failMsg(TooLarge, "", x.op, x.ref, "more than %d attachments", limit)
	}
	name := old.Name
	if !exists {
		if name, err = x.w.freeName(x.row.ID, uid); err != nil {
			return nil, err
		}
	}
	obj.files = added
	// The object was found by its UID; the row by its name tells the store what it replaces.
	if exists {
		if old, exists, err = x.w.Object(x.row.ID, name, false); err != nil {
			return nil, err
		}
	}
	res, err := x.s.write(x.w, x.op, x.row, name, obj, old, exists)
	if err != nil {
		return nil, err
	}
	o := res.Object
	if x.req.Return {
		o.Data = data
	}
	return &o, nil
}

// within deletes what lies completely in a window. WCAP §9.4.
func (x *edit) within(ctx context.Context) ([]EditItemResult, error) {
	var names []string
	win := *x.req.Within
	err := x.w.Objects(x.row.ID, "", false, func(o *ObjectRow) error {
		if x.kind == "" && o.Component != "VJOURNAL" || o.Component == x.kind {
			names = append(names, o.Name)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	var out []EditItemResult
	for _, name := range names {
		o, ok, err := x.w.Object(x.row.ID, name, !win.From.IsZero() || !win.To.IsZero())
		if err != nil {
			return nil, err
		}
		if !ok || x.s.masks(o.Private, x.rights, x.who, &calMeta{coOwners: strings.Fields(x.row.CoOwners)}) {
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

func (x *edit) withinOne(ctx context.Context, o ObjectRow, win Window) (*EditItemResult, error) {
	x.ref = refString(Ref{NewID(x.w.owner, x.row.Name), o.UID})
	res := &EditItemResult{UID: o.UID}
	if win.From.IsZero() && win.To.IsZero() {
		res.Removed = true
		return res, x.w.remove(x.row, o)
	}
	cal, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil, nil
	}
	ser, err := x.open(cal)
	if err != nil {
		return nil, nil
	}
	var gone []recur.Instance
	for in, err := range ser.set.Between(ctx, win.From, win.To, x.float, recur.Budget{MaxInstances: x.s.opt.Limits.Instances, MaxSteps: 100_000}) {
		if errors.Is(err, recur.ErrBudget) {
			break
		}
		if err != nil {
			return nil, err
		}
		if in.Start.IsZero() && in.End.IsZero() || in.Start.Before(win.From) || !win.To.IsZero() && in.End.After(win.To) {
			continue
		}
		gone = append(gone, in)
	}
	if len(gone) == 0 {
		return nil, nil
	}
	var next *ical.Component
	if ser.recurs() {
		if ser, err = x.open(cal.Clone()); err != nil {
			return nil, nil
		}
		if next, err = x.without(ser, gone); err != nil {
			return nil, err
		}
	}
	if next == nil {
		res.Removed = true
		return res, x.w.remove(x.row, o)
	}
	res.Object, res.Err = x.save(next, o, true, o.UID, nil)
	if fatal(res.Err) {
		return nil, res.Err
	}
	return res, nil
}

// newUID makes a UID as Sun's server did: hexadecimal digits.
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}
