package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"factotum/cmd/internal/place"
	"factotum/notify/bus"
	"factotum/notify/ens"
	"factotum/notify/queue"
	"factotum/protocol/dwp"
	"factotum/server/acl"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/delivery"
	"factotum/server/service"
	"factotum/server/worker"
	"factotum/store/archive"
	"factotum/store/move"
	"factotum/store/sqlstore"
)

// storeService is csstored: it owns the database, answers the other roles of
// this process directly, and those of others over its socket.
type storeService struct {
	store     *sqlstore.Store
	keeper    *archive.Keeper // its backups
	pair      *pair           // this host as one of two
	gate      *move.Gate      // before all homes
	mover     *move.Mover     // homes that go to other hosts, or come from there
	disk      []*place.Report // what it stands on
	remote    []*dwp.Client   // the other back ends
	audit     *audit.Log      // nil: none is kept
	model     *service.Service
	jobs      *worker.Worker
	backend   calendar.Backend
	router    service.Notifier
	mail      *queue.Queue // nil: no mail is sent
	mailIn    mailIn
	bus       *bus.Bus       // nil: nothing is published
	publisher *ens.Publisher // of changes
	server    *dwp.Server
	log       *slog.Logger
	cancel    context.CancelFunc
	upkeep    sync.WaitGroup
	repairing sync.Mutex // a repair of time zones is under way
	errs      chan error
	release   []func()
}

// jobKinds are kinds of jobs besides those of scheduling, and who does them.
var jobKinds = map[string]func(*storeService) worker.Kind{}

