// Package outward sends what the server has to say to addresses that users gave:
// push services and webhooks. Whoever gives an address chooses where the server
// connects to, from inside of the site's network; so a Client connects to nothing
// but public addresses, which it looks at when it connects, after the name was
// resolved: what a name means a moment before counts for nothing. It follows no
// redirects, uses no proxy, keeps no cookies, and reads a bounded answer in a
// bounded time.
package outward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options are choices; the zero value is right where all receivers are elsewhere.
type Options struct {
	// Allow are networks that may be reached though they are no part of the public
	// Internet; these without TLS too.
	Allow   []netip.Prefix
	Timeout time.Duration // of a request with its answer; 0: 30 s
	Agent   string        // User-Agent
	// Resolver finds addresses; nil is the system's.
	Resolver *net.Resolver
	// Transport changes what requests are sent by, for tests.
	Transport func(*http.Transport)
}

// Client sends requests. It is for any number of goroutines.
type Client struct {
	opt  Options
	http *http.Client
}

// mostAnswer is how much of an answer is read.
const mostAnswer = 64 << 10

// Refused says that an address is none that the server connects to.
type Refused struct{ Text string }

func (e *Refused) Error() string { return e.Text }

// New returns a client.
func New(opt Options) *Client {
	if opt.Timeout <= 0 {
		opt.Timeout = 30 * time.Second
	}
	c := &Client{opt: opt}
	dialer := &net.Dialer{Timeout: min(opt.Timeout, 10*time.Second), KeepAlive: 30 * time.Second, Resolver: opt.Resolver}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := *dialer
			plain, _ := ctx.Value(plainKey{}).(bool)
			name, _, _ := net.SplitHostPort(address)
			d.ControlContext = func(_ context.Context, _, to string, _ syscall.RawConn) error { return c.admit(name, to, plain) }
			return d.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: opt.Timeout,
		MaxIdleConns: 100, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: mostAnswer, DisableCompression: true,
	}
	if opt.Transport != nil {
		opt.Transport(t)
	}
	c.http = &http.Client{Transport: t, Timeout: opt.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

type plainKey struct{}

// admit decides about the address of a connection that is about to be made to a host.
func (c *Client) admit(name, to string, plain bool) error {
	ap, err := netip.ParseAddrPort(to)
	if err != nil {
		return &Refused{"an address that cannot be read is not connected to"}
	}
	return c.admitAddr(name, ap.Addr(), plain)
}

// admitAddr decides about an address that a host's name, or the host as it was given,
// stands for. What a name of the site's own network means is not told.
func (c *Client) admitAddr(name string, a netip.Addr, plain bool) error {
	a = a.WithZone("").Unmap()
	for _, p := range c.opt.Allow {
		if p.Contains(a) {
			return nil
		}
	}
	if why := Inward(a); why != "" {
		return &Refused{fmt.Sprintf("%s stands for %s, which the server connects to only if its configuration allows that network", name, why)}
	}
	if plain {
		return &Refused{"the address must begin with https://"}
	}
	return nil
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // the beginning of it
}

// OK reports whether it was taken.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// RetryAfter is how long the receiver asks to be left alone, by the header of that
// name; 0 if it does not. RFC 9110 §10.2.3.
func (a *Answer) RetryAfter(now time.Time) time.Duration {
	v := strings.TrimSpace(a.Header.Get("Retry-After"))
	if s, err := strconv.ParseInt(v, 10, 32); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// String tells of the answer in words.
func (a *Answer) String() string {
	text := strings.TrimSpace(fmt.Sprintf("the receiver answered %d %s", a.Status, http.StatusText(a.Status)))
	if a.Status >= 300 && a.Status < 400 {
		text += "; redirects are not followed: give the address that is meant"
	}
	return text
}

// Post sends a body to an address. An error says that there was no answer.
func (c *Client) Post(ctx context.Context, address string, header http.Header, body []byte) (*Answer, error) {
	u, err := c.Check(address)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, plainKey{}, u.Scheme == "http")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &Refused{"the address cannot be read"}
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if c.opt.Agent != "" {
		req.Header.Set("User-Agent", c.opt.Agent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, plainError(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil && ctx.Err() != nil {
		return nil, plainError(err)
	}
	return &Answer{resp.StatusCode, resp.Header, text}, nil
}

// plainError leaves the address out, which is a secret of whose push it is.
func plainError(err error) error {
	var r *Refused
	if errors.As(err, &r) {
		return r
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("no host of this name is known")
	case errors.As(err, &dns):
		return fmt.Errorf("the name of the host could not be looked up")
	case errors.Is(err, context.DeadlineExceeded) || late(err):
		return fmt.Errorf("the receiver did not answer in time")
	}
	return err
}

// late reports whether an error is one of waiting for too long.
func late(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// longestAddress is how long an address may be.
const longestAddress = 2000

// Check reads an address, and refuses what no request would be sent to whatever
// its name means.
func (c *Client) Check(address string) (*url.URL, error) {
	if len(address) > longestAddress {
		return nil, &Refused{fmt.Sprintf("the address is longer than %d characters", longestAddress)}
	}
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, &Refused{"the address has a character that an URL cannot have as it is"}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, &Refused{"the address is no URL"}
	case u.Scheme != "https" && (u.Scheme != "http" || len(c.opt.Allow) == 0):
		return nil, &Refused{"the address must begin with https://"}
	case u.User != nil:
		return nil, &Refused{"the address has a user name or password in it: give a secret in its path instead"}
	case u.Hostname() == "" || u.Opaque != "":
		return nil, &Refused{"the address names no host"}
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return nil, &Refused{"the address has a part after #, which is never sent"}
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, &Refused{"the address has no such port"}
		}
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := c.admitAddr(u.Hostname(), a, u.Scheme == "http"); err != nil {
			return nil, err
		}
	} else if name := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); len(c.opt.Allow) == 0 && (name == "localhost" || strings.HasSuffix(name, ".localhost")) {
		return nil, &Refused{"the address is that of the server itself"}
	}
	return u, nil
}
