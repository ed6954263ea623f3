package service

import (
	"context"
	"slices"
	"strings"

	"factotum/server/availability"
	"factotum/server/calendar"
)

// Prefs returns a user's preferences: his own, or anyone's for the
// administrator. WCAP get_userprefs.
func (s *Service) Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error) {
	const op = "read preferences"
	if err := s.ownPrefs(who, op, owner); err != nil {
		return nil, err
	}
	prefs := map[string]string{}
	err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		if claimOn(who, owner, "") != settled {
			row, _, err := tx.Home()
			if err != nil {
				return err
			}
			if claimOn(who, owner, row.Entry) == foreign {
				return s.inherited(owner)
			}
		}
		var err error
		if prefs, err = tx.Prefs(); err == nil {
			prefs, err = s.shownPrefs(tx, owner, prefs)
		}
		return err
	})
	return prefs, wrap(op, string(owner), err)
}

// SetPrefs sets and removes preferences whatever they are, all or none.
func (s *Service) SetPrefs(ctx context.Context, who calendar.Actor, req calendar.SetPrefsRequest) error {
	ctx = bind(ctx, who, req)
	const op = "set preferences"
	if err := s.ownPrefs(who, op, req.Owner); err != nil {
		return err
	}
	if err := s.known(ctx, op, req.Owner); err != nil {
		return err
	}
	for name := range req.Set {
		if calendar.PrivatePref(name) {
			return privatePref(op, req.Owner, name)
		}
	}
	return s.write(ctx, who, op, req.Owner, nil, func(w *writer) error {
		have, err := w.Prefs()
		if err != nil {
			return err
		}
		return w.changePrefs(have, req.Set, req.Remove)
	})
}

// Subscribe changes the list of calendars that a user is subscribed to, from
// what it is, and answers it. Calendars of other owners, who may live
// elsewhere, the Router has asked about. WCAP subscribe_calendars.
func (s *Service) Subscribe(ctx context.Context, who calendar.Actor, req calendar.SubscribeRequest) (calendar.Subscribed, error) {
	const op = "subscribe"
	var res calendar.Subscribed
	err := s.editPrefs(ctx, who, op, req.Owner, &res, req, func(w *writer, prefs map[string]string, p calendar.Person) error {
		list := s.subscriptions(prefs, p)
		stays := s.staysSubscribed(who, req.Owner)
		at := func(id calendar.ID) int {
			return slices.IndexFunc(list, func(s calendar.Subscription) bool { return s.ID() == id })
		}
		for _, item := range req.Add {
			if at(item.ID()) >= 0 {
				continue
			}
			item, err := w.named(item)
			if err != nil {
				return err
			}
			list = append(list, item)
		}
		for _, id := range req.Remove {
			i := at(id)
			if i < 0 && req.Present {
				return calendar.Fail(calendar.NotFound, op, string(id))
			}
			if i >= 0 && !(stays && w.isDefault(id)) {
				list = slices.Delete(list, i, i+1)
			}
		}
		for _, id := range req.Decline {
			if i := at(id); i >= 0 {
				list = slices.Delete(list, i, i+1)
			}
		}
		w.decline(prefs, req.Decline)
		if err := dropNotes(op, prefs, req.Seen); err != nil {
			return err
		}
		list, err := s.changeShares(op, &req, prefs, list)
		if err != nil {
			return err
		}
		if len(list) > calendar.MaxSubscriptions {
			return calendar.Failf(calendar.TooMany, "", op, string(req.Owner), "at most %d subscriptions", calendar.MaxSubscriptions)
		}
		if len(req.Seen)+len(req.Decline) > 0 && len(req.Add)+len(req.Remove)+len(req.Change) == 0 && prefs[calendar.SubscribedPref] == "" {
			res.List = list
			return nil // a list that was never changed stays so
		}
		res.List = list
		prefs[calendar.SubscribedPref] = joined(list)
		return nil
	})
	return res, err
}

// named gives a subscription to one's own calendar its name, and to any other
// calendar one if it has none.
func (w *writer) named(item calendar.Subscription) (calendar.Subscription, error) {
	id := item.ID()
	if id.Owner() == w.owner {
		row, ok, err := w.Calendar(id.Name())
		if err != nil {
			return item, err
		}
		if ok && row.Kind.Rules().Objects {
			return calendar.NewSubscription(id, row.DisplayName), nil
		}
	}
	if !strings.Contains(string(item), "$") {
		return calendar.NewSubscription(id, ""), nil
	}
	return item, nil
}

