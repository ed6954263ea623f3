package xmpp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/notify/xmpp"
	"factotum/notify/xmpp/xmpptest"
)

// agents are the three ways to be at a server.
var agents = []struct {
	name string
	opt  func(*xmpptest.Prosody) xmpp.Options
}{
	{"starttls", func(p *xmpptest.Prosody) xmpp.Options {
		return xmpp.Options{JID: "agent@example.com", Password: xmpptest.Password("agent"), Address: p.Address, Security: xmpp.StartTLS}
	}},
	{"tls", func(p *xmpptest.Prosody) xmpp.Options {
		return xmpp.Options{JID: "agent@example.com", Password: xmpptest.Password("agent"), Address: p.TLS, Security: xmpp.TLS}
	}},
	{"component", func(p *xmpptest.Prosody) xmpp.Options {
		return xmpp.Options{JID: xmpptest.Component, Password: xmpptest.Password(xmpptest.Component), Address: p.Component, Security: xmpp.NoTLS}
	}},
}

func roots(t *testing.T, p *xmpptest.Prosody) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(p.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// run keeps a link up until the test ends; up counts the connections.
func run(t *testing.T, opt xmpp.Options) (l *xmpp.Link, up func() int) {
	t.Helper()
	opt.Pause, opt.MostPause = 20*time.Millisecond, 200*time.Millisecond
	if testing.Verbose() {
		opt.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	l, err := xmpp.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	n := 0
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx, func(ctx context.Context) {
			mu.Lock()
			n++
			mu.Unlock()
			<-ctx.Done()
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return l, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}

func deliver(t *testing.T, l *xmpp.Link, m xmpp.Message) xmpp.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o, err := l.Deliver(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestDeliver: who is there gets a message; who is not there gets none, now or later;
// who lets the agent see nothing gets a headline while he is there, and is asked once;
// and the agent is back after a restart of the server. notifications.md §9.4.
func TestDeliver(t *testing.T) {
	t.Parallel()
	for _, a := range agents {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			p := xmpptest.Start(t, "agent", "anna", "ben")
			opt := a.opt(p)
			opt.Roots = roots(t, p)
			l, up := run(t, opt)
			eventually(t, "the agent is there", func() bool { return l.Err() == nil })
			anna, ben := p.Login(t, "anna", true), p.Login(t, "ben", false)
			// Nobody has granted anything so far.
			for i := range 2 {
				if o := deliver(t, l, xmpp.Message{ID: "first", To: "anna@example.com", Title: "Reminder: Lunch", Lines: []string{"in Room 1"}, Lang: "en"}); o != xmpp.Unseen && i == 0 {
					t.Fatalf("to anna: %v", o)
				}
				if o := deliver(t, l, xmpp.Message{ID: "first", To: "ben@example.com", Title: "Reminder: Lunch"}); o != xmpp.Unseen {
					t.Fatalf("to ben: %v", o)
				}
			}
			if m := anna.Await(t, 1)[0]; m.Type != "headline" || m.Body != "Reminder: Lunch\nin Room 1" || m.Hint == nil || m.ID != "first" || m.Lang != "en" {
				t.Errorf("%+v", m)
			}
			ben.Await(t, 2)
			ben.Settle(t)
			if got := ben.Asked(); !slices.Equal(got, []string{strings.TrimSuffix(opt.JID, "/")}) {
				t.Errorf("ben was asked by %q, want one request of %s", got, opt.JID)
			}
			// Anna has granted it when she was asked.
			eventually(t, "anna is seen", func() bool {
				return deliver(t, l, xmpp.Message{ID: "x", To: "anna@example.com", Title: "again"}) == xmpp.Sent
			})
			anna.Settle(t)
			if m := anna.Messages(); m[len(m)-1].Type != "chat" || m[len(m)-1].Hint == nil {
				t.Errorf("%+v", m[len(m)-1])
			}
			// Away: discarded, and not kept for later.
			anna.Leave(t)
			raced := 0 // the server knew that she had left, and the agent did not yet
			eventually(t, "anna is away", func() bool {
				o := deliver(t, l, xmpp.Message{ID: "y", To: "anna@example.com", Title: "just left"})
				if o == xmpp.Sent {
					raced++
				}
				return o == xmpp.Away
			})
			if o := deliver(t, l, xmpp.Message{ID: "y", To: "anna@example.com", Title: "too late"}); o != xmpp.Away {
				t.Errorf("to anna: %v", o)
			}
			ben.Leave(t)
			if o := deliver(t, l, xmpp.Message{ID: "y", To: "ben@example.com", Title: "too late"}); o != xmpp.Unseen && o != xmpp.Returned {
				t.Errorf("to ben: %v", o)
			}
			anna, ben = p.Login(t, "anna", true), p.Login(t, "ben", false)
			for _, m := range append(anna.Messages(), ben.Messages()...) {
				if raced--; m.Body != "just left" || raced < 0 {
					t.Errorf("kept for later: %+v", m)
				}
			}
			for _, to := range []string{"example.com", "", "@", "a b@example.com", "anna@" + strings.Repeat("x", 2000)} {
				if o := deliver(t, l, xmpp.Message{To: to, Title: "x"}); o != xmpp.NoAddress {
					t.Errorf("to %q: %v", to, o)
				}
			}
			// The server goes away and comes back.
			before := up()
			p.Stop()
			eventually(t, "the link is down", func() bool { return l.Err() != nil })
			if _, err := l.Deliver(t.Context(), xmpp.Message{To: "anna@example.com", Title: "x"}); !errors.Is(err, xmpp.ErrDown) {
				t.Errorf("without a server: %v", err)
			}
			p.Run(t)
			anna = p.Login(t, "anna", true)
			eventually(t, "the link is up again", func() bool { return l.Err() == nil && up() > before })
			eventually(t, "anna is seen", func() bool {
				return deliver(t, l, xmpp.Message{ID: "back", To: "anna@example.com", Title: "back"}) == xmpp.Sent
			})
			anna.Await(t, 1)
		})
	}
}

// TestContact: who adds the agent to his contacts is let in, and asked back.
func TestContact(t *testing.T) {
	t.Parallel()
	for _, a := range agents[1:] {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			p := xmpptest.Start(t, "agent", "anna")
			opt := a.opt(p)
			opt.Roots = roots(t, p)
			l, _ := run(t, opt)
			eventually(t, "the agent is there", func() bool { return l.Err() == nil })
			anna := p.Login(t, "anna", false)
			anna.AddContact(t, opt.JID)
			eventually(t, "the agent asks back", func() bool { return len(anna.Asked()) == 1 })
			anna.Grant(t, opt.JID)
			eventually(t, "anna is seen", func() bool {
				return deliver(t, l, xmpp.Message{ID: "x", To: "anna@example.com", Title: "x"}) == xmpp.Sent
			})
		})
	}
}

