package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// longestEntry is the longest entry that is read, of a group of 10,000 members by
// long names. Their names cost the LDAP library thirty times their length in
// memory, so that nothing else keeps a group of 50,000 from costing more than a
// request may. An answer of many entries has a message for each.
const longestEntry = 3 << 19

func init() { ber.MaxPacketLengthBytes = longestEntry } // the library has one limit for all

// errTooLong is the answer where an entry is longer.
var errTooLong = fmt.Errorf("the entry is longer than %d octets, which is the most that is read", longestEntry)

// pool keeps connections to the LDAP servers. One user at a time has a
// connection, so that the end of a context can simply close it: go-ldap knows
// no contexts.
type pool struct {
	opt     LDAPOptions
	log     *slog.Logger
	now     func() time.Time
	service bool // bind as BindDN after dialling; false in the log-in pool, whose users bind themselves

	slots chan struct{} // one for each connection in use

	mu     sync.Mutex
	hosts  []*ldapHost
	idle   []*pooled // the least recently used first
	closed bool
}

type ldapHost struct {
	network, address string // for net.Dial
	name             string // for certificates
	tls              bool
	down             time.Time // passed over until then
}

type pooled struct {
	conn  *ldap.Conn
	raw   net.Conn // closing it ends any wait on conn
	host  *ldapHost
	since time.Time // idle since
}

func newPool(opt LDAPOptions, hosts []*ldapHost, service bool, log *slog.Logger, now func() time.Time) *pool {
	p := &pool{opt: opt, log: log, now: now, service: service, slots: make(chan struct{}, max(opt.MaxConns, 1))}
	for _, h := range hosts {
		own := *h
		p.hosts = append(p.hosts, &own)
	}
	return p
}

// parseHost reads "host", "host:port" or an ldap, ldaps or ldapi URL.
func parseHost(s string) (*ldapHost, error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		s = "ldap://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("LDAP host %q: %w", s, err)
	}
	h := &ldapHost{network: "tcp", name: u.Hostname(), tls: u.Scheme == "ldaps"}
	port := u.Port()
	switch u.Scheme {
	case "ldap":
		def(&port, "389")
	case "ldaps":
		def(&port, "636")
	case "ldapi":
		return nil, fmt.Errorf("LDAP host %q: give sockets as unix:///path", s)
	case "unix":
		return &ldapHost{network: "unix", address: u.Path, name: "localhost"}, nil
	default:
		return nil, fmt.Errorf("LDAP host %q: the scheme is ldap, ldaps or unix", s)
	}
	if h.name == "" {
		return nil, fmt.Errorf("LDAP host %q: there is no host name", s)
	}
	h.address = net.JoinHostPort(h.name, port)
	return h, nil
}

// local tells whether the host is this machine, where plain text does no harm.
func (h *ldapHost) local() bool {
	if h.network == "unix" || h.name == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(h.name)
	return err == nil && a.IsLoopback()
}

var errPoolClosed = errors.New("the directory is closed")

// do runs f on a connection. A connection that turns out to be broken is
// replaced, a host that does not answer is passed over: f may run again on
// another one. What the server answered is f's error.
func (p *pool) do(ctx context.Context, f func(*ldap.Conn) error) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fmt.Errorf("wait for an LDAP connection: %w", ctx.Err())
	}
	var err error
	for range len(p.hosts) + 2 {
		c, fresh, dialErr := p.get(ctx)
		if dialErr != nil {
			return dialErr
		}
		if err = p.run(ctx, c, f); !broken(err) {
			p.put(c)
			return err
		}
		c.conn.Close()
		if ctx.Err() != nil {
			return fmt.Errorf("ask LDAP server: %w", ctx.Err())
		}
		if fresh {
			p.fail(c.host, err)
		} else {
			p.dropIdle(c.host) // most likely the server was started again
		}
	}
	return err
}

// run gives f the time that the context and the options leave.
func (p *pool) run(ctx context.Context, c *pooled, f func(*ldap.Conn) error) error {
	own, cancel := context.WithTimeout(ctx, p.opt.Timeout)
	defer cancel()
	stop := context.AfterFunc(own, func() { c.raw.Close() })
	err := f(c.conn)
	if !stop() && err == nil {
		// The answer came, but the connection is closed or being closed.
		c.raw.Close()
	}
	switch {
	case err != nil && strings.Contains(err.Error(), "greater than maximum"): // the library's error has no type
		return errTooLong
	case own.Err() != nil && broken(err):
		return errTimeout
	}
	return err
}

var errTimeout = errors.New("the LDAP server did not answer in time")

