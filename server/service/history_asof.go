package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
)

// AsOf streams what was in a calendar at a moment: the version that ended first
// after it, or what is there now. What the server noted since of messages is in it.
func (s *Service) AsOf(ctx context.Context, who calendar.Actor, req calendar.AsOfRequest, emit func(*calendar.Object) error) (cal calendar.Calendar, err error) {
	const op = "show a calendar as it was"
	owner := req.Calendar.Owner()
	if err := checkFilter(op, owner, &calendar.HistoryFilter{Calendar: req.Calendar}); err != nil {
		return cal, err
	}
	var out []*calendar.Object
	err = s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		out = out[:0]
		list, err := s.pasts(tx, who, op, owner, req.Calendar)
		if err != nil {
			return err
		}
		home, _, err := tx.Home()
		if err != nil {
			return err
		}
		switch {
		case req.At.IsZero():
			return calendar.Failf(calendar.Invalid, "", op, string(req.Calendar), "at what time?")
		case req.At.After(s.now()):
			return calendar.Failf(calendar.Invalid, "", op, string(req.Calendar), "%s has not come yet", req.At.UTC().Format(time.RFC3339))
		case req.At.Before(home.HistoryFrom):
			return calendar.Failf(calendar.Invalid, "", op, string(req.Calendar), "the history goes back to %s, and not to %s",
				home.HistoryFrom.UTC().Format(time.RFC3339), req.At.UTC().Format(time.RFC3339))
		}
		p := pastAt(list, req.At)
		if p == nil {
			return calendar.Failf(calendar.NoCalendar, "", op, string(req.Calendar), "there was no such calendar at that time")
		}
		c := cache.NewCalendar(owner, p.row, nil)
		cal = shownTo(c, p.rights)
		r := &reviewer{s: s, who: who, from: tx, home: &home}
		out, err = r.asOf(p, &req)
		return err
	})
	if err != nil {
		return cal, wrap(op, string(req.Calendar), err)
	}
	for _, o := range out {
		if err := emit(o); err != nil {
			return cal, err
		}
	}
	return cal, nil
}

// pastAt is the calendar of several of a name that there was at a moment.
func pastAt(list []past, at time.Time) *past {
	for i := range list {
		p := &list[i]
		if !p.row.Created.After(at) && (!p.gone || p.deleted.When.After(at)) {
			return p
		}
	}
	return nil
}

// asOf gathers the objects of a calendar as they were at a moment, by name.
func (r *reviewer) asOf(p *past, req *calendar.AsOfRequest) (out []*calendar.Object, err error) {
	type version struct {
		change, seq int64
		row         calendar.ObjectRow
	}
	was := map[string]version{} // the one that ended first after it
	q := calendar.HistoryQuery{Cal: p.row.ID, Name: req.Name}
	if req.Name == "" {
		q.UID = req.UID
	}
	err = r.from.History(q, func(h *calendar.HistoryRow) error {
		switch {
		case !h.When.After(req.At):
			return errEnd
		case h.End != calendar.FileDropped && h.Object.Name != "":
			was[h.Object.Name] = version{h.Change, h.Seq, h.Object}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnd) {
		return nil, err
	}
	add := func(o *calendar.ObjectRow) {
		if o.Created.After(req.At) || p.hides(o) || req.UID != "" && o.UID != req.UID || req.Name != "" && o.Name != req.Name {
			return
		}
		obj := cache.ObjectOf(o, p.id, nil)
		obj.Data = r.text(p, o.Data)
		out = append(out, obj)
	}
	for name, v := range was {
		if v.row.Created.After(req.At) {
			continue
		}
		h, err := versionOf(r.from, v.change, v.seq)
		if err != nil {
			return nil, err
		}
		h.Object.Name = name
		add(&h.Object)
	}
	live := func(o *calendar.ObjectRow) error {
		if _, ended := was[o.Name]; !ended {
			add(o)
		}
		return nil
	}
	switch {
	case p.gone:
	case req.Name != "" || req.UID != "":
		var o calendar.ObjectRow
		var ok bool
		if req.Name != "" {
			o, ok, err = r.from.Object(p.row.ID, req.Name, true)
		} else {
			o, ok, err = r.from.ObjectByUID(p.row.ID, req.UID, true)
		}
		if err == nil && ok {
			err = live(&o)
		}
	default:
		err = r.from.Objects(p.row.ID, "", true, live)
	}
	slices.SortFunc(out, func(a, b *calendar.Object) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// versionOf reads a row of the history with its text.
func versionOf(tx calendar.ReadTx, change, seq int64) (row calendar.HistoryRow, err error) {
	ok := false
	err = tx.History(calendar.HistoryQuery{After: change - 1, Before: change, BeforeSeq: seq + 1, Data: true, Limit: 1}, func(h *calendar.HistoryRow) error {
		ok, row = h.Seq == seq, *h
		row.Object.Data = slices.Clone(h.Object.Data)
		return nil
	})
	if err == nil && !ok {
		err = calendar.Errorf(calendar.NotFound, "", "the history has no such version any more")
	}
	return row, err
}
