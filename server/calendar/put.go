package calendar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PutObject stores a calendar object resource, or a file in a plain
// collection. The text is kept octet for octet. RFC 4791 §5.3.2.
func (s *Service) PutObject(ctx context.Context, who Actor, req PutRequest) (PutResult, error) {
	const op = "put object"
	id := req.Ref.Calendar
	if err := s.checkObjectName(op, req.Ref); err != nil {
		return PutResult{}, err
	}
	_, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return PutResult{}, err
	}
	if err := need(r.CanWrite(), r, op, id); err != nil {
		return PutResult{}, err
	}
	obj, err := s.parse(op, c.meta, req.Data, req.ContentType)
	if err != nil {
		return PutResult{}, err
	}
	if req.Token != "" {
		ctx = WithToken(ctx, req.Token)
	}
	ctx = bind(ctx, who, req)
	var res PutResult
	err = s.once(ctx, op, id.Owner(), &res, func(w *writer) error {
		var err error
		res, err = s.put(w, who, op, req, obj)
		return err
	})
	return res, err
}

func (s *Service) checkObjectName(op string, ref Ref) error {
	if err := CheckName(ref.Name); err != nil {
		return failMsg(Invalid, "", op, refString(ref), "%v", err)
	}
	if strings.ContainsRune(ref.Name, '/') {
		return failMsg(Denied, "", op, refString(ref), "a calendar holds no collections")
	}
	return nil
}

// put decides and writes, inside the transaction.
func (s *Service) put(w *writer, who Actor, op string, req PutRequest, obj *parsed) (PutResult, error) {
	id := req.Ref.Calendar
	row, ok, err := w.Calendar(id.Name())
	if err != nil {
		return PutResult{}, err
	}
	if !ok {
		return PutResult{}, fail(NoCalendar, op, string(id))
	}
	r := s.rights(who, id.Owner(), strings.Fields(row.CoOwners), row.ACL)
	if !r.CanWrite() { // the list may have changed since the first look
		return PutResult{}, fail(Denied, op, string(id))
	}
	name := req.Ref.Name
	if req.ByUID && obj.uid != "" {
		if old, ok, err := w.ObjectByUID(row.ID, obj.uid, false); err != nil {
			return PutResult{}, err
		} else if ok {
			name = old.Name
		}
	}
	old, exists, err := w.Object(row.ID, name, false)
	if err != nil {
		return PutResult{}, err
	}
	if !req.Precond.check(&old, exists) {
		return PutResult{}, fail(Stale, op, refString(Ref{id, name}))
	}
	if exists && s.masks(old.Private, r, who, &calMeta{coOwners: strings.Fields(row.CoOwners)}) {
		return PutResult{}, failMsg(Denied, "", op, refString(Ref{id, name}), "a private object is changed by its owners only")
	}
	if row.Plain {
		if _, taken, err := w.Calendar(id.Name() + "/" + name); err != nil {
			return PutResult{}, err
		} else if taken {
			return PutResult{}, failMsg(Exists, "", op, refString(Ref{id, name}), "a collection of that name exists")
		}
	}
	return s.write(w, op, row, name, obj, old, exists)
}

