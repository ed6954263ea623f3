package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

func openService(t testing.TB) (*service.Service, calendar.Store) {
	t.Helper()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	return service.New(st, nil, service.Options{}), st
}

var anna = calendar.Actor{User: "anna"}

func event(uid, start, more string) []byte {
	return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + start + "\r\nDURATION:PT1H\r\nSUMMARY:x\r\n" + more + "END:VEVENT\r\nEND:VCALENDAR\r\n")
}

func provision(t testing.TB, be calendar.Backend, who calendar.Actor) calendar.ID {
	t.Helper()
	if _, err := be.Home(context.Background(), who, calendar.HomeRequest{Owner: calendar.Owner(who.User)}); err != nil {
		t.Fatal(err)
	}
	return calendar.ID(who.User)
}

func window(from, to string) *calendar.Window {
	f, _ := time.Parse("20060102", from)
	t, _ := time.Parse("20060102", to)
	return &calendar.Window{From: f, To: t}
}

func inRange(t testing.TB, be calendar.Backend, who calendar.Actor, id calendar.ID, w *calendar.Window) []string {
	t.Helper()
	var names []string
	req := calendar.QueryRequest{Calendar: id, Filter: &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: w}}}}
	err := be.Query(context.Background(), who, req, func(o *calendar.Object) error {
		names = append(names, o.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestPutGetQuerySyncDelete(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	put := func(name string, data []byte) calendar.PutResult {
		t.Helper()
		res, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first, err := svc.Calendar(ctx, anna, id)
	if err != nil {
		t.Fatal(err)
	}
	a := put("a.ics", event("a", "20260105T090000Z", ""))
	put("w.ics", event("w", "20260101T120000Z", "RRULE:FREQ=WEEKLY\r\n"))
	put("c.ics", event("c", "20260210T090000Z", "RRULE:FREQ=DAILY;COUNT=3\r\n"))
	if got, want := inRange(t, svc, anna, id, window("20260201", "20260301")), []string{"c.ics", "w.ics"}; !slices.Equal(got, want) {
		t.Fatalf("February: %v, want %v", got, want)
	}
	if got, want := inRange(t, svc, anna, id, window("20360201", "20360301")), []string{"w.ics"}; !slices.Equal(got, want) {
		t.Fatalf("ten years on: %v, want %v", got, want)
	}
	if got := inRange(t, svc, anna, id, &calendar.Window{From: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}); len(got) != 3 {
		t.Fatalf("open end: %v", got)
	}
	// The month is cached now: a move must be seen.
	put("a.ics", event("a", "20260205T090000Z", ""))
	if got, want := inRange(t, svc, anna, id, window("20260201", "20260301")), []string{"a.ics", "c.ics", "w.ics"}; !slices.Equal(got, want) {
		t.Fatalf("February after a move: %v, want %v", got, want)
	}
	o, err := svc.Object(ctx, anna, calendar.Ref{Calendar: id, Name: "a.ics"})
	if err != nil || !strings.Contains(string(o.Data), "20260205") || o.ETag() == a.Object.ETag() {
		t.Fatalf("object %v %v", o, err)
	}
	_, err = svc.PutObject(ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "other.ics"}, Data: event("a", "20260105T090000Z", "")})
	if !errors.Is(err, calendar.UIDConflict) {
		t.Fatalf("second object with the UID: %v", err)
	}
	_, err = svc.PutObject(ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "a.ics"}, Data: event("a", "20260105T090000Z", ""), Precond: calendar.Precond{IfMatch: []string{a.Object.ETag()}}})
	if !errors.Is(err, calendar.Stale) {
		t.Fatalf("put with an old tag: %v", err)
	}
	if err := svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: "w.ics"}}); err != nil {
		t.Fatal(err)
	}
	if got, want := inRange(t, svc, anna, id, window("20260201", "20260301")), []string{"a.ics", "c.ics"}; !slices.Equal(got, want) {
		t.Fatalf("after delete: %v, want %v", got, want)
	}
	var items []string
	res, err := svc.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: first.SyncToken()}, func(it calendar.SyncItem) error {
		if it.Gone != nil {
			items = append(items, "-"+it.Gone.Name)
		} else {
			items = append(items, "+"+it.Object.Name)
		}
		return nil
	})
	slices.Sort(items)
	if want := []string{"+a.ics", "+c.ics", "-w.ics"}; err != nil || !slices.Equal(items, want) {
		t.Fatalf("sync %v %v, want %v", items, err, want)
	}
	// The same from the store, by another service's eyes.
	var paged []string
	token := first.SyncToken()
	for range 10 {
		r, err := svc.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: token, Limit: 1}, func(it calendar.SyncItem) error {
			if it.Gone != nil {
				paged = append(paged, "-"+it.Gone.Name)
			} else {
				paged = append(paged, "+"+it.Object.Name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if token = r.Token; !r.More {
			break
		}
	}
	slices.Sort(paged)
	if !slices.Equal(paged, items) || token != res.Token {
		t.Fatalf("paged sync %v to %s, want %v to %s", paged, token, items, res.Token)
	}
	fb, err := svc.FreeBusy(ctx, anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id, Home: true}}, Window: *window("20260201", "20260301")})
	if err != nil || len(fb) != 1 || len(fb[0].Busy) != 4 {
		t.Fatalf("free/busy %v %v", fb, err)
	}
	rep, err := svc.Check(ctx, nil)
	if err != nil || len(rep.Findings) != 0 || rep.Objects != 2 {
		t.Fatalf("check %+v %v", rep, err)
	}
}

