package caldavtest

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"factotum/protocol/dav"
)

// multi is a multistatus, read as strictly as the pickiest client reads it.
type multi struct {
	r     *reply
	order []string
	res   map[string]*response
	token string
}

type response struct {
	status int // of the response, 0 if it has propstats
	props  map[string]prop
}

type prop struct {
	status int
	node   *dav.Node
}

// is checks the status and, of errors, the precondition.
func (r *reply) is(status int, precondition ...string) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d, want %d\n%.3000s", r.what, r.status, status, r.body)
	}
	for _, p := range precondition {
		root := r.document("D:error")
		if got := short(root.FirstChild().Name); got != p {
			r.t.Fatalf("%s: precondition %s, want %s\n%s", r.what, got, p, r.body)
		}
	}
	return r
}

// document parses an XML answer, and checks it with a parser that is not ours.
func (r *reply) document(name string) *dav.Node {
	r.t.Helper()
	if ct := r.header.Get("Content-Type"); ct != "application/xml; charset=utf-8" || !strings.HasPrefix(r.body, "<?xml") {
		r.t.Fatalf("%s: Content-Type %q of\n%.3000s", r.what, ct, r.body)
	}
	for d := xml.NewDecoder(strings.NewReader(r.body)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			r.t.Fatalf("%s: %v in\n%s", r.what, err, r.body)
		}
	}
	root, err := dav.Parse(r.body, dav.Limits{Bytes: 64 << 20, Nodes: 1 << 20})
	if err != nil || short(root.Name) != name {
		r.t.Fatalf("%s: no %s: %v\n%.3000s", r.what, name, err, r.body)
	}
	if name != "C:schedule-response" { // which has a response of its own
		r.localNames(root)
	}
	return root
}

// localNames are those that some clients compare without their namespace.
func (r *reply) localNames(n *dav.Node) {
	r.t.Helper()
	switch n.Name.Local {
	case "response", "href", "status", "getetag", "propstat", "collection":
		if n.Name.Space != dav.NSDAV {
			r.t.Errorf("%s: a foreign element %s", r.what, n.Name)
		}
	case "calendar-data", "calendar":
		if n.Name.Space != dav.NSCalDAV {
			r.t.Errorf("%s: a foreign element %s", r.what, n.Name)
		}
	}
	for c := range n.Children() {
		r.localNames(c)
	}
}

// multi parses a 207. Every response tells about every wanted property.
func (r *reply) multi(wanted []string) *multi {
	r.t.Helper()
	root := r.is(207).document("D:multistatus")
	m := &multi{r: r, res: map[string]*response{}, token: root.Child(dav.D("sync-token")).TrimText()}
	for n := range root.Children() {
		if n.Name != dav.D("response") {
			continue
		}
		href := n.Child(dav.D("href")).TrimText()
		if !strings.HasPrefix(href, "/") || strings.ContainsAny(href, "&' <>\"") || m.res[href] != nil {
			r.t.Fatalf("%s: href %q is no encoded path, or there twice", r.what, href)
		}
		m.order = append(m.order, href)
		m.res[href] = r.response(n)
		m.check(href, wanted)
	}
	return m
}

func (r *reply) response(n *dav.Node) *response {
	r.t.Helper()
	out := &response{props: map[string]prop{}}
	if st := n.Child(dav.D("status")); st != nil {
		out.status = r.statusLine(st)
		if out.status != 404 || n.Child(dav.D("propstat")) != nil {
			r.t.Errorf("%s: a response with status %d: Thunderbird drops the whole answer", r.what, out.status)
		}
		return out
	}
	last := 0
	for ps := range n.Children() {
		if ps.Name != dav.D("propstat") {
			continue
		}
		status := r.statusLine(ps.Child(dav.D("status")))
		if status < last || status == last {
			r.t.Errorf("%s: propstat %d after %d: KDE reads the first one only", r.what, status, last)
		}
		last = status
		if ps.Child(dav.D("prop")) == nil {
			r.t.Errorf("%s: a propstat without properties", r.what)
		}
		for p := range ps.Child(dav.D("prop")).Children() {
			name := short(p.Name)
			if _, twice := out.props[name]; twice {
				r.t.Errorf("%s: %s is there twice", r.what, name)
			}
			out.props[name] = prop{status, p}
		}
	}
	if last == 0 {
		r.t.Fatalf("%s: a response without status and propstat\n%s", r.what, r.body)
	}
	return out
}

