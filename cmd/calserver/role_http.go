package main

import (
	"golang.org/x/crypto/acme"

	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"factotum/protocol/caldav"
	"factotum/protocol/dav"
	"factotum/protocol/dwp"
	"factotum/protocol/events"
	"factotum/protocol/front"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/server/session"
)

// httpService is cshttpd: CalDAV and WCAP over the back ends that hold the calendars.
type httpService struct {
	front   *front.Server
	backend calendar.Backend
	remote  []*dwp.Client
	acme    *acmeCertificates // nil: none are asked for
	logins  *directory.Logins
	addrs   []net.Addr
	log     *slog.Logger
	release []func()
	hosts   *hostWriter

	sessions *session.Sessions
	events   *events.Handler // nil: there is no event notification service
}

func openHTTPRole(ctx context.Context, p *process) (svc running, err error) {
	s := &httpService{log: p.logFor("http")}
	defer func() {
		if err != nil {
			s.closeAll()
		}
	}()
	dir, err := p.people()
	if err != nil {
		return nil, err
	}
	if s.logins, err = directory.NewLogins(dir, loginOptions(p.cfg, s.log)); err != nil {
		return nil, fmt.Errorf("open the log-ins: %w", err)
	}
	be, err := s.backends(ctx, p, dir)
	if err != nil {
		return nil, err
	}
	s.backend = countBackend(be, "http", p.metrics)
	opt, err := s.frontOptions(p, dir)
	if err != nil {
		return nil, err
	}
	if err := s.tellEvents(p); err != nil {
		return nil, err
	}
	if s.events != nil {
		opt.Events = s.events
	}
	if s.acme, err = newACME(p.cfg, s.log); err != nil {
		return nil, err
	}
	if s.acme != nil {
		s.release = append(s.release, s.acme.close)
		opt.Challenge, opt.Protocols = s.acme.manager.HTTPHandler, []string{acme.ALPNProto}
	}
	s.front = front.New(opt)
	ready := p.httpListener
	p.httpListener = nil // a later start opens it anew
	if err := s.listen(p.cfg, ready); err != nil {
		return nil, err
	}
	s.release = append(s.release, p.metrics.gauge("factotum_http_connections", "Open HTTP connections.",
		func() float64 { return float64(s.front.Conns()) }))
	s.release = append(s.release, p.metrics.connections(s.front), p.metrics.sessions(s.sessions))
	s.release = append(s.release, p.metrics.gauge("factotum_dwp_cache_bytes", "Memory of lists that back ends told.",
		func() float64 { return float64(p.lists.Size()) }))
	s.loginGauges(p.metrics)
	for _, a := range s.addrs {
		notice(s.log, "listening", "addr", a.String())
	}
	return s, nil
}

// backends puts together who answers: a router over the store of this host,
// those of others, or both. admin.md §11.
func (s *httpService) backends(ctx context.Context, p *process, dir *directory.Directory) (calendar.Backend, error) {
	cfg := p.cfg
	var local calendar.Backend
	if !pureFrontEnd(cfg) {
		be, closeLocal, err := p.local(ctx, s.log)
		if err != nil {
			return nil, err
		}
		s.release = append(s.release, closeLocal)
		local = be
	}
	router, find, remote, err := route(cfg, local, dir, p.lists, s.log, nil)
	s.remote = remote
	if err == nil && find != nil {
		s.hosts = openHostWriter(cfg, find, s.log)
	}
	return router, err
}

// route makes the router over the store of this host, nil if there is none, and
// those of others, whose lists are kept, with the links to these; find is nil where there are no others.
func route(cfg *config.Config, local calendar.Backend, dir *directory.Directory, lists *cld.Lists, log *slog.Logger, up func(host string)) (router *cld.Router, find cld.Locator, remote []*dwp.Client, err error) {
	if cfg.CLD.Type == "local" {
		router, err = cld.New(cld.Options{Local: local, People: dir})
		return router, nil, nil, err
	}
	opt := cld.Options{Local: local, People: dir, Backends: map[string]calendar.Backend{}}
	self := backEndName(cfg)
	if local != nil {
		opt.Names = []string{self, hostName(cfg)}
	}
	for _, b := range cfg.DWP.BackEnds {
		if local != nil && strings.EqualFold(b.Host, self) {
			continue
		}
		client, err := dialBackEnd(cfg, b, log, up)
		if err != nil {
			return nil, nil, remote, err
		}
		remote = append(remote, client)
		opt.Backends[b.Host] = lists.Of(client)
	}
	find = cld.Directory{People: dir, Domain: dir.BackEnd, Default: cfg.DWP.Default}
	if cfg.CLD.Cache {
		find = cld.NewCache(find, cfg.CLD.CacheMax, cfg.CLD.CacheTTL, nil)
	}
	opt.Locator = find
	router, err = cld.New(opt)
	return router, find, remote, err
}

