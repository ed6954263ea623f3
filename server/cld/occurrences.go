package cld

import (
	"context"
	"errors"
	"sync"

	"factotum/server/calendar"
)

// Calendars implements calendar.Backend.
func (r *Router) Calendars(ctx context.Context, who calendar.Actor, req calendar.CalendarsRequest) ([]calendar.CalendarResult, error) {
	return gather(ctx, r, req.IDs, calendar.ID.Owner,
		func(be calendar.Backend, part []calendar.ID) ([]calendar.CalendarResult, error) {
			some := req
			some.IDs = part
			return be.Calendars(ctx, who, some)
		},
		func(err error) calendar.CalendarResult { return calendar.CalendarResult{Err: err} }, func(a *calendar.CalendarResult) error { return a.Err })
}

// Occurrences implements calendar.Backend. The back ends are asked at the same
// time; what they answer is told in the order of the request, so that one that
// is ahead of its turn waits.
func (r *Router) Occurrences(ctx context.Context, who calendar.Actor, req calendar.OccurrencesRequest, emit func(calendar.OccurrencesResult) error) error {
	for j := (journey{}); ; j.hops++ {
		shares, errs := r.deal(ctx, &j, len(req.Calendars), func(i int) calendar.Owner { return req.Calendars[i].Owner() })
		var again bool
		var err error
		if len(shares) == 1 && len(errs) == 0 {
			again, err = r.occurrencesOfOne(ctx, &j, who, shares[0].be, req, emit)
		} else {
			again, err = r.occurrencesOfMany(ctx, &j, who, shares, errs, req, emit)
		}
		if !again {
			return err
		}
	}
}

// occurrencesOfMany tells nothing before each calendar has its first result. again: a
// home was moved, which is known now.
func (r *Router) occurrencesOfMany(ctx context.Context, j *journey, who calendar.Actor, shares []*share, errs map[int]error, req calendar.OccurrencesRequest,
	emit func(calendar.OccurrencesResult) error) (again bool, err error) {
	m := &merge{heads: make([]calendar.OccurrencesResult, len(req.Calendars)), from: make([]*stream, len(req.Calendars))}
	for i := range m.heads {
		m.heads[i] = calendar.OccurrencesResult{Index: i, Err: errs[i]}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, s := range shares {
		st := &stream{places: s.places, items: make(chan calendar.OccurrencesResult, 16)}
		part := req
		part.Calendars = make([]calendar.ID, len(s.places))
		for i, p := range s.places {
			part.Calendars[i], m.from[p] = req.Calendars[p], st
		}
		wg.Go(func() { st.run(ctx, who, s.be, part) })
	}
	if err := m.openings(); err != nil {
		return false, err
	}
	for i := range m.heads {
		again = r.learn(j, m.heads[i].Err) || again
	}
	if again {
		return true, nil
	}
	for i := range m.heads {
		if err := emit(m.heads[i]); err != nil {
			return false, err
		}
	}
	for i := range m.heads {
		if m.heads[i].Err != nil {
			continue
		}
		if err := m.from[i].calendar(i, emit); err != nil {
			return false, err
		}
	}
	return false, nil
}

// occurrencesOfOne passes the stream through, once each calendar has its first result.
// Of a back end that is down, or goes away, each calendar that is not done says so. again:
// a home was moved, which is known now, and nothing was told.
func (r *Router) occurrencesOfOne(ctx context.Context, j *journey, who calendar.Actor, be calendar.Backend, req calendar.OccurrencesRequest,
	emit func(calendar.OccurrencesResult) error) (again bool, err error) {
	n := len(req.Calendars)
	failed := make([]bool, n)
	opened, at := 0, 0 // calendars that have their first result, and the one that is told of
	heads := make([]calendar.OccurrencesResult, 0, n)
	var stopped error
	open := func() error {
		for i := range heads {
			again = r.learn(j, heads[i].Err) || again
		}
		if again {
			return errAgain
		}
		for i := range heads {
			if stopped = emit(heads[i]); stopped != nil {
				return stopped
			}
		}
		return nil
	}
	err = be.Occurrences(ctx, who, req, func(res calendar.OccurrencesResult) error {
		switch {
		case res.Index < 0 || res.Index >= n:
			return errOrder
		case opened < n:
			heads = append(heads, res)
			failed[res.Index] = res.Err != nil
			if opened++; opened == n {
				return open()
			}
			return nil
		default:
			at = res.Index
			failed[at] = failed[at] || res.Err != nil
		}
		stopped = emit(res)
		return stopped
	})
	if err == nil && opened < n {
		err = errOrder
	}
	if again || err != nil && opened < n && r.learn(j, err) {
		return true, nil
	}
	if err == nil || stopped != nil || !ofItems(err) {
		return false, err
	}
	if opened < n {
		for i := range heads {
			if err := emit(heads[i]); err != nil {
				return false, err
			}
		}
	}
	for i := opened; i < n; i++ {
		failed[i] = true
		if err := emit(calendar.OccurrencesResult{Index: i, Err: err}); err != nil {
			return false, err
		}
	}
	for i := at; i < n; i++ {
		if failed[i] {
			continue
		}
		if err := emit(calendar.OccurrencesResult{Index: i, Err: err}); err != nil {
			return false, err
		}
	}
	return false, nil
}

// errAgain ends an answer that is asked for somewhere else.
var errAgain = errors.New("the home was moved")

// merge puts the streams of several back ends together.
type merge struct {
	heads []calendar.OccurrencesResult // the first results, by calendar
	from  []*stream                    // who answers for it, nil for nobody
}

// openings reads the first result for each calendar.
func (m *merge) openings() error {
	for i, st := range m.from {
		if st == nil {
			continue
		}
		res, ok := st.next()
		switch {
		case ok && res.Index == i:
			m.heads[i] = res
		case ok:
			return errOrder
		case st.err == nil:
			return errOrder
		case !ofItems(st.err):
			return st.err
		default:
			m.heads[i].Err = st.err
		}
	}
	return nil
}

var errOrder = &calendar.Error{Kind: calendar.Internal, Op: "find back end", Err: errors.New("answers are missing or not in order")}

// stream is what one back end answers.
type stream struct {
	places []int // its calendars, in the whole request
	items  chan calendar.OccurrencesResult
	err    error // how it ended, once items is closed

	ahead *calendar.OccurrencesResult // read, but of a later calendar
}

func (st *stream) run(ctx context.Context, who calendar.Actor, be calendar.Backend, req calendar.OccurrencesRequest) {
	defer close(st.items)
	st.err = be.Occurrences(ctx, who, req, func(res calendar.OccurrencesResult) error {
		if res.Index < 0 || res.Index >= len(st.places) {
			return errOrder
		}
		res.Index = st.places[res.Index]
		select {
		case st.items <- res:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// next is the next result; not ok at the end.
func (st *stream) next() (res calendar.OccurrencesResult, ok bool) {
	if st.ahead != nil {
		res, st.ahead = *st.ahead, nil
		return res, true
	}
	res, ok = <-st.items
	return res, ok
}

// calendar emits all that the back end has about one calendar. A back end that
// went away ends those that are left.
func (st *stream) calendar(i int, emit func(calendar.OccurrencesResult) error) error {
	for {
		res, ok := st.next()
		switch {
		case !ok && st.err != nil && ofItems(st.err):
			return emit(calendar.OccurrencesResult{Index: i, Err: st.err})
		case !ok:
			return st.err
		case res.Index > i:
			st.ahead = &res
			return nil
		case res.Index < i:
			return errOrder
		}
		if err := emit(res); err != nil {
			return err
		}
	}
}
