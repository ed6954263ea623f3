package watcher

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Pauses between restarts, when a process counts as settled, and how many
// starts in a row fail before it may be given up.
const (
	firstPause  = 100 * time.Millisecond
	lastPause   = 30 * time.Second
	settled     = 10 * time.Second
	maxFailures = 5
)

// unit is one process and its components.
type unit struct {
	name string
	opt  *Options
	host Host

	// Of the supervision; only orders touch it.
	cancel context.CancelFunc // nil: never started
	over   chan struct{}      // closed when it has ended

	mu       sync.Mutex
	roles    []string // components that were asked for
	process  *running // nil: none
	restarts int
	given    string // why it was given up
}

// running is a process that was started.
type running struct {
	Process
	since time.Time
	gone  chan struct{} // closed when it has ended
	err   error         // how
}

func (u *unit) status() Unit {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := Unit{Name: u.name, Roles: slices.Clone(u.roles), Restarts: u.restarts, Given: u.given}
	if u.process != nil {
		st.PID, st.Since = u.process.PID(), u.process.since
	}
	return st
}

func (u *unit) add(component string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.roles, component) {
		u.roles = append(u.roles, component)
	}
}

func (u *unit) remove(component string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.roles = slices.DeleteFunc(u.roles, func(c string) bool { return c == component })
}

// start starts the process, which does not run, with a component and what
// else of it waits for a restart.
func (u *unit) start(component string) error {
	waits := u.supervised()
	u.stop(false)
	u.mu.Lock()
	u.given = ""
	if !waits {
		u.roles = nil
	}
	u.mu.Unlock()
	u.add(component)
	ctx, cancel := context.WithCancel(context.Background())
	p, err := u.launch(ctx)
	if err != nil {
		cancel()
		return err
	}
	u.cancel, u.over = cancel, make(chan struct{})
	go u.supervise(ctx, p, u.over)
	return nil
}

// supervised tells whether the process runs or waits for a restart.
func (u *unit) supervised() bool {
	if u.cancel == nil {
		return false
	}
	select {
	case <-u.over:
		return false
	default:
		return true
	}
}

// stop ends the supervision and the process.
func (u *unit) stop(force bool) {
	if u.cancel == nil {
		return
	}
	u.cancel()
	<-u.over
	u.mu.Lock()
	p := u.process
	u.mu.Unlock()
	if p != nil {
		u.end(p, force)
		u.opt.Log.Info("stopped", "program", u.name)
	}
}

// end ends a process: politely, and after its time by force.
func (u *unit) end(p *running, force bool) {
	if force {
		p.Kill()
	} else {
		p.Terminate()
	}
	select {
	case <-p.gone:
	case <-time.After(u.opt.StopTime):
		u.opt.Log.Error("a process did not end and was killed", "program", u.name)
		p.Kill()
		<-p.gone
	}
	u.set(nil)
}

func (u *unit) set(p *running) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.process = p
}

// launch starts the process and waits until it is ready. Where ctx ends before
// that, it leaves the process to who ended it.
func (u *unit) launch(ctx context.Context) (*running, error) {
	u.mu.Lock()
	roles := slices.Clone(u.roles)
	u.mu.Unlock()
	started, err := u.host.Start(u.name, roles)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", u.name, err)
	}
	p := &running{Process: started, since: time.Now(), gone: make(chan struct{})}
	go func() {
		p.err = p.Wait()
		close(p.gone)
	}()
	u.set(p)
	late := time.NewTimer(u.opt.StartTime)
	defer late.Stop()
	select {
	case err = <-p.Started():
	case <-late.C:
		err = fmt.Errorf("%s was not ready after %v (service.admin.starttime)", u.name, u.opt.StartTime)
		u.end(p, true)
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		u.end(p, false)
		return nil, err
	}
	return p, nil
}

// supervise waits for the end of a process that was ready, and starts another
// one, until ctx ends or it is given up.
func (u *unit) supervise(ctx context.Context, p *running, over chan struct{}) {
	defer close(over)
	for pause := firstPause; p != nil; {
		select {
		case <-p.gone:
		case <-ctx.Done():
			return
		}
		u.set(nil)
		if ctx.Err() != nil {
			return
		}
		lived := time.Since(p.since)
		u.opt.Log.Error("a process failed", "program", u.name, "err", fmt.Sprint(p.err), "lived", lived.Round(time.Millisecond))
		if !u.opt.Restart {
			u.giveUp("crashed; service.autorestart or local.watcher.enable is off")
			return
		}
		if lived > settled {
			pause = firstPause
		}
		p, pause = u.restart(ctx, pause)
	}
}

// restart tries until the process is ready, with pauses that double. One that
// fails before it is ready, again and again, is given up: admin.md §4.4. It
// tells how long to wait before the next time.
func (u *unit) restart(ctx context.Context, pause time.Duration) (*running, time.Duration) {
	u.mu.Lock()
	u.restarts++
	n := u.restarts
	u.mu.Unlock()
	begun := time.Now()
	for failures := 1; ; failures++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, 0
		}
		pause = min(2*pause, lastPause)
		p, err := u.launch(ctx)
		switch {
		case err == nil:
			u.opt.Log.Warn("a process was restarted", "program", u.name, "pid", p.PID(), "restarts", n)
			return p, pause
		case ctx.Err() != nil:
			return nil, 0
		}
		u.opt.Log.Error("a process could not be restarted", "program", u.name, "err", err, "next", pause)
		if failures >= maxFailures && time.Since(begun) > u.opt.GiveUp {
			u.giveUp(err.Error())
			return nil, 0
		}
	}
}

func (u *unit) giveUp(why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.given = why
	u.opt.Log.Error("a process is given up", "program", u.name, "err", why)
}
