package service

import (
	"slices"
	"strings"

	"factotum/server/calendar"
)

// A user has two lists of calendars: those that he is subscribed to, and his own that
// count for his busy time. The first one is a preference, the second one is kept with
// the calendars (CalendarRow.Transparent), and WCAP and CalDAV show both as they are.
// Whether his default calendar is in them from the start, and whether he may take it
// out, ics.conf and his domain decide. admin.md §6.6, ldap.md §7.2.

// ListOptions are what ics.conf says of the default calendars of users. The zero
// value is Sun's: they are in both lists, and stay.
type ListOptions struct {
	NotCounted         bool // calstore.freebusy.include.defaultcalendar="no"
	UncountAllowed     bool // calstore.freebusy.remove.defaultcalendar
	NotSubscribed      bool // calstore.subscribed.include.defaultcalendar="no"
	UnsubscribeAllowed bool // calstore.subscribed.remove.defaultcalendar
}

// counts tells whether new default calendars count for the busy time of their owners.
func (s *Service) counts(owner calendar.Owner) bool {
	return s.rule(owner, func(d *calendar.Domain) *bool { return d.CountDefault }, !s.opt.Lists.NotCounted)
}

// subscribes tells whether a user who never changed his list is subscribed to his
// default calendar.
func (s *Service) subscribes(owner calendar.Owner) bool {
	return s.rule(owner, func(d *calendar.Domain) *bool { return d.SubscribeDefault }, !s.opt.Lists.NotSubscribed)
}

// staysSubscribed tells whether somebody may not take the default calendar out of the
// list of its owner.
func (s *Service) staysSubscribed(who calendar.Actor, owner calendar.Owner) bool {
	return !s.administers(who, owner) &&
		!s.rule(owner, func(d *calendar.Domain) *bool { return d.UnsubscribeDefault }, s.opt.Lists.UnsubscribeAllowed)
}

// staysCounted tells whether who writes the list of what counts for an owner's busy time
// may not take his default calendar out. That is about Sun's list, which clients write
// whole; the calendar's own property is its owner's in each protocol (RFC 6638 §9.1).
// The owner must have been looked up (withPerson): that of a room or a group is no user's.
func (w *writer) staysCounted() bool {
	return w.me != nil && w.me.Kind == calendar.Individual && !w.s.administers(w.who, w.owner) && !w.s.opt.Lists.UncountAllowed
}

// subscriptions are those of a user.
func (s *Service) subscriptions(prefs map[string]string, p calendar.Person) []calendar.Subscription {
	if _, changed := prefs[calendar.SubscribedPref]; !changed && !s.subscribes(calendar.Owner(p.ID)) {
		return nil
	}
	return calendar.Subscriptions(prefs, p)
}

// counted are the calendars of a home that count for its owner's busy time.
func counted(rows []calendar.CalendarRow, owner calendar.Owner) (list []string) {
	for i := range rows {
		if rows[i].Kind.Rules().Objects && !rows[i].Transparent {
			list = append(list, string(calendar.NewID(owner, rows[i].Name)))
		}
	}
	return list
}

// shownPrefs are the preferences of a user as he is told of them: both lists are what
// they are for him now.
func (s *Service) shownPrefs(tx calendar.ReadTx, owner calendar.Owner, prefs map[string]string) (map[string]string, error) {
	out := calendar.ShownPrefs(prefs)
	delete(out, calendar.FreeBusyPref) // that an earlier release kept
	if _, changed := out[calendar.SubscribedPref]; !changed && !s.subscribes(owner) {
		out[calendar.SubscribedPref] = ""
	}
	rows, err := tx.Calendars()
	if err != nil {
		return nil, err
	}
	if len(rows) > 0 || !s.counts(owner) { // else his default calendar will, when it is made
		out[calendar.FreeBusyPref] = strings.Join(counted(rows, owner), calendar.PrefSeparator)
	}
	return out, nil
}

// editPref makes one edit. What must stay in a list stays there, whatever is to be in
// it: a client that writes a list whole need not know.
func (w *writer) editPref(prefs map[string]string, p calendar.Person, e calendar.PrefEdit) error {
	var have []string
	given, stays := e.Values, false
	switch e.Name {
	case calendar.SubscribedPref:
		have, given = lines(joined(w.s.subscriptions(prefs, p))), items(e.Values)
		stays = w.s.staysSubscribed(w.who, w.owner)
	case calendar.FreeBusyPref:
		rows, err := w.Calendars()
		if err != nil {
			return err
		}
		have, given = counted(rows, w.owner), items(e.Values)
		stays = w.staysCounted()
	default:
		have = lines(prefs[e.Name])
		if _, is := prefs[e.Name]; is && have == nil {
			have = []string{""}
		}
	}
	kept := func(item string) bool { return stays && w.isDefault(calendar.Subscription(item).ID()) }
	var values []string
	switch e.How {
	case calendar.PrefSet:
		values = given
		if at := slices.IndexFunc(have, kept); at >= 0 && !slices.ContainsFunc(given, kept) {
			values = append([]string{have[at]}, given...)
		}
	case calendar.PrefAdd:
		values = append(have, given...)
	case calendar.PrefDrop:
		values = have
		if at := slices.IndexFunc(have, func(item string) bool { return !kept(item) }); at >= 0 {
			values = slices.Delete(slices.Clone(have), at, at+1)
		}
	}
	switch {
	case e.Name == calendar.FreeBusyPref:
		delete(prefs, e.Name)
		for i, item := range values {
			id := calendar.Subscription(item).ID()
			values[i] = string(calendar.NewID(id.Owner(), id.Name()))
		}
		return w.countFor(values)
	case len(values) == 0 && e.Name != calendar.SubscribedPref: // an empty list is one that was changed
		delete(prefs, e.Name)
	default:
		prefs[e.Name] = strings.Join(values, calendar.PrefSeparator)
	}
	return nil
}

// isDefault tells whether a calid is that of the home's default calendar.
func (w *writer) isDefault(id calendar.ID) bool {
	return id.Owner() == w.owner && id.Name() == calendar.DefaultName
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, calendar.PrefSeparator)
}

// items are those of a list of calendars, however it is written.
func items(values []string) (out []string) {
	for _, s := range calendar.ParseSubscriptions(strings.Join(values, calendar.PrefSeparator)) {
		out = append(out, string(s))
	}
	return out
}
