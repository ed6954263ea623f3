package caldavtest

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// client is a program at work.
type client struct {
	t testing.TB
	Account
	headers []string // of every request, unless the request has its own
	// authLate: the client sends every request first without credentials.
	authLate bool
	// minimal: it asks for answers without what was not found.
	minimal bool
}

var transport = &http.Client{
	Timeout:       time.Minute,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// reply is an answer, read whole.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// send makes a request; headers come as "Name: value".
func (c *client) send(known bool, method, path string, body io.Reader, headers ...string) *reply {
	c.t.Helper()
	r, err := http.NewRequest(method, c.URL+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, line := range append(slices.Clone(c.headers), headers...) {
		k, v, _ := strings.Cut(line, ": ")
		r.Header.Set(k, v)
	}
	r.Close = r.Header.Get("Connection") == "close"
	if known {
		r.SetBasicAuth(c.User, c.Password)
	}
	resp, err := transport.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	rep := &reply{t: c.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: string(b)}
	if tag := rep.header.Get("ETag"); tag != "" {
		rep.checkTag(tag)
	}
	return rep
}

// ask sends a request as the client does.
func (c *client) ask(method, path, body string, headers ...string) *reply {
	c.t.Helper()
	if c.authLate {
		c.anonymous(method, path, body, headers...)
	}
	return c.send(true, method, path, strings.NewReader(body), headers...)
}

// anonymous is a request without credentials, and the challenge that every
// client needs to go on.
func (c *client) anonymous(method, path, body string, headers ...string) {
	c.t.Helper()
	r := c.send(false, method, path, strings.NewReader(body), headers...).is(401)
	if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), `Basic realm="`) {
		c.t.Fatalf("%s: challenge %q", r.what, r.header.Get("WWW-Authenticate"))
	}
}

// propfind asks for properties; a depth of "" is no header.
func (c *client) propfind(path, depth string, names ...string) *multi {
	c.t.Helper()
	r := c.ask("PROPFIND", path, propfindBody(names...), depthHeader(depth)...)
	if dav := r.header.Get("DAV"); !strings.HasPrefix(dav, "1, ") {
		c.t.Errorf("%s: DAV %q: it is read here too", r.what, dav)
	}
	m := r.multi(c.wanted(names))
	if depth == "0" && len(m.order) != 1 {
		c.t.Fatalf("%s: %d responses at Depth 0", r.what, len(m.order))
	}
	return m
}

// report asks with a body; names are the properties that it asks for.
func (c *client) report(path, depth, body string, names ...string) *multi {
	c.t.Helper()
	return c.ask("REPORT", path, body, depthHeader(depth)...).multi(c.wanted(names))
}

func (c *client) query(cal, depth, filter string, names ...string) *multi {
	c.t.Helper()
	return c.report(cal, depth, head("C:calendar-query")+props(names...)+"<C:filter>"+filter+"</C:filter></C:calendar-query>", names...)
}

func (c *client) sync(path, depth, token string, names ...string) *multi {
	c.t.Helper()
	m := c.report(path, depth, syncBody(token, names...), names...)
	m.r.checkToken(m.token)
	if m.res[path] != nil {
		c.t.Errorf("%s: the collection itself is in the answer", m.r.what)
	}
	return m
}

// badToken sends a token that no server gave. Every client needs this answer
// and no other to start again; an empty error element or one of another type
// would be taken for something else.
func (c *client) badToken(path, depth, token string, names ...string) {
	c.t.Helper()
	r := c.ask("REPORT", path, syncBody(token, names...), depthHeader(depth)...).is(403, "D:valid-sync-token")
	if ct := r.header.Get("Content-Type"); ct != "application/xml; charset=utf-8" {
		c.t.Errorf("%s: Content-Type %q", r.what, ct)
	}
	if strings.Contains(r.body, `<D:error xmlns:D="DAV:"/>`) {
		c.t.Errorf("%s: Thunderbird takes this for a rate limit: %s", r.what, r.body)
	}
}

// multiget reads objects and checks them against what was stored: text by
// href. The answer is in the order of the request.
func (c *client) multiget(cal, depth string, names []string, want texts, hrefs ...string) *multi {
	c.t.Helper()
	body := head("C:calendar-multiget") + props(names...)
	for _, h := range hrefs {
		body += "<D:href>" + xmlText(h) + "</D:href>"
	}
	m := c.report(cal, depth, body+"</C:calendar-multiget>", names...)
	if !slices.Equal(m.order, hrefs) {
		c.t.Errorf("%s: answered are %q, asked %q", m.r.what, m.order, hrefs)
	}
	for _, h := range hrefs {
		text, ok := want[h]
		switch {
		case !ok && m.at(h).status != 404:
			c.t.Errorf("%s: %s is not there, and its status %d", m.r.what, h, m.at(h).status)
		case ok && m.node(h, "C:calendar-data").Text != text:
			c.t.Errorf("%s: %s is\n%s\nstored was\n%s", m.r.what, h, m.node(h, "C:calendar-data").Text, text)
		}
	}
	return m
}

// texts are the objects of a calendar by href.
type texts map[string]string

