package move

import (
	"context"
	"strings"
	"sync"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// coming is a home that comes from another back end.
type coming struct {
	mu   sync.Mutex // one step at a time
	mark mark       // the Mover's lock is over it
	in   *archive.Arrival
	seq  int64     // of the last part
	last time.Time // when something came; zero: nothing since the start
}

// Arrive implements calendar.Arrivals.
func (m *Mover) Arrive(ctx context.Context, who calendar.Actor, req calendar.ArriveRequest) (res calendar.ArriveAnswer, err error) {
	switch {
	case !who.Admin:
		return res, fail(calendar.Denied, req.Owner, "homes are moved by the administrator")
	case calendar.CheckOwner(req.Owner) != nil || req.Move == "" || req.From == "":
		return res, fail(calendar.Invalid, req.Owner, "what is to be moved is not told")
	case m.run.Err() != nil:
		return res, fail(calendar.Unavailable, req.Owner, "the server is about to stop")
	case req.Step == calendar.ArriveAsk:
		return m.asked(req), nil
	case m.opt.ReadOnly:
		return res, fail(calendar.ReadOnly, req.Owner, "the calendar store of %s is in read-only mode", m.opt.Host)
	}
	switch req.Step {
	case calendar.ArriveLook:
		return res, m.mayCome(ctx, req)
	case calendar.ArriveBegin:
		return m.begin(ctx, req)
	}
	c := m.comes(req)
	if c == nil {
		return m.notComing(ctx, req)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.comes(req) != c { // it ended while this waited
		return m.notComing(ctx, req)
	}
	c.last = m.opt.Now()
	if err := m.step("target "+stepNames[req.Step], req.Owner); err != nil {
		return res, fail(calendar.Unavailable, req.Owner, "the server is about to stop")
	}
	switch req.Step {
	case calendar.ArriveDrop:
		return res, m.dropped(ctx, req.Owner)
	case calendar.ArriveActivate:
		if c.mark.State != stateReady {
			return res, fail(calendar.NotFound, req.Owner, "%s has not all of the home of %s", m.opt.Host, req.Owner)
		}
		return calendar.ArriveAnswer{State: stateHere}, m.activate(ctx, req.Owner, c)
	}
	if c.in == nil { // what came before the restart is not gone on with
		return res, fail(calendar.Unavailable, req.Owner, "%s was started anew: the home of %s has to come once more", m.opt.Host, req.Owner)
	}
	switch req.Step {
	case calendar.ArrivePart:
		return res, m.part(ctx, c, req)
	case calendar.ArriveCheck:
		res.State = stateArriving
		var all map[string]string
		if all, err = c.in.Sums(ctx); err == nil {
			res.Sums = sumsOf(all)
			err = c.in.Settle(ctx)
		}
		return res, err
	case calendar.ArriveReady:
		res.State = stateReady
		return res, m.ready(ctx, c, req)
	}
	return res, fail(calendar.Unsupported, req.Owner, "%s does not know what is asked of it", m.opt.Host)
}

var stepNames = map[calendar.ArriveStep]string{calendar.ArrivePart: "part", calendar.ArriveCheck: "check", calendar.ArriveReady: "ready",
	calendar.ArriveActivate: "activate", calendar.ArriveDrop: "drop"}

// asked tells whether a home is on its way to who asks.
func (m *Mover) asked(req calendar.ArriveRequest) (res calendar.ArriveAnswer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.leaving[req.Owner]; l != nil && l.mark.Move == req.Move {
		res.State = stateLeaving
	}
	return res
}

// comes finds what a step is about, nil if there is no such move.
func (m *Mover) comes(req calendar.ArriveRequest) *coming {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.coming[req.Owner]; c != nil && c.mark.Move == req.Move {
		return c
	}
	return nil
}

// notComing answers for a home that is here already, or not at all.
func (m *Mover) notComing(ctx context.Context, req calendar.ArriveRequest) (res calendar.ArriveAnswer, err error) {
	k, there, err := m.markOf(ctx, req.Owner)
	switch {
	case err != nil:
		return res, err
	case req.Step == calendar.ArriveDrop:
		return res, nil
	case req.Step != calendar.ArriveActivate:
		return res, fail(calendar.Unavailable, req.Owner, "%s knows nothing of this move: the home of %s has to come once more", m.opt.Host, req.Owner)
	case there && k.State == stateHere && k.Move == req.Move:
		return calendar.ArriveAnswer{State: stateHere}, nil
	case there:
		return res, m.taken(req.Owner)
	}
	return res, fail(calendar.NotFound, req.Owner, "%s has nothing of %s", m.opt.Host, req.Owner)
}

func (m *Mover) taken(owner calendar.Owner) error {
	return fail(calendar.Exists, owner, "%s has calendars of %s already: look at them there (cscal -o %s list); nothing is moved over them", m.opt.Host, owner, owner)
}

// mayCome refuses a home for which there is no place.
func (m *Mover) mayCome(ctx context.Context, req calendar.ArriveRequest) error {
	if m.opt.Directory == nil {
		return fail(calendar.Unsupported, req.Owner, "%s cannot take a home: %s", m.opt.Host, m.opt.Why)
	}
	host, err := m.opt.Directory.Host(ctx, req.Owner)
	if calendar.KindOf(err) == calendar.NotFound && err != nil {
		return fail(calendar.NotFound, req.Owner, "nobody named %s is in the directory that %s asks", req.Owner, m.opt.Host)
	}
	if err != nil {
		return err
	}
	if req.Step == calendar.ArriveLook && !strings.EqualFold(host, req.From) {
		return fail(calendar.Invalid, req.Owner, "%s reads of the directory that the calendars of %s are on %s, and not on %s: both hosts must ask the same directory, and have the same caldb.dwp.server.default",
			m.opt.Host, req.Owner, host, req.From)
	}
	var goes, comes *mark
	m.mu.Lock()
	if l := m.leaving[req.Owner]; l != nil {
		goes = new(l.mark)
	}
	if c := m.coming[req.Owner]; c != nil {
		comes = new(c.mark)
	}
	m.mu.Unlock()
	switch {
	case goes != nil:
		return fail(calendar.Exists, req.Owner, "%s is moving the home of %s itself, to %s", m.opt.Host, req.Owner, goes.Host)
	case comes != nil && (!strings.EqualFold(comes.Host, req.From) || comes.State == stateReady && strings.EqualFold(host, m.opt.Host)):
		return fail(calendar.Exists, req.Owner, "the home of %s comes to %s from %s already", req.Owner, m.opt.Host, comes.Host)
	case comes != nil:
		return nil
	}
	k, there, err := m.markOf(ctx, req.Owner)
	if err == nil && there && k.State != stateMoved {
		err = m.taken(req.Owner)
	}
	return err
}

// begin makes room for a home, of which nothing is left that came before.
func (m *Mover) begin(ctx context.Context, req calendar.ArriveRequest) (res calendar.ArriveAnswer, err error) {
	if err := m.mayCome(ctx, req); err != nil {
		return res, err
	}
	if err := m.step("target begin", req.Owner); err != nil {
		return res, fail(calendar.Unavailable, req.Owner, "the server is about to stop")
	}
	k := mark{Move: req.Move, State: stateArriving, Host: req.From, Since: m.opt.Now().UTC()}
	m.mu.Lock()
	c := m.coming[req.Owner]
	if c == nil {
		c = &coming{mark: k} // a host that is started anew meanwhile may begin once more
		m.coming[req.Owner] = c
	}
	m.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	m.opt.Gate.set(req.Owner, arriving, "")
	m.opt.Forget(req.Owner)
	in, err := m.opt.Keeper.Arrive(ctx, k.job(req.Owner))
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.coming[req.Owner] != c { // it was dropped meanwhile
		m.coming[req.Owner] = c
	}
	c.mark, c.in, c.seq, c.last = k, in, 0, m.opt.Now()
	return calendar.ArriveAnswer{State: stateArriving}, err
}

// setComing stores another state.
func (m *Mover) setComing(ctx context.Context, owner calendar.Owner, c *coming, state string) error {
	k := c.mark
	k.State = state
	if err := m.note(ctx, owner, k); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.mark.State = state
	return nil
}

func (m *Mover) part(ctx context.Context, c *coming, req calendar.ArriveRequest) error {
	switch {
	case req.Seq == c.seq && req.Seq > 0: // its answer was lost
		return nil
	case req.Seq != c.seq+1:
		return fail(calendar.Unavailable, req.Owner, "part %d came after part %d: the home has to come once more", req.Seq, c.seq)
	}
	if c.mark.State == stateReady {
		if err := m.setComing(ctx, req.Owner, c, stateArriving); err != nil {
			return err
		}
	}
	if err := c.in.Part(ctx, req.Data); err != nil {
		c.in = nil // some of it may be there
		if calendar.KindOf(err) == calendar.Invalid {
			err = &calendar.Error{Kind: calendar.Unavailable, Op: "move", Ref: string(req.Owner), Msg: "what came does not follow from what is there: it has to come once more", Err: err}
		}
		return err
	}
	c.seq = req.Seq
	return nil
}

// ready compares what came after the copy, and promises to keep the home until it is told
// more, or the directory says that it is here.
func (m *Mover) ready(ctx context.Context, c *coming, req calendar.ArriveRequest) error {
	all, err := m.opt.Keeper.Delta(ctx, req.Owner, req.Since)
	if err != nil {
		return err
	}
	if err := compare(req.Owner, all, req.Sums); err != nil {
		return err
	}
	return m.setComing(ctx, req.Owner, c, stateReady)
}

// activate serves the home from now on. c is locked.
func (m *Mover) activate(ctx context.Context, owner calendar.Owner, c *coming) error {
	k := c.mark
	k.State, k.Since = stateHere, m.opt.Now().UTC()
	if err := m.opt.Keeper.Settled(ctx, k.job(owner)); err != nil {
		return err
	}
	m.opt.Forget(owner)
	m.opt.Gate.set(owner, open, "")
	m.forgetComing(owner, c)
	m.mu.Lock()
	m.counts.Arrived++
	m.mu.Unlock()
	m.opt.Log.Info("a home has come", "user", owner, "from", c.mark.Host)
	return m.opt.Jobs.Resume(ctx, owner)
}

func (m *Mover) forgetComing(owner calendar.Owner, c *coming) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.coming[owner] == c {
		delete(m.coming, owner)
	}
}

// dropped throws a home away that does not come; its lock is held. Where it went from here
// before is known no more: the directory is.
func (m *Mover) dropped(ctx context.Context, owner calendar.Owner) error {
	m.mu.Lock()
	c := m.coming[owner]
	m.mu.Unlock()
	k := mark{State: stateMoved, Host: c.mark.Host, Since: m.opt.Now().UTC()}
	if err := m.opt.Keeper.Leave(ctx, k.job(owner)); err != nil {
		return err
	}
	m.opt.Forget(owner)
	m.opt.Gate.set(owner, moved, k.Host)
	m.forgetComing(owner, c)
	m.opt.Log.Info("a home does not come", "user", owner, "from", c.mark.Host)
	return nil
}

const (
	watchEvery = time.Second
	silence    = time.Minute // after which the source is asked whether it still moves a home
)

// watch looks after homes whose source says nothing: the directory tells of those that are
// here, and the source of those that do not come any more.
func (m *Mover) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		m.mu.Lock()
		all := map[calendar.Owner]*coming{}
		for owner, c := range m.coming {
			all[owner] = c
		}
		m.mu.Unlock()
		for owner, c := range all {
			if err := m.lookAfter(owner, c); err != nil && m.run.Err() == nil {
				m.opt.Log.Warn("it is not known what becomes of a home that was to come", "user", owner, "err", err)
			}
		}
		select {
		case <-m.run.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *Mover) lookAfter(owner calendar.Owner, c *coming) error {
	if !c.mu.TryLock() { // something comes
		return nil
	}
	defer c.mu.Unlock()
	m.mu.Lock()
	is := m.coming[owner] == c
	k := c.mark
	m.mu.Unlock()
	quiet := m.opt.Now().Sub(c.last) > silence
	if !is || k.Move == "" || m.opt.Directory == nil || !quiet && k.State != stateReady {
		return nil
	}
	host, err := m.opt.Directory.Host(m.run, owner)
	if err != nil {
		return err
	}
	if strings.EqualFold(host, m.opt.Host) {
		if k.State == stateReady {
			return m.activate(m.run, owner, c)
		}
		return nil // its source has all of it, and goes on
	}
	if !quiet {
		return nil
	}
	peer, err := m.opt.Peer(k.Host)
	if err != nil {
		return err
	}
	ans, err := m.ask(m.run, peer, owner, k, calendar.ArriveRequest{Step: calendar.ArriveAsk})
	if err != nil {
		return err
	}
	if c.last = m.opt.Now(); ans.State != stateLeaving {
		return m.dropped(m.run, owner)
	}
	return nil
}

// Here forgets that a home went to another host, or was to come: the directory names
// this one, and what is here is what there is. It is for who has restored a home by hand.
func (m *Mover) Here(ctx context.Context, owner calendar.Owner) error {
	if m.opt.Directory == nil {
		return fail(calendar.Unsupported, owner, "%s", m.opt.Why)
	}
	host, err := m.opt.Directory.Host(ctx, owner)
	if err != nil {
		return err
	}
	if !strings.EqualFold(host, m.opt.Host) {
		return fail(calendar.Invalid, owner, "the directory names the back end %s for %s, and this is %s", host, owner, m.opt.Host)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving[owner] != nil || m.coming[owner] != nil {
		return fail(calendar.Exists, owner, "%s is being moved", owner)
	}
	k, _, err := m.markOf(ctx, owner)
	if err == nil && k.State != stateMoved {
		err = fail(calendar.NotFound, owner, "nothing says that the home of %s went from here", owner)
	}
	if err != nil {
		return err
	}
	if err := m.opt.Keeper.Settled(ctx, calendar.Job{JobID: calendar.MoveMark(owner)}); err != nil {
		return err
	}
	m.opt.Forget(owner)
	m.opt.Gate.set(owner, open, "")
	return nil
}
