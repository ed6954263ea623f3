package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
)

func slapdPeople(t *testing.T) *ldaptest.Server {
	t.Helper()
	return ldaptest.Start(t, people(t, func(p string) string { return p }))
}

func mustFind(t *testing.T, d *Directory) {
	t.Helper()
	if p, err := d.Person(t.Context(), "jdoe"); err != nil || p.ID != "jdoe" {
		t.Fatalf("person: %q, %v", p.ID, err)
	}
}

func TestLDAPEncrypted(t *testing.T) {
	s := slapdPeople(t)
	good := &tls.Config{RootCAs: s.CA}
	for name, c := range map[string]struct {
		host     string
		startTLS bool
		tls      *tls.Config
		ok       bool
	}{
		"ldaps":                     {"ldaps://" + s.TLSAddr, false, good, true},
		"ldaps, StartTLS ignored":   {"ldaps://" + s.TLSAddr, true, good, true},
		"StartTLS":                  {"ldap://" + s.Addr, true, good, true},
		"ldaps, unknown authority":  {"ldaps://" + s.TLSAddr, false, nil, false},
		"StartTLS, unknown":         {s.Addr, true, nil, false},
		"StartTLS, wrong name":      {s.Addr, true, &tls.Config{RootCAs: s.CA, ServerName: "other.example.com"}, false},
		"ldaps to a plain listener": {"ldaps://" + s.Addr, false, good, false},
	} {
		opt := ldapOptions(s)
		opt.LDAP.Hosts, opt.LDAP.StartTLS, opt.LDAP.TLS, opt.LDAP.Timeout = []string{c.host}, c.startTLS, c.tls, 4*time.Second
		d := open(t, opt)
		_, err := d.Person(t.Context(), "jdoe")
		if c.ok && err != nil || !c.ok && !errors.Is(err, calendar.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if !c.ok {
			continue
		}
		l := logins(t, d, LoginOptions{})
		if _, err := l.Login(t.Context(), "jdoe", "jdoe-secret", from(here)); err != nil {
			t.Errorf("%s: log in: %v", name, err)
		}
	}
}

func TestLDAPReconnects(t *testing.T) {
	s := slapdPeople(t)
	d := open(t, ldapOptions(s))
	l := logins(t, d, LoginOptions{CacheTTL: -1})
	for range 3 {
		mustFind(t, d)
		if _, err := l.Login(t.Context(), "jdoe", "jdoe-secret", from(here)); err != nil {
			t.Fatal(err)
		}
		s.Stop()
		s.Restart() // the idle connections are dead now
	}
	mustFind(t, d)
	s.Stop()
	if _, err := d.Person(t.Context(), "jdoe"); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("no server: %v", err)
	}
	if err := d.Ping(t.Context()); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("ping without a server: %v", err)
	}
	s.Restart()
	mustFind(t, d) // the only host is tried even while it cools down
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// deaf takes connections and never says a word.
func deaf(t *testing.T) (addr string, dials func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
	}()
	return l.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(conns)
	}
}

func TestLDAPFailsOver(t *testing.T) {
	s := slapdPeople(t)
	silent, dials := deaf(t)
	opt, c := ldapOptions(s), newClock()
	opt.Now = c.now
	opt.LDAP.Hosts = []string{silent, "127.0.0.1:1", s.Addr}
	opt.LDAP.Timeout = 300 * time.Millisecond
	d := open(t, opt)
	mustFind(t, d)
	if n := dials(); n != 1 {
		t.Errorf("%d connections to the silent host, want 1", n)
	}
	src := d.src.(*ldapSource)
	src.searches.dropIdle(src.searches.hosts[2])
	mustFind(t, d) // the silent host is passed over
	if n := dials(); n != 1 {
		t.Errorf("%d connections to the silent host while it cools down, want 1", n)
	}
	src.searches.dropIdle(src.searches.hosts[2])
	c.move(time.Minute)
	mustFind(t, d) // and tried again later
	if n := dials(); n != 2 {
		t.Errorf("%d connections to the silent host after the cool-down, want 2", n)
	}
}

