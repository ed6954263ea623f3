package standby

import (
	"context"
	"errors"
	"fmt"
	"time"

	"factotum/server/calendar"
)

// What both hosts ask the witness; doc.go has the rules.

const (
	patience     = Lease / 2        // for how long nothing is heard of the standby until the witness is asked
	watchEvery   = 5 * time.Second  // between questions when all is well
	withoutAfter = 30 * time.Second // a pairing does without a witness that does not answer for that long
)

// witnessLink is how it is with the witness.
type witnessLink struct {
	asked, answered time.Time
	failure         string
}

func (l *witnessLink) note(now time.Time, err error) {
	if l.failure = ""; err != nil {
		l.failure = err.Error()
		if msg := calendar.MessageOf(err); msg != "" {
			l.failure = msg
		}
		return
	}
	l.answered = now
}

func (l *witnessLink) why() string {
	if l.failure == "" {
		return ""
	}
	return " (" + l.failure + ")"
}

// askWitness asks for an epoch, or, with 0, what there is.
func askWitness(ctx context.Context, o *Options, epoch, basedOn uint64) (ans calendar.WitnessAnswer, err error) {
	w, err := o.DialWitness()
	if err != nil {
		return ans, err
	}
	limited, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	return w.Witness(limited, calendar.WitnessRequest{Pair: o.Pair, Holder: o.Host, Epoch: epoch, BasedOn: basedOn})
}

// decides tells whether the witness says who goes on alone. mu is held.
func (a *Active) decides() bool {
	return a.state.Paired && a.state.Witness != "" && a.state.Witness == a.opt.Witness
}

// watch looks after the lease, and asks the witness for what is needed of it, until ctx ends.
func (a *Active) watch(ctx context.Context) {
	tick := time.NewTicker(beat / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.mu.Lock()
		now := a.opt.Now()
		if a.phase == paired && a.leaseOver() {
			a.endFlights()
		}
		lost := a.decides() && (a.phase == waiting || a.phase == paired || a.phase == broken) && min(longer(a.leased, now), longer(a.begun, now)) > patience
		due := now.Sub(a.witness.asked) >= watchEvery || lost && now.Sub(a.witness.asked) >= beat
		if is := a.phase; is == deposed || a.opt.Witness == "" || !due {
			a.mu.Unlock()
			if is == deposed {
				return
			}
			continue
		}
		a.witness.asked = now
		mine := !a.state.Paired || a.phase == paired && a.state.Witness == ""
		a.mu.Unlock()
		var err error
		switch {
		case lost:
			err = a.claim(ctx)
		case mine:
			err = a.anchorOnce(ctx)
		default:
			err = a.verify(ctx)
		}
		if ctx.Err() == nil {
			a.heardOf(err)
		}
	}
}

// heardOf notes whether the witness answers. A pairing in which it decides ends when it does not for long.
func (a *Active) heardOf(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, was := a.opt.Now(), a.witness.failure
	if a.witness.note(now, err); a.witness.failure != was && err != nil {
		a.opt.Log.Warn("the witness does not answer", "host", a.opt.Witness, "reason", a.witness.failure)
	}
	if err != nil && a.phase == paired && a.decides() && !a.leaseOver() && now.Sub(a.witness.answered) > withoutAfter && now.Sub(a.since) > withoutAfter {
		a.anew()
	}
}

// anew has another pairing begin. mu is held.
func (a *Active) anew() {
	a.again = true
	a.poke()
}

// claim asks to go on without the standby. From now on it is not known whether that may take over: if it comes
// back there is another pairing.
func (a *Active) claim(ctx context.Context) error {
	a.mu.Lock()
	if a.phase == paired {
		a.set(broken)
	}
	stream, epoch := a.stream, a.state.Epoch
	a.mu.Unlock()
	ans, err := askWitness(ctx, &a.opt, epoch+1, epoch)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.decides() || a.stream != stream || a.state.Epoch != epoch || a.phase != waiting && a.phase != broken {
		return nil // what was asked for does not count any more
	}
	if ans.Granted {
		a.stream, a.anchor = "", ans.Epoch
		return a.goAlone(ans.Epoch, fmt.Sprintf("nothing was heard from it for %s, and the witness %s lets this host go on", patience, a.opt.Witness))
	}
	a.failure = denied(&a.opt, ans)
	return nil
}

// denied says why the witness did not grant what it was asked for.
func denied(o *Options, ans calendar.WitnessAnswer) string {
	if ans.Holder == o.Peer {
		return fmt.Sprintf("the witness %s says that %s goes on alone, in epoch %d", o.Witness, o.Peer, ans.Epoch)
	}
	return fmt.Sprintf("the witness %s does not know this pairing: what it has is epoch %d", o.Witness, ans.Epoch)
}

