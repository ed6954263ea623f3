package service

import (
	"context"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/match"
)

// Sync streams what changed in a calendar since a token: each object once, in
// its latest state, or its tombstone. Items of a limited answer come in the
// order of their changes, so that the token of the last one continues it.
func (s *Service) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	const op = "sync"
	id := req.Calendar
	var y syncing
	err := s.readCalendar(ctx, who, op, id, toRead, func(v cache.View, cal *cache.Calendar, r calendar.Rights) (err error) {
		y = syncing{Service: s, who: who, req: &req, cal: cal, rights: r}
		y.res.Calendar = s.describe(cal, r, who)
		if err := s.tellInbox(v, cal, &y.res.Calendar); err != nil {
			return err
		}
		y.res.Token = y.res.Calendar.SyncToken()
		if req.Gone != nil {
			return y.gone(ctx, v)
		}
		if req.Token != "" {
			inc, n, began, ok := calendar.ParseSyncToken(req.Token)
			if !ok || inc != cal.Row.ID || max(n, began) > cal.Row.Change || max(n, began) < cal.Row.Purged {
				y.res.Token = ""
				return calendar.Fail(calendar.BadSyncToken, op, string(id))
			}
			y.since, y.began = n, began
		}
		inMemory := req.Limit <= 0 && !req.Data && !req.Deleted && y.began == 0
		switch {
		case req.Token != "" && y.since == cal.Row.Change:
			return nil
		case req.Token == "" && req.Limit <= 0 && !req.Data:
			_, y.res.Validator = s.validator(v, who, cal, r)
			y.all, err = v.List(ctx, cal)
			return err
		case req.Token == "":
			y.began = cal.Row.Change
		case inMemory:
			var ok bool
			if y.items, ok = v.Changes(cal, y.since); ok {
				return nil
			}
		}
		return y.changes(ctx, v)
	})
	if err != nil {
		return y.res, err
	}
	return y.res, y.give(emit)
}

// syncing is a Sync under way.
type syncing struct {
	*Service
	who          calendar.Actor
	req          *calendar.SyncRequest
	cal          *cache.Calendar
	rights       calendar.Rights
	since, began int64
	all          []*calendar.Object  // the answer of a first one
	items        []calendar.SyncItem // of others
	res          calendar.SyncResult
}

// give emits what was found.
func (y *syncing) give(emit func(calendar.SyncItem) error) error {
	send := func(o *calendar.Object) error {
		if o.Data != nil {
			o = y.shown(y.cal, &cache.Object{Object: o}, y.rights, y.who).Object
		} else if o.Class != 0 && y.hides(o.Class, y.rights, y.who, y.cal) {
			o = match.Mask(o)
		}
		return emit(calendar.SyncItem{Object: o})
	}
	for _, o := range y.all {
		if err := send(o); err != nil {
			return err
		}
	}
	for _, it := range y.items {
		var err error
		switch {
		case it.Object != nil:
			err = send(it.Object)
		case it.Gone.Change > y.began || y.req.Gone != nil: // a first sync has nothing to remove
			err = emit(it)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changes reads from the store what changed, up to the limit.
func (y *syncing) changes(ctx context.Context, v cache.View) error {
	req, id := y.req, y.req.Calendar
	limit := 0
	if req.Limit > 0 {
		limit = req.Limit + 1
	}
	err := v.Tx(ctx, y.cal, func(tx calendar.ReadTx) error {
		y.items = nil
		var live []*calendar.Object
		err := tx.Changes(y.cal.Row.ID, y.since, limit, req.Data || req.Deleted, func(o *calendar.ObjectRow) error {
			if !o.Deleted.IsZero() {
				y.items = append(y.items, calendar.SyncItem{Gone: y.tombstone(o)})
				return ctx.Err()
			}
			obj := cache.ObjectOf(o, id, nil)
			if !req.Data {
				obj.Data = nil
			}
			live = append(live, obj)
			y.items = append(y.items, calendar.SyncItem{Object: obj})
			return ctx.Err()
		})
		if err != nil || len(live) == 0 {
			return err
		}
		return readProps(tx, y.cal, live)
	})
	if err == nil && req.Limit > 0 && len(y.items) > req.Limit {
		y.items = y.items[:req.Limit]
		y.res.More = true
		y.res.Token = calendar.PageToken(y.cal.Row.ID, changeOf(y.items[req.Limit-1]), y.began)
	}
	return err
}

// readProps reads the dead properties of objects.
func readProps(tx calendar.ReadTx, cal *cache.Calendar, objs []*calendar.Object) error {
	names := make([]string, len(objs))
	for i, o := range objs {
		names[i] = o.Name
	}
	props, err := tx.PropsByName(cal.Row.ID, names)
	for _, o := range objs {
		o.Personal, o.Props = calendar.CutPersonal(props[o.Name])
	}
	return err
}

// gone reads the tombstones of a window.
func (y *syncing) gone(ctx context.Context, v cache.View) error {
	if quiet(&y.cal.Row, *y.req.Gone) {
		return nil
	}
	return v.Tx(ctx, y.cal, func(tx calendar.ReadTx) error {
		y.items = nil
		return tx.Gone(y.cal.Row.ID, y.req.Gone.From, y.req.Gone.To, y.req.Deleted, func(o *calendar.ObjectRow) error {
			y.items = append(y.items, calendar.SyncItem{Gone: y.tombstone(o)})
			return ctx.Err()
		})
	})
}

// clockSlack is how far clocks are set back while nobody misses a write: times
// of writes follow the order of their changes but for that.
const clockSlack = 10 * time.Second

// quiet reports whether nothing was written in a calendar since a window began:
// what most polls find.
func quiet(row *calendar.CalendarRow, w calendar.Window) bool {
	return !w.From.IsZero() && row.Modified.Before(w.From.Add(-clockSlack))
}

// tombstone is that of a deleted object, with the last text as who may see it
// if it was asked for.
func (y *syncing) tombstone(o *calendar.ObjectRow) *calendar.Tombstone {
	g := &calendar.Tombstone{Calendar: y.req.Calendar, Name: o.Name, UID: o.UID, Component: o.Component, Change: o.Change, Deleted: o.Deleted, By: o.By}
	if y.req.Deleted {
		g.Data = y.shown(y.cal, &cache.Object{Object: cache.ObjectOf(o, g.Calendar, nil)}, y.rights, y.who).Data
	}
	return g
}

func changeOf(it calendar.SyncItem) int64 {
	if it.Object != nil {
		return it.Object.Change
	}
	return it.Gone.Change
}
