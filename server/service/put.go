package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/match"
	"factotum/server/object"
)

// PutObject stores a calendar object resource, or a file in a plain
// collection. The text is kept octet for octet. RFC 4791 §5.3.2.
func (s *Service) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	const op = "put object"
	if req.Token != "" {
		ctx = calendar.WithToken(ctx, req.Token)
	}
	rest := req
	rest.Data = nil
	ctx = bind(ctx, who, rest, req.Data)
	res, err := s.putObject(ctx, who, op, req)
	err = s.unlessDone(ctx, op, req.Ref.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) putObject(ctx context.Context, who calendar.Actor, op string, req calendar.PutRequest) (res calendar.PutResult, err error) {
	id := req.Ref.Calendar
	if err := s.checkObjectName(op, req.Ref); err != nil {
		return res, err
	}
	m, _, err := s.look(ctx, who, op, id, toWrite)
	if err != nil {
		return res, err
	}
	obj, err := object.Parse(s.rulesOf(ctx, m), req.Data, req.ContentType)
	if err != nil {
		return res, wrap(op, string(id), err)
	}
	ctx = calendar.WithNeed(ctx, calendar.Need{Calendar: id, Row: m.Row.ID, Names: []string{req.Ref.Name}, UIDs: []string{obj.UID},
		ByUID: req.ByUID, Token: onceKey(ctx, op)})
	if obj.Scheduled {
		me, err := s.ownerEntry(ctx, op, id.Owner())
		if err != nil {
			return res, err
		}
		ctx = withPerson(ctx, me)
	}
	err = s.write(ctx, who, op, id.Owner(), &res, func(w *writer) (err error) {
		res, err = w.put(req, obj)
		return err
	})
	return res, err
}

func (s *Service) checkObjectName(op string, ref calendar.Ref) error {
	if err := calendar.CheckName(ref.Name); err != nil {
		return calendar.Failf(calendar.Invalid, "", op, ref.String(), "%v", err)
	}
	if strings.ContainsRune(ref.Name, '/') {
		return calendar.Failf(calendar.Denied, "", op, ref.String(), "a calendar holds no collections")
	}
	return nil
}

// put decides and writes, inside the transaction.
func (w *writer) put(req calendar.PutRequest, obj *object.Resource) (calendar.PutResult, error) {
	p, err := w.enter(req.Ref.Calendar, toWrite)
	if err != nil {
		return calendar.PutResult{}, err
	}
	name := req.Ref.Name
	if req.ByUID && obj.UID != "" {
		if old, ok, err := w.ObjectByUID(p.row.ID, obj.UID, false); err != nil {
			return calendar.PutResult{}, err
		} else if ok {
			name = old.Name
		}
	}
	ref := refOf(p.id, name)
	old, err := w.object(p, name)
	if err != nil {
		return calendar.PutResult{}, err
	}
	if !holds(&req.Precond, old) {
		return calendar.PutResult{}, calendar.Fail(calendar.Stale, w.op, ref)
	}
	if old != nil && p.hides(old) {
		return calendar.PutResult{}, calendar.Failf(calendar.Denied, "", w.op, ref, "a private object is changed by its owners only")
	}
	if p.row.Kind.Rules().Nests {
		if _, taken, err := w.Calendar(p.id.Name() + "/" + name); err != nil {
			return calendar.PutResult{}, err
		} else if taken {
			return calendar.PutResult{}, calendar.Failf(calendar.Exists, "", w.op, ref, "a collection of that name exists")
		}
	}
	next, how, err := w.compose(p, name, obj, old, telling{stale: req.Precond.IfScheduleTag != "" || len(req.Precond.IfMatch) == 0, silent: req.NoReply})
	if err != nil {
		return calendar.PutResult{}, err
	}
	o, err := w.store(p, name, next, old, how)
	return calendar.PutResult{Object: o, Created: err == nil && old == nil, Altered: err == nil && next != obj}, err
}

// object returns what is stored under a name, with its text, or nil.
func (w *writer) object(p *place, name string) (*calendar.ObjectRow, error) {
	row, ok, err := w.Object(p.row.ID, name, true)
	if err != nil || !ok {
		return nil, err
	}
	return &row, nil
}

// holds tests the conditions of a write on what is there, nil for nothing.
func holds(p *calendar.Precond, old *calendar.ObjectRow) bool {
	if old == nil {
		return p.Check(&calendar.ObjectRow{}, false)
	}
	return p.Check(old, true)
}