// TestHostileText: nothing that somebody wrote ends the stream, becomes an element, or
// is more than a server takes.
func TestHostileText(t *testing.T) {
	t.Parallel()
	p := xmpptest.Start(t, "agent", "anna")
	opt := agents[0].opt(p)
	opt.Roots = roots(t, p)
	l, up := run(t, opt)
	eventually(t, "the agent is there", func() bool { return l.Err() == nil })
	anna := p.Login(t, "anna", true)
	nasty := []string{
		"</body></message><message to='ben@example.com'><body>hi", "]]>", "<![CDATA[", "<?xml version='1.0'?>", "<!DOCTYPE x [<!ENTITY e 'x'>]>&e;", "</stream:stream>",
		"a\x00b\x01c\x1bd\x7fe", "\xff\xfe broken \xc3", "\ufffe\uffff", "\ud7ff\ue000", "line\u2028two\u2029three\u0085four\rfive\r\nsix", "\U0001F600 \u202eevil", "&lt;b&gt; & <b onclick='x'>",
		strings.Repeat("é", 200_000), strings.Repeat("<", 100_000), strings.Repeat("\n", 50_000),
	}
	for i, s := range nasty {
		if o := deliver(t, l, xmpp.Message{ID: s, To: "anna@example.com", Lang: "en", Title: s, Lines: []string{s, "end"}, Calendar: s}); o == xmpp.Away || o == xmpp.Returned {
			t.Fatalf("%d: %v", i, o)
		}
	}
	got := anna.Await(t, len(nasty))
	anna.Settle(t)
	if len(anna.Messages()) != len(nasty) || up() != 1 {
		t.Errorf("%d messages over %d connections, want %d over one", len(anna.Messages()), up(), len(nasty))
	}
	for i, m := range got {
		if i == 0 && (m.Body != nasty[0]+"\n"+nasty[0]+"\nend" || m.ICal != nasty[0]) {
			t.Errorf("%+v", m)
		}
		if len(m.Body) > 6<<10 || len(m.ICal) > 25<<10 {
			t.Errorf("%d: %d octets, and %d of the calendar", i, len(m.Body), len(m.ICal))
		}
		if strings.ContainsAny(m.Body, "\x00\x01\x1b\x7f\u0085\u2028\u2029") {
			t.Errorf("%d: %q", i, m.Body)
		}
		if len(m.HTML.Body.P) != 2 {
			t.Fatalf("%d: %+v", i, m.HTML)
		}
		html := m.HTML.Body.P[0].Strong + "\n" + m.HTML.Body.P[1].Text
		if len(m.HTML.Body.P[0].Others)+len(m.HTML.Body.P[1].Others) > 0 || strings.ReplaceAll(html, "\n", "") != strings.ReplaceAll(m.Body, "\n", "") || len(m.HTML.Body.P[1].Breaks) != strings.Count(m.Body, "\n")-1 {
			t.Errorf("%d: %.300q, %d breaks", i, html, len(m.HTML.Body.P[1].Breaks))
		}
	}
}