// write stores the parsed object under name in the calendar.
func (s *Service) write(w *writer, op string, row CalendarRow, name string, obj *parsed, old ObjectRow, exists bool) (PutResult, error) {
	id := NewID(w.owner, row.Name)
	ref := refString(Ref{id, name})
	if exists && old.UID != obj.uid && !row.Plain {
		// The UID of a resource changes only by deleting it first: clients
		// would otherwise lose the old object without a tombstone of its UID.
		return PutResult{}, &Error{Kind: UIDConflict, Op: op, Ref: ref, Msg: "the object there has another UID"}
	}
	var files filing
	if old.Attached || len(obj.attached) > 0 {
		var err error
		if files, err = w.filing(row.ID, name, obj); err != nil {
			return PutResult{}, err
		}
	}
	if limit := s.opt.Limits.HomeBytes; limit > 0 {
		grow := int64(len(obj.data)) + files.grow - int64(old.Size)
		if home, _, err := w.Home(); err != nil {
			return PutResult{}, err
		} else if grow > 0 && home.Bytes+grow > limit {
			return PutResult{}, failMsg(OverQuota, "", op, ref, "the home's quota of %d octets is used up", limit)
		}
	}
	n, err := w.stamp()
	if err != nil {
		return PutResult{}, err
	}
	o := ObjectRow{Cal: row.ID, Name: name, UID: obj.uid, Component: obj.component, Change: n,
		Created: w.now, Modified: w.now, Size: len(obj.data), ContentType: obj.contentType, Private: obj.class,
		OccHash: obj.occHash, Attached: files.kept, Data: obj.data}
	if exists {
		o.Created = old.Created
	}
	if obj.scheduled {
		o.ScheduleTag = n
	}
	if row.NoDoubles && !row.Plain && (!exists || old.OccHash != obj.occHash) {
		if err := s.checkDoubles(w, op, row, name, obj); err != nil {
			return PutResult{}, err
		}
	}
	m := mutation{change: n, cal: row.ID, name: name, delta: int64(o.Size)}
	if exists {
		m.delta -= int64(old.Size)
	}
	put := w.PutObject
	if !exists || old.OccHash != obj.occHash {
		if exists {
			if m.was, err = w.ObjectOccurrences(row.ID, name); err != nil {
				return PutResult{}, err
			}
		}
		for i := range obj.occ {
			obj.occ[i].Name = name
		}
		m.times, m.is = true, obj.occ
		put = func(o ObjectRow) error { return w.PutIndexed(o, obj.occ) }
	}
	if err := put(o); err != nil {
		if errors.Is(err, UIDConflict) {
			return PutResult{}, s.uidConflict(w, op, row, obj.uid)
		}
		return PutResult{}, err
	}
	if err := w.file(row.ID, name, files); err != nil {
		return PutResult{}, err
	}
	if err := w.TouchCalendar(row.ID, n, w.now); err != nil {
		return PutResult{}, err
	}
	out := o.toObject(id)
	if exists {
		if out.Props, err = w.Props(row.ID, name); err != nil {
			return PutResult{}, err
		}
	}
	m.obj = out
	w.note(m)
	return PutResult{Object: *out.meta(), Created: !exists}, nil
}

// uidConflict names the object that has the UID. On PostgreSQL the failed
// statement may have ended the transaction; then the name is left out.
func (s *Service) uidConflict(w *writer, op string, row CalendarRow, uid string) error {
	e := &Error{Kind: UIDConflict, Op: op, Ref: string(NewID(w.owner, row.Name)), Msg: "another object of this calendar has the same UID"}
	if other, ok, err := w.ObjectByUID(row.ID, uid, false); err == nil && ok {
		e.Ref = refString(Ref{NewID(w.owner, row.Name), other.Name})
	}
	return e
}

// PutObjects imports objects, each on its own: an item that is refused spoils
// no other. Text that is there already, octet for octet, is not written again.
func (s *Service) PutObjects(ctx context.Context, who Actor, req PutObjectsRequest) ([]PutItemResult, error) {
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
		return nil, failMsg(Unsupported, "", op, string(id), "this collection is not a calendar")
	}
	out := make([]PutItemResult, len(req.Items))
	objs := make([]*parsed, len(req.Items))
	for i, it := range req.Items {
		out[i].Name = it.Name
		obj, err := s.parse(op, c.meta, it.Data, "")
		if err == nil && it.Name != "" {
			err = s.checkObjectName(op, Ref{id, it.Name})
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		objs[i], out[i].UID = obj, obj.uid
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
				return fail(NoCalendar, op, string(id))
			}
			for i := from; i < to; i++ {
				if objs[i] == nil {
					continue
				}
				res, err := s.putItem(w, who, op, row, req, req.Items[i].Name, objs[i])
				var e *Error
				if err != nil && !errors.As(err, &e) || e != nil && (e.Kind == Unavailable || e.Kind == Internal || e.Kind == OverQuota) {
					return err
				}
				res.UID, res.Err = objs[i].uid, err
				out[i] = res
			}
			if Token(ctx) != "" {
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
					out[i] = PutItemResult{Name: req.Items[i].Name, UID: objs[i].uid, Err: err}
				}
			}
			if k := KindOf(err); k == NoCalendar || k == Canceled || k == ReadOnly {
				return out, err
			}
		}
	}
	return out, nil
}

