package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"factotum/server/calendar"
	"factotum/server/match"
)

// Limits of SearchCalendars.
const (
	searchLimit  = 1000   // calendars of one answer
	searchOwners = 50_000 // owners that one search looks at
	searchGroups = 200    // groups without a calendar that one search asks the directory about
)

// nameIndex remembers the calids and display names of the owners that a search
// has looked at, since it looks at all of them.
type nameIndex struct {
	mu     sync.RWMutex
	owners map[calendar.Owner][]calName
	count  int64 // of forget: what was read before it must not be kept
}

type calName struct {
	id   calendar.ID
	text string // calid, NUL, display name; in lower case
}

func (x *nameIndex) get(o calendar.Owner) (names []calName, count int64, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names, ok = x.owners[o]
	return names, x.count, ok
}

func (x *nameIndex) put(o calendar.Owner, names []calName, count int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.count != count {
		return
	}
	if x.owners == nil || len(x.owners) >= 2*searchOwners {
		x.owners = map[calendar.Owner][]calName{}
	}
	x.owners[o] = names
}

func (x *nameIndex) forget(o calendar.Owner) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.owners, o)
	x.count++
}

// SearchCalendars lists the calendars that match and that who may see. WCAP
// search_calprops.
func (s *Service) SearchCalendars(ctx context.Context, who calendar.Actor, req calendar.SearchCalendarsRequest) ([]calendar.Calendar, error) {
	const op = "search calendars"
	limit := req.Limit
	if limit <= 0 || limit > searchLimit {
		limit = searchLimit
	}
	var out []calendar.Calendar
	ds := s.domains()
	take := func(id calendar.ID) error {
		if ds != nil && !ds.Sees(who, ds.Of(string(id.Owner()))) {
			return nil
		}
		cal, err := s.Calendar(ctx, who, id)
		switch {
		case errors.Is(err, calendar.NoCalendar), calendar.ReasonOf(err) == calendar.Disabled, isElsewhere(err):
		case err != nil:
			return wrap(op, string(id), err)
		case cal.Kind == calendar.CalendarCollection && (!req.Properties || toReadProps(cal.Rights)):
			out = append(out, cal)
		}
		return nil
	}
	if err := s.groupsNamed(ctx, who, req); err != nil {
		return nil, wrap(op, "", err)
	}
	owned := map[calendar.Owner]bool{}
	asked := 0
	for _, o := range req.Owners {
		if owned[o] || calendar.CheckOwner(o) != nil {
			continue
		}
		owned[o] = true
		names, err := s.namesOf(ctx, o)
		if err != nil {
			return nil, wrap(op, string(o), err)
		}
		if len(names) == 0 && asked < searchGroups { // a group that nobody has used
			asked++
			if err := take(calendar.NewID(o, calendar.DefaultName)); err != nil {
				return nil, err
			}
		}
		for _, n := range names {
			if len(out) < limit {
				if err := take(n.id); err != nil {
					return nil, err
				}
			}
		}
	}
	text := strings.ToLower(req.Text)
	if (req.ID || req.Name || req.Owner) && text != "" {
		if err := s.searchOwners(ctx, owned, func(o calendar.Owner, names []calName) error {
			mine := req.Owner && match.Text(req.How, string(o), text)
			for _, n := range names {
				id, name, _ := strings.Cut(n.text, "\x00")
				if !mine && !(req.ID && match.Text(req.How, id, text)) && !(req.Name && match.Text(req.How, name, text)) {
					continue
				}
				if err := take(n.id); err != nil {
					return err
				}
				if len(out) >= limit {
					return errEnough
				}
			}
			return nil
		}); err != nil && err != errEnough {
			return nil, wrap(op, "", err)
		}
	}
	slices.SortFunc(out, func(a, b calendar.Calendar) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

// groupsNamed makes the calendars of groups that a search is about and that
// nobody has used, so that they are found: Sun's server could not.
func (s *Service) groupsNamed(ctx context.Context, who calendar.Actor, req calendar.SearchCalendarsRequest) error {
	if !req.ID && !req.Name && !req.Owner || req.Text == "" || s.people == nil || !s.provisions(who, "") {
		return nil
	}
	text := strings.ToLower(req.Text)
	found, _, err := s.asks(who).Search(ctx, calendar.PeopleQuery{Text: req.Text, Exact: req.How == calendar.Exactly, Kinds: []calendar.PersonKind{calendar.Group}, Limit: searchGroups})
	if err != nil {
		return err
	}
	for _, p := range found {
		byID := (req.ID || req.Owner) && match.Text(req.How, p.ID, text)
		if !byID && !(req.Name && match.Text(req.How, strings.ToLower(p.Name), text)) {
			continue
		}
		names, err := s.namesOf(ctx, calendar.Owner(p.ID))
		if err != nil {
			return err
		}
		if len(names) > 0 {
			continue
		}
		if err := s.provision(ctx, who, calendar.Owner(p.ID)); err != nil && calendar.KindOf(err) != calendar.NoCalendar && !isElsewhere(err) {
			return err
		}
	}
	return nil
}

var errEnough = errors.New("enough")

// searchOwners calls fn for every owner but those of skip, in order.
func (s *Service) searchOwners(ctx context.Context, skip map[calendar.Owner]bool, fn func(calendar.Owner, []calName) error) error {
	after := calendar.Owner("")
	for n := 0; n < searchOwners; {
		page, err := s.store.Owners(ctx, after, 500)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, o := range page {
			if skip[o] {
				continue
			}
			names, err := s.namesOf(ctx, o)
			if err != nil {
				return err
			}
			if err := fn(o, names); err != nil {
				return err
			}
		}
		n += len(page)
		after = page[len(page)-1]
	}
	return nil
}

func (s *Service) namesOf(ctx context.Context, o calendar.Owner) ([]calName, error) {
	names, count, ok := s.names.get(o)
	if ok {
		return names, ctx.Err()
	}
	err := s.store.View(ctx, o, func(tx calendar.ReadTx) error {
		rows, err := tx.Calendars()
		names = make([]calName, 0, len(rows))
		for _, r := range rows {
			if isBox(&r) {
				continue
			}
			id := calendar.NewID(o, r.Name)
			names = append(names, calName{id, strings.ToLower(string(id) + "\x00" + r.DisplayName)})
		}
		slices.SortFunc(names, func(a, b calName) int { return strings.Compare(string(a.id), string(b.id)) })
		return err
	})
	switch {
	case err == nil:
		s.names.put(o, names, count)
	case isElsewhere(err): // another back end tells of him
		return nil, nil
	}
	return names, err
}

// isElsewhere tells of a home that was moved to another back end, which is asked too.
func isElsewhere(err error) bool { return calendar.ReasonOf(err) == calendar.HomeMoved }
