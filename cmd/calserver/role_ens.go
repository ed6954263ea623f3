package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"factotum/notify/broker"
	"factotum/notify/bus"
	"factotum/notify/ens"
	"factotum/protocol/caldav"
	"factotum/protocol/events"
	"factotum/protocol/front"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/session"
	"factotum/server/worker"
)

// ensService is enpd: the broker of the event notification service.
type ensService struct {
	broker  *broker.Broker
	address string // the file that tells processes of this host where it listens
	errs    chan error
	release []func()
}

// ensHere tells whether the broker belongs to this host.
func ensHere(cfg *config.Config) bool {
	return cfg.ENS.NATS == "" && (ensLoopback(cfg) || strings.EqualFold(cfg.ENS.Host, hostName(cfg)) || ownAddress(cfg.ENS.Host))
}

// ensUsed tells whether there is an event notification service for this host.
func ensUsed(cfg *config.Config) bool {
	return cfg.ENS.Enable || !ensHere(cfg)
}

func ensLoopback(cfg *config.Config) bool {
	a, err := netip.ParseAddr(cfg.ENS.Host)
	return strings.EqualFold(cfg.ENS.Host, "localhost") || err == nil && a.IsLoopback()
}

// ownAddress tells whether an address is one of this host's.
func ownAddress(s string) bool {
	ip := net.ParseIP(s)
	addrs, err := net.InterfaceAddrs()
	if ip == nil || err != nil {
		return false
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}

func ensDir(cfg *config.Config) string { return filepath.Join(cfg.Data, "ens") }

// ensAddress is the file that has the address of this host's enpd.
func ensAddress(cfg *config.Config) string { return filepath.Join(ensDir(cfg), "address") }

// ensSecret is what enpd is shown: that of ics.conf, else that of this host.
func ensSecret(cfg *config.Config) (string, error) {
	if cfg.ENS.Secret != "" {
		return cfg.ENS.Secret.Reveal(), nil
	}
	if !ensHere(cfg) {
		return "", errors.New("service.ens.host is another host: set factotum.ens.secret on both, to the same")
	}
	return broker.Secret(ensDir(cfg))
}

func openENSRole(_ context.Context, p *process) (running, error) {
	cfg, log := p.cfg, p.logFor("ens")
	if !ensHere(cfg) {
		return nil, fmt.Errorf("service.ens.host is %s, which is another host, or factotum.ens.nats is set: enpd does not belong here", cfg.ENS.Host)
	}
	opt := broker.Options{Name: hostName(cfg), Host: cfg.ENS.Host, Port: cfg.ENS.Port, Dir: filepath.Join(ensDir(cfg), "store"),
		Store: ensStore(cfg), Log: log}
	if ensLoopback(cfg) && opt.Host == "localhost" {
		opt.Host = "127.0.0.1"
	}
	var err error
	if opt.Secret, err = ensSecret(cfg); err != nil {
		return nil, err
	}
	if !ensLoopback(cfg) {
		if cfg.ENS.Secret == "" || dwpFiles(cfg) == nil {
			return nil, fmt.Errorf("service.ens.host is %s, so that others reach enpd: set factotum.ens.secret, and service.dwp.ssl.certfile, keyfile and cafile", cfg.ENS.Host)
		}
		get, err := front.Certificate(cfg.DWP.CertFile, cfg.DWP.KeyFile, log)
		if err != nil {
			return nil, fmt.Errorf("certificate of enpd: %w", err)
		}
		opt.TLS = &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12}
	}
	s := &ensService{address: ensAddress(cfg), errs: make(chan error, 1)}
	if s.broker, err = broker.Start(opt); err != nil && cfg.Source("service.ens.port") == "" && ensLoopback(cfg) {
		log.Info("enpd takes any free port, for the processes of this host; choose one in service.ens.port", "err", err)
		opt.Port = 0
		s.broker, err = broker.Start(opt)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: see service.ens.host and service.ens.port", err)
	}
	addr := s.broker.Addr().String()
	if err := replaceFile(s.address, []byte(addr+"\n")); err != nil {
		s.broker.Stop()
		return nil, fmt.Errorf("write where enpd listens: %w", err)
	}
	for name, g := range map[string]struct {
		help  string
		value func(broker.Stat) float64
	}{
		"connections":         {"Publishers and subscribers that are connected to enpd.", func(st broker.Stat) float64 { return float64(st.Connections) }},
		"kept_publications":   {"Reliable publications that enpd keeps for a subscriber.", func(st broker.Stat) float64 { return float64(st.Kept) }},
		"kept_bytes":          {"Octets of those.", func(st broker.Stat) float64 { return float64(st.KeptBytes) }},
		"slow_subscribers":    {"Connections that enpd has ended since they were too slow.", func(st broker.Stat) float64 { return float64(st.Slow) }},
		"reliable_consumers":  {"Durable consumers that enpd knows.", func(st broker.Stat) float64 { return float64(st.Consumers) }},
		"broker_subscription": {"Subscriptions at enpd.", func(st broker.Stat) float64 { return float64(st.Subscriptions) }},
	} {
		s.release = append(s.release, p.metrics.gauge("factotum_ens_"+name, g.help, func() float64 { return g.value(s.broker.Stat()) }))
	}
	notice(log, "listening", "addr", addr)
	return s, nil
}

