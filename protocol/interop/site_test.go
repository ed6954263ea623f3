package interop

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
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

// site is both fronts over one model; anna uses it.
type site struct {
	t      testing.TB
	wcap   http.Handler
	caldav http.Handler
	sid    string
}

// variant is a way to build a site.
type variant struct {
	name          string
	postgres, dwp bool
}

var variants = []variant{{name: "sqlite"}, {name: "sqlite-dwp", dwp: true}, {name: "postgres", postgres: true}, {name: "postgres-dwp", postgres: true, dwp: true}}

const backHost = "calendar1.example.com"

func newSite(t testing.TB, v variant) *site {
	t.Helper()
	var store *sqlstore.Store
	var err error
	if v.postgres {
		store, err = sqlstore.OpenPostgres(context.Background(), pgtest.Start(t), sqlstore.Options{Relaxed: true})
	} else {
		store, err = sqlstore.OpenSQLite(context.Background(), t.TempDir(), sqlstore.Options{Relaxed: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	people := calendartest.NewPeople("anna", "ben", "carl")
	var be calendar.Backend = service.New(store, people, service.Options{DefaultTZID: "Europe/Berlin", Host: backHost})
	if v.dwp {
		be = overDWP(t, be)
	}
	login := func(_ context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
		p, ok := people[user]
		if !ok || password != user {
			return p, &calendar.Error{Kind: calendar.LoginFailed}
		}
		return p, nil
	}
	sessions, err := session.Open(session.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t,
		wcap:   wcap.New(wcap.Options{Backend: be, People: people, Sessions: sessions, Login: login, Settings: wcap.Settings{DefaultTZID: "Europe/Berlin"}}),
		caldav: caldav.New(caldav.Options{Backend: be, People: people, Login: login}),
	}
	m := regexp.MustCompile(`SESSION-ID:(\w+)`).FindStringSubmatch(s.ask("login.wcap", url.Values{"user": {"anna"}, "password": {"anna"}}))
	if m == nil {
		t.Fatal("no session")
	}
	s.sid = m[1]
	return s
}

// overDWP puts a DWP server in front of a back end, on a socket, and returns a client.
func overDWP(t testing.TB, be calendar.Backend) calendar.Backend {
	t.Helper()
	address := "unix:" + filepath.Join(t.TempDir(), "s")
	ln, err := dwp.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
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

// fataler is a test or a case of one.
type fataler interface {
	Fatalf(format string, args ...any)
}

// ask sends a WCAP command and returns its answer unfolded.
func (s *site) ask(command string, p url.Values) string {
	if s.sid != "" {
		p.Set("id", s.sid)
	}
	r := httptest.NewRequest("GET", "/"+command+"?"+strings.ReplaceAll(p.Encode(), "+", "%20"), nil)
	w := httptest.NewRecorder()
	s.wcap.ServeHTTP(w, r)
	return w.Body.String()
}

// store sends a command that has to succeed.
func (s *site) store(t fataler, command string, p url.Values) string {
	answer := s.ask(command, p)
	if !strings.Contains(answer, "X-NSCP-WCAP-ERRNO:0\r\n") {
		t.Fatalf("%s of %v:\n%s", command, p, answer)
	}
	return answer
}

// dav sends a CalDAV request.
func (s *site) dav(t fataler, method, path, body string, want int) string {
	if !strings.HasPrefix(path, "/") {
		path = "/dav/calendars/anna/calendar/" + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "text/calendar; charset=utf-8")
	r.SetBasicAuth("anna", "anna")
	w := httptest.NewRecorder()
	s.caldav.ServeHTTP(w, r)
	if w.Code != want {
		t.Fatalf("%s %s: %d\n%s\n%s", method, path, w.Code, w.Body, body)
	}
	return w.Body.String()
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
