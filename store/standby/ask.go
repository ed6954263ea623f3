package standby

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"factotum/server/calendar"
)

var (
	errAlone = errors.New("there is no standby any more")
	errOver  = errors.New("the standby has taken over")
)

// request is what is asked; mu is held.
func (a *Active) request(step calendar.StandbyStep) calendar.StandbyRequest {
	return calendar.StandbyRequest{Step: step, From: a.opt.Host, Epoch: a.state.Epoch, Stream: a.stream, Seq: a.seq, Lease: Lease, Behind: len(a.queue)}
}

// askFor bounds one question.
const askFor = 3 * time.Second

// longest is how long an answer may take.
func longest(step calendar.StandbyStep) time.Duration {
	switch step {
	case calendar.StandbyPart, calendar.StandbyCensus, calendar.StandbySum:
		return time.Minute
	case calendar.StandbyTake: // the standby asks the witness
		return 2 * askFor
	}
	return askFor
}

// ask asks the standby, and takes from the answer what it says of who serves: the lease,
// that there is no standby any more, that it has taken over.
func (a *Active) ask(ctx context.Context, req calendar.StandbyRequest) (ans calendar.StandbyAnswer, err error) {
	twin, err := a.opt.Dial()
	if err != nil {
		return ans, err
	}
	a.mu.Lock()
	a.serial++
	serial, sent, flight := a.serial, a.opt.Now(), a.flight
	if req.Stream == "" || req.Stream != a.stream || longest(req.Step) < time.Minute {
		flight = context.Background()
	}
	a.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, longest(req.Step))
	defer cancel()
	defer context.AfterFunc(flight, cancel)()
	if ans, err = twin.Standby(limited, req); err != nil {
		return ans, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered, a.theirs = a.opt.Now(), ans.Witness
	if ans.Epoch > a.state.Epoch {
		a.depose(ans.Epoch, req.Step != calendar.StandbyTake)
		return ans, errOver
	}
	if ans.Epoch > req.Epoch {
		return ans, fmt.Errorf("the standby was asked in an epoch, %d, that is over", req.Epoch)
	}
	if ans.Claims && req.Stream != "" && req.Step != calendar.StandbyWithdraw { // it is asked to withdraw now
		if a.phase == paired && req.Stream == a.stream {
			a.set(broken)
		}
		return ans, errors.New("the standby has asked the witness whether it may take over")
	}
	if req.Stream != a.stream || a.stream == "" || a.phase != paired && a.phase != broken || serial <= a.admitted {
		return ans, nil
	}
	if ans.Admitted {
		if sent.After(a.leased) {
			a.leased = sent
		}
		return ans, nil
	}
	why := cmp.Or(ans.Problem, "it has begun anew")
	if ans.Leaving {
		why = "it is being stopped"
	}
	return ans, a.goAlone(a.state.Epoch, why)
}

// endFlights has nobody wait any longer for what was asked in the stream. mu is held.
func (a *Active) endFlights() {
	a.drop()
	a.flight, a.drop = context.WithCancel(context.Background())
}
