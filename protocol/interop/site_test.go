package interop

import (
	"net/http"
	"net/http/httptest"
	"net/url"
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
	s.sid = sitetest.SessionIDs{}.Of(t, s.wcap, "anna")
	return s
}

// ask sends a WCAP command and returns its answer unfolded.
func (s *site) ask(command string, p url.Values) string {
	p.Set("id", s.sid)
	r := httptest.NewRequest("GET", "/"+command+"?"+strings.ReplaceAll(p.Encode(), "+", "%20"), nil)
	w := httptest.NewRecorder()
	s.wcap.ServeHTTP(w, r)
	return w.Body.String()
}

// store sends a command that has to succeed.
func (s *site) store(t sitetest.Fataler, command string, p url.Values) string {
	answer := s.ask(command, p)
	if !strings.Contains(answer, "X-NSCP-WCAP-ERRNO:0\r\n") {
		t.Fatalf("%s of %v:\n%s", command, p, answer)
	}
	return answer
}

// dav sends a CalDAV request.
func (s *site) dav(t sitetest.Fataler, method, path, body string, want int) string {
	if !strings.HasPrefix(path, "/") {
		path = "/dav/calendars/anna/calendar/" + path
	}
	text, _ := sitetest.DAV(t, s.caldav, "anna", method, path, body, want)
	return text
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
