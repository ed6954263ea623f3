package service

import (
	"context"
	"slices"
	"sort"

	"factotum/server/calendar"
	"factotum/server/match"
)

// Sync streams what changed in a calendar since a token: each object once, in
// its latest state, or its tombstone. Items of a limited answer come in the
// order of their changes, so that the token of the last one continues it.
func (s *Service) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	const op = "sync"
	id := req.Calendar
	h, c, r, err := s.calendar(ctx, who, op, id)
	if err != nil {
		return calendar.SyncResult{}, err
	}
	if err := need(r.CanRead(), r, op, id); err != nil {
		return calendar.SyncResult{}, err
	}
	cal := h.describe(c, r)
	if req.Gone != nil {
		return s.syncGone(ctx, who, h, c, r, req, cal, emit)
	}
	var since, start int64
	if req.Token != "" {
		inc, n, began, ok := calendar.ParseSyncToken(req.Token)
		if !ok || inc != cal.Incarnation || max(n, began) > cal.Change || max(n, began) < c.meta.row.Purged {
			return calendar.SyncResult{Calendar: cal}, calendar.Fail(calendar.BadSyncToken, op, string(id))
		}
		since, start = n, began
	}
	send := func(o *calendar.Object) error {
		if s.masks(o.Class, r, who, c.meta) {
			o = match.Mask(o)
		}
		return emit(calendar.SyncItem{Object: o})
	}
	if since == cal.Change && req.Token != "" {
		return calendar.SyncResult{Token: cal.SyncToken(), Calendar: cal}, nil
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
func (s *Service) syncAll(ctx context.Context, who calendar.Actor, h *homeCache, c *calCache, r calendar.Rights, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	cal := h.describe(c, r) // before the listing: what comes between is told again
	list, err := s.listing(ctx, h, c)
	if err != nil {
		return calendar.SyncResult{}, wrap("sync", string(c.meta.id), err)
	}
	for _, o := range list {
		if o.Class != 0 && s.masks(o.Class, r, who, c.meta) {
			o = match.Mask(o)
		}
		if err := emit(calendar.SyncItem{Object: o}); err != nil {
			return calendar.SyncResult{}, err
		}
	}
	return calendar.SyncResult{Token: cal.SyncToken(), Calendar: cal}, nil
}

// syncLog answers from the recent commits in memory, if they reach back far
// enough.
func (s *Service) syncLog(h *homeCache, c *calCache, cal calendar.Calendar, since int64, send func(*calendar.Object) error, emit func(calendar.SyncItem) error) (calendar.SyncResult, bool, error) {
	h.mu.RLock()
	if !h.loaded || since < h.since || since < h.trimmed {
		h.mu.RUnlock()
		return calendar.SyncResult{}, false, nil
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
			return calendar.SyncResult{}, true, err
		}
	}
	return calendar.SyncResult{Token: cal.SyncToken(), Calendar: cal}, true, nil
}

