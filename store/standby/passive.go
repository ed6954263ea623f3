package standby

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// Passive is the standby.
type Passive struct {
	opt Options

	applying lock // a part

	mu       sync.Mutex
	state    State
	stream   string
	seq      uint64 // of the last part that was applied
	admitted bool
	heard    time.Time // of the pairing
	lease    time.Duration
	leaving  bool
	told     chan struct{} // closed when the active one has heard that this one leaves
	last     []calendar.Owner
	behind   int
	since    time.Time
	ever     time.Time
	problem  string
	over     bool // it takes over

	ended   map[string]bool // pairings that have begun in this process: none begins twice
	witness string          // that decides in this pairing
	claims  bool            // it is asked whether this host may take over
	link    witnessLink
}

// NewPassive begins to follow.
func NewPassive(state State, opt Options) *Passive {
	opt.defaults()
	return &Passive{opt: opt, applying: make(lock, 1), state: state, told: make(chan struct{}), ended: map[string]bool{}, since: opt.Now()}
}

// Held says why nothing is answered.
func (p *Passive) Held() error {
	return notActive("this host is the standby of %s", p.opt.Peer)
}

// Standby implements calendar.Twin.
func (p *Passive) Standby(ctx context.Context, req calendar.StandbyRequest) (ans calendar.StandbyAnswer, err error) {
	if req.Step == calendar.StandbyLeave {
		p.leave(ctx)
		return ans, nil
	}
	if req.Step == calendar.StandbyWithdraw {
		return p.withdraw(req)
	}
	p.mu.Lock()
	if err := p.reach(req); err != nil {
		p.mu.Unlock()
		return ans, err
	}
	mine := req.Stream != "" && req.Stream == p.stream
	why := ""
	switch {
	case p.over || req.Epoch < p.state.Epoch:
		why = "epoch " + fmt.Sprint(req.Epoch) + " is over"
	case mine && p.claims:
		why = "the witness is asked"
	case !mine && req.Step != calendar.StandbyHello:
		why = "this is of another pairing"
	}
	if why != "" {
		defer p.mu.Unlock()
		return p.answer(why), nil
	}
	if mine {
		p.heard, p.lease, p.behind, p.ever = p.opt.Now(), max(req.Lease, Lease), req.Behind, p.opt.Now()
	}
	p.mu.Unlock()
	problem := ""
	switch req.Step {
	case calendar.StandbyCensus:
		if ans.Data, ans.More, err = p.census(ctx, req.Owner); err != nil {
			return ans, err
		}
	case calendar.StandbySum:
		sum, change, err := archive.Sum(ctx, p.opt.Store, req.Owner)
		if err != nil {
			return ans, err
		}
		ans.Data = fmt.Append(nil, sum, " ", change)
	case calendar.StandbyPart:
		problem = p.part(req)
	case calendar.StandbyAdmit:
		p.mu.Lock()
		switch {
		case p.stream != req.Stream || p.leaving || p.over:
			problem = "this is of another pairing"
		case p.seq != req.Seq:
			problem = fmt.Sprintf("part %d came last, and not %d", p.seq, req.Seq)
		case req.Witness != "" && req.Witness != p.opt.Witness:
			problem = fmt.Sprintf("%s is no witness of this host's ics.conf", req.Witness)
		default:
			p.admitted, p.witness, p.since = true, req.Witness, p.opt.Now()
		}
		p.mu.Unlock()
	case calendar.StandbyKeep:
		if p.opt.Keep != nil {
			if err := p.opt.Keep(ctx, req.Data); err != nil {
				return ans, err
			}
		}
	case calendar.StandbyTake:
		problem = p.take(ctx, req)
	case calendar.StandbyHello, calendar.StandbyBeat:
	default:
		problem = "this release does not know what it is asked for: upgrade it"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	data, more := ans.Data, ans.More
	ans = p.answer(problem)
	ans.Data, ans.More = data, more
	return ans, nil
}

// reach takes over a higher epoch, which ends what there was of an earlier one. What is not admitted yet
// goes on: the active host begins a new epoch before it admits. mu is held.
func (p *Passive) reach(req calendar.StandbyRequest) error {
	if req.Epoch <= p.state.Epoch || p.over {
		return nil
	}
	s := p.state
	s.Epoch = req.Epoch
	if err := s.Write(p.opt.Dir); err != nil {
		return err
	}
	if p.state = s; p.admitted || req.Stream != p.stream {
		p.admitted, p.claims, p.stream = false, false, ""
	}
	return nil
}

// withdraw does not take over any more, and begins a pairing. What comes twice begins none.
func (p *Passive) withdraw(req calendar.StandbyRequest) (ans calendar.StandbyAnswer, err error) {
	p.applying.Lock() // what is being done of another pairing ends before
	defer p.applying.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.reach(req); err != nil {
		return ans, err
	}
	switch {
	case p.over || req.Epoch < p.state.Epoch:
		return p.answer("epoch " + fmt.Sprint(req.Epoch) + " is over"), nil
	case req.Stream == "" || p.leaving || p.ended[req.Stream]:
		return p.answer("this is of another pairing"), nil
	}
	last := p.last
	p.ended[req.Stream] = true
	p.stream, p.seq, p.admitted, p.claims, p.witness, p.last, p.problem = req.Stream, 0, false, false, "", nil, ""
	p.heard, p.lease, p.behind, p.ever = p.opt.Now(), max(req.Lease, Lease), req.Behind, p.opt.Now()
	ans = p.answer("")
	ans.Data, err = json.Marshal(last)
	return ans, err
}

// answer is what is said of this host. mu is held.
func (p *Passive) answer(problem string) calendar.StandbyAnswer {
	if p.leaving {
		select {
		case <-p.told:
		default:
			close(p.told)
		}
	}
	return calendar.StandbyAnswer{Epoch: p.state.Epoch, Active: p.state.Active, Admitted: p.admitted, Leaving: p.leaving, Problem: cmp.Or(p.problem, problem), Claims: p.claims, Witness: p.opt.Witness}
}

// part does what lines say. What cannot be done makes this host no standby.
func (p *Passive) part(req calendar.StandbyRequest) (problem string) {
	p.applying.Lock()
	defer p.applying.Unlock()
	p.mu.Lock()
	switch {
	case p.stream != req.Stream || p.over:
		p.mu.Unlock()
		return "this is of another pairing"
	case req.Seq == p.seq:
		p.mu.Unlock()
		return "" // it came again
	case req.Seq != p.seq+1:
		p.drop(fmt.Sprintf("after part %d comes %d", p.seq, req.Seq))
		p.mu.Unlock()
		return ""
	}
	p.last = archive.OwnersOf(req.Data)
	p.mu.Unlock()
	err := archive.Apply(context.Background(), p.opt.Store, req.Data)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.drop(err.Error())
		return ""
	}
	p.seq = req.Seq
	return ""
}

