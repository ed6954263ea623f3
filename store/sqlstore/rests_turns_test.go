package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"factotum/server/calendar"
)

// buryMany makes objects of an owner and deletes them again.
func buryMany(t *testing.T, s *Store, owner calendar.Owner, count int) {
	t.Helper()
	err := s.Update(bg, owner, func(tx calendar.Tx) error {
		n, err := tx.NextChange()
		if err != nil {
			return err
		}
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "work", Change: n, Created: epoch, Modified: epoch}); err != nil {
			return err
		}
		for i := range count {
			name := fmt.Sprintf("o%02d", i)
			o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: n, Since: n, Created: epoch, Modified: epoch, Data: []byte("old")}
			if err := errors.Join(tx.PutObject(o), tx.DeleteObject(1, name, n, epoch, "anna")); err != nil {
				return err
			}
		}
		_, err = tx.Purge(1, time.Time{}, epoch.Add(time.Hour))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A write has read of an object that there is a tombstone, whose turn to be removed it is at that
// moment: what is written is there afterwards.
func TestTombstonesGoBetweenWrites(t *testing.T) {
	for engine, open := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			s := open(pieces{rows: 4, most: -1})
			buryMany(t, s, "anna", 40)
			if len(rests(t, s)) != 1 {
				t.Fatalf("rests: %v", rests(t, s))
			}
			settled := make(chan error, 1)
			err := s.Update(bg, "anna", func(tx calendar.Tx) error {
				if _, ok, err := tx.Object(1, "o01", false); ok || err != nil {
					return fmt.Errorf("before: %v %v", ok, err)
				}
				gone := make(chan struct{})
				go func() {
					settled <- s.rests.settle(bg, "anna")
					close(gone)
				}()
				select { // it waits for this transaction
				case <-gone:
				case <-time.After(500 * time.Millisecond):
				}
				n, err := tx.NextChange()
				if err != nil {
					return err
				}
				return tx.PutObject(calendar.ObjectRow{Cal: 1, Name: "o01", UID: "o01", Component: "VEVENT", Change: n, Since: n, Created: epoch, Modified: epoch, Data: []byte("new")})
			})
			if err := errors.Join(err, <-settled); err != nil {
				t.Fatal(err)
			}
			if err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
				o, ok, err := tx.Object(1, "o01", true)
				if !ok || string(o.Data) != "new" {
					t.Errorf("what was written: %v %q", ok, o.Data)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(bg); err != nil {
				t.Error(err)
			}
		})
	}
}

// The same when both share a transaction, for which that there is a tombstone was read ahead.
func TestTombstonesGoBeforeAWriteOfTheSameGroup(t *testing.T) {
	s := openers(t)["postgres"](pieces{rows: 4, most: -1})
	buryMany(t, s, "anna", 40)
	e := s.engine.(*pgEngine)
	waits := func(n int) {
		for e.waitingOf("anna") < n {
			time.Sleep(time.Millisecond)
		}
	}
	first, went := make(chan struct{}), make(chan error, 3)
	go func() {
		went <- s.Update(bg, "anna", func(calendar.Tx) error { <-first; return nil })
	}()
	for e.waitingOf("anna") < 0 {
		time.Sleep(time.Millisecond)
	}
	go func() {
		_, err := s.rests.piece(bg, "anna")
		went <- err
	}()
	waits(1)
	go func() {
		ctx := calendar.WithNeed(bg, calendar.Need{Calendar: "anna:work", Row: 1, Names: []string{"o01"}})
		went <- s.Update(ctx, "anna", func(tx calendar.Tx) error {
			n, err := tx.NextChange()
			if err != nil {
				return err
			}
			return tx.PutObject(calendar.ObjectRow{Cal: 1, Name: "o01", UID: "o01", Component: "VEVENT", Change: n, Since: n, Created: epoch, Modified: epoch, Data: []byte("new")})
		})
	}()
	waits(2)
	close(first)
	for range 3 {
		if err := <-went; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
	if err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		if o, ok, err := tx.Object(1, "o01", true); !ok || err != nil || string(o.Data) != "new" {
			t.Errorf("what was written: %v %q %v", ok, o.Data, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// waitingOf is how many updates of an owner wait behind one that runs, -1 if none runs.
func (e *pgEngine) waitingOf(owner calendar.Owner) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if q := e.queues[owner]; q != nil {
		return len(q.waiting)
	}
	return -1
}

// Where the rows of one owner cannot be removed, those of the others go.
func TestRestsOfOthersGo(t *testing.T) {
	for engine, open := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			s := open(pieces{rows: 4, most: -1})
			for _, owner := range []calendar.Owner{"anna", "bert", "carl"} {
				buryMany(t, s, owner, 10)
				if err := s.Update(bg, owner, func(tx calendar.Tx) error {
					var all error
					for i := range 10 {
						name := fmt.Sprint("p", i)
						all = errors.Join(all, tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: 1, Since: 1, Created: epoch, Modified: epoch, Data: []byte("text")}))
					}
					h, err := calendar.CalendarVersion(calendar.CalendarRow{ID: 1, Name: "work"}, nil)
					h.Change, h.When = 2, epoch
					return errors.Join(all, err, tx.KeepCalendar(h), tx.DeleteCalendar(1, 2, epoch))
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.engine.write(bg, func(c conn) error { // damage: the history cannot have these
				return c.exec("DELETE FROM bodies WHERE owner = 'anna'")
			}); err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = open(pieces{rows: 4})
			for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
				var left []string
				if err := s.engine.read(bg, func(c conn) error {
					left = nil
					return c.query("SELECT DISTINCT owner FROM rests ORDER BY owner", nil, func(r scanner) error {
						left = append(left, "")
						return r.scan(&left[len(left)-1])
					})
				}); err != nil {
					t.Fatal(err)
				}
				if slices.Equal(left, []string{"anna"}) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("left: %v", left)
				}
			}
		})
	}
}