// TestRefused: an agent that the server refuses, or that must not trust it, is not
// there, and says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := xmpptest.Start(t, "agent")
	pool := roots(t, p)
	other := httptest.NewUnstartedServer(nil)
	other.TLS = &tls.Config{NextProtos: []string{"xmpp-client"}}
	other.Config.ErrorLog = log.New(io.Discard, "", 0)
	other.StartTLS()
	defer other.Close()
	theirs := x509.NewCertPool()
	theirs.AddCert(other.Certificate())
	for _, c := range []struct {
		name string
		opt  xmpp.Options
		want string
	}{
		{"certificate of nobody", xmpp.Options{JID: "agent@example.com", Password: xmpptest.Password("agent"), Address: p.Address, Security: xmpp.StartTLS}, "certificate"},
		{"certificate of another", xmpp.Options{JID: "agent@other.example", Password: "x", Address: other.Listener.Addr().String(), Security: xmpp.TLS, Roots: theirs}, "not other.example"},
		{"password", xmpp.Options{JID: "agent@example.com", Password: "wrong", Address: p.Address, Security: xmpp.StartTLS, Roots: pool}, "log in as agent@example.com: "},
		{"secret", xmpp.Options{JID: xmpptest.Component, Password: "wrong", Address: p.Component, Security: xmpp.NoTLS}, "not-authorized"},
		{"TLS is wanted by the server", xmpp.Options{JID: "agent@example.com", Password: xmpptest.Password("agent"), Address: p.Address, Security: xmpp.NoTLS}, ""},
		{"nobody listens", xmpp.Options{JID: "agent@example.com", Password: "x", Address: "127.0.0.1:1", Security: xmpp.TLS}, "refused"},
	} {
		l, up := run(t, c.opt)
		eventually(t, c.name+" is told", func() bool { return l.Err() != nil && !errors.Is(l.Err(), xmpp.ErrDown) })
		if err := l.Err(); !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), xmpptest.Password("agent")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if up() != 0 {
			t.Errorf("%s: it was connected", c.name)
		}
	}
	for _, opt := range []xmpp.Options{
		{JID: ""}, {JID: "a@b@c d"}, {JID: "reminders.example.com"}, {JID: "reminders.example.com", Address: "127.0.0.1:1", Security: xmpp.StartTLS},
		{JID: "agent@example.com", Security: xmpp.NoTLS}, {JID: "agent@example.com", Address: "192.0.2.1:5222", Security: xmpp.NoTLS},
	} {
		if _, err := xmpp.New(opt); err == nil {
			t.Errorf("%+v is taken", opt)
		}
	}
}

// TestSecondComponent: of two agents of one component one is connected, and the other
// takes its place.
func TestSecondComponent(t *testing.T) {
	t.Parallel()
	p := xmpptest.Start(t, "anna")
	opt := agents[2].opt(p)
	opt.Pause, opt.MostPause = 20*time.Millisecond, 100*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	first, err := xmpp.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); first.Run(ctx, func(ctx context.Context) { <-ctx.Done() }) }()
	eventually(t, "the first is there", func() bool { return first.Err() == nil })
	second, _ := run(t, opt)
	eventually(t, "the second is refused", func() bool { return second.Err() != nil && strings.Contains(second.Err().Error(), "conflict") })
	cancel()
	<-done
	eventually(t, "the second is there", func() bool { return second.Err() == nil })
}
