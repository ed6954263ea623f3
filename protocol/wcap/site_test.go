package wcap

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/service"
	"factotum/server/session"
	"factotum/store/sqlstore"
)

// site is a front over the real model on SQLite. The people are anna, ben,
// carl, room1 (a resource) and root, the administrator; the password is the
// name.
type site struct {
	t        testing.TB
	h        *Handler
	be       calendar.Backend
	people   calendartest.People
	sessions *session.Sessions
	clock    *clock
	sid      map[string]string
	costs    func(time.Duration) // is told the CPU time of an answer, if set
}

// clock stands still unless a test moves it.
type clock struct{ n atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.n.Load()))
}

func (c *clock) add(d time.Duration) { c.n.Add(int64(d)) }

func newSite(t testing.TB, change ...func(*Options)) *site {
	t.Helper()
	c := &clock{}
	store, err := sqlstore.OpenSQLite(context.Background(), t.TempDir(), sqlstore.Options{Relaxed: true, Now: c.now})
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
	svc := service.New(store, people, service.Options{Now: c.now})
	s := &site{t: t, be: svc, people: people, clock: c, sid: map[string]string{}}
	s.sessions, err = session.Open(session.Options{Dir: t.TempDir(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{
		Backend: svc, People: people, Sessions: s.sessions, Now: c.now, Login: s.logIn,
		Settings: Settings{
			Anonymous: true, AnonymousWrite: true, ProxyLogin: true, Cookies: true, CreateCalendars: true, DeleteCalendars: true, ModifyPrefs: true,
			PublicWritable: true, ServerVersion: "1.0", Admins: []string{"root"}, DefaultTZID: "Europe/Berlin",
		},
	}
	for _, f := range change {
		f(&opt)
	}
	s.be = opt.Backend
	s.h = New(opt)
	return s
}

func (s *site) logIn(_ context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
	p, ok := s.people[strings.TrimSuffix(user, "@example.com")]
	if !ok || password != p.ID || p.Kind != calendar.Individual {
		return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
	}
	return p, nil
}

// as returns the session id of a user, who logs in if he has not.
func (s *site) as(user string) string {
	s.t.Helper()
	if s.sid[user] == "" {
		s.sid[user] = s.get("login.wcap?user=" + user + "&password=" + user).errno(0).value("X-NSCP-WCAP-SESSION-ID")
	}
	return s.sid[user]
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
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return s.get(path + sep + "id=" + s.as(user))
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
	if s.costs != nil {
		begin := cpuTime(s.t)
		s.h.ServeHTTP(w, r)
		s.costs(cpuTime(s.t) - begin)
	} else {
		s.h.ServeHTTP(w, r)
	}
	rep := &reply{t: s.t, what: r.Method + " " + r.URL.Path, status: w.Code, header: w.Header(), body: w.Body.String()}
	if w.Code != http.StatusOK {
		return rep
	}
	kind := w.Header().Get("Content-Type")
	switch {
	case strings.HasPrefix(kind, "text/calendar"):
		for _, err := range ical.ParseStream(strings.NewReader(rep.body), ical.Limits{}) {
			if err != nil {
				s.t.Fatalf("%s: %v in\n%s", rep.what, err, rep.body)
			}
		}
	case strings.HasPrefix(kind, "text/xml"):
		rep.wellFormed()
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

// wellFormed checks the body with a parser that is not ours.
func (r *reply) wellFormed() {
	r.t.Helper()
	d := xml.NewDecoder(strings.NewReader(r.body))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			r.t.Fatalf("%s: %v in\n%s", r.what, err, r.body)
		}
	}
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

// value is the value of a property in a text/calendar answer, "" if it has none.
func (r *reply) value(name string) string {
	for line := range strings.SplitSeq(strings.ReplaceAll(r.body, "\r\n ", ""), "\r\n") {
		n, v, _ := strings.Cut(line, ":")
		if n == name || strings.HasPrefix(n, name+";") {
			return v
		}
	}
	return ""
}

// values are all of them.
func (r *reply) values(name string) []string {
	var out []string
	for line := range strings.SplitSeq(strings.ReplaceAll(r.body, "\r\n ", ""), "\r\n") {
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
	body := strings.ReplaceAll(r.body, "\r\n ", "")
	for _, s := range texts {
		if !strings.Contains(body, s) {
			r.t.Fatalf("%s: no %q in\n%s", r.what, s, r.body)
		}
	}
	return r
}

func (r *reply) lacks(texts ...string) *reply {
	r.t.Helper()
	body := strings.ReplaceAll(r.body, "\r\n ", "")
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