// drop ends a pairing that went wrong. mu is held.
func (p *Passive) drop(why string) {
	p.opt.Log.Error("this host does not take over", "host", p.opt.Peer, "reason", why)
	p.admitted, p.claims, p.stream, p.problem = false, false, "", why
}

// mostLines is how many homes are told of together.
const mostLines = 20000

func (p *Passive) census(ctx context.Context, after calendar.Owner) (data []byte, more bool, err error) {
	all, err := archive.Census(ctx, p.opt.Store)
	if err != nil {
		return nil, false, err
	}
	list := []homeLine{}
	for _, owner := range slices.Sorted(maps.Keys(all)) {
		if owner <= after {
			continue
		}
		if len(list) == mostLines {
			more = true
			break
		}
		list = append(list, homeLine{owner, all[owner]})
	}
	data, err = json.Marshal(list)
	return data, more, err
}

// take takes over since the active one says so.
func (p *Passive) take(ctx context.Context, req calendar.StandbyRequest) (problem string) {
	p.applying.Lock()
	defer p.applying.Unlock()
	p.mu.Lock()
	witness := p.witness
	switch {
	case !p.admitted || p.stream != req.Stream || p.leaving:
		problem = "it is not admitted"
	case p.seq != req.Seq:
		problem = fmt.Sprintf("part %d came last, and not %d", p.seq, req.Seq)
	}
	p.mu.Unlock()
	if problem != "" {
		return problem
	}
	var err error
	if witness != "" {
		err = p.claim(ctx, "it was told to")
	} else {
		p.mu.Lock()
		if p.admitted && p.stream == req.Stream && !p.leaving && !p.over {
			err = p.promote(p.state.Epoch+1, "it was told to")
		}
		p.mu.Unlock()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// promote takes over: the epoch is on the disk before anybody is served. mu is held.
func (p *Passive) promote(epoch uint64, why string) error {
	s := State{Epoch: epoch, Active: true, Since: p.opt.Now()}
	if err := s.Write(p.opt.Dir); err != nil {
		return fmt.Errorf("the standby cannot take over: %w", err)
	}
	p.state, p.admitted, p.claims, p.over = s, false, false, true
	if p.behind > 0 {
		p.opt.Log.Error("what the other host had acknowledged last did not come here, and is in its database", "transactions", p.behind)
	}
	p.opt.Over(fmt.Errorf("this host takes over from %s (epoch %d): %s", p.opt.Peer, s.Epoch, why))
	return nil
}

// Run takes over when nothing is heard any more, until ctx ends.
func (p *Passive) Run(ctx context.Context) {
	var looks sync.WaitGroup
	looks.Go(func() {
		for ctx.Err() == nil {
			p.lookWitness(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(beat):
			}
		}
	})
	defer looks.Wait()
	said := ""
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.look(ctx)
		if err == nil {
			said = ""
			continue
		}
		if err.Error() != said {
			said = err.Error()
			p.opt.Log.Error("the standby cannot take over", "error", err)
		}
		time.Sleep(beat / 2)
	}
}

// look takes over if the lease that was given is over; where a witness decides, by its word.
func (p *Passive) look(ctx context.Context) error {
	p.mu.Lock()
	silent := shorter(p.heard, p.opt.Now())
	due := p.admitted && !p.over && !p.leaving && (p.claims || silent > p.lease+Margin)
	why := fmt.Sprintf("nothing was heard from it for %s", silent.Round(100*time.Millisecond))
	if due && p.witness == "" {
		defer p.mu.Unlock()
		return p.promote(p.state.Epoch+1, why)
	}
	p.mu.Unlock()
	if due {
		return p.claim(ctx, why)
	}
	return nil
}

// leave has this host not take over any more, and waits a little until the active one
// knows it.
func (p *Passive) leave(ctx context.Context) {
	p.mu.Lock()
	was := p.admitted
	if p.over {
		p.mu.Unlock()
		return
	}
	p.leaving, p.admitted, p.claims = true, false, false
	told := p.told
	p.mu.Unlock()
	if !was {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*beat)
	defer cancel()
	select {
	case <-told:
	case <-ctx.Done():
		p.opt.Log.Warn("the active host does not know that its standby is being stopped", "host", p.opt.Peer, "error", errors.New("it does not ask"))
	}
}
