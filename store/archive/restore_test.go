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
}

func contentsOf(t testing.TB, s calendar.Store) contents {
	t.Helper()
	c := contents{map[calendar.Owner]*digest{}, map[calendar.Owner][]calendar.Job{}, map[calendar.Owner][]calendar.Trace{}, map[calendar.Owner][]calendar.RegistrationRow{}, map[calendar.Owner]string{}}
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
