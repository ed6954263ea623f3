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
	// A failure of the engine is for the caller, who may be tried again.
	has := func(tx calendar.ReadTx, kinds calendar.Registered, want ...calendar.RegistrationRow) error {
		t.Helper()
		list, err := tx.Registrations()
		if err != nil {
			return err
		}
		if d := cmp.Diff(want, list, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("Registrations: %s", d)
		}
		h, _, err := tx.Home()
		if err != nil {
			return err
		}
		if h.Registered != kinds {
			t.Errorf("Home: registered %b, want %b", h.Registered, kinds)
		}
		for _, w := range want {
			row, ok, err := tx.Registration(w.ID)
			if err != nil {
				return err
			}
			if d := cmp.Diff(w, row); d != "" || !ok {
				t.Errorf("Registration(%q): %t %s", w.ID, ok, d)
			}
		}
		for _, id := range []string{"none", "", "\xff", "A"} {
			row, ok, err := tx.Registration(id)
			if err != nil {
				return err
			}
			if ok {
				t.Errorf("Registration(%q): %+v", id, row)
			}
		}
		return nil
	}
	push, hook := aRegistration("a", calendar.PushRegistration), aRegistration("b", calendar.HookRegistration)
	view(t, s, anna, func(tx calendar.ReadTx) error { return has(tx, 0) })
	update(t, s, anna, func(tx calendar.Tx) error { // the row of the home is made
		if err := tx.PutRegistration(hook); err != nil {
			return err
		}
		return has(tx, calendar.HasHooks, hook)
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.PutRegistration(push) })
	hook.Expires, hook.Off = time.Time{}, false
	failed := errors.New("no")
	if err := s.Update(t.Context(), anna, func(tx calendar.Tx) error {
		if err := tx.DeleteRegistration("a"); err != nil {
			return err
		}
		if err := has(tx, calendar.HasHooks, aRegistration("b", calendar.HookRegistration)); err != nil {
			return err
		}
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
	view(t, s, anna, func(tx calendar.ReadTx) error { return has(tx, calendar.HasPush|calendar.HasHooks, push, hook) })
	view(t, s, "bert", func(tx calendar.ReadTx) error { return has(tx, 0) })
	update(t, s, "bert", func(tx calendar.Tx) error { return tx.DeleteRegistration("a") }) // which is anna's
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.DeleteRegistration("none"); err != nil {
			return err
		}
		if err := tx.DeleteRegistration("b"); err != nil {
			return err
		}
		return has(tx, calendar.HasPush, push)
	})
	update(t, s, anna, func(tx calendar.Tx) error { return tx.Recount() })
	view(t, s, anna, func(tx calendar.ReadTx) error { return has(tx, calendar.HasPush, push) })
	makeCalendar(t, s, anna, 17, "work")
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteCalendar(17, 9, day) })
	view(t, s, anna, func(tx calendar.ReadTx) error { return has(tx, calendar.HasPush, push) }) // it outlives its calendar
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteRegistration("a") })
	view(t, s, anna, func(tx calendar.ReadTx) error { return has(tx, 0) })
}
