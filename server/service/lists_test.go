package service_test

import (
	"slices"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// What ics.conf and a domain say of default calendars and the two lists of their
// owners has its effect from when they are made, whichever list is looked at.
// admin.md §6.6, ldap.md §7.2.
func TestDefaultCalendarInTheLists(t *testing.T) {
	stores := map[string]func(*testing.T) calendar.Store{
		"SQLite":     func(t *testing.T) calendar.Store { return fresh.SQLite(t, sqlstore.Options{Relaxed: true}) },
		"PostgreSQL": func(t *testing.T) calendar.Store { return fresh.Postgres(t, sqlstore.Options{}) },
	}
	yes, no := true, false
	for engine, open := range stores {
		t.Run(engine, func(t *testing.T) {
			for _, c := range []struct {
				name   string
				site   service.ListOptions
				domain calendar.Domain
				// What holds in the default domain, of which nothing is said, and in b.com.
				a, b inLists
			}{
				{name: "as Sun has it", a: inLists{counts: true, subscribed: true}, b: inLists{counts: true, subscribed: true}},
				{name: "the site's other words", site: service.ListOptions{NotCounted: true, UncountAllowed: true, NotSubscribed: true, UnsubscribeAllowed: true},
					a: inLists{uncount: true, unsubscribe: true}, b: inLists{uncount: true, unsubscribe: true}},
				{name: "the domain's", domain: calendar.Domain{CountDefault: &no, SubscribeDefault: &no, UnsubscribeDefault: &yes},
					a: inLists{counts: true, subscribed: true}, b: inLists{unsubscribe: true}},
				{name: "the domain's against the site's", site: service.ListOptions{NotCounted: true, NotSubscribed: true, UnsubscribeAllowed: true},
					domain: calendar.Domain{CountDefault: &yes, SubscribeDefault: &yes, UnsubscribeDefault: &no},
					a:      inLists{unsubscribe: true}, b: inLists{counts: true, subscribed: true}},
				{name: "they may go", site: service.ListOptions{UncountAllowed: true, UnsubscribeAllowed: true},
					a: inLists{counts: true, uncount: true, subscribed: true, unsubscribe: true}, b: inLists{counts: true, uncount: true, subscribed: true, unsubscribe: true}},
			} {
				t.Run(c.name, func(t *testing.T) {
					_, h := openHosted(t, calendar.Domain{}, c.domain)
					svc := service.New(open(t), h, service.Options{Lists: c.site})
					for id, want := range map[string]inLists{"anna": c.a, "anna@b.com": c.b} {
						want.look(t, svc, h.actor(id))
					}
				})
			}
		})
	}
}

// inLists is what holds for the default calendar of a user.
type inLists struct {
	counts, uncount         bool // from the start; and he may take it out
	subscribed, unsubscribe bool
}

func (want inLists) look(t *testing.T, svc *service.Service, me calendar.Actor) {
	t.Helper()
	ctx, owner := t.Context(), calendar.Owner(me.User)
	own, more := calendar.ID(owner), calendar.NewID(owner, "more")
	list := func(pref string) (ids []calendar.ID) {
		t.Helper()
		prefs, err := svc.Prefs(ctx, me, owner)
		if err != nil {
			t.Fatal(err)
		}
		if pref == calendar.SubscribedPref {
			for _, s := range calendar.Subscriptions(prefs, calendar.Person{ID: me.User}) {
				ids = append(ids, s.ID())
			}
			return ids
		}
		for _, s := range calendar.ParseSubscriptions(prefs[pref]) {
			ids = append(ids, s.ID())
		}
		return ids
	}
	expect := func(what, pref string, with bool, others ...calendar.ID) {
		t.Helper()
		if with {
			others = append([]calendar.ID{own}, others...)
		}
		if got := list(pref); !slices.Equal(got, others) {
			t.Errorf("%s, %s: %s has %q, want %q", me.User, what, pref, got, others)
		}
	}
	edit := func(pref string, how calendar.PrefHow, values ...string) {
		t.Helper()
		got, err := svc.EditPrefs(ctx, me, calendar.EditPrefsRequest{Owner: owner, Edits: []calendar.PrefEdit{{Name: pref, How: how, Values: values}}})
		if err != nil {
			t.Fatal(err)
		}
		if is, err := svc.Prefs(ctx, me, owner); err != nil || is[pref] != got[pref] {
			t.Errorf("%s is answered %q, and is %q, %v", pref, got[pref], is[pref], err)
		}
	}
	provision(t, svc, me)
	if _, err := svc.CreateCalendar(ctx, me, calendar.CreateCalendarRequest{DefaultACL: true, Calendar: calendar.Calendar{ID: more}}); err != nil {
		t.Fatal(err)
	}

	// What counts for busy time, in the list and in the answer.
	expect("at first", calendar.FreeBusyPref, want.counts, more)
	if _, err := svc.PutObject(ctx, me, calendar.PutRequest{Ref: calendar.Ref{Calendar: own, Name: "a.ics"}, Data: event("a", "20260101T090000Z", "")}); err != nil {
		t.Fatal(err)
	}
	busy := func(home bool) bool {
		res, err := svc.FreeBusy(ctx, me, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: own, Home: home}},
			Window: calendar.Window{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}})
		if err == nil {
			err = res[0].Err
		}
		if err != nil {
			t.Fatal(err)
		}
		return len(res[0].Busy) > 0
	}
	if busy(true) != want.counts || !busy(false) {
		t.Errorf("%s is busy %t, and his calendar %t", me.User, busy(true), busy(false))
	}
	edit(calendar.FreeBusyPref, calendar.PrefSet, string(own)+","+string(more)+"$More, nobody")
	expect("both", calendar.FreeBusyPref, true, more)
	edit(calendar.FreeBusyPref, calendar.PrefSet, string(more))
	expect("the other one", calendar.FreeBusyPref, !want.uncount, more)
	edit(calendar.FreeBusyPref, calendar.PrefAdd, string(own))
	edit(calendar.FreeBusyPref, calendar.PrefDrop)
	if want.uncount {
		expect("without the first", calendar.FreeBusyPref, false, more)
	} else {
		expect("without the first that may go", calendar.FreeBusyPref, true)
	}
	edit(calendar.FreeBusyPref, calendar.PrefSet, "")
	expect("none", calendar.FreeBusyPref, !want.uncount)
	if busy(true) == want.uncount {
		t.Errorf("%s is busy %t then", me.User, busy(true))
	}
	edit(calendar.FreeBusyPref, calendar.PrefSet, string(own))
	root, transparent := calendar.Actor{User: "root", Admin: true}, true
	if _, err := svc.EditPrefs(ctx, root, calendar.EditPrefsRequest{Owner: owner, Edits: []calendar.PrefEdit{{Name: calendar.FreeBusyPref, How: calendar.PrefSet}}}); err != nil {
		t.Errorf("the administrator: %v", err)
	}
	expect("by the administrator", calendar.FreeBusyPref, false)
	edit(calendar.FreeBusyPref, calendar.PrefSet, string(own))
	if _, err := svc.UpdateCalendar(ctx, me, calendar.UpdateCalendarRequest{ID: own, Transparent: &transparent}); err != nil {
		t.Errorf("the calendar itself: %v", err)
	}
	expect("by the calendar itself", calendar.FreeBusyPref, false)
	edit(calendar.FreeBusyPref, calendar.PrefSet, string(more))
	expect("where it was not", calendar.FreeBusyPref, false, more)

	// Subscriptions.
	subscribe := func(add []calendar.Subscription, remove ...calendar.ID) {
		t.Helper()
		if _, err := svc.Subscribe(ctx, me, calendar.SubscribeRequest{Owner: owner, Add: add, Remove: remove}); err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", calendar.SubscribedPref, want.subscribed)
	subscribe([]calendar.Subscription{"bob:x"})
	expect("with another", calendar.SubscribedPref, want.subscribed, "bob:x")
	edit(calendar.SubscribedPref, calendar.PrefSet, string(own)+"$Mine,bob:x$X,bob:y$Y")
	expect("written whole", calendar.SubscribedPref, true, "bob:x", "bob:y")
	subscribe(nil, own, "bob:x")
	expect("two less", calendar.SubscribedPref, !want.unsubscribe, "bob:y")
	subscribe([]calendar.Subscription{calendar.Subscription(own)})
	edit(calendar.SubscribedPref, calendar.PrefSet, "bob:z$Z")
	expect("written without", calendar.SubscribedPref, !want.unsubscribe, "bob:z")
	edit(calendar.SubscribedPref, calendar.PrefDrop)
	expect("without the first that may go", calendar.SubscribedPref, !want.unsubscribe)
	if res, err := svc.Subscribe(ctx, root, calendar.SubscribeRequest{Owner: owner, Remove: []calendar.ID{own}}); err != nil || len(res.List) != 0 {
		t.Errorf("the administrator: %q, %v", res.List, err)
	}
	expect("by the administrator", calendar.SubscribedPref, false)
	subscribe(nil, "bob:none")
	expect("and that stays", calendar.SubscribedPref, false)
}

