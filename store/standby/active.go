package standby

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"factotum/server/calendar"
)

// phase is what there is between the two.
type phase string

const (
	waiting phase = "waiting" // for the first word with a standby that may have taken over
	alone   phase = "alone"   // the standby does not take over
	copying phase = "copying" // it gets what it has not
	paired  phase = "paired"  // it has all that is acknowledged, and may take over
	broken  phase = "broken"  // it may take over, and it is not known what it has
	handing phase = "handing" // it is asked to take over
	deposed phase = "deposed" // another has taken over
)

// Active is the side that serves.
type Active struct {
	opt Options

	// commit is held from before a commit until after it.
	commit lock
	// call is held while something is asked that has its place in the stream.
	call lock
	// sending is held while what waits is sent.
	sending lock
	noted   map[calendar.Owner]bool // on the list of note; commit is held

	mu       sync.Mutex
	state    State
	phase    phase
	leased   time.Time // when what was answered last was sent
	stream   string
	seq      uint64
	serial   uint64 // of questions
	admitted uint64 // the serial after which an answer tells of this pairing
	dirty    map[calendar.Owner]bool
	doubt    map[calendar.Owner]bool // perhaps not the same there, since before a restart
	partial  map[calendar.Owner]bool // the standby has their marks only
	queue    []*queued               // committed, and not sent
	octets   int
	failure  string // why there is no pairing
	since    time.Time
	answered time.Time // by the wall clock
	changed  chan struct{}
	differs  int // homes that were not what they should be
	begun    time.Time
	flight   context.Context // of what is asked in the stream
	drop     context.CancelFunc
	witness  witnessLink
	theirs   string // the witness that the standby names
	anchor   uint64 // the last epoch that the witness granted to this host
	again    bool   // the pairing is to be another one
	kept     bool   // what belongs to no home is to be sent

	wake chan struct{}
}

// queued is a transaction that was committed and is to be sent.
type queued struct {
	owner calendar.Owner
	lines []byte
	at    time.Time
}

// mostQueued is how much may wait to be sent; then homes are copied anew.
const mostQueued = 64 << 20

// lock is a mutex that may be held for long.
type lock chan struct{}

func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// NewActive begins to serve: at once where the host was alone, else when it has heard that
// nobody else does.
func NewActive(state State, opt Options) *Active {
	opt.defaults()
	a := &Active{opt: opt, commit: make(lock, 1), call: make(lock, 1), sending: make(lock, 1), state: state, phase: alone, dirty: map[calendar.Owner]bool{}, partial: map[calendar.Owner]bool{}, changed: make(chan struct{}), wake: make(chan struct{}, 1), since: opt.Now(), begun: opt.Now()}
	a.flight, a.drop = context.WithCancel(context.Background())
	if state.Paired {
		a.phase = waiting
	}
	var err error
	if a.noted, err = readNoted(opt.Dir); err != nil {
		opt.Log.Warn("what was changed while there was no standby is not known: all homes are compared", "error", err)
	}
	a.doubt = maps.Clone(a.noted)
	return a
}

// Errors of a host that does not serve.
func notActive(format string, args ...any) error {
	return &calendar.Error{Kind: calendar.Unavailable, Reason: calendar.NotActive, Op: "serve calendars", After: time.Second, Msg: fmt.Sprintf(format, args...)}
}