// putItem stores one item of an import. All that could make a statement fail
// is asked before, so that the transaction goes on with the next item.
func (s *Service) putItem(w *writer, who Actor, op string, row CalendarRow, req PutObjectsRequest, name string, obj *parsed) (PutItemResult, error) {
	id := req.Calendar
	old, exists, err := w.ObjectByUID(row.ID, obj.uid, true)
	if err != nil {
		return PutItemResult{}, err
	}
	m := &calMeta{coOwners: strings.Fields(row.CoOwners)}
	r := s.rights(who, id.Owner(), m.coOwners, row.ACL)
	switch {
	case exists && s.masks(old.Private, r, who, m):
		return PutItemResult{Name: name}, failMsg(Denied, "", op, refString(Ref{id, old.Name}), "a private object is changed by its owners only")
	case exists && name != "" && name != old.Name:
		return PutItemResult{Name: name}, &Error{Kind: UIDConflict, Op: op, Ref: refString(Ref{id, old.Name}), Msg: "another object of this calendar has the same UID"}
	case exists:
		name = old.Name
		if bytes.Equal(old.Data, obj.data) {
			return PutItemResult{Name: name, Unchanged: true}, nil
		}
		if !req.Replace {
			return PutItemResult{Name: name}, failMsg(Exists, "", op, refString(Ref{id, name}), "the calendar has an object with this UID")
		}
	case name == "":
		if name, err = w.freeName(row.ID, obj.uid); err != nil {
			return PutItemResult{}, err
		}
	default:
		if old, exists, err = w.Object(row.ID, name, false); err != nil {
			return PutItemResult{}, err
		}
		if exists && !req.Replace {
			return PutItemResult{Name: name}, fail(Exists, op, refString(Ref{id, name}))
		}
	}
	res, err := s.write(w, op, row, name, obj, old, exists)
	return PutItemResult{Name: name, Created: res.Created}, err
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
		base = fmt.Sprintf("%.180s%016x", base, hashText(uid))
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
func (s *Service) DeleteObject(ctx context.Context, who Actor, req DeleteRequest) error {
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
			return fail(NoCalendar, op, string(id))
		}
		old, exists, err := w.Object(row.ID, req.Ref.Name, false)
		if err != nil {
			return err
		}
		if !exists {
			if len(req.Precond.IfMatch) > 0 {
				return fail(Stale, op, refString(req.Ref))
			}
			return fail(NotFound, op, refString(req.Ref))
		}
		if !req.Precond.check(&old, true) {
			return fail(Stale, op, refString(req.Ref))
		}
		if s.masks(old.Private, r, who, &calMeta{coOwners: strings.Fields(row.CoOwners)}) {
			return failMsg(Denied, "", op, refString(req.Ref), "a private object is deleted by its owners only")
		}
		return w.remove(row, old)
	})
}

// remove deletes an object, its occurrences and its dead properties.
func (w *writer) remove(row CalendarRow, old ObjectRow) error {
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
		files, err := w.filing(row.ID, old.Name, &parsed{})
		if err != nil {
			return err
		}
		if err := w.file(row.ID, old.Name, files); err != nil {
			return err
		}
	}
	m.gone = Tombstone{Calendar: NewID(w.owner, row.Name), Name: old.Name, UID: old.UID, Component: old.Component, Change: n, Deleted: w.now}
	w.note(m)
	return w.TouchCalendar(row.ID, n, w.now)
}
