package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
)

func fullCalendar(id int64, name string) calendar.CalendarRow {
	list, err := acl.Parse("@@o^a^rwd^g;@^c^fs^g;ben^a^r^d")
	if err != nil {
		panic(err)
	}
	return calendar.CalendarRow{
		ID: id, Name: name, Kind: calendar.PlainCollection, Change: 7, MetaChange: 6, Purged: 5, DisplayName: "Baseball ⚾", Description: "a\r\nb",
		Color: "#FF0000FF", Order: "3", TZID: "Europe/Berlin", Timezone: "BEGIN:VCALENDAR\r\n", Components: "VEVENT,VTODO",
		CoOwners: "ben carla", ACL: list, Transparent: true, NoDoubles: true, Categories: "x,y", Charset: "utf-8", Language: "de",
		Created: day, Modified: day.Add(time.Hour),
	}
}

func testCalendars(t *testing.T, s calendar.Store) {
	full, bare := fullCalendar(1<<62, "baseball"), calendar.CalendarRow{ID: 2, Name: "Calendar"}
	update(t, s, anna, func(tx calendar.Tx) error {
		if err := tx.InsertCalendar(full); err != nil {
			return err
		}
		return tx.InsertCalendar(bare)
	})
	want := func(what string, rows ...calendar.CalendarRow) {
		t.Helper()
		view(t, s, anna, func(tx calendar.ReadTx) error {
			got, err := tx.Calendars()
			if err != nil {
				return err
			}
			if d := cmp.Diff(rows, got); d != "" {
				t.Errorf("%s: Calendars: %s", what, d)
			}
			for _, row := range rows {
				one, ok, err := tx.Calendar(row.Name)
				if d := cmp.Diff(row, one); d != "" || !ok || err != nil {
					t.Errorf("%s: Calendar: %v %v %s", what, ok, err, d)
				}
			}
			return nil
		})
	}
	want("inserted", bare, full)

	full.Kind, full.Transparent, full.ACL, full.Timezone, full.Description = calendar.CalendarCollection, false, nil, "", "it's \"new\""
	update(t, s, anna, func(tx calendar.Tx) error { return tx.UpdateCalendar(full) })
	want("updated", bare, full)

	for _, kind := range calendar.CollectionKinds() {
		full.Kind = kind
		update(t, s, anna, func(tx calendar.Tx) error { return tx.UpdateCalendar(full) })
		want(kind.String(), bare, full)
	}

	bare.Change, bare.Modified = 99, day.Add(time.Minute)
	update(t, s, anna, func(tx calendar.Tx) error { return tx.TouchCalendar(bare.ID, bare.Change, bare.Modified) })
	want("touched", bare, full)

	full.Name = "aikido"
	update(t, s, anna, func(tx calendar.Tx) error { return tx.UpdateCalendar(full) })
	want("renamed", bare, full)
	view(t, s, anna, func(tx calendar.ReadTx) error {
		if _, ok, err := tx.Calendar("baseball"); ok || err != nil {
			t.Errorf("the old name: %v %v", ok, err)
		}
		return nil
	})
}

func testCalendarNames(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "work")
	makeCalendar(t, s, "ben", 1, "calendar")
	update(t, s, anna, func(tx calendar.Tx) error {
		wantKind(t, "insert a taken name", tx.InsertCalendar(calendar.CalendarRow{ID: 3, Name: "work"}), calendar.Exists)
		wantKind(t, "rename to a taken name", tx.UpdateCalendar(calendar.CalendarRow{ID: 1, Name: "work"}), calendar.Exists)
		wantKind(t, "update none", tx.UpdateCalendar(calendar.CalendarRow{ID: 9, Name: "x"}), calendar.NoCalendar)
		wantKind(t, "delete none", tx.DeleteCalendar(9, 1, day), calendar.NoCalendar)
		// A refusal is no failure of the transaction.
		return tx.InsertCalendar(calendar.CalendarRow{ID: 3, Name: "home"})
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		rows, err := tx.Calendars()
		if len(rows) != 3 || err != nil {
			t.Errorf("Calendars: %+v %v", rows, err)
		}
		return nil
	})
}

