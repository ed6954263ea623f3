package service

import (
	"context"
	"time"

	"factotum/server/calendar"
	"factotum/server/match"
)

// FreeBusy merges the busy time of each target. Components count when they
// are opaque and not cancelled; private ones count as others do. A target that
// fails answers for itself. RFC 4791 §7.10, WCAP get_freebusy.
func (s *Service) FreeBusy(ctx context.Context, who calendar.Actor, req calendar.FreeBusyRequest) ([]calendar.FreeBusyResult, error) {
	const op = "free/busy"
	if req.Window.From.IsZero() || req.Window.To.IsZero() {
		return nil, calendar.Failf(calendar.Invalid, calendar.ValidFilter, op, "", "a free/busy request needs a start and an end")
	}
	if err := match.CheckWindow(req.Window); err != nil {
		return nil, wrap(op, "", err)
	}
	out := make([]calendar.FreeBusyResult, len(req.Targets))
	for i, t := range req.Targets {
		out[i] = calendar.FreeBusyResult{Target: t}
		out[i].Busy, out[i].Err = s.busy(ctx, who, op, t, req)
		if req.Describe {
			if cal, err := s.Calendar(ctx, who, t.Calendar); err == nil {
				out[i].Calendar = &cal
			} else {
				out[i].Busy, out[i].Err = nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, wrap(op, "", err)
		}
	}
	return out, nil
}

func (s *Service) busy(ctx context.Context, who calendar.Actor, op string, t calendar.FreeBusyTarget, req calendar.FreeBusyRequest) ([]calendar.Busy, error) {
	var all []calendar.Busy
	if !t.Home {
		h, c, r, err := s.calendar(ctx, who, op, t.Calendar)
		if err != nil {
			return nil, err
		}
		if err := need(r.CanSeeBusy(), r, op, t.Calendar); err != nil {
			return nil, err
		}
		if all, err = s.busyOf(ctx, h, c, req, all); err != nil {
			return nil, wrap(op, string(t.Calendar), err)
		}
		return match.MergeBusy(all), nil
	}
	owner := t.Calendar.Owner()
	h, err := s.loaded(ctx, owner)
	if err != nil {
		return nil, wrap(op, string(owner), err)
	}
	h.mu.RLock()
	cals := make([]*calCache, 0, len(h.byName))
	for _, c := range h.byName {
		cals = append(cals, c)
	}
	exists := h.exists
	h.mu.RUnlock()
	if !exists {
		return nil, s.known(ctx, op, owner)
	}
	for try := 1; ; try++ { // all calendars in one state: what moves between two is in one of them
		before := h.state()
		if all, err = s.busyHome(ctx, who, op, owner, h, cals, req); err != nil {
			return nil, err
		}
		if len(cals) == 1 || try == retakes || h.still(before, func(e *mutation) bool { return e.times }) {
			return match.MergeBusy(all), nil
		}
	}
}

// busyHome is the busy time of all calendars of a home that who may see.
func (s *Service) busyHome(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner, h *homeCache, cals []*calCache, req calendar.FreeBusyRequest) (all []calendar.Busy, err error) {
	allowed := 0
	for _, c := range cals {
		if !c.meta.row.Kind.Rules().Objects || c.meta.row.Transparent || c.meta.row.Disabled {
			continue
		}
		if r := s.rights(who, owner, c.meta.coOwners, c.meta.row.ACL); !r.CanSeeBusy() {
			continue
		}
		allowed++
		if all, err = s.busyOf(ctx, h, c, req, all); err != nil {
			return nil, wrap(op, string(c.meta.id), err)
		}
	}
	if allowed == 0 && len(cals) > 0 {
		return nil, calendar.Fail(calendar.Denied, op, string(owner))
	}
	return all, nil
}

func (s *Service) busyOf(ctx context.Context, h *homeCache, c *calCache, req calendar.FreeBusyRequest, all []calendar.Busy) ([]calendar.Busy, error) {
	ignore := ""
	if req.Ignore != "" {
		var row calendar.ObjectRow
		err := s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
			var err error
			row, _, err = tx.ObjectByUID(c.meta.row.ID, req.Ignore, false)
			return err
		})
		if err != nil {
			return nil, err
		}
		ignore = row.Name
	}
	from, to := req.Window.Unix()
	err := s.instances(ctx, h, c, req.Window, s.floating(nil, c.meta), func(i inst) {
		if i.flags&(calendar.OccFree|calendar.OccTodo) != 0 || i.end <= i.start || ignore != "" && i.name == ignore {
			return
		}
		typ := "BUSY"
		switch {
		case i.flags&calendar.OccUnavailable != 0:
			typ = "BUSY-UNAVAILABLE"
		case i.flags&calendar.OccTentative != 0:
			typ = "BUSY-TENTATIVE"
		}
		all = append(all, calendar.Busy{Start: time.Unix(max(i.start, from), 0).UTC(), End: time.Unix(min(i.end, to), 0).UTC(), Type: typ})
	})
	return all, err
}
