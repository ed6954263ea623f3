// Package sitetest builds the site on which tests open their fronts: a store,
// the model over it, DWP between them if wanted, people who can log in,
// sessions and a clock. There is no other way to build one, so that a test of
// one front says the same of a site as that of another.
package sitetest

import (
	"cmp"
	"context"
	"encoding/xml"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/cld"
	"factotum/server/delivery"
	"factotum/server/service"
	"factotum/server/session"
	"factotum/server/worker"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
	"factotum/store/storetest/pgtest"
)

// Options say what kind of site it is; the zero value is one process with
// SQLite, by the system's clock.
type Options struct {
	Engine  Engine
	DWP     bool // the model is reached over a socket
	Durable bool // as a site runs; tests do not wait for disks
	NoCache bool // nothing is kept in memory, as with factotum.cache.bytes=0
	Clock   *Clock
	People  calendar.People // whom the model asks; nil: the staff
	Model   service.Options // its clock and host are the site's

	// Scheduling: messages are delivered, as in the daemon that owns the store.
	Scheduling bool
	// Mails: who has no calendar here is written to by mail, which stays in the queue.
	Mails bool
}

// Engine is what keeps the calendars.
type Engine int

// Engines. Memory is the plain store that the model's own tests use.
const (
	SQLite Engine = iota
	Postgres
	Memory
)

// Site is what fronts are opened on.
type Site struct {
	Store    calendar.Store
	Model    *service.Service
	Backend  calendar.Backend // the Router over the model, or over the client that reaches it
	People   calendartest.People
	Sessions *session.Sessions
	Now      func() time.Time

	t       testing.TB
	opt     Options
	jobs    *worker.Worker
	courier *delivery.Courier
	started bool
	local   calendar.Backend // that the Router is over
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
	if opt.NoCache || withoutCache.Load() {
		s.opt.Model.CacheBytes = -1
		t.Cleanup(func() {
			if n := s.Model.Cache().Size(); n != 0 {
				t.Errorf("%d octets are kept where nothing is to be", n)
			}
		})
	}
	s.Store = openStore(t, opt, s.Now)
	var err error
	if s.Sessions, err = session.Open(session.Options{Dir: t.TempDir(), Now: s.Now}); err != nil {
		t.Fatal(err)
	}
	if opt.Scheduling {
		s.jobs = worker.New(s.Store, worker.Options{Now: s.Now, First: 20 * time.Millisecond, Max: 100 * time.Millisecond})
		s.courier = &delivery.Courier{Jobs: s.jobs, People: s.opt.People, Mails: opt.Mails}
		s.opt.Model.Outbox = s.jobs
		s.opt.Model.AnswersPause = cmp.Or(s.opt.Model.AnswersPause, 100*time.Millisecond)
	}
	s.Restart()
	return s
}

func openStore(t testing.TB, opt Options, now func() time.Time) calendar.Store {
	t.Helper()
	o := sqlstore.Options{Relaxed: !opt.Durable, Now: now}
	switch opt.Engine {
	case Memory:
		return calendartest.NewStore()
	case Postgres:
		return fresh.Postgres(t, o)
	default:
		return fresh.SQLite(t, o)
	}
}

// Restart makes a back end that has nothing in memory yet. Fronts that are
// open stay with the old one.
func (s *Site) Restart() {
	s.t.Helper()
	s.Model = service.New(s.Store, s.opt.People, s.opt.Model)
	var local calendar.Backend = s.Model
	if s.opt.DWP {
		local = cld.NewLists(1 << 20).Of(OverDWP(s.t, s.Model)) // as front ends do
	}
	router, err := cld.New(cld.Options{Local: local})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Backend, s.local = router, local
	if s.opt.Scheduling {
		s.courier.Model = s.Model
		s.deliverBy(router)
	}
}

// deliverBy starts the worker, whose messages go by a router.
func (s *Site) deliverBy(router *cld.Router) {
	s.courier.Backend = router
	if s.started {
		return
	}
	s.started = true
	for name, kind := range s.courier.Kinds() {
		s.jobs.Handle(name, kind)
	}
	s.jobs.Handle(calendar.JobShare, worker.Kind{Run: service.BringNote(router)})
	if err := s.jobs.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := s.jobs.Stop(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
}

// Settle waits until no message is on its way any more. With a clock that stands
// still those that are planned stay so.
func (s *Site) Settle() {
	s.t.Helper()
	for end := time.Now().Add(pgtest.Patience); ; time.Sleep(2 * time.Millisecond) {
		jobs, err := s.Store.Jobs(s.t.Context(), calendar.JobID{}, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		jobs = slices.DeleteFunc(jobs, func(j calendar.Job) bool {
			return j.Parked || s.opt.Clock != nil && j.Due.After(s.Now())
		})
		// A job that is gone from the store may not be in the cache's state yet: its
		// commit is published a moment later, and then it does not run any more.
		if len(jobs) == 0 && s.jobs.Stats().Running == 0 {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d jobs are not done: %+v", len(jobs), jobs)
		}
		if s.opt.Clock != nil {
			s.jobs.Add() // it does not know that the clock was moved
		}
	}
}

// Failed tells whether something that follows from changes has failed, and is to be
// tried again later, and logs why.
func (s *Site) Failed() (some bool) {
	s.t.Helper()
	jobs, err := s.Store.Jobs(s.t.Context(), calendar.JobID{}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Attempts > 0 && !j.Parked {
			s.t.Logf("job %s (%s) has failed, and is tried again at %s: %s", j.JobID, j.Kind, j.Due, j.Err)
			some = true
		}
	}
	return some
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
	client, err := dwp.NewClient(dwp.ClientOptions{Host: host, Address: address, Logger: quiet, Silence: pgtest.Patience})
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
	room.Kind, room.NoDoubles = calendar.Resource, true
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

// Clock stands still unless it is moved, so that times are the same in every
// run. It begins on a Monday at noon.
type Clock struct{ moved atomic.Int64 }

// Now tells the time.
func (c *Clock) Now() time.Time {
	return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.moved.Load()))
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) { c.moved.Add(int64(d)) }

// Variant is a kind of site that users have.
type Variant struct {
	Name string
	Options
}

// Variants are both engines, in one process and over DWP, and one that keeps
// nothing in memory.
var Variants = []Variant{
	{"sqlite", Options{}}, {"sqlite-dwp", Options{DWP: true}}, {"postgres", Options{Engine: Postgres}}, {"postgres-dwp", Options{Engine: Postgres, DWP: true}},
	{"sqlite-nocache", Options{NoCache: true}},
}

// withoutCache is set while WithoutCache runs.
var withoutCache atomic.Bool

// WithoutCache runs tests of a package once more, where each site that they
// build keeps nothing in memory: every answer is the same. No other test may
// run at the time, so that it is not for parallel ones.
func WithoutCache(t *testing.T, tests ...func(*testing.T)) {
	if !withoutCache.CompareAndSwap(false, true) {
		t.Fatal("WithoutCache in WithoutCache")
	}
	t.Cleanup(func() { withoutCache.Store(false) })
	for _, test := range tests {
		name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
		t.Run(name[strings.LastIndexByte(name, '.')+1:], test)
	}
}

// WellFormed checks an answer in XML with a parser that is not ours.
func WellFormed(t testing.TB, what, body string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(body)); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v in\n%s", what, err, body)
		}
	}
}
