// Package sitetest builds the site on which tests open their fronts: a store,
// the model over it, DWP between them if wanted, people who can log in,
// sessions and a clock. There is no other way to build one, so that a test of
// one front says the same of a site as that of another.
package sitetest

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/server/session"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// Options say what kind of site it is; the zero value is one process with
// SQLite, by the system's clock.
type Options struct {
	Postgres bool // instead of SQLite
	DWP      bool // the model is reached over a socket
	Durable  bool // as a site runs; tests do not wait for disks
	Clock    *Clock
	People   calendar.People // whom the model asks; nil: the staff
	Model    service.Options // its clock and host are the site's
}

// Site is what fronts are opened on.
type Site struct {
	Store    *sqlstore.Store
	Model    *service.Service
	Backend  calendar.Backend // the model, or the client that reaches it
	People   calendartest.People
	Sessions *session.Sessions
	Now      func() time.Time

	t   testing.TB
	opt Options
}

// host is what the back end is called.
const host = "calendar1.example.com"

// New builds a site that is there until the test ends.
func New(t testing.TB, opt Options) *Site {
	t.Helper()
	s := &Site{People: Staff(), Now: time.Now, t: t, opt: opt}
	if opt.Clock != nil {
		s.Now = opt.Clock.Now
	}
	s.opt.Model.Now, s.opt.Model.Host = s.Now, host
	if opt.People == nil {
		s.opt.People = s.People
	}
	s.Store = openStore(t, opt, s.Now)
	var err error
	if s.Sessions, err = session.Open(session.Options{Dir: t.TempDir(), Now: s.Now}); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	return s
}

func openStore(t testing.TB, opt Options, now func() time.Time) (store *sqlstore.Store) {
	t.Helper()
	o := sqlstore.Options{Relaxed: !opt.Durable, Now: now}
	var err error
	if opt.Postgres {
		store, err = sqlstore.OpenPostgres(context.Background(), pgtest.Start(t), o)
	} else {
		store, err = sqlstore.OpenSQLite(context.Background(), t.TempDir(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// Restart makes a back end that has nothing in memory yet. Fronts that are
// open stay with the old one.
func (s *Site) Restart() {
	s.t.Helper()
	s.Model = service.New(s.Store, s.opt.People, s.opt.Model)
	s.Backend = s.Model
	if s.opt.DWP {
		s.Backend = OverDWP(s.t, s.Model)
	}
}

// OverDWP puts a DWP server in front of a back end, on a socket, and returns
// the client of it.
func OverDWP(t testing.TB, be calendar.Backend) *dwp.Client {
	t.Helper()
	address := "unix:" + filepath.Join(t.TempDir(), "s")
	ln, err := dwp.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	server, err := dwp.NewServer(ln, be, dwp.ServerOptions{Names: []string{host}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve() }()
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		server.Shutdown(gone)
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	client, err := dwp.NewClient(dwp.ClientOptions{Host: host, Address: address, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// Staff are anna, who has a full entry, ben, carl, room1, a resource, and
// root, the administrator.
func Staff() calendartest.People {
	people := calendartest.NewPeople("anna", "ben", "carl", "root", "room1")
	anna := people["anna"]
	anna.Given, anna.Surname, anna.Name, anna.TZID, anna.Language = "Anna", "Berg", "Anna Berg", "Europe/Berlin", "en"
	anna.Mails = append(anna.Mails, "a.berg@example.com")
	people["anna"] = anna
	room := people["room1"]
	room.Kind = calendar.Resource
	people["room1"] = room
	return people
}

// Login lets people in whose password is their name.
func (s *Site) Login(_ context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
	p, ok := s.People[strings.TrimSuffix(user, "@example.com")]
	if !ok || password != p.ID || p.Kind != calendar.Individual {
		return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
	}
	return p, nil
}

// Clock starts at a time and stands still unless it is moved.
type Clock struct {
	Start time.Time
	moved atomic.Int64
}

// Now tells the time.
func (c *Clock) Now() time.Time { return c.Start.Add(time.Duration(c.moved.Load())) }

// Add moves the clock.
func (c *Clock) Add(d time.Duration) { c.moved.Add(int64(d)) }

// variants are the kinds of sites by name.
var variants = []struct {
	name string
	opt  Options
}{
	{"sqlite", Options{}}, {"sqlite-dwp", Options{DWP: true}}, {"postgres", Options{Postgres: true}}, {"postgres-dwp", Options{Postgres: true, DWP: true}},
}

// Everywhere runs a test with the options of each kind of site.
func Everywhere(t *testing.T, test func(t *testing.T, opt Options)) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) { test(t, v.opt) })
	}
}
