package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/cmd/internal/watcher"
	"factotum/notify/bus"
	"factotum/notify/operator"
	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/config"
	"factotum/server/directory"
)

// process runs roles: all of a host, or one. What they share is here.
type process struct {
	name    string // calserver, or the program of its only role
	cfg     *config.Config
	logs    *logs
	log     *slog.Logger
	metrics *metrics
	memory  *memory
	lists   *cld.Lists // that back ends in other processes told
	started time.Time
	pid     *pidFile
	admin   *adminServer
	// reportReady tells who has started the process that it is up, once; nil: nobody waits.
	reportReady func()
	// httpListener is where cshttpd serves first, opened before; nil: where
	// ics.conf says.
	httpListener net.Listener

	up      atomic.Bool // all roles were started
	ending  atomic.Bool
	health  *health
	alarms  *operator.Mailer // nil: the administrator is not mailed
	telling sync.WaitGroup   // of alarms: what was told is kept before the process ends
	watched *watched
	mu      sync.Mutex
	dir     *directory.Directory
	running map[string]*runningRole // by component
	ensMu   sync.Mutex              // of ens; taken before mu
	ens     *bus.Bus
	failure chan error
}

type runningRole struct {
	*role
	running
	log   *slog.Logger
	since time.Time
	over  chan struct{} // closed when it is stopped
}

// newProcess takes the name's pid file, opens the logs and the admin socket.
func newProcess(cfg *config.Config, name string, lg *logs) (p *process, err error) {
	p = &process{name: name, cfg: cfg, logs: lg, metrics: newMetrics(name), started: time.Now(),
		lists: cld.NewLists(listBytes(cfg, name)), running: map[string]*runningRole{}, failure: make(chan error, 8)}
	if p.log, err = lg.named(name, cfg.Log.Admin); err != nil {
		return nil, err
	}
	if p.pid, err = takePID(cfg, name); err != nil {
		return nil, err
	}
	p.health, p.alarms = newHealth(p), openAlarms(p)
	p.watched = newWatched(p.alarms)
	p.metrics.reg.MustRegister(p.watched)
	if p.admin, err = openAdmin(p); err != nil {
		p.pid.release()
		return nil, err
	}
	p.memory = newMemory(cfg, name, p.heldByCache)
	p.admin.serve()
	return p, nil
}

// people opens the directory at its first use.
func (p *process) people() (*directory.Directory, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == nil {
		dir, err := openDirectory(p.cfg, p.log)
		if err != nil {
			return nil, fmt.Errorf("open the directory: %w", err)
		}
		p.dir = dir
	}
	return p.dir, nil
}

// local returns the back end of this host: csstored in this process, or
// through its socket. close ends what was opened for it.
func (p *process) local(ctx context.Context, log *slog.Logger) (be calendar.Backend, close func(), err error) {
	p.mu.Lock()
	r := p.running["store"]
	p.mu.Unlock()
	if r != nil {
		return r.running.(*storeService).backend, func() {}, nil
	}
	c, err := openStore(ctx, p.cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return p.lists.Of(c), func() { c.Close() }, nil
}

// start starts a role, unless it runs. Where csstored, in another process, finds at its start that the other
// of two hosts serves, it begins anew, and is away for a moment: that is waited for.
func (p *process) start(ctx context.Context, r *role) error {
	end := time.Now().Add(storeAnew)
	for {
		err := p.startOnce(ctx, r)
		if err == nil || p.cfg.Standby.Peer() == "" || !r.usesStore(p.cfg) || p.storeAnswers() && calendar.KindOf(err) != calendar.Unavailable || time.Now().After(end) || pauseFor(ctx, 200*time.Millisecond) != nil {
			return err
		}
	}
}

// storeAnew is how long csstored may take to begin anew.
const storeAnew = 30 * time.Second

func (p *process) startOnce(ctx context.Context, r *role) error {
	p.mu.Lock()
	_, there := p.running[r.component]
	p.mu.Unlock()
	if there {
		return nil
	}
	if r.usesStore(p.cfg) && !p.storeAnswers() {
		return watcher.NoStore(r.program)
	}
	log, err := p.logs.named(r.program, r.logName(p.cfg))
	if err != nil {
		return err
	}
	svc, err := r.open(ctx, p)
	if err != nil {
		return &startError{r.program, err}
	}
	run := &runningRole{role: r, running: svc, log: log, since: time.Now(), over: make(chan struct{})}
	p.mu.Lock()
	p.running[r.component] = run
	p.mu.Unlock()
	notice(log, "started", "version", versionString())
	go func() {
		select {
		case err := <-svc.failed():
			p.failure <- fmt.Errorf("%s: %w", r.program, err)
		case <-run.over:
		}
	}()
	return nil
}

// startError says which role did not start.
type startError struct {
	program string
	err     error
}

func (e *startError) Error() string { return e.program + " did not start: " + plain.Error(e.err) }
func (e *startError) Plain() string { return e.Error() }
func (e *startError) Unwrap() error { return e.err }

// storeAnswers tells whether csstored runs, here or in another process.
func (p *process) storeAnswers() bool {
	p.mu.Lock()
	_, here := p.running["store"]
	p.mu.Unlock()
	if here {
		return true
	}
	for _, name := range []string{"csstored", "calserver"} {
		if pid, err := runningPID(p.cfg, name); err == nil && pid != 0 && name != p.name {
			return true
		}
	}
	return false
}

// logFor is the log of a role.
func (p *process) logFor(r string) *slog.Logger {
	role, _ := findRole(r)
	log, err := p.logs.named(role.program, role.logName(p.cfg))
	if err != nil {
		return p.log
	}
	return log
}

// stop stops roles in the reverse order, and with csstored all that need it.
func (p *process) stop(ctx context.Context, which []*role) {
	if slices.ContainsFunc(which, func(r *role) bool { return r.component == "store" }) {
		for i := range roles {
			if roles[i].usesStore(p.cfg) {
				which = append(which, &roles[i])
			}
		}
	}
	for i := len(roles) - 1; i >= 0; i-- {
		r := &roles[i]
		if !slices.Contains(which, r) {
			continue
		}
		p.mu.Lock()
		run := p.running[r.component]
		delete(p.running, r.component)
		p.mu.Unlock()
		if run != nil {
			close(run.over)
			run.stop(ctx)
			notice(run.log, "stopped")
		}
	}
}

// close stops everything.
func (p *process) close(ctx context.Context) {
	var all, broker []*role
	for i := range roles {
		if roles[i].component == "ens" {
			broker = append(broker, &roles[i])
			continue
		}
		all = append(all, &roles[i])
	}
	p.stop(ctx, all)
	if p.ens != nil {
		p.ens.Close(ctx)
	}
	p.stop(ctx, broker)
	p.telling.Wait()
	p.admin.close(ctx)
	if p.dir != nil {
		p.dir.Close()
	}
	p.pid.release()
	p.logs.close()
}

// signals ends ctx at SIGINT and SIGTERM. A second signal ends the program at
// once.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-c:
			cancel()
			<-c
			os.Exit(130)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(c); cancel() }
}

