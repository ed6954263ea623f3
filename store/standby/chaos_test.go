package standby

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// host is one of two in a test: its process is killed and begins anew, its clock goes a
// little wrong, and the network between them does.
type host struct {
	t     *testing.T
	net   *network
	name  string
	dir   string
	drift float64
	epoch time.Time
	sync  bool

	store   *sqlstore.Store
	keeper  *archive.Keeper
	active  *Active
	passive *Passive
	cancel  context.CancelFunc
	done    chan struct{}
	anew    chan error
	life    int
	crashed bool
}

func (h *host) now() time.Time {
	return h.epoch.Add(time.Duration(float64(time.Since(h.epoch)) * h.drift))
}

// network carries questions, sometimes late, sometimes twice, sometimes not at all.
type network struct {
	rand  *rand.Rand
	hosts map[string]*host
	whole time.Time // from when on it is not cut
	slow  bool
	mu    lock
}

type link struct {
	n        *network
	from, to string
	life     int
}

var errLost = errors.New("the network lost it")

func (l link) Standby(ctx context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	n := l.n
	n.mu.Lock()
	if n.hosts[l.from].life != l.life { // of a process that is no more
		n.mu.Unlock()
		return calendar.StandbyAnswer{}, errLost
	}
	cut, late, twice, lost := time.Now().Before(n.whole), time.Duration(n.rand.IntN(5))*time.Millisecond, n.rand.IntN(20) == 0, n.rand.IntN(30) == 0
	if n.slow && n.rand.IntN(4) == 0 {
		late = time.Duration(n.rand.IntN(12)) * time.Second
	}
	n.mu.Unlock()
	if cut {
		time.Sleep(50 * time.Millisecond)
		return calendar.StandbyAnswer{}, errLost
	}
	type told struct {
		ans calendar.StandbyAnswer
		err error
	}
	answers := make(chan told, 2)
	deliver := func(late time.Duration) {
		time.Sleep(late)
		h := n.hosts[l.to]
		n.mu.Lock()
		active, passive := h.active, h.passive
		n.mu.Unlock()
		var a told
		switch {
		case active != nil:
			a.ans, a.err = active.Standby(context.Background(), req)
		case passive != nil:
			a.ans, a.err = passive.Standby(context.Background(), req)
		default:
			a.err = errLost
		}
		answers <- a
	}
	go deliver(late)
	if twice {
		go deliver(late + 3*time.Second)
	}
	select {
	case a := <-answers:
		n.mu.Lock()
		cut = time.Now().Before(n.whole)
		n.mu.Unlock()
		if lost || cut { // it was done, and nobody hears of it
			return calendar.StandbyAnswer{}, errLost
		}
		return a.ans, a.err
	case <-ctx.Done():
		return calendar.StandbyAnswer{}, ctx.Err()
	}
}

