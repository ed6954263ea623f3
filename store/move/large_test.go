package move

import (
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"

	"github.com/google/go-cmp/cmp"
)

// fill puts many objects into a calendar of ben.
func (b *backEnd) fill(name string) {
	b.t.Helper()
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := b.keep.Store().Update(bg, "ben", func(tx calendar.Tx) error {
		cal, _, err := tx.Calendar(name)
		if err != nil {
			return err
		}
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		for i := range 3000 {
			name := fmt.Sprintf("o%d.ics", i)
			o := calendar.ObjectRow{Cal: cal.ID, Name: name, UID: name, Component: "VEVENT", Change: n, Since: n, Created: at, Modified: at, Data: event(name, "x")}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(i), End: int64(i) + 60}}); err != nil {
				return err
			}
		}
		return tx.TouchCalendar(cal.ID, n, at)
	}); err != nil {
		b.t.Fatal(err)
	}
}

// versions lists the history of ben by the model.
func (s *site) versions(t *testing.T) (list []string) {
	t.Helper()
	if _, err := s.router.History(bg, calendar.Actor{User: "ben"}, calendar.HistoryRequest{Owner: "ben", Limit: 10_000}, func(e calendar.HistoryEntry) error {
		list = append(list, fmt.Sprint(e.Change, "/", e.Seq, " ", e.End, " ", e.UID))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// A home is moved while what a large deletion has left in it is there, and comes back while
// all of it still goes where it was; hosts end meanwhile.
func TestMoveOfALargeHome(t *testing.T) {
	for name, engine := range map[string]func() calendar.Store{"SQLite": nil, "PostgreSQL": func() calendar.Store { return fresh.Postgres(t, sqlstore.Options{Relaxed: true}) }} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, engine)
			a, b := s.hosts[hostA], s.hosts[hostB]
			ben := calendar.Actor{User: "ben"}
			s.put(t, "ben", "first.ics", "one")
			if _, err := s.router.CreateCalendar(bg, ben, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "ben:work"}, DefaultACL: true}); err != nil {
				t.Fatal(err)
			}
			a.fill("calendar")
			a.fill("work")
			if err := s.router.DeleteCalendar(bg, ben, calendar.DeleteCalendarRequest{ID: "ben:work"}); err != nil {
				t.Fatal(err)
			}
			from, to := a, b
			for range 4 { // there, back, and once more
				before := s.seen(t, "ben", "")
				if err := from.mover.Move(bg, "ben", to.host); err != nil {
					t.Fatal(err)
				}
				if st := from.wait("ben"); st.State != stateMoved {
					t.Fatalf("status: %+v", st)
				}
				if d := cmp.Diff(before, s.seen(t, "ben", "")); d != "" {
					t.Errorf("clients see a difference: %s", d)
				}
				from.again() // while what it had goes
				from, to = to, from
			}
			if got := s.versions(t); len(got) < 3001 {
				t.Errorf("%d versions: %v", len(got), got)
			}
			for _, x := range []*backEnd{a, b} {
				if err := x.raw.Check(bg); err != nil {
					t.Error(err)
				}
			}
			if got := s.owned(t, "ben"); len(got) != 1 || got[0] != hostA {
				t.Errorf("it is on %v", got)
			}
		})
	}
}
