package service

import (
	"context"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/match"
)

// fetchChunk is how many objects one read transaction brings.
const fetchChunk = 200

// toObject turns a row into what readers get.
func toObject(r *calendar.ObjectRow, id calendar.ID) *calendar.Object {
	uid := r.UID
	if strings.HasPrefix(r.Name, uid) { // most clients name an object by its UID: one string will do
		uid = r.Name[:len(uid)]
	}
	return &calendar.Object{Calendar: id, Name: r.Name, UID: uid, Component: calendar.Intern(r.Component), Change: r.Change, ScheduleTag: r.ScheduleTag,
		Created: r.Created, Modified: r.Modified, Size: r.Size, ContentType: r.ContentType, Data: r.Data, Class: r.Private}
}

// fetch returns the live objects of these names with their data, in the order
// asked for; those that do not exist are nil.
func (s *Service) fetch(ctx context.Context, h *homeCache, c *calCache, names []string) ([]*calendar.Object, error) {
	out := make([]*calendar.Object, len(names))
	var missing []string
	h.mu.RLock()
	for i, n := range names {
		if o := c.objs[n]; o != nil {
			touch(o)
			out[i] = o
		} else {
			missing = append(missing, n)
		}
	}
	held := h.change // of the state that they are from
	h.mu.RUnlock()
	if len(missing) == 0 {
		return out, nil
	}
	found := make(map[string]*calendar.Object, len(missing))
	for chunk := range slices.Chunk(missing, fetchChunk) {
		read, err := s.fetchRows(ctx, h, c, chunk, found)
		if err != nil {
			return nil, err
		}
		if len(missing) == len(names) || h.unchanged(c, names, min(held, read)) {
			continue
		}
		// A commit between the two would be seen half: all are read in one
		// snapshot.
		clear(out)
		clear(found)
		for chunk := range slices.Chunk(names, fetchChunk) {
			if _, err := s.fetchRows(ctx, h, c, chunk, found); err != nil {
				return nil, err
			}
		}
		break
	}
	for i, n := range names {
		if out[i] == nil {
			out[i] = found[n]
		}
	}
	return out, nil
}

// unchanged reports whether no commit after a change touched any of the
// objects, as far as the log tells.
func (h *homeCache) unchanged(c *calCache, names []string, change int64) bool {
	return h.still(change, func(e *mutation) bool { return e.cal == c.meta.row.ID && slices.Contains(names, e.name) })
}

func (s *Service) fetchRows(ctx context.Context, h *homeCache, c *calCache, names []string, found map[string]*calendar.Object) (change int64, err error) {
	var rows []calendar.ObjectRow
	var home calendar.HomeRow
	var props map[string][]calendar.DeadProp
	err = s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
		var err error
		if home, _, err = tx.Home(); err != nil {
			return err
		}
		if len(names) == 1 {
			row, ok, err := tx.Object(c.meta.row.ID, names[0], true)
			if err != nil || !ok {
				rows = nil
				return err
			}
			rows = []calendar.ObjectRow{row}
			dead, err := tx.Props(c.meta.row.ID, names[0])
			props = map[string][]calendar.DeadProp{names[0]: dead}
			return err
		}
		if rows, err = tx.ObjectsByName(c.meta.row.ID, names, true); err != nil {
			return err
		}
		props, err = tx.AllProps(c.meta.row.ID)
		return err
	})
	if err == nil {
		err = s.cache.await(ctx, h.owner, home.Change)
	}
	if err != nil {
		return 0, err
	}
	var grown int64
	h.mu.Lock()
	newer := map[string]bool{}
	ok := h.replay(home.Change, func(e mutation) {
		if e.cal == c.meta.row.ID {
			newer[e.name] = true
		}
	})
	for i := range rows {
		o := toObject(&rows[i], c.meta.id)
		o.Props = props[o.Name]
		found[o.Name] = o
		if ok && h.current(c) && !newer[o.Name] && len(o.Data) <= 64<<10 && c.objs[o.Name] == nil {
			grown += c.hold(o)
			touch(o)
		}
	}
	h.mu.Unlock()
	s.cache.grow(h, grown)
	return home.Change, nil
}

// Object returns one object with its data, masked as the actor's rights ask.
func (s *Service) Object(ctx context.Context, who calendar.Actor, ref calendar.Ref) (*calendar.Object, error) {
	const op = "get object"
	h, c, r, err := s.calendar(ctx, who, op, ref.Calendar)
	if err != nil {
		return nil, err
	}
	if err := need(r.CanRead(), r, op, ref.Calendar); err != nil {
		return nil, err
	}
	h.mu.RLock()
	o := c.objs[ref.Name]
	h.mu.RUnlock()
	if o != nil {
		touch(o)
	} else {
		got, err := s.fetch(ctx, h, c, []string{ref.Name})
		if err != nil {
			return nil, wrap(op, ref.String(), err)
		}
		if o = got[0]; o == nil {
			return nil, calendar.Fail(calendar.NotFound, op, ref.String())
		}
	}
	if s.masks(o.Class, r, who, c.meta) {
		return match.Mask(o), nil
	}
	return o, nil
}

