package standby

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// TestRegister: what is granted once is not granted to another, and what was granted may be asked for again, by
// another process too.
func TestRegister(t *testing.T) {
	dir := filepath.Join(fresh.Dir(t), "made")
	for i, c := range []struct {
		holder         string
		epoch, basedOn uint64
		granted        bool
		is             string
	}{
		{"a", 0, 0, false, "0 "},
		{"a", 3, 1, false, "0 "},
		{"a", 3, 0, true, "3 a"},
		{"a", 3, 0, true, "3 a"},
		{"b", 3, 0, false, "3 a"},
		{"b", 4, 0, false, "3 a"},
		{"b", 3, 3, false, "3 a"},
		{"b", 4, 3, true, "4 b"},
		{"a", 4, 3, false, "4 b"},
		{"a", 3, 0, false, "4 b"},
		{"b", 2, 4, false, "4 b"},
		{"b", 4, 3, true, "4 b"},
		{"b", 0, 0, false, "4 b"},
	} {
		ans, err := NewRegister(dir).Witness(t.Context(), calendar.WitnessRequest{Pair: "p", Holder: c.holder, Epoch: c.epoch, BasedOn: c.basedOn})
		if err != nil || ans.Granted != c.granted || fmt.Sprint(ans.Epoch, " ", ans.Holder) != c.is {
			t.Errorf("step %d: %+v, %v", i, ans, err)
		}
	}
	if ans, err := NewRegister(dir).Witness(t.Context(), calendar.WitnessRequest{Pair: "another"}); err != nil || ans.Epoch != 0 {
		t.Errorf("another pair: %+v, %v", ans, err)
	}
	if err := os.WriteFile(filepath.Join(dir, registerName), []byte(`{"format": 99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if ans, err := NewRegister(dir).Witness(t.Context(), calendar.WitnessRequest{Pair: "p", Holder: "a", Epoch: 9}); err == nil || ans.Granted {
		t.Errorf("a file of a later release: %+v, %v", ans, err)
	}
}

// fakeTwin is a standby that does what it is told, or does not answer.
type fakeTwin struct {
	witness string
	silent  atomic.Bool

	mu        sync.Mutex
	admitted  bool
	lastAdmit calendar.StandbyRequest
}

// admit is what it was admitted by last.
func (f *fakeTwin) admit() calendar.StandbyRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastAdmit
}

func (f *fakeTwin) Standby(ctx context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	if f.silent.Load() {
		<-ctx.Done()
		return calendar.StandbyAnswer{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ans := calendar.StandbyAnswer{Epoch: req.Epoch, Witness: f.witness}
	switch req.Step {
	case calendar.StandbyWithdraw:
		f.admitted, ans.Data = false, []byte("null")
	case calendar.StandbyCensus:
		ans.Data = []byte("[]")
	case calendar.StandbyAdmit:
		f.admitted, f.lastAdmit = true, req
	}
	ans.Admitted = f.admitted
	return ans, nil
}

// TestActiveHostAndItsWitness: who loses its standby goes on by the word of the witness, and by that alone.
func TestActiveHostAndItsWitness(t *testing.T) {
	const other = "another.example.com"
	type scene struct {
		state    State
		theirs   string // the witness that the standby names
		away     bool   // the witness does not answer when they meet
		lost     bool   // nor afterwards
		taken    bool   // the standby has taken over by its word
		decides  bool
		soon     bool // it serves six seconds after the standby went away
		later    bool // and after fifteen
		comeback bool // the witness answers then, and it serves
	}
	for name, c := range map[string]scene{
		"it goes on":                                  {theirs: "w", decides: true, soon: true, later: true},
		"the standby was faster":                      {theirs: "w", decides: true, taken: true, soon: true},
		"the witness goes away too, for a while":      {theirs: "w", decides: true, lost: true, soon: true, comeback: true},
		"the witness was never there":                 {theirs: "w", away: true, lost: true, soon: true},
		"the standby is of an earlier release":        {theirs: "", soon: true},
		"the standby names another":                   {theirs: other, soon: true},
		"after a restart":                             {state: State{Epoch: 5, Active: true, Paired: true, Witness: "w"}, theirs: "silent", soon: true, later: true},
		"after a restart, the standby was faster":     {state: State{Epoch: 5, Active: true, Paired: true, Witness: "w"}, theirs: "silent", taken: true},
		"after a restart with another witness":        {state: State{Epoch: 5, Active: true, Paired: true, Witness: other}, theirs: "silent"},
		"after a restart, no witness was agreed upon": {state: State{Epoch: 5, Active: true, Paired: true}, theirs: "silent"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, at := fresh.Dir(t), fresh.Dir(t)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				store, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				register := NewRegister(at)
				var away atomic.Bool
				away.Store(c.away)
				grant := func(holder string, epoch, basedOn uint64) {
					if ans, err := register.Witness(ctx, calendar.WitnessRequest{Pair: "a", Holder: holder, Epoch: epoch, BasedOn: basedOn}); err != nil || !ans.Granted {
						t.Fatal(ans, err)
					}
				}
				twin := &fakeTwin{witness: c.theirs}
				twin.silent.Store(c.theirs == "silent")
				state := c.state
				if state.Epoch == 0 {
					state = State{Epoch: 1, Active: true}
				} else {
					grant("a", 5, 0)
				}
				a := NewActive(state, Options{Host: "a", Peer: "b", Dir: dir, Store: store, Sync: true, Pair: "a", Witness: "w",
					Dial: func() (calendar.Twin, error) { return twin, nil },
					DialWitness: func() (calendar.WitnessHost, error) {
						if away.Load() {
							return nil, errLost
						}
						return register, nil
					}})
				done := make(chan struct{})
				go func() { defer close(done); a.Run(ctx) }()
				defer func() { cancel(); <-done }()
				if !twin.silent.Load() {
					time.Sleep(12 * time.Second)
					st := a.Status()
					if !st.Ready() || st.Decides != c.decides || (st.Away == "") != c.decides || c.decides != (twin.admit().Witness == "w") {
						t.Fatalf("paired: %+v, %+v", st, twin.admit())
					}
					if st.Epoch != twin.admit().Epoch {
						t.Errorf("epoch %d, and it was admitted in %d", st.Epoch, twin.admit().Epoch)
					}
				}
				epoch := a.Status().Epoch
				if c.taken {
					grant("b", epoch+1, epoch)
				}
				twin.silent.Store(true)
				away.Store(c.lost)
				time.Sleep(6 * time.Second)
				if (a.Held() == nil) != c.soon {
					t.Errorf("after six seconds: %v", a.Held())
				}
				time.Sleep(9 * time.Second)
				if err := a.Held(); (err == nil) != c.later {
					t.Errorf("after fifteen: %v", err)
				} else if st := a.Status(); c.taken && !strings.Contains(st.Words(time.Now()), "NOT serve") {
					t.Errorf("it says: %s", st.Words(time.Now()))
				}
				if c.taken {
					if err := a.Detach(ctx); err == nil || a.Held() == nil {
						t.Errorf("it is detached, and the other has taken over: %v", err)
					}
				}
				away.Store(false)
				time.Sleep(10 * time.Second)
				if (a.Held() == nil) != (c.later || c.comeback) {
					t.Errorf("when the witness is back: %v", a.Held())
				}
				s, _, err := ReadState(dir)
				if c.later && (err != nil || s.Epoch != epoch+1 || s.Paired || !s.Active) {
					t.Errorf("it goes on, and its disk says %+v, %v", s, err)
				}
			})
		})
	}
}

// TestTakeByForce: where the witness let the other host go on, or does not answer, force is needed.
func TestTakeByForce(t *testing.T) {
	for name, c := range map[string]struct {
		epoch  uint64 // that the witness has granted to the other host; this one knows of 5
		away   bool
		denied string
	}{
		"both were off":               {epoch: 5},
		"the other was let go on":     {epoch: 6, denied: "goes on alone, in epoch 6"},
		"the witness does not answer": {epoch: 5, away: true, denied: "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, force := range []bool{false, true} {
				register, over := NewRegister(fresh.Dir(t)), false
				if _, err := register.Witness(t.Context(), calendar.WitnessRequest{Pair: "a", Holder: "a", Epoch: c.epoch}); err != nil {
					t.Fatal(err)
				}
				p := NewPassive(State{Epoch: 5}, Options{Host: "b", Peer: "a", Pair: "a", Witness: "w", Dir: fresh.Dir(t), Over: func(error) { over = true },
					Dial: func() (calendar.Twin, error) { return nil, errLost },
					DialWitness: func() (calendar.WitnessHost, error) {
						if c.away {
							return nil, errLost
						}
						return register, nil
					}})
				err := p.Take(t.Context(), force)
				if refused := c.denied != "" && !force; refused != (err != nil) || over == refused {
					t.Fatalf("force %t: over %t, %v", force, over, err)
				}
				if err != nil {
					if msg := calendar.MessageOf(err); !strings.Contains(msg, c.denied) || !strings.Contains(msg, "--force") {
						t.Errorf("refused: %s", msg)
					}
					continue
				}
				ans, err := register.Witness(t.Context(), calendar.WitnessRequest{Pair: "a"})
				if err != nil || !c.away && (ans.Holder != "b" || ans.Epoch <= c.epoch) {
					t.Errorf("the witness has %+v, %v", ans, err)
				}
			}
		})
	}
}

// pairedWith is a host that has a home, "ann", and is paired with a twin.
func pairedWith(t *testing.T, twin *fakeTwin, synced bool, dir, at string) (store calendar.Store, end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := archive.Open(ctx, s, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	register := NewRegister(at)
	a := NewActive(State{Epoch: 1, Active: true}, Options{Host: "a", Peer: "b", Dir: dir, Store: s, Sync: synced, Pair: "a", Witness: "w",
		Dial:        func() (calendar.Twin, error) { return twin, nil },
		DialWitness: func() (calendar.WitnessHost, error) { return register, nil }})
	s.BeforeCommit(a.Before)
	keeper.Ships()
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	time.Sleep(12 * time.Second)
	if st := a.Status(); !st.Ready() || !st.Decides {
		t.Fatalf("%+v", st)
	}
	return keeper.Store(), func() {
		cancel()
		<-done
		s.Close()
		keeper.Close()
	}
}

// TestWhatWaitsGoesOn: a write that waits for a standby that hangs is taken when the witness lets the host go on.
func TestWhatWaitsGoesOn(t *testing.T) {
	dir, at := fresh.Dir(t), fresh.Dir(t)
	synctest.Test(t, func(t *testing.T) {
		twin := &fakeTwin{witness: "w"}
		store, end := pairedWith(t, twin, true, dir, at)
		defer end()
		twin.silent.Store(true)
		began := time.Now()
		err := store.Update(t.Context(), "ann", func(tx calendar.Tx) error {
			_, err := tx.NextChange()
			return err
		})
		if took := time.Since(began); err != nil || took > 7*time.Second {
			t.Errorf("a write is taken after %s: %v", took, err)
		}
	})
}

// TestNotedBeforeItIsThere: what takes no number, and is committed before the standby has it, is on the list first, so that a restart
// knows of it.
func TestNotedBeforeItIsThere(t *testing.T) {
	for _, synced := range []bool{false, true} {
		dir, at := fresh.Dir(t), fresh.Dir(t)
		synctest.Test(t, func(t *testing.T) {
			twin := &fakeTwin{witness: "w"}
			store, end := pairedWith(t, twin, synced, dir, at)
			defer end()
			for i, value := range []string{"one", "two"} {
				if i == 1 { // its home is there
					twin.silent.Store(true)
				}
				if err := store.Update(t.Context(), "ann", func(tx calendar.Tx) error {
					if i == 0 {
						if _, err := tx.NextChange(); err != nil {
							return err
						}
					}
					return tx.SetPref("p", value)
				}); err != nil {
					t.Fatal(err)
				}
				if noted, err := readNoted(dir); err != nil || noted["ann"] != (i == 1) {
					t.Errorf("sync %v, write %d: %v, %v", synced, i, noted, err)
				}
			}
		})
	}
}