func testDeleteCalendar(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "work")
	for _, cal := range []int64{1, 2} {
		put(t, s, anna, object(cal, "a", "a", "data"))
		put(t, s, anna, object(cal, "gone", "gone", "data"))
		remove(t, s, anna, cal, "gone", day)
		update(t, s, anna, func(tx calendar.Tx) error {
			if err := tx.SetProp(cal, "", calendar.DeadProp{Space: "s", Local: "l"}); err != nil {
				return err
			}
			return tx.SetOccurrences(cal, "a", []calendar.OccurrenceRow{{Start: 10, End: 20}})
		})
	}
	update(t, s, anna, func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		return tx.DeleteCalendar(1, change, day)
	})
	var change int64
	view(t, s, anna, func(tx calendar.ReadTx) error {
		h, _, _ := tx.Home()
		change = h.Change
		if _, ok, err := tx.Calendar("calendar"); ok || err != nil {
			t.Errorf("Calendar: %v %v", ok, err)
		}
		for cal, want := range map[int64]int{1: 0, 2: 1} {
			n, _, err := tx.CountObjects(cal)
			if n != want || err != nil {
				t.Errorf("CountObjects(%d): %d %v", cal, n, err)
			}
			var occs int
			err = tx.Occurrences(cal, 0, 100, func(calendar.OccurrenceRow) error { occs++; return nil })
			if occs != want || err != nil {
				t.Errorf("Occurrences(%d): %d %v", cal, occs, err)
			}
			props, err := tx.Props(cal, "")
			if len(props) != want || err != nil {
				t.Errorf("Props(%d): %v %v", cal, props, err)
			}
			changes := list(t, func(fn func(*calendar.ObjectRow) error) error { return tx.Changes(cal, 0, 0, false, fn) })
			if len(changes) != 2*want {
				t.Errorf("Changes(%d): %v", cal, changes)
			}
		}
		gone, err := tx.GoneCalendars(0)
		if d := cmp.Diff([]calendar.GoneCalendar{{ID: 1, Name: "calendar", Change: change, Deleted: day}}, gone); d != "" || err != nil {
			t.Errorf("GoneCalendars: %v %s", err, d)
		}
		if gone, err := tx.GoneCalendars(change); len(gone) != 0 || err != nil {
			t.Errorf("GoneCalendars since then: %v %v", gone, err)
		}
		return nil
	})
	// The name is free again, and its tombstone stays.
	makeCalendar(t, s, anna, 3, "calendar")
	update(t, s, anna, func(tx calendar.Tx) error {
		row, ok, err := tx.Calendar("calendar")
		if row.ID != 3 || !ok || err != nil {
			t.Errorf("made again: %+v %v %v", row, ok, err)
		}
		gone, err := tx.GoneCalendars(0)
		if len(gone) != 1 || err != nil {
			t.Errorf("GoneCalendars: %v %v", gone, err)
		}
		wantKind(t, "delete twice", tx.DeleteCalendar(1, 50, day), calendar.NoCalendar)
		return nil
	})
}

func testPurge(t *testing.T, s calendar.Store) {
	makeCalendar(t, s, anna, 1, "calendar")
	makeCalendar(t, s, anna, 2, "old")
	for _, name := range []string{"a", "b", "c", "d"} {
		put(t, s, anna, object(1, name, name, name))
	}
	remove(t, s, anna, 1, "a", day)
	last := remove(t, s, anna, 1, "b", day.Add(time.Hour))
	remove(t, s, anna, 1, "c", day.Add(2*time.Hour))
	gone := next(t, s, anna)
	update(t, s, anna, func(tx calendar.Tx) error { return tx.DeleteCalendar(2, gone, day) })

	update(t, s, anna, func(tx calendar.Tx) error {
		if n, err := tx.Purge(1, day.Add(3*time.Hour), day.Add(4*time.Hour)); n != 0 || err != nil {
			t.Errorf("Purge of a time without deletions: %d %v", n, err)
		}
		if n, err := tx.PurgeCalendars(day.Add(time.Hour), day.Add(4*time.Hour)); n != 0 || err != nil {
			t.Errorf("PurgeCalendars of such a time: %d %v", n, err)
		}
		n, err := tx.Purge(1, time.Time{}, day.Add(2*time.Hour))
		if n != 2 || err != nil {
			t.Errorf("Purge: %d %v, want two objects", n, err)
		}
		if g, err := tx.GoneCalendars(0); len(g) != 1 || err != nil {
			t.Errorf("GoneCalendars after Purge: %v %v", g, err)
		}
		if n, err := tx.PurgeCalendars(time.Time{}, day); n != 0 || err != nil {
			t.Errorf("PurgeCalendars too early: %d %v", n, err)
		}
		if h, _, err := tx.Home(); h.Purged != 0 || err != nil {
			t.Errorf("Home before its purge: %+v %v", h, err)
		}
		if n, err := tx.PurgeCalendars(time.Time{}, day.Add(2*time.Hour)); n != 1 || err != nil {
			t.Errorf("PurgeCalendars: %d %v, want one", n, err)
		}
		n, err = tx.Purge(1, time.Time{}, day.Add(2*time.Hour))
		if n != 0 || err != nil {
			t.Errorf("Purge again: %d %v", n, err)
		}
		return nil
	})
	view(t, s, anna, func(tx calendar.ReadTx) error {
		row, _, err := tx.Calendar("calendar")
		if row.Purged != last || err != nil {
			t.Errorf("Purged %d, want %d (%v)", row.Purged, last, err)
		}
		got := list(t, func(fn func(*calendar.ObjectRow) error) error { return tx.Changes(1, 0, 0, true, fn) })
		if !slices.Equal(got, []string{"d@6=d", "c@9-=c"}) {
			t.Errorf("Changes: %q", got)
		}
		if g, err := tx.GoneCalendars(0); len(g) != 0 || err != nil {
			t.Errorf("GoneCalendars: %v %v", g, err)
		}
		if h, _, err := tx.Home(); h.Purged != gone || err != nil {
			t.Errorf("Home %+v, want Purged %d (%v)", h, gone, err)
		}
		return nil
	})
}

func testClosed(t *testing.T, s calendar.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	never := func(calendar.Tx) error { t.Error("fn ran"); return nil }
	wantKind(t, "View", s.View(context.Background(), anna, func(calendar.ReadTx) error { return never(nil) }), calendar.Unavailable)
	wantKind(t, "Update", s.Update(context.Background(), anna, never), calendar.Unavailable)
	if err := s.Close(); err != nil {
		t.Errorf("Close twice: %v", err)
	}
}