// longer is how much time there was between two moments, by the clock that says more.
func longer(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// shorter is by the clock that says less.
func shorter(from, to time.Time) time.Duration {
	return min(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// Held is nil while this host may answer.
func (a *Active) Held() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held()
}

func (a *Active) held() error {
	switch {
	case a.phase == deposed:
		return notActive("another host, %s, has taken over", a.opt.Peer)
	case a.phase == handing:
		return notActive("the calendars are being handed over to %s; try again in a second", a.opt.Peer)
	case !a.state.Paired:
		return nil
	case a.phase == waiting:
		return notActive("this host was paired with %s and waits to hear from it whether it has taken over: see \"calserver standby status\"", a.opt.Peer)
	case a.leaseOver() && a.decides():
		return notActive("the standby %s does not answer, and the witness %s has not said that this host goes on without it%s: see \"calserver standby status\"", a.opt.Peer, a.opt.Witness, a.witness.why())
	case a.leaseOver():
		return notActive("the standby %s does not answer, and may take over: see \"calserver standby status\"", a.opt.Peer)
	}
	return nil
}

func (a *Active) leaseOver() bool { return longer(a.leased, a.opt.Now()) >= Lease*9/10 }

func (a *Active) set(p phase) {
	if a.phase != p {
		a.phase, a.since = p, a.opt.Now()
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// write keeps another state on the disk. mu is held.
func (a *Active) write(s State) error {
	if err := s.Write(a.opt.Dir); err != nil {
		return err
	}
	a.state = s
	return nil
}

// poke has the loop look what there is to do.
func (a *Active) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// goAlone serves without a standby, which does not take over. mu is held.
func (a *Active) goAlone(epoch uint64, why string) error {
	s := a.state
	s.Epoch, s.Paired, s.Witness = epoch, false, ""
	if err := a.write(s); err != nil {
		return err
	}
	a.endFlights()
	for _, q := range a.queue {
		a.dirty[q.owner] = true
	}
	a.late()
	a.queue, a.octets, a.failure = nil, 0, why
	a.set(alone)
	a.opt.Log.Warn("there is no standby", "host", a.opt.Peer, "reason", why)
	return nil
}

// fails notes why there is no pairing.
func (a *Active) fails(p phase, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == deposed {
		return
	}
	if text := err.Error(); a.failure != text {
		a.failure = text
		a.opt.Log.Warn("the standby does not follow", "host", a.opt.Peer, "reason", text)
	}
	if p != "" && a.phase == paired {
		a.set(p)
	}
}

// depose ends it: the process begins anew, as a standby. mu is held.
func (a *Active) depose(epoch uint64, aside bool) {
	if a.phase == deposed {
		return
	}
	if n := len(a.queue); n > 0 {
		a.opt.Log.Error("transactions were acknowledged, and the standby that has taken over has not got them: they are in the database that is put aside", "transactions", n)
	}
	a.set(deposed)
	a.endFlights()
	s := State{Epoch: epoch, Aside: aside, Since: a.opt.Now()}
	if err := a.write(s); err != nil {
		a.opt.Log.Error("which host serves cannot be written", "error", err)
	}
	a.opt.Over(fmt.Errorf("%s has taken over (epoch %d): this host is its standby from now on", a.opt.Peer, epoch))
}

// Standby implements calendar.Twin: the other host believes that it serves.
func (a *Active) Standby(_ context.Context, req calendar.StandbyRequest) (calendar.StandbyAnswer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if req.Epoch > a.state.Epoch {
		a.depose(req.Epoch, true)
		return calendar.StandbyAnswer{Epoch: req.Epoch, Problem: "this host has served until now"}, nil
	}
	return calendar.StandbyAnswer{Epoch: a.state.Epoch, Active: true, Problem: a.opt.Host + " serves, in epoch " + fmt.Sprint(a.state.Epoch)}, nil
}

// Run looks after the standby until ctx ends.
func (a *Active) Run(ctx context.Context) {
	var beats sync.WaitGroup
	beats.Go(func() { a.beats(ctx) })
	beats.Go(func() { a.watch(ctx) })
	defer beats.Wait()
	var sums sums
	for ctx.Err() == nil {
		a.mu.Lock()
		is, differs, queue, kept := a.phase, len(a.dirty) > 0 || a.again, len(a.queue), a.kept
		a.mu.Unlock()
		var err error
		switch {
		case is == deposed:
			return
		case is == handing:
		case is != paired || differs:
			if err = a.pair(ctx); err == nil {
				sums.begin(a.opt.Now())
				continue
			}
		case queue > 0:
			if err = a.send(); err == nil {
				continue
			}
		case kept:
			if err = a.sendKept(ctx); err == nil {
				continue
			}
		default:
			err = sums.turn(ctx, a)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errAlone) && !errors.Is(err, errOver) {
			a.fails("", err)
		}
		timer := time.NewTimer(beat)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-a.wake:
			if err != nil {
				<-timer.C
			}
		}
		timer.Stop()
	}
}

// beats keeps the lease, whatever else there is to do.
func (a *Active) beats(ctx context.Context) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.mu.Lock()
		is, req := a.phase, a.request(calendar.StandbyBeat)
		a.mu.Unlock()
		switch is {
		case deposed:
			return
		case paired, broken:
			if _, err := a.ask(ctx, req); err != nil && ctx.Err() == nil && !errors.Is(err, errOver) {
				a.fails("", err)
			}
		}
	}
}
