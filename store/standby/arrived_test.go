package standby

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// watched is asked by the other host, and looks at the standby after each part.
type watched struct {
	calendar.Twin
	part func()
}

func (w *watched) Standby(ctx context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	ans, err := w.Twin.Standby(ctx, req)
	if req.Step == calendar.StandbyPart {
		w.part()
	}
	return ans, err
}

// TestArrivals has a home come from elsewhere to the host that serves: the standby would take over all the
// time, has the mark of a home that is not complete as long as it has not all, and all in the end.
func TestArrivals(t *testing.T) {
	for _, sync := range []bool{true, false} {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		open := func() (string, *sqlstore.Store) {
			dir := fresh.Dir(t)
			s, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return dir, s
		}
		_, elsewhere := open()
		err := elsewhere.Update(ctx, "anna", func(tx calendar.Tx) error {
			change, err := tx.NextChange()
			if err != nil {
				return err
			}
			if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "c", Change: change}); err != nil {
				return err
			}
			for i := range 300 { // more than one part
				name, data := fmt.Sprint(i), bytes.Repeat([]byte{byte('a' + i%26)}, 20<<10)
				if err := tx.PutIndexed(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Data: data, Size: len(data)}, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		dir, store := open()
		other, copied := open()
		keeper, err := archive.Open(ctx, store, archive.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer keeper.Close()
		has := func() (home, mark bool) {
			id := calendar.MoveMark("anna")
			err := copied.View(ctx, "anna", func(tx calendar.ReadTx) (err error) {
				if _, home, err = tx.Home(); err == nil {
					_, mark, err = tx.Job(id.Change, id.Seq)
				}
				return err
			})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			return home, mark
		}
		parts := 0
		p := NewPassive(State{Epoch: 1}, Options{Host: "b", Peer: "a", Dir: other, Store: copied, Over: func(err error) { t.Error(err) }})
		twin := &watched{p, func() {
			if home, mark := has(); home {
				if parts++; !mark {
					t.Error("the standby has some of the home, and no mark of that")
				}
			}
		}}
		a := NewActive(State{Epoch: 1, Active: true}, Options{Host: "a", Peer: "b", Dir: dir, Store: store, Sync: sync, Partial: keeper.IsAway, Over: func(err error) { t.Error(err) },
			Dial: func() (calendar.Twin, error) { return twin, nil }})
		store.BeforeCommit(a.Before)
		keeper.Ships()
		keeper.Complete(a.Settle)
		done := make(chan struct{})
		go func() { defer close(done); a.Run(ctx) }()
		for st := a.Status(); !st.Ready(); st = a.Status() {
			time.Sleep(10 * time.Millisecond)
		}
		pairing := func() string {
			p.mu.Lock()
			defer p.mu.Unlock()
			if !p.admitted {
				return "none"
			}
			return p.stream
		}
		was := pairing()
		in, err := keeper.Arrive(ctx, calendar.Job{JobID: calendar.MoveMark("anna"), Kind: calendar.JobMove, Due: time.Now().Add(time.Hour), Created: time.Now(), Payload: []byte(`{"state":"arriving"}`)})
		if err != nil {
			t.Fatal(err)
		}
		if err := archive.ImageOf(ctx, elsewhere, "anna", func(part []byte) error { return in.Part(ctx, part) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * beat / 2)
		if home, mark := has(); home || !mark || pairing() != was {
			t.Errorf("before its end: home %v, mark %v, pairing %s, and it was %s", home, mark, pairing(), was)
		}
		if err := in.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		ours, n, err := archive.Sum(ctx, store, "anna")
		if err != nil {
			t.Fatal(err)
		}
		if theirs, m, err := archive.Sum(ctx, copied, "anna"); err != nil || theirs != ours || n != m || pairing() != was || parts < 2 {
			t.Errorf("at its end: %v, the same %v, number %d and %d, %d parts; pairing %s, and it was %s", err, theirs == ours, n, m, parts, pairing(), was)
		}
		end()
		<-done
	}
}
