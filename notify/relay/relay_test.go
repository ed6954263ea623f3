package relay_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/notify/relay"
	"factotum/notify/relay/smtptest"
)

var bg = context.Background()

func route(t testing.TB, address string) relay.Route {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return relay.Route{Host: host, Port: n}
}

func message(id string) relay.Mail {
	return relay.Mail{From: "anna@example.com", To: "bert@example.org", Data: []byte("Message-ID: <" + id + "@example.com>\r\nSubject: Lunch\r\n\r\n.begins with a dot\r\n")}
}

func sender(t testing.TB, opt relay.Options) *relay.Sender {
	t.Helper()
	s := relay.New(opt)
	t.Cleanup(s.Close)
	return s
}

// A message arrives as it is, and the connection serves the next one.
func TestSend(t *testing.T) {
	sink := smtptest.Start(t, smtptest.Rules{})
	s := sender(t, relay.Options{Hello: "cal.example.com"})
	for n := range 3 {
		if err := s.Send(bg, route(t, sink.Addr), message(fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	list := sink.Mails()
	if len(list) != 3 || sink.Connections() != 1 {
		t.Fatalf("%d messages by %d connections", len(list), sink.Connections())
	}
	m := list[2]
	if string(m.Data) != string(message("2").Data) || m.From != "anna@example.com" || m.To != "bert@example.org" || m.Conn.Hello != "cal.example.com" {
		t.Errorf("%+v\n%s", m.Conn, m.Data)
	}
}

// only answers one command of a session, and leaves the others to the usual.
func only(verb, reply string) func(*smtptest.Conn, string, string) string {
	return func(_ *smtptest.Conn, v, _ string) string {
		if v == verb {
			return reply
		}
		return ""
	}
}

// What a server does that takes nothing is told in a queue's words.
func TestFailures(t *testing.T) {
	t.Parallel()
	type facts struct{ permanent, server, uncertain bool }
	for name, c := range map[string]struct {
		rules smtptest.Rules
		want  facts
		text  string
		taken int
	}{
		"turned away at the door":      {smtptest.Rules{Reply: only("", "554 5.3.2 not you")}, facts{server: true}, "greeting: 554 5.3.2 not you", 0},
		"busy":                         {smtptest.Rules{Reply: only("", "421 4.3.2 too many connections")}, facts{server: true}, "greeting: 421 4.3.2 too many", 0},
		"slow to greet":                {smtptest.Rules{Reply: only("", smtptest.Silence)}, facts{server: true}, "greeting: no answer in time", 0},
		"breaks off at the greeting":   {smtptest.Rules{Reply: only("", smtptest.HangUp)}, facts{server: true}, "greeting: the server has closed", 0},
		"breaks off at EHLO":           {smtptest.Rules{Reply: only("EHLO", smtptest.HangUp)}, facts{server: true}, "greeting: the server has closed", 0},
		"sender refused":               {smtptest.Rules{Reply: only("MAIL", "550 5.7.1 not from there")}, facts{permanent: true}, "mail: 550 5.7.1 not", 0},
		"sender refused for now":       {smtptest.Rules{Reply: only("MAIL", "451 4.3.0 later")}, facts{}, "mail: 451 4.3.0 later", 0},
		"unknown recipient":            {smtptest.Rules{Reply: only("RCPT", "550 5.1.1 no such user")}, facts{permanent: true}, "rcpt: 550 5.1.1 no such user", 0},
		"greylisted":                   {smtptest.Rules{Reply: only("RCPT", "450 4.7.1 come again")}, facts{}, "rcpt: 450 4.7.1 come again", 0},
		"over quota":                   {smtptest.Rules{Reply: only("RCPT", "552 5.2.2 mailbox full")}, facts{}, "rcpt: 552 5.2.2 mailbox full", 0},
		"too large":                    {smtptest.Rules{Reply: only(".", "552 5.3.4 too large")}, facts{permanent: true}, "end of data: 552 5.3.4", 0},
		"several lines":                {smtptest.Rules{Reply: only("RCPT", "550-5.1.1 no\r\n550 5.1.1 such user")}, facts{permanent: true}, "rcpt: 550 5.1.1 no such user", 0},
		"content refused":              {smtptest.Rules{Reply: only(".", "554 5.6.0 spam")}, facts{permanent: true}, "end of data: 554 5.6.0 spam", 0},
		"content refused for now":      {smtptest.Rules{Reply: only(".", "451 4.3.0 scanner is away")}, facts{}, "end of data: 451", 0},
		"no DATA":                      {smtptest.Rules{Reply: only("DATA", "451 4.3.0 no")}, facts{}, "data: 451 4.3.0 no", 0},
		"shuts down":                   {smtptest.Rules{Reply: only("RCPT", "421 4.3.2 going down")}, facts{server: true}, "rcpt: 421 4.3.2 going", 0},
		"breaks off before it has it":  {smtptest.Rules{Reply: only("DATA", smtptest.HangUp)}, facts{}, "data: the server has closed", 0},
		"breaks off before the answer": {smtptest.Rules{Reply: only(".", smtptest.HangUp)}, facts{uncertain: true}, "end of data: the server has closed", 0},
		"takes it and breaks off":      {smtptest.Rules{Reply: only(".", smtptest.TakeAndHangUp)}, facts{uncertain: true}, "end of data: the server has closed", 1},
		"never answers":                {smtptest.Rules{Reply: only(".", smtptest.Silence)}, facts{uncertain: true}, "end of data: no answer in time", 0},
		"never answers a command":      {smtptest.Rules{Reply: only("RCPT", smtptest.Silence)}, facts{}, "rcpt: no answer in time", 0},
		"says what is no reply":        {smtptest.Rules{Reply: only("RCPT", "hello\r\nthere")}, facts{}, "rcpt: ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := smtptest.Start(t, c.rules)
			s := sender(t, relay.Options{ConnectTimeout: 300 * time.Millisecond, CommandTimeout: 300 * time.Millisecond, SubmitTimeout: 300 * time.Millisecond})
			err := s.Send(bg, route(t, sink.Addr), message("1"))
			var f *relay.Failure
			if !errors.As(err, &f) {
				t.Fatalf("%v", err)
			}
			if got := (facts{f.Permanent, f.Server, f.Uncertain}); got != c.want || !strings.Contains(f.Error(), c.text) {
				t.Errorf("%+v, want %+v: %v", got, c.want, f)
			}
			if n := len(sink.Mails()); n != c.taken {
				t.Errorf("%d were taken", n)
			}
			// And all is well when it is mended.
			sink.Change(smtptest.Rules{})
			if err := s.Send(bg, route(t, sink.Addr), message("2")); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// Names and ports that lead nowhere are told in the words that administrators know.
func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	missing := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nowhere.example", IsNotFound: true}}
	}
	for want, s := range map[string]*relay.Sender{
		"connection refused": sender(t, relay.Options{}),
		"no such host":       sender(t, relay.Options{Dial: missing}),
	} {
		var f *relay.Failure
		if err := s.Send(bg, route(t, ln.Addr().String()), message("1")); !errors.As(err, &f) || f.Text != want || !f.Server || f.Permanent {
			t.Errorf("%+v, want %q", f, want)
		}
	}
	ctx, cancel := context.WithCancel(bg)
	sink := smtptest.Start(t, smtptest.Rules{Reply: func(_ *smtptest.Conn, verb, _ string) string {
		if verb == "RCPT" {
			cancel()
			return smtptest.Silence
		}
		return ""
	}})
	var f *relay.Failure
	if err := sender(t, relay.Options{}).Send(ctx, route(t, sink.Addr), message("1")); !errors.As(err, &f) || f.Server || !errors.Is(err, err) || f.Text != "cut short" {
		t.Errorf("cut short: %+v", f)
	}
}

// A server that takes only so many by one connection gets the rest by others, and
// one that has closed a connection in the meantime is no failure.
func TestTiredConnections(t *testing.T) {
	for name, reply := range map[string]string{"421": "421 4.7.0 enough", "452": "452 4.5.3 too many recipients", "hangs up": smtptest.HangUp} {
		t.Run(name, func(t *testing.T) {
			sink := smtptest.Start(t, smtptest.Rules{Reply: func(c *smtptest.Conn, verb, _ string) string {
				if verb == "RCPT" && c.Messages >= 2 {
					return reply
				}
				return ""
			}})
			s := sender(t, relay.Options{})
			for n := range 7 {
				if err := s.Send(bg, route(t, sink.Addr), message(fmt.Sprint(n))); err != nil {
					t.Fatal(err)
				}
			}
			if n, c := len(sink.Mails()), sink.Connections(); n != 7 || c != 4 {
				t.Errorf("%d messages, %d connections", n, c)
			}
		})
	}
}

// Many send at once, each by a connection of its own; those that are not needed end.
func TestConcurrency(t *testing.T) {
	sink := smtptest.Start(t, smtptest.Rules{})
	s := sender(t, relay.Options{IdleTime: 50 * time.Millisecond})
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for m := range 50 {
				if err := s.Send(bg, route(t, sink.Addr), message(fmt.Sprint(n, "-", m))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]int{}
	for _, m := range sink.Mails() {
		seen[m.Header("Message-Id")]++
	}
	if len(seen) != 400 || sink.Connections() > 16 {
		t.Errorf("%d messages, %d connections", len(seen), sink.Connections())
	}
}

func TestSecurity(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	defer web.Close()
	serverTLS := &tls.Config{Certificates: web.TLS.Certificates}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(web.Certificate())
	broken := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }}
	password := func(mechanism, response string) bool { return mechanism == "PLAIN" && response == "AGNhbABzZWNyZXQ=" } // \0cal\0secret
	for name, c := range map[string]struct {
		rules    smtptest.Rules
		security relay.Security
		trust    *tls.Config
		user     string
		failure  string
		secure   bool
	}{
		"taken where it is offered":          {smtptest.Rules{TLS: serverTLS}, relay.Opportunistic, nil, "", "", true},
		"the default":                        {smtptest.Rules{TLS: serverTLS}, "", nil, "", "", true},
		"done without where it is not":       {smtptest.Rules{}, relay.Opportunistic, nil, "", "", false},
		"done without where it fails":        {smtptest.Rules{TLS: broken}, relay.Opportunistic, nil, "", "", false},
		"not asked for":                      {smtptest.Rules{TLS: serverTLS}, relay.Plain, nil, "", "", false},
		"required, offered":                  {smtptest.Rules{TLS: serverTLS}, relay.Required, trust, "", "", true},
		"required, by one whom nobody knows": {smtptest.Rules{TLS: serverTLS}, relay.Required, nil, "", "unknown authority", false},
		"required, not offered":              {smtptest.Rules{}, relay.Required, trust, "", "offers no STARTTLS", false},
		"required, refused":                  {smtptest.Rules{TLS: serverTLS, Reply: only("STARTTLS", "454 4.7.0 not now")}, relay.Required, trust, "", "starttls: 454 ", false},
		"logged in":                          {smtptest.Rules{TLS: serverTLS, Auth: password}, relay.Required, trust, "secret", "", true},
		"wrong password":                     {smtptest.Rules{TLS: serverTLS, Auth: password}, relay.Required, trust, "guess", "auth: 535", false},
	} {
		t.Run(name, func(t *testing.T) {
			sink := smtptest.Start(t, c.rules)
			s := sender(t, relay.Options{TLS: c.trust})
			r := route(t, sink.Addr)
			r.Security = c.security
			if c.user != "" {
				r.User, r.Password = "cal", c.user
			}
			err := s.Send(bg, r, message("1"))
			var f *relay.Failure
			switch {
			case c.failure == "" && err != nil:
				t.Error(err)
			case c.failure == "":
				if m := sink.Mails()[0]; m.Conn.Secure != c.secure || (m.Conn.User != "") != (c.user != "") {
					t.Errorf("%+v", m.Conn)
				}
			case !errors.As(err, &f) || !strings.Contains(f.Error(), c.failure) || f.Permanent || !f.Server:
				t.Errorf("%+v", err)
			case len(sink.Mails()) != 0:
				t.Error("it was sent")
			}
		})
	}
}

// What a Failure says can be read again.
func TestParseFailure(t *testing.T) {
	for text, want := range map[string]relay.Failure{
		"mail.example.com:25: rcpt: 452 4.2.2 mailbox full": {Host: "mail.example.com:25", Step: relay.Recipient, Code: 452, Text: "4.2.2 mailbox full"},
		"[::1]:25: connect: no such host":                   {Host: "[::1]:25", Step: relay.Connecting, Text: "no such host"},
		"h:25: end of data: 554 no: really":                 {Host: "h:25", Step: relay.End, Code: 554, Text: "no: really"},
	} {
		f, ok := relay.ParseFailure(text)
		if !ok || f != want || f.Error() != text || f.OverQuota() != (f.Code == 452) {
			t.Errorf("%q: %+v %v", text, f, ok)
		}
	}
	for _, text := range []string{"", "the mail cannot be made: x: y", "h:25: too many failures: z"} {
		if f, ok := relay.ParseFailure(text); ok {
			t.Errorf("%q: %+v", text, f)
		}
	}
	for text, full := range map[string]bool{"552 5.3.4 too large": false, "552 no room": true, "450 user is over quota": true, "550 quota is our word": false, "451 4.7.1 greylisted": false} {
		if f, ok := relay.ParseFailure("h:25: rcpt: " + text); !ok || f.OverQuota() != full {
			t.Errorf("%s: %+v", text, f)
		}
	}
}
