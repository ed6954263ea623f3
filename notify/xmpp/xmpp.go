// Package xmpp keeps the calendar server in an XMPP network, and brings short
// messages to who is there: the calendar agent of Sun's Instant Messaging.
// notifications.md §9.
//
// An agent whose JID has a local part is a client (RFC 6120): it logs in by SASL
// over TLS, has a roster, and knows who is there from the presence of those who let
// it see theirs. One whose JID is a host name is a component of the server
// (XEP-0114), and asks for somebody's presence when it has something for him.
//
// Nothing that others wrote can break the stream: messages are encoded by
// encoding/xml of text that has been cleaned of what XML forbids. The library that
// speaks the protocol, mellium.im/xmpp, is seen nowhere outside of this package.
package xmpp

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
)

// Security is how the connection is protected.
type Security string

// The kinds of protection. A component has TLS from the first octet or none.
const (
	StartTLS Security = "starttls"
	TLS      Security = "tls" // from the first octet, XEP-0368
	NoTLS    Security = "none"
)

// Options say who the agent is and where its server.
type Options struct {
	JID      string // name@domain of a client, a host name of a component
	Password string // of the account, or the component's secret
	// Address is host:port of the server; "" asks the DNS for that of the JID's
	// domain (RFC 6120 §3.2), which a component cannot.
	Address  string
	Security Security
	Roots    *x509.CertPool // authorities; nil: the system's
	// Domains are those whose people may have the agent among their contacts,
	// besides its own and, of a component, the one above.
	Domains   []string
	Headlines bool // all messages are headlines
	Log       *slog.Logger

	// Pause is the first one between two attempts to connect, MostPause the
	// longest. 1 s and 1 min.
	Pause, MostPause time.Duration
	// Patience bounds an attempt to connect, and the answers of the server. 20 s.
	Patience time.Duration
	// Alive is how often the server is asked whether it is there. 1 min.
	Alive time.Duration
}

// ErrDown says that there is no connection now.
var ErrDown = errors.New("there is no connection to the XMPP server")

// Outcome is what became of a message.
type Outcome uint8

// The outcomes.
const (
	Sent      Outcome = iota + 1 // the server has it, for somebody who is there
	Unseen                       // the server has it, and discards it if he is not there
	Away                         // he is not there: discarded
	Returned                     // the server does not deliver it
	NoAddress                    // that is no JID of a person
)

func (o Outcome) String() string {
	return [...]string{"", "sent", "unseen", "away", "returned", "no address"}[o]
}

// Link is a connection that is made again when it breaks.
type Link struct {
	opt       Options
	self      jid.JID
	component bool

	mu    sync.Mutex
	now   *session // nil: there is none
	err   error    // why
	asked map[string]time.Time
}

// New makes a link that Run connects.
func New(opt Options) (*Link, error) {
	opt.Pause, opt.MostPause = cmp.Or(opt.Pause, time.Second), cmp.Or(opt.MostPause, time.Minute)
	opt.Patience, opt.Alive = cmp.Or(opt.Patience, 20*time.Second), cmp.Or(opt.Alive, time.Minute)
	opt.Log = cmp.Or(opt.Log, slog.New(slog.DiscardHandler))
	self, err := jid.Parse(opt.JID)
	if err != nil {
		return nil, fmt.Errorf("%q is no JID: expected name@domain for an account, or a host name for a component", opt.JID)
	}
	l := &Link{opt: opt, self: self, component: self.Localpart() == "", err: ErrDown, asked: map[string]time.Time{}}
	switch {
	case l.component && opt.Address == "":
		return nil, fmt.Errorf("%s is a component, and the address of its server is missing", opt.JID)
	case l.component && opt.Security == StartTLS:
		return nil, errors.New("a component cannot begin TLS in its stream: it has TLS from the first octet, or none")
	case opt.Security == NoTLS && !l.component && !Loopback(opt.Address):
		return nil, errors.New("a password goes without TLS to the server's own host only")
	}
	return l, nil
}

// Component reports whether a JID is that of a component.
func Component(address string) bool { return !strings.Contains(address, "@") }

// Err tells why there is no connection, nil if there is one.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now != nil {
		return nil
	}
	return l.err
}

func (l *Link) session() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		return nil, ErrDown
	}
	return l.now, nil
}

// Run keeps the link up until ctx ends. While there is a connection serve runs, and
// its context ends with that.
func (l *Link) Run(ctx context.Context, serve func(context.Context)) {
	said := ""
	for pause := l.opt.Pause; ; pause = min(2*pause, l.opt.MostPause) {
		s, err := l.connect(ctx)
		if err == nil {
			l.opt.Log.Info("connected to the XMPP server", "jid", l.self.String())
			said = ""
			begun := time.Now()
			err = l.stay(ctx, s, serve)
			if time.Since(begun) > l.opt.MostPause {
				pause = l.opt.Pause
			}
		}
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
		if text := err.Error(); text != said { // once, however often it is tried
			l.opt.Log.Warn("not connected to the XMPP server", "jid", l.self.String(), "err", err)
			said = text
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		}
	}
}

// stay serves over a connection until it ends, and tells why it did.
func (l *Link) stay(ctx context.Context, s *session, serve func(context.Context)) error {
	l.mu.Lock()
	l.now = s
	l.mu.Unlock()
	var serving sync.WaitGroup
	serving.Go(func() { serve(s.ctx) })
	t := time.NewTicker(l.opt.Alive)
	defer t.Stop()
	for s.ctx.Err() == nil {
		select {
		case <-ctx.Done():
			s.end(ctx.Err())
		case <-s.ctx.Done():
		case <-t.C:
			if err := s.ping(s.ctx); err != nil {
				s.end(fmt.Errorf("the server does not answer: %w", err))
			}
		}
	}
	l.mu.Lock()
	l.now = nil
	l.mu.Unlock()
	serving.Wait()
	s.close()
	return context.Cause(s.ctx)
}

// Deliver brings a message to somebody who is there, once the server has taken it. Who is known not to be
// there gets none. Where that is not known it goes as a headline, which every server
// discards for who is not there (RFC 6121 §8.5.2.2), and the agent asks, once, to see
// his presence.
func (l *Link) Deliver(ctx context.Context, m Message) (Outcome, error) {
	to, err := jid.Parse(m.To)
	if err != nil || to.Localpart() == "" {
		return NoAddress, nil
	}
	to = to.Bare()
	s, err := l.session()
	if err != nil {
		return 0, err
	}
	there, err := s.presence(ctx, to)
	if err != nil {
		return 0, err
	}
	if there == offline {
		return Away, nil
	}
	returned, err := s.send(ctx, to, &m, there == unknown || l.opt.Headlines)
	if err != nil {
		return 0, err
	}
	if returned {
		return Returned, nil
	}
	if there == unknown {
		s.ask(to)
		return Unseen, nil
	}
	return Sent, nil
}

// ask reports whether somebody is to be asked for his presence: once while the
// process lives.
func (l *Link) ask(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, before := l.asked[who]; before || len(l.asked) > mostContacts {
		return false
	}
	l.asked[who] = time.Now()
	return true
}

// lately reports whether somebody was asked a moment ago.
func (l *Link) lately(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.asked[who]
	return ok && time.Since(at) < settling
}

// welcome reports whether somebody may have the agent among his contacts.
func (l *Link) welcome(who jid.JID) bool {
	domain := who.Domainpart()
	for _, d := range l.opt.Domains {
		if strings.EqualFold(d, domain) {
			return true
		}
	}
	_, above, _ := strings.Cut(l.self.Domainpart(), ".")
	return domain == l.self.Domainpart() || l.component && domain == above
}
