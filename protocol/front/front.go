// Package front is the HTTP front end (cshttpd): it listens, bounds what a
// client may cost, gives every request an id, and hands it to the protocol
// that its path names.
//
// The tree:
//
//	/.well-known/caldav, /dav/, /principals/   CalDAV, and / for its methods
//	/wcap/, /iwc/svc/wcap/, and all else       WCAP, where it is served
//	/events/                                   what happens, as server-sent events
//	/                                          a page that tells the addresses
//	/healthz, /readyz                          liveness and readiness
//
// A protocol is an http.Handler that knows nothing of the others. What holds
// for all of them is here: deadlines, sizes, compression, recovered panics, the
// access log, which never sees a query string or a credential.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a front end needs. Zero durations and limits are defaults.
type Options struct {
	CalDAV http.Handler // nil: not served
	WCAP   http.Handler // nil: not served
	Events http.Handler // nil: not served
	// Ready says whether requests can be answered now; nil: always.
	Ready func(ctx context.Context) error

	HeaderTimeout  time.Duration // to send a request's header; 10 s
	ReadTimeout    time.Duration // to send a request, or more slowly than 1 KiB/s; 60 s
	RequestTimeout time.Duration // until an answer begins; 60 s
	WriteTimeout   time.Duration // without progress in receiving an answer; 120 s
	IdleTimeout    time.Duration // between requests; 120 s
	HeaderBytes    int           // 128 KiB
	BodyBytes      int64         // 20 MiB

	// PublicURL is what clients reach this server by, "https://cal.example.com";
	// "" is as they ask.
	PublicURL string

	MaxConns   int            // 0: without limit
	MaxPerAddr int            // connections of one address, loopback and proxies apart; 0: without limit
	Proxies    []netip.Prefix // whose X-Forwarded-For, -Proto, -Host and -Port, or Forwarded, are believed
	Gzip       bool

	// Allowed and Denied are whose requests are answered: those of an allowed
	// address always, those of a denied one not, and the others unless there
	// is only a list of allowed ones. X-Forwarded-For of a proxy counts.
	Allowed, Denied []netip.Prefix

	// SecureLogin sends clients that came without TLS to it, on SecurePort,
	// unless they are on this host or behind a proxy that has TLS.
	SecureLogin bool
	SecurePort  int

	// Challenge answers an ACME authority, and hands on what is not from it; nil: none
	// is asked. Protocols are the ones that it speaks over TLS. RFC 8555, RFC 8737.
	Challenge func(http.Handler) http.Handler
	Protocols []string

	Logger *slog.Logger // nil discards
	Access *slog.Logger // the access log; nil: none
	// Observe is told of every request that was answered; nil: nobody.
	Observe func(Seen)
}

// Seen is what statistics may know of a request.
type Seen struct {
	Method string // "OTHER" if it is none of those that are served
	Route  string // dav, wcap, page, health, other
	Status int
	Bytes  int64 // of the body sent, before compression is undone
	Took   time.Duration
}

// Server is a front end.
type Server struct {
	opt      Options
	log      *slog.Logger
	http     *http.Server
	conns    *connTable
	ids      requestIDs
	draining atomic.Bool

	mu   sync.Mutex
	tls  []Certificates
	errs chan error
}

// New makes a front end. Listen adds what it serves on.
func New(opt Options) *Server {
	def(&opt.HeaderTimeout, 10*time.Second)
	def(&opt.ReadTimeout, time.Minute)
	def(&opt.RequestTimeout, time.Minute)
	def(&opt.WriteTimeout, 2*time.Minute)
	def(&opt.IdleTimeout, 2*time.Minute)
	def(&opt.HeaderBytes, 128<<10)
	def(&opt.BodyBytes, 20<<20)
	s := &Server{opt: opt, log: opt.Logger, ids: newRequestIDs(), errs: make(chan error, 4)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.conns = newConnTable(opt.MaxConns, opt.MaxPerAddr, opt.Proxies)
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: opt.HeaderTimeout,
		ReadTimeout:       opt.ReadTimeout,
		WriteTimeout:      opt.RequestTimeout + opt.WriteTimeout, // moved forward as the answer proceeds
		IdleTimeout:       opt.IdleTimeout,
		MaxHeaderBytes:    opt.HeaderBytes,
		ConnState:         s.conns.state,
		ConnContext:       withConn,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 128},
		// What clients do wrong below HTTP is their business, not the log's.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// Set before anything is served: listeners without TLS read it too.
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate, NextProtos: append([]string{"h2", "http/1.1"}, opt.Protocols...)},
	}
	return s
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Serve answers on ln in the background until Shutdown.
func (s *Server) Serve(ln net.Listener) {
	s.run(func() error { return s.http.Serve(s.conns.listener(ln)) })
}

// ServeTLS is Serve with TLS 1.2 or later. The PEM files are read again when
// they change; what cannot be read is an error only the first time.
func (s *Server) ServeTLS(ln net.Listener, certFile, keyFile string) error {
	get, err := Certificate(certFile, keyFile, s.log)
	if err != nil {
		return err
	}
	s.ServeCertificates(ln, get)
	return nil
}

// Certificates finds the certificate for who connects, as tls.Config.GetCertificate.
type Certificates func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// ServeCertificates is ServeTLS with certificates from elsewhere.
func (s *Server) ServeCertificates(ln net.Listener, of ...Certificates) {
	s.mu.Lock()
	s.tls = append(s.tls, of...)
	s.mu.Unlock()
	s.run(func() error { return s.http.ServeTLS(s.conns.listener(ln), "", "") })
}

// certificate chooses among the certificates: the first that fits the name and the
// client, else the last that there is.
func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	list := slices.Clone(s.tls)
	s.mu.Unlock()
	var last *tls.Certificate
	err := errors.New("no certificate")
	for _, get := range list {
		cert, err2 := get(hello)
		switch {
		case err2 != nil:
			err = err2
			continue
		case hello.SupportsCertificate(cert) == nil:
			return cert, nil
		}
		last = cert
	}
	if last != nil {
		return last, nil
	}
	return nil, err
}

func (s *Server) run(serve func() error) {
	go func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.errs <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
}

// Failed delivers the error of a listener that broke.
func (s *Server) Failed() <-chan error { return s.errs }

// Shutdown takes no new requests and waits for those under way; when ctx ends
// they are cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
		return fmt.Errorf("drain HTTP requests: %w", err)
	}
	return nil
}

// Conns tells how many connections are open.
func (s *Server) Conns() int { return s.conns.len() }

// ConnStat tells how many connections there were.
func (s *Server) ConnStat() ConnStat {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return s.conns.stat
}