// PutObjects imports objects, each on its own: an item that is refused spoils
// no other. Text that is there already, octet for octet, is not written again.
func (s *Service) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	parts := []any{req.Calendar, req.Replace, req.Within}
	for i := range req.Items {
		parts = append(parts, req.Items[i].Name, req.Items[i].Data)
	}
	ctx = bind(ctx, who, parts...)
	const op = "import objects"
	id := req.Calendar
	m, _, err := s.look(ctx, who, op, id, toWrite)
	if err != nil {
		if out, done := s.importDone(ctx, op, id.Owner(), len(req.Items)); done {
			return out, nil
		}
		return nil, err
	}
	if !m.Row.Kind.Rules().Objects {
		return nil, calendar.Failf(calendar.Unsupported, "", op, string(id), "this collection is not a calendar")
	}
	out := make([]calendar.PutItemResult, len(req.Items))
	objs := make([]*object.Resource, len(req.Items))
	float := s.floatingOf(nil, m)
	for i, it := range req.Items {
		out[i].Name = it.Name
		obj, err := object.Parse(s.rulesOf(ctx, m), it.Data, "")
		err = wrap(op, string(id), err)
		if err == nil && it.Name != "" {
			err = s.checkObjectName(op, calendar.Ref{Calendar: id, Name: it.Name})
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		if out[i].UID = obj.UID; req.Within != nil && !match.MaySpan(it.Data, *req.Within, float) {
			out[i].Outside = true
			continue
		}
		objs[i] = obj
	}
	for from := 0; from < len(objs); from += importStep {
		to := min(from+importStep, len(objs))
		var saved []savedPut
		need := calendar.Need{Calendar: id, Row: m.Row.ID, ByUID: true, Token: onceKey(ctx, importOp(op, from))}
		for i := from; i < to; i++ {
			if objs[i] != nil {
				need.UIDs = append(need.UIDs, objs[i].UID)
				need.Names = append(need.Names, cmp.Or(req.Items[i].Name, object.NameFor(objs[i].UID)+".ics"))
			}
		}
		done, err := s.writeOnce(calendar.WithNeed(ctx, need), who, importOp(op, from), id.Owner(), &saved, func(w *writer) error {
			w.op = op
			p, err := w.enter(id, toWrite)
			if err != nil {
				return err
			}
			for i := from; i < to; i++ {
				if objs[i] == nil {
					continue
				}
				res, err := w.putItem(p, req, req.Items[i].Name, objs[i])
				var e *calendar.Error
				if err != nil && !errors.As(err, &e) || e != nil && (e.Kind == calendar.Unavailable || e.Kind == calendar.Internal || e.Kind == calendar.OverQuota) {
					return err
				}
				res.UID, res.Err = objs[i].UID, err
				out[i] = res
			}
			if calendar.Token(ctx) != "" {
				saved = savePuts(out[from:to])
			}
			return nil
		})
		if err == nil && done {
			restorePuts(saved, out[from:to])
		}
		if err != nil {
			for i := from; i < to; i++ {
				if objs[i] != nil {
					out[i] = calendar.PutItemResult{Name: req.Items[i].Name, UID: objs[i].UID, Err: err}
				}
			}
			if k := calendar.KindOf(err); k == calendar.NoCalendar || k == calendar.Canceled || k == calendar.ReadOnly || calendar.ReasonOf(err) == calendar.DiskFull {
				return out, err
			}
		}
	}
	return out, nil
}

// importStep is how many items of an import share a transaction.
const importStep = 100

// importOp is the op of a step of an import, which has an outcome of its own.
func importOp(op string, from int) string { return fmt.Sprint(op, " ", from) }

// importDone finds the outcome of an import that was done, all of it, under the
// request token.
func (s *Service) importDone(ctx context.Context, op string, owner calendar.Owner, items int) ([]calendar.PutItemResult, bool) {
	if calendar.Token(ctx) == "" || items == 0 {
		return nil, false
	}
	out := make([]calendar.PutItemResult, items)
	all := true
	err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		all = true
		for from := 0; from < items && all; from += importStep {
			var saved []savedPut
			done, err := recall(tx, onceKey(ctx, importOp(op, from)), &saved)
			if err != nil {
				return err
			}
			if all = done && len(saved) == min(importStep, items-from); all {
				restorePuts(saved, out[from:])
			}
		}
		return nil
	})
	return out, err == nil && all
}

