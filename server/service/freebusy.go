package service

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/availability"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/match"
	"factotum/server/recur"
)

// busyAtOnce is how many targets of one request are looked at at the same time.
const busyAtOnce = 4

// FreeBusy merges the busy time of each target. Components count when they
// are opaque and not cancelled, and by what their owner has answered; private
// ones count as others do. A target that fails answers for itself: who has no
// home yet is free, whom the directory does not know, or who is not active, is
// NoCalendar. RFC 4791 §7.10, RFC 7953 §4, WCAP get_freebusy.
func (s *Service) FreeBusy(ctx context.Context, who calendar.Actor, req calendar.FreeBusyRequest) ([]calendar.FreeBusyResult, error) {
	const op = "free/busy"
	if req.Window.From.IsZero() || req.Window.To.IsZero() {
		return nil, calendar.Failf(calendar.Invalid, calendar.ValidFilter, op, "", "a free/busy request needs a start and an end")
	}
	if len(req.Targets) > s.opt.Limits.Refs {
		return nil, calendar.Failf(calendar.TooMany, "", op, "", "at most %d people or calendars in one request", s.opt.Limits.Refs)
	}
	if err := match.CheckWindow(req.Window); err != nil {
		return nil, wrap(op, "", err)
	}
	out := make([]calendar.FreeBusyResult, len(req.Targets))
	// A question for ages of many people's time is ended when it has found what no
	// answer should have.
	asked, stop := context.WithCancel(ctx)
	defer stop()
	var left atomic.Int64
	left.Store(int64(max(busyMost, busyEach*len(out))))
	spread(len(out), busyAtOnce, func(i int) {
		if asked.Err() == nil {
			out[i] = s.busyResult(asked, op, req.Targets[i], &busyTime{s: s, who: who, req: &req, left: &left, stop: stop})
		}
	})
	if left.Load() < 0 {
		return nil, calendar.Failf(calendar.TooMany, "", op, "", "they are busy too often in that time: ask for a shorter one, or for fewer people")
	}
	if err := ctx.Err(); err != nil {
		return nil, wrap(op, "", err)
	}
	return out, nil
}

// spread calls do for each of n, some at a time. It panics when one of them does:
// that is the request's own.
func spread(n, atOnce int, do func(i int)) {
	if n <= 1 || atOnce <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		failed atomic.Pointer[any]
	)
	for range min(n, atOnce) {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					failed.Store(&p)
				}
			}()
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
	if p := failed.Load(); p != nil {
		panic(*p)
	}
}

// busyResult answers for one target.
func (s *Service) busyResult(ctx context.Context, op string, t calendar.FreeBusyTarget, b *busyTime) calendar.FreeBusyResult {
	res, who, req := calendar.FreeBusyResult{Target: t}, b.who, b.req
	if t.Home {
		res.Err = s.busyHome(ctx, op, t.Calendar.Owner(), b)
	} else {
		res.Err = s.readCalendar(ctx, who, op, t.Calendar, calendar.Rights.CanSeeBusy, func(v cache.View, cal *cache.Calendar, _ calendar.Rights) error {
			b.forget()
			if err := b.calendar(ctx, v, cal); err != nil {
				return err
			}
			return b.unavailable(ctx, s.floatingOf(nil, cal))
		})
	}
	if req.Describe {
		if cal, err := s.Calendar(ctx, who, t.Calendar); err == nil {
			res.Calendar = &cal
		} else if res.Err == nil && !t.Home { // people may be free who have no calendar
			res.Err = err
		}
	}
	if res.Err == nil {
		res.Busy = match.MergeBusy(b.all)
	}
	return res
}

// busyHome takes the busy time of all calendars of a home that who may see, and
// when its owner can be met at all.
func (s *Service) busyHome(ctx context.Context, op string, owner calendar.Owner, b *busyTime) error {
	if s.strange(b.who, owner) {
		return nobody(op, owner)
	}
	exists := false
	err := s.read(ctx, b.who, op, string(owner), owner, func(v cache.View) error {
		b.forget()
		exists = v.Home().Exists
		return s.busyCalendars(ctx, v, op, owner, b)
	})
	// Whose calendars are here may have left, or been switched off. While the
	// directory does not answer they are taken to be active.
	if k := calendar.KindOf(err); err == nil || k == calendar.Denied {
		if gone := s.known(ctx, op, owner); gone != nil && (!exists || calendar.KindOf(gone) == calendar.NoCalendar) {
			err = gone
		}
	}
	return err
}

