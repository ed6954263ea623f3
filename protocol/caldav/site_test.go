package caldav

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// site is a front over the real model on SQLite. The people are anna, ben,
// carl and root; the password is the name.
type site struct {
	t      testing.TB
	h      *Handler
	be     calendar.Backend
	people calendartest.People
	clock  *clock
}

// clock ticks a second with every look, so that times are the same in every
// run.
type clock struct{ n atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(c.n.Load()) * time.Second)
}

func newSite(t testing.TB) *site {
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
	people := calendartest.NewPeople("anna", "ben", "carl", "root")
	anna := people["anna"]
	anna.Given, anna.Surname, anna.Name = "Anna", "Berg", "Anna Berg"
	anna.Mails = append(anna.Mails, "a.berg@example.com")
	people["anna"] = anna
	svc := service.New(store, people, service.Options{Now: c.now})
	return &site{t: t, h: newFront(svc, people, c.now), be: svc, people: people, clock: c}
}

func newFront(be calendar.Backend, people calendartest.People, now func() time.Time) *Handler {
	return New(Options{
		Backend: be, People: people, Now: now,
		Login: func(_ context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
			p, ok := people[user]
			if !ok || password != user {
				return p, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
			}
			return p, nil
		},
		Limits: Limits{ResourceSize: 100 << 10, Attendees: 100, Instances: 1000},
	})
}

// reply is an answer, read whole.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// do sends a request; headers come as "Name: value". A user of "" sends no
// credentials.
func (s *site) do(user, method, path, body string, headers ...string) *reply {
	s.t.Helper()
	return s.send(user, newRequest(method, path, strings.NewReader(body), headers...))
}

func newRequest(method, path string, body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://cal.example.com"+path, body)
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ":")
		r.Header.Add(k, strings.TrimSpace(v))
	}
	return r
}

func (s *site) send(user string, r *http.Request) *reply {
	s.t.Helper()
	if user != "" {
		r.SetBasicAuth(user, user)
	}
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	rep := &reply{t: s.t, what: r.Method + " " + r.URL.Path, status: w.Code, header: w.Header(), body: w.Body.String()}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/xml") {
		rep.wellFormed()
	}
	if v := w.Header().Get("Server"); v != "" {
		s.t.Errorf("%s: a Server header: %q", rep.what, v)
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

// is checks the status and, for errors, the precondition element.
func (r *reply) is(status int, precondition ...string) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d, want %d\n%s", r.what, r.status, status, r.body)
	}
	for _, p := range precondition {
		if got := r.precondition(); got != p {
			r.t.Fatalf("%s: precondition %q, want %q\n%s", r.what, got, p, r.body)
		}
	}
	return r
}

func (r *reply) precondition() string {
	root, err := dav.Parse(r.body, dav.Limits{})
	if err != nil || root.Name != dav.D("error") || root.FirstChild().Name.Local == "message" {
		return ""
	}
	return short(root.FirstChild().Name)
}

// short is a name with its customary prefix.
func short(n dav.Name) string {
	switch n.Space {
	case dav.NSDAV:
		return "D:" + n.Local
	case dav.NSCalDAV:
		return "C:" + n.Local
	case dav.NSCalendarServer:
		return "CS:" + n.Local
	case dav.NSApple:
		return "A:" + n.Local
	}
	return n.String()
}

// contains checks the body for texts.
func (r *reply) contains(texts ...string) *reply {
	r.t.Helper()
	for _, s := range texts {
		if !strings.Contains(r.body, s) {
			r.t.Fatalf("%s: no %q in\n%s", r.what, s, r.body)
		}
	}
	return r
}

func (r *reply) lacks(texts ...string) *reply {
	r.t.Helper()
	for _, s := range texts {
		if strings.Contains(r.body, s) {
			r.t.Fatalf("%s: %q in\n%s", r.what, s, r.body)
		}
	}
	return r
}

// multi is a parsed multistatus.
type multi struct {
	r     *reply
	order []string
	res   map[string]*res
	token string
}

type res struct {
	status int // of the response, 0 if it has propstats
	props  map[string]prop
}

type prop struct {
	status int
	node   *dav.Node
}