var statusText = regexp.MustCompile(`^HTTP/1\.1 ([1-5][0-9][0-9]) [A-Z].*$`)

func (r *reply) statusLine(n *dav.Node) (code int) {
	r.t.Helper()
	found := statusText.FindStringSubmatch(n.TrimText())
	if found == nil {
		r.t.Fatalf("%s: status line %q", r.what, n.TrimText())
	}
	fmt.Sscan(found[1], &code)
	return code
}

// check holds one response against the rules that all clients need.
func (m *multi) check(href string, wanted []string) {
	m.r.t.Helper()
	res := m.res[href]
	if res.status != 0 {
		return
	}
	for _, name := range wanted {
		if _, ok := res.props[name]; !ok {
			m.r.t.Errorf("%s: %s says nothing of %s", m.r.what, href, name)
		}
	}
	for name, p := range res.props {
		if p.status != 200 {
			continue
		}
		text := p.node.TrimText()
		switch name {
		case "D:getetag":
			m.r.checkTag(text)
		case "D:sync-token":
			m.r.checkToken(text)
		case "CS:getctag":
			if strings.Trim(text, "0123456789") == "" {
				m.r.t.Errorf("%s: CTag %q is a number to tsdav", m.r.what, text)
			}
		case "D:resourcetype":
			if (p.node.Child(dav.D("collection")) != nil || p.node.Child(dav.D("principal")) != nil) != strings.HasSuffix(href, "/") {
				m.r.t.Errorf("%s: %s: only collections end with a slash", m.r.what, href)
			}
		}
	}
	if strings.HasSuffix(href, ".ics") {
		for _, name := range []string{"D:getetag", "D:getcontenttype", "D:resourcetype"} {
			if slices.Contains(wanted, name) && res.props[name].status != 200 {
				m.r.t.Errorf("%s: %s has no %s", m.r.what, href, name)
			}
		}
		if p := res.props["D:getcontenttype"]; p.status == 200 && !strings.HasPrefix(p.node.TrimText(), "text/calendar") {
			m.r.t.Errorf("%s: %s is of type %q", m.r.what, href, p.node.TrimText())
		}
	}
}

var tagText = regexp.MustCompile(`^"[!#-\[\]-~]+"$`)

// checkTag: strong, quoted, and nothing inside that a client would trip over.
func (r *reply) checkTag(tag string) {
	r.t.Helper()
	if !tagText.MatchString(tag) || strings.HasPrefix(tag, `"W/`) || strings.Contains(tag, "gzip") {
		r.t.Errorf("%s: ETag %q", r.what, tag)
	}
}

// checkToken: Evolution drops one without : or /, tsdav makes a number of
// digits, CalDavSynchronizer writes it back without escaping it.
func (r *reply) checkToken(token string) {
	r.t.Helper()
	if !strings.ContainsAny(token, ":/") || strings.ContainsAny(token, "&<>\"' ") {
		r.t.Errorf("%s: sync token %q", r.what, token)
	}
}

// at returns the response for an href.
func (m *multi) at(href string) *response {
	m.r.t.Helper()
	if m.res[href] == nil {
		m.r.t.Fatalf("%s: no response for %s in\n%s", m.r.what, href, m.r.body)
	}
	return m.res[href]
}

