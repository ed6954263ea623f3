package events

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
)

// site is a server with calendars that anna may read, until that is changed.
type site struct {
	*Handler
	url string

	mu       sync.Mutex
	refused  map[calendar.ID]calendar.Kind
	password string
	down     bool
}

func newSite(t *testing.T, opt Options) *site {
	s := &site{refused: map[calendar.ID]calendar.Kind{"ben": calendar.Denied, "gone": calendar.NoCalendar, "far": calendar.Unavailable}, password: "pw"}
	opt.Backend, opt.Login = s, s.login
	opt.Href = func(id calendar.ID, name string) string { return "/dav/" + string(id) + "/" + name }
	opt.Up = func() bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.down }
	s.Handler = New(opt)
	server := httptest.NewServer(s.Handler)
	t.Cleanup(func() { s.Close(); server.Close() })
	s.url = server.URL
	return s
}

func (s *site) login(_ context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if password != s.password {
		return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed}
	}
	return calendar.Person{ID: strings.ToLower(user), Active: true}, nil
}

func (s *site) Calendars(_ context.Context, who calendar.Actor, req calendar.CalendarsRequest) (out []calendar.CalendarResult, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !req.Objects {
		return nil, errors.New("the right to read was not asked for")
	}
	for _, id := range req.IDs {
		r := calendar.CalendarResult{Calendar: calendar.Calendar{ID: calendar.ID(strings.ToLower(string(id)))}}
		if kind, ok := s.refused[r.Calendar.ID]; ok {
			r.Err = &calendar.Error{Kind: kind, Msg: "not for " + string(who.User)}
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *site) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// heard is what came in a stream.
type heard struct{ id, name, data string }

type listener struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Scanner
}

func (s *site) get(t *testing.T, query, last string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/events/"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("Anna", "pw")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// listen opens a stream, which has begun when listen returns.
func (s *site) listen(t *testing.T, query, last string) *listener {
	t.Helper()
	resp := s.get(t, query, last)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s: %v", resp.Status, resp.Header)
	}
	return &listener{t, resp, bufio.NewScanner(resp.Body)}
}

// next is the next event, with an empty name at the end of the stream.
func (l *listener) next() (e heard) {
	l.t.Helper()
	for l.in.Scan() {
		name, value, _ := strings.Cut(l.in.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e
			}
		}
	}
	return heard{}
}

func (l *listener) want(names ...string) (all []heard) {
	l.t.Helper()
	for _, name := range names {
		e := l.next()
		if e.name != name {
			l.t.Fatalf("heard %+v, want %s", e, name)
		}
		all = append(all, e)
	}
	return all
}

func created(id calendar.ID, uid string) Event {
	return Event{Calendar: id, UID: uid, Name: uid + ".ics", What: "caleventcreate", When: "2026-05-01T10:00:00.000Z"}
}

func TestStream(t *testing.T) {
	s := newSite(t, Options{PerUser: 20})
	some, own := s.listen(t, "?calid=Carl:work&calid=dora", ""), s.listen(t, "", "")
	some.want("ready")
	ready := own.want("ready")[0]
	s.Tell(created("carl:work", "1"))
	s.Tell(created("carl", "2"))
	s.Tell(created("anna:new", "3"))
	s.Tell(created("dora", "4"))
	s.Tell(created("anna", "5"))
	got := some.want("caleventcreate", "caleventcreate")
	if want := `{"calid":"carl:work","uid":"1","href":"/dav/carl:work/1.ics","what":"caleventcreate","when":"2026-05-01T10:00:00.000Z"}`; got[0].data != want {
		t.Errorf("data %s", got[0].data)
	}
	if !strings.Contains(got[1].data, `"uid":"4"`) {
		t.Errorf("data %s", got[1].data)
	}
	mine := own.want("caleventcreate", "caleventcreate")
	if !strings.Contains(mine[0].data, `"uid":"3"`) || !strings.Contains(mine[1].data, `"uid":"5"`) {
		t.Errorf("own: %v", mine)
	}

	// Who comes back goes on where he was.
	again := s.listen(t, "", mine[0].id).want("caleventcreate")
	if again[0] != mine[1] {
		t.Errorf("again %v, want %v", again[0], mine[1])
	}
	if all := s.listen(t, "", ready.id).want("caleventcreate", "caleventcreate"); all[0] != mine[0] {
		t.Errorf("all %v", all)
	}
	for _, old := range []string{"another-3", "x", s.realm + "-99", s.realm + "-"} {
		s.listen(t, "", old).want("resync")
	}
	s.Resync()
	some.want("resync")
	s.Tell(created("dora", "6"))
	some.want("caleventcreate")
	s.listen(t, "", mine[1].id).want("resync")
	s.Close()
	if e := some.next(); e.name != "" {
		t.Errorf("after the end: %v", e)
	}
	if resp := s.get(t, "", ""); resp.StatusCode != 503 {
		t.Errorf("a stream while the server stops: %s", resp.Status)
	}
}

