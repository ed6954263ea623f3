package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/cache"
	"factotum/server/calendar"
)

// Home describes a home and the calendars in it that who may see.
func (s *Service) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (calendar.Home, error) {
	const op = "home"
	if err := calendar.CheckOwner(req.Owner); err != nil {
		return calendar.Home{}, calendar.Failf(calendar.NoCalendar, "", op, string(req.Owner), "%v", err)
	}
	var out calendar.Home
	err := s.readHome(ctx, who, op, req.Owner, func(v cache.View, cals []*cache.Calendar) (err error) {
		if req.Share != "" || req.Notes {
			cals = nil
		}
		if out, err = s.home(ctx, v, who, req, cals); err == nil && req.Shares {
			out.Shares, _, err = s.ownShares(ctx, v, who, req.Owner)
			out.Shares = onlyShare(out.Shares, req.Share)
		}
		if err == nil && req.Notes {
			var prefs map[string]string
			_, prefs, err = s.ownShares(ctx, v, who, req.Owner)
			out.Notes, out.Proxies = calendar.NotesOf(prefs), calendar.ProxiesOf(prefs)
		}
		return err
	})
	if err == nil && req.Prefs && s.isOwner(who, req.Owner) {
		out.Prefs, err = s.Prefs(ctx, who, req.Owner)
	}
	if err == nil && req.Notes {
		out.Through, err = s.actsThrough(ctx, who, req.Groups)
	}
	if err != nil {
		return calendar.Home{}, err
	}
	return out, nil
}

// readHome is read for a home and its calendars, after the default calendar is
// made if it is to be. Who has no home must be known.
func (s *Service) readHome(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner, fn func(cache.View, []*cache.Calendar) error) error {
	if s.strange(who, owner) {
		return nobody(op, owner)
	}
	may := s.provisions(who, owner)
	exists := false
	run := func() error {
		return s.readHomeOf(ctx, who, owner, func(v cache.View) error {
			cals, err := v.Calendars()
			if err != nil {
				return err
			}
			exists = v.Home().Exists
			if may && !slices.ContainsFunc(cals, func(c *cache.Calendar) bool { return c.Row.Name == calendar.DefaultName }) {
				return errNoDefault
			}
			if cals, err = s.withBoxes(v, who, owner, cals); err != nil {
				return err
			}
			return fn(v, cals)
		})
	}
	err := run()
	if errors.Is(err, errNoDefault) {
		if err := s.provision(ctx, who, owner); err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return err
		}
		may = false
		err = run()
	}
	if !exists && (err == nil || calendar.KindOf(err) == calendar.BadSyncToken) {
		if err := s.known(ctx, "home", owner); err != nil {
			return err
		}
	}
	return wrap(op, string(owner), err)
}

// isOwner tells whether a home is that of who asks, or one that he administers.
func (s *Service) isOwner(who calendar.Actor, owner calendar.Owner) bool {
	return s.administers(who, owner) || strings.EqualFold(who.User, string(owner)) && who.User != ""
}