// run serves until ctx ends or a role fails, and drains then. ready is called
// when all roles are up.
func (p *process) run(ctx context.Context, which []*role, ready func()) error {
	watch, stop := context.WithCancel(ctx)
	defer stop()
	err := p.startAll(ctx, which)
	if err == nil {
		p.up.Store(true)
		sdNotify("READY=1", "STATUS=serving")
		go p.giveBack(watch)
		go p.memory.keep(watch)
		go p.health.run(watch)
		p.telling.Go(func() { p.alarms.Run(watch) })
		go p.watchHost(watch)
		go sdWatchdog(watch, func() bool { return p.alive(watch) })
		if ready != nil {
			ready()
		}
		select {
		case <-ctx.Done():
		case err = <-p.failure:
			if !beginsAnew(err) {
				p.log.Error("a role failed", "err", plain.Error(err))
			}
		}
	}
	p.ending.Store(true)
	long := min(p.cfg.HTTP.DrainTimeout+5*time.Second, p.cfg.Admin.StopTime)
	if beginsAnew(err) {
		notice(p.log, "all begins anew", "reason", err.Error())
		long = min(long, anewDrain)
	} else {
		sdNotify("STOPPING=1")
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), long)
	defer cancel()
	stop()
	p.close(drain)
	return err
}

func (p *process) startAll(ctx context.Context, which []*role) error {
	for _, r := range which {
		if err := p.start(ctx, r); err != nil {
			p.log.Error("not started", "err", plain.Error(err))
			p.log.Debug("not started", "cause", err)
			return err
		}
	}
	return nil
}

// ready tells whether the roles of this process can work: not before all of
// them are there.
func (p *process) ready(ctx context.Context) error {
	if !p.up.Load() {
		return errors.New("still starting")
	}
	p.mu.Lock()
	run := make([]*runningRole, 0, len(p.running))
	for _, r := range p.running {
		run = append(run, r)
	}
	p.mu.Unlock()
	for _, r := range run {
		if c, ok := r.running.(interface{ check(context.Context) error }); ok {
			if err := c.check(ctx); err != nil {
				return notReady(r.program+": "+plain.Error(err), calendar.MessageOf(err))
			}
		}
	}
	return p.health.ready()
}

// notReady says why, to the administrator and to everybody.
func notReady(why, public string) error {
	return &calendar.Error{Kind: calendar.Unavailable, Op: "look whether all is ready", Msg: public, Err: errors.New(why)}
}

// reason is what notReady tells the administrator.
func reason(err error) string {
	if e, ok := err.(*calendar.Error); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// closing tells whether the process is on its way down.
func (p *process) closing() bool { return p.ending.Load() }

// alive tells whether what this process itself does still works: other hosts
// that do not answer are no reason to restart it.
func (p *process) alive(ctx context.Context) bool {
	p.mu.Lock()
	r := p.running["store"]
	p.mu.Unlock()
	if r == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return r.running.(*storeService).alive(ctx)
}

// giveBack returns memory to the system after the start, and whenever nothing
// was asked for a while after something was: checking a password alone takes
// 19 MiB for a moment.
func (p *process) giveBack(ctx context.Context) {
	t := time.NewTicker(20 * time.Second)
	defer t.Stop()
	debug.FreeOSMemory()
	for last, freed := int64(0), int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := p.metrics.busy.Load()
		if now == last && now != freed {
			debug.FreeOSMemory()
			freed = now
		}
		last = now
	}
}
