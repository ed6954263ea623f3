package standby

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"factotum/server/calendar"
)

// Switch hands over to the standby.
func (a *Active) Switch(ctx context.Context) error {
	a.commit.Lock()
	defer a.commit.Unlock()
	for {
		a.mu.Lock()
		is, dirty, queue, why := a.phase, len(a.dirty), len(a.queue), a.failure
		a.mu.Unlock()
		if is != paired || dirty > 0 {
			if why == "" {
				why = "it is being brought up to date"
			}
			return &calendar.Error{Kind: calendar.Unavailable, Op: "hand over", Msg: fmt.Sprintf("the standby %s has not all that there is here: %s", a.opt.Peer, why)}
		}
		if queue == 0 {
			break
		}
		if err := a.send(); err != nil {
			return err
		}
	}
	if err := a.mayHand(ctx); err != nil {
		return err
	}
	a.call.Lock()
	defer a.call.Unlock()
	a.mu.Lock()
	if a.phase != paired {
		defer a.mu.Unlock()
		return cmp.Or(a.held(), errAlone)
	}
	a.set(handing)
	req := a.request(calendar.StandbyTake)
	a.mu.Unlock()
	ans, err := a.ask(ctx, req)
	if errors.Is(err, errOver) {
		return nil
	}
	if err == nil {
		err = errors.New(ans.Problem)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == handing { // it may take over yet: nothing is served until it has said that it does not
		a.stream, a.leased = "", time.Time{}
		a.set(broken)
	}
	a.poke()
	return &calendar.Error{Kind: calendar.Unavailable, Op: "hand over", Msg: fmt.Sprintf("the standby %s does not take over: %v", a.opt.Peer, err), Err: err}
}

// Detach has this host serve alone, though its standby may take over: the administrator
// says that it is down. It is refused where the standby answers, or the witness let it take over.
func (a *Active) Detach(ctx context.Context) error {
	a.mu.Lock()
	req := a.request(calendar.StandbyHello)
	req.Stream = ""
	a.mu.Unlock()
	if _, err := a.ask(ctx, req); err == nil {
		return &calendar.Error{Kind: calendar.Denied, Op: "detach", Msg: fmt.Sprintf("the standby %s answers: stop its csstored, which tells this host so", a.opt.Peer)}
	}
	if err := a.taken(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == deposed || a.phase == handing {
		return a.held()
	}
	a.stream = ""
	return a.goAlone(a.state.Epoch, "it was detached by the administrator")
}

// Take has this host take over though nobody told it to: the administrator says that the
// other host is down, and that what is here is what there is. It is refused where the other
// answers that it serves, and, without force, where the witness let the other go on alone or does not answer.
func (p *Passive) Take(ctx context.Context, force bool) error {
	p.mu.Lock()
	epoch := p.state.Epoch
	p.mu.Unlock()
	if twin, err := p.opt.Dial(); err == nil {
		limited, cancel := context.WithTimeout(ctx, askFor)
		ans, err := twin.Standby(limited, calendar.StandbyRequest{Step: calendar.StandbyHello, From: p.opt.Host, Epoch: epoch})
		cancel()
		if err == nil && ans.Active {
			return &calendar.Error{Kind: calendar.Denied, Op: "take over", Msg: fmt.Sprintf("%s answers that it serves: say \"calserver standby switch\" there", p.opt.Peer)}
		}
	}
	epoch, err := p.forced(ctx, force)
	if err != nil {
		return err
	}
	p.applying.Lock()
	defer p.applying.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	return p.promote(max(epoch, p.state.Epoch+1), "the administrator said so")
}
