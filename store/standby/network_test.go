package standby

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
)

// host is one of two in a test: its process is killed and begins anew, its clock goes a
// little wrong, and the network between them does.
type host struct {
	t       *testing.T
	net     *network
	name    string
	dir     string
	drift   float64
	epoch   time.Time
	sync    bool
	witness bool

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
	rand    *rand.Rand
	hosts   map[string]*host
	witness *Register
	cut     map[string]time.Time // links, until when
	slow    bool
	mu      lock
}

// linkOf names the link between two hosts.
func linkOf(a, b string) string { return min(a, b) + max(a, b) }

var links = []string{"ab", "aw", "bw"}

type link struct {
	n        *network
	from, to string
	life     int
}

var errLost = errors.New("the network lost it")

// Standby implements calendar.Twin.
func (l link) Standby(ctx context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	return carry(ctx, l, func() (calendar.StandbyAnswer, error) {
		h := l.n.hosts[l.to]
		l.n.mu.Lock()
		active, passive := h.active, h.passive
		l.n.mu.Unlock()
		switch {
		case active != nil:
			return active.Standby(context.Background(), req)
		case passive != nil:
			return passive.Standby(context.Background(), req)
		}
		return calendar.StandbyAnswer{}, errLost
	})
}

// Witness implements calendar.WitnessHost.
func (l link) Witness(ctx context.Context, req calendar.WitnessRequest) (calendar.WitnessAnswer, error) {
	return carry(ctx, l, func() (calendar.WitnessAnswer, error) { return l.n.witness.Witness(context.Background(), req) })
}

// carry brings a question there and its answer back, as far as the network does.
func carry[A any](ctx context.Context, l link, do func() (A, error)) (none A, err error) {
	n := l.n
	n.mu.Lock()
	if n.hosts[l.from].life != l.life { // of a process that is no more
		n.mu.Unlock()
		return none, errLost
	}
	cut := time.Now().Before(n.cut[linkOf(l.from, l.to)])
	late, twice, lost := time.Duration(n.rand.IntN(5))*time.Millisecond, n.rand.IntN(20) == 0, n.rand.IntN(30) == 0
	if n.slow && n.rand.IntN(4) == 0 {
		late = time.Duration(n.rand.IntN(12)) * time.Second
	}
	n.mu.Unlock()
	if cut {
		time.Sleep(50 * time.Millisecond)
		return none, errLost
	}
	type told struct {
		ans A
		err error
	}
	answers := make(chan told, 2)
	deliver := func(late time.Duration) {
		time.Sleep(late)
		ans, err := do()
		answers <- told{ans, err}
	}
	go deliver(late)
	if twice {
		go deliver(late + 3*time.Second)
	}
	select {
	case a := <-answers:
		n.mu.Lock()
		cut = time.Now().Before(n.cut[linkOf(l.from, l.to)])
		n.mu.Unlock()
		if lost || cut { // it was done, and nobody hears of it
			return none, errLost
		}
		return a.ans, a.err
	case <-ctx.Done():
		return none, ctx.Err()
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
	if h.witness {
		opt.Pair, opt.Witness, opt.DialWitness = "a", "w", func() (calendar.WitnessHost, error) { return link{h.net, h.name, "w", life}, nil }
	}
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

// mend has all reach each other, at once.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
	n.slow = false
}

// ready is who serves, where the other would take over with the witness; nil: nobody.
func (n *network) ready() *host {
	for _, h := range n.hosts {
		if h.active == nil {
			continue
		}
		if st := h.active.Status(); st.Ready() && st.Decides && n.hosts[h.active.opt.Peer].passive != nil {
			return h
		}
	}
	return nil
}

// fault waits until all is well, and then takes away one of the hosts or the links, so that one and the witness are
// left: within 15 seconds calendars are served, and go on to be.
func (n *network) fault(t *testing.T, all *tally, r *rand.Rand, step int) {
	n.mend()
	all.takeovers += n.pass(t, step, 15*time.Second) // nothing is late any more
	for range 120 {
		if n.ready() != nil {
			break
		}
		all.takeovers += n.pass(t, step, time.Second)
	}
	active := n.ready()
	if active == nil {
		t.Fatalf("step %d: with a whole network they do not find each other", step)
	}
	other := n.hosts[active.active.opt.Peer]
	what := r.IntN(5)
	var cut []string
	switch what {
	case 0:
		active.end()
	case 1:
		other.end()
	case 2:
		cut = []string{"ab"}
	case 3:
		cut = []string{"ab", linkOf(active.name, "w")}
	case 4:
		cut = []string{"ab", linkOf(other.name, "w")}
	}
	n.mu.Lock()
	for _, l := range cut {
		n.cut[l] = time.Now().Add(time.Minute)
	}
	n.mu.Unlock()
	all.takeovers += n.pass(t, step, 15*time.Second)
	serving := other
	if what != 0 && what != 3 {
		serving = active
		all.alone++
	}
	all.faults++
	for range 10 {
		if !serving.serves() {
			t.Fatalf("step %d: after fault %d %s does not serve: %+v", step, what, serving.name, serving.active)
		}
		all.takeovers += n.pass(t, step, time.Second)
	}
	for _, h := range n.hosts {
		if h.store == nil {
			h.start()
		}
	}
}

// restart starts hosts that were killed amid a commit.
func (n *network) restart() {
	for _, h := range n.hosts {
		if h.crashed {
			h.end()
			h.crashed = false
			h.start()
		}
	}
}
