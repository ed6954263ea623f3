package cache_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// snapshots is a store that tells of each snapshot that was read.
type snapshots struct {
	*calendartest.Store
	after func()
}

func (s *snapshots) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	err := s.Store.View(ctx, owner, fn)
	if s.after != nil {
		s.after()
	}
	return err
}

// TestWhoGivesUpKeepsNothing: a reader who is cancelled while what he read is
// not published yet leaves nothing of it to others.
func TestWhoGivesUpKeepsNothing(t *testing.T) {
	st := &snapshots{Store: calendartest.NewStore()}
	c := cache.New(st, cache.Options{Bytes: 1 << 20, Instances: 100})
	const anna = calendar.Owner("anna")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	object := calendar.ObjectRow{Cal: 1, Name: "a.ics", UID: "a", Component: "VEVENT", Created: now, Modified: now}
	write := func(fn func(calendar.Tx, int64) error) {
		t.Helper()
		if err := st.Update(t.Context(), anna, func(tx calendar.Tx) error {
			n, err := tx.NextChange()
			if err != nil {
				return err
			}
			return fn(tx, n)
		}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(text string) {
		write(func(tx calendar.Tx, n int64) error {
			o := object
			o.Change, o.Data, o.Size = n, []byte(text), len(text)
			return errors.Join(tx.PutObject(o), tx.TouchCalendar(1, n, now))
		})
	}
	write(func(tx calendar.Tx, n int64) error {
		return tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: n, MetaChange: n, Created: now, Modified: now})
	})
	put("before")
	read := func(ctx context.Context) (text string, at int64, err error) {
		err = c.Read(ctx, anna, func(v cache.View) error {
			cal, err := v.Calendar("calendar")
			if err != nil {
				return err
			}
			o, err := v.Object(ctx, cal, "a.ics")
			if err == nil {
				text, at = string(o.Data), v.Home().Change
			}
			return err
		})
		return text, at, err
	}
	if err := c.Read(t.Context(), anna, func(cache.View) error { return nil }); err != nil { // the state
		t.Fatal(err)
	}
	done := c.Writing(anna)
	defer done()
	put("after") // and nobody is told yet

	ctx, cancel := context.WithCancel(t.Context())
	st.after = cancel
	if _, _, err := read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who was cancelled: %v", err)
	}
	st.after = nil
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if text, at, err := read(ctx); err == nil {
		t.Errorf("in state %d: %q", at, text)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