// wellKnown does the first step: the redirect, which is there with and without
// credentials, for every method that clients try. RFC 6764 §5.
func (c *client) wellKnown(body, depth string) (root string) {
	c.t.Helper()
	for _, known := range []bool{false, true} {
		for _, method := range []string{"PROPFIND", "GET", "HEAD", "OPTIONS"} {
			text := ""
			if method == "PROPFIND" {
				text = body
			}
			r := c.send(known, method, "/.well-known/caldav", strings.NewReader(text), depthHeader(depth)...).is(301)
			if root = r.header.Get("Location"); !strings.HasPrefix(root, "/") || !strings.HasSuffix(root, "/") {
				c.t.Fatalf("%s: Location %q", r.what, root)
			}
		}
	}
	return root
}

// options reads the tokens of DAV, which are the same everywhere, and Allow.
// What the server does not have it must not promise; that it sends invitations
// clients must see everywhere.
func (c *client) options(path string, methods ...string) *reply {
	c.t.Helper()
	r := c.ask("OPTIONS", path, "", "Accept-Encoding: identity").is(200)
	tokens := strings.Split(r.header.Get("DAV"), ", ")
	for _, yes := range []string{"calendar-access", "calendar-auto-schedule", "calendar-schedule"} {
		if tokens[0] != "1" || !slices.Contains(tokens[1:], yes) {
			c.t.Errorf("%s: DAV %q has no %s", r.what, tokens, yes)
		}
	}
	for _, no := range []string{"2",
		"calendar-managed-attachments", "oc-resource-sharing"} {
		if slices.Contains(tokens, no) {
			c.t.Errorf("%s: DAV has %s", r.what, no)
		}
	}
	for _, yes := range []string{"calendar-proxy", "calendarserver-sharing"} { // Apple's delegation and sharing dialogs
		if !slices.Contains(tokens, yes) {
			c.t.Errorf("%s: DAV %q", r.what, tokens)
		}
	}
	allowed := strings.Split(r.header.Get("Allow"), ", ")
	for _, m := range append(methods, "OPTIONS", "PROPFIND", "REPORT") {
		if !slices.Contains(allowed, m) {
			c.t.Errorf("%s: Allow %q has no %s", r.what, allowed, m)
		}
	}
	return r
}

// put stores an object and returns its tag: the stored octets are those sent,
// so the answer has it.
func (c *client) put(status int, obj, text string, headers ...string) (tag string) {
	c.t.Helper()
	r := c.ask("PUT", obj, text, headers...).is(status)
	if tag = r.header.Get("ETag"); tag == "" {
		c.t.Fatalf("%s: no ETag", r.what)
	}
	if r.header.Get("Location") != "" {
		c.t.Errorf("%s: Location %q: some clients follow it", r.what, r.header.Get("Location"))
	}
	return tag
}

// putMeeting is a write in which the server has a part: without an ETag in the
// answer the client reads what was stored. RFC 4791 §5.3.4, RFC 6638 §3.2.
func (c *client) putMeeting(status int, obj, text string, headers ...string) (stored, tag string) {
	c.t.Helper()
	r := c.ask("PUT", obj, text, headers...).is(status)
	if r.header.Get("Schedule-Tag") == "" {
		c.t.Errorf("%s: no Schedule-Tag", r.what)
	}
	if tag = r.header.Get("ETag"); tag != "" {
		return text, tag
	}
	now := c.ask("GET", obj, "").is(200)
	if now.body == text {
		c.t.Errorf("%s: no ETag, and nothing is another than was sent", r.what)
	}
	return now.body, now.header.Get("ETag")
}

// refused is a write that must change nothing, under a condition that does not
// hold.
func (c *client) refused(method, obj, text string, headers ...string) {
	c.t.Helper()
	before := c.send(true, "GET", obj, nil)
	c.ask(method, obj, text, headers...).is(412)
	if after := c.send(true, "GET", obj, nil); after.status != before.status || after.body != before.body || after.header.Get("ETag") != before.header.Get("ETag") {
		c.t.Errorf("%s %s is refused, but the object is another one", method, obj)
	}
}

// get reads an object and its tag.
func (c *client) get(obj, want string) (tag string) {
	c.t.Helper()
	r := c.ask("GET", obj, "").is(200)
	if r.body != want {
		c.t.Errorf("%s:\n%s\nstored was\n%s", r.what, r.body, want)
	}
	if ct := r.header.Get("Content-Type"); !strings.HasPrefix(ct, "text/calendar") {
		c.t.Errorf("%s: Content-Type %q", r.what, ct)
	}
	if tag = r.header.Get("ETag"); tag == "" {
		c.t.Errorf("%s: no ETag", r.what)
	}
	return tag
}

// delete removes an object; that it is gone shows in a second try.
func (c *client) delete(path string, headers ...string) {
	c.t.Helper()
	r := c.ask("DELETE", path, "", headers...).is(204)
	if e := r.header.Get("X-Dav-Error"); e != "" {
		c.t.Errorf("%s: X-Dav-Error %q is an error to CalDavSynchronizer", r.what, e)
	}
	c.ask("DELETE", path, "").is(404)
}

func depthHeader(depth string) []string {
	if depth == "" {
		return nil
	}
	return []string{"Depth: " + depth}
}

// wanted are the properties that every response must tell about, found or not.
func (c *client) wanted(names []string) []string {
	if c.minimal {
		return nil
	}
	return names
}