// anchorNow has the witness grant a new epoch to this host, which serves whatever it says: what was asked
// for before it, and comes late, is refused then.
func (a *Active) anchorNow(ctx context.Context) (uint64, error) {
	ans, err := askWitness(ctx, &a.opt, 0, 0)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	epoch := max(a.state.Epoch, ans.Epoch) + 1
	a.mu.Unlock()
	if ans, err = askWitness(ctx, &a.opt, epoch, ans.Epoch); err != nil {
		return 0, err
	}
	if !ans.Granted {
		return 0, errors.New(denied(&a.opt, ans))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.anchor = max(a.anchor, epoch)
	return epoch, nil
}

// anchorOnce does so where there is no pairing in which the witness decides, and then has such a one begin.
func (a *Active) anchorOnce(ctx context.Context) (err error) {
	a.mu.Lock()
	has, agreed := a.anchor > a.state.Epoch, a.phase == paired && a.theirs == a.opt.Witness
	a.mu.Unlock()
	if has && !agreed {
		_, err = askWitness(ctx, &a.opt, 0, 0)
		return err
	}
	if _, err = a.anchorNow(ctx); err == nil && agreed {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.anew()
	}
	return err
}

// verify looks whether the witness has what this pairing is based on.
func (a *Active) verify(ctx context.Context) error {
	a.mu.Lock()
	epoch := a.state.Epoch
	a.mu.Unlock()
	ans, err := askWitness(ctx, &a.opt, 0, 0)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase == paired && a.decides() && a.state.Epoch == epoch && (ans.Epoch != epoch || ans.Holder != a.opt.Host) {
		a.opt.Log.Warn("the standby is paired anew", "reason", denied(&a.opt, ans))
		a.anew()
	}
	return nil
}

// agree has the witness decide in the pairing that begins, where it answers and the standby names the same
// one: the pairing has an epoch of its own then. The standby is not admitted yet.
func (a *Active) agree(ctx context.Context) (witness string, err error) {
	a.mu.Lock()
	theirs := a.theirs
	a.mu.Unlock()
	if a.opt.Witness == "" || theirs != a.opt.Witness {
		return "", nil
	}
	epoch, err := a.anchorNow(ctx)
	a.heardOf(err)
	if err != nil {
		return "", nil // the lease alone decides
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase != copying {
		return "", errOver
	}
	s := a.state
	s.Epoch = epoch
	return a.opt.Witness, a.write(s)
}

// mayHand tells whether the standby can take over now: it asks the witness.
func (a *Active) mayHand(ctx context.Context) error {
	a.mu.Lock()
	decides := a.decides()
	a.mu.Unlock()
	if !decides {
		return nil
	}
	if _, err := askWitness(ctx, &a.opt, 0, 0); err != nil {
		return &calendar.Error{Kind: calendar.Unavailable, Op: "hand over", Msg: fmt.Sprintf("the witness %s does not answer; half a minute after that began this goes without it", a.opt.Witness), Err: err}
	}
	return nil
}

// taken tells whether the witness says that the standby has taken over.
func (a *Active) taken(ctx context.Context) error {
	a.mu.Lock()
	decides, epoch := a.decides(), a.state.Epoch
	a.mu.Unlock()
	if !decides {
		return nil
	}
	if ans, err := askWitness(ctx, &a.opt, 0, 0); err == nil && ans.Holder == a.opt.Peer && ans.Epoch > epoch {
		return &calendar.Error{Kind: calendar.Denied, Op: "detach", Msg: denied(&a.opt, ans)}
	}
	return nil
}

// claim asks the witness whether this host may take over. Until it has said so the active host gets no
// lease, and if that has this one withdraw, the answer counts for nothing.
func (p *Passive) claim(ctx context.Context, why string) error {
	p.mu.Lock()
	if !p.admitted || p.over || p.leaving {
		p.mu.Unlock()
		return nil
	}
	p.claims = true
	stream, epoch := p.stream, p.state.Epoch
	p.link.asked = p.opt.Now()
	p.mu.Unlock()
	ans, err := askWitness(ctx, &p.opt, epoch+1, epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.note(p.opt.Now(), err)
	if !p.claims || p.stream != stream || p.over {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the witness %s does not answer: %w", p.opt.Witness, err)
	}
	if !ans.Granted {
		p.drop(denied(&p.opt, ans))
		return nil
	}
	return p.promote(ans.Epoch, why)
}

// lookWitness asks now and then whether the witness is there.
func (p *Passive) lookWitness(ctx context.Context) {
	p.mu.Lock()
	now := p.opt.Now()
	due := p.opt.Witness != "" && !p.over && !p.claims && now.Sub(p.link.asked) >= watchEvery
	if due {
		p.link.asked = now
	}
	p.mu.Unlock()
	if !due {
		return
	}
	_, err := askWitness(ctx, &p.opt, 0, 0)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.note(p.opt.Now(), err)
}

// forced is the epoch of who takes over since the administrator says so. The witness is told, so that the other host
// does not go on alone by its word; where that let it do so already, or does not answer, force is needed.
func (p *Passive) forced(ctx context.Context, force bool) (uint64, error) {
	p.mu.Lock()
	own := p.state.Epoch
	p.mu.Unlock()
	if p.opt.Witness == "" {
		return own + 1, nil
	}
	epoch := own + 1
	ans, err := askWitness(ctx, &p.opt, 0, 0)
	switch {
	case err != nil:
		err = fmt.Errorf("the witness %s does not answer: %w", p.opt.Witness, err)
	case ans.Epoch > own && ans.Holder == p.opt.Peer && !force:
		err = errors.New(denied(&p.opt, ans))
	default:
		epoch = max(epoch, ans.Epoch+1)
		if ans, err = askWitness(ctx, &p.opt, epoch, ans.Epoch); err == nil && !ans.Granted {
			err = errors.New(denied(&p.opt, ans))
		}
	}
	if err != nil && !force {
		return 0, &calendar.Error{Kind: calendar.Denied, Op: "take over", Err: err, Msg: fmt.Sprintf("%v: --force takes over all the same, and loses what %s has and this host has not", err, p.opt.Peer)}
	}
	if err != nil {
		p.opt.Log.Warn("the witness does not know yet that this host takes over", "host", p.opt.Witness, "error", err)
	}
	return epoch, nil
}