func dialBackEnd(cfg *config.Config, b config.BackEnd, log *slog.Logger, up func(host string)) (*dwp.Client, error) {
	opt := backEndOptions(cfg, b)
	opt.Logger = log
	opt.Up = func() {
		if up != nil {
			up(b.Host)
		}
	}
	client, err := dwp.NewClient(opt)
	if err != nil {
		return nil, fmt.Errorf("back end %s: %w", b.Host, err)
	}
	return client, nil
}

// backEndOptions say how a back end is reached.
func backEndOptions(cfg *config.Config, b config.BackEnd) dwp.ClientOptions {
	opt := dwp.ClientOptions{
		Host: b.Host, Address: net.JoinHostPort(b.Host, strconv.Itoa(b.Port)), TLS: dwpFiles(cfg), User: b.Admin, Password: dwp.Secret(b.Cred.Reveal()),
		Timeout: cfg.DWP.Timeout, DialTimeout: cfg.DWP.DialTimeout, KeepAlive: cfg.DWP.KeepAlive, Silence: cfg.DWP.Silence,
		From: hostName(cfg), Release: versionString(),
	}
	if b.Standby != "" {
		opt.Standby = dwp.StandbyHost{Host: b.Standby, Address: net.JoinHostPort(b.Standby, strconv.Itoa(b.Port))}
	}
	return opt
}

// frontOptions are the HTTP front end's part of the configuration.
func (s *httpService) frontOptions(p *process, dir *directory.Directory) (front.Options, error) {
	h, l := &p.cfg.HTTP, &p.cfg.Limits
	opt := front.Options{
		Ready: func(ctx context.Context) error { return p.ready(ctx) }, Observe: p.metrics.seen, Logger: s.log,
		HeaderTimeout: h.HeaderTimeout, ReadTimeout: h.ReadTimeout, RequestTimeout: h.RequestTimeout, WriteTimeout: h.WriteTimeout,
		IdleTimeout: h.IdleTimeout, HeaderBytes: int(l.HeaderSize), BodyBytes: l.BodySize,
		MaxConns: h.MaxConns, MaxPerAddr: h.MaxPerAddr, Gzip: h.Gzip, PublicURL: publicURL(p.cfg),
		SecureLogin: h.SecureLogin && p.cfg.TLSServed(), SecurePort: h.TLSPort,
	}
	for _, n := range []struct {
		param string
		list  []string
		to    *[]netip.Prefix
	}{
		{"factotum.http.trustedproxies", h.TrustedProxies, &opt.Proxies},
		{"service.http.domainallowed", h.Allowed, &opt.Allowed},
		{"service.http.domainnotallowed", h.NotAllowed, &opt.Denied},
	} {
		nets, err := networks(n.list)
		if err != nil {
			return opt, fmt.Errorf("read %s: %w", n.param, err)
		}
		*n.to = nets
	}
	if h.LogAccess {
		access, err := p.logs.leveled("cshttpd", p.cfg.Log.Access, slog.LevelInfo)
		if err != nil {
			return opt, err
		}
		opt.Access = access
	}
	if h.CalDAV {
		owner, err := acl.Parse(p.cfg.Calstore.OwnerACL)
		if err != nil {
			return opt, fmt.Errorf("read calstore.calendar.owner.acl: %w", err)
		}
		identity, err := pushIdentity(p.cfg)
		if err != nil {
			return opt, err
		}
		dav := caldav.Options{
			Backend: s.backend, People: dir, Login: s.login(p, "caldav"), Logger: s.log, OwnerACL: owner,
			Limits: caldav.Limits{ResourceSize: l.ObjectSize, Instances: l.Instances, Attendees: l.Attendees, MultigetRefs: l.Hrefs},
			XML:    dav.Limits{Depth: l.XMLDepth, Nodes: l.XMLElements}, RetryAfter: p.cfg.DWP.RetryAfter,
			Hosts: publicHosts(p.cfg), PublicURL: publicURL(p.cfg),
		}
		if identity != nil { // a nil of its type would be one
			dav.Push = identity
		}
		opt.CalDAV = caldav.New(dav)
	}
	w, err := s.wcapFront(p, dir)
	if err != nil {
		return opt, err
	}
	opt.WCAP = w
	return opt, nil
}