func TestImportKeepsTextAndIsRepeatable(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	var items []calendar.PutItem
	for i := range 250 {
		items = append(items, calendar.PutItem{Data: event(fmt.Sprintf("uid/%d é", i), "20260105T090000Z", "")})
	}
	items = append(items, calendar.PutItem{Data: []byte("nonsense")})
	res, err := svc.PutObjects(ctx, anna, calendar.PutObjectsRequest{Calendar: id, Items: items})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range res[:250] {
		if r.Err != nil || !r.Created {
			t.Fatalf("item %d: %+v", i, r)
		}
		o, err := svc.Object(ctx, anna, calendar.Ref{Calendar: id, Name: r.Name})
		if err != nil || string(o.Data) != string(items[i].Data) {
			t.Fatalf("item %d: %v", i, err)
		}
	}
	if !errors.Is(res[250].Err, calendar.Invalid) {
		t.Fatalf("nonsense: %v", res[250].Err)
	}
	res, err = svc.PutObjects(ctx, anna, calendar.PutObjectsRequest{Calendar: id, Items: items, Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range res[:250] {
		if r.Err != nil || !r.Unchanged {
			t.Fatalf("again, item %d: %+v", i, r)
		}
	}
}

// local.autoprovision="no": who has no calendars gets none by asking for his
// home, only from the administrator.
func TestNoProvision(t *testing.T) {
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	svc := service.New(st, nil, service.Options{NoProvision: true})
	root := calendar.Actor{User: "root", Admin: true}
	has := func(owner calendar.Owner, who calendar.Actor, want int) {
		t.Helper()
		h, err := svc.Home(ctx, who, calendar.HomeRequest{Owner: owner})
		if err != nil || len(h.Calendars) != want {
			t.Errorf("%s: %d calendars, %v; want %d", who.User, len(h.Calendars), err, want)
		}
	}
	has("anna", anna, 0)
	if _, err := svc.Calendar(ctx, anna, "anna"); !errors.Is(err, calendar.NoCalendar) {
		t.Errorf("her calendar: %v", err)
	}
	has("anna", root, 0)
	if _, err := svc.CreateCalendar(ctx, root, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna"}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	has("anna", anna, 1)
	has("root", root, 1) // the administrator's own comes by itself
	readOnly := service.New(st, nil, service.Options{ReadOnly: true})
	if h, err := readOnly.Home(ctx, calendar.Actor{User: "ben"}, calendar.HomeRequest{Owner: "ben"}); err != nil || len(h.Calendars) != 0 {
		t.Errorf("read only: %d calendars, %v", len(h.Calendars), err)
	}
}

// service.wcap.login.calendar.publicread: users' default calendars are public
// from the start; others, and those of resources, are what ics.conf says.
func TestPublicRead(t *testing.T) {
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	people := calendartest.NewPeople("anna", "ben", "room1")
	room := people["room1"]
	room.Kind = calendar.Resource
	people["room1"] = room
	for i, public := range []bool{false, true} {
		svc := service.New(st, people, service.Options{PublicRead: public, ResourceACL: acl.MustParse("@^a^f^g")})
		owner := []calendar.Owner{"ben", "anna"}[i]
		who := people.Actor(string(owner))
		if _, err := svc.Home(ctx, who, calendar.HomeRequest{Owner: owner}); err != nil {
			t.Fatal(err)
		}
		if _, err := svc.CreateCalendar(ctx, who, calendar.CreateCalendarRequest{DefaultACL: true, Calendar: calendar.Calendar{ID: calendar.NewID(owner, "other")}}); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			root := calendar.Actor{User: "root", Admin: true}
			if _, err := svc.CreateCalendar(ctx, root, calendar.CreateCalendarRequest{DefaultACL: true, Calendar: calendar.Calendar{ID: "room1"}}); err != nil {
				t.Fatal(err)
			}
		}
		for id, want := range map[calendar.ID]bool{calendar.ID(owner): public, calendar.NewID(owner, "other"): false, "room1": false} {
			for _, by := range []calendar.Actor{{}, people.Actor([]string{"anna", "ben"}[i])} {
				c, err := svc.Calendar(ctx, by, id)
				if err != nil || c.Rights.CanRead() != want || c.Rights.CanWrite() {
					t.Errorf("public %t: %s for %q: read %t, %v", public, id, by.User, c.Rights.CanRead(), err)
				}
			}
		}
	}
}
