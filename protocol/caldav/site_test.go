package caldav

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"factotum/protocol/dav"
	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// site is a front on a site, whose people log in by their name.
type site struct {
	t      testing.TB
	h      *Handler
	be     calendar.Backend
	people calendartest.People
	base   *sitetest.Site
	costs  costs
	clock  *sitetest.Clock
	stores []calendar.Store // of its back ends, for jobs
	url    string           // where the front is served over HTTP, "" if requests go to it at once
}

func newSite(t testing.TB) *site {
	t.Helper()
	return openSite(t, sitetest.Options{})
}

func openSite(t testing.TB, opt sitetest.Options) *site {
	t.Helper()
	opt.Clock = &sitetest.Clock{}
	opt.Clock.Add(-24 * time.Hour) // to the first of the month, the day of the golden answers
	base := sitetest.New(t, opt)
	anna := base.People["anna"]
	anna.TZID = "" // a calendar says so where its zone is not known
	base.People["anna"] = anna
	return (&site{t: t, people: base.People, base: base, clock: opt.Clock}).over(base.Backend)
}

// over is the site with a front over another back end.
func (s *site) over(be calendar.Backend) *site {
	front := *s
	front.be = be
	front.h = New(Options{
		Backend: be, People: s.people, Now: s.base.Now, Login: s.base.Login,
		Limits: Limits{ResourceSize: 100 << 10, Attendees: 100, Instances: 1000},
	})
	return &front
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
	rep := &reply{t: s.t, what: r.Method + " " + r.URL.Path}
	if s.url != "" {
		rep.overHTTP(s.url, r)
	} else {
		w := httptest.NewRecorder()
		s.h.ServeHTTP(w, r)
		rep.status, rep.header, rep.body = w.Code, w.Header(), w.Body.String()
	}
	if strings.HasPrefix(rep.header.Get("Content-Type"), "application/xml") {
		sitetest.WellFormed(s.t, rep.what, rep.body)
	}
	if v := rep.header.Get("Server"); v != "" {
		s.t.Errorf("%s: a Server header: %q", rep.what, v)
	}
	return rep
}

// served is the site with requests that go over HTTP.
func (s *site) served() *site {
	srv := httptest.NewServer(s.h)
	s.t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// overHTTP sends a request made for the front to the server at a URL.
func (r *reply) overHTTP(url string, made *http.Request) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), made.Method, url+made.URL.RequestURI(), made.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Host, req.Header, req.ContentLength = made.Host, made.Header, made.ContentLength
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.status, r.header, r.body = res.StatusCode, res.Header, string(body)
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
	if err != nil || root.Name != dav.D("error") || root.FirstChild().Name.Local == "error-description" {
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
	status int    // of the response, 0 if it has propstats
	cond   string // the precondition beside it
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
		if c := n.Child(dav.D("error")).FirstChild(); c != nil {
			out.cond = short(c.Name)
		}
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