// changesOf lists what commits did to the members of a calendar: each once, at
// the place of its first change, in its latest state.
func changesOf(log []mutation, cal int64) []calendar.SyncItem {
	items := make([]calendar.SyncItem, 0, min(len(log), 64))
	var at map[string]int // the places by name, once there are too many to look through
	for i := range log {
		e := &log[i]
		if e.cal != cal || e.props {
			continue
		}
		it := calendar.SyncItem{Object: e.obj} // the log holds objects without their data
		if e.obj == nil {
			gone := e.gone
			it.Gone = &gone
		}
		if at == nil && len(items) == 16 {
			at = make(map[string]int, len(log))
			for k := range items {
				at[nameOf(items[k])] = k
			}
		}
		place, known := -1, false
		if at != nil {
			place, known = at[e.name]
		} else {
			place = slices.IndexFunc(items, func(it calendar.SyncItem) bool { return nameOf(it) == e.name })
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

func nameOf(it calendar.SyncItem) string {
	if it.Object != nil {
		return it.Object.Name
	}
	return it.Gone.Name
}

func (s *Service) syncStore(ctx context.Context, who calendar.Actor, h *homeCache, c *calCache, r calendar.Rights, req calendar.SyncRequest, since, start int64, send func(*calendar.Object) error, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	const op = "sync"
	id := req.Calendar
	var items []calendar.SyncItem
	var change, began int64
	limit := 0
	if req.Limit > 0 {
		limit = req.Limit + 1
	}
	err := s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
		items = nil
		row, ok, err := tx.Calendar(id.Name())
		if err != nil {
			return err
		}
		if !ok || row.ID != c.meta.row.ID {
			return calendar.Fail(calendar.NoCalendar, op, string(id))
		}
		if req.Token != "" && max(since, start) < row.Purged {
			return calendar.Fail(calendar.BadSyncToken, op, string(id))
		}
		change, began = row.Change, start
		if req.Token == "" {
			began = row.Change
		}
		return tx.Changes(row.ID, since, limit, req.Data || req.Deleted, func(o *calendar.ObjectRow) error {
			switch {
			case o.Deleted.IsZero():
				obj := toObject(o, id)
				if !req.Data {
					obj.Data = nil
				}
				items = append(items, calendar.SyncItem{Object: obj})
			default:
				g := &calendar.Tombstone{Calendar: id, Name: o.Name, UID: o.UID, Component: o.Component, Change: o.Change, Deleted: o.Deleted}
				if req.Deleted {
					g.Data = s.lastText(who, r, c.meta, o)
				}
				items = append(items, calendar.SyncItem{Gone: g})
			}
			return nil
		})
	})
	if err == nil { // else the new token could be one that memory does not know yet
		err = s.cache.await(ctx, h.owner, change)
	}
	if err != nil {
		return calendar.SyncResult{}, wrap(op, string(id), err)
	}
	cal := h.describe(c, r)
	cal.Change = max(change, since)
	res := calendar.SyncResult{Calendar: cal, Token: cal.SyncToken()}
	if req.Limit > 0 && len(items) > req.Limit {
		res.More = true
		res.Token = calendar.PageToken(cal.Incarnation, changeOf(items[req.Limit-1]), began)
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
			return calendar.SyncResult{}, err
		}
	}
	return res, nil
}

// syncGone answers with the tombstones of a window. Two passes, since most
// calls find none: the texts are read from the first one of the window on.
func (s *Service) syncGone(ctx context.Context, who calendar.Actor, h *homeCache, c *calCache, r calendar.Rights, req calendar.SyncRequest, cal calendar.Calendar, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	from, to := req.Gone.From, req.Gone.To
	var items []calendar.SyncItem
	err := s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
		first := int64(-1)
		err := tx.Changes(c.meta.row.ID, 0, 0, false, func(o *calendar.ObjectRow) error {
			if first < 0 && !o.Deleted.IsZero() && !o.Deleted.Before(from) && (to.IsZero() || o.Deleted.Before(to)) {
				first = o.Change
			}
			return ctx.Err()
		})
		items = nil
		if err != nil || first < 0 {
			return err
		}
		return tx.Changes(c.meta.row.ID, first-1, 0, req.Deleted, func(o *calendar.ObjectRow) error {
			if o.Deleted.IsZero() || o.Deleted.Before(from) || !to.IsZero() && !o.Deleted.Before(to) {
				return nil
			}
			items = append(items, calendar.SyncItem{Gone: &calendar.Tombstone{Calendar: req.Calendar, Name: o.Name, UID: o.UID, Component: o.Component,
				Change: o.Change, Deleted: o.Deleted, Data: s.lastText(who, r, c.meta, o)}})
			return ctx.Err()
		})
	})
	if err != nil {
		return calendar.SyncResult{}, wrap("sync", string(req.Calendar), err)
	}
	for _, it := range items {
		if !req.Deleted {
			it.Gone.Data = nil
		}
		if err := emit(it); err != nil {
			return calendar.SyncResult{}, err
		}
	}
	return calendar.SyncResult{Token: cal.SyncToken(), Calendar: cal}, nil
}

// lastText is the text of a deleted object as who may see it.
func (s *Service) lastText(who calendar.Actor, r calendar.Rights, m *calMeta, o *calendar.ObjectRow) []byte {
	if o.Data != nil && s.masks(o.Private, r, who, m) {
		return match.Mask(&calendar.Object{Data: o.Data}).Data
	}
	return o.Data
}

func changeOf(it calendar.SyncItem) int64 {
	if it.Object != nil {
		return it.Object.Change
	}
	return it.Gone.Change
}
