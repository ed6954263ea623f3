package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/service"
	"factotum/server/worker"
	"factotum/store/archive"
	"factotum/store/move"
	"factotum/store/sqlstore"
	"factotum/store/standby"
)

// errAnew ends a process that begins anew at once: this host serves now, or does not any more.
type errAnew struct{ error }

func (e *errAnew) Unwrap() error { return e.error }

// anewDrain is how long what is under way may take then: it is refused anyhow.
const anewDrain = 2 * time.Second

func beginsAnew(err error) bool {
	var anew *errAnew
	return errors.As(err, &anew)
}

// backEndName is the name that the calendars of this host are found under: its own, or that of the
// host that it stands by for.
func backEndName(cfg *config.Config) string { return cmp.Or(cfg.Standby.Of, hostName(cfg)) }

// pair is this host as one of two with the same calendars. The zero value is a host that is alone.
type pair struct {
	state   standby.State
	opt     standby.Options
	active  *standby.Active  // nil: this host does not serve
	passive *standby.Passive // nil: it does
	peer    otherHost
	witness otherHost
}

// databaseFile is where SQLite has the calendars.
func databaseFile(cfg *config.Config) string {
	if strings.HasSuffix(cfg.Store.Path, ".db") {
		return cfg.Store.Path
	}
	return filepath.Join(cfg.Store.Path, "calendar.db")
}

// openPair finds out whether this host serves, before its database is opened. A database of an epoch that is
// over is put aside.
func openPair(cfg *config.Config, log *slog.Logger, over func(error)) (*pair, error) {
	p := &pair{}
	if cfg.Standby.Peer() == "" || cfg.Store.Type == "postgres" { // there the lease is in the database
		return p, nil
	}
	dir := filepath.Dir(databaseFile(cfg))
	state, there, err := standby.ReadState(dir)
	if err != nil {
		return nil, err
	}
	if !there {
		state = standby.State{Epoch: 1, Active: cfg.Standby.Host != ""}
	}
	if state.Aside {
		name, err := standby.PutAside(databaseFile(cfg), state)
		if err != nil {
			return nil, err
		}
		if state.Aside = false; name != "" {
			log.Warn("the database of this host was put aside, since the other one has taken over: what that has not got is in it", "file", name)
		}
	}
	p.state, p.peer = state, otherHost{cfg: cfg, log: log, at: twinOf(cfg, cfg.Standby.Peer())}
	p.opt = standby.Options{Host: hostName(cfg), Peer: cfg.Standby.Peer(), Dir: dir, Sync: cfg.Standby.Sync, Log: log,
		Pair: strings.ToLower(backEndName(cfg)),
		Dial: func() (calendar.Twin, error) { return p.peer.dial() }, DialWitness: func() (calendar.WitnessHost, error) { return p.witness.dial() },
		Over: func(err error) { over(&errAnew{err}) }}
	if cfg.Standby.Witness != "" {
		p.witness = otherHost{cfg: cfg, log: log, at: witnessOf(cfg)}
		p.opt.Witness = p.witness.at.Host
	}
	return p, nil
}

// standsBy tells whether the database of this host follows that of another, running or not.
func standsBy(cfg *config.Config) (bool, error) {
	if cfg.Standby.Peer() == "" || cfg.Store.Type == "postgres" {
		return false, nil
	}
	state, there, err := standby.ReadState(filepath.Dir(databaseFile(cfg)))
	return err == nil && (there && !state.Active || !there && cfg.Standby.Of != ""), err
}

// begin makes this host one of two. It refuses to make a standby of a host that has calendars of its own.
func (p *pair) begin(ctx context.Context, s *sqlstore.Store) error {
	if p.opt.Peer == "" {
		return nil
	}
	p.opt.Store, p.opt.Kept, p.opt.Keep = s, zonePieces(s), keepZones(s)
	if p.state.Active {
		p.active = standby.NewActive(p.state, p.opt)
		return nil
	}
	if p.state.Since.IsZero() { // it has never been one
		if list, err := s.Owners(ctx, "", 1); err != nil {
			return err
		} else if len(list) > 0 {
			return fmt.Errorf("factotum.standby.of makes this host a standby of %s, and it has calendars of its own, such as of %s: move them elsewhere (csmove) and take the database away", p.opt.Peer, list[0])
		}
		p.state.Since = time.Now()
		if err := p.state.Write(p.opt.Dir); err != nil {
			return err
		}
	}
	p.passive = standby.NewPassive(p.state, p.opt)
	return nil
}

