package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// leaving is a home that goes to another back end.
type leaving struct {
	owner  calendar.Owner
	mark   mark
	ctx    context.Context
	cancel context.CancelCauseFunc
	status Status // the Mover's lock is over it
}

// errCanceled ends a move that an administrator does not want any more.
var errCanceled = errors.New("canceled")

func (m *Mover) newLeaving(owner calendar.Owner, k mark) *leaving {
	l := &leaving{owner: owner, mark: k, status: Status{Owner: owner, To: k.Host, State: "waiting", Began: k.Since}}
	l.ctx, l.cancel = context.WithCancelCause(m.run)
	return l
}

// Move begins to move a home. What can be known before to fail is refused.
func (m *Mover) Move(ctx context.Context, owner calendar.Owner, to string) error {
	to = strings.ToLower(to)
	if err := m.mayLeave(ctx, owner, to); err != nil {
		return err
	}
	peer, err := m.opt.Peer(to)
	if err != nil {
		return err
	}
	k := mark{Move: rand.Text(), State: stateLeaving, Host: to, Since: m.opt.Now().UTC()}
	if _, err := m.ask(ctx, peer, owner, k, calendar.ArriveRequest{Step: calendar.ArriveLook}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving[owner] != nil {
		return fail(calendar.Exists, owner, "%s is being moved already, to %s", owner, m.leaving[owner].mark.Host)
	}
	if m.run.Err() != nil {
		return fail(calendar.Unavailable, owner, "the server is about to stop")
	}
	if err := m.note(ctx, owner, k); err != nil {
		return err
	}
	l := m.newLeaving(owner, k)
	m.leaving[owner] = l
	m.busy.Go(func() { m.depart(l, false) })
	return nil
}

// mayLeave refuses what could not come to a good end.
func (m *Mover) mayLeave(ctx context.Context, owner calendar.Owner, to string) error {
	switch {
	case calendar.CheckOwner(owner) != nil:
		return fail(calendar.Invalid, owner, "%q is no user id", owner)
	case m.opt.ReadOnly:
		return fail(calendar.ReadOnly, owner, "the calendar store is in read-only mode")
	case m.opt.Directory == nil:
		return fail(calendar.Unsupported, owner, "%s", m.opt.Why)
	case strings.EqualFold(to, m.opt.Host):
		return fail(calendar.Invalid, owner, "the calendars of %s are on %s already: name another host", owner, to)
	}
	m.mu.Lock()
	l, c := m.leaving[owner], m.coming[owner]
	m.mu.Unlock()
	if l != nil {
		return fail(calendar.Exists, owner, "%s is being moved already, to %s", owner, l.mark.Host)
	}
	if c != nil {
		return fail(calendar.Exists, owner, "%s is being moved to this host, from %s", owner, c.mark.Host)
	}
	host, err := m.opt.Directory.Host(ctx, owner)
	if err != nil {
		return err
	}
	if !strings.EqualFold(host, m.opt.Host) {
		return fail(calendar.Invalid, owner, "the calendars of %s are on the back end %s, and this is %s: run the command there", owner, host, m.opt.Host)
	}
	_, there, err := m.markOf(ctx, owner)
	if err == nil && !there {
		err = fail(calendar.NoCalendar, owner, "%s has no calendars here yet: it is enough to set icsDWPHost of the entry (csattribute)", owner)
	}
	return err
}

// Cancel ends a move that has not come to its switch.
func (m *Mover) Cancel(owner calendar.Owner) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leaving[owner]
	switch {
	case l == nil:
		return fail(calendar.NotFound, owner, "%s is not being moved from here", owner)
	case l.mark.State != stateLeaving:
		return fail(calendar.Exists, owner, "the directory is being switched: it is too late")
	}
	l.cancel(errCanceled)
	return nil
}

// ask asks the other back end for a step.
func (m *Mover) ask(ctx context.Context, peer calendar.Arrivals, owner calendar.Owner, k mark, req calendar.ArriveRequest) (calendar.ArriveAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	req.Owner, req.Move, req.From = owner, k.Move, m.opt.Host
	return peer.Arrive(ctx, m.actor(), req)
}

const (
	longest  = 10 * time.Minute // of a step
	giveUp   = 30 * time.Minute // how long a target is tried that does not answer
	maxPause = 15 * time.Second
)

