package crash

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

// client is a CalDAV client of one user, with connections of its own.
type client struct {
	base, user string
	http       *http.Client
}

func newClient(address, user string) *client {
	return &client{base: "http://" + address, user: user, http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
}

func (c *client) collection() string { return "/dav/calendars/" + c.user + "/calendar/" }

// answer is a response that was read to its end.
type answer struct {
	status int
	etag   string
	tag    string // Schedule-Tag
	retry  string // Retry-After
	body   []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// do sends a request; headers come in pairs. An error means that the answer
// did not come, or not whole.
func (c *client) do(method, path, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.SetBasicAuth(c.user, c.user)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	return answer{resp.StatusCode, resp.Header.Get("ETag"), resp.Header.Get("Schedule-Tag"), resp.Header.Get("Retry-After"), b}, nil
}

func (c *client) put(name, text string, headers ...string) (answer, error) {
	return c.do("PUT", c.collection()+name, text, append(headers, "Content-Type", "text/calendar; charset=utf-8")...)
}

func (c *client) get(name string) (answer, error) { return c.do("GET", c.collection()+name, "") }

// multistatus is what this package reads of one. RFC 4918 §14.16, RFC 6578 §3.
type multistatus struct {
	Responses []struct {
		Href     string `xml:"DAV: href"`
		Status   string `xml:"DAV: status"`
		Propstat []struct {
			Status string `xml:"DAV: status"`
			ETag   string `xml:"DAV: prop>getetag"`
			Data   string `xml:"prop>calendar-data"`
		} `xml:"DAV: propstat"`
	} `xml:"DAV: response"`
	Token string `xml:"DAV: sync-token"`
}

// statusError is an answer that was not what was asked for.
type statusError struct {
	what string
	answer
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: status %d: %.300s", e.what, e.status, e.body)
}

func (c *client) multistatus(method, body string, headers ...string) (multistatus, error) {
	var m multistatus
	a, err := c.do(method, c.collection(), body, append(headers, "Content-Type", "application/xml")...)
	if err != nil {
		return m, err
	}
	if a.status != http.StatusMultiStatus {
		return m, &statusError{method, a}
	}
	if err := xml.NewDecoder(bytes.NewReader(a.body)).Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", method, err)
	}
	return m, nil
}

// list gives the ETags of the calendar's objects by name.
func (c *client) list() (map[string]string, error) {
	m, err := c.multistatus("PROPFIND", `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth", "1")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, r := range m.Responses {
		if strings.HasSuffix(r.Href, "/") {
			continue
		}
		for _, p := range r.Propstat {
			found[path.Base(r.Href)] = p.ETag
		}
	}
	return found, nil
}

// mirror is a calendar as a syncing client has it.
type mirror struct {
	token string
	etags map[string]string
}

// sync brings the mirror up to date. RFC 6578 §3.2.
func (m *mirror) sync(c *client) error {
	answer, err := c.multistatus("REPORT", `<sync-collection xmlns="DAV:"><sync-token>`+m.token+
		`</sync-token><sync-level>1</sync-level><prop><getetag/></prop></sync-collection>`)
	if err != nil {
		return err
	}
	if m.etags == nil {
		m.etags = map[string]string{}
	}
	for _, r := range answer.Responses {
		switch name := path.Base(r.Href); {
		case strings.Contains(r.Status, " 404"):
			delete(m.etags, name)
		case len(r.Propstat) == 1 && r.Propstat[0].ETag != "":
			m.etags[name] = r.Propstat[0].ETag
		default:
			return fmt.Errorf("sync: an answer for %s that says nothing: %+v", r.Href, r)
		}
	}
	if answer.Token == "" {
		return fmt.Errorf("sync: no token")
	}
	m.token = answer.Token
	return nil
}

// event is an iCalendar object of about the given size.
func event(uid, summary string, size int) string {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//factotum//crash//EN\r\nBEGIN:VEVENT\r\nUID:" + uid +
		"\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T093000Z\r\nDTEND:20260901T100000Z\r\nRRULE:FREQ=WEEKLY;COUNT=5\r\nSUMMARY:" + summary + "\r\n")
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "COMMENT:%04d %s\r\n", n, strings.Repeat("x", 60))
	}
	b.WriteString("END:VEVENT\r\nEND:VCALENDAR\r\n")
	return b.String()
}