// Who keeps writers waiting is told at once that something has to be written first.
func TestOnlyReadsDoNotWait(t *testing.T) {
	for engine, open := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			s := open(pieces{rows: 4, most: -1})
			buryMany(t, s, "anna", 40)
			look := func(tx calendar.ReadTx) error {
				return tx.History(calendar.HistoryQuery{}, func(*calendar.HistoryRow) error { return nil })
			}
			if err := s.View(calendar.OnlyReads(bg), "anna", look); calendar.KindOf(err) != calendar.Unavailable {
				t.Errorf("with a rest: %v", err)
			}
			if err := s.View(bg, "anna", look); err != nil {
				t.Error(err)
			}
			if err := s.View(calendar.OnlyReads(bg), "anna", look); err != nil {
				t.Errorf("without: %v", err)
			}
		})
	}
}

// A change that is larger than the bound of the history goes from it, and has one version more afterwards: that stays.
func TestVersionsAfterAPurgeOfTheSameChange(t *testing.T) {
	for engine, open := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			s := open(pieces{rows: 4})
			if err := s.Update(bg, "anna", func(tx calendar.Tx) error {
				n, err := tx.NextChange()
				put := func(seq int64) error {
					return tx.PutHistory(calendar.HistoryRow{Change: n, Seq: seq, When: epoch, End: calendar.FileDropped, Calendar: "work", Object: calendar.ObjectRow{Cal: 1, Name: "o", Created: epoch, Modified: epoch, Data: []byte("text")}})
				}
				for i := range int64(10) {
					err = errors.Join(err, put(i))
				}
				_, bad := tx.PurgeHistory(time.Time{}, 1)
				return errors.Join(err, bad, put(10))
			}); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(bg); err != nil {
				t.Error(err)
			}
			var seqs []int64
			if err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
				seqs = nil
				return tx.History(calendar.HistoryQuery{}, func(h *calendar.HistoryRow) error { seqs = append(seqs, h.Seq); return nil })
			}); err != nil || !slices.Equal(seqs, []int64{10}) {
				t.Errorf("versions: %v %v", seqs, err)
			}
		})
	}
}

// However many wait for what a deletion has left, writers of others meet one piece at a time.
func TestOnePieceAtATime(t *testing.T) {
	s := openers(t)["sqlite"](pieces{rows: 4, most: -1})
	buryMany(t, s, "anna", 40)
	begun, end, went := make(chan struct{}), make(chan struct{}), make(chan error, 11)
	go func() {
		went <- s.Update(bg, "bert", func(calendar.Tx) error {
			close(begun)
			<-end
			return nil
		})
	}()
	<-begun
	for range 10 {
		go func() {
			went <- s.View(bg, "anna", func(tx calendar.ReadTx) error {
				return tx.History(calendar.HistoryQuery{}, func(*calendar.HistoryRow) error { return nil })
			})
		}()
	}
	queue := s.engine.(*sqliteEngine).writer.queue
	for len(queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	if n := len(queue); n != 1 {
		t.Errorf("%d pieces wait for the writer", n)
	}
	close(end)
	for range 11 {
		if err := <-went; err != nil {
			t.Error(err)
		}
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
}

// Who asks what was deleted is not told of what was purged, also while it goes.
func TestPurgedTombstonesAreNotListed(t *testing.T) {
	for engine, open := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			s := open(pieces{rows: 4, most: -1})
			buryMany(t, s, "anna", 40)
			n := 0
			if err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
				n = 0
				return tx.Gone(1, time.Time{}, time.Time{}, false, func(*calendar.ObjectRow) error { n++; return nil })
			}); err != nil || n > 0 {
				t.Errorf("%d tombstones: %v", n, err)
			}
		})
	}
}