// replaceFile writes a file that only this user reads, all at once.
func replaceFile(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func ensStore(cfg *config.Config) bus.StoreLimits {
	return bus.StoreLimits{Age: cfg.ENS.Keep, Bytes: cfg.ENS.KeepBytes}
}

func (s *ensService) failed() <-chan error { return s.errs }

func (s *ensService) check(context.Context) error { return s.broker.Err() }

func (s *ensService) stop(context.Context) {
	for _, f := range s.release {
		f()
	}
	os.Remove(s.address)
	s.broker.Stop()
}

// hostBroker is a way to the enpd of this host, for processes of it.
type hostBroker struct{ cfg *config.Config }

// InProcessConn connects to where enpd says that it listens.
func (h hostBroker) InProcessConn() (net.Conn, error) {
	addr, err := os.ReadFile(ensAddress(h.cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("enpd is not running")
	}
	if err != nil {
		return nil, fmt.Errorf("find enpd: %w", err)
	}
	c, err := net.DialTimeout("tcp", strings.TrimSpace(string(addr)), 2*time.Second)
	if err != nil {
		return nil, fmt.Errorf("reach enpd: %w", err)
	}
	return c, nil
}

// InProcessConn connects to the enpd of this process, else to that of the host.
func (p *process) InProcessConn() (net.Conn, error) {
	p.mu.Lock()
	r := p.running["ens"]
	p.mu.Unlock()
	if r != nil {
		return r.running.(*ensService).broker.InProcessConn()
	}
	if p.name == "calserver" {
		return nil, errors.New("enpd is not running")
	}
	return hostBroker{p.cfg}.InProcessConn()
}

// ensOptions say how processes of this host reach the event notification service.
func ensOptions(cfg *config.Config, log *slog.Logger) (opt bus.Options, err error) {
	opt = bus.Options{Store: ensStore(cfg), Log: log, URL: cfg.ENS.NATS.Reveal()}
	if opt.URL != "" {
		if cfg.ENS.CAFile != "" && strings.Contains(opt.URL, "tls://") {
			opt.TLS, err = ensTLS(cfg)
		}
		return opt, err
	}
	opt.URL, opt.User = "nats://"+net.JoinHostPort(cfg.ENS.Host, strconv.Itoa(cfg.ENS.Port)), broker.User
	if opt.Password, err = ensSecret(cfg); err != nil {
		return opt, err
	}
	if ensHere(cfg) {
		opt.InProcess = hostBroker{cfg}
	}
	if !ensLoopback(cfg) {
		if opt.TLS, err = ensTLS(cfg); err == nil {
			opt.TLS.ServerName = cfg.ENS.Host
		}
	}
	return opt, err
}

// ensTLS is how clients find out that the broker is the one meant.
func ensTLS(cfg *config.Config) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.ENS.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(cfg.ENS.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority of the broker's certificate: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the authority of the broker's certificate: %s has no certificate in PEM: see factotum.ens.cafile", cfg.ENS.CAFile)
	}
	return c, nil
}

// bus is this process's connection to the event notification service, opened at its
// first use; nil where there is none.
func (p *process) bus() (*bus.Bus, error) {
	if !ensUsed(p.cfg) {
		return nil, nil
	}
	p.ensMu.Lock()
	defer p.ensMu.Unlock()
	if p.ens != nil {
		return p.ens, nil
	}
	opt, err := ensOptions(p.cfg, p.log)
	if err != nil {
		return nil, err
	}
	opt.Name, opt.Up = p.name, p.broughtUp
	if opt.InProcess != nil {
		opt.InProcess = p
		if p.name == "calserver" {
			opt.TLS = nil // nothing leaves the process
		}
	}
	if p.ens, err = bus.Connect(opt); err != nil {
		return nil, err
	}
	b := p.ens
	for name, g := range map[string]struct {
		help  string
		value func(bus.Stat) float64
	}{
		"connected":          {"1 while the event notification service answers.", func(st bus.Stat) float64 { return oneIf(st.Connected) }},
		"published":          {"Ordinary publications that went to the broker.", func(st bus.Stat) float64 { return float64(st.Published) }},
		"published_reliably": {"Publications that the broker has stored.", func(st bus.Stat) float64 { return float64(st.Stored) }},
		"lost":               {"Ordinary publications that the broker did not get, since it was away or too slow.", func(st bus.Stat) float64 { return float64(st.Lost) }},
		"missed":             {"Publications that subscribers of this process were too slow for.", func(st bus.Stat) float64 { return float64(st.Missed) }},
	} {
		p.metrics.gauge("factotum_ens_"+name, g.help, func() float64 { return g.value(b.Stat()) })
	}
	return p.ens, nil
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// broughtUp is called when the broker is there, or back. Publications that wait for
// it are tried at once; and who watches is told that some may be missing.
func (p *process) broughtUp() {
	b, err := p.bus()
	if err != nil || b == nil {
		return
	}
	p.mu.Lock()
	store, http := p.running["store"], p.running["http"]
	p.mu.Unlock()
	if http != nil && http.running.(*httpService).events != nil {
		http.running.(*httpService).events.Resync()
	}
	if store == nil {
		return
	}
	s := store.running.(*storeService)
	b.Publish(context.Background(), ens.Resumed())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := s.jobs.Hasten(ctx, worker.Filter{Kinds: []string{calendar.JobPublish}}); err != nil {
		s.log.Error("try publications again", "err", err)
	}
}

// tellEvents has the feed of changes told to who watches.
func (s *httpService) tellEvents(p *process) error {
	b, err := p.bus()
	if err != nil || b == nil {
		return err
	}
	h := events.New(events.Options{Backend: s.backend, Login: s.login(p, "events"), Href: caldav.Href, Up: func() bool { return b.Err() == nil }, Logger: s.log})
	var missed int64
	sub, err := b.Subscribe(calendar.EventRef{Topic: ens.Feed}, func(pub calendar.Publication) {
		if n := b.Stat().Missed; n != missed {
			missed = n
			h.Resync()
		}
		changes, err := ens.ParseFeed(pub)
		if err != nil {
			s.log.Warn("what nobody can read is on the feed of changes", "err", err)
			h.Resync()
		}
		for _, e := range changes {
			if e.What == ens.ResumedName {
				h.Resync()
				continue
			}
			h.Tell(events.Event{Calendar: e.Calid, UID: e.UID, Name: e.Name, What: e.What, When: e.When})
		}
	})
	if err != nil {
		return err
	}
	s.events = h
	s.release = append(s.release, sub.Close, p.metrics.gauge("factotum_events_streams", "Streams of server-sent events that are open.",
		func() float64 { return float64(h.Streams()) }))
	return nil
}

// tellLogins publishes who logs in and out, if that is wanted; nil if not.
func (s *httpService) tellLogins(p *process) (func(session.Session, bool), error) {
	if !p.cfg.ENS.Logins {
		return nil, nil
	}
	b, err := p.bus()
	if err != nil || b == nil {
		return nil, err
	}
	return func(who session.Session, begun bool) {
		if err := b.Publish(context.Background(), ens.Login(who.Login, who.User, who.By, begun, time.Now())); err != nil {
			s.log.Error("publish a login", "err", err)
		}
	}, nil
}

// publishChanges has the model's changes told to ENS, and returns what is to be told
// of commits; nil where there is no ENS.
func (s *storeService) publishChanges(p *process) (committed func([]*calendar.Change), err error) {
	if s.bus, err = p.bus(); err != nil || s.bus == nil {
		return nil, err
	}
	cfg := &p.cfg.ENS
	opt := ens.Options{Topics: map[string]ens.Topic{}, Advanced: cfg.AdvancedTopics, Print: wcap.Print, Log: s.log,
		Publish: func(pubs ...calendar.Publication) error { return s.bus.Publish(context.Background(), pubs...) }}
	for _, t := range cfg.Topics {
		if t.Enable {
			opt.Topics[t.Name] = ens.Topic{URL: t.URL, ContentType: t.ContentType}
		}
	}
	s.publisher = ens.New(opt)
	s.release = append(s.release, p.metrics.gauge("factotum_ens_overrun", "Changes that were not published, since there were too many at once.",
		func() float64 { return float64(s.publisher.Lost()) }))
	return s.publisher.Committed, nil
}

// publishKind has publications that are jobs stored by the broker. Where there is no
// ENS they are dropped.
func (s *storeService) publishKind(cfg *config.Config) worker.Kind {
	k := worker.Kind{Run: s.publish, Attempts: math.MaxInt, First: cfg.Alarms.RetryInterval, Max: cfg.Alarms.Retry, Timeout: time.Minute,
		Pool: &worker.Pool{Concurrency: 32, Each: 4}}
	switch {
	case cfg.Alarms.Retry == 0:
		k.Attempts = 1
	case cfg.Alarms.MaxRetries >= 0:
		k.Attempts = cfg.Alarms.MaxRetries + 1
	}
	return k
}

func (s *storeService) publish(ctx context.Context, job calendar.Job) error {
	pub, err := calendar.ParsePublication(job)
	if err != nil {
		return worker.Permanent(err)
	}
	if s.bus == nil || !pub.Expires.IsZero() && time.Now().After(pub.Expires) {
		return nil
	}
	err = s.bus.PublishReliably(ctx, pub)
	if calendar.KindOf(err) == calendar.Invalid {
		return worker.Permanent(err)
	}
	return err
}

// endPublishing brings to the broker what was committed.
func (s *storeService) endPublishing(ctx context.Context) {
	if s.publisher == nil {
		return
	}
	s.publisher.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if s.bus.Err() == nil {
		s.bus.Flush(ctx)
	}
}
