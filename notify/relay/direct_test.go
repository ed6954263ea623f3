package relay_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"factotum/notify/relay"
	"factotum/notify/relay/smtptest"
)

// The servers that MX records name are tried in their order, a domain without them
// is its own server, and one that does not exist, or takes no mail, is told at once.
// RFC 5321 §5.1, RFC 7505 §3.
func TestDirect(t *testing.T) {
	hangsUp := smtptest.Rules{Reply: func(*smtptest.Conn, string, string) string { return smtptest.HangUp }}
	servers := map[string]*smtptest.Sink{ // by name
		"mx1.two.example": smtptest.Start(t, hangsUp), "mx2.two.example": smtptest.Start(t, smtptest.Rules{}),
		"plain.example":     smtptest.Start(t, smtptest.Rules{}),
		"mx.later.example":  smtptest.Start(t, smtptest.Rules{Reply: only("RCPT", "450 4.2.0 come again")}),
		"mx2.later.example": smtptest.Start(t, smtptest.Rules{}),
		"mx.never.example":  smtptest.Start(t, smtptest.Rules{Reply: only("RCPT", "550 5.1.1 no such user")}),
		"mx.lost.example":   smtptest.Start(t, smtptest.Rules{Reply: only(".", smtptest.TakeAndHangUp)}), "mx2.lost.example": smtptest.Start(t, smtptest.Rules{}),
		"mx.away.example": smtptest.Start(t, hangsUp), "mx2.away.example": smtptest.Start(t, hangsUp),
	}
	missing := &net.DNSError{Err: "no such host", IsNotFound: true}
	records := map[string][]string{"two.example": {"mx1.two.example.", "mx2.two.example."}, "later.example": {"mx.later.example", "mx2.later.example"}, "never.example": {"mx.never.example"},
		"lost.example": {"mx.lost.example", "mx2.lost.example"}, "away.example": {"mx.away.example", "mx2.away.example"}, "null.example": {"."}, "dangling.example": {"gone.example."}}
	var dialed []string
	s := sender(t, relay.Options{
		LookupMX: func(_ context.Context, domain string) (list []*net.MX, err error) {
			if domain == "trouble.example" {
				return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
			}
			for n, name := range records[domain] {
				list = append(list, &net.MX{Host: name, Pref: uint16(10 * n)})
			}
			if list == nil {
				return nil, missing
			}
			return list, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, _ := net.SplitHostPort(address)
			dialed = append(dialed, host)
			if servers[host] == nil || port != "25" {
				return nil, &net.OpError{Op: "dial", Err: missing}
			}
			return new(net.Dialer).DialContext(ctx, network, servers[host].Addr)
		},
	})
	for domain, c := range map[string]struct {
		text      string // of the failure; "" is none
		dialed    []string
		permanent bool
		server    bool
	}{
		"two.example":      {dialed: []string{"mx1.two.example", "mx2.two.example"}},
		"plain.example":    {dialed: []string{"plain.example"}},
		"later.example":    {text: "later.example (mx.later.example:25): rcpt: 450 4.2.0 come again", dialed: []string{"mx.later.example"}},
		"never.example":    {text: "never.example (mx.never.example:25): rcpt: 550 5.1.1 no such user", dialed: []string{"mx.never.example"}, permanent: true},
		"lost.example":     {text: "lost.example (mx.lost.example:25): end of data: the server has closed the connection", dialed: []string{"mx.lost.example"}}, // not a second copy at once
		"away.example":     {text: "away.example (mx2.away.example:25): greeting: the server has closed the connection", dialed: []string{"mx.away.example", "mx2.away.example"}, server: true},
		"null.example":     {text: "null.example: connect: the domain takes no mail (null MX)", permanent: true},
		"typo.example":     {text: "typo.example (typo.example:25): connect: no such host", dialed: []string{"typo.example"}, permanent: true},
		"dangling.example": {text: "dangling.example (gone.example:25): connect: no such host", dialed: []string{"gone.example"}, server: true},
		"trouble.example":  {text: "trouble.example: connect: the name cannot be looked up at the moment: server misbehaving", server: true},
	} {
		dialed = nil
		m := message("1")
		m.To = "bert@" + domain
		err := s.Send(bg, relay.Route{Host: domain, MX: true}, m)
		if dialed = slices.Compact(dialed); !slices.Equal(dialed, c.dialed) {
			t.Errorf("%s: asked %q", domain, dialed)
		}
		if c.text == "" {
			if err != nil {
				t.Errorf("%s: %v", domain, err)
			}
			continue
		}
		var f *relay.Failure
		if !errors.As(err, &f) || f.Error() != c.text || f.Permanent != c.permanent || f.Server != c.server {
			t.Errorf("%s: %+v: %v", domain, f, err)
			continue
		}
		if again, ok := relay.ParseFailure(c.text); !ok || again.Host != f.Host || !strings.HasPrefix(f.Host, relay.Route{Host: domain, MX: true}.Address()) {
			t.Errorf("%s: read again as %+v", domain, again)
		}
	}
	for name, want := range map[string]int{"mx2.two.example": 1, "plain.example": 1, "mx.lost.example": 1, "mx2.lost.example": 0, "mx2.later.example": 0} {
		if n := servers[name].Count(); n != want {
			t.Errorf("%s has %d", name, n)
		}
	}
}
