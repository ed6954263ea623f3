package calendar

import (
	"context"
	"slices"
	"strings"
	"time"
)

// FreeBusy merges the busy time of each target. Components count when they
// are opaque and not cancelled; private ones count as others do. A target that
// fails answers for itself. RFC 4791 §7.10, WCAP get_freebusy.
func (s *Service) FreeBusy(ctx context.Context, who Actor, req FreeBusyRequest) ([]FreeBusyResult, error) {
	const op = "free/busy"
	if req.Window.From.IsZero() || req.Window.To.IsZero() {
		return nil, failMsg(Invalid, ValidFilter, op, "", "a free/busy request needs a start and an end")
	}
	if err := checkWindow(op, req.Window); err != nil {
		return nil, err
	}
	out := make([]FreeBusyResult, len(req.Targets))
	for i, t := range req.Targets {
		out[i] = FreeBusyResult{Target: t}
		out[i].Busy, out[i].Err = s.busy(ctx, who, op, t, req)
		if err := ctx.Err(); err != nil {
			return nil, wrap(op, "", err)
		}
	}
	return out, nil
}

func (s *Service) busy(ctx context.Context, who Actor, op string, t FreeBusyTarget, req FreeBusyRequest) ([]Busy, error) {
	var all []Busy
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
		return mergeBusy(all), nil
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
			return mergeBusy(all), nil
		}
	}
}

// busyHome is the busy time of all calendars of a home that who may see.
func (s *Service) busyHome(ctx context.Context, who Actor, op string, owner Owner, h *homeCache, cals []*calCache, req FreeBusyRequest) (all []Busy, err error) {
	allowed := 0
	for _, c := range cals {
		if c.meta.row.Plain || c.meta.row.Transparent || c.meta.row.Disabled {
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
		return nil, fail(Denied, op, string(owner))
	}
	return all, nil
}

func (s *Service) busyOf(ctx context.Context, h *homeCache, c *calCache, req FreeBusyRequest, all []Busy) ([]Busy, error) {
	ignore := ""
	if req.Ignore != "" {
		var row ObjectRow
		err := s.store.View(ctx, h.owner, func(tx Tx) error {
			var err error
			row, _, err = tx.ObjectByUID(c.meta.row.ID, req.Ignore, false)
			return err
		})
		if err != nil {
			return nil, err
		}
		ignore = row.Name
	}
	from, to := req.Window.unix()
	err := s.instances(ctx, h, c, req.Window, s.floating(nil, c.meta), func(i inst) {
		if i.flags&(OccFree|OccTodo) != 0 || i.end <= i.start || ignore != "" && i.name == ignore {
			return
		}
		typ := "BUSY"
		switch {
		case i.flags&OccUnavailable != 0:
			typ = "BUSY-UNAVAILABLE"
		case i.flags&OccTentative != 0:
			typ = "BUSY-TENTATIVE"
		}
		all = append(all, Busy{time.Unix(max(i.start, from), 0).UTC(), time.Unix(min(i.end, to), 0).UTC(), typ})
	})
	return all, err
}

// mergeBusy sorts the periods and joins those of one type that touch.
func mergeBusy(all []Busy) []Busy {
	slices.SortFunc(all, func(a, b Busy) int {
		if c := strings.Compare(a.Type, b.Type); c != 0 {
			return c
		}
		return a.Start.Compare(b.Start)
	})
	out := all[:0]
	for _, b := range all {
		if n := len(out); n > 0 && out[n-1].Type == b.Type && !b.Start.After(out[n-1].End) {
			if b.End.After(out[n-1].End) {
				out[n-1].End = b.End
			}
			continue
		}
		out = append(out, b)
	}
	slices.SortStableFunc(out, func(a, b Busy) int { return a.Start.Compare(b.Start) })
	return out
}