func (s *Service) busyCalendars(ctx context.Context, v cache.View, op string, owner calendar.Owner, b *busyTime) error {
	cals, err := v.Calendars()
	if err != nil {
		return err
	}
	there, seen := 0, 0
	var home *cache.Calendar // whose zone is the owner's
	for _, c := range cals {
		if !c.Row.Kind.Rules().Objects || c.Row.Disabled {
			continue
		}
		if there++; home == nil || c.Row.Name == calendar.DefaultName {
			home = c
		}
		if !s.rightsOn(b.who, c).CanSeeBusy() {
			continue
		}
		if seen++; c.Row.Transparent { // CALDAV:schedule-calendar-transp, RFC 6638 §9.1
			continue
		}
		if err := b.calendar(ctx, v, c); err != nil {
			return wrap(op, string(c.ID), err)
		}
	}
	switch {
	case there == 0:
		return nil
	case seen == 0:
		return calendar.Fail(calendar.Denied, op, string(owner))
	}
	avail, err := v.Availability()
	if err != nil {
		return err
	}
	b.avail = append(b.avail, avail)
	return b.unavailable(ctx, s.floatingOf(nil, home))
}

// busyTime is what is found of one target.
type busyTime struct {
	s     *Service
	who   calendar.Actor
	req   *calendar.FreeBusyRequest
	all   []calendar.Busy
	avail []*availability.Availability
	left  *atomic.Int64 // busy instances that the request may still find
	stop  func()        // ends it when there is none
}

// busyMost is how many busy instances a request for busy time may find, and busyEach
// how many for each of those whom it asks about where that is more: three a day for
// a month.
const (
	busyMost = 100_000
	busyEach = 100
)

// forget begins anew: a read may run more than once.
func (b *busyTime) forget() { b.all, b.avail = nil, nil }

// add takes a period, as far as it is in the window.
func (b *busyTime) add(start, end int64, kind string) {
	from, to := b.req.Window.Unix()
	if start, end = max(start, from), min(end, to); start < end {
		b.all = append(b.all, calendar.Busy{Start: time.Unix(start, 0).UTC(), End: time.Unix(end, 0).UTC(), Type: kind})
	}
}

// calendar takes what is in a calendar.
func (b *busyTime) calendar(ctx context.Context, v cache.View, cal *cache.Calendar) error {
	ignore, err := b.ignored(ctx, v, cal)
	if err != nil {
		return err
	}
	err = instances(ctx, v, cal, b.req.Window, b.s.floatingOf(nil, cal), func(i cache.Instance) {
		if i.Flags&(calendar.OccFree|calendar.OccTodo) != 0 || i.End <= i.Start || ignore != "" && i.Name == ignore {
			return
		}
		if b.left.Add(-1) < 0 {
			b.stop()
			return
		}
		switch {
		case i.Flags&calendar.OccUnavailable != 0:
			b.add(i.Start, i.End, "BUSY-UNAVAILABLE")
		case i.Flags&calendar.OccTentative != 0:
			b.add(i.Start, i.End, "BUSY-TENTATIVE")
		default:
			b.add(i.Start, i.End, "BUSY")
		}
	})
	if err != nil {
		return err
	}
	return b.published(ctx, v, cal)
}

// ignored is the name of the object that does not count.
func (b *busyTime) ignored(ctx context.Context, v cache.View, cal *cache.Calendar) (name string, err error) {
	if b.req.Ignore == "" {
		return "", nil
	}
	err = v.Tx(ctx, cal, func(tx calendar.ReadTx) error {
		name = ""
		row, ok, err := tx.ObjectByUID(cal.Row.ID, b.req.Ignore, b.req.Organizer != "")
		if err != nil || !ok {
			return err
		}
		if b.req.Organizer == "" || isOf(row.Data, b.req.Organizer, isSelf(b.who, cal.ID.Owner())) {
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

// unavailable takes the time that is not available.
func (b *busyTime) unavailable(ctx context.Context, float recur.Zone) error {
	a := availability.Join(b.avail...)
	if len(b.avail) == 1 {
		a = b.avail[0]
	}
	not, err := a.Busy(ctx, b.req.Window, float)
	b.all = append(b.all, not...)
	return err
}
