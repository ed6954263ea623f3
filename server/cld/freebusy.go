package cld

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"factotum/server/calendar"
	"factotum/server/match"
)

// maxCrowd is the most members of a group whose busy time is asked for at once.
const maxCrowd = 1000

// crowd is a group among the targets: its members stand behind all targets,
// from here to there.
type crowd struct{ at, from, to int }

// FreeBusy implements calendar.Backend. The home of a group is busy when its own
// calendars are, or those of a member: ldap.md §5.8. Members are on any back
// end, so the groups are taken apart here.
func (r *Router) FreeBusy(ctx context.Context, who calendar.Actor, req calendar.FreeBusyRequest) ([]calendar.FreeBusyResult, error) {
	targets, crowds, err := r.withMembers(ctx, who, req.Targets)
	if err != nil {
		return nil, err
	}
	results, err := gather(ctx, r, targets, func(t calendar.FreeBusyTarget) calendar.Owner { return t.Calendar.Owner() },
		func(be calendar.Backend, part []calendar.FreeBusyTarget) ([]calendar.FreeBusyResult, error) {
			some := req
			some.Targets = part
			return be.FreeBusy(ctx, who, some)
		},
		func(err error) calendar.FreeBusyResult { return calendar.FreeBusyResult{Err: err} }, func(a *calendar.FreeBusyResult) error { return a.Err })
	if err != nil {
		return nil, err
	}
	for _, c := range crowds {
		join(&results[c.at], results[c.from:c.to])
	}
	results = results[:len(req.Targets)]
	for i := range results {
		results[i].Target = req.Targets[i]
	}
	return results, nil
}

// withMembers adds the homes of members of those targets that are groups.
func (r *Router) withMembers(ctx context.Context, who calendar.Actor, targets []calendar.FreeBusyTarget) (all []calendar.FreeBusyTarget, crowds []crowd, err error) {
	all = targets
	if r.people == nil {
		return all, nil, nil
	}
	people := calendar.SeenBy(r.people, who)
	for i, p := range groupsAmong(ctx, people, targets) {
		if p == nil {
			continue
		}
		members, more, err := people.Members(ctx, p.ID, true, maxCrowd)
		switch {
		case errors.Is(err, calendar.NotFound):
			continue
		case err != nil:
			return nil, nil, err
		case more:
			return nil, nil, calendar.Failf(calendar.TooMany, "", "free/busy", p.ID, "the group %s has more than %d members: ask for some of them", p.ID, maxCrowd)
		}
		c := crowd{at: i, from: len(all)}
		all = slices.Clip(all)
		for _, m := range members {
			if m.ID != "" && m.Active {
				all = append(all, calendar.FreeBusyTarget{Calendar: calendar.NewID(calendar.Owner(m.ID), calendar.DefaultName), Home: true})
			}
		}
		c.to = len(all)
		crowds = append(crowds, c)
	}
	return all, crowds, nil
}

// askers is how many questions to the directory are under way at once.
const askers = 16

// groupsAmong finds which targets are homes of groups; nil is another one. Whose
// home it is, or that there is none, its back end says.
func groupsAmong(ctx context.Context, people calendar.People, targets []calendar.FreeBusyTarget) []*calendar.Person {
	groups := make([]*calendar.Person, len(targets))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(askers, len(targets)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(targets); i = int(next.Add(1)) - 1 {
				if t := targets[i]; t.Home {
					if p, err := people.Person(ctx, string(t.Calendar.Owner())); err == nil && p.Kind == calendar.Group {
						groups[i] = &p
					}
				}
			}
		})
	}
	wg.Wait()
	return groups
}

// join adds the busy time of a group's members to its own. Who keeps his to
// himself is left out; of who cannot be asked now nobody can say that he is free.
func join(group *calendar.FreeBusyResult, members []calendar.FreeBusyResult) {
	if group.Err != nil {
		return
	}
	busy := slices.Clone(group.Busy)
	for _, m := range members {
		if m.Err == nil {
			busy = append(busy, m.Busy...)
			continue
		}
		if k := calendar.KindOf(m.Err); k != calendar.Denied && k != calendar.NoCalendar && k != calendar.NotFound {
			group.Busy, group.Err = nil, m.Err
			return
		}
	}
	group.Busy = match.MergeBusy(busy)
}
