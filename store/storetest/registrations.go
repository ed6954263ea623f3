package storetest

import (
	"errors"
	"testing"
	"time"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// aRegistration has a value in every field.
func aRegistration(id string, kind calendar.RegistrationKind) calendar.RegistrationRow {
	return calendar.RegistrationRow{ID: id, Kind: kind, Cal: 17, Expires: day, RegistrationDetail: calendar.RegistrationDetail{
		Calendar: "anna:work", User: "bert", Entry: "entryuuid:1", Address: "https://push.example.com/Prüfung?a=1&b=<2>", Key: []byte{0, 1, 0xff}, Secret: []byte("s"),
		Triggers: calendar.Triggers{Content: calendar.DepthMembers, Properties: calendar.DepthSelf}, Contents: true, Created: day,
		Failures: 3, Since: day, Last: day.Add(time.Hour), Problem: "Über Nacht.", Off: true, Waiting: 1 << 40, WaitingSeq: 9,
	}}
}

func testRegistrations(t *testing.T, s calendar.Store) {
	has := func(tx calendar.ReadTx, kinds calendar.Registered, want ...calendar.RegistrationRow) {
		t.Helper()
		list, err := tx.Registrations()
		if d := cmp.Diff(want, list, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("Registrations: %v %s", err, d)
		}
		if h, _, err := tx.Home(); h.Registered != kinds || err != nil {
			t.Errorf("Home: registered %b %v, want %b", h.Registered, err, kinds)
		}
		for _, w := range want {
			row, ok, err := tx.Registration(w.ID)
			if d := cmp.Diff(w, row); d != "" || !ok || err != nil {
				t.Errorf("Registration(%q): %t %v %s", w.ID, ok, err, d)
			}
		}
		for _, id := range []string{"none", "", "\xff", "A"} {
			if row, ok, err := tx.Registration(id); ok || err != nil {
				t.Errorf("Registration(%q): %+v %v", id, row, err)
			}
		}
	}
	push, hook := aRegistration("a", calendar.PushRegistration), aRegistration("b", calendar.HookRegistration)
	view(t, s, anna, func(tx calendar.ReadTx) error { has(tx, 0); return nil })
	update(t, s, anna, func(tx calendar.Tx) error { // the row of the home is made
		if err := tx.PutRegistration(hook); err != nil {
			return err
		}
		has(tx, calendar.HasHooks, hook)
		return tx.PutRegistration(push)
	})
	hook.Expires, hook.Off = time.Time{}, false
	failed := errors.New("no")
	if err := s.Update(t.Context(), anna, func(tx calendar.Tx) error {
		if err := tx.DeleteRegistration("a"); err != nil {
			return err
		}
		has(tx, calendar.HasHooks, aRegistration("b", calendar.HookRegistration))
		return failed
	}); !errors.Is(err, failed) {
		t.Errorf("an update that fails: %v", err)
	}
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.PutRegistration(hook); err != nil {
			return err
		}
		_, err := tx.NextChange()
		return err
	})
	view(t, s, anna, func(tx calendar.ReadTx) error { has(tx, calendar.HasPush|calendar.HasHooks, push, hook); return nil })
	view(t, s, "bert", func(tx calendar.ReadTx) error { has(tx, 0); return nil })
	update(t, s, "bert", func(tx calendar.Tx) error { return tx.DeleteRegistration("a") }) // which is anna's
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.DeleteRegistration("none"); err != nil {
			return err
		}
		if err := tx.DeleteRegistration("b"); err != nil {
			return err
		}
		has(tx, calendar.HasPush, push)
		return tx.Recount()
	})
	view(t, s, anna, func(tx calendar.ReadTx) error { has(tx, calendar.HasPush, push); return nil })
	makeCalendar(t, s, anna, 17, "work")
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteCalendar(17, 9, day) })
	view(t, s, anna, func(tx calendar.ReadTx) error { has(tx, calendar.HasPush, push); return nil }) // it outlives its calendar
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteRegistration("a") })
	view(t, s, anna, func(tx calendar.ReadTx) error { has(tx, 0); return nil })
}