// node is a property that was found.
func (m *multi) node(href, name string) *dav.Node {
	m.r.t.Helper()
	p := m.at(href).props[name]
	if p.status != 200 {
		m.r.t.Fatalf("%s: %s has no %s (status %d)\n%s", m.r.what, href, name, p.status, m.r.body)
	}
	return p.node
}

func (m *multi) text(href, name string) string {
	m.r.t.Helper()
	return m.node(href, name).TrimText()
}

// href is the only path inside a property.
func (m *multi) href(at, name string) string {
	m.r.t.Helper()
	list := m.hrefs(at, name)
	if len(list) != 1 || !strings.HasPrefix(list[0], "/") || !strings.HasSuffix(list[0], "/") {
		m.r.t.Fatalf("%s: %s of %s is %q", m.r.what, name, at, list)
	}
	return list[0]
}

func (m *multi) hrefs(at, name string) (out []string) {
	m.r.t.Helper()
	for c := range m.node(at, name).Children() {
		if c.Name == dav.D("href") {
			out = append(out, c.TrimText())
		}
	}
	return out
}

// below are the names of the elements at some depth inside a property: 1 for
// types, 2 for reports and privileges.
func (m *multi) below(href, name string, depth int) (out []string) {
	m.r.t.Helper()
	var walk func(n *dav.Node, depth int)
	walk = func(n *dav.Node, depth int) {
		for c := range n.Children() {
			if depth == 1 {
				out = append(out, short(c.Name))
			} else {
				walk(c, depth-1)
			}
		}
	}
	walk(m.node(href, name), depth)
	return out
}

// components are the names in a component set.
func (m *multi) components(href string) (out []string) {
	m.r.t.Helper()
	for c := range m.node(href, "C:supported-calendar-component-set").Children() {
		name, _ := c.Attr("name")
		out = append(out, name)
	}
	return out
}

// together checks that properties are answered, and all there or none of them: what
// a site may offer or not.
func (m *multi) together(href string, names ...string) {
	m.r.t.Helper()
	for _, n := range names {
		p, first := m.at(href).props[n], m.at(href).props[names[0]]
		if p.status != first.status || p.status != 404 && p.status != 200 {
			m.r.t.Errorf("%s: %s of %s has status %d, and %s %d", m.r.what, n, href, p.status, names[0], first.status)
		}
	}
}

// absent checks that properties are answered, and not there.
func (m *multi) absent(href string, names ...string) {
	m.r.t.Helper()
	for _, n := range names {
		if p, ok := m.at(href).props[n]; ok && p.status != 404 {
			m.r.t.Errorf("%s: %s of %s has status %d, want 404", m.r.what, n, href, p.status)
		}
	}
}

// members are the objects in the answer, in some order; removed ones are those
// with status 404.
func (m *multi) members() (there, removed []string) {
	for _, h := range m.order {
		switch {
		case m.res[h].status == 404:
			removed = append(removed, h)
		case !strings.HasSuffix(h, "/"):
			there = append(there, h)
		}
	}
	slices.Sort(there)
	slices.Sort(removed)
	return there, removed
}

// has checks the members of an answer.
func (m *multi) has(want ...string) *multi {
	m.r.t.Helper()
	slices.Sort(want)
	if there, removed := m.members(); !slices.Equal(there, want) || len(removed) > 0 {
		m.r.t.Errorf("%s: members %q, removed %q, want %q", m.r.what, there, removed, want)
	}
	return m
}

// gone checks that one member was removed, and nothing else has changed.
func (m *multi) gone(want ...string) *multi {
	m.r.t.Helper()
	if there, removed := m.members(); len(there) > 0 || !slices.Equal(removed, want) {
		m.r.t.Errorf("%s: members %q, removed %q, want none and %q", m.r.what, there, removed, want)
	}
	return m
}

// short is a name with the prefix of the requests.
func short(n dav.Name) string {
	if p, ok := prefixes[n.Space]; ok {
		return p + ":" + n.Local
	}
	return n.String()
}
