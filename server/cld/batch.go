package cld

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"factotum/server/calendar"
)

// share is the part of a batch that one back end answers: the places of its
// items in the request.
type share struct {
	be     calendar.Backend
	places []int
}

// deal gives each of n items to the back end of its owner. errs holds those
// without one, by place.
func (r *Router) deal(ctx context.Context, j *journey, n int, owner func(i int) calendar.Owner) (shares []*share, errs map[int]error) {
	type found struct {
		to  *share
		err error
	}
	owners := map[calendar.Owner]found{}
	byBackend := map[calendar.Backend]*share{}
	for i := range n {
		o := owner(i)
		f, known := owners[o]
		if !known {
			var be calendar.Backend
			if be, f.err = r.find(ctx, j, o); f.err == nil {
				if f.to = byBackend[be]; f.to == nil {
					f.to = &share{be: be}
					byBackend[be] = f.to
					shares = append(shares, f.to)
				}
			}
			owners[o] = f
		}
		if f.err != nil {
			if errs == nil {
				errs = map[int]error{}
			}
			errs[i] = f.err
			continue
		}
		f.to.places = append(f.to.places, i)
	}
	return shares, errs
}

// ofItems tells whether a whole share's failure is one of its back end, and
// so of its items only. Others, such as a bad request, fail the batch.
func ofItems(err error) bool {
	k := calendar.KindOf(err)
	return k == calendar.Unavailable || k == calendar.NoBackend || k == calendar.Internal
}

// Objects implements calendar.Backend, also for refs of several owners.
func (r *Router) Objects(ctx context.Context, who calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) error {
	ref := func(i int) calendar.Ref { // UIDs stand behind the refs, under no name
		if i < len(req.Refs) {
			return req.Refs[i]
		}
		return calendar.Ref{Calendar: req.Calendar}
	}
	total := len(req.Refs) + len(req.UIDs)
	owners := map[calendar.Owner]bool{}
	for i := range total {
		owners[ref(i).Calendar.Owner()] = true
	}
	for j := (journey{}); ; j.hops++ {
		shares, errs := r.deal(ctx, &j, total, func(i int) calendar.Owner { return ref(i).Calendar.Owner() })
		var again bool
		var err error
		switch {
		case total == 0:
			return nil
		case len(shares) == 1 && len(errs) == 0 && len(owners) == 1:
			again, err = r.objectsOfOne(ctx, &j, who, shares[0].be, req, total, ref, emit)
		default:
			again, err = r.objectsOfMany(ctx, &j, who, shares, errs, req, total, ref, emit)
		}
		if !again {
			return err
		}
	}
}

