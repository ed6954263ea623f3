package service

import (
	"context"
	"slices"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// SetProxies says who acts for an owner: all his calendars have them in their
// lists from the same moment, those that he makes later too, and whoever comes or
// goes is told. Apple's caldav-proxy.
func (s *Service) SetProxies(ctx context.Context, who calendar.Actor, req calendar.SetProxiesRequest) error {
	ctx = bind(ctx, who, req)
	const op = "set proxies"
	owner := req.Owner
	if err := s.ownPrefs(who, op, owner); err != nil {
		return err
	}
	switch {
	case req.Kind != acl.ProxyRead && req.Kind != acl.ProxyWrite:
		return calendar.Failf(calendar.Unsupported, "", op, string(owner), "there is no such kind of proxy")
	case len(req.Users) > calendar.MaxProxies:
		return calendar.Failf(calendar.TooMany, "", op, string(owner), "at most %d proxies", calendar.MaxProxies)
	}
	for _, u := range req.Users {
		if u == string(owner) || !acl.CanName(u) {
			return calendar.Failf(calendar.Invalid, "", op, string(owner), "%q cannot be a proxy here", u)
		}
		if err := s.knownTo(ctx, who, op, calendar.Owner(u)); err != nil {
			return err
		}
	}
	if err := s.known(ctx, op, owner); err != nil {
		return err
	}
	return s.write(ctx, who, op, owner, nil, func(w *writer) error {
		prefs, err := w.Prefs()
		if err != nil {
			return err
		}
		was := calendar.ProxiesOf(prefs)
		now := was
		now.Set(req.Kind, req.Users)
		var all, news []calendar.UserID
		for _, u := range slices.Concat(was.Read, was.Write, now.Read, now.Write) {
			if slices.Contains(all, u) {
				continue
			}
			all = append(all, u)
			if was.Access(u) != now.Access(u) {
				news = append(news, u)
			}
		}
		cals, err := w.Calendars()
		if err != nil {
			return err
		}
		for _, c := range cals {
			if err := w.proxied(c, all, now); err != nil {
				return err
			}
		}
		if len(news) == 0 {
			return nil
		}
		for _, u := range news {
			w.inform(calendar.Note{To: calendar.Owner(u), Kind: calendar.NoteProxy, Access: now.Access(u)})
		}
		after := map[string]string{}
		calendar.KeepProxies(after, now)
		return w.setPrefs(after, nil)
	})
}

// proxied gives one calendar of the owner's his proxies, those that somebody took
// out of its list too, and takes away those that are none any more.
func (w *writer) proxied(row calendar.CalendarRow, users []calendar.UserID, now calendar.Proxies) error {
	if row.Kind != calendar.CalendarCollection {
		return nil
	}
	p, err := w.enter(calendar.NewID(w.owner, row.Name), toOwn)
	if err != nil {
		return err
	}
	to := p.row
	for _, u := range users {
		to.ACL = to.ACL.Proxy(u, now.Access(u))
	}
	if to.ACL = to.ACL.WithOwner(w.s.opt.OwnerACL); len(to.ACL) > acl.MaxEntries {
		return calendar.Failf(calendar.TooMany, "", w.op, string(p.id), "the list of rights has more than %d entries", acl.MaxEntries)
	}
	if slices.Equal(to.ACL, p.row.ACL) {
		return nil
	}
	return w.changeCalendar(p, to, false, nil)
}

// withProxies is a new calendar's row with the owner's proxies in its list.
func (w *writer) withProxies(row calendar.CalendarRow) (calendar.CalendarRow, error) {
	if row.Kind != calendar.CalendarCollection {
		return row, nil
	}
	prefs, err := w.Prefs()
	if err != nil {
		return row, err
	}
	if p := calendar.ProxiesOf(prefs); len(p.Read)+len(p.Write) > 0 {
		row.ACL = p.Apply(row.ACL).WithOwner(w.s.opt.OwnerACL)
	}
	return row, nil
}

// actsThrough is for whom somebody acts because groups that he is in do. Apple's
// caldav-proxy 5.3.
func (s *Service) actsThrough(ctx context.Context, who calendar.Actor, groups []calendar.Owner) (all calendar.Proxies, err error) {
	for _, g := range groups {
		if !slices.Contains(who.Groups, string(g)) {
			continue
		}
		err := s.store.View(ctx, g, func(tx calendar.ReadTx) error {
			prefs, err := tx.Prefs()
			all.Join(calendar.ProxiesOf(prefs))
			return err
		})
		if err != nil {
			return all, wrap("home", string(g), err)
		}
	}
	return all, nil
}
