package crash

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"factotum/server/ical"
)

// copied is somebody's copy of a meeting, or an item of an inbox.
type copied struct {
	name string
	text []byte
	cal  *ical.Component
}

// event is the copy's event: meetings here do not repeat.
func (c *copied) event() *ical.Component { return c.cal.Child("VEVENT") }

func (c *copied) cancelled() bool { return c.event().Word("STATUS") == "CANCELLED" }

// line is the one of an attendee, or of the organizer.
func (c *copied) line(property, user string) *ical.Property {
	for p := range c.event().All(property) {
		if strings.EqualFold(p.Value, "mailto:"+user+"@example.com") {
			return p
		}
	}
	return nil
}

func (c *copied) partStat(user string) string {
	p := c.line("ATTENDEE", user)
	switch {
	case p == nil:
		return "not invited"
	case p.ParamIs("PARTSTAT", ""):
		return "NEEDS-ACTION"
	}
	return p.Param("PARTSTAT")
}

// query reads what a collection has, all of it or about one UID. RFC 4791 §7.8.
func (c *client) query(collection, uid string) ([]copied, error) {
	const form = `<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/><C:calendar-data/></prop>` +
		`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">%s</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`
	about := ""
	if uid != "" {
		about = `<C:prop-filter name="UID"><C:text-match collation="i;octet">` + uid + `</C:text-match></C:prop-filter>`
	}
	a, err := c.do("REPORT", collection, fmt.Sprintf(form, about), "Depth", "1", "Content-Type", "application/xml")
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusMultiStatus {
		return nil, &statusError{"REPORT " + collection, a}
	}
	var m multistatus
	if err := xml.NewDecoder(bytes.NewReader(a.body)).Decode(&m); err != nil {
		return nil, fmt.Errorf("REPORT %s: %w", collection, err)
	}
	var found []copied
	for _, r := range m.Responses {
		for _, p := range r.Propstat {
			if p.Data == "" {
				continue
			}
			cal, err := ical.Parse([]byte(p.Data), ical.Limits{})
			if err != nil {
				return nil, fmt.Errorf("REPORT %s: %s: %w", collection, r.Href, err)
			}
			if c := (copied{path.Base(r.Href), []byte(p.Data), cal}); uid == "" || c.event().Value("UID") == uid { // a text-match finds longer ones, too
				found = append(found, c)
			}
		}
	}
	return found, nil
}

// read reads a copy and its Schedule-Tag; nil if there is none. RFC 6638 §3.2.10.
func (c *client) read(name string) (found *copied, tag string, err error) {
	a, err := c.get(name)
	switch {
	case err != nil:
		return nil, "", err
	case a.status == http.StatusNotFound:
		return nil, "", nil
	case !a.ok():
		return nil, "", &statusError{"GET " + name, a}
	}
	cal, err := ical.Parse(a.body, ical.Limits{})
	return &copied{name, a.body, cal}, a.tag, err
}

// errStale is the refusal of a write upon something that has changed meanwhile.
var errStale = errors.New("it has changed meanwhile")

// away reports whether an error says that there was no answer, so that what was
// asked for may have been done or not.
func away(err error) bool {
	if refused := (*statusError)(nil); errors.As(err, &refused) {
		return refused.status >= 500
	}
	if refused := (*wcapError)(nil); errors.As(err, &refused) {
		return refused.errno == 11001 || refused.errno == 11002
	}
	return err != nil && !errors.Is(err, errStale)
}

func judged(what string, a answer, err error) error {
	switch {
	case err != nil || a.ok():
		return err
	case a.status == http.StatusPreconditionFailed:
		return errStale
	}
	return &statusError{what, a}
}

// wcapClient is a WCAP client of one user.
type wcapClient struct {
	base, user, session string
	http                *http.Client
}

func newWCAPClient(address, user string) *wcapClient {
	return &wcapClient{base: "http://" + address + "/", user: user, http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
}

// wcapError is an answer with another errno than 0.
type wcapError struct {
	command string
	errno   int
	body    string
}

func (e *wcapError) Error() string {
	return fmt.Sprintf("%s: errno %d: %.500s", e.command, e.errno, e.body)
}

var errnoLine = regexp.MustCompile(`(?m)^X-NSCP-WCAP-ERRNO:(-?\d+)`)

// call asks for a command, after it has logged in if need be.
func (c *wcapClient) call(command string, params ...string) (string, error) {
	for again := false; ; again = true {
		if c.session == "" {
			text, err := c.send("login", "user", c.user, "password", c.user)
			if err != nil {
				return "", err
			}
			_, id, _ := strings.Cut(text, "X-NSCP-WCAP-SESSION-ID:")
			id, _, _ = strings.Cut(id, "\r\n")
			c.session = id
		}
		text, err := c.send(command, append(params, "id", c.session)...)
		if e := (*wcapError)(nil); !again && errors.As(err, &e) && e.errno == 1 {
			c.session = "" // its file was not written when the server was killed
			continue
		}
		return text, err
	}
}

func (c *wcapClient) send(command string, params ...string) (string, error) {
	q := url.Values{"fmt-out": {"text/calendar"}}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	resp, err := c.http.PostForm(c.base+command+".wcap", q) // a GET would be sent again by itself
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	text := string(b)
	if resp.StatusCode != http.StatusOK {
		return text, &statusError{command, answer{status: resp.StatusCode, body: b}}
	}
	m := errnoLine.FindStringSubmatch(text)
	if m == nil {
		return text, fmt.Errorf("%s: no errno in %.200q", command, text)
	}
	if n, _ := strconv.Atoi(m[1]); n != 0 {
		return text, &wcapError{command, n, text}
	}
	return text, nil
}

// components reads the events of an answer.
func components(text string) (*copied, error) {
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		return nil, err
	}
	if cal.Child("VEVENT") == nil {
		return nil, fmt.Errorf("no event in %.300q", text)
	}
	return &copied{text: []byte(text), cal: cal}, nil
}

// read reads a meeting; nil if there is none.
func (c *wcapClient) read(uid string) (*copied, error) {
	text, err := c.call("fetchevents_by_id", "calid", c.user, "uid", uid, "emailorcalid", "1")
	if e := (*wcapError)(nil); errors.As(err, &e) && e.errno == 59 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return components(text)
}
