package standby

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/storetest/fresh"
)

// TestNeverTwoThatServe lets two hosts, and in two of three lives their witness, live through partitions, late and doubled packets, kills of
// both and clocks that go wrong by a twentieth: at no moment both serve, and what was
// acknowledged is what whoever serves has; every fourth life acknowledges before the standby has it, and then it
// is what was acknowledged at some time. Where all was well, and one of them and the witness go on reaching each other, calendars are
// served again within 15 seconds. FACTOTUM_LONG does it with a thousand seeds.
func TestNeverTwoThatServe(t *testing.T) {
	seeds, steps := 4, 90
	if os.Getenv("FACTOTUM_LONG") != "" {
		seeds, steps = 1000, 300
	}
	first := 1
	if s, err := strconv.Atoi(os.Getenv("STANDBY_SEED")); err == nil {
		first, seeds = s, 1
	}
	var all tally
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dirs := []string{fresh.Dir(t), fresh.Dir(t), fresh.Dir(t)}
			synctest.Test(t, func(t *testing.T) {
				all.lives++
				live(t, &all, uint64(seed), steps, seed%4 != 0, seed%3 != 0, dirs)
			})
		})
	}
	t.Logf("%+v", all)
	if first == 1 && (all.takeovers < seeds || all.alone == 0 || all.faults < seeds) {
		t.Errorf("so little happens: %+v", all)
	}
}

// tally counts what happened.
type tally struct{ lives, takeovers, writes, faults, alone int }

func live(t *testing.T, all *tally, seed uint64, steps int, sync, witness bool, dirs []string) {
	r := rand.New(rand.NewPCG(seed, 7))
	n := &network{rand: rand.New(rand.NewPCG(seed, 8)), hosts: map[string]*host{}, cut: map[string]time.Time{}, witness: NewRegister(dirs[2]), mu: make(lock, 1)}
	for i, name := range []string{"a", "b"} {
		n.hosts[name] = &host{t: t, net: n, name: name, dir: dirs[i], drift: 0.95 + r.Float64()/10, epoch: time.Now(), sync: sync, witness: witness}
	}
	for _, h := range n.hosts {
		h.start()
	}
	owners := []calendar.Owner{"ann", "ben", "cy"}
	acked := map[string]string{}   // by owner and key
	maybe := map[string][]string{} // written, and not known whether
	var last *host
	for step := range steps {
		all.takeovers += n.pass(t, step, time.Duration(r.IntN(1500))*time.Millisecond)
		n.restart()
		n.mu.Lock()
		switch r.IntN(14) {
		case 0: // for as long as it takes to lose a lease, or not
			n.cut["ab"] = time.Now().Add(time.Duration(r.IntN(25000)) * time.Millisecond)
		case 1:
			n.slow = !n.slow
		case 2: // any of them, for perhaps long enough to do without the witness
			n.cut[links[r.IntN(3)]] = time.Now().Add(time.Duration(r.IntN(60000)) * time.Millisecond)
		}
		n.mu.Unlock()
		if witness && r.IntN(25) == 0 {
			n.fault(t, all, r, step)
		}
		if r.IntN(12) == 0 {
			h := n.hosts[[]string{"a", "b"}[r.IntN(2)]]
			h.end()
			all.takeovers += n.pass(t, step, time.Duration(r.IntN(15000))*time.Millisecond)
			h.start()
		}
		for _, h := range n.hosts {
			if !h.serves() {
				continue
			}
			if h != last { // all that was acknowledged is here
				last = h
				for _, o := range owners {
					got := h.get(o)
					for i := range 4 {
						key := fmt.Sprint("p", i)
						check(t, step, h, string(o)+key, got[key], acked, maybe)
					}
				}
			}
			for range 1 + r.IntN(3) {
				o, key, value := owners[r.IntN(3)], fmt.Sprint("p", r.IntN(4)), fmt.Sprint(step, ".", r.IntN(1000))
				if h.crashed {
					break
				}
				if err := h.put(o, key, value); err == nil {
					if sync {
						maybe[string(o)+key] = nil
					} else { // what was acknowledged before may be what is left
						maybe[string(o)+key] = append(maybe[string(o)+key], acked[string(o)+key])
					}
					acked[string(o)+key] = value
					all.writes++
				} else {
					maybe[string(o)+key] = append(maybe[string(o)+key], value)
				}
			}
		}
	}
	// When all is well again, one serves and the other has all.
	n.restart()
	n.mend()
	n.pass(t, -1, 2*time.Minute)
	for _, h := range n.hosts {
		if h.active == nil {
			continue
		}
		other := n.hosts[h.active.opt.Peer]
		if st := h.active.Status(); !st.Serves || !st.Ready() || st.Decides != witness || other.passive == nil {
			t.Errorf("in the end %s is %+v", h.name, st)
			continue
		}
		for _, o := range owners {
			for _, at := range []*host{h, other} {
				got := at.get(o)
				for i := range 4 {
					key := fmt.Sprint("p", i)
					check(t, -1, at, string(o)+key, got[key], acked, maybe)
				}
			}
			ours, c1, err1 := archive.Sum(context.Background(), h.store, o)
			theirs, c2, err2 := archive.Sum(context.Background(), other.store, o)
			if ours != theirs || c1 != c2 || err1 != nil || err2 != nil {
				t.Errorf("%s is not the same on both: %d, %d, %v, %v", o, c1, c2, err1, err2)
			}
		}
	}
	if n.hosts["a"].active == nil && n.hosts["b"].active == nil {
		t.Error("in the end nobody serves")
	}
	for _, h := range n.hosts {
		h.end()
	}
	time.Sleep(time.Minute) // what is late arrives nowhere
}

// check looks whether a value is the last that was acknowledged, or one whose fate is not known.
func check(t *testing.T, step int, h *host, key, got string, acked map[string]string, maybe map[string][]string) {
	t.Helper()
	if got == acked[key] {
		return
	}
	for _, v := range maybe[key] {
		if got == v {
			maybe[key], acked[key] = append(maybe[key], acked[key]), v
			return
		}
	}
	t.Errorf("step %d: %s has %q for %s, and %q was acknowledged (possible: %q)", step, h.name, got, key, acked[key], maybe[key])
}