// objectsOfMany asks several back ends, and tells nothing before all have answered. again:
// a home was moved, which is known now.
func (r *Router) objectsOfMany(ctx context.Context, j *journey, who calendar.Actor, shares []*share, errs map[int]error, req calendar.ObjectsRequest, total int, ref func(int) calendar.Ref,
	emit func(calendar.ObjectResult) error) (again bool, err error) {
	results := make([]calendar.ObjectResult, total)
	for i := range results {
		results[i] = calendar.ObjectResult{Ref: ref(i), Err: errs[i]}
	}
	err = each(shares, func(s *share) error {
		part := req
		part.Refs, part.UIDs = nil, nil
		for _, p := range s.places {
			if p < len(req.Refs) {
				part.Refs = append(part.Refs, req.Refs[p])
			} else {
				part.UIDs = append(part.UIDs, req.UIDs[p-len(req.Refs)])
			}
		}
		n := 0
		err := s.be.Objects(ctx, who, part, func(o calendar.ObjectResult) error {
			if n >= len(s.places) {
				return errTooLong
			}
			results[s.places[n]] = o
			n++
			return nil
		})
		if err == nil || !ofItems(err) {
			return err
		}
		for _, p := range s.places[n:] {
			results[p].Err = err
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for i := range results {
		again = r.learn(j, results[i].Err) || again
	}
	if again {
		return true, nil
	}
	for i := range results {
		if err := emit(results[i]); err != nil {
			return false, err
		}
	}
	return false, nil
}

var errTooLong = &calendar.Error{Kind: calendar.Internal, Op: "get objects", Err: errors.New("more answers than questions")}

// objectsOfOne passes the stream through. A back end that is down from the
// start fails the request; when it goes away later, the items left say so. again: the
// home was moved, which is known now, and nothing was told.
func (r *Router) objectsOfOne(ctx context.Context, j *journey, who calendar.Actor, be calendar.Backend, req calendar.ObjectsRequest, total int, ref func(int) calendar.Ref,
	emit func(calendar.ObjectResult) error) (again bool, err error) {
	n := 0
	var stopped error
	err = be.Objects(ctx, who, req, func(o calendar.ObjectResult) error {
		if n == 0 && r.learn(j, o.Err) {
			again = true
			return errAgain
		}
		n++
		stopped = emit(o)
		return stopped
	})
	if again || err != nil && n == 0 && r.learn(j, err) {
		return true, nil
	}
	if err == nil || stopped != nil || !ofItems(err) || n == 0 {
		return false, err
	}
	for ; n < total; n++ {
		if err := emit(calendar.ObjectResult{Ref: ref(n), Err: err}); err != nil {
			return false, err
		}
	}
	return false, nil
}

// Deliver implements calendar.Backend.
func (r *Router) Deliver(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) ([]calendar.DeliverResult, error) {
	return gather(ctx, r, req.To, func(to calendar.Recipient) calendar.Owner { return to.Owner },
		func(be calendar.Backend, part []calendar.Recipient) ([]calendar.DeliverResult, error) {
			some := req
			some.To = part
			return be.Deliver(ctx, who, some)
		},
		func(err error) calendar.DeliverResult { return calendar.DeliverResult{Err: err} }, func(a *calendar.DeliverResult) error { return a.Err })
}

// gather asks each back end about its part of the items, all at the same time,
// and puts the answers together in the order of the items. What cannot be asked
// spoils its own items only, for which failed makes an answer; why tells of one what
// went wrong. Items of homes that were moved are asked about again.
func gather[T, A any](ctx context.Context, r *Router, items []T, owner func(T) calendar.Owner, ask func(calendar.Backend, []T) ([]A, error), failed func(error) A, why func(*A) error) ([]A, error) {
	results := make([]A, len(items))
	left := make([]int, len(items)) // places of those that have no answer yet
	for i := range left {
		left[i] = i
	}
	for j := (journey{}); len(left) > 0; j.hops++ {
		shares, errs := r.deal(ctx, &j, len(left), func(i int) calendar.Owner { return owner(items[left[i]]) })
		for i, err := range errs {
			results[left[i]] = failed(err)
		}
		err := each(shares, func(s *share) error {
			part := make([]T, len(s.places))
			for i, p := range s.places {
				part[i] = items[left[p]]
			}
			got, err := ask(s.be, part)
			if err == nil && len(got) != len(part) {
				err = errOrder
			}
			if err != nil && !ofItems(err) {
				return err
			}
			for i, p := range s.places {
				if err != nil {
					results[left[p]] = failed(err)
				} else {
					results[left[p]] = got[i]
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, p := range left {
			r.learn(&j, why(&results[p]))
		}
		left = slices.DeleteFunc(left, func(p int) bool {
			to, host := calendar.MovedTo(why(&results[p]))
			return host == "" || j.hops >= maxHops || j.at[to] != host
		})
	}
	return results, nil
}

// each runs do for all shares at the same time and returns the first error.
func each(shares []*share, do func(*share) error) error {
	if len(shares) == 1 {
		return do(shares[0])
	}
	errs := make([]error, len(shares))
	var wg sync.WaitGroup
	for i, s := range shares {
		wg.Go(func() { errs[i] = do(s) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// SearchCalendars implements calendar.Backend: it asks every back end. The
// calendars of those that are down are missing from the answer; it fails when
// all are.
func (r *Router) SearchCalendars(ctx context.Context, who calendar.Actor, req calendar.SearchCalendarsRequest) ([]calendar.Calendar, error) {
	found := make([][]calendar.Calendar, len(r.all))
	errs := r.everywhere(func(i int, be calendar.Backend) (err error) {
		found[i], err = be.SearchCalendars(ctx, who, req)
		return err
	})
	var failed error
	answered := false
	for _, err := range errs {
		switch {
		case err == nil:
			answered = true
		case !ofItems(err):
			return nil, err
		default:
			failed = err
		}
	}
	if !answered {
		return nil, failed
	}
	if len(r.all) == 1 {
		return found[0], nil
	}
	var out []calendar.Calendar
	for i, list := range found {
		for _, c := range list {
			// What a user left behind on a host that he moved from is not his.
			if be, err := r.of(ctx, c.ID.Owner()); err == nil && be == r.all[i].Backend {
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, func(a, b calendar.Calendar) int { return strings.Compare(string(a.ID), string(b.ID)) })
	if req.Limit > 0 && len(out) > req.Limit {
		out = out[:req.Limit]
	}
	return out, nil
}

// everywhere asks all back ends at the same time. Without any, the one error
// is NoBackend.
func (r *Router) everywhere(do func(i int, be calendar.Backend) error) []error {
	if len(r.all) == 0 {
		return []error{&calendar.Error{Kind: calendar.NoBackend, Op: "find back end"}}
	}
	errs := make([]error, len(r.all))
	var wg sync.WaitGroup
	for i, be := range r.all {
		wg.Go(func() { errs[i] = do(i, be.Backend) })
	}
	wg.Wait()
	return errs
}

// Ping implements calendar.Backend: it asks every back end, fails when one
// fails, and sums up.
func (r *Router) Ping(ctx context.Context) (calendar.Status, error) {
	got := make([]calendar.Status, len(r.all))
	errs := r.everywhere(func(i int, be calendar.Backend) (err error) {
		got[i], err = be.Ping(ctx)
		return err
	})
	for _, err := range errs {
		if err != nil {
			return calendar.Status{}, err
		}
	}
	sum := got[0]
	sum.Domains = slices.Clone(sum.Domains)
	for _, st := range got[1:] {
		sum.Owners += st.Owners
		sum.Objects += st.Objects
		sum.ReadOnly = sum.ReadOnly || st.ReadOnly
		for _, use := range st.Domains {
			if i := slices.IndexFunc(sum.Domains, func(u calendar.DomainUse) bool { return u.Domain == use.Domain }); i >= 0 {
				sum.Domains[i].Octets += use.Octets
			} else {
				sum.Domains = append(sum.Domains, use)
			}
		}
		if st.Started.After(sum.Started) {
			sum.Started = st.Started
		}
	}
	return sum, nil
}
