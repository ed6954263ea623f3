package archive

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest"
	"factotum/store/storetest/fresh"

	"github.com/google/go-cmp/cmp"
)

var bg = context.Background()

func openStore(t testing.TB) *sqlstore.Store {
	t.Helper()
	return fresh.SQLite(t, sqlstore.Options{Relaxed: true})
}

// site is a store that is archived.
type site struct {
	*Store
	raw   calendar.Store
	root  string
	place *place
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	s.place = &place{root: s.root, prefix: "archive", host: "h", fold: 1 << 20, log: slog.New(slog.DiscardHandler), failed: func(error) {}}
	s.Store = &Store{Store: s.raw, log: newLog(time.Now, slog.New(slog.DiscardHandler), map[calendar.Owner]int64{}, s.place)}
	t.Cleanup(s.log.close)
	return s
}

func (s *site) snapshot(t testing.TB) Period {
	t.Helper()
	p, err := snapshot(bg, s.raw, s.log, s.place, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// restored is what the backup has at a moment.
func (s *site) restored(t testing.TB, at time.Time) (*sqlstore.Store, Restored) {
	t.Helper()
	if err := s.log.drain(bg); err != nil {
		t.Fatal(err)
	}
	to := openStore(t)
	res, err := Restore(bg, s.root, to, RestoreOptions{At: at})
	if err != nil {
		t.Fatal(err)
	}
	return to, res
}

// contents is all that a store has, but for outcomes of requests.
type contents struct {
	Digests       map[calendar.Owner]*digest
	Jobs          map[calendar.Owner][]calendar.Job
	Traces        map[calendar.Owner][]calendar.Trace
	Registrations map[calendar.Owner][]calendar.RegistrationRow
	Entries       map[calendar.Owner]string
	Props         map[calendar.ID][]calendar.DeadProp // of calendars themselves
}

func contentsOf(t testing.TB, s calendar.Store) contents {
	t.Helper()
	c := contents{map[calendar.Owner]*digest{}, map[calendar.Owner][]calendar.Job{}, map[calendar.Owner][]calendar.Trace{}, map[calendar.Owner][]calendar.RegistrationRow{}, map[calendar.Owner]string{}, map[calendar.ID][]calendar.DeadProp{}}
	owners, err := s.Owners(bg, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range owners {
		err := s.View(bg, o, func(tx calendar.ReadTx) (err error) {
			h, _, err := tx.Home()
			if c.Entries[o] = h.Entry; err != nil {
				return err
			}
			if c.Digests[o], err = digestOf(tx, o); err != nil {
				return err
			}
			rows, err := tx.Calendars()
			for _, row := range rows {
				if err == nil {
					c.Props[calendar.NewID(o, row.Name)], err = tx.Props(row.ID, "")
				}
			}
			if err != nil {
				return err
			}
			if c.Jobs[o], err = tx.Jobs(); err != nil {
				return err
			}
			if c.Registrations[o], err = tx.Registrations(); err != nil {
				return err
			}
			return tx.Traces(calendar.TraceQuery{OldestFirst: true}, func(tr *calendar.Trace) error {
				tr.ID = 0
				c.Traces[o] = append(c.Traces[o], *tr)
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// What the suite of all stores does is archived and comes back: from the log, and from
// a snapshot.
func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) calendar.Store {
		s := newSite(t)
		s.snapshot(t)
		t.Cleanup(func() {
			if t.Failed() || s.raw.View(bg, "x", func(calendar.ReadTx) error { return nil }) != nil {
				return // closed
			}
			want := contentsOf(t, s.raw)
			got, _ := s.restored(t, time.Time{})
			if d := cmp.Diff(want, contentsOf(t, got)); d != "" {
				t.Errorf("from the log: %s", d)
			}
			s.snapshot(t)
			got, _ = s.restored(t, time.Time{})
			if d := cmp.Diff(want, contentsOf(t, got)); d != "" {
				t.Errorf("from a snapshot: %s", d)
			}
			if err := got.Check(bg); err != nil {
				t.Errorf("what was restored: %v", err)
			}
		})
		return s
	})
}

// The properties of calendars themselves, with whom they are shared among them, are in
// snapshots. An earlier release left them out, of its digests too: those still prove.
func TestPropertiesOfCalendarsAreInSnapshots(t *testing.T) {
	s := newSite(t)
	err := s.Update(bg, "anna", func(tx calendar.Tx) error {
		if _, err := tx.NextChange(); err != nil {
			return err
		}
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: 1, Created: at(1), Modified: at(1)}); err != nil {
			return err
		}
		return tx.SetProp(1, "", calendar.DeadProp{Space: "x", Local: "y", Value: "z"})
	})
	if err != nil {
		t.Fatal(err)
	}
	s.snapshot(t)
	to, _ := s.restored(t, time.Time{})
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Error(d)
	}
	for _, own := range []bool{false, true} {
		var d *digest
		err := s.raw.View(bg, "anna", func(tx calendar.ReadTx) (err error) {
			d, err = digestLike(tx, "anna", own)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r := &restorer{ctx: bg, to: to, res: &Restored{}}
		if err := r.view(d); err != nil || r.res.Compared != 1 {
			t.Errorf("own properties %t: %v", own, err)
		}
		if d.Own = !own; r.view(d) == nil {
			t.Errorf("own properties %t: they are not compared", own)
		}
	}
}