func (h *host) start() {
	state, there, err := ReadState(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	if !there {
		state = State{Epoch: 1, Active: h.name == "a"}
	}
	if state.Aside {
		if _, err := PutAside(filepath.Join(h.dir, "calendar.db"), state); err != nil {
			h.t.Fatal(err)
		}
		state.Aside = false
	}
	if h.store, err = sqlstore.OpenSQLite(context.Background(), h.dir, sqlstore.Options{Relaxed: true, Readers: 2}); err != nil {
		h.t.Fatal(err)
	}
	if h.keeper, err = archive.Open(context.Background(), h.store, archive.Options{}); err != nil {
		h.t.Fatal(err)
	}
	h.net.mu.Lock()
	h.life++
	life := h.life
	h.net.mu.Unlock()
	other := map[string]string{"a": "b", "b": "a"}[h.name]
	opt := Options{Host: h.name, Peer: other, Dir: h.dir, Store: h.store, Sync: h.sync, Now: h.now,
		Dial: func() (calendar.Twin, error) { return link{h.net, h.name, other, life}, nil },
		Over: func(err error) {
			select {
			case h.anew <- err:
			default:
			}
		}}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done, h.anew = cancel, make(chan struct{}), make(chan error, 1)
	h.net.mu.Lock()
	if state.Active {
		h.active = NewActive(state, opt)
		h.store.BeforeCommit(h.before(h.active))
		h.keeper.Ships()
	} else {
		h.passive = NewPassive(state, opt)
	}
	active, passive, done := h.active, h.passive, h.done
	h.net.mu.Unlock()
	go func() {
		defer close(done)
		if active != nil {
			active.Run(ctx)
		} else {
			passive.Run(ctx)
		}
	}()
}

var errKilled = errors.New("the process was killed")

// before is Active.Before, after which the process is killed now and then: the other host
// has what is not committed here.
func (h *host) before(a *Active) func([]calendar.Committing) (func(error), error) {
	return func(all []calendar.Committing) (func(error), error) {
		done, err := a.Before(all)
		if err != nil {
			return nil, err
		}
		h.net.mu.Lock()
		if h.crashed = h.net.rand.IntN(25) == 0; h.crashed {
			h.life++
		}
		h.net.mu.Unlock()
		if h.crashed {
			done(errKilled)
			return nil, errKilled
		}
		return done, nil
	}
}

// end ends the process: what was not on the disk is gone with it, but the store's, which is
// closed in order (store/sqlstore's tests kill it).
func (h *host) end() {
	h.net.mu.Lock()
	h.active, h.passive = nil, nil
	h.net.mu.Unlock()
	h.cancel()
	<-h.done
	if err := h.store.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.keeper.Close()
	h.store = nil
}

func (h *host) serves() bool { return h.active != nil && h.active.Held() == nil }

// put stores a value under a key, as the model does.
func (h *host) put(owner calendar.Owner, key, value string) error {
	if err := h.active.Held(); err != nil {
		return err
	}
	return h.keeper.Store().Update(context.Background(), owner, func(tx calendar.Tx) error {
		if _, there, err := tx.Home(); err != nil {
			return err
		} else if key != "p0" || !there { // else it takes no number
			if _, err := tx.NextChange(); err != nil {
				return err
			}
		}
		return tx.SetPref(key, value)
	})
}

func (h *host) get(owner calendar.Owner) (all map[string]string) {
	err := h.store.View(context.Background(), owner, func(tx calendar.ReadTx) (err error) {
		all, err = tx.Prefs()
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// TestNeverTwoThatServe lets two hosts live through partitions, late and doubled packets, kills of
// both and clocks that go wrong by a twentieth: at no moment both serve, and what was
// acknowledged is what whoever serves has; every fourth life acknowledges before the standby has it, and then it
// is what was acknowledged at some time. FACTOTUM_LONG does it with a thousand seeds.
func TestNeverTwoThatServe(t *testing.T) {
	seeds, steps := 4, 120
	if os.Getenv("FACTOTUM_LONG") != "" {
		seeds, steps = 1000, 300
	}
	first := 1
	if s, err := strconv.Atoi(os.Getenv("STANDBY_SEED")); err == nil {
		first, seeds = s, 1
	}
	takeovers, writes := 0, 0
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			a, b := fresh.Dir(t), fresh.Dir(t)
			synctest.Test(t, func(t *testing.T) {
				n, w := live(t, uint64(seed), steps, seed%4 != 0, a, b)
				takeovers, writes = takeovers+n, writes+w
			})
		})
	}
	t.Logf("%d take-overs, %d writes acknowledged", takeovers, writes)
	if first == 1 && takeovers < seeds {
		t.Errorf("only %d take-overs in %d lives", takeovers, seeds)
	}
}

// pass lets time pass. Whose role has changed begins anew, as the process does, and never both serve.
func (n *network) pass(t *testing.T, step int, long time.Duration) (takeovers int) {
	const look = 200 * time.Millisecond
	for ; long > 0; long -= look {
		time.Sleep(min(look, long))
		for _, h := range n.hosts {
			if h.store == nil {
				continue
			}
			select {
			case <-h.anew:
				if h.active == nil {
					takeovers++
				}
				h.end()
				h.start()
			default:
			}
		}
		if a, b := n.hosts["a"], n.hosts["b"]; a.serves() && b.serves() {
			t.Fatalf("step %d: both serve", step)
		}
	}
	return takeovers
}

func live(t *testing.T, seed uint64, steps int, sync bool, dirs ...string) (takeovers, writes int) {
	r := rand.New(rand.NewPCG(seed, 7))
	n := &network{rand: rand.New(rand.NewPCG(seed, 8)), hosts: map[string]*host{}, mu: make(lock, 1)}
	for i, name := range []string{"a", "b"} {
		n.hosts[name] = &host{t: t, net: n, name: name, dir: dirs[i], drift: 0.95 + r.Float64()/10, epoch: time.Now(), sync: sync}
	}
	for _, h := range n.hosts {
		h.start()
	}
	owners := []calendar.Owner{"ann", "ben", "cy"}
	acked := map[string]string{}   // by owner and key
	maybe := map[string][]string{} // written, and not known whether
	var last *host
	for step := range steps {
		takeovers += n.pass(t, step, time.Duration(r.IntN(1500))*time.Millisecond)
		for _, h := range n.hosts {
			if h.crashed {
				h.end()
				h.crashed = false
				h.start()
			}
		}
		n.mu.Lock()
		switch r.IntN(14) {
		case 0: // for as long as it takes to lose a lease, or not
			n.whole = time.Now().Add(time.Duration(r.IntN(25000)) * time.Millisecond)
		case 1:
			n.slow = !n.slow
		}
		n.mu.Unlock()
		if r.IntN(12) == 0 {
			h := n.hosts[[]string{"a", "b"}[r.IntN(2)]]
			h.end()
			takeovers += n.pass(t, step, time.Duration(r.IntN(15000))*time.Millisecond)
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
					writes++
				} else {
					maybe[string(o)+key] = append(maybe[string(o)+key], value)
				}
			}
		}
	}
	// When all is well again, one serves and the other has all.
	n.mu.Lock()
	n.whole, n.slow = time.Time{}, false
	n.mu.Unlock()
	n.pass(t, -1, 2*time.Minute)
	for _, h := range n.hosts {
		if h.active == nil {
			continue
		}
		other := n.hosts[h.active.opt.Peer]
		if st := h.active.Status(); !st.Serves || !st.Ready() || other.passive == nil {
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
	return takeovers, writes
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