func openStoreRole(ctx context.Context, p *process) (svc running, err error) {
	s := &storeService{log: p.logFor("store"), errs: make(chan error, 1)}
	people, err := p.people()
	if err != nil {
		return nil, err
	}
	if s.disk, err = lookBelow(ctx, p.cfg, s.log); err != nil {
		return nil, err
	}
	if s.pair, err = openPair(p.cfg, s.log, s.fail); err != nil {
		return nil, err
	}
	s.pair.opt.Partial = func(owner calendar.Owner) bool { return s.keeper.IsAway(owner) }
	if s.store, err = p.awaitDatabase(ctx, s.log, s.fail); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close(ctx)
		}
	}()
	opt, err := modelOptions(p.cfg, s.log)
	if err != nil {
		return nil, err
	}
	if p.cfg.CLD.Type == "directory" {
		opt.Serves = servesHere(p.cfg)
	}
	if err := s.pair.begin(ctx, s.store); err != nil {
		return nil, err
	}
	if s.pair.passive != nil {
		if err := s.openPassive(ctx, p, opt); err != nil {
			return nil, err
		}
		return s, nil
	}
	if st := s.pair.state; st.Active && st.Epoch > 1 {
		p.tellTakeOver("at "+st.Since.UTC().Format(time.DateTime), st.Since)
	}
	kept, err := s.keepBackups(ctx, p)
	if err != nil {
		return nil, err
	}
	if kept, err = s.follow(kept); err != nil {
		return nil, err
	}
	s.gate = move.NewGate(kept)
	counted := countedStore{s.gate, p.metrics, p.health}
	s.jobs = worker.New(counted, worker.Options{Log: s.log, Concurrency: 32, PerOwner: 4, Dropped: delivery.Dropped})
	opt.Outbox = s.jobs
	if p.cfg.Mails() {
		opt.Notices = service.NoticeOptions{Answers: p.cfg.Mail.Replies, ResourceAnswers: p.cfg.Mail.ResourceReplies, Invitations: p.cfg.Mail.Invitations, Cancellations: p.cfg.Mail.Cancellations, Held: p.cfg.IMIP.Notify, Hooks: true, Zones: true}
	}
	opt.Alarms = alarmOptions(p.cfg)
	if s.audit = auditLog(p.cfg); s.audit != nil && !p.cfg.Store.ReadOnly {
		opt.Derive = append(opt.Derive, audit.Derive)
		if err := s.auditConfiguration(p.cfg); err != nil { // such as on a full disk: calendars are read all the same
			s.log.Error("the configuration is not in the audit", "err", err)
		}
	}
	if opt.Committed, err = s.publishChanges(p); err != nil {
		return nil, err
	}
	opt.Committed = p.metrics.deleted(opt.Committed)
	tellers, err := newTellers(p.cfg)
	if err != nil {
		return nil, err
	}
	opt.Registrations = tellers.options(p.cfg)
	s.model = service.New(counted, people, opt)
	s.backend = s.model
	back := newReturns(p.cfg)
	router, _, remote, err := route(p.cfg, s.model, people, p.lists, s.log, back.note)
	s.remote = remote
	for _, c := range remote {
		s.release = append(s.release, func() { c.Close() })
	}
	if err != nil {
		return nil, err
	}
	s.router = router
	if err := s.openMoves(ctx, p, people, remote); err != nil {
		return nil, err
	}
	courier := &delivery.Courier{Model: s.model, Jobs: s.jobs, People: people, Backend: router, Pause: p.cfg.GSE.RetryInterval, Expires: p.cfg.GSE.RetryExpires}
	if courier.Mails = p.cfg.Mails(); courier.Mails {
		if err := s.sendMail(p, people); err != nil {
			return nil, err
		}
	} else {
		s.jobs.Handle(calendar.JobMail, worker.Kind{Run: noMail, Attempts: math.MaxInt, Blocks: true})
	}
	for name, kind := range courier.Kinds() {
		s.jobs.Handle(name, kind)
	}
	s.sendAlarms(p.cfg)
	s.jobs.Handle(calendar.JobShare, worker.Kind{Run: service.BringNote(router)})
	s.jobs.Handle(calendar.JobPublish, s.publishKind(p.cfg))
	tellers.tell(s, p)
	for name, kind := range jobKinds {
		s.jobs.Handle(name, kind(s))
	}
	if !p.cfg.Store.ReadOnly { // each outcome would be a write
		if err := s.jobs.Start(ctx); err != nil {
			return nil, err
		}
	}
	s.release = append(s.release, p.metrics.jobs(s.jobs), p.metrics.mail(s, p.cfg), p.metrics.alarms(s.model), p.metrics.gauge("factotum_cache_bytes", "Memory of the cache of calendars.",
		func() float64 { return float64(s.model.Cache().Size()) }))
	s.release = append(s.release, p.metrics.backups(s), p.metrics.standby(s), p.metrics.moves(s.mover))
	s.release = append(s.release, p.metrics.gauge("factotum_store_foreign_writes", "How often another program has written to the calendar store.",
		func() float64 { return float64(s.model.Cache().ForeignWrites()) }))

	ln, err := listenSocket(p.cfg.Store.Socket)
	if err != nil {
		return nil, err
	}
	s.server, err = dwp.NewServer(ln, countBackend(s.model, "socket", p.metrics), dwp.ServerOptions{Names: storeNames(p.cfg), Logger: s.log, Arrivals: s.mover,
		Twin: s.pair.twin(), TwinHost: s.pair.opt.Peer, Held: s.pair.held})
	if err != nil {
		ln.Close()
		return nil, err
	}
	go func() {
		if err := s.server.Serve(); err != nil {
			s.fail(err)
		}
	}()
	if err := s.takeMail(p, people, router); err != nil {
		s.server.Shutdown(ctx)
		return nil, err
	}
	s.mover.Start()
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.upkeep.Go(func() { s.maintain(run) })
	if s.pair.active != nil {
		s.upkeep.Go(func() { s.pair.active.Run(run) })
	}
	if sharedLease(p.cfg) > 0 {
		s.upkeep.Go(func() { s.watchLease(run, p.cfg.Standby.Peer()) })
	}
	if d := p.cfg.Deleted; d.Purge && !p.cfg.Store.ReadOnly {
		s.upkeep.Go(func() {
			for pauseFor(run, d.Interval) == nil {
				s.purgeDeletions(run)
			}
		})
	}
	s.upkeep.Go(func() { s.keeper.Run(run) })
	s.upkeep.Go(func() { s.watchBackups(run, p) })
	s.upkeep.Go(func() { s.followGroups(run, p.cfg.Group.Recheck) })
	if len(remote) > 0 {
		s.upkeep.Go(func() { s.askUse(run, remote) })
	}
	if !p.cfg.Store.ReadOnly {
		s.upkeep.Go(func() {
			s.followZones(run)
			s.planAlarms(run) // by the zones of now
		})
		back.each(func(host string, again <-chan struct{}) { s.upkeep.Go(func() { s.bringAgain(run, host, again) }) })
	}
	return s, nil
}