func joined(list []calendar.Subscription) string {
	text := make([]string, len(list))
	for i, item := range list {
		text[i] = string(item)
	}
	return strings.Join(text, calendar.PrefSeparator)
}

// EditPrefs changes preferences from what they are, and answers them. WCAP
// set_userprefs.
func (s *Service) EditPrefs(ctx context.Context, who calendar.Actor, req calendar.EditPrefsRequest) (map[string]string, error) {
	const op = "set preferences"
	var res map[string]string
	err := s.editPrefs(ctx, who, op, req.Owner, &res, req, func(w *writer, prefs map[string]string, p calendar.Person) error {
		for _, e := range req.Edits {
			if !e.How.Known() {
				return calendar.Failf(calendar.Unsupported, "", op, string(req.Owner), "the front end asks for what this back end does not know")
			}
			if calendar.PrivatePref(e.Name) {
				return privatePref(op, req.Owner, e.Name)
			}
			if err := w.editPref(prefs, p, e); err != nil {
				return err
			}
		}
		var err error
		res, err = s.shownPrefs(w, req.Owner, prefs)
		return err
	})
	return res, err
}

func privatePref(op string, owner calendar.Owner, name string) error {
	return calendar.Failf(calendar.Invalid, "", op, string(owner), "the preference %q is the server's own", name)
}

// editPrefs lets edit change the preferences of a user in one transaction.
func (s *Service) editPrefs(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner, res, req any, edit func(*writer, map[string]string, calendar.Person) error) error {
	ctx = bind(ctx, who, req)
	if err := s.ownPrefs(who, op, owner); err != nil {
		return err
	}
	p, err := s.person(ctx, op, owner)
	if err != nil {
		return err
	}
	return s.write(withPerson(ctx, &p), who, op, owner, res, func(w *writer) error {
		before, err := w.Prefs()
		if err != nil {
			return err
		}
		after := make(map[string]string, len(before)+1)
		for k, v := range before {
			after[k] = v
		}
		if err := edit(w, after, p); err != nil {
			return err
		}
		return w.replacePrefs(before, after)
	})
}

// replacePrefs makes of preferences what they are to be, if that is anything else.
func (w *writer) replacePrefs(before, after map[string]string) error {
	set, remove := map[string]string{}, []string{}
	for k, v := range after {
		if old, had := before[k]; !had || old != v {
			set[k] = v
		}
	}
	for k := range before {
		if _, stays := after[k]; !stays {
			remove = append(remove, k)
		}
	}
	if len(set)+len(remove) == 0 {
		return nil
	}
	slices.Sort(remove)
	return w.changePrefs(before, set, remove)
}

// ownPrefs: preferences are their owner's, and the administrator's to change.
func (s *Service) ownPrefs(who calendar.Actor, op string, owner calendar.Owner) error {
	if !s.administers(who, owner) && (who.User == "" || who.User != string(owner)) {
		return calendar.Fail(calendar.Denied, op, string(owner))
	}
	return nil
}

// changePrefs sets and removes preferences, within the limits.
func (w *writer) changePrefs(have, set map[string]string, remove []string) error {
	lim := w.s.opt.Limits
	for k, v := range set {
		if k == "" || len(k) > 255 || len(v) > lim.PropSize || calendar.BadText(k) {
			return calendar.Failf(calendar.TooLarge, "", w.op, string(w.owner), "a preference name may have 255 octets and its value %d", lim.PropSize)
		}
	}
	if text, ok := set[calendar.AvailabilityPref]; ok {
		if _, err := availability.Parse([]byte(text)); err != nil {
			return wrap(w.op, string(w.owner), err)
		}
	}
	if bad := calendar.CheckMailRules(set); bad != "" {
		return calendar.Failf(calendar.Invalid, "", w.op, string(w.owner), "%s", bad)
	}
	if len(have)+len(set) > 10*lim.Props {
		return calendar.Failf(calendar.TooLarge, "", w.op, string(w.owner), "more than %d preferences", 10*lim.Props)
	}
	return w.setPrefs(set, remove)
}