// putItem stores one item of an import. All that could make a statement fail
// is asked before, so that the transaction goes on with the next item.
func (w *writer) putItem(p *place, req calendar.PutObjectsRequest, name string, obj *object.Resource) (calendar.PutItemResult, error) {
	refuse := func(k calendar.Kind, name, msg string) (calendar.PutItemResult, error) {
		return calendar.PutItemResult{Name: name}, &calendar.Error{Kind: k, Op: w.op, Ref: refOf(p.id, name), Msg: msg}
	}
	var old *calendar.ObjectRow
	row, exists, err := w.ObjectByUID(p.row.ID, obj.UID, true)
	if err != nil {
		return calendar.PutItemResult{}, err
	}
	switch {
	case exists && p.hides(&row):
		res, err := refuse(calendar.Denied, row.Name, "a private object is changed by its owners only")
		res.Name = name
		return res, err
	case exists && name != "" && name != row.Name:
		res, err := refuse(calendar.UIDConflict, row.Name, "another object of this calendar has the same UID")
		res.Name = name
		return res, err
	case exists:
		name, old = row.Name, &row
		if !p.apart && bytes.Equal(row.Data, obj.Data) {
			return calendar.PutItemResult{Name: name, Unchanged: true}, nil
		}
		if !req.Replace {
			return refuse(calendar.Exists, name, "the calendar has an object with this UID")
		}
	case name == "":
		if name, err = w.freeName(p.row.ID, obj.UID); err != nil {
			return calendar.PutItemResult{}, err
		}
	default:
		if old, err = w.object(p, name); err != nil {
			return calendar.PutItemResult{}, err
		}
		if old != nil && !req.Replace {
			return refuse(calendar.Exists, name, "")
		}
	}
	if exceptionsOf(obj.Calendar) > w.s.opt.Limits.Exceptions {
		before, _ := textOf(old) // what cannot be read is replaced
		if err := w.s.roomFor(before, obj.Calendar); err != nil {
			return calendar.PutItemResult{Name: name}, wrap(w.op, refOf(p.id, name), err)
		}
	}
	obj, how, err := w.fold(p, name, obj, old)
	if err == nil {
		_, err = w.store(p, name, obj, old, how)
	}
	return calendar.PutItemResult{Name: name, Created: err == nil && old == nil}, err
}

// freeName makes a resource name from a UID.
func (w *writer) freeName(cal int64, uid string) (string, error) {
	base := object.NameFor(uid)
	name := base + ".ics"
	for i := 2; ; i++ {
		_, taken, err := w.Object(cal, name, false)
		if err != nil || !taken {
			return name, err
		}
		name = fmt.Sprintf("%s-%d.ics", base, i)
	}
}

// DeleteObject removes one object and leaves a tombstone.
func (s *Service) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	if req.MovedTo != nil {
		return s.moveOut(ctx, who, req)
	}
	ctx = bind(ctx, who, req)
	const op = "delete object"
	id := req.Ref.Calendar
	m, _, err := s.look(ctx, who, op, id, toDelete)
	if err == nil {
		ctx := calendar.WithNeed(ctx, calendar.Need{Calendar: id, Row: m.Row.ID, Names: []string{req.Ref.Name}, Token: onceKey(ctx, op)})
		err = s.write(ctx, who, op, id.Owner(), nil, func(w *writer) error { return w.delete(req) })
	}
	return s.unlessDone(ctx, op, id.Owner(), nil, err)
}

// delete decides and deletes, inside the transaction.
func (w *writer) delete(req calendar.DeleteRequest) error {
	p, err := w.enter(req.Ref.Calendar, toDelete)
	if err != nil {
		return err
	}
	old, err := w.object(p, req.Ref.Name)
	switch {
	case err != nil:
		return err
	case old == nil && len(req.Precond.IfMatch) > 0:
		return calendar.Fail(calendar.Stale, w.op, req.Ref.String())
	case old == nil:
		return calendar.Fail(calendar.NotFound, w.op, req.Ref.String())
	case !req.Precond.Check(old, true):
		return calendar.Fail(calendar.Stale, w.op, req.Ref.String())
	case p.hides(old):
		return calendar.Failf(calendar.Denied, "", w.op, req.Ref.String(), "a private object is deleted by its owners only")
	}
	if p.row.Kind == calendar.InboxCollection {
		if err := w.letGo(admission.Rejected, *old); err != nil {
			return err
		}
	}
	if req.MovedTo != nil { // it is there still, and nobody has to be told
		return w.remove(p, *old, &req.MovedTo.To)
	}
	post, err := w.farewell(p, old, telling{silent: req.NoReply})
	if err != nil {
		return err
	}
	jobs, err := posts(post)
	if err != nil {
		return err
	}
	return w.remove(p, *old, nil, jobs...)
}