// networks reads addresses and networks.
func networks(list []string) (out []netip.Prefix, err error) {
	for _, n := range list {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			a, err := netip.ParseAddr(n)
			if err != nil {
				return nil, err
			}
			prefix = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, prefix)
	}
	return out, nil
}

// login checks credentials for a protocol, and tells statistics and access log
// of it.
func (s *httpService) login(p *process, via string) func(context.Context, string, string, netip.Addr) (calendar.Person, error) {
	return func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error) {
		person, err := s.logins.Login(ctx, user, password, directory.Client{Addr: remote, Via: via, Agent: front.Agent(ctx), Host: front.Host(ctx),
			Waits: func() { front.ReadAhead(ctx) }})
		p.metrics.login(err)
		if err != nil && calendar.KindOf(err) == calendar.Unavailable {
			p.health.kick()
		}
		if err != nil {
			return person, err
		}
		front.NoteUser(ctx, person.ID)
		s.hosts.loggedIn(person.ID)
		return person, nil
	}
}

// loginGauges show what the log-ins remember, and who waits.
func (s *httpService) loginGauges(m *metrics) {
	for _, g := range []struct {
		name, help string
		value      func(directory.LoginStat) float64
	}{
		{"factotum_logins_remembered", "Successful log-ins that are remembered.", func(st directory.LoginStat) float64 { return float64(st.Remembered) }},
		{"factotum_logins_remembered_bytes", "Memory of those.", func(st directory.LoginStat) float64 { return float64(st.RememberedBytes) }},
		{"factotum_logins_queued", "Passwords that wait to be checked.", func(st directory.LoginStat) float64 { return float64(st.Waiting) }},
		{"factotum_login_lockouts", "Users at an address, and addresses, that have to wait after failed log-ins.", func(st directory.LoginStat) float64 { return float64(st.LockedOut) }},
		{"factotum_login_lockouts_begun", "Such waits begun since the start.", func(st directory.LoginStat) float64 { return float64(st.Lockouts) }},
	} {
		s.release = append(s.release, m.gauge(g.name, g.help, func() float64 { return g.value(s.logins.Stat()) }))
	}
}

// listen opens the ports of ics.conf; ln is the first if it is open already.
func (s *httpService) listen(cfg *config.Config, ln net.Listener) (err error) {
	h := &cfg.HTTP
	if ln == nil {
		if ln, err = listenTCP(h.Listen, h.Port, "service.http.port", "service.http.listenaddr"); err != nil {
			return err
		}
	}
	s.addrs = append(s.addrs, ln.Addr())
	s.front.Serve(ln)
	if !cfg.TLSServed() {
		return nil
	}
	if ln, err = listenTCP(h.Listen, h.TLSPort, "service.http.ssl.port", "service.http.listenaddr"); err != nil {
		return err
	}
	s.addrs = append(s.addrs, ln.Addr())
	var of []front.Certificates
	if h.CertFile != "" {
		get, err := front.Certificate(h.CertFile, h.KeyFile, s.log)
		if err != nil {
			ln.Close()
			return err
		}
		of = append(of, get)
	}
	if s.acme != nil {
		of = append(of, s.acme.certificate)
		s.acme.run()
	}
	s.front.ServeCertificates(ln, of...)
	return nil
}

// listenTCP opens a port; the error says what to do where that fails.
func listenTCP(host string, port int, param, addrParam string) (net.Listener, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	ln, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("another program listens on %s already: stop it, or choose another port in %s", address, param)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("no permission to listen on %s: ports below 1024 need root or CAP_NET_BIND_SERVICE; or choose another port in %s", address, param)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is not an address of this host: see %s", address, addrParam)
	}
	return nil, fmt.Errorf("listen on %s: %w", address, err)
}

func (s *httpService) failed() <-chan error { return s.front.Failed() }

// check tells whether calendars can be served: the store of this host, or one
// back end at least.
func (s *httpService) check(ctx context.Context) error {
	if len(s.remote) == 0 {
		_, err := s.backend.Ping(ctx)
		return err
	}
	var errs []error
	for _, c := range s.remote {
		_, err := c.Ping(ctx)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s *httpService) stop(ctx context.Context) {
	if s.events != nil {
		s.events.Close() // streams have no end of their own
	}
	if err := s.front.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut off", "err", err)
	}
	s.closeAll()
}

func (s *httpService) closeAll() {
	if s.front != nil {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		s.front.Shutdown(done)
	}
	for _, c := range s.remote {
		c.Close()
	}
	s.hosts.stop()
	if s.logins != nil {
		if err := s.logins.Close(); err != nil {
			s.log.Error("close the log-ins", "err", err)
		}
	}
	for _, f := range s.release {
		f()
	}
}
