package service_test

import (
	"errors"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/service"
)

// TestKinds goes through what the table of kinds forbids. Collections that no
// client can make are put into the store by hand, one of a later release too.
func TestKinds(t *testing.T) {
	svc, store := openService(t)
	provision(t, svc, anna)
	ctx := t.Context()
	later := calendar.CollectionKind(len(calendar.CollectionKinds()))
	kinds := append(calendar.CollectionKinds(), later)
	id := func(k calendar.CollectionKind) calendar.ID { return calendar.NewID("anna", "kind-"+k.String()) }
	for _, k := range kinds {
		_, err := svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: id(k), Kind: k}, DefaultACL: true})
		if k.Rules().Made != (err == nil) || err != nil && !errors.Is(err, calendar.Denied) {
			t.Errorf("make %v: %v", k, err)
		}
	}
	err := store.Update(ctx, "anna", func(tx calendar.Tx) error {
		for _, k := range kinds {
			row := calendar.CalendarRow{ID: 1000 + int64(k), Name: id(k).Name(), Kind: k, Change: 1, MetaChange: 1, ACL: acl.List{}, Created: time.Now(), Modified: time.Now()}
			if !k.Rules().Made {
				if err := tx.InsertCalendar(row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	svc = service.New(store, nil, service.Options{}) // reads anew
	for _, k := range kinds {
		r := k.Rules()
		if c, err := svc.Calendar(ctx, anna, id(k)); err != nil || c.Kind != k {
			t.Errorf("%v is %v: %v", k, c.Kind, err)
		}
		check := func(what string, allowed bool, err error, kind calendar.Kind) {
			t.Helper()
			if allowed != (err == nil) || err != nil && !errors.Is(err, kind) {
				t.Errorf("%s, %v: %v", what, k, err)
			}
		}
		text := event("u", "20260901T090000Z", "")
		_, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id(k), Name: "u.ics"}, Data: text})
		check("put", r.Objects || r.Files, err, calendar.Denied)
		_, err = svc.PutObjects(ctx, anna, calendar.PutObjectsRequest{Calendar: id(k), Items: []calendar.PutItem{{Data: text}}})
		check("import", r.Objects, err, calendar.Unsupported)
		_, err = svc.EditObject(ctx, anna, calendar.EditRequest{Calendar: id(k), Component: "VEVENT"})
		check("edit", r.Objects, err, calendar.Unsupported)
		_, err = svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{
			Calendar: calendar.Calendar{ID: id(k) + "/in", Kind: calendar.PlainCollection}, DefaultACL: true,
		})
		check("make a collection in", r.Nests, err, calendar.Denied)
		_, err = svc.CopyCalendar(ctx, anna, calendar.CopyRequest{From: calendar.Ref{Calendar: id(k)}, To: calendar.Ref{Calendar: id(k) + "-copy"}})
		check("copy", r.Made, err, calendar.Denied)
	}
	found, err := svc.SearchCalendars(ctx, anna, calendar.SearchCalendarsRequest{ID: true, Text: "kind-"})
	if err != nil || len(found) != 2 { // the calendar and its copy
		t.Errorf("found as calendars: %v, %v", found, err)
	}
	busy, err := svc.FreeBusy(ctx, anna, calendar.FreeBusyRequest{
		Targets: []calendar.FreeBusyTarget{{Calendar: "anna", Home: true}}, Window: *window("20260901", "20260902"),
	})
	if err != nil || len(busy) != 1 || busy[0].Err != nil || len(busy[0].Busy) != 1 {
		t.Errorf("busy: %v, %v", busy, err)
	}
}
