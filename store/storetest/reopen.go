package storetest

import (
	"fmt"
	"testing"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
)

// Reopen writes to every table, closes the store, opens it again and finds
// everything as it was. open opens the same store each time.
func Reopen(t *testing.T, open func() calendar.Store) {
	s := open()
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 3, "gone")
	update(t, s, anna, writeAll)
	for _, name := range oddNames {
		put(t, s, anna, object(1, name, name, name))
	}
	remove(t, s, anna, 1, oddNames[0], day)
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteCalendar(3, 99, day) })
	before := dump(t, s)
	if len(before) < 10 {
		t.Fatalf("a store of %d facts proves nothing: %q", len(before), before)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
		if d := cmp.Diff(before, dump(t, s)); d != "" {
			t.Errorf("opened again: %s", d)
		}
	}
	before = append(before[:0:0], before...)
	put(t, s, anna, object(1, "another", "another", "another"))
	if after := dump(t, s); len(after) != len(before)+1 {
		t.Errorf("a write after opening again: %q", after)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// dump spells out what anna's home holds.
func dump(t *testing.T, s calendar.Store) (out []string) {
	t.Helper()
	add := func(what string, v any, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		out = append(out, fmt.Sprintf("%s %+v", what, v))
	}
	view(t, s, anna, func(tx calendar.ReadTx) error {
		h, _, err := tx.Home()
		h.Change, h.Bytes = 0, 0
		add("home", h, err)
		gone, err := tx.GoneCalendars(0)
		add("gone", gone, err)
		prefs, err := tx.Prefs()
		add("prefs", prefs, err)
		_, token, err := tx.Token("t")
		add("token", token, err)
		jobs, err := tx.Jobs()
		add("jobs", jobs, err)
		add("journal", traces(t, tx, calendar.TraceQuery{}), nil)
		cals, err := tx.Calendars()
		add("calendars", cals, err)
		for _, cal := range cals {
			props, err := tx.AllProps(cal.ID)
			add("props", props, err)
			err = tx.Changes(cal.ID, 0, 0, true, func(row *calendar.ObjectRow) error {
				occs, err := tx.ObjectOccurrences(cal.ID, row.Name)
				add("object", fmt.Sprintf("%+v %s %v", *row, row.Data, occs), err)
				return nil
			})
			if err != nil {
				t.Errorf("Changes: %v", err)
			}
		}
		return nil
	})
	return out
}
