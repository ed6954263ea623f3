package calendar

import (
	"context"
	"slices"
	"sort"
)

// Sync streams what changed in a calendar since a token: each object once, in
// its latest state, or its tombstone. Items of a limited answer come in the
// order of their changes, so that the token of the last one continues it.
func (s *Service) Sync(ctx context.Context, who Actor, req SyncRequest, emit func(SyncItem) error) (SyncResult, error) {
	const op = "sync"
	id := req.Calendar
	h, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return SyncResult{}, err
	}
	if err := need(r.CanRead(), r, op, id); err != nil {
		return SyncResult{}, err
	}
	cal := h.describe(c, r)
	if req.Gone != nil {
		return s.syncGone(ctx, who, h, c, r, req, cal, emit)
	}
	var since, start int64
	if req.Token != "" {
		inc, n, began, ok := parseSyncToken(req.Token)
		if !ok || inc != cal.Incarnation || max(n, began) > cal.Change || max(n, began) < c.meta.row.Purged {
			return SyncResult{Calendar: cal}, fail(BadSyncToken, op, string(id))
		}
		since, start = n, began
	}
	send := func(o *Object) error {
		if s.masks(o.class, r, who, c.meta) {
			o = s.mask(o)
		}
		return emit(SyncItem{Object: o})
	}
	if since == cal.Change && req.Token != "" {
		return SyncResult{Token: cal.SyncToken(), Calendar: cal}, nil
	}
	if req.Token == "" && req.Limit <= 0 && !req.Data {
		return s.syncAll(ctx, who, h, c, r, emit)
	}
	if req.Limit <= 0 && !req.Data && !req.Deleted && start == 0 {
		if res, ok, err := s.syncLog(h, c, cal, since, send, emit); ok {
			return res, err
		}
	}
	return s.syncStore(ctx, who, h, c, r, req, since, start, send, emit)
}

// syncAll answers a first sync from the listing.
func (s *Service) syncAll(ctx context.Context, who Actor, h *homeCache, c *calCache, r Rights, emit func(SyncItem) error) (SyncResult, error) {
	cal := h.describe(c, r) // before the listing: what comes between is told again
	list, err := s.listing(ctx, h, c)
	if err != nil {
		return SyncResult{}, wrap("sync", string(c.meta.id), err)
	}
	for _, o := range list {
		if o.class != 0 && s.masks(o.class, r, who, c.meta) {
			o = s.mask(o)
		}
		if err := emit(SyncItem{Object: o}); err != nil {
			return SyncResult{}, err
		}
	}
	return SyncResult{Token: cal.SyncToken(), Calendar: cal}, nil
}

// syncLog answers from the recent commits in memory, if they reach back far
// enough.
func (s *Service) syncLog(h *homeCache, c *calCache, cal Calendar, since int64, send func(*Object) error, emit func(SyncItem) error) (SyncResult, bool, error) {
	h.mu.RLock()
	if !h.loaded || since < h.since || since < h.trimmed {
		h.mu.RUnlock()
		return SyncResult{}, false, nil
	}
	cal.Change, cal.Modified = c.change, c.modified
	items := changesOf(h.log[sort.Search(len(h.log), func(i int) bool { return h.log[i].change > since }):], c.meta.row.ID)
	h.mu.RUnlock()
	for _, it := range items {
		var err error
		if it.Object != nil {
			err = send(it.Object)
		} else {
			err = emit(it)
		}
		if err != nil {
			return SyncResult{}, true, err
		}
	}
	return SyncResult{Token: cal.SyncToken(), Calendar: cal}, true, nil
}

// changesOf lists what commits did to the members of a calendar: each once, at
// the place of its first change, in its latest state.
func changesOf(log []mutation, cal int64) []SyncItem {
	items := make([]SyncItem, 0, min(len(log), 64))
	var at map[string]int // the places by name, once there are too many to look through
	for i := range log {
		e := &log[i]
		if e.cal != cal || e.props {
			continue
		}
		it := SyncItem{Object: e.obj} // the log holds objects without their data
		if e.obj == nil {
			gone := e.gone
			it.Gone = &gone
		}
		if at == nil && len(items) == 16 {
			at = make(map[string]int, len(log))
			for k := range items {
				at[items[k].name()] = k
			}
		}
		place, known := -1, false
		if at != nil {
			place, known = at[e.name]
		} else {
			place = slices.IndexFunc(items, func(it SyncItem) bool { return it.name() == e.name })
			known = place >= 0
		}
		if known {
			items[place] = it
			continue
		}
		if at != nil {
			at[e.name] = len(items)
		}
		items = append(items, it)
	}
	return items
}

func (it SyncItem) name() string {
	if it.Object != nil {
		return it.Object.Name
	}
	return it.Gone.Name
}

