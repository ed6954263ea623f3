package service_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// mute is a store whose commits succeed without anybody hearing of it, as when
// the connection to a database breaks at the wrong moment.
type mute struct {
	calendar.Store
	on bool
}

type muteTx struct{ calendar.Tx }

func (muteTx) OnCommit(func()) {}

func (m *mute) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if !m.on {
		return m.Store.Update(ctx, owner, fn)
	}
	if err := m.Store.Update(ctx, owner, func(tx calendar.Tx) error { return fn(muteTx{tx}) }); err != nil {
		return err
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "commit"}
}

func putPlain(t *testing.T, be calendar.Backend, id calendar.ID, n int, summary string) error {
	t.Helper()
	_, err := be.PutObject(context.Background(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: fmt.Sprintf("o%d.ics", n)},
		Data: fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u%d\r\nDTSTAMP:20260101T000000Z\r\n"+
			"DTSTART:2026010%dT100000Z\r\nSUMMARY:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", n, n+1, summary)})
	return err
}

func TestCacheOfUnknownOutcome(t *testing.T) {
	store := &mute{Store: calendartest.NewStore()}
	var out outbox
	svc := service.New(store, nil, service.Options{Outbox: &out})
	id := calendar.NewID(calendar.Owner(anna.User), calendar.DefaultName)
	if _, err := svc.Home(context.Background(), anna, calendar.HomeRequest{Owner: id.Owner()}); err != nil {
		t.Fatal(err)
	}
	same := func(what string) {
		t.Helper()
		fresh := service.New(store, nil, service.Options{})
		if d := cmp.Diff(look(t, fresh, id, ""), look(t, svc, id, "")); d != "" {
			t.Errorf("%s: the cache (+) is not what is stored (-):\n%s", what, d)
		}
	}
	for n := range 4 {
		if err := putPlain(t, svc, id, n, "first"); err != nil {
			t.Fatal(err)
		}
	}
	same("at first")
	store.on = true
	if err := putPlain(t, svc, id, 1, "nobody was told"); !errors.Is(err, calendar.Unavailable) {
		t.Fatal(err)
	}
	if err := svc.DeleteObject(context.Background(), anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: "o2.ics"}}); !errors.Is(err, calendar.Unavailable) {
		t.Fatal(err)
	}
	store.on = false
	same("after commits that nobody heard of")
	if n := out.doubted.Load(); n != 2 {
		t.Errorf("the outbox hears of %d commits of unknown outcome, want 2", n)
	}

	// One that the cache learns of by the number that is missing.
	if err := putPlain(t, service.New(store, nil, service.Options{}), id, 3, "by another"); err != nil {
		t.Fatal(err)
	}
	if err := putPlain(t, svc, id, 0, "and one more"); err != nil {
		t.Fatal(err)
	}
	same("after a commit that is missing")
}
