package interop

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/protocol/caldav"
	"factotum/protocol/sitetest"
	"factotum/protocol/wcap"
)

// site is both fronts over one model; anna uses it.
type site struct {
	t      testing.TB
	wcap   http.Handler
	caldav http.Handler
	sid    string
}

func newSite(t testing.TB, v sitetest.Variant) *site {
	t.Helper()
	v.Model.DefaultTZID = "Europe/Berlin"
	base := sitetest.New(t, v.Options)
	s := &site{t: t,
		wcap: wcap.New(wcap.Options{Backend: base.Backend, People: base.People, Sessions: base.Sessions, Login: base.Login,
			Settings: wcap.Settings{DefaultTZID: "Europe/Berlin"}}),
		caldav: caldav.New(caldav.Options{Backend: base.Backend, People: base.People, Login: base.Login}),
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
