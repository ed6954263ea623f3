package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/protocol/dav"
)

// reply is an answer, read whole.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

var client = &http.Client{
	Timeout:       hosttest.Patience,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 128, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// request makes one; headers come as "Name: value". A user of "" sends no
// credentials.
func (h *host) request(t testing.TB, user, method, path string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, h.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		k, v, _ := strings.Cut(line, ":")
		v = strings.TrimSpace(v)
		if strings.EqualFold(k, "Destination") && strings.HasPrefix(v, "/") {
			v = h.base + v
		}
		r.Header.Add(k, v)
	}
	if user != "" {
		r.SetBasicAuth(user, password(user))
	}
	if method == "PROPFIND" || method == "REPORT" {
		// As with GET, the transport tries again where the server has just ended
		// an idle connection. Without a value the header is not sent.
		r.Header["Idempotency-Key"] = nil
	}
	return r
}

// do sends a request.
func (h *host) do(t testing.TB, user, method, path, body string, headers ...string) *reply {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	rep, err := send(t, h.request(t, user, method, path, r, headers...))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, h.log)
	}
	return rep
}

func send(t testing.TB, r *http.Request) (*reply, error) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &reply{t: t, what: r.Method + " " + r.URL.Path, status: resp.StatusCode, header: resp.Header, body: string(b)}, nil
}

// is checks the status and, of errors, the precondition: "D:…" or "C:…".
func (r *reply) is(status int, precondition ...string) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d, want %d\n%.2000s", r.what, r.status, status, r.body)
	}
	for _, p := range precondition {
		if got := r.precondition(); got != p {
			r.t.Fatalf("%s: precondition %q, want %q\n%.2000s", r.what, got, p, r.body)
		}
	}
	return r
}

func (r *reply) precondition() string {
	root, err := dav.Parse(r.body, dav.Limits{})
	if err != nil || root.Name != dav.D("error") || root.FirstChild() == nil {
		return ""
	}
	n := root.FirstChild().Name
	switch n.Space {
	case dav.NSDAV:
		return "D:" + n.Local
	case dav.NSCalDAV:
		return "C:" + n.Local
	}
	return n.Local
}

// hrefs are those of a multistatus that have what was asked for, in order.
func (r *reply) hrefs() (out []string) {
	r.t.Helper()
	for _, n := range r.is(207).responses() {
		out = append(out, n.Child(dav.D("href")).TrimText())
	}
	return out
}

func (r *reply) responses() (out []*dav.Node) {
	r.t.Helper()
	root, err := dav.Parse(r.body, dav.Limits{Bytes: 256 << 20, Nodes: 1 << 23})
	if err != nil {
		r.t.Fatalf("%s: %v", r.what, err)
	}
	for n := range root.Children() {
		if n.Name == dav.D("response") {
			out = append(out, n)
		}
	}
	return out
}

// statuses are those of the responses, or of their first propstat, without
// "HTTP/1.1".
func (r *reply) statuses() (out []string) {
	r.t.Helper()
	for _, n := range r.is(207).responses() {
		st := n.Child(dav.D("status"))
		if st == nil {
			st = n.Child(dav.D("propstat")).Child(dav.D("status"))
		}
		out = append(out, strings.TrimPrefix(st.TrimText(), "HTTP/1.1 "))
	}
	return out
}

// value is the text of the first property of a name.
func (r *reply) value(name dav.Name) string {
	r.t.Helper()
	for _, n := range r.is(207).responses() {
		for ps := range n.Children() {
			if p := ps.Child(dav.D("prop")).Child(name); p != nil {
				return p.TrimText()
			}
		}
	}
	r.t.Fatalf("%s: no %s in\n%.2000s", r.what, name.Local, r.body)
	return ""
}

const xmlNames = ` xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"`

func propfind(names ...string) string {
	return `<?xml version="1.0" encoding="utf-8"?><D:propfind` + xmlNames + ">" + props(names...) + "</D:propfind>"
}

func props(names ...string) string {
	var b strings.Builder
	b.WriteString("<D:prop>")
	for _, n := range names {
		b.WriteString("<" + n + "/>")
	}
	return b.String() + "</D:prop>"
}

// query is a calendar-query for events in a time range, "" for all; data is
// the content of calendar-data.
func query(start, end, data string) string {
	r := ""
	if start != "" {
		r = fmt.Sprintf(`<C:time-range start="%s" end="%s"/>`, start, end)
	}
	return `<C:calendar-query` + xmlNames + `><D:prop><D:getetag/><C:calendar-data>` + data + `</C:calendar-data></D:prop>` +
		`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">` + r + `</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`
}

func freeBusy(start, end string) string {
	return `<C:free-busy-query` + xmlNames + fmt.Sprintf(`><C:time-range start="%s" end="%s"/></C:free-busy-query>`, start, end)
}

func syncBody(token string) string {
	return `<D:sync-collection` + xmlNames + `><D:sync-token>` + token + `</D:sync-token><D:sync-level>1</D:sync-level>` + props("D:getetag") + `</D:sync-collection>`
}

func multiget(hrefs ...string) string {
	var b strings.Builder
	b.WriteString(`<C:calendar-multiget` + xmlNames + `><D:prop><D:getetag/><C:calendar-data/></D:prop>`)
	for _, h := range hrefs {
		b.WriteString("<D:href>" + h + "</D:href>")
	}
	return b.String() + `</C:calendar-multiget>`
}

// event is a small VEVENT with more properties.
func event(uid, start, summary string, more ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" + start + "\r\nDURATION:PT1H\r\nSUMMARY:" + summary + "\r\n" +
		strings.Join(append(more, ""), "\r\n") + "END:VEVENT\r\nEND:VCALENDAR\r\n"
}

func home(user string) string { return "/dav/calendars/" + user + "/" }
func cal(user string) string  { return home(user) + "calendar/" }

// visit makes the default calendars, as a client's first look does.
func (h *host) visit(t testing.TB, users ...string) {
	t.Helper()
	for _, u := range users {
		h.do(t, u, "PROPFIND", home(u), propfind("D:resourcetype"), "Depth: 0").is(207)
	}
}
