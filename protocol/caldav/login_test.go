package caldav

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

var methods = []string{"OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE", "PROPFIND", "PROPPATCH", "MKCALENDAR", "MKCOL",
	"COPY", "MOVE", "REPORT", "ACL", "LOCK", "UNLOCK", "PATCH", "FROBNICATE"}

// Anonymous requests learn nothing about what exists, not even by OPTIONS.
func TestAnonymousGets401First(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for _, path := range []string{"/", "/dav/", "/dav/principals/anna/", annasHome, annasCal, annasCal + "x.ics", "/dav/nowhere", "/dav/%2e%2e/x"} {
		for _, m := range methods {
			r := s.do("", m, path, "").is(401)
			if got := r.header.Get("WWW-Authenticate"); got != `Basic realm="Calendar", charset="UTF-8"` {
				t.Fatalf("%s %s: challenge %q", m, path, got)
			}
		}
	}
}

func TestWrongPasswordGets401(t *testing.T) {
	s := newSite(t)
	r := newRequest("PROPFIND", "/dav/", strings.NewReader(""))
	r.SetBasicAuth("anna", "ben")
	s.send("", r).is(401)
}

// What no directory should see never gets there.
func TestCredentialsWithControlCharacters(t *testing.T) {
	called := false
	h := New(Options{Login: func(context.Context, string, string, netip.Addr) (calendar.Person, error) {
		called = true
		return calendar.Person{}, calendar.LoginFailed
	}})
	s := &site{t: t, h: h}
	for _, c := range [][2]string{{"an\r\nna", "x"}, {"anna", "x\x00y"}, {"anna\x00", "x"}, {"an\u0085na", "x"}, {"\tanna", "x"}, {"anna", "\xff"}, {strings.Repeat("a", 2000), "x"}, {"", "x"}} {
		r := newRequest("GET", "/dav/", strings.NewReader(""))
		r.SetBasicAuth(c[0], c[1])
		s.send("", r).is(401)
	}
	if called {
		t.Error("the directory was asked")
	}
}

func TestDirectoryDown(t *testing.T) {
	h := New(Options{Login: func(context.Context, string, string, netip.Addr) (calendar.Person, error) {
		return calendar.Person{}, &calendar.Error{Kind: calendar.Unavailable, Op: "log in"}
	}})
	r := (&site{t: t, h: h}).do("anna", "PROPFIND", "/dav/", "").is(503)
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestRetryAfterIsConfigured(t *testing.T) {
	h := New(Options{RetryAfter: 90 * time.Second, Login: func(context.Context, string, string, netip.Addr) (calendar.Person, error) {
		return calendar.Person{}, &calendar.Error{Kind: calendar.Unavailable, Op: "log in"}
	}})
	r := (&site{t: t, h: h}).do("anna", "PROPFIND", "/dav/", "").is(503)
	if got := r.header.Get("Retry-After"); got != "90" {
		t.Errorf("Retry-After: %q", got)
	}
}

// Who has to wait after failures is told so, and how long.
func TestWaitingIs429(t *testing.T) {
	h := New(Options{Login: func(context.Context, string, string, netip.Addr) (calendar.Person, error) {
		return calendar.Person{}, &calendar.Error{Kind: calendar.MustWait, Op: "log in", After: 3500 * time.Millisecond, Msg: "Try again in 4 s."}
	}})
	for _, m := range methods {
		r := (&site{t: t, h: h}).do("anna", m, "/dav/", "").is(429)
		if got := r.header.Get("Retry-After"); got != "4" {
			t.Errorf("%s: Retry-After: %q", m, got)
		}
		if r.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: asks for another password", m)
		}
	}
}

func TestRemoteAddressReachesLogin(t *testing.T) {
	var got netip.Addr
	h := New(Options{Login: func(_ context.Context, _, _ string, remote netip.Addr) (calendar.Person, error) {
		got = remote
		return calendar.Person{}, calendar.LoginFailed
	}})
	r := newRequest("GET", "/dav/", strings.NewReader(""))
	r.RemoteAddr = "[::ffff:192.0.2.7]:1234"
	(&site{t: t, h: h}).send("anna", r)
	if got != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("remote %v", got)
	}
}