// held is nil where this host serves.
func (p *pair) held() error {
	switch {
	case p.active != nil:
		return p.active.Held()
	case p.passive != nil:
		return p.passive.Held()
	}
	return nil
}

// twin answers the other host; nil where there is none.
func (p *pair) twin() calendar.Twin {
	switch {
	case p.active != nil:
		return p.active
	case p.passive != nil:
		return p.passive
	}
	return nil
}

// otherHost is the link to the other host, or to the witness.
type otherHost struct {
	cfg *config.Config
	log *slog.Logger
	at  config.BackEnd

	mu     sync.Mutex
	client *dwp.Client
}

func (h *otherHost) dial() (*dwp.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client == nil {
		c, err := dialBackEnd(h.cfg, h.at, h.log, nil)
		if err != nil {
			return nil, err
		}
		h.client = c
	}
	return h.client, nil
}

func (h *otherHost) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.client != nil {
		h.client.Close()
	}
}

// witnessOf says how the witness is reached.
func witnessOf(cfg *config.Config) config.BackEnd {
	host, port := cfg.Standby.WitnessAt()
	b := twinOf(cfg, host)
	b.Port = port
	return b
}

// pairOf tells which two hosts have the calendars that are found under a name, as ics.conf says.
func pairOf(cfg *config.Config) func(name string) []string {
	return func(name string) []string {
		for _, b := range cfg.DWP.BackEnds {
			if b.Standby != "" && strings.EqualFold(b.Host, name) {
				return []string{b.Host, b.Standby}
			}
		}
		return nil
	}
}

// twinOf says how the other host is reached: as this one is, where ics.conf does not say otherwise.
func twinOf(cfg *config.Config, host string) config.BackEnd {
	b := config.BackEnd{Host: host, Port: cfg.DWP.Port, Admin: cfg.DWP.Admin, Cred: cfg.DWP.Cred}
	for _, known := range cfg.DWP.BackEnds {
		if strings.EqualFold(known.Host, host) || strings.EqualFold(known.Standby, host) {
			b = known
		}
	}
	b.Host, b.Standby = host, ""
	return b
}

// heldStore is a store that answers only while this host serves.
type heldStore struct {
	calendar.Store
	held func() error
}

func (s *heldStore) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if err := s.held(); err != nil {
		return err
	}
	return s.Store.View(ctx, owner, fn)
}

func (s *heldStore) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if err := s.held(); err != nil {
		return err
	}
	return s.Store.Update(ctx, owner, fn)
}

func (s *heldStore) Held() error { return errors.Join(s.held(), s.Store.Held()) }

// follow has what is written go to the standby.
func (s *storeService) follow(kept calendar.Store) (calendar.Store, error) {
	a := s.pair.active
	if a == nil {
		return kept, nil
	}
	if !s.store.BeforeCommit(a.Before) {
		return nil, errors.New("this database cannot be followed by a standby")
	}
	s.keeper.Ships()
	s.keeper.Complete(a.Settle)
	return &heldStore{kept, a.Held}, nil
}

