package archive

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"factotum/server/calendar"

	"github.com/google/go-cmp/cmp"
)

// versions lists the history of anna.
func versions(t testing.TB, s calendar.Store) (list []string) {
	t.Helper()
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		list = nil
		h, _, err := tx.Home()
		if err != nil {
			return err
		}
		list = append(list, fmt.Sprint(h.Bytes, " ", h.History))
		return tx.History(calendar.HistoryQuery{Data: true}, func(h *calendar.HistoryRow) error {
			list = append(list, fmt.Sprint(h.Change, "/", h.Seq, " ", h.End, " ", h.Object.Name, " ", len(h.Object.Data), h.Props))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// makeLarge makes a calendar of anna with so many objects that its deletion leaves a rest.
func makeLarge(t testing.TB, s calendar.Store, cal int64, name string) {
	t.Helper()
	err := s.Update(bg, "anna", func(tx calendar.Tx) error {
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: cal, Name: name, Change: n, Created: time.Unix(1, 0), Modified: time.Unix(1, 0)}); err != nil {
			return err
		}
		for i := range 2000 {
			o := calendar.ObjectRow{Cal: cal, Name: fmt.Sprint("o", i), UID: fmt.Sprint("o", i), Component: "VEVENT", Change: n, Created: time.Unix(1, 0), Modified: time.Unix(1, 0), Data: fmt.Append(nil, "text ", i)}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: o.Name, Start: int64(i), End: int64(i) + 60}}); err != nil {
				return err
			}
			if i%100 == 0 {
				if err := tx.SetProp(cal, o.Name, calendar.DeadProp{Space: "s", Local: "l", Value: o.Name}); err != nil {
					return err
				}
			}
		}
		return tx.PutAttachment(calendar.AttachmentRow{Cal: cal, Name: "o7", ID: "f", Type: "text/plain", Created: time.Unix(1, 0), Data: []byte("x")})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func deleteLarge(t testing.TB, s calendar.Store, cal int64) {
	t.Helper()
	err := s.Update(bg, "anna", func(tx calendar.Tx) error {
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		h, err := calendar.CalendarVersion(calendar.CalendarRow{ID: cal, Name: "x"}, nil)
		if err != nil {
			return err
		}
		h.Change, h.When = n, time.Unix(n, 0)
		if err := tx.KeepCalendar(h); err != nil {
			return err
		}
		return tx.DeleteCalendar(cal, n, time.Unix(n, 0))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Backups of a store in which a large deletion is not over, and the log of it done again, have
// all that is kept of it, and the same digests.
func TestLargeDeletion(t *testing.T) {
	s := newSite(t)
	makeLarge(t, s, 1, "first")
	s.snapshot(t)
	deleteLarge(t, s, 1)
	from := s.raw
	check := func(what string) {
		t.Helper()
		to, _ := s.restored(t, time.Time{})
		if d := cmp.Diff(versions(t, from), versions(t, to)); d != "" {
			t.Errorf("%s: the history: %s", what, d)
		}
		if d := cmp.Diff(contentsOf(t, from), contentsOf(t, to)); d != "" {
			t.Errorf("%s: %s", what, d)
		}
		if err := to.Check(bg); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("by the log")
	makeLarge(t, s, 2, "second")
	deleteLarge(t, s, 2)
	s.snapshot(t) // while its pieces go
	check("by a snapshot")
	makeLarge(t, s, 3, "third")
	deleteLarge(t, s, 3)
	if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.(calendar.Loader).DropHome() }); err != nil {
		t.Fatal(err)
	}
	makeLarge(t, s, 3, "third") // under the same ids, at once
	deleteLarge(t, s, 3)
	check("after the home was dropped")
	if got := versions(t, from); len(got) != 2003 || !slices.Contains(got, fmt.Sprintf("2/2001 %v o7 1 []", calendar.FileDropped)) {
		t.Errorf("%d versions: %v", len(got), got[:5])
	}
}
