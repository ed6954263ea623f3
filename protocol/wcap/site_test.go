package wcap

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
)

// site is a front on a site, whose people log in by their name.
type site struct {
	base   *sitetest.Site
	t      testing.TB
	h      *Handler
	be     calendar.Backend
	people calendartest.People
	clock  *sitetest.Clock
	sid    sitetest.SessionIDs
}

func newSite(t testing.TB, change ...func(*Options)) *site {
	t.Helper()
	clock := &sitetest.Clock{}
	base := sitetest.New(t, sitetest.Options{Clock: clock})
	opt := Options{
		Backend: base.Backend, People: base.People, Sessions: base.Sessions, Now: base.Now, Login: base.Login,
		Settings: Settings{
			Anonymous: true, AnonymousWrite: true, ProxyLogin: true, Cookies: true, CreateCalendars: true, DeleteCalendars: true, ModifyPrefs: true,
			PublicWritable: true, ServerVersion: "1.0", Admins: []string{"root"}, DefaultTZID: "Europe/Berlin",
		},
	}
	for _, f := range change {
		f(&opt)
	}
	return &site{t: t, h: New(opt), base: base, be: opt.Backend, people: base.People, clock: clock, sid: sitetest.SessionIDs{}}
}

// as returns the session id of a user, who logs in if he has not.
func (s *site) as(user string) string {
	s.t.Helper()
	return s.sid.Of(s.t, s.h, user)
}

// reply is an answer, read whole.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// get sends a GET without a session.
func (s *site) get(path string) *reply {
	s.t.Helper()
	return s.send(httptest.NewRequest("GET", "http://cal.example.com/"+path, nil))
}

// do sends a GET as a user: command?parameters.
func (s *site) do(user, path string) *reply {
	s.t.Helper()
	return s.get(sitetest.WithSession(path, s.as(user)))
}

// post sends a body with its type.
func (s *site) post(path, kind, body string) *reply {
	s.t.Helper()
	r := httptest.NewRequest("POST", "http://cal.example.com/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	return s.send(r)
}

// send checks what every answer has.
func (s *site) send(r *http.Request) *reply {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	rep := &reply{t: s.t, what: r.Method + " " + r.URL.Path, status: w.Code, header: w.Header(), body: w.Body.String()}
	if w.Code != http.StatusOK {
		return rep
	}
	kind := w.Header().Get("Content-Type")
	switch {
	case strings.HasPrefix(kind, "text/calendar"):
		for _, err := range ical.ParseStream(strings.NewReader(rep.body), importLimits) {
			if err != nil {
				s.t.Fatalf("%s: %v in\n%s", rep.what, err, rep.body)
			}
		}
	case strings.HasPrefix(kind, "text/xml"):
		sitetest.WellFormed(s.t, rep.what, rep.body)
	case strings.HasPrefix(kind, "text/json"):
		if !json.Valid([]byte(rep.body)) {
			s.t.Fatalf("%s: not JSON:\n%s", rep.what, rep.body)
		}
	}
	if n := w.Header().Get("Content-Length"); n != "" && n != strconv.Itoa(len(rep.body)) {
		s.t.Errorf("%s: Content-Length %s of %d octets", rep.what, n, len(rep.body))
	}
	if !strings.Contains(w.Header().Get("Cache-Control"), "no-cache") {
		s.t.Errorf("%s: may be cached", rep.what)
	}
	return rep
}

var errnoPatterns = map[string]*regexp.Regexp{
	"text/calendar": regexp.MustCompile(`(?m)^X-NSCP-WCAP-ERRNO:(-?\d+)`),
	"text/xml":      regexp.MustCompile(`<X-NSCP-WCAP-ERRNO>(-?\d+)`),
	"text/json":     regexp.MustCompile(`\{"name":"X-NSCP-WCAP-ERRNO","text":"(-?\d+)`),
}

// errnos are the errnos of the answer's blocks, joined by blanks.
func (r *reply) errnos() string {
	var out []string
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	if p := errnoPatterns[kind]; p != nil {
		for _, m := range p.FindAllStringSubmatch(r.body, -1) {
			out = append(out, m[1])
		}
	}
	return strings.Join(out, " ")
}

// errno checks the errno of the only block.
func (r *reply) errno(n int) *reply {
	r.t.Helper()
	if got := r.errnos(); got != strconv.Itoa(n) || r.status != 200 {
		r.t.Fatalf("%s: status %d, errno %q, want %d\n%s", r.what, r.status, got, n, r.body)
	}
	return r
}

func (r *reply) unfolded() string { return strings.ReplaceAll(r.body, "\r\n ", "") }

// value is the value of a property in a text/calendar answer, "" if it has none.
func (r *reply) value(name string) string {
	if all := r.values(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// values are all of them.
func (r *reply) values(name string) []string {
	var out []string
	for line := range strings.SplitSeq(r.unfolded(), "\r\n") {
		n, v, _ := strings.Cut(line, ":")
		if n == name || strings.HasPrefix(n, name+";") {
			out = append(out, v)
		}
	}
	return out
}

// contains checks the body for texts; folds do not count.
func (r *reply) contains(texts ...string) *reply {
	r.t.Helper()
	body := r.unfolded()
	for _, s := range texts {
		if !strings.Contains(body, s) {
			r.t.Fatalf("%s: no %q in\n%s", r.what, s, r.body)
		}
	}
	return r
}

func (r *reply) lacks(texts ...string) *reply {
	r.t.Helper()
	body := r.unfolded()
	for _, s := range texts {
		if strings.Contains(body, s) {
			r.t.Fatalf("%s: %q in\n%s", r.what, s, r.body)
		}
	}
	return r
}

// put stores iCalendar text as CalDAV does.
func (s *site) put(user string, id calendar.ID, name, text string) {
	s.t.Helper()
	s.as(user)
	_, err := s.be.PutObject(context.Background(), s.people.Actor(user), calendar.PutRequest{
		Ref: calendar.Ref{Calendar: id, Name: name}, Data: []byte(strings.ReplaceAll(text, "\n", "\r\n"))})
	if err != nil {
		s.t.Fatal(err)
	}
}

// remove deletes an object as CalDAV does.
func (s *site) remove(user string, id calendar.ID, name string) {
	s.t.Helper()
	if err := s.be.DeleteObject(context.Background(), s.people.Actor(user), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: name}}); err != nil {
		s.t.Fatal(err)
	}
}