// multi parses a 207 as strictly as the pickiest client.
func (r *reply) multi() *multi {
	r.t.Helper()
	r.is(207)
	if ct := r.header.Get("Content-Type"); ct != "application/xml; charset=utf-8" {
		r.t.Fatalf("%s: Content-Type %q", r.what, ct)
	}
	if !strings.HasPrefix(r.body, "<?xml") {
		r.t.Fatalf("%s: no XML declaration", r.what)
	}
	root, err := dav.Parse(r.body, dav.Limits{Bytes: 64 << 20, Nodes: 1 << 22})
	if err != nil {
		r.t.Fatalf("%s: %v", r.what, err)
	}
	m := &multi{r: r, res: map[string]*res{}, token: root.Child(dav.D("sync-token")).TrimText()}
	for n := range root.Children() {
		if n.Name != dav.D("response") {
			continue
		}
		href := n.Child(dav.D("href")).TrimText()
		if !strings.HasPrefix(href, "/") || m.res[href] != nil {
			r.t.Fatalf("%s: href %q is no path, or there twice", r.what, href)
		}
		m.order = append(m.order, href)
		m.res[href] = r.response(n)
	}
	return m
}

func (r *reply) response(n *dav.Node) *res {
	r.t.Helper()
	out := &res{props: map[string]prop{}}
	if st := n.Child(dav.D("status")); st != nil {
		out.status = r.statusLine(st.TrimText())
		return out
	}
	first := true
	for ps := range n.Children() {
		if ps.Name != dav.D("propstat") {
			continue
		}
		status := r.statusLine(ps.Child(dav.D("status")).TrimText())
		if first && status == 404 && n.Child(dav.D("propstat")).Next() != nil && ps.Next() != nil {
			r.t.Fatalf("%s: a propstat 404 before others", r.what)
		}
		first = false
		for p := range ps.Child(dav.D("prop")).Children() {
			out.props[short(p.Name)] = prop{status, p}
		}
	}
	if first {
		r.t.Fatalf("%s: a response without status and propstat\n%s", r.what, r.body)
	}
	return out
}

func (r *reply) statusLine(s string) int {
	r.t.Helper()
	var code int
	var text string
	if n, err := fmt.Sscanf(s, "HTTP/1.1 %d %s", &code, &text); n != 2 || err != nil {
		r.t.Fatalf("%s: status line %q", r.what, s)
	}
	return code
}

// at returns the response for an href.
func (m *multi) at(href string) *res {
	m.r.t.Helper()
	if m.res[href] == nil {
		m.r.t.Fatalf("%s: no response for %s in\n%s", m.r.what, href, m.r.body)
	}
	return m.res[href]
}

// text is the text of a property that was found.
func (m *multi) text(href, name string) string {
	m.r.t.Helper()
	return m.node(href, name).TrimText()
}

func (m *multi) node(href, name string) *dav.Node {
	m.r.t.Helper()
	p, ok := m.at(href).props[name]
	if !ok || p.status != 200 {
		m.r.t.Fatalf("%s: %s has no %s (status %d)\n%s", m.r.what, href, name, p.status, m.r.body)
	}
	return p.node
}

// href is the path inside a property.
func (m *multi) href(at, name string) string {
	m.r.t.Helper()
	return m.node(at, name).Child(dav.D("href")).TrimText()
}

// children are the names of the elements in a property.
func (m *multi) children(href, name string) string {
	m.r.t.Helper()
	var out []string
	for c := range m.node(href, name).Children() {
		out = append(out, short(c.Name))
	}
	return strings.Join(out, " ")
}

// propfind is the body that asks for properties: "D:getetag", "C:…", "CS:…",
// "A:…", others as "{ns}local".
func propfind(names ...string) string {
	return xmlHead("D:propfind") + props(names...) + "</D:propfind>"
}

func props(names ...string) string {
	var b strings.Builder
	b.WriteString("<D:prop>")
	for _, n := range names {
		if space, local, ok := strings.Cut(strings.TrimPrefix(n, "{"), "}"); ok {
			fmt.Fprintf(&b, `<%s xmlns="%s"/>`, local, space)
			continue
		}
		b.WriteString("<" + n + "/>")
	}
	b.WriteString("</D:prop>")
	return b.String()
}

func xmlHead(root string) string {
	return `<?xml version="1.0" encoding="utf-8"?><` + root +
		` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" xmlns:A="http://apple.com/ns/ical/">`
}

// event is a small VEVENT.
func event(uid, start, summary string, more ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + start + "\r\nDURATION:PT1H\r\nSUMMARY:" + summary + "\r\n" +
		strings.Join(append(more, ""), "\r\n") + "END:VEVENT\r\nEND:VCALENDAR\r\n"
}

const (
	annasHome = "/dav/calendars/anna/"
	annasCal  = "/dav/calendars/anna/calendar/"
)

// visit makes the default calendars, as a client's first look does.
func (s *site) visit(users ...string) {
	s.t.Helper()
	for _, u := range users {
		s.do(u, "PROPFIND", "/dav/calendars/"+u+"/", propfind("D:resourcetype"), "Depth: 0").is(207)
	}
}