// broken tells whether an error is about the connection or the server as a
// whole, not an answer to the question.
func broken(err error) bool {
	if err == nil || errors.Is(err, errTooLong) {
		return false
	}
	var e *ldap.Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.ResultCode {
	case ldap.ErrorNetwork, ldap.ErrorUnexpectedMessage, ldap.ErrorUnexpectedResponse, ldap.ErrorMalformedPacket,
		ldap.LDAPResultUnavailable, ldap.LDAPResultBusy, ldap.LDAPResultServerDown, ldap.LDAPResultConnectError:
		return true
	}
	return false
}

// get returns an idle connection or a new one.
func (p *pool) get(ctx context.Context) (c *pooled, fresh bool, err error) {
	p.mu.Lock()
	p.prune()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		c, p.idle = p.idle[n-1], p.idle[:n-1]
		if !c.conn.IsClosing() {
			p.mu.Unlock()
			return c, false, nil
		}
		c.conn.Close()
	}
	closed, order := p.closed, p.order()
	p.mu.Unlock()
	if closed {
		return nil, false, errPoolClosed
	}
	for _, h := range order {
		if c, err = p.dial(ctx, h); err == nil {
			return c, true, nil
		}
		if ctx.Err() != nil {
			return nil, false, fmt.Errorf("connect to LDAP server: %w", ctx.Err())
		}
		p.fail(h, err)
	}
	return nil, false, err
}

// order lists the hosts to try: those that work as configured, then those that
// failed lately, the longest ago first.
func (p *pool) order() []*ldapHost {
	now := p.now()
	out := slices.Clone(p.hosts)
	slices.SortStableFunc(out, func(a, b *ldapHost) int {
		ad, bd := a.down, b.down
		if !now.Before(ad) {
			ad = time.Time{}
		}
		if !now.Before(bd) {
			bd = time.Time{}
		}
		return ad.Compare(bd)
	})
	return out
}

func (p *pool) fail(h *ldapHost, err error) {
	p.mu.Lock()
	now := p.now()
	first := !now.Before(h.down)
	h.down = now.Add(p.opt.Cooldown)
	p.mu.Unlock()
	if first {
		p.log.Warn("LDAP server does not answer", "backend", h.address, "err", err)
	}
	p.dropIdle(h)
}

// put takes a connection back.
func (p *pool) put(c *pooled) {
	p.mu.Lock()
	c.host.down = time.Time{}
	keep := !p.closed && !c.conn.IsClosing()
	if keep {
		c.since = p.now()
		p.idle = append(p.idle, c)
		p.prune()
	}
	p.mu.Unlock()
	if !keep {
		c.conn.Close()
	}
}

// prune closes connections that were idle too long, down to MinConns.
func (p *pool) prune() {
	oldest := p.now().Add(-p.opt.IdleTime)
	for len(p.idle) > p.opt.MinConns && p.idle[0].since.Before(oldest) {
		go p.idle[0].conn.Close() // it waits for the reader
		p.idle = p.idle[1:]
	}
}

func (p *pool) dropIdle(h *ldapHost) {
	p.mu.Lock()
	var gone []*pooled
	p.idle = slices.DeleteFunc(p.idle, func(c *pooled) bool {
		if c.host == h {
			gone = append(gone, c)
			return true
		}
		return false
	})
	p.mu.Unlock()
	for _, c := range gone {
		c.conn.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	gone := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range gone {
		c.conn.Close()
	}
}

// dial connects, encrypts and binds as the options say.
func (p *pool) dial(ctx context.Context, h *ldapHost) (*pooled, error) {
	own, cancel := context.WithTimeout(ctx, p.opt.Timeout/2)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(own, h.network, h.address)
	if err != nil {
		return nil, fmt.Errorf("connect to LDAP server: %w", err)
	}
	stop := context.AfterFunc(own, func() { raw.Close() })
	defer stop()
	var conn *ldap.Conn
	if h.tls {
		secure := tls.Client(raw, p.tlsConfig(h))
		if err := secure.HandshakeContext(own); err != nil {
			raw.Close()
			return nil, fmt.Errorf("connect to LDAP server %s: %w", h.address, err)
		}
		conn = ldap.NewConn(secure, true)
	} else {
		conn = ldap.NewConn(raw, false)
	}
	conn.Start()
	if p.opt.StartTLS && !h.tls {
		if err := conn.StartTLS(p.tlsConfig(h)); err != nil {
			conn.Close()
			return nil, fmt.Errorf("start TLS with LDAP server %s: %w", h.address, err)
		}
	}
	if p.service && p.opt.BindDN != "" {
		if err := conn.Bind(p.opt.BindDN, string(p.opt.BindCred)); err != nil {
			conn.Close()
			return nil, fmt.Errorf("bind as %s to LDAP server %s: %w", p.opt.BindDN, h.address, err)
		}
	}
	if !stop() {
		conn.Close()
		return nil, errTimeout
	}
	return &pooled{conn: conn, raw: raw, host: h}, nil
}

func (p *pool) tlsConfig(h *ldapHost) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.opt.TLS != nil {
		c = p.opt.TLS.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = h.name
	}
	return c
}
