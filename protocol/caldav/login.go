package caldav

import (
	"cmp"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"factotum/server/calendar"
)

// authenticate finds out who asks. Basic is the only scheme: it works with
// every client, and app passwords keep the real one out of their stores.
// RFC 7617.
func (rq *request) authenticate() error {
	user, password, ok := rq.r.BasicAuth()
	if !ok || user == "" || badCredential(user) || badCredential(password) {
		return calendar.LoginFailed
	}
	person, err := rq.login(rq.ctx, user, password, calendar.ClientAddr(rq.r.RemoteAddr))
	if err != nil {
		return err
	}
	rq.me, rq.who = person, person.ActorVia("caldav", rq.r.UserAgent())
	rq.people = calendar.SeenBy(rq.Handler.people, rq.who)
	if quiet := rq.r.Header["Push-Dont-Notify"]; len(quiet) > 0 {
		rq.who.Quiet = quietOnes(quiet)
	}
	return nil
}

// badCredential refuses what no directory should see: control characters (RFC
// 7617 §2), broken UTF-8, and what is longer than any password.
func badCredential(s string) bool {
	return len(s) > 1024 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

// challenge answers 401. It comes before anything else, so that anonymous
// requests learn nothing about what exists.
func (rq *request) challenge(err error) {
	h := rq.w.Header()
	h.Set("WWW-Authenticate", `Basic realm="`+quoted(rq.realm)+`", charset="UTF-8"`)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	rq.w.WriteHeader(http.StatusUnauthorized)
	if rq.r.Method != http.MethodHead {
		io.WriteString(rq.w, cmp.Or(calendar.MessageOf(err), "Please log in.")+"\n")
	}
}

func quoted(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }
