// Package relay hands mail to SMTP servers (RFC 5321): one message to one
// recipient at a time, over connections that are kept while there is more. What
// went wrong it tells in the words that a queue needs: whether another attempt
// makes sense, whether it concerns the message or the whole server, and whether
// the message may have arrived all the same.
package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"time"
)

// Security is how a connection is protected.
type Security string

const (
	Opportunistic Security = "opportunistic" // STARTTLS where it is offered, whatever the certificate (RFC 7435); the default
	Required      Security = "starttls"      // STARTTLS, with a certificate that is valid for the host, or nothing is sent
	Implicit      Security = "tls"           // TLS from the first octet (RFC 8314 §3.3), with a valid certificate
	Plain         Security = "none"
)

// Route is the server that takes the mail for a destination.
type Route struct {
	Host string // name or address
	// MX says that Host is the destination's domain: the servers that its MX records
	// name are tried in their order. RFC 5321 §5.1.
	MX       bool
	Port     int // 0: 25, or 465 with Implicit
	Security Security
	User     string // "" does not log in
	Password string
}

// Address is host:port, or the domain with MX.
func (r Route) Address() string {
	if r.MX {
		return strings.ToLower(r.Host)
	}
	port := r.Port
	if port == 0 {
		port = 25
		if r.Security == Implicit {
			port = 465
		}
	}
	return net.JoinHostPort(r.Host, strconv.Itoa(port))
}

// Mail is a message and its envelope.
type Mail struct {
	From string // where bounces go, "" for none
	To   string
	Data []byte // RFC 5322, lines end with CRLF
}

// Domain is the part of a mail address behind its last @, in lower case.
func Domain(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// Options are choices; the zero value is right.
type Options struct {
	Hello string // our name in EHLO; "": localhost
	TLS   *tls.Config
	// Dial makes a connection; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// LookupMX asks the DNS; nil: net.DefaultResolver.
	LookupMX func(ctx context.Context, domain string) ([]*net.MX, error)

	ConnectTimeout time.Duration // and of the greeting; 0: 30 seconds
	CommandTimeout time.Duration // until an answer; 0: a minute
	SubmitTimeout  time.Duration // until the answer to the whole message; 0: 5 minutes
	IdleTime       time.Duration // that a connection is kept without use; 0: 5 seconds
}

func (o *Options) defaults() {
	o.Hello = cmp.Or(o.Hello, "localhost")
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.LookupMX == nil {
		o.LookupMX = net.DefaultResolver.LookupMX
	}
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 30*time.Second)
	o.CommandTimeout = cmp.Or(o.CommandTimeout, time.Minute)
	o.SubmitTimeout = cmp.Or(o.SubmitTimeout, 5*time.Minute)
	o.IdleTime = cmp.Or(o.IdleTime, 5*time.Second)
}

// Sender sends mail. It is used by many goroutines at once; each has a connection
// while it sends.
type Sender struct {
	opt  Options
	idle idle
}

// New returns a Sender.
func New(opt Options) *Sender {
	opt.defaults()
	return &Sender{opt: opt}
}

// Close ends the connections that are kept.
func (s *Sender) Close() { s.idle.close() }

// Send hands a message to the server of a route. What goes wrong is a *Failure.
func (s *Sender) Send(ctx context.Context, r Route, m Mail) error {
	if r.MX {
		return asError(s.direct(ctx, r, m))
	}
	return asError(s.hand(ctx, r, m))
}

// hand gives a message to the one server of a route.
func (s *Sender) hand(ctx context.Context, r Route, m Mail) *Failure {
	if c := s.idle.take(r); c != nil {
		f := s.over(ctx, r, c, m)
		if f == nil || f.Uncertain || f.Permanent || f.Code/100 == 5 {
			return f
		}
		// It may have had enough of this connection, and take it by a new one.
	}
	c, f := s.connect(ctx, r)
	if f != nil {
		return f
	}
	return s.over(ctx, r, c, m)
}

// over sends a message over a connection, and keeps it if it is of further use.
func (s *Sender) over(ctx context.Context, r Route, c *session, m Mail) *Failure {
	f := c.send(ctx, m)
	if f == nil || !f.Broken {
		s.idle.put(r, c, s.opt.IdleTime)
	} else {
		c.close()
	}
	return f
}

func asError(f *Failure) error {
	if f == nil {
		return nil
	}
	return f
}
