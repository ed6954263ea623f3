package wcaptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"factotum/server/ical"
)

// client behaves on the wire as the reference client of WCAP §11: GETs only,
// its parameters in its order and spelling, answers read as it reads them.
type client struct {
	t              testing.TB
	addr           string
	user, password string
	sid            string
	logins         int
	calid, mail    string            // from the preferences
	subscribed     []string          // calids that icsSubscribed names
	zones          map[string]bool   // of get_all_timezones
	cache          map[string]string // the offline cache of a calendar: uid and rid, to what is known
	since          string            // server time of the last sync
}

func newClient(t testing.TB, s *site, user, password string) *client {
	server := httptest.NewServer(s.wcap)
	t.Cleanup(server.Close)
	return &client{t: t, addr: server.Listener.Addr().String(), user: user, password: password, cache: map[string]string{}}
}

// esc is encodeURIComponent.
func esc(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// get sends the very bytes of a request line, and returns the body.
func (c *client) get(target string) string {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: cal.example.com\r\nConnection: close\r\n\r\n", target)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != 200 || len(body) == 0 || res.Header.Get("Set-Cookie") != "" {
		c.t.Fatalf("%s: %s, %d octets", clip(target), res.Status, len(body))
	}
	return string(body)
}

// call sends a command of the session. On errno 1 it logs in anew and asks
// again, once.
func (c *client) call(command, params string) string {
	c.t.Helper()
	for again := false; ; again = true {
		body := c.get(command + ".wcap?appid=mozilla-calendar&id=" + c.sid + params)
		if firstErrno(body) != 1 || again {
			return body
		}
		c.login()
	}
}

var errnoPattern = regexp.MustCompile(`X-NSCP-WCAP-ERRNO[:>](-?\d+)`)

