package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"

	"github.com/google/go-cmp/cmp"
)

// moving is two stores, of which a home goes from one to the other.
type moving struct {
	from, to *Keeper
	mark     calendar.Job
}

func newMoving(t testing.TB, from, to calendar.Store, targets ...Target) *moving {
	t.Helper()
	m := &moving{mark: calendar.Job{JobID: calendar.MoveMark("anna"), Kind: calendar.JobMove, Payload: []byte("in")}}
	for i, s := range []calendar.Store{from, to} {
		opt := Options{Retry: time.Hour, Scratch: func(context.Context, string) (calendar.Store, error) { return openStore(t), nil }}
		if i == 1 {
			opt.Targets = targets
		}
		k, err := Open(bg, s, opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		if i == 0 {
			m.from = k
		} else {
			m.to = k
		}
	}
	return m
}

// same compares what is in both stores of a home, to the last row.
func (m *moving) same(t testing.TB) {
	t.Helper()
	var rows [2][]string
	for i, k := range []*Keeper{m.from, m.to} {
		err := k.raw.View(bg, "anna", func(tx calendar.ReadTx) error {
			_, _, err := (&image{owner: "anna", whole: true, emit: func(l *txn) error {
				for j := range l.Ops {
					l.Ops[j].spell()
					var buf bytes.Buffer
					if err := appendLine(&buf, &l.Ops[j]); err != nil {
						return err
					}
					rows[i] = append(rows[i], buf.String())
				}
				return nil
			}}).take(tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(rows[0], rows[1]); d != "" {
		t.Errorf("the homes differ: -from +to\n%s", d)
	}
}

// copy moves the home while write is called between any two steps.
func (m *moving) copy(t testing.TB, write func()) error {
	t.Helper()
	d := m.from.Depart("anna")
	defer d.Close()
	write()
	a, err := m.to.Arrive(bg, m.mark)
	if err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	if err := d.Image(bg, func(part []byte) error { parts = append(parts, part); return nil }); err != nil {
		return err
	}
	for _, p := range parts {
		write()
		if err := a.Part(bg, p); err != nil {
			return err
		}
	}
	got, err := a.Sums(bg)
	if err != nil {
		return err
	}
	if d := cmp.Diff(d.Sums(), got); d != "" {
		t.Fatalf("the copies differ: %s", d)
	}
	if err := a.Settle(bg); err != nil {
		return err
	}
	write()
	for n := 1; n > 0; {
		if n, err = d.Tail(bg, func(part []byte) error { return a.Part(bg, part) }); err != nil {
			return err
		}
	}
	var deltas [2]map[string]string
	for i, k := range []*Keeper{m.from, m.to} {
		if deltas[i], err = k.Delta(bg, "anna", d.Change()); err != nil {
			return err
		}
	}
	if d := cmp.Diff(deltas[0], deltas[1]); d != "" {
		t.Fatalf("what came after the copy differs: %s", d)
	}
	return m.to.Settled(bg, calendar.Job{JobID: m.mark.JobID})
}

func TestMoveOfAHome(t *testing.T) {
	engines := map[string]func(testing.TB) calendar.Store{
		"SQLite":     func(t testing.TB) calendar.Store { return openStore(t) },
		"PostgreSQL": func(t testing.TB) calendar.Store { return fresh.Postgres(t, sqlstore.Options{Relaxed: true}) },
	}
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			for seed := range 6 {
				rnd := rand.New(rand.NewPCG(uint64(seed), 7))
				root := t.TempDir()
				m := newMoving(t, open(t), openStore(t), Target{Name: "archive", Path: root, Interval: time.Hour, Min: 1, Max: 3})
				n := 0
				write := func() {
					for range rnd.IntN(40) {
						if n++; n%7 == 0 {
							err := m.from.Store().Update(bg, "anna", func(tx calendar.Tx) error {
								return errors.Join(tx.SetToken(fmt.Sprint("t", rnd.IntN(9)), []byte(`{"a":1}`), at(n)),
									tx.PutRegistration(calendar.RegistrationRow{ID: fmt.Sprint("r", rnd.IntN(3)), Kind: calendar.PushRegistration, Expires: at(n)}))
							})
							if err != nil {
								t.Fatal(err)
							}
							continue
						}
						writes(t, rnd, m.from.Store(), n)
					}
				}
				for range 5 {
					write()
				}
				if err := m.to.Snapshot(bg, "archive"); err != nil {
					t.Fatal(err)
				}
				if err := m.copy(t, write); err != nil {
					t.Fatal(err)
				}
				m.same(t)
				// Backups of where it came to have it, and its changes from then on.
				m.from.raw, m.from.log = m.to.raw, m.to.log
				write()
				if err := m.to.log.drain(bg); err != nil {
					t.Fatal(err)
				}
				restored := openStore(t)
				if _, err := Restore(bg, root, restored, RestoreOptions{}); err != nil {
					t.Fatal(err)
				}
				if list, err := Differences(bg, m.to.raw, restored); err != nil || len(list) > 0 {
					t.Errorf("the backup differs in %v %v", list, err)
				}
			}
		})
	}
}

// A home that is not complete is in no backup, and its proof does not fail for it; one
// that has left is in none either, and a restart does not miss it.
func TestMoveAndBackups(t *testing.T) {
	root := t.TempDir()
	from, to := openStore(t), openStore(t)
	m := newMoving(t, from, to, Target{Name: "archive", Path: root, Interval: time.Hour, Min: 1, Max: 3})
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		writes(t, rnd, m.from.Store(), n)
	}
	d := m.from.Depart("anna")
	defer d.Close()
	a, err := m.to.Arrive(bg, m.mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Image(bg, func(part []byte) error { return a.Part(bg, part) }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.to.Snapshot(bg, "archive"); err != nil {
			t.Fatal(err)
		}
	}
	restored := openStore(t)
	if _, err := Restore(bg, root, restored, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if owners, err := restored.Owners(bg, "", 0); err != nil || len(owners) > 0 {
		t.Errorf("the backup has %v %v", owners, err)
	}
	if err := a.Settle(bg); err != nil {
		t.Fatal(err)
	}
	if err := m.to.Settled(bg, calendar.Job{JobID: m.mark.JobID}); err != nil {
		t.Fatal(err)
	}
	m.same(t)
	gone := m.mark
	gone.Payload = []byte("moved")
	if err := m.to.Leave(bg, gone); err != nil {
		t.Fatal(err)
	}
	m.to.Close()
	k, err := Open(bg, to, m.to.opt)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	if jobs, err := to.Jobs(bg, calendar.JobID{}, 0); err != nil || len(jobs) != 1 || jobs[0].JobID != m.mark.JobID {
		t.Errorf("left behind: %v %v", jobs, err)
	}
}

// What is damaged, of another home or out of order is refused, and so is what does not
// follow from what is there.
func TestMoveRefuses(t *testing.T) {
	m := newMoving(t, openStore(t), openStore(t))
	rnd := rand.New(rand.NewPCG(3, 2))
	for n := range 100 {
		writes(t, rnd, m.from.Store(), n)
	}
	d := m.from.Depart("anna")
	defer d.Close()
	var image [][]byte
	if err := d.Image(bg, func(part []byte) error { image = append(image, part); return nil }); err != nil {
		t.Fatal(err)
	}
	a, err := m.to.Arrive(bg, m.mark)
	if err != nil {
		t.Fatal(err)
	}
	line := func(x *txn) []byte {
		var buf bytes.Buffer
		if err := appendLine(&buf, &record{Txn: x}); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	for name, part := range map[string][]byte{
		"damaged":           bytes.Replace(image[0], []byte("owner"), []byte("0wner"), 1),
		"cut off":           image[0][:len(image[0])-3],
		"nothing":           []byte("hello\n"),
		"of another":        line(&txn{Owner: "ben", Image: true, Ops: []op{{Kind: opHome, Home: &homeRow{Change: 3}}}}),
		"without beginning": line(&txn{Owner: "anna", Image: true, Ops: []op{{Kind: opSetPref, ID: "a"}}}),
		"of later":          line(&txn{Owner: "anna", Change: 900, Took: 1, Ops: []op{{Kind: opSetPref, ID: "a"}}}),
		"of no release":     line(&txn{Owner: "anna", Image: true, Ops: []op{{Kind: opHome, Home: &homeRow{Change: 3}}, {Kind: "fly"}}}),
	} {
		if err := a.Part(bg, part); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, p := range image {
		if err := a.Part(bg, p); err != nil {
			t.Fatal(err)
		}
	}
	m.same(t)
}
