package wcaptest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/protocol/caldav"
	"factotum/protocol/dwp"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/server/session"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// site is a server with both fronts. The people are anna, ben, carl, room1 (a
// resource) and root, the administrator; the password is the name.
type site struct {
	t      testing.TB
	wcap   http.Handler
	dav    http.Handler
	be     calendar.Backend
	people calendartest.People
	clock  *clock
	sid    map[string]string
	start  func() // both fronts, on a back end that has nothing in memory yet
}

// clock stands still unless a test moves it.
type clock struct{ n atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.n.Load()))
}

func (c *clock) add(d time.Duration) { c.n.Add(int64(d)) }

// variant is a way to build a site.
type variant struct {
	name          string
	postgres, dwp bool
	durable       bool // as a site runs; tests do not wait for disks
}

var variants = []variant{
	{name: "sqlite"}, {name: "sqlite-dwp", dwp: true}, {name: "postgres", postgres: true}, {name: "postgres-dwp", postgres: true, dwp: true},
}

// everywhere runs a test on a fresh site of each kind.
func everywhere(t *testing.T, test func(t *testing.T, s *site)) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, v))
		})
	}
}

const backHost = "calendar1.sesta.com"

func newSite(t testing.TB, v variant, change ...func(*wcap.Options)) *site {
	t.Helper()
	ctx := context.Background()
	quiet := slog.New(slog.DiscardHandler)
	c := &clock{}
	opts := sqlstore.Options{Relaxed: !v.durable, Now: c.now}
	var store *sqlstore.Store
	var err error
	if v.postgres {
		store, err = sqlstore.OpenPostgres(ctx, pgtest.Start(t), opts)
	} else {
		store, err = sqlstore.OpenSQLite(ctx, t.TempDir(), opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	people := calendartest.NewPeople("anna", "ben", "carl", "root", "room1")
	anna := people["anna"]
	anna.Given, anna.Surname, anna.Name, anna.TZID, anna.Language = "Anna", "Berg", "Anna Berg", "Europe/Berlin", "en"
	people["anna"] = anna
	room := people["room1"]
	room.Kind = calendar.Resource
	people["room1"] = room
	s := &site{t: t, people: people, clock: c, sid: map[string]string{}}
	sessions, err := session.Open(session.Options{Dir: t.TempDir(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	o := wcap.Options{
		People: people, Sessions: sessions, Now: c.now, Login: s.logIn, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Settings: wcap.Settings{
			Anonymous: true, CreateCalendars: true, DeleteCalendars: true, PublicWritable: true, Admins: []string{"root"}, DefaultTZID: "Europe/Berlin",
		},
	}
	for _, f := range change {
		f(&o)
	}
	s.start = func() {
		s.be = service.New(store, people, service.Options{Now: c.now, Host: backHost})
		if v.dwp {
			s.be = overDWP(t, s.be, quiet)
		}
		o.Backend = s.be
		s.wcap = wcap.New(o)
		s.dav = caldav.New(caldav.Options{Backend: s.be, People: people, Login: s.logIn, Now: c.now})
	}
	s.start()
	return s
}

// overDWP puts a DWP server in front of a back end, on a socket, and returns a client.
func overDWP(t testing.TB, be calendar.Backend, quiet *slog.Logger) calendar.Backend {
	t.Helper()
	address := "unix:" + filepath.Join(t.TempDir(), "s")
	ln, err := dwp.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	server, err := dwp.NewServer(ln, be, dwp.ServerOptions{Names: []string{backHost}, Logger: quiet})
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
	client, err := dwp.NewClient(dwp.ClientOptions{Host: backHost, Address: address, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func (s *site) logIn(_ context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
	p, ok := s.people[user]
	if !ok || password != p.ID || p.Kind != calendar.Individual {
		return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
	}
	return p, nil
}

// as returns the session id of a user, who logs in if he has not.
func (s *site) as(user string) string {
	s.t.Helper()
	if s.sid[user] == "" {
		s.sid[user] = s.get("login.wcap?user=" + user + "&password=" + user).errno("0").value("X-NSCP-WCAP-SESSION-ID")
	}
	return s.sid[user]
}

// get sends a GET, as it stands.
func (s *site) get(path string) *answer {
	s.t.Helper()
	return s.send(request("GET", "/"+path, "", ""))
}

// do sends a GET with the session of a user.
func (s *site) do(user, path string) *answer {
	s.t.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return s.get(path + sep + "id=" + s.as(user))
}

// request makes a request whose target is what the client wrote, byte for byte.
func request(method, target, kind, body string) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawQuery, r.RequestURI = path, query, target
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r
}

// send asks the WCAP front.
func (s *site) send(r *http.Request) *answer {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.wcap.ServeHTTP(w, r)
	return readAnswer(s.t, r, w.Result())
}

// caldav asks the CalDAV front, and checks the status.
func (s *site) caldav(user, method, path, body string, status int, headers ...string) (text string, header http.Header) {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.SetBasicAuth(user, user)
	if method == "PUT" {
		r.Header.Set("Content-Type", "text/calendar")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.dav.ServeHTTP(w, r)
	got, err := io.ReadAll(w.Result().Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if w.Code != status {
		s.t.Fatalf("%s %s: %d, want %d\n%s", method, path, w.Code, status, got)
	}
	return string(got), w.Header()
}

// davPath is where CalDAV has a calendar.
func davPath(calid string) string {
	owner, name, _ := strings.Cut(calid, ":")
	if name == "" {
		name = "calendar"
	}
	return "/dav/calendars/" + owner + "/" + name + "/"
}

// lines makes CRLF lines.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

// wrap makes a VCALENDAR of the lines of its components.
func wrap(l ...string) string {
	return lines("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN") + lines(l...) + lines("END:VCALENDAR")
}

// event is the lines of an event of an hour.
func event(uid, start string, more ...string) []string {
	l := []string{"BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z", "DTSTART:" + start, "DURATION:PT1H", "SUMMARY:" + uid}
	return append(append(l, more...), "END:VEVENT")
}