func TestLDAPKeepsToItsDeadline(t *testing.T) {
	silent, dials := deaf(t)
	d := open(t, Options{LDAP: LDAPOptions{Hosts: []string{silent}, BaseDN: "o=x", Timeout: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := d.Person(ctx, "anna")
		done <- err
	}()
	until(t, func() bool { return dials() == 1 })
	cancel()
	if err := <-done; !errors.Is(err, calendar.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(20*time.Millisecond))
	defer cancel()
	if _, err := d.Person(late, "anna"); !errors.Is(err, calendar.Canceled) {
		t.Errorf("deadline: %v", err)
	}
}

func TestLDAPPoolIsBounded(t *testing.T) {
	s := slapdPeople(t)
	opt := ldapOptions(s)
	opt.LDAP.MaxConns = 3
	c := newClock()
	opt.Now = c.now
	d := open(t, opt)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, err := d.Person(t.Context(), "jdoe"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	p := d.src.(*ldapSource).searches
	if n := len(p.idle); n < 1 || n > 3 {
		t.Errorf("%d idle connections", n)
	}
	c.move(time.Hour)
	mustFind(t, d)
	if n := len(p.idle); n != 1 {
		t.Errorf("%d idle connections after an hour, want 1", n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Person(t.Context(), "jdoe"); err == nil {
		t.Error("an answer after Close")
	}
}

// A search log-in that is refused is our fault or the admin's, not "not found".
func TestLDAPWrongBindIdentity(t *testing.T) {
	s := slapdPeople(t)
	opt := ldapOptions(s)
	opt.LDAP.BindCred = "wrong"
	d := open(t, opt)
	if _, err := d.Person(t.Context(), "jdoe"); !errors.Is(err, calendar.Unavailable) {
		t.Error(err)
	}
}

func TestLDAPAnswersAreKept(t *testing.T) {
	s := slapdPeople(t)
	opt, c := ldapOptions(s), newClock()
	opt.LDAP.CacheTTL, opt.Now = 30*time.Second, c.now
	d := open(t, opt)
	mustFind(t, d)
	if _, err := d.Person(t.Context(), "nobody"); !errors.Is(err, calendar.NotFound) {
		t.Fatal(err)
	}
	s.Stop()
	mustFind(t, d)
	if _, err := d.Person(t.Context(), "nobody"); !errors.Is(err, calendar.NotFound) {
		t.Errorf("kept: %v", err)
	}
	c.move(31 * time.Second)
	if _, err := d.Person(t.Context(), "jdoe"); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("after half a minute: %v", err)
	}
	s.Restart()
	mustFind(t, d)
}

func TestParseHost(t *testing.T) {
	for in, want := range map[string]ldapHost{
		"ldap.sesta.com":            {network: "tcp", address: "ldap.sesta.com:389", name: "ldap.sesta.com"},
		"ldap.sesta.com:1389":       {network: "tcp", address: "ldap.sesta.com:1389", name: "ldap.sesta.com"},
		"ldaps://ldap.sesta.com":    {network: "tcp", address: "ldap.sesta.com:636", name: "ldap.sesta.com", tls: true},
		"ldap://[::1]:389":          {network: "tcp", address: "[::1]:389", name: "::1"},
		"unix:///run/slapd/ldapi":   {network: "unix", address: "/run/slapd/ldapi", name: "localhost"},
		" ldaps://10.0.0.1:10636/ ": {network: "tcp", address: "10.0.0.1:10636", name: "10.0.0.1", tls: true},
	} {
		if got, err := parseHost(in); err != nil || *got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
	for h, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "[::1]": true, "10.0.0.1": false, "ldap.sesta.com": false, "unix:///x": true} {
		if got, err := parseHost(h); err != nil || got.local() != want {
			t.Errorf("%s local: %v", h, err)
		}
	}
}
