package sitetest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
)

// Fataler is a test, or a case of one.
type Fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// SessionIDs are those of users at a WCAP front.
type SessionIDs map[string]string

var sessionID = regexp.MustCompile(`(?m)^X-NSCP-WCAP-SESSION-ID:(\w+)\r$`)

// Of is the session id of a user, who logs in if he has not.
func (ids SessionIDs) Of(t Fataler, front http.Handler, user string) string {
	t.Helper()
	if ids[user] == "" {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest("GET", "/login.wcap?"+url.Values{"user": {user}, "password": {user}}.Encode(), nil))
		m := sessionID.FindStringSubmatch(w.Body.String())
		if m == nil {
			t.Fatalf("%s has no session: %d\n%s", user, w.Code, w.Body)
		}
		ids[user] = m[1]
	}
	return ids[user]
}

// WithSession is command?parameters with the session id of a user.
func WithSession(path, id string) string {
	if strings.Contains(path, "?") {
		return path + "&id=" + id
	}
	return path + "?id=" + id
}

// DAV sends a request of a user to a CalDAV front, and checks the status.
// Headers come as names and values in turn; a PUT is of a calendar object.
func DAV(t Fataler, front http.Handler, user, method, path, body string, want int, headers ...string) (text string, header http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.SetBasicAuth(user, user)
	if method == "PUT" {
		r.Header.Set("Content-Type", "text/calendar; charset=utf-8")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	front.ServeHTTP(w, r)
	if w.Code != want {
		t.Fatalf("%s %s: %d, want %d\n%s\n%s", method, path, w.Code, want, w.Body, body)
	}
	return w.Body.String(), w.Header()
}