// home describes a home in one state.
func (s *Service) home(ctx context.Context, v cache.View, who calendar.Actor, req calendar.HomeRequest, cals []*cache.Calendar) (calendar.Home, error) {
	now := v.Home()
	out := calendar.Home{Owner: req.Owner, Change: now.Change}
	if s.isOwner(who, req.Owner) { // how much someone has is nobody else's business
		out.UsedBytes, out.MaxBytes = now.Bytes, s.mostBytes(req.Owner, now.Bytes)
		out.Rights = calendar.Rights{Components: acl.AllRights, Properties: acl.AllRights, Owner: true}
	} else {
		var err error
		if out.Change, err = s.changeFor(ctx, v, who, cals); err != nil {
			return out, err
		}
	}
	for _, c := range cals {
		r := s.rightsOn(who, c)
		if c.Row.Disabled && !s.administers(who, c.ID.Owner()) || !r.Owner && r.Components&(acl.Read|acl.Write|acl.FreeBusy) == 0 && !r.Properties.Has(acl.Read) {
			continue
		}
		if (req.Objects || isBox(&c.Row)) && !toRead(r) || isBox(&c.Row) && !req.Boxes {
			continue
		}
		cal := s.describe(c, r, who)
		if err := s.tellInbox(v, c, &cal); err != nil {
			return out, err
		}
		if req.Counts {
			err := v.Tx(ctx, c, func(tx calendar.ReadTx) (err error) {
				cal.Count, _, err = tx.CountObjects(c.Row.ID)
				return err
			})
			if err != nil {
				return out, err
			}
		}
		out.Calendars = append(out.Calendars, cal)
	}
	slices.SortFunc(out.Calendars, func(a, b calendar.Calendar) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

// changeFor is the home's change number as somebody else is told it: that
// something was written in a calendar which he does not read is none of his
// business. That there is another calendar, or one less, may show.
func (s *Service) changeFor(ctx context.Context, v cache.View, who calendar.Actor, cals []*cache.Calendar) (int64, error) {
	last := int64(0)
	for _, c := range cals {
		reads := toRead(s.rightsOn(who, c))
		if isBox(&c.Row) && (!reads || !isStored(&c.Row)) {
			continue
		}
		if last = max(last, c.Row.MetaChange); reads {
			last = max(last, c.Row.Change)
		}
	}
	err := v.Tx(ctx, nil, func(tx calendar.ReadTx) error {
		row, _, err := tx.Home()
		if err != nil {
			return err
		}
		last = max(last, row.Purged)
		gone, err := tx.GoneCalendars(last)
		for _, g := range gone {
			last = max(last, g.Change)
		}
		return err
	})
	return last, err
}

// SyncHome tells which calendars of a home changed since a token.
func (s *Service) SyncHome(ctx context.Context, who calendar.Actor, req calendar.SyncHomeRequest) (calendar.SyncHomeResult, error) {
	const op = "sync home"
	owner := req.Owner
	bad := calendar.Fail(calendar.BadSyncToken, op, string(owner))
	var since int64
	if req.Token != "" {
		inc, n, start, ok := calendar.ParseSyncToken(req.Token)
		if !ok || inc != 0 || start != 0 {
			return calendar.SyncHomeResult{}, bad
		}
		since = n
	}
	if err := calendar.CheckOwner(owner); err != nil {
		return calendar.SyncHomeResult{}, calendar.Failf(calendar.NoCalendar, "", "home", string(owner), "%v", err)
	}
	var res calendar.SyncHomeResult
	err := s.readHome(ctx, who, op, owner, func(v cache.View, cals []*cache.Calendar) error {
		home, err := s.home(ctx, v, who, calendar.HomeRequest{Owner: owner, Boxes: true}, cals)
		if err == nil {
			res, err = s.syncHome(ctx, v, home, cals, since, bad)
		}
		if err != nil || !req.Shares {
			return err
		}
		var prefs map[string]string
		if res.Shares, prefs, err = s.ownShares(ctx, v, who, owner); err != nil || since == 0 {
			return err
		}
		known := false
		if res.GoneShares, known = calendar.GoneShares(prefs, since); !known {
			return bad
		}
		res.GoneShares = slices.DeleteFunc(res.GoneShares, func(id calendar.ID) bool {
			return slices.ContainsFunc(res.Shares, func(s calendar.Share) bool { return s.ID == id })
		})
		return nil
	})
	if err != nil {
		return calendar.SyncHomeResult{}, err
	}
	return res, nil
}

func (s *Service) syncHome(ctx context.Context, v cache.View, home calendar.Home, cals []*cache.Calendar, since int64, bad error) (calendar.SyncHomeResult, error) {
	res := calendar.SyncHomeResult{Token: home.SyncToken()}
	if since > home.Change {
		return res, bad
	}
	visible := map[calendar.ID]bool{}
	for _, c := range home.Calendars {
		visible[c.ID] = true
		if c.Change > since {
			res.Changed = append(res.Changed, c)
		}
	}
	if since == 0 || since == home.Change {
		return res, nil
	}
	for _, c := range cals { // what was changed and is not visible may have gone out of sight
		switch {
		case visible[c.ID] || isBox(&c.Row) || c.Row.MetaChange <= since:
		case !home.Rights.Owner:
			return res, bad
		case c.Row.Disabled:
			res.Removed = append(res.Removed, c.ID)
		}
	}
	disabled := slices.Clip(res.Removed)
	slices.Sort(disabled)
	err := v.Tx(ctx, nil, func(tx calendar.ReadTx) error {
		res.Removed = disabled
		if row, _, err := tx.Home(); err != nil {
			return err
		} else if since < row.Purged { // removals that nobody remembers
			return bad
		}
		gone, err := tx.GoneCalendars(since)
		if err != nil {
			return err
		}
		if len(gone) > 0 && !home.Rights.Owner { // who could see them is not known any more: no names
			return bad
		}
		for _, g := range gone {
			if id := calendar.NewID(home.Owner, g.Name); !visible[id] && !slices.Contains(res.Removed, id) {
				res.Removed = append(res.Removed, id)
			}
		}
		return nil
	})
	return res, err
}
