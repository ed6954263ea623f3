package standby

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// crowded is a store to which somebody writes as soon as writers wait for the standby.
type crowded struct {
	*sqlstore.Store
	a     *Active
	begun atomic.Bool
	went  chan error
}

func (s *crowded) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if len(s.a.commit) > 0 && !s.begun.Swap(true) {
		go func() {
			s.went <- s.Store.Update(context.Background(), "bert", func(tx calendar.Tx) error { return tx.SetPref("a", "b") })
		}()
		time.Sleep(300 * time.Millisecond) // it waits
	}
	return s.Store.View(ctx, owner, fn)
}

// TestAdmitAfterALargeDeletion: while writers wait nothing of a home has to be written before it can be read.
func TestAdmitAfterALargeDeletion(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	dir := fresh.Dir(t)
	store, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	keeper, err := archive.Open(ctx, store, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Close()
	update := func(fn func(tx calendar.Tx, change int64) error) {
		t.Helper()
		if err := store.Update(ctx, "anna", func(tx calendar.Tx) error {
			change, err := tx.NextChange()
			if err != nil {
				return err
			}
			return fn(tx, change)
		}); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx calendar.Tx, change int64) error {
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "c", Change: change}); err != nil {
			return err
		}
		for i := range 20_000 {
			name := fmt.Sprint(i)
			if err := tx.PutIndexed(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Data: []byte(name)}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	update(func(tx calendar.Tx, change int64) error { return tx.DeleteCalendar(1, change, time.Unix(1, 0)) })
	s, twin := &crowded{Store: store, went: make(chan error, 1)}, &fakeTwin{}
	a := NewActive(State{Epoch: 1, Active: true}, Options{Host: "a", Peer: "b", Dir: dir, Store: s, Over: func(err error) { t.Error(err) },
		Dial: func() (calendar.Twin, error) { return twin, nil }})
	s.a = a
	store.BeforeCommit(a.Before)
	keeper.Ships()
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	defer func() { end(); <-done }()
	select {
	case err = <-s.went:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(writersWait - 5*time.Second):
		t.Errorf("writers wait for what waits for them: %+v", a.Status())
	}
}
