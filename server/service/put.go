package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/object"
)

// PutObject stores a calendar object resource, or a file in a plain
// collection. The text is kept octet for octet. RFC 4791 §5.3.2.
func (s *Service) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	const op = "put object"
	id := req.Ref.Calendar
	if err := s.checkObjectName(op, req.Ref); err != nil {
		return calendar.PutResult{}, err
	}
	_, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return calendar.PutResult{}, err
	}
	if err := need(r.CanWrite(), r, op, id); err != nil {
		return calendar.PutResult{}, err
	}
	obj, err := object.Parse(op, s.rulesOf(c.meta), req.Data, req.ContentType)
	if err != nil {
		return calendar.PutResult{}, err
	}
	if req.Token != "" {
		ctx = calendar.WithToken(ctx, req.Token)
	}
	ctx = bind(ctx, who, req)
	var res calendar.PutResult
	err = s.once(ctx, op, id.Owner(), &res, func(w *writer) error {
		var err error
		res, err = s.put(w, who, op, req, obj)
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
func (s *Service) put(w *writer, who calendar.Actor, op string, req calendar.PutRequest, obj *object.Object) (calendar.PutResult, error) {
	id := req.Ref.Calendar
	row, ok, err := w.Calendar(id.Name())
	if err != nil {
		return calendar.PutResult{}, err
	}
	if !ok {
		return calendar.PutResult{}, calendar.Fail(calendar.NoCalendar, op, string(id))
	}
	r := s.rights(who, id.Owner(), strings.Fields(row.CoOwners), row.ACL)
	if !r.CanWrite() { // the list may have changed since the first look
		return calendar.PutResult{}, calendar.Fail(calendar.Denied, op, string(id))
	}
	name := req.Ref.Name
	if req.ByUID && obj.Uid != "" {
		if old, ok, err := w.ObjectByUID(row.ID, obj.Uid, false); err != nil {
			return calendar.PutResult{}, err
		} else if ok {
			name = old.Name
		}
	}
	old, exists, err := w.Object(row.ID, name, false)
	if err != nil {
		return calendar.PutResult{}, err
	}
	if !req.Precond.Check(&old, exists) {
		return calendar.PutResult{}, calendar.Fail(calendar.Stale, op, refOf(id, name))
	}
	if exists && s.masks(old.Private, r, who, &calMeta{coOwners: strings.Fields(row.CoOwners)}) {
		return calendar.PutResult{}, calendar.Failf(calendar.Denied, "", op, refOf(id, name), "a private object is changed by its owners only")
	}
	if row.Plain {
		if _, taken, err := w.Calendar(id.Name() + "/" + name); err != nil {
			return calendar.PutResult{}, err
		} else if taken {
			return calendar.PutResult{}, calendar.Failf(calendar.Exists, "", op, refOf(id, name), "a collection of that name exists")
		}
	}
	return s.write(w, op, row, name, obj, old, exists)
}

// write stores the parsed object under name in the calendar.
func (s *Service) write(w *writer, op string, row calendar.CalendarRow, name string, obj *object.Object, old calendar.ObjectRow, exists bool) (calendar.PutResult, error) {
	id := calendar.NewID(w.owner, row.Name)
	ref := refOf(id, name)
	if exists && old.UID != obj.Uid && !row.Plain {
		// The UID of a resource changes only by deleting it first: clients
		// would otherwise lose the old object without a tombstone of its UID.
		return calendar.PutResult{}, &calendar.Error{Kind: calendar.UIDConflict, Op: op, Ref: ref, Msg: "the object there has another UID"}
	}
	var files filing
	if old.Attached || len(obj.Attached) > 0 {
		var err error
		if files, err = w.filing(row.ID, name, obj); err != nil {
			return calendar.PutResult{}, err
		}
	}
	if limit := s.opt.Limits.HomeBytes; limit > 0 {
		grow := int64(len(obj.Data)) + files.grow - int64(old.Size)
		if home, _, err := w.Home(); err != nil {
			return calendar.PutResult{}, err
		} else if grow > 0 && home.Bytes+grow > limit {
			return calendar.PutResult{}, calendar.Failf(calendar.OverQuota, "", op, ref, "the home's quota of %d octets is used up", limit)
		}
	}
	n, err := w.stamp()
	if err != nil {
		return calendar.PutResult{}, err
	}
	o := calendar.ObjectRow{Cal: row.ID, Name: name, UID: obj.Uid, Component: obj.Component, Change: n,
		Created: w.now, Modified: w.now, Size: len(obj.Data), ContentType: obj.ContentType, Private: obj.Class,
		OccHash: obj.OccHash, Attached: files.kept, Data: obj.Data}
	if exists {
		o.Created = old.Created
	}
	if obj.Scheduled {
		o.ScheduleTag = n
	}
	if row.NoDoubles && !row.Plain && (!exists || old.OccHash != obj.OccHash) {
		if err := s.checkDoubles(w, op, row, name, obj); err != nil {
			return calendar.PutResult{}, err
		}
	}
	m := mutation{change: n, cal: row.ID, name: name, delta: int64(o.Size)}
	if exists {
		m.delta -= int64(old.Size)
	}
	put := w.PutObject
	if !exists || old.OccHash != obj.OccHash {
		if exists {
			if m.was, err = w.ObjectOccurrences(row.ID, name); err != nil {
				return calendar.PutResult{}, err
			}
		}
		for i := range obj.Occ {
			obj.Occ[i].Name = name
		}
		m.times, m.is = true, obj.Occ
		put = func(o calendar.ObjectRow) error { return w.PutIndexed(o, obj.Occ) }
	}
	if err := put(o); err != nil {
		if errors.Is(err, calendar.UIDConflict) {
			return calendar.PutResult{}, s.uidConflict(w, op, row, obj.Uid)
		}
		return calendar.PutResult{}, err
	}
	if err := w.file(row.ID, name, files); err != nil {
		return calendar.PutResult{}, err
	}
	if err := w.TouchCalendar(row.ID, n, w.now); err != nil {
		return calendar.PutResult{}, err
	}
	out := toObject(&o, id)
	if exists {
		if out.Props, err = w.Props(row.ID, name); err != nil {
			return calendar.PutResult{}, err
		}
	}
	m.obj = out
	w.note(m)
	return calendar.PutResult{Object: *out.Meta(), Created: !exists}, nil
}

// uidConflict names the object that has the UID. On PostgreSQL the failed
// statement may have ended the transaction; then the name is left out.
func (s *Service) uidConflict(w *writer, op string, row calendar.CalendarRow, uid string) error {
	e := &calendar.Error{Kind: calendar.UIDConflict, Op: op, Ref: string(calendar.NewID(w.owner, row.Name)), Msg: "another object of this calendar has the same UID"}
	if other, ok, err := w.ObjectByUID(row.ID, uid, false); err == nil && ok {
		e.Ref = refOf(calendar.NewID(w.owner, row.Name), other.Name)
	}
	return e
}

// PutObjects imports objects, each on its own: an item that is refused spoils
// no other. Text that is there already, octet for octet, is not written again.
func (s *Service) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	ctx = bind(ctx, who, req)
	const op = "import objects"
	id := req.Calendar
	_, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return nil, err
	}
	if err := need(r.CanWrite(), r, op, id); err != nil {
		return nil, err
	}
	if c.meta.row.Plain {
		return nil, calendar.Failf(calendar.Unsupported, "", op, string(id), "this collection is not a calendar")
	}
	out := make([]calendar.PutItemResult, len(req.Items))
	objs := make([]*object.Object, len(req.Items))
	for i, it := range req.Items {
		out[i].Name = it.Name
		obj, err := object.Parse(op, s.rulesOf(c.meta), it.Data, "")
		if err == nil && it.Name != "" {
			err = s.checkObjectName(op, calendar.Ref{Calendar: id, Name: it.Name})
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		objs[i], out[i].UID = obj, obj.Uid
	}
	for from := 0; from < len(objs); from += 100 {
		to := min(from+100, len(objs))
		var saved []savedPut
		err := s.once(ctx, fmt.Sprint(op, " ", from), id.Owner(), &saved, func(w *writer) error {
			row, ok, err := w.Calendar(id.Name())
			if err != nil {
				return err
			}
			if !ok {
				return calendar.Fail(calendar.NoCalendar, op, string(id))
			}
			for i := from; i < to; i++ {
				if objs[i] == nil {
					continue
				}
				res, err := s.putItem(w, who, op, row, req, req.Items[i].Name, objs[i])
				var e *calendar.Error
				if err != nil && !errors.As(err, &e) || e != nil && (e.Kind == calendar.Unavailable || e.Kind == calendar.Internal || e.Kind == calendar.OverQuota) {
					return err
				}
				res.UID, res.Err = objs[i].Uid, err
				out[i] = res
			}
			if calendar.Token(ctx) != "" {
				saved = savePuts(out[from:to])
			}
			return nil
		})
		if err == nil && saved != nil {
			restorePuts(saved, out[from:to])
		}
		if err != nil {
			for i := from; i < to; i++ {
				if objs[i] != nil {
					out[i] = calendar.PutItemResult{Name: req.Items[i].Name, UID: objs[i].Uid, Err: err}
				}
			}
			if k := calendar.KindOf(err); k == calendar.NoCalendar || k == calendar.Canceled || k == calendar.ReadOnly {
				return out, err
			}
		}
	}
	return out, nil
}

// putItem stores one item of an import. All that could make a statement fail
// is asked before, so that the transaction goes on with the next item.
func (s *Service) putItem(w *writer, who calendar.Actor, op string, row calendar.CalendarRow, req calendar.PutObjectsRequest, name string, obj *object.Object) (calendar.PutItemResult, error) {
	id := req.Calendar
	old, exists, err := w.ObjectByUID(row.ID, obj.Uid, true)
	if err != nil {
		return calendar.PutItemResult{}, err
	}
	m := &calMeta{coOwners: strings.Fields(row.CoOwners)}
	r := s.rights(who, id.Owner(), m.coOwners, row.ACL)
	switch {
	case exists && s.masks(old.Private, r, who, m):
		return calendar.PutItemResult{Name: name}, calendar.Failf(calendar.Denied, "", op, refOf(id, old.Name), "a private object is changed by its owners only")
	case exists && name != "" && name != old.Name:
		return calendar.PutItemResult{Name: name}, &calendar.Error{Kind: calendar.UIDConflict, Op: op, Ref: refOf(id, old.Name), Msg: "another object of this calendar has the same UID"}
	case exists:
		name = old.Name
		if bytes.Equal(old.Data, obj.Data) {
			return calendar.PutItemResult{Name: name, Unchanged: true}, nil
		}
		if !req.Replace {
			return calendar.PutItemResult{Name: name}, calendar.Failf(calendar.Exists, "", op, refOf(id, name), "the calendar has an object with this UID")
		}
	case name == "":
		if name, err = w.freeName(row.ID, obj.Uid); err != nil {
			return calendar.PutItemResult{}, err
		}
	default:
		if old, exists, err = w.Object(row.ID, name, false); err != nil {
			return calendar.PutItemResult{}, err
		}
		if exists && !req.Replace {
			return calendar.PutItemResult{Name: name}, calendar.Fail(calendar.Exists, op, refOf(id, name))
		}
	}
	res, err := s.write(w, op, row, name, obj, old, exists)
	return calendar.PutItemResult{Name: name, Created: res.Created}, err
}

// freeName makes a resource name from a UID.
func (w *writer) freeName(cal int64, uid string) (string, error) {
	base := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r == '@' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, uid)
	base = strings.TrimLeft(base, ".")
	if len(base) > 200 || base == "" {
		base = fmt.Sprintf("%.180s%016x", base, object.HashText(uid))
	}
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
	ctx = bind(ctx, who, req)
	const op = "delete object"
	id := req.Ref.Calendar
	_, _, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return err
	}
	if err := need(r.CanDelete(), r, op, id); err != nil {
		return err
	}
	return s.update(ctx, op, id.Owner(), func(w *writer) error {
		row, ok, err := w.Calendar(id.Name())
		if err != nil {
			return err
		}
		if !ok {
			return calendar.Fail(calendar.NoCalendar, op, string(id))
		}
		old, exists, err := w.Object(row.ID, req.Ref.Name, false)
		if err != nil {
			return err
		}
		if !exists {
			if len(req.Precond.IfMatch) > 0 {
				return calendar.Fail(calendar.Stale, op, req.Ref.String())
			}
			return calendar.Fail(calendar.NotFound, op, req.Ref.String())
		}
		if !req.Precond.Check(&old, true) {
			return calendar.Fail(calendar.Stale, op, req.Ref.String())
		}
		if s.masks(old.Private, r, who, &calMeta{coOwners: strings.Fields(row.CoOwners)}) {
			return calendar.Failf(calendar.Denied, "", op, req.Ref.String(), "a private object is deleted by its owners only")
		}
		return w.remove(row, old)
	})
}

// remove deletes an object, its occurrences and its dead properties.
func (w *writer) remove(row calendar.CalendarRow, old calendar.ObjectRow) error {
	n, err := w.stamp()
	if err != nil {
		return err
	}
	m := mutation{change: n, cal: row.ID, name: old.Name, times: true, delta: -int64(old.Size)}
	if m.was, err = w.ObjectOccurrences(row.ID, old.Name); err != nil {
		return err
	}
	m.was = slices.Clone(m.was)
	if err := w.DeleteObject(row.ID, old.Name, n, w.now); err != nil {
		return err
	}
	if old.Attached {
		files, err := w.filing(row.ID, old.Name, &object.Object{})
		if err != nil {
			return err
		}
		if err := w.file(row.ID, old.Name, files); err != nil {
			return err
		}
	}
	m.gone = calendar.Tombstone{Calendar: calendar.NewID(w.owner, row.Name), Name: old.Name, UID: old.UID, Component: old.Component, Change: n, Deleted: w.now}
	w.note(m)
	return w.TouchCalendar(row.ID, n, w.now)
}
