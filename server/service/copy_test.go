package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

func plain(t testing.TB, be calendar.Backend, names ...string) {
	t.Helper()
	for _, n := range names {
		_, err := be.CreateCalendar(context.Background(), anna, calendar.CreateCalendarRequest{
			Calendar: calendar.Calendar{ID: calendar.NewID("anna", n), Kind: calendar.PlainCollection}, DefaultACL: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Replacing a collection that the source stands in would delete the source
// before it is copied.
func TestRFC4918_9_8_4_CopyOntoAnAncestor(t *testing.T) {
	ctx := context.Background()
	for _, move := range []bool{false, true} {
		svc, _ := openService(t)
		plain(t, svc, "a", "a/b", "a/b/c")
		if _, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:a/b/c", Name: "f"}, Data: []byte("text")}); err != nil {
			t.Fatal(err)
		}
		for _, to := range []calendar.ID{"anna:a", "anna:a/b"} {
			_, err := svc.CopyCalendar(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:a/b/c"}, To: calendar.Ref{Calendar: to}, Move: move, Overwrite: true})
			if !errors.Is(err, calendar.Denied) {
				t.Errorf("move %t to %s: %v", move, to, err)
			}
		}
		_, err := svc.CopyObject(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:a/b/c", Name: "f"}, To: calendar.Ref{Calendar: "anna:a", Name: "b"}, Move: move, Overwrite: true})
		if !errors.Is(err, calendar.Denied) {
			t.Errorf("move %t of the file: %v", move, err)
		}
		if o, err := svc.Object(ctx, anna, calendar.Ref{Calendar: "anna:a/b/c", Name: "f"}); err != nil || string(o.Data) != "text" {
			t.Errorf("move %t: the file is %v, %v", move, o, err)
		}
	}
}

func TestCopiesCountAsCollections(t *testing.T) {
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	svc := service.New(st, nil, service.Options{Limits: calendar.Limits{Calendars: 3}})
	plain(t, svc, "a", "a/b")
	_, err := svc.CopyCalendar(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:a"}, To: calendar.Ref{Calendar: "anna:c"}})
	if !errors.Is(err, calendar.OverQuota) {
		t.Errorf("copy over the limit: %v", err)
	}
	_, err = svc.CopyCalendar(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:a"}, To: calendar.Ref{Calendar: "anna:c"}, Move: true})
	if err != nil {
		t.Errorf("move: %v", err)
	}
}

// RFC 6578 §3.5.2: what was moved away is a removed member of the home.
func TestSyncHomeTellsOfMoves(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	provision(t, svc, anna)
	plain(t, svc, "old", "old/in")
	home, err := svc.Home(ctx, anna, calendar.HomeRequest{Owner: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.CopyCalendar(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:old"}, To: calendar.Ref{Calendar: "anna:new"}, Move: true}); err != nil {
		t.Fatal(err)
	}
	res, err := svc.SyncHome(ctx, anna, calendar.SyncHomeRequest{Owner: "anna", Token: home.SyncToken()})
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	for _, c := range res.Changed {
		changed = append(changed, string(c.ID))
	}
	slices.Sort(res.Removed)
	if fmt.Sprint(changed, res.Removed) != "[anna:new anna:new/in] [anna:old anna:old/in]" {
		t.Errorf("changed %v, removed %v", changed, res.Removed)
	}
	plain(t, svc, "old") // the name is free again
}

// RFC 4791 §5.3.2.1: no-uid-conflict also forbids to overwrite an object with
// one of another UID.
func TestRFC4791_5_3_2_1_UIDOfAResourceStays(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	store(t, svc, id, "a.ics", event("a", "20260105T090000Z", ""))
	store(t, svc, id, "b.ics", event("b", "20260105T090000Z", ""))
	ref := func(name string) calendar.Ref { return calendar.Ref{Calendar: id, Name: name} }
	conflict := func(what string, err error) {
		t.Helper()
		var e *calendar.Error
		if !errors.As(err, &e) || e.Kind != calendar.UIDConflict || e.Ref != "anna/a.ics" {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: ref("a.ics"), Data: event("c", "20260105T090000Z", "")})
	conflict("put", err)
	_, err = svc.CopyObject(ctx, anna, calendar.CopyRequest{From: ref("b.ics"), To: ref("a.ics"), Move: true, Overwrite: true})
	conflict("move", err)
	res, err := svc.PutObjects(ctx, anna, calendar.PutObjectsRequest{Calendar: id, Replace: true, Items: []calendar.PutItem{{Name: "a.ics", Data: event("c", "20260105T090000Z", "")}}})
	if err != nil {
		t.Fatal(err)
	}
	conflict("import", res[0].Err)
	store(t, svc, id, "a.ics", event("a", "20260106T090000Z", ""))
}