// openPassive opens the role of a host that does not serve: it takes what the other sends,
// and answers everybody else that it is the standby. No job runs, no mail goes out, no backup is made.
func (s *storeService) openPassive(ctx context.Context, p *process, opt service.Options) (err error) {
	if s.keeper, err = archive.Open(ctx, s.store, archive.Options{Host: hostName(p.cfg), Log: s.log}); err != nil {
		return err
	}
	s.gate = move.NewGate(&heldStore{s.store, s.pair.passive.Held})
	s.jobs = worker.New(s.gate, worker.Options{Log: s.log})
	opt.ReadOnly = true
	people, err := p.people()
	if err != nil {
		return err
	}
	s.model = service.New(s.gate, people, opt)
	s.backend, s.router = s.model, s.model
	s.release = append(s.release, p.metrics.standby(s))
	ln, err := listenSocket(p.cfg.Store.Socket)
	if err != nil {
		return err
	}
	s.server, err = dwp.NewServer(ln, countBackend(s.model, "socket", p.metrics), dwp.ServerOptions{Names: storeNames(p.cfg), Logger: s.log, Twin: s.pair.twin(), TwinHost: s.pair.opt.Peer, Held: s.pair.held})
	if err != nil {
		ln.Close()
		return err
	}
	go func() {
		if err := s.server.Serve(); err != nil {
			s.fail(err)
		}
	}()
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.upkeep.Go(func() { s.pair.passive.Run(run) })
	s.upkeep.Go(func() {
		for pauseFor(run, time.Hour) == nil {
			if err := s.store.Maintain(run); err != nil && run.Err() == nil {
				s.log.Error("maintain the store", "err", err)
			}
		}
	})
	notice(s.log, "standby", "of", s.pair.opt.Peer, "epoch", s.pair.state.Epoch)
	return nil
}

// storeNames are the names that csstored goes by.
func storeNames(cfg *config.Config) []string { return []string{hostName(cfg)} }

// twin is who answers the other host: csstored, in this process or by its socket.
func (p *process) twin(ctx context.Context, log *slog.Logger) (twin calendar.Twin, held func() error, closing func(), err error) {
	if p.cfg.Standby.Peer() == "" {
		return nil, nil, func() {}, nil
	}
	p.mu.Lock()
	r := p.running["store"]
	p.mu.Unlock()
	if r != nil {
		pair := r.running.(*storeService).pair
		return pair.twin(), pair.held, func() {}, nil
	}
	c, err := openStore(ctx, p.cfg, log)
	if err != nil {
		return nil, nil, nil, err
	}
	return c, nil, func() { c.Close() }, nil
}

// noArrivals refuses homes: this host is a standby.
type noArrivals struct{ held func() error }

func (n noArrivals) Arrive(context.Context, calendar.Actor, calendar.ArriveRequest) (calendar.ArriveAnswer, error) {
	return calendar.ArriveAnswer{}, n.held()
}

// sharedLeaseTTL is how long one of two hosts that share a database has it after it was heard of last.
const sharedLeaseTTL = 9 * time.Second

func sharedLease(cfg *config.Config) time.Duration {
	if cfg.Standby.Peer() == "" {
		return 0
	}
	return sharedLeaseTTL
}

// awaitDatabase opens the database. Of two hosts that share one in PostgreSQL the second waits until the
// first has lost its lease: it is up, and does not serve.
func (p *process) awaitDatabase(ctx context.Context, log *slog.Logger, failed func(error)) (*sqlstore.Store, error) {
	if p.cfg.Standby.Peer() == "" || p.cfg.Store.Type != "postgres" {
		return openDatabase(ctx, p.cfg, log, failed)
	}
	told := false
	for {
		s, err := openDatabase(ctx, p.cfg, log, func(err error) { failed(&errAnew{err}) })
		if err == nil && told {
			p.tellTakeOver("at "+time.Now().UTC().Format(time.DateTime), time.Now())
		}
		if calendar.ReasonOf(err) != calendar.NotActive {
			return s, err
		}
		if !told {
			told = true
			notice(log, "standby", "of", p.cfg.Standby.Peer(), "reason", calendar.MessageOf(err))
			sdNotify("READY=1", "STATUS=standby of "+p.cfg.Standby.Peer())
			if p.reportReady != nil {
				p.reportReady()
			}
			go sdWatchdog(ctx, func() bool { return !p.up.Load() }) // until the process does so itself
		}
		if err := pauseFor(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// watchLease has this host wait for its turn when the other one has taken the lease.
func (s *storeService) watchLease(ctx context.Context, peer string) {
	for pauseFor(ctx, 500*time.Millisecond) == nil {
		if s.store.Health().Taken {
			s.fail(&errAnew{fmt.Errorf("another host, %s, has taken the lease in the database", peer)})
			return
		}
	}
}
