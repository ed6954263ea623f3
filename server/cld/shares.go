package cld

import (
	"context"
	"slices"
	"sync"

	"factotum/server/calendar"
)

// Home implements calendar.Backend: the owner's back end has his calendars and
// his list, and those that have the shares on it tell of these.
func (r *Router) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (home calendar.Home, err error) {
	groups := req.Groups
	var parts []*share
	err = r.ask(ctx, req.Owner, nil, func(ctx context.Context, be calendar.Backend) (err error) {
		parts, _ = r.deal(ctx, &journey{}, len(groups), func(i int) calendar.Owner { return groups[i] })
		mine := req
		mine.Groups = nil
		parts = slices.DeleteFunc(parts, func(s *share) bool {
			if s.be == be {
				mine.Groups = some(groups, s.places)
			}
			return s.be == be
		})
		home, err = be.Home(ctx, who, mine)
		return err
	})
	if err != nil {
		return home, err
	}
	home.Through.Join(actsThrough(ctx, who, groups, parts))
	if len(home.Shares) == 0 {
		return home, nil
	}
	home.Shares, err = r.shares(ctx, who, home.Shares)
	home.SharesTag = calendar.SharesTag(home.Shares)
	return home, err
}

// actsThrough is for whom groups on other back ends act; one that does not answer
// tells of none.
func actsThrough(ctx context.Context, who calendar.Actor, groups []calendar.Owner, parts []*share) (all calendar.Proxies) {
	found := make([]calendar.Home, len(parts))
	var wg sync.WaitGroup
	for i, s := range parts {
		wg.Go(func() {
			mine := some(groups, s.places)
			found[i], _ = s.be.Home(ctx, who, calendar.HomeRequest{Owner: mine[0], Notes: true, Groups: mine})
		})
	}
	wg.Wait()
	for i := range found {
		all.Join(found[i].Through)
	}
	return all
}

// some are those at the places.
func some[T any](all []T, places []int) (part []T) {
	for _, p := range places {
		part = append(part, all[p])
	}
	return part
}

// SyncHome implements calendar.Backend. The token has the owner's own state,
// and that of the shares.
func (r *Router) SyncHome(ctx context.Context, who calendar.Actor, req calendar.SyncHomeRequest) (res calendar.SyncHomeResult, err error) {
	token, tag := req.Token, ""
	req.Token, tag = calendar.CutSharesTag(token)
	err = r.ask(ctx, req.Owner, nil, func(ctx context.Context, be calendar.Backend) (err error) {
		res, err = be.SyncHome(ctx, who, req)
		return err
	})
	if err != nil || !req.Shares {
		return res, err
	}
	if res.Shares, err = r.shares(ctx, who, res.Shares); err != nil {
		return calendar.SyncHomeResult{}, err
	}
	now := calendar.SharesTag(res.Shares)
	res.Token = calendar.WithSharesTag(res.Token, now)
	if now == tag && token != "" {
		res.Shares = nil
		return res, nil
	}
	told := res.Shares[:0]
	for _, s := range res.Shares {
		switch {
		case s.Gone() && token != "":
			res.GoneShares = append(res.GoneShares, s.ID)
		case s.Err == nil, token == "" && !s.Gone():
			told = append(told, s)
		}
	}
	res.Shares = told
	return res, nil
}

// shares asks what the calendars on somebody's list are like.
func (r *Router) shares(ctx context.Context, who calendar.Actor, list []calendar.Share) ([]calendar.Share, error) {
	if len(list) == 0 {
		return nil, nil
	}
	req := calendar.CalendarsRequest{Objects: true}
	for i := range list {
		req.IDs = append(req.IDs, list[i].ID)
	}
	found, err := r.Calendars(ctx, who, req)
	if err != nil {
		return nil, err
	}
	for i, res := range found {
		list[i].Calendar, list[i].Err = res.Calendar, res.Err
		if res.Err == nil && res.Calendar.Kind != calendar.CalendarCollection {
			list[i].Err = calendar.Fail(calendar.NoCalendar, "home", string(list[i].ID))
		}
	}
	return list, nil
}
