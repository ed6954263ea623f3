package service

import (
	"context"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
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

func (s *Service) busy(ctx context.Context, who calendar.Actor, op string, t calendar.FreeBusyTarget, req calendar.FreeBusyRequest) (all []calendar.Busy, err error) {
	id, owner := t.Calendar, t.Calendar.Owner()
	if !t.Home {
		err = s.readCalendar(ctx, who, op, id, calendar.Rights.CanSeeBusy, func(v cache.View, cal *cache.Calendar, r calendar.Rights) (err error) {
			all, err = s.busyOf(ctx, v, cal, who, req, nil)
			return err
		})
	} else {
		exists := false
		err = s.read(ctx, who, op, string(owner), owner, func(v cache.View) (err error) {
			exists = v.Home().Exists
			all, err = s.busyHome(ctx, v, who, op, owner, req)
			return err
		})
		if err == nil && !exists {
			return nil, s.known(ctx, op, owner)
		}
	}
	if err != nil {
		return nil, err
	}
	return match.MergeBusy(all), nil
}

// busyHome is the busy time of all calendars of a home that who may see.
func (s *Service) busyHome(ctx context.Context, v cache.View, who calendar.Actor, op string, owner calendar.Owner, req calendar.FreeBusyRequest) (all []calendar.Busy, err error) {
	cals, err := v.Calendars()
	if err != nil {
		return nil, err
	}
	allowed, boxes := 0, 0
	for _, c := range cals {
		if isBox(&c.Row) {
			boxes++
		}
		if !c.Row.Kind.Rules().Objects || c.Row.Transparent || c.Row.Disabled || !s.rightsOn(who, c).CanSeeBusy() {
			continue
		}
		allowed++
		if all, err = s.busyOf(ctx, v, c, who, req, all); err != nil {
			return nil, wrap(op, string(c.ID), err)
		}
	}
	if allowed == 0 && len(cals) > boxes {
		return nil, calendar.Fail(calendar.Denied, op, string(owner))
	}
	return all, nil
}

func (s *Service) busyOf(ctx context.Context, v cache.View, cal *cache.Calendar, who calendar.Actor, req calendar.FreeBusyRequest, all []calendar.Busy) ([]calendar.Busy, error) {
	ignore, err := ignored(ctx, v, cal, who, &req)
	if err != nil {
		return nil, err
	}
	from, to := req.Window.Unix()
	err = instances(ctx, v, cal, req.Window, s.floatingOf(nil, cal), func(i cache.Instance) {
		if i.Flags&(calendar.OccFree|calendar.OccTodo) != 0 || i.End <= i.Start || ignore != "" && i.Name == ignore {
			return
		}
		typ := "BUSY"
		switch {
		case i.Flags&calendar.OccUnavailable != 0:
			typ = "BUSY-UNAVAILABLE"
		case i.Flags&calendar.OccTentative != 0:
			typ = "BUSY-TENTATIVE"
		}
		all = append(all, calendar.Busy{Start: time.Unix(max(i.Start, from), 0).UTC(), End: time.Unix(min(i.End, to), 0).UTC(), Type: typ})
	})
	return all, err
}

// ignored is the name of the object that does not count.
func ignored(ctx context.Context, v cache.View, cal *cache.Calendar, who calendar.Actor, req *calendar.FreeBusyRequest) (name string, err error) {
	if req.Ignore == "" {
		return "", nil
	}
	err = v.Tx(ctx, cal, func(tx calendar.ReadTx) error {
		name = ""
		row, ok, err := tx.ObjectByUID(cal.Row.ID, req.Ignore, req.Organizer != "")
		if err != nil || !ok {
			return err
		}
		if req.Organizer == "" || isOf(row.Data, req.Organizer, isSelf(who, cal.ID.Owner())) {
			name = row.Name
		}
		return nil
	})
	return name, err
}

// isOf tells whether somebody is the organizer of an object, or, if it is his own,
// nobody is.
func isOf(text []byte, organizer string, own bool) bool {
	cal, err := ical.Parse(text, ical.Limits{})
	if err != nil {
		return false
	}
	for _, c := range cal.Children {
		if p := c.Prop("ORGANIZER"); p != nil {
			return calendar.AddressKey(p.Value) == calendar.AddressKey(organizer)
		}
	}
	return own
}