// depart moves a home, again and again until it is there, or cannot be. resumed: it was
// under way when the process began.
func (m *Mover) depart(l *leaving, resumed bool) {
	if l.mark.State == stateLeaving { // one that nobody can reach does not wait
		select {
		case m.turn <- struct{}{}:
			defer func() { <-m.turn }()
		case <-l.ctx.Done():
		}
		if m.run.Err() != nil {
			return
		}
	}
	began, pause := time.Now(), 100*time.Millisecond
	for {
		err := m.attempt(l, resumed)
		if err == nil {
			m.ended(l, stateMoved, nil)
			return
		}
		if m.run.Err() != nil {
			return // it goes on after the next start
		}
		m.setState(l, "waiting", err)
		m.opt.Log.Warn("a home is not moved yet", "user", l.owner, "to", l.mark.Host, "err", err)
		resumed = true
		canceled := errors.Is(context.Cause(l.ctx), errCanceled)
		if l.mark.State == stateLeaving && (canceled || forGood(err) || time.Since(began) > giveUp) {
			if gone := m.giveUp(l); gone == nil {
				if canceled {
					m.ended(l, stateCanceled, nil)
				} else {
					m.ended(l, stateFailed, err)
				}
				return
			}
		}
		select {
		case <-m.run.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// giveUp leaves the home where it is.
func (m *Mover) giveUp(l *leaving) error {
	if err := m.opt.Keeper.Settled(m.run, calendar.Job{JobID: calendar.MoveMark(l.owner)}); err != nil {
		return err
	}
	if peer, err := m.opt.Peer(l.mark.Host); err == nil { // one that does not hear it asks, later
		ctx, cancel := context.WithTimeout(m.run, 10*time.Second)
		defer cancel()
		m.ask(ctx, peer, l.owner, l.mark, calendar.ArriveRequest{Step: calendar.ArriveDrop})
	}
	return nil
}

func (m *Mover) ended(l *leaving, state string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.status.State, l.status.Ended, l.status.Err = state, m.opt.Now().UTC(), ""
	if err != nil {
		l.status.Err = words(err)
	}
	switch state {
	case stateMoved:
		m.counts.Moved++
	case stateFailed:
		m.counts.Failed++
	case stateCanceled:
		m.counts.Canceled++
	}
	delete(m.leaving, l.owner)
	if m.past = append(m.past, l.status); len(m.past) > mostPast {
		m.past = slices.Clone(m.past[len(m.past)-mostPast:])
	}
	m.opt.Log.Info("the move of a home has ended", "user", l.owner, "to", l.mark.Host, "state", state, "rows", l.status.Rows, "frozen", l.status.Frozen)
}

func words(err error) string {
	if msg := calendar.MessageOf(err); msg != "" {
		return msg
	}
	return err.Error()
}

func (m *Mover) setState(l *leaving, state string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.status.State, l.status.Err = state, ""; err != nil {
		l.status.Err = words(err)
	}
}

// setMark stores another state of the move.
func (m *Mover) setMark(l *leaving, state string) error {
	k := l.mark
	k.State = state
	if err := m.note(m.run, l.owner, k); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l.mark.State = state
	return nil
}

// attempt moves the home, from wherever it stands. However it ends, the gate is as
// the directory says.
func (m *Mover) attempt(l *leaving, resumed bool) error {
	peer, err := m.opt.Peer(l.mark.Host)
	if err != nil {
		return err
	}
	if resumed {
		there, err := m.there(l)
		if err != nil {
			return err
		}
		if !there && l.mark.State == stateSwitching {
			// The target has all of it, and nobody has written since. What is read may be
			// older than the switch, where LDAP has replicas: it is switched, not taken back.
			if err := m.decide(l); err != nil {
				if l.mark.State == stateLeaving {
					err = errors.Join(err, m.thaw(l))
				}
				return err
			}
			there = true
		}
		if there {
			return m.arrived(l, peer, time.Now())
		}
		if err := m.thaw(l); err != nil { // it was not tried
			return err
		}
	}
	return m.transfer(l, peer)
}

// there asks the directory whether the home is at the target: it may say so although this
// host did not have it do that. Then nobody is answered here any more.
func (m *Mover) there(l *leaving) (bool, error) {
	if m.opt.Directory == nil {
		return false, fail(calendar.Unavailable, l.owner, "%s", m.opt.Why)
	}
	host, err := m.opt.Directory.Host(m.run, l.owner)
	if err != nil {
		return false, err
	}
	if !strings.EqualFold(host, l.mark.Host) {
		return false, nil
	}
	if l.mark.State != stateSwitching {
		if err := m.opt.Jobs.Suspend(m.run, l.owner); err != nil {
			return false, err
		}
		if err := m.opt.Gate.freeze(m.run, l.owner); err != nil {
			return false, err
		}
		if err := m.setMark(l, stateSwitching); err != nil {
			return false, err
		}
	}
	return true, nil
}

// thaw opens the home again: the directory says that it is here.
func (m *Mover) thaw(l *leaving) error {
	if l.mark.State == stateSwitching {
		if err := m.setMark(l, stateLeaving); err != nil {
			return err
		}
	}
	m.opt.Gate.set(l.owner, open, "")
	return m.opt.Jobs.Resume(m.run, l.owner)
}

// transfer copies the home, and switches it over.
func (m *Mover) transfer(l *leaving, peer calendar.Arrivals) (err error) {
	m.setState(l, "copying", nil)
	if err := m.step("begin", l.owner); err != nil {
		return err
	}
	if _, err := m.ask(l.ctx, peer, l.owner, l.mark, calendar.ArriveRequest{Step: calendar.ArriveBegin}); err != nil {
		return err
	}
	d := m.opt.Keeper.Depart(l.owner)
	defer d.Close()
	p := &parts{m: m, l: l, ctx: l.ctx, peer: peer}
	if err := m.image(l, d, p); err != nil {
		return err
	}
	m.setState(l, "following", nil)
	ans, err := m.ask(l.ctx, peer, l.owner, l.mark, calendar.ArriveRequest{Step: calendar.ArriveCheck})
	if err != nil {
		return err
	}
	if err := compare(l.owner, d.Sums(), ans.Sums); err != nil {
		return err
	}
	for try := 0; ; try++ {
		for range 100 {
			n, err := d.Tail(l.ctx, p.send)
			if err != nil {
				return err
			}
			if n < fewLeft {
				break
			}
		}
		err := m.switchOver(l, d, p)
		if !errors.Is(err, errTooSlow) || try > 5 {
			return err
		}
	}
}

const (
	fewLeft    = 20              // transactions that are left for the time in which nobody writes
	longFreeze = 2 * time.Second // after which writes go on, and it is tried again
)

// errTooSlow says that what was left takes longer than writes may wait.
var errTooSlow = &calendar.Error{Kind: calendar.Unavailable, Op: "move", Msg: "what was left to be sent took too long"}

// image sends the image of the home, and reads on while a part is under way.
func (m *Mover) image(l *leaving, d *archive.Departure, p *parts) error {
	ctx, cancel := context.WithCancelCause(l.ctx)
	defer cancel(nil)
	queue, sent := make(chan []byte, 2), make(chan error, 1)
	go func() {
		var err error
		for part := range queue {
			if err != nil {
				continue
			}
			if err = p.send(part); err != nil {
				cancel(err)
			}
		}
		sent <- err
	}()
	err := d.Image(ctx, func(part []byte) error {
		select {
		case queue <- part:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(queue)
	if sending := <-sent; sending != nil {
		return sending
	}
	if err == nil {
		m.mu.Lock()
		l.status.Rows = d.Ops()
		m.mu.Unlock()
	}
	return err
}

// parts are numbered.
type parts struct {
	m    *Mover
	l    *leaving
	ctx  context.Context
	peer calendar.Arrivals
	seq  int64
}

func (p *parts) send(part []byte) error {
	p.seq++
	if err := p.m.step("part", p.l.owner); err != nil {
		return err
	}
	_, err := p.m.ask(p.ctx, p.peer, p.l.owner, p.l.mark, calendar.ArriveRequest{Step: calendar.ArrivePart, Seq: p.seq, Data: part})
	return err
}

// compare compares digests of both sides.
func compare(owner calendar.Owner, here map[string]string, there []calendar.ArriveSum) error {
	left := maps.Clone(here)
	for _, s := range there {
		if left[s.Name] != s.Sum {
			return differs(owner, s.Name)
		}
		delete(left, s.Name)
	}
	for name := range left {
		return differs(owner, name)
	}
	return nil
}

// differs is no failure for good: the copy is made once more.
func differs(owner calendar.Owner, name string) error {
	what := "the home of " + string(owner)
	if name != "" {
		what = string(calendar.NewID(owner, name))
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "move", Ref: string(owner), Msg: fmt.Sprintf("the copy of %s differs: it is made once more", what)}
}