// openDatabase opens the store that ics.conf names, and makes it if need be.
// failed is told when it must be opened anew, by another process.
func openDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger, failed func(error)) (*sqlstore.Store, error) {
	opt := sqlstore.Options{LeaseTTL: sharedLease(cfg), Log: log, MaxConns: cfg.Store.MaxConns, Patience: cfg.Store.Patience, Failed: failed}
	if cfg.Store.Type == "postgres" {
		return sqlstore.OpenPostgres(ctx, cfg.Store.DSN.Reveal(), opt)
	}
	return sqlstore.OpenSQLite(ctx, cfg.Store.Path, opt)
}

// modelOptions are the model's part of the configuration.
func modelOptions(cfg *config.Config, log *slog.Logger) (service.Options, error) {
	l := &cfg.Limits
	opt := service.Options{
		Host: hostName(cfg), Version: versionString(),
		JournalAge: cfg.Journal.Age, JournalEntries: cfg.Journal.Entries, HistoryAge: cmp.Or(cfg.History.Age, -1), HistoryBytes: cfg.History.Bytes,
		DefaultTZID: cfg.Calstore.TimeZone, ShowPrivate: !cfg.Calstore.FilterPrivate, NoProvision: !cfg.Local.Autoprovision, KeepAnswers: !cfg.GSE.RefreshReplies,
		NoInvited: map[calendar.PersonKind]bool{calendar.Individual: !cfg.User.Autoprovision, calendar.Group: !cfg.Group.Autoprovision,
			calendar.Resource: !cfg.Resource.Autoprovision, calendar.Room: !cfg.Resource.Autoprovision},
		Limits: calendar.Limits{
			ObjectSize: int(l.ObjectSize), PlainMaxSize: int(l.ObjectSize), Attendees: l.Attendees, Exceptions: l.Exceptions, Instances: l.Instances,
			Results: l.Results, Calendars: l.Calendars, Refs: l.Hrefs, HomeBytes: l.Quota,
			AttachmentSize: int(cfg.WCAP.MaxAttachment), Attachments: cfg.WCAP.MaxAttachments,
		},
		Groups: service.GroupOptions{
			Never: !cfg.Group.Expand, Most: cfg.Calstore.GroupMaxSize, Keep: !cfg.Group.Follow,
			NoProvision: !cfg.Group.Autoprovision,
		},
		CacheBytes: cmp.Or(cacheBytes(processBytes(cfg)), -1), TombstoneAge: cfg.Deleted.TombstoneAge, InboxAge: cfg.Deleted.InboxAge, ReadOnly: cfg.Store.ReadOnly,
		Admission: admissionRules(cfg), PublicURL: publicURL(cfg), PublicRead: cfg.WCAP.LoginPublicRead, Logger: log,
		Lists: service.ListOptions{
			NotCounted: !cfg.Calstore.FreeBusyInclude, UncountAllowed: cfg.Calstore.FreeBusyRemove,
			NotSubscribed: !cfg.Calstore.SubscribedInclude, UnsubscribeAllowed: cfg.Calstore.SubscribedRemove,
		},
	}
	if cfg.Deleted.Purge { // the delete log is purged: nothing is kept for longer
		opt.TombstoneAge = min(opt.TombstoneAge, cfg.Deleted.Age)
	}
	for _, a := range []struct {
		param, text string
		to          *acl.List
	}{
		{"calstore.calendar.default.acl", cfg.Calstore.DefaultACL, &opt.DefaultACL},
		{"calstore.calendar.owner.acl", cfg.Calstore.OwnerACL, &opt.OwnerACL},
		{"resource.default.acl", cfg.Resource.DefaultACL, &opt.ResourceACL},
		{"group.default.acl", cfg.Group.DefaultACL, &opt.GroupACL},
	} {
		list, err := acl.Parse(a.text)
		if err != nil {
			return opt, fmt.Errorf("read %s: %w", a.param, err)
		}
		*a.to = list
	}
	return opt, nil
}

