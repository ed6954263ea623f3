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
}

// NewPassive begins to follow.
func NewPassive(state State, opt Options) *Passive {
	opt.defaults()
	return &Passive{opt: opt, applying: make(lock, 1), state: state, told: make(chan struct{}), since: opt.Now()}
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
	p.mu.Lock()
	if req.Epoch > p.state.Epoch && !p.over {
		s := p.state
		s.Epoch = req.Epoch
		if err := s.Write(p.opt.Dir); err != nil {
			p.mu.Unlock()
			return ans, err
		}
		p.state, p.admitted, p.stream = s, false, ""
	}
	mine := req.Stream != "" && req.Stream == p.stream
	switch {
	case p.over || req.Epoch < p.state.Epoch:
		ans = p.answer("epoch " + fmt.Sprint(req.Epoch) + " is over")
		p.mu.Unlock()
		return ans, nil
	case req.Step == calendar.StandbyWithdraw && req.Stream != "" && !p.leaving:
		p.mu.Unlock()
		p.applying.Lock() // what is being done of another pairing ends before
		defer p.applying.Unlock()
		p.mu.Lock()
		if p.over {
			break
		}
		last := p.last
		p.stream, p.seq, p.admitted, p.last, p.problem = req.Stream, 0, false, nil, ""
		ans = p.answer("")
		p.mu.Unlock()
		ans.Data, err = json.Marshal(last)
		return ans, err
	case !mine && req.Step != calendar.StandbyHello:
		ans = p.answer("this is of another pairing")
		p.mu.Unlock()
		return ans, nil
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
		default:
			p.admitted, p.since = true, p.opt.Now()
		}
		p.mu.Unlock()
	case calendar.StandbyTake:
		problem = p.take(req)
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

// answer is what is said of this host. mu is held.
func (p *Passive) answer(problem string) calendar.StandbyAnswer {
	if p.leaving {
		select {
		case <-p.told:
		default:
			close(p.told)
		}
	}
	return calendar.StandbyAnswer{Epoch: p.state.Epoch, Active: p.state.Active, Admitted: p.admitted, Leaving: p.leaving, Problem: cmp.Or(p.problem, problem)}
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
	p.opt.Log.Error("what the active host sends cannot be done here", "host", p.opt.Peer, "reason", why)
	p.admitted, p.stream, p.problem = false, "", why
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
func (p *Passive) take(req calendar.StandbyRequest) (problem string) {
	p.applying.Lock()
	defer p.applying.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.admitted || p.stream != req.Stream || p.leaving:
		return "it is not admitted"
	case p.seq != req.Seq:
		return fmt.Sprintf("part %d came last, and not %d", p.seq, req.Seq)
	}
	if err := p.promote("it was told to"); err != nil {
		return err.Error()
	}
	return ""
}

// promote takes over: the epoch is on the disk before anybody is served. mu is held.
func (p *Passive) promote(why string) error {
	s := State{Epoch: p.state.Epoch + 1, Active: true, Since: p.opt.Now()}
	if err := s.Write(p.opt.Dir); err != nil {
		return fmt.Errorf("the standby cannot take over: %w", err)
	}
	p.state, p.admitted, p.over = s, false, true
	if p.behind > 0 {
		p.opt.Log.Error("what the other host had acknowledged last did not come here, and is in its database", "transactions", p.behind)
	}
	p.opt.Over(fmt.Errorf("this host takes over from %s (epoch %d): %s", p.opt.Peer, s.Epoch, why))
	return nil
}

// Run takes over when nothing is heard any more, until ctx ends.
func (p *Passive) Run(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.look(); err != nil {
			p.opt.Log.Error("the standby cannot take over", "error", err)
			time.Sleep(time.Second)
		}
	}
}

// look takes over if the lease that was given is over.
func (p *Passive) look() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.admitted || p.over || p.leaving {
		return nil
	}
	if silent := shorter(p.heard, p.opt.Now()); silent > p.lease+Margin {
		return p.promote(fmt.Sprintf("nothing was heard from it for %s", silent.Round(100*time.Millisecond)))
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
	p.leaving, p.admitted = true, false
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
