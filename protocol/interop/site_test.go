package interop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/protocol/caldav"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/session"
	"factotum/store/sqlstore"
)

// site is both fronts over one model on SQLite; anna uses it.
type site struct {
	t      testing.TB
	wcap   http.Handler
	caldav http.Handler
	sid    string
}

func newSite(t testing.TB) *site {
	t.Helper()
	store, err := sqlstore.OpenSQLite(context.Background(), t.TempDir(), sqlstore.Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	people := calendartest.NewPeople("anna", "ben", "carl")
	svc := calendar.NewService(store, people, calendar.Options{DefaultTZID: "Europe/Berlin"})
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
		wcap:   wcap.New(wcap.Options{Backend: svc, People: people, Sessions: sessions, Login: login, Settings: wcap.Settings{DefaultTZID: "Europe/Berlin"}}),
		caldav: caldav.New(caldav.Options{Backend: svc, People: people, Login: login}),
	}
	m := regexp.MustCompile(`SESSION-ID:(\w+)`).FindStringSubmatch(s.ask("login.wcap", url.Values{"user": {"anna"}, "password": {"anna"}}))
	if m == nil {
		t.Fatal("no session")
	}
	s.sid = m[1]
	return s
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
	r := httptest.NewRequest(method, "/dav/calendars/anna/calendar/"+path, strings.NewReader(body))
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