// servesHere tells who has his calendars on this host, as the CLD does.
func servesHere(cfg *config.Config) func(calendar.Person) bool {
	return func(p calendar.Person) bool {
		host := cmp.Or(p.Host, cfg.DWP.Default)
		return host == "" || strings.EqualFold(host, backEndName(cfg))
	}
}

// publicURL is what clients reach this server by, where ics.conf says so;
// else addresses in objects are paths.
func publicURL(cfg *config.Config) string {
	for _, v := range []struct{ scheme, url string }{{"https", cfg.HTTP.TLSSourceURL}, {"http", cfg.HTTP.SourceURL}} {
		if scheme, host := sourceURL(v.url); host != "" {
			return cmp.Or(scheme, v.scheme) + "://" + host
		}
	}
	return ""
}

// sourceURL takes a sourceurl apart, which is a host and port, or a URL.
func sourceURL(v string) (scheme, host string) {
	v = strings.TrimSpace(v)
	if before, after, ok := strings.Cut(v, "://"); ok {
		scheme, v = strings.ToLower(before), after
	}
	host, _, _ = strings.Cut(v, "/")
	return scheme, host
}

// publicHosts are the names that clients reach this server by, where ics.conf
// says so.
func publicHosts(cfg *config.Config) (hosts []string) {
	for _, v := range []string{cfg.HTTP.TLSSourceURL, cfg.HTTP.SourceURL} {
		if _, host := sourceURL(v); host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// listenSocket makes a unix socket that only this user can open. One left
// behind by a crash is replaced; the caller holds the lock that says that
// nobody serves it.
func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the socket's directory: %w", err)
	}
	name, err := socketPath(path)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("protect the socket %s: %w", path, err)
	}
	return ln, nil
}

// maintain does the upkeep: hourly what the engine wants, and daily the
// deletions that are older than sync needs to know.
func (s *storeService) maintain(ctx context.Context) {
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-hour.C:
		}
		if err := s.store.Maintain(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("maintain the store", "err", err)
		}
		if n%24 != 0 { // in the first hour too: a process may not live for a day
			continue
		}
		s.purgeDeletions(ctx)
	}
}

// purgeDeletions forgets deletions that are old enough: the delete log. admin.md §10.
func (s *storeService) purgeDeletions(ctx context.Context) {
	gone, err := s.model.PurgeAll(ctx)
	if err != nil && ctx.Err() == nil && calendar.KindOf(err) != calendar.ReadOnly {
		s.log.Error("purge deletions", "err", err)
	} else if gone > 0 {
		s.log.Info("deletions purged", "n", gone)
	}
}

func (s *storeService) failed() <-chan error { return s.errs }

// fail ends the role: one reason is enough.
func (s *storeService) fail(err error) {
	select {
	case s.errs <- err:
	default:
	}
}

// check tells whether the store can serve. It does not ask every node of a
// distributed database, of which one may be away.
func (s *storeService) check(ctx context.Context) error {
	if err := s.store.Health().Err; err != nil {
		return err
	}
	if err := s.pair.held(); err != nil {
		return err
	}
	_, err := s.model.Ping(ctx)
	return err
}

// alive tells whether a new start would help: not where PostgreSQL is away.
func (s *storeService) alive(ctx context.Context) bool {
	return s.store.Health().Err != nil || s.pair.held() != nil || s.check(ctx) == nil
}

func (s *storeService) stop(ctx context.Context) {
	s.cancel()
	s.mailIn.stop(ctx)
	if s.mover != nil {
		s.mover.Stop()
	}
	s.server.Shutdown(ctx)
	s.upkeep.Wait()
	s.close(ctx)
}

// close lets jobs under way come to their end and closes the store.
func (s *storeService) close(ctx context.Context) {
	if s.jobs != nil {
		if err := s.jobs.Stop(ctx); err != nil {
			s.log.Error("stop the jobs", "err", err)
		}
	}
	s.endPublishing(ctx)
	for _, f := range s.release {
		f()
	}
	if s.pair != nil {
		s.pair.peer.close()
		s.pair.witness.close()
	}
	if s.keeper != nil {
		s.keeper.Close()
	}
	if err := s.store.Close(); err != nil {
		s.log.Error("close the store", "err", err)
	}
}