// Objects streams one answer for each ref.
func (s *Service) Objects(ctx context.Context, who calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) error {
	const op = "get objects"
	if len(req.Refs)+len(req.UIDs) > s.opt.Limits.Refs {
		return calendar.Failf(calendar.TooMany, "", op, "", "at most %d objects in one request", s.opt.Limits.Refs)
	}
	shape, err := s.newShape(req.Data)
	if err != nil {
		return err
	}
	for len(req.Refs) > 0 { // runs of one calendar, a chunk at a time
		id := req.Refs[0].Calendar
		n := 1
		for n < len(req.Refs) && n < fetchChunk && req.Refs[n].Calendar == id {
			n++
		}
		if err := s.objectsOf(ctx, who, op, id, req.Refs[:n], shape, emit); err != nil {
			return err
		}
		req.Refs = req.Refs[n:]
	}
	for chunk := range slices.Chunk(req.UIDs, fetchChunk) {
		refs, err := s.refsOf(ctx, req.Calendar, chunk)
		if err == nil {
			err = s.objectsOf(ctx, who, op, req.Calendar, refs, shape, emit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refsOf finds the names of objects by their UIDs; they are empty where there
// is none.
func (s *Service) refsOf(ctx context.Context, id calendar.ID, uids []string) ([]calendar.Ref, error) {
	refs := make([]calendar.Ref, len(uids))
	for i := range refs {
		refs[i].Calendar = id
	}
	err := s.store.View(ctx, id.Owner(), func(tx calendar.Tx) error {
		cal, ok, err := tx.Calendar(id.Name())
		if err != nil || !ok {
			return err
		}
		for i, uid := range uids {
			row, ok, err := tx.ObjectByUID(cal.ID, uid, false)
			if err != nil {
				return err
			}
			if refs[i].Name = ""; ok {
				refs[i].Name = row.Name
			}
		}
		return nil
	})
	return refs, wrap("find objects", string(id), err)
}

func (s *Service) objectsOf(ctx context.Context, who calendar.Actor, op string, id calendar.ID, refs []calendar.Ref, shape *shape, emit func(calendar.ObjectResult) error) error {
	h, c, r, err := s.calendar(ctx, who, op, id)
	if err == nil {
		err = need(r.CanRead(), r, op, id)
	}
	if err != nil {
		for _, ref := range refs {
			if err := emit(calendar.ObjectResult{Ref: ref, Err: err}); err != nil {
				return err
			}
		}
		return nil
	}
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = ref.Name
	}
	objs, err := s.fetch(ctx, h, c, names)
	if err != nil {
		return wrap(op, string(id), err)
	}
	for i, o := range objs {
		res := calendar.ObjectResult{Ref: refs[i]}
		if o == nil {
			res.Err = calendar.Fail(calendar.NotFound, op, refs[i].String())
		} else {
			res.Object, res.Err = s.present(ctx, c.meta, o, r, who, shape)
		}
		if err := emit(res); err != nil {
			return err
		}
	}
	return nil
}

// listing returns all members without data, by name. It is shared: read only.
func (s *Service) listing(ctx context.Context, h *homeCache, c *calCache) ([]*calendar.Object, error) {
	h.mu.Lock()
	if c.listed {
		c.shared = true
		l := c.list
		h.mu.Unlock()
		return l, nil
	}
	h.mu.Unlock()
	var list []*calendar.Object
	var home calendar.HomeRow
	err := s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
		list = nil
		var err error
		if home, _, err = tx.Home(); err != nil {
			return err
		}
		props, err := tx.AllProps(c.meta.row.ID)
		if err != nil {
			return err
		}
		return tx.Objects(c.meta.row.ID, "", false, func(r *calendar.ObjectRow) error {
			o := toObject(r, c.meta.id)
			o.Props = props[o.Name]
			list = append(list, o)
			return nil
		})
	})
	if err == nil {
		err = s.cache.await(ctx, h.owner, home.Change)
	}
	if err != nil {
		return nil, err
	}
	if len(list) > maxListed {
		return list, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.listed {
		c.shared = true
		return c.list, nil
	}
	fresh := &calCache{meta: c.meta, list: list, listed: true}
	clean := true
	ok := h.replay(home.Change, func(e mutation) {
		if e.cal == c.meta.row.ID {
			if e.props { // this list has the ones before: good for one answer
				clean = false
				return
			}
			fresh.applyList(e)
		}
	})
	if ok && clean && h.current(c) {
		c.list, c.listed, c.shared = fresh.list, true, true
		s.cache.account(h, listCost(c.list))
	}
	return fresh.list, nil
}

// ListObjects streams the members of a calendar without their data.
func (s *Service) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	const op = "list objects"
	h, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return calendar.Calendar{}, err
	}
	if err := need(r.CanRead(), r, op, id); err != nil {
		return h.describe(c, r), err
	}
	cal := h.describe(c, r) // before the listing: a tag must not promise what is not in it
	list, err := s.listing(ctx, h, c)
	if err != nil {
		return calendar.Calendar{}, wrap(op, string(id), err)
	}
	cal.Count = len(list)
	for _, o := range list {
		if o.Class != 0 && s.masks(o.Class, r, who, c.meta) {
			o = match.Mask(o)
		}
		if err := emit(o); err != nil {
			return cal, err
		}
	}
	return cal, nil
}

// PatchProps changes dead properties of an object, all or none.
func (s *Service) PatchProps(ctx context.Context, who calendar.Actor, ref calendar.Ref, changes []calendar.PropChange) error {
	const op = "change properties"
	ctx = bind(ctx, who, ref, changes)
	if _, _, err := s.look(ctx, who, op, ref.Calendar, toWrite); err != nil {
		return err
	}
	if err := s.checkProps(op, &calendar.UpdateCalendarRequest{ID: ref.Calendar, Props: changes}); err != nil {
		return err
	}
	return s.write(ctx, who, op, ref.Calendar.Owner(), nil, func(w *writer) error {
		p, err := w.enter(ref.Calendar, toWrite)
		if err != nil {
			return err
		}
		o, err := w.object(p, ref.Name)
		if err != nil {
			return err
		}
		if o == nil {
			return calendar.Fail(calendar.NotFound, op, ref.String())
		}
		return w.changeObjectProps(p, *o, changes)
	})
}