// Rooms are no users: theirs count from the start whatever is said of users'.
func TestRoomsCount(t *testing.T) {
	h := &staff{byID: map[string]calendar.Person{
		"anna": {ID: "anna", Kind: calendar.Individual, Active: true},
		"room": {ID: "room", Kind: calendar.Room, Active: true, Owner: "anna"},
	}}
	svc := service.New(fresh.SQLite(t, sqlstore.Options{Relaxed: true}), h, service.Options{Lists: service.ListOptions{NotCounted: true}})
	root := calendar.Actor{User: "root", Admin: true}
	made, err := svc.CreateCalendar(t.Context(), root, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "room", ACL: acl.MustParse("anna^a^rw^g")}})
	if err != nil || made.Transparent {
		t.Fatalf("made %+v, %v", made, err)
	}
}

// A default calendar that is made by hand obeys too, unless it says for itself that it
// does not count.
func TestDefaultCalendarMadeByHand(t *testing.T) {
	_, h := openHosted(t, calendar.Domain{}, calendar.Domain{})
	for _, c := range []struct {
		site      service.ListOptions
		asked, is bool
	}{
		{asked: true, is: true}, {},
		{site: service.ListOptions{NotCounted: true}, is: true},
		{site: service.ListOptions{NotCounted: true}, asked: true, is: true},
	} {
		svc := service.New(fresh.SQLite(t, sqlstore.Options{Relaxed: true}), h, service.Options{Lists: c.site})
		made, err := svc.CreateCalendar(t.Context(), h.actor("anna"), calendar.CreateCalendarRequest{DefaultACL: true, Calendar: calendar.Calendar{ID: "anna", Transparent: c.asked}})
		if err != nil || made.Transparent != c.is {
			t.Errorf("%+v: %t, %v", c, made.Transparent, err)
		}
	}
}
