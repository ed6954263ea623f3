package service_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// hosted is a staff in domains.
type hosted struct {
	*staff
	domains *calendar.Domains
}

func (h *hosted) HostedDomains() *calendar.Domains { return h.domains }

func (h *hosted) Search(context.Context, calendar.PeopleQuery) (found []calendar.Person, more bool, err error) {
	return nil, false, nil
}

// openHosted opens a model of people of the same ids in a.com, the default domain,
// and b.com.
func openHosted(t *testing.T, a, b calendar.Domain) (*service.Service, *hosted) {
	a.Name, a.Active, b.Name, b.Active = "a.com", true, "b.com", true
	h := &hosted{staff: &staff{byID: map[string]calendar.Person{}}, domains: calendar.NewDomains(&a, []*calendar.Domain{&b}, false)}
	for _, id := range []string{"anna", "bob", "anna@b.com", "bob@b.com"} {
		h.byID[id] = calendar.Person{ID: id, Domain: h.domains.Of(id).Name, Kind: calendar.Individual, Active: true, Mails: []string{strings.TrimSuffix(id, "@b.com") + "@" + h.domains.Of(id).Name}}
	}
	return service.New(fresh.SQLite(t, sqlstore.Options{Relaxed: true}), h, service.Options{}), h
}

func (h *hosted) actor(id string) calendar.Actor { return h.byID[id].Actor() }

// whatever somebody of another domain asks about a home, he is told what he would be
// told of nobody: that it is not there.
func attack(t *testing.T, svc *service.Service, who calendar.Actor, owner calendar.Owner) map[string]error {
	ctx, id := t.Context(), calendar.ID(owner)
	ref := calendar.Ref{Calendar: id, Name: "a.ics"}
	window := calendar.Window{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	out := map[string]error{}
	_, out["home"] = svc.Home(ctx, who, calendar.HomeRequest{Owner: owner})
	_, out["calendar"] = svc.Calendar(ctx, who, id)
	_, out["put"] = svc.PutObject(ctx, who, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "x.ics"}, Data: event("x", "20260101T090000Z", "")})
	out["delete"] = svc.DeleteObject(ctx, who, calendar.DeleteRequest{Ref: ref})
	_, out["update"] = svc.UpdateCalendar(ctx, who, calendar.UpdateCalendarRequest{ID: id, DisplayName: new(string)})
	out["delete calendar"] = svc.DeleteCalendar(ctx, who, calendar.DeleteCalendarRequest{ID: id})
	out["share"] = svc.Share(ctx, who, calendar.ShareRequest{Calendar: id, Set: []calendar.ShareSet{{User: "bob"}}})
	out["share with him"] = svc.Share(ctx, who, calendar.ShareRequest{Calendar: calendar.ID(who.User), Set: []calendar.ShareSet{{User: string(owner)}}})
	out["proxy"] = svc.SetProxies(ctx, who, calendar.SetProxiesRequest{Owner: calendar.Owner(who.User), Kind: acl.ProxyRead, Users: []string{string(owner)}})
	for _, home := range []bool{true, false} {
		res, err := svc.FreeBusy(ctx, who, calendar.FreeBusyRequest{Window: window, Targets: []calendar.FreeBusyTarget{{Calendar: id, Home: home}}})
		if err == nil {
			err = res[0].Err
		}
		out[fmt.Sprint("busy ", home)] = err
	}
	return out
}