func TestRefused(t *testing.T) {
	s := newSite(t, Options{PerUser: 2})
	for _, c := range []struct {
		query string
		want  int
	}{{"?calid=ben", 403}, {"?calid=anna&calid=gone", 404}, {"?calid=far", 503}, {"?calid=", 400}, {"?calid=a%00b", 400}, {"?" + strings.Repeat("calid=a&", 101), 400}} {
		if resp := s.get(t, c.query, ""); resp.StatusCode != c.want {
			t.Errorf("%.20s: %s, want %d", c.query, resp.Status, c.want)
		}
	}
	resp, err := http.Get(s.url)
	if err != nil || resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("nobody: %v %v", resp, err)
	}
	if resp, err = http.Post(s.url, "text/plain", nil); err != nil || resp.StatusCode != 405 {
		t.Errorf("POST: %v %v", resp, err)
	}
	one := s.listen(t, "", "")
	s.listen(t, "", "").want("ready")
	if resp := s.get(t, "", ""); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a third stream: %s", resp.Status)
	}
	one.resp.Body.Close()
	for end := time.Now().Add(2 * time.Minute); s.Streams() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a stream whose client has left does not end")
		}
		s.Tell(created("anna", "1")) // it is felt when something is written
	}
	s.change(func() { s.down = true })
	if resp := s.get(t, "", ""); resp.StatusCode != 503 {
		t.Errorf("without ENS: %s", resp.Status)
	}
}

// TestRightsLost: a stream ends when its reader may no longer read, or has another
// password; that of a calendar that is deleted tells of it first.
func TestRightsLost(t *testing.T) {
	s := newSite(t, Options{Recheck: 20 * time.Millisecond, Heartbeat: 10 * time.Millisecond})
	l := s.listen(t, "?calid=carl", "")
	l.want("ready")
	s.change(func() { s.refused["carl"] = calendar.Unavailable })
	time.Sleep(50 * time.Millisecond) // nobody can tell: it goes on
	s.Tell(created("carl", "1"))
	l.want("caleventcreate")
	s.change(func() { s.refused["carl"] = calendar.Denied })
	if e := l.want("end")[0]; e.data != `{"why":"rights"}` {
		t.Errorf("%v", e)
	}
	if e := l.next(); e.name != "" {
		t.Errorf("after the end: %v", e)
	}

	slow := newSite(t, Options{})
	l = slow.listen(t, "?calid=carl", "")
	l.want("ready")
	slow.change(func() { slow.refused["carl"] = calendar.NoCalendar })
	slow.Tell(Event{Calendar: "carl", What: "calendardelete"})
	l.want("calendardelete", "end")

	l = s.listen(t, "", "")
	l.want("ready")
	s.change(func() { s.password = "another" })
	if e := l.want("end")[0]; e.data != `{"why":"login"}` {
		t.Errorf("%v", e)
	}
}

// TestSlowReader: nobody waits for a stream that is not written; it is told that
// something is missing.
func TestSlowReader(t *testing.T) {
	h := New(Options{})
	s := &stream{user: "anna", own: "anna", wake: make(chan struct{}, 1)}
	if h.open(s, "") != admitted {
		t.Fatal("not opened")
	}
	for range 2*remembered + 3*waiting {
		h.Tell(created("anna", "1"))
	}
	list, gap, _, _, _ := h.take(s)
	if len(list) > waiting || !gap {
		t.Errorf("%d wait, and a gap: %v", len(list), gap)
	}
	if n := len(h.log); n > 2*remembered {
		t.Errorf("%d are remembered", n)
	}
	old := &stream{user: "anna", own: "anna", wake: make(chan struct{}, 1)}
	h.open(old, h.id(1))
	if _, gap, _, _, _ := h.take(old); !gap {
		t.Error("what is forgotten was not told of")
	}
}