func (s *Service) syncStore(ctx context.Context, who Actor, h *homeCache, c *calCache, r Rights, req SyncRequest, since, start int64, send func(*Object) error, emit func(SyncItem) error) (SyncResult, error) {
	const op = "sync"
	id := req.Calendar
	var items []SyncItem
	var change, began int64
	limit := 0
	if req.Limit > 0 {
		limit = req.Limit + 1
	}
	err := s.store.View(ctx, h.owner, func(tx Tx) error {
		items = nil
		row, ok, err := tx.Calendar(id.Name())
		if err != nil {
			return err
		}
		if !ok || row.ID != c.meta.row.ID {
			return fail(NoCalendar, op, string(id))
		}
		if req.Token != "" && max(since, start) < row.Purged {
			return fail(BadSyncToken, op, string(id))
		}
		change, began = row.Change, start
		if req.Token == "" {
			began = row.Change
		}
		return tx.Changes(row.ID, since, limit, req.Data || req.Deleted, func(o *ObjectRow) error {
			switch {
			case o.Deleted.IsZero():
				obj := o.toObject(id)
				if !req.Data {
					obj.Data = nil
				}
				items = append(items, SyncItem{Object: obj})
			default:
				g := &Tombstone{Calendar: id, Name: o.Name, UID: o.UID, Component: o.Component, Change: o.Change, Deleted: o.Deleted}
				if req.Deleted {
					g.Data = s.lastText(who, r, c.meta, o)
				}
				items = append(items, SyncItem{Gone: g})
			}
			return nil
		})
	})
	if err == nil { // else the new token could be one that memory does not know yet
		err = s.cache.await(ctx, h.owner, change)
	}
	if err != nil {
		return SyncResult{}, wrap(op, string(id), err)
	}
	cal := h.describe(c, r)
	cal.Change = max(change, since)
	res := SyncResult{Calendar: cal, Token: cal.SyncToken()}
	if req.Limit > 0 && len(items) > req.Limit {
		res.More = true
		res.Token = pageToken(cal.Incarnation, items[req.Limit-1].change(), began)
		items = items[:req.Limit]
	}
	for _, it := range items {
		switch {
		case it.Object != nil:
			err = send(it.Object)
		case it.Gone.Change > began: // a first sync has nothing to remove
			err = emit(it)
		}
		if err != nil {
			return SyncResult{}, err
		}
	}
	return res, nil
}

// syncGone answers with the tombstones of a window. Two passes, since most
// calls find none: the texts are read from the first one of the window on.
func (s *Service) syncGone(ctx context.Context, who Actor, h *homeCache, c *calCache, r Rights, req SyncRequest, cal Calendar, emit func(SyncItem) error) (SyncResult, error) {
	from, to := req.Gone.From, req.Gone.To
	var items []SyncItem
	err := s.store.View(ctx, h.owner, func(tx Tx) error {
		first := int64(-1)
		err := tx.Changes(c.meta.row.ID, 0, 0, false, func(o *ObjectRow) error {
			if first < 0 && !o.Deleted.IsZero() && !o.Deleted.Before(from) && (to.IsZero() || o.Deleted.Before(to)) {
				first = o.Change
			}
			return ctx.Err()
		})
		items = nil
		if err != nil || first < 0 {
			return err
		}
		return tx.Changes(c.meta.row.ID, first-1, 0, req.Deleted, func(o *ObjectRow) error {
			if o.Deleted.IsZero() || o.Deleted.Before(from) || !to.IsZero() && !o.Deleted.Before(to) {
				return nil
			}
			items = append(items, SyncItem{Gone: &Tombstone{Calendar: req.Calendar, Name: o.Name, UID: o.UID, Component: o.Component,
				Change: o.Change, Deleted: o.Deleted, Data: s.lastText(who, r, c.meta, o)}})
			return ctx.Err()
		})
	})
	if err != nil {
		return SyncResult{}, wrap("sync", string(req.Calendar), err)
	}
	for _, it := range items {
		if !req.Deleted {
			it.Gone.Data = nil
		}
		if err := emit(it); err != nil {
			return SyncResult{}, err
		}
	}
	return SyncResult{Token: cal.SyncToken(), Calendar: cal}, nil
}

// lastText is the text of a deleted object as who may see it.
func (s *Service) lastText(who Actor, r Rights, m *calMeta, o *ObjectRow) []byte {
	if o.Data != nil && s.masks(o.Private, r, who, m) {
		return s.mask(&Object{Data: o.Data}).Data
	}
	return o.Data
}

func (it SyncItem) change() int64 {
	if it.Object != nil {
		return it.Object.Change
	}
	return it.Gone.Change
}