// firstErrno is what the client takes for the outcome: the first number, and
// none is success.
func firstErrno(body string) int {
	m := errnoPattern.FindStringSubmatch(body)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// calendar sends a command that answers one VCALENDAR, with errno 0.
func (c *client) calendar(command, params string) *ical.Component {
	c.t.Helper()
	return c.parse(c.call(command, params))
}

func (c *client) parse(body string) *ical.Component {
	c.t.Helper()
	tree, err := ical.Parse([]byte(body), ical.Limits{})
	if err != nil {
		c.t.Fatalf("%v in\n%s", err, clip(body))
	}
	if n := firstErrno(body); n != 0 {
		c.t.Fatalf("errno %d\n%s", n, clip(body))
	}
	return tree
}

// xml sends a command that answers text/xml.
func (c *client) xml(command, params string) []*node {
	c.t.Helper()
	a := &answer{t: c.t, body: c.call(command, params)}
	if err := a.readXML(); err != nil {
		c.t.Fatalf("%v in\n%s", err, clip(a.body))
	}
	return a.blocks
}

func child(n *node, name string) string {
	for _, k := range n.kids {
		if k.name == name {
			return k.text
		}
	}
	return ""
}

// login is steps 1 to 3: version, login, and three commands of which none may
// fail.
func (c *client) login() {
	c.t.Helper()
	c.logins++
	version := c.parse(c.get("version.wcap?fmt-out=text%2Fcalendar"))
	number, _, _ := strings.Cut(version.Value("X-NSCP-WCAPVERSION"), ".")
	if n, err := strconv.Atoi(number); err != nil || n < 3 || version.Value("PRODID") == "" || version.Value("X-NSCP-SERVERVERSION") == "" {
		c.t.Fatalf("version: %s", version.Bytes())
	}
	body := c.get("login.wcap?fmt-out=text%2Fcalendar&user=" + esc(c.user) + "&password=" + esc(c.password))
	if c.sid = c.parse(body).Value("X-NSCP-WCAP-SESSION-ID"); !regexp.MustCompile(`^\w{20,}$`).MatchString(c.sid) {
		c.t.Fatalf("session id %q", c.sid)
	}
	prefs := c.xml("get_userprefs", "&fmt-out=text%2Fxml&userid="+esc(c.user))
	if len(prefs) != 1 {
		c.t.Fatalf("%d blocks of preferences", len(prefs))
	}
	c.calid, c.mail, c.subscribed = c.user, child(prefs[0], "X-NSCP-WCAP-PREF-mail"), nil
	for _, p := range prefs[0].kids {
		switch p.name {
		case "X-NSCP-WCAP-PREF-icsCalendar":
			if p.text != "" {
				c.calid = p.text
			}
		case "X-NSCP-WCAP-PREF-icsSubscribed":
			for item := range strings.SplitSeq(p.text, ",") {
				if id, _, ok := strings.Cut(strings.TrimSpace(item), "$"); ok {
					c.subscribed = append(c.subscribed, id)
				}
			}
		}
	}
	c.time()
	zones := c.calendar("get_all_timezones", "&fmt-out=text%2Fcalendar")
	c.zones = map[string]bool{}
	for z := range zones.ChildrenOf("VTIMEZONE") {
		c.zones[z.Value("TZID")] = true
	}
}

// time is the server's.
func (c *client) time() string {
	c.t.Helper()
	t := c.calendar("gettime", "&fmt-out=text%2Fcalendar")
	d, err := ical.ParseDateTime(t.Value("X-NSCP-WCAPTIME"), "", false)
	if err != nil || d.Kind != ical.UTC {
		c.t.Fatalf("server time: %s", t.Bytes())
	}
	return d.String()
}

// calprops is step 4: those calendars that it may see, by calid.
func (c *client) calprops(calids ...string) map[string]*node {
	c.t.Helper()
	for i, id := range calids {
		calids[i] = esc(id)
	}
	out := map[string]*node{}
	for _, b := range c.xml("get_calprops", "&fmt-out=text%2Fxml&calid="+strings.Join(calids, ";")) {
		if n := child(b, "X-NSCP-WCAP-ERRNO"); n == "" || n == "0" {
			out[child(b, "X-NSCP-CALPROPS-RELATIVE-CALID")] = b
		}
	}
	return out
}

// form is what the client wants of every component.
const form = "&relativealarm=1&compressed=1&recurring=1&emailorcalid=1&fmt-out=text%2Fcalendar"

// view is step 5.
func (c *client) view(calid, from, to, filter string) *ical.Component {
	c.t.Helper()
	return c.calendar("fetchcomponents_by_range", form+filter+"&dtstart="+from+"&dtend="+to+"&calid="+esc(calid))
}

// sync is step 6: what changed and what was deleted since the last time, put
// into the cache. It tells what came as new, changed and gone.
func (c *client) sync(calid string) string {
	c.t.Helper()
	from, now := c.since, c.time()
	if from == "" {
		from = "0"
	}
	span := "&dtstart=" + from + "&dtend=" + now + "&calid=" + esc(calid)
	changed := c.calendar("fetchcomponents_by_lastmod", form+span)
	deleted := c.calendar("fetch_deletedcomponents", form+span)
	var added, modified, gone []string
	seen := map[string]bool{}
	for _, k := range changed.Children {
		uid := k.Value("UID")
		if !seen[uid] {
			seen[uid] = true
			c.forget(uid)
			switch {
			case from == "0":
			case k.Value("CREATED") >= from:
				added = append(added, uid)
			default:
				modified = append(modified, uid)
			}
		}
		c.cache[uid+" "+k.Value("RECURRENCE-ID")] = string(k.Bytes())
	}
	for _, k := range deleted.Children {
		uid, rid := k.Value("UID"), k.Value("RECURRENCE-ID")
		switch {
		case seen[uid]:
		case rid != "":
			delete(c.cache, uid+" "+rid)
		default:
			c.forget(uid)
			gone = append(gone, uid)
		}
	}
	c.since = now
	for _, l := range [][]string{added, modified, gone} {
		slices.Sort(l)
	}
	return fmt.Sprint("new ", added, " changed ", modified, " gone ", gone)
}

func (c *client) forget(uid string) {
	for k := range c.cache {
		if strings.HasPrefix(k, uid+" ") {
			delete(c.cache, k)
		}
	}
}

// checkCache compares the cache with a fetch of everything.
func (c *client) checkCache(calid string) {
	c.t.Helper()
	n := 0
	for _, k := range c.calendar("fetchcomponents_by_lastmod", form+"&dtstart=0&dtend=0&calid="+esc(calid)).Children {
		n++
		if key := k.Value("UID") + " " + k.Value("RECURRENCE-ID"); c.cache[key] != string(k.Bytes()) {
			c.t.Errorf("cached as %s:\n%s\nthe server has\n%s", key, c.cache[key], k.Bytes())
		}
	}
	if n != len(c.cache) {
		c.t.Errorf("the server has %d components, the cache %d", n, len(c.cache))
	}
}

// store is step 7: it expects exactly one item, whole.
func (c *client) store(command, calid, params string) []*ical.Component {
	c.t.Helper()
	tree := c.calendar(command, params+"&replace=1&fetch=1"+form+"&calid="+esc(calid))
	if len(tree.Children) == 0 || slices.ContainsFunc(tree.Children, func(k *ical.Component) bool { return k.Value("UID") != tree.Children[0].Value("UID") }) {
		c.t.Fatalf("not one item:\n%s", tree.Bytes())
	}
	return tree.Children
}

// busy asks for one attendee.
func (c *client) busy(who, from, to string) (out []string) {
	c.t.Helper()
	for _, b := range c.xml("get_freebusy", "&fmt-out=text%2Fxml&busyonly=0&dtstart="+from+"&dtend="+to+"&calid="+esc(who)) {
		for _, fb := range b.find("FREEBUSY") {
			start, end, ok := strings.Cut(fb.text, "/")
			if fb.attrs["FBTYPE"] == "" || !ok || !strings.HasSuffix(start, "Z") || !strings.HasSuffix(end, "Z") {
				c.t.Fatalf("a period: %v", fb)
			}
			out = append(out, fb.attrs["FBTYPE"]+" "+fb.text)
		}
	}
	return out
}
