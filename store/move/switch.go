package move

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// switchOver has writes wait, sends the rest, and has the directory name the target.
func (m *Mover) switchOver(l *leaving, d *archive.Departure, p *parts) (err error) {
	jobs, cancel := context.WithTimeout(l.ctx, 30*time.Second)
	defer cancel()
	if err := m.opt.Jobs.Suspend(jobs, l.owner); err != nil {
		return err
	}
	began, final := time.Now(), l.mark.State == stateSwitching // final: nobody can write, or will
	defer func() {
		if err != nil && l.mark.State == stateLeaving {
			if thawed := m.thaw(l); thawed != nil {
				err = errors.Join(err, thawed)
			}
		}
	}()
	if err := m.step("freeze", l.owner); err != nil {
		return err
	}
	if final {
		if err := m.makeReady(l.ctx, l, d, p); err != nil {
			return err
		}
		return m.arrived(l, p.peer, began)
	}
	short, cancel := context.WithTimeout(l.ctx, longFreeze)
	defer cancel()
	if err := m.makeReady(short, l, d, p); err != nil {
		if l.ctx.Err() == nil && short.Err() != nil {
			return errTooSlow
		}
		return err
	}
	m.setState(l, stateSwitching, nil)
	if err := m.setMark(l, stateSwitching); err != nil {
		return err
	}
	if l.ctx.Err() != nil { // canceled in the last moment
		return m.notSwitched(l, context.Cause(l.ctx))
	}
	m.opt.Gate.set(l.owner, closed, "")
	m.opt.Forget(l.owner)
	if err := m.step("switch", l.owner); err != nil {
		return err
	}
	if err := m.decide(l); err != nil {
		return err
	}
	return m.arrived(l, p.peer, began)
}

// makeReady has writes wait, and sends what is left. The target compares, and has
// all of the home when it says that it is ready.
func (m *Mover) makeReady(ctx context.Context, l *leaving, d *archive.Departure, p *parts) error {
	if err := m.opt.Gate.freeze(ctx, l.owner); err != nil {
		return err
	}
	p.ctx = ctx
	defer func() { p.ctx = l.ctx }()
	if _, err := d.Tail(ctx, p.send); err != nil {
		return err
	}
	here, err := m.opt.Keeper.Delta(ctx, l.owner, d.Change())
	if err != nil {
		return err
	}
	if err := m.step("ready", l.owner); err != nil {
		return err
	}
	_, err = m.ask(ctx, p.peer, l.owner, l.mark, calendar.ArriveRequest{Step: calendar.ArriveReady, Since: d.Change(), Sums: sumsOf(here)})
	return err
}

func sumsOf(all map[string]string) (list []calendar.ArriveSum) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, calendar.ArriveSum{Name: name, Sum: all[name]})
	}
	return list
}

// notSwitched goes back to before the switch, which was not tried.
func (m *Mover) notSwitched(l *leaving, err error) error {
	if e := m.setMark(l, stateLeaving); e != nil {
		return errors.Join(err, e)
	}
	return err
}

// decide switches the directory. When it returns without an error the home is at the
// target; with one it is certain that it is here, unless the process ends. While the
// directory does not say which, it is asked again.
func (m *Mover) decide(l *leaving) error {
	pause := 50 * time.Millisecond
	for {
		switched := m.opt.Directory.Switch(m.run, l.owner, m.opt.Host, l.mark.Host)
		host, err := m.opt.Directory.Host(m.run, l.owner)
		switch {
		case err == nil && strings.EqualFold(host, l.mark.Host):
			return nil
		case err == nil && switched != nil && forGood(switched):
			return m.notSwitched(l, switched)
		case m.run.Err() != nil:
			return m.run.Err()
		}
		m.opt.Log.Warn("the directory is not switched yet", "user", l.owner, "to", l.mark.Host, "err", errors.Join(switched, err))
		select {
		case <-time.After(pause):
		case <-m.run.Done():
			return m.run.Err()
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// arrived has the target serve the home, and drops it here.
func (m *Mover) arrived(l *leaving, peer calendar.Arrivals, began time.Time) error {
	m.opt.Gate.set(l.owner, moved, l.mark.Host)
	m.opt.Forget(l.owner)
	if err := m.step("activate", l.owner); err != nil {
		return err
	}
	ans, err := m.ask(m.run, peer, l.owner, l.mark, calendar.ArriveRequest{Step: calendar.ArriveActivate})
	if err != nil && calendar.KindOf(err) == calendar.NotFound {
		// It has not all of it. Here is all that there is still, and nobody can write.
		m.opt.Log.Warn("the directory names a host that has not all of a home: it is sent once more", "user", l.owner, "to", l.mark.Host)
		return m.transfer(l, peer)
	}
	if err != nil {
		return err
	}
	if ans.State != stateHere {
		return fail(calendar.Unavailable, l.owner, "the other host does not serve the home yet")
	}
	m.mu.Lock()
	l.status.Frozen = time.Since(began).Seconds()
	m.mu.Unlock()
	if err := m.step("drop", l.owner); err != nil {
		return err
	}
	parked, err := m.parked(l.owner)
	if err != nil {
		return err
	}
	k := mark{Move: l.mark.Move, State: stateMoved, Host: l.mark.Host, Since: m.opt.Now().UTC()}
	if err := m.opt.Keeper.Leave(m.run, k.job(l.owner)); err != nil {
		return err
	}
	m.opt.Jobs.Forget(l.owner, parked)
	m.opt.Forget(l.owner)
	return nil
}

// parked counts the jobs of a home that are given up.
func (m *Mover) parked(owner calendar.Owner) (n int, err error) {
	err = m.opt.Keeper.Store().View(m.run, owner, func(tx calendar.ReadTx) error {
		jobs, err := tx.Jobs()
		n = 0
		for i := range jobs {
			if jobs[i].Parked {
				n++
			}
		}
		return err
	})
	return n, err
}