func TestNoWayIntoAnotherDomain(t *testing.T) {
	open := acl.MustParse("@^a^rwdsflz^g")
	svc, h := openHosted(t, calendar.Domain{}, calendar.Domain{})
	for id := range h.byID {
		me := h.actor(id)
		cal := provision(t, svc, me)
		if _, err := svc.PutObject(t.Context(), me, calendar.PutRequest{Ref: calendar.Ref{Calendar: cal, Name: "a.ics"}, Data: event("a", "20260101T090000Z", "")}); err != nil {
			t.Fatal(err)
		}
		if _, err := svc.UpdateCalendar(t.Context(), me, calendar.UpdateCalendarRequest{ID: cal, ACL: &open}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		who   string
		owner calendar.Owner
	}{{"anna", "anna@b.com"}, {"anna@b.com", "anna"}, {"bob@b.com", "anna"}} {
		nobody := attack(t, svc, h.actor(c.who), "nobody@b.com")
		for what, err := range attack(t, svc, h.actor(c.who), c.owner) {
			if calendar.KindOf(err) != calendar.NoCalendar || calendar.ReasonOf(err) != "" || calendar.MessageOf(err) != calendar.MessageOf(nobody[what]) {
				t.Errorf("%s, %s of %s: %v; of nobody: %v", c.who, what, c.owner, err, nobody[what])
			}
		}
		found, err := svc.SearchCalendars(t.Context(), h.actor(c.who), calendar.SearchCalendarsRequest{Text: "a", ID: true, Name: true, Owner: true, Owners: []calendar.Owner{c.owner}})
		if err != nil {
			t.Fatal(err)
		}
		for _, cal := range found {
			if h.domains.Of(string(cal.ID.Owner())) != h.domains.Of(c.who) {
				t.Errorf("%s finds %s", c.who, cal.ID)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s does not find his own", c.who)
		}
	}
	// In a domain all of it is as the lists say.
	if _, err := svc.Calendar(t.Context(), h.actor("bob@b.com"), "anna@b.com"); err != nil {
		t.Error(err)
	}
}

// What a domain lets others do is a ceiling, and no more than the lists say.
func TestADomainsCeiling(t *testing.T) {
	svc, h := openHosted(t, calendar.Domain{Searches: []string{"b.com"}}, calendar.Domain{Guarded: true, Access: acl.MustParse("@a.com^a^lrf^g")})
	for list, want := range map[string][2]bool{"@^a^rwdf^g": {true, false}, "@^a^f^g": {false, false}} {
		id := provision(t, svc, h.actor("anna@b.com"))
		l := acl.MustParse(list)
		if _, err := svc.UpdateCalendar(t.Context(), h.actor("anna@b.com"), calendar.UpdateCalendarRequest{ID: id, ACL: &l}); err != nil {
			t.Fatal(err)
		}
		cal, err := svc.Calendar(t.Context(), h.actor("anna"), id)
		if err != nil || cal.Rights.CanRead() != want[0] || cal.Rights.CanWrite() != want[1] || !cal.Rights.CanSeeBusy() {
			t.Errorf("%s: %+v, %v", list, cal.Rights, err)
		}
	}
}

// The administrator of a domain has his rights in it, and those of anybody elsewhere.
func TestADomainsAdministrator(t *testing.T) {
	svc, h := openHosted(t, calendar.Domain{}, calendar.Domain{})
	for id := range h.byID {
		me := h.actor(id)
		cal := provision(t, svc, me)
		if _, err := svc.PutObject(t.Context(), me, calendar.PutRequest{Ref: calendar.Ref{Calendar: cal, Name: "a.ics"}, Data: event("a", "20260101T090000Z", "")}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, boss, plain, yes := t.Context(), h.actor("bob@b.com"), h.actor("bob@b.com"), true
	boss.Administers = "b.com"
	make := calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna@b.com:made"}}
	for name, do := range map[string]func(who calendar.Actor) error{
		"read": func(who calendar.Actor) error {
			_, err := svc.Object(ctx, who, calendar.Ref{Calendar: "anna@b.com", Name: "a.ics"})
			return err
		},
		"prefs":   func(who calendar.Actor) error { _, err := svc.Prefs(ctx, who, "anna@b.com"); return err },
		"create":  func(who calendar.Actor) error { _, err := svc.CreateCalendar(ctx, who, make); return err },
		"history": func(who calendar.Actor) error { return past(svc, who, "anna@b.com") },
	} {
		if err := do(plain); err == nil {
			t.Errorf("%s: anybody may", name)
		}
		if err := do(boss); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := svc.UpdateCalendar(ctx, boss, calendar.UpdateCalendarRequest{ID: "anna@b.com:made", Disabled: &yes}); err != nil {
		t.Error(err)
	}
	if _, err := svc.Calendar(ctx, h.actor("anna@b.com"), "anna@b.com:made"); calendar.ReasonOf(err) != calendar.Disabled {
		t.Errorf("a calendar that he has disabled: %v", err)
	}
	if err := svc.DeleteCalendar(ctx, boss, calendar.DeleteCalendarRequest{ID: "anna@b.com:made"}); err != nil {
		t.Error(err)
	}
	nobody := attack(t, svc, boss, "nobody@a.com")
	for what, err := range attack(t, svc, boss, "anna") {
		if calendar.KindOf(err) != calendar.NoCalendar || calendar.ReasonOf(err) != "" || calendar.MessageOf(err) != calendar.MessageOf(nobody[what]) {
			t.Errorf("%s in another domain: %v; of nobody: %v", what, err, nobody[what])
		}
	}
}

func past(svc *service.Service, who calendar.Actor, owner calendar.Owner) error {
	_, err := svc.History(context.Background(), who, calendar.HistoryRequest{Owner: owner}, func(calendar.HistoryEntry) error { return nil })
	return err
}

// A domain's quota holds for all of its people together, also while they write at once;
// deletions give room back, and the next process counts the same.
func TestADomainsQuota(t *testing.T) {
	text := func(uid string) []byte {
		return event(uid, "20260101T090000Z", "COMMENT:"+strings.Repeat("x", 700)+"\r\n")
	}
	svc, h := openHosted(t, calendar.Domain{}, calendar.Domain{Quota: 10_000})
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored, refused := 0, 0
	var last calendar.Ref // that was stored: one of them may have been quick, and the other has nothing
	var its calendar.Actor
	for _, id := range []string{"anna@b.com", "bob@b.com"} {
		me := h.actor(id)
		cal := provision(t, svc, me)
		wg.Go(func() {
			for i := range 12 {
				uid := fmt.Sprint(i)
				ref := calendar.Ref{Calendar: cal, Name: uid}
				_, err := svc.PutObject(t.Context(), me, calendar.PutRequest{Ref: ref, Data: text(uid)})
				mu.Lock()
				switch {
				case err == nil:
					stored++
					last, its = ref, me
				case calendar.KindOf(err) == calendar.OverQuota && strings.Contains(calendar.MessageOf(err), "b.com"):
					refused++
				default:
					t.Errorf("%s %d: %v", id, i, err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	each := len(text("0"))
	if most := 10_000/each + 1; stored > most || stored < most-2 || stored+refused != 24 { // of two at once one may come late
		t.Errorf("%d stored, %d refused of %d octets each", stored, refused, each)
	}
	if _, err := svc.PutObject(t.Context(), h.actor("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: provision(t, svc, h.actor("anna")), Name: "a"}, Data: text("a")}); err != nil {
		t.Errorf("another domain: %v", err)
	}
	used, ok, err := svc.DomainUse(t.Context(), "b.com")
	if err != nil || !ok || used < int64(stored*each-20) || used > int64(stored*each+100) {
		t.Errorf("%d octets used, %v, of %d", used, err, stored*each)
	}
	if err := svc.DeleteObject(t.Context(), its, calendar.DeleteRequest{Ref: last}); err != nil {
		t.Fatal(err)
	}
	if now, _, _ := svc.DomainUse(t.Context(), "b.com"); used-now != int64(len(text(last.Name))) {
		t.Errorf("a deletion gives %d back, not %d", used-now, len(text(last.Name)))
	}
	home, err := svc.Home(t.Context(), h.actor("anna@b.com"), calendar.HomeRequest{Owner: "anna@b.com"})
	if now, _, _ := svc.DomainUse(t.Context(), "b.com"); err != nil || home.MaxBytes-home.UsedBytes != 10_000-now {
		t.Errorf("%d of %d, %v; the domain has %d", home.UsedBytes, home.MaxBytes, err, now)
	}
}

// A home that came from another back end, or of which it is not known what is stored,
// counts with what it has.
func TestADomainsQuotaAndHomesThatMove(t *testing.T) {
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	_, h := openHosted(t, calendar.Domain{}, calendar.Domain{Quota: 1_000_000})
	here, elsewhere := service.New(st, h, service.Options{}), service.New(st, h, service.Options{})
	use := func(svc *service.Service) int64 {
		t.Helper()
		octets, ok, err := svc.DomainUse(t.Context(), "b.com")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return octets
	}
	put := func(svc *service.Service, id, uid string) {
		t.Helper()
		me := h.actor(id)
		if _, err := svc.Home(t.Context(), me, calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
			t.Error(err)
		}
		if _, err := svc.PutObject(t.Context(), me, calendar.PutRequest{Ref: calendar.Ref{Calendar: calendar.ID(id), Name: uid}, Data: event(uid, "20260101T090000Z", "")}); err != nil {
			t.Error(err)
		}
	}
	put(here, "bob@b.com", "a")
	before := use(here)
	here.ForgetHome("anna@b.com")
	put(elsewhere, "anna@b.com", "b")
	if got := use(here); got != before {
		t.Errorf("%d octets before the home is there, not %d", got, before)
	}
	if err := here.AskUse(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got, all := use(here), use(elsewhere); got != all || got <= before {
		t.Errorf("%d octets with the home that came, and there are %d", got, all)
	}
	here.ForgetHome("anna@b.com")
	if got := use(here); got != before {
		t.Errorf("%d octets without it, not %d", got, before)
	}
	put(here, "anna@b.com", "c")
	put(here, "anna@b.com", "d")
	if got, all := use(here), use(service.New(st, h, service.Options{})); got != all {
		t.Errorf("%d octets once its owner has written, and there are %d", got, all)
	}
}

// interrupted is a store that does something before or after it is read, once.
type interrupted struct {
	calendar.Store
	before, after func()
}

func (b *interrupted) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	before, after := b.before, b.after
	b.before, b.after = nil, nil
	if before != nil {
		before()
	}
	err := b.Store.View(ctx, owner, fn)
	if after != nil {
		after()
	}
	return err
}

// What is written while a home is counted counts once, also where the home comes and
// goes meanwhile.
func TestADomainsQuotaCountsOnce(t *testing.T) {
	_, h := openHosted(t, calendar.Domain{}, calendar.Domain{Quota: 1_000_000})
	st := &interrupted{Store: fresh.SQLite(t, sqlstore.Options{Relaxed: true})}
	svc := service.New(st, h, service.Options{})
	anna := h.actor("anna@b.com")
	cal := provision(t, svc, anna)
	n := 0
	put := func() {
		n++
		uid := fmt.Sprint(n)
		if _, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: cal, Name: uid}, Data: event(uid, "20260101T090000Z", "")}); err != nil {
			t.Error(err)
		}
	}
	put()
	for what, hook := range map[string]func(){"written": put, "written, and gone": func() { put(); svc.ForgetHome("anna@b.com") }} {
		for _, early := range []bool{true, false} {
			svc.ForgetHome("anna@b.com")
			if st.after = hook; early {
				st.before, st.after = hook, nil
			}
			if err := svc.AskUse(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			got, _, err := svc.DomainUse(t.Context(), "b.com")
			all, _, err2 := service.New(st, h, service.Options{}).DomainUse(t.Context(), "b.com")
			if err != nil || err2 != nil || got != all || st.before != nil || st.after != nil {
				t.Errorf("%s, before it was looked at %t: %d octets, and there are %d: %v, %v", what, early, got, all, err, err2)
			}
		}
	}
}

// What a domain does not let its people do.
func TestWhatADomainForbids(t *testing.T) {
	bits := uint32(1<<calendar.CreateCalendars | 1<<calendar.DeleteCalendars | 1<<calendar.PublicWritable)
	svc, h := openHosted(t, calendar.Domain{}, calendar.Domain{Forbidden: &bits})
	everybody := acl.MustParse("@^a^rw^g")
	for _, id := range []string{"anna", "anna@b.com"} {
		me := h.actor(id)
		refused := id == "anna@b.com"
		cal := provision(t, svc, me)
		admin := me
		admin.Admin = true
		_, create := svc.CreateCalendar(t.Context(), me, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.NewID(cal.Owner(), "more")}})
		_, list := svc.UpdateCalendar(t.Context(), me, calendar.UpdateCalendarRequest{ID: cal, ACL: &everybody})
		if refused {
			if _, err := svc.CreateCalendar(t.Context(), admin, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.NewID(cal.Owner(), "more")}}); err != nil {
				t.Errorf("the administrator: %v", err)
			}
		}
		gone := svc.DeleteCalendar(t.Context(), me, calendar.DeleteCalendarRequest{ID: calendar.NewID(cal.Owner(), "more")})
		for what, err := range map[string]error{"create": create, "list": list, "delete": gone} {
			if (calendar.KindOf(err) == calendar.Denied) != refused || !refused && err != nil || refused && !strings.Contains(calendar.MessageOf(err), "the domain b.com") {
				t.Errorf("%s, %s: %v", id, what, err)
			}
		}
	}
}
