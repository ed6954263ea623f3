package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
)

const crashLarge = 700 // objects of a calendar that is deleted: some pieces

// crashDelete makes a large calendar and deletes it, so many times, and tells of the change
// numbers that did so; and homes that are dropped.
func crashDelete(s *sqlstore.Store, times int) {
	for n := range times {
		change, err := crashFill(s, "large", func(tx calendar.Tx, cal int64) (int64, error) {
			change, err := tx.NextChange()
			if err != nil {
				return 0, err
			}
			h, err := calendar.CalendarVersion(calendar.CalendarRow{ID: cal, Name: "x"}, nil)
			if err != nil {
				return 0, err
			}
			h.Change, h.When = change, time.Unix(change, 0)
			if err := tx.KeepCalendar(h); err != nil {
				return 0, err
			}
			return change, tx.DeleteCalendar(cal, change, h.When)
		})
		if err == nil {
			fmt.Fprintf(os.Stdout, "large %d 0\n", change)
			_, err = crashFill(s, "dropped", func(tx calendar.Tx, _ int64) (int64, error) { return 0, tx.(calendar.Loader).DropHome() })
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		fmt.Fprintf(os.Stdout, "dropped %d 0\n", n)
	}
}

// crashFill makes a large calendar, and does something with it.
func crashFill(s *sqlstore.Store, owner calendar.Owner, then func(tx calendar.Tx, cal int64) (int64, error)) (change int64, err error) {
	cal := int64(0)
	if err := s.Update(context.Background(), owner, func(tx calendar.Tx) error {
		if cal, err = tx.NextChange(); err != nil {
			return err
		}
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: cal, Name: fmt.Sprint("c", cal), Change: cal}); err != nil {
			return err
		}
		for i := range crashLarge {
			name := fmt.Sprint("o", i)
			o := calendar.ObjectRow{Cal: cal, Name: name, UID: name, Change: cal, Data: []byte(name)}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(i), End: int64(i) + 1}}); err != nil {
				return err
			}
		}
		return tx.PutAttachment(calendar.AttachmentRow{Cal: cal, Name: "o1", ID: "f", Data: []byte("file")})
	}); err != nil {
		return 0, err
	}
	err = s.Update(context.Background(), owner, func(tx calendar.Tx) (err error) {
		change, err = then(tx, cal)
		return err
	})
	return change, err
}

// crashVerifyLarge finds of every calendar that was deleted all that went with it, once.
func crashVerifyLarge(t *testing.T, s *sqlstore.Store, acked map[string]int) {
	t.Helper()
	calendars, rows := map[int64]bool{}, map[int64]map[string]bool{}
	err := s.View(context.Background(), "large", func(tx calendar.ReadTx) error {
		clear(calendars)
		clear(rows)
		return tx.History(calendar.HistoryQuery{Data: true}, func(h *calendar.HistoryRow) error {
			if h.End == calendar.CalendarGone {
				calendars[h.Change] = true
				return nil
			}
			if rows[h.Change] == nil {
				rows[h.Change] = map[string]bool{}
			}
			if rows[h.Change][fmt.Sprint(h.End, h.Object.Name)] = true; h.End == calendar.WentAlong && string(h.Object.Data) != h.Object.Name {
				t.Errorf("change %d: %s has the text %q", h.Change, h.Object.Name, h.Object.Data)
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	for change := range calendars {
		if n := len(rows[change]); n != crashLarge+1 {
			t.Errorf("change %d: %d rows of the history, want %d", change, n, crashLarge+1)
		}
	}
	for spelled := range acked {
		if change, err := strconv.ParseInt(spelled, 10, 64); err != nil || !calendars[change] {
			t.Errorf("change %s was acknowledged, and the history has it not: %v", spelled, err)
		}
	}
}
