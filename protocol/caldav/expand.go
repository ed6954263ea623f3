package caldav

import (
	"iter"
	"net/http"
	"slices"
	"strconv"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// Bounds of a DAV:expand-property: how deep properties are followed, how many
// are asked of a resource, how many are followed, and how many resources are
// looked at.
const (
	maxExpandDepth = 4
	maxExpandNames = 512
	maxFollowed    = 2000
	maxExpanded    = 500
)

// expander answers DAV:expand-property. RFC 3253 §3.8.
type expander struct {
	rq   *request
	mw   *dav.Writer
	left int // resources
	more int // properties
}

// expandProperty follows the hrefs in properties and answers with the
// properties of what they name.
func (rq *request) expandProperty(root *dav.Node) error {
	s, err := rq.load(rq.at)
	if err != nil {
		return err
	}
	props, err := expandNames(root, 0)
	if err != nil {
		return err
	}
	mw := rq.answer()
	e := expander{rq: rq, mw: mw, left: maxExpanded, more: maxFollowed}
	mw.Response(s.path)
	for _, p := range props {
		if !e.property(s, p) {
			mw.Miss(http.StatusNotFound, p.name)
		}
	}
	mw.EndResponse()
	return mw.Close()
}

// expandProp is a DAV:property element.
type expandProp struct {
	name  dav.Name
	inner []expandProp
}

func expandNames(n *dav.Node, depth int) ([]expandProp, error) {
	if depth > maxExpandDepth {
		return nil, &dav.Error{Status: http.StatusForbidden, Text: "properties are nested too deep"}
	}
	var out []expandProp
	for c := range n.Children() {
		if c.Name != dav.D("property") {
			continue
		}
		local, _ := c.Attr("name")
		space, ok := c.Attr("namespace")
		if !ok {
			space = dav.NSDAV
		}
		name := dav.Name{Space: space, Local: local}
		if !validName(local) {
			return nil, &dav.Error{Status: http.StatusBadRequest, Text: "a property without a name"}
		}
		inner, err := expandNames(c, depth+1)
		switch {
		case err != nil:
			return nil, err
		case slices.ContainsFunc(out, func(p expandProp) bool { return p.name == name }):
			continue // each once, as in a PROPFIND
		case len(out) == maxExpandNames:
			return nil, &dav.Error{Status: http.StatusRequestEntityTooLarge, Text: "too many properties"}
		}
		out = append(out, expandProp{name, inner})
	}
	return out, nil
}

// validName reports whether s can stand as the local name of an element: we
// write it back. ASCII names are all there are among properties.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// property writes one property, with its hrefs expanded if it has inner ones.
func (e *expander) property(s *subject, p expandProp) bool {
	lp := live[p.name]
	there := lp != nil && s.has(lp)
	if len(p.inner) > 0 && e.left > 0 && e.more > 0 {
		e.more--
		targets, ok := s.deadHrefs(p.name)
		if there {
			targets, ok = s.hrefs(p.name)
		}
		if ok {
			e.mw.Start(p.name)
			for _, t := range targets {
				e.resource(t, p.inner)
			}
			e.mw.End(p.name)
			return true
		}
	}
	if there {
		return lp.get(e.mw, s)
	}
	return writeDead(e.mw, s.dead, p.name)
}

// resource writes the response of a resource inside a property.
func (e *expander) resource(t target, props []expandProp) {
	mw := e.mw
	mw.Start(dav.D("response"))
	mw.RawBytes(dav.AppendHref(nil, t.path))
	defer mw.End(dav.D("response"))
	if e.left--; e.left < 0 {
		writeStatus(mw, http.StatusInsufficientStorage)
		return
	}
	s, err := e.rq.load(t)
	if err != nil {
		writeStatus(mw, e.rq.translate(err).Status)
		return
	}
	s.inner = true
	var missed []dav.Name
	mw.RawString("<D:propstat><D:prop>")
	for _, p := range props {
		if !e.property(s, p) {
			missed = append(missed, p.name)
		}
	}
	mw.RawString("</D:prop>")
	writeStatus(mw, http.StatusOK)
	mw.RawString("</D:propstat>")
	if len(missed) == 0 {
		return
	}
	mw.RawString("<D:propstat><D:prop>")
	for _, name := range missed {
		mw.Empty(name)
	}
	mw.RawString("</D:prop>")
	writeStatus(mw, http.StatusNotFound)
	mw.RawString("</D:propstat>")
}

func writeStatus(mw *dav.Writer, code int) {
	mw.Text(dav.D("status"), "HTTP/1.1 "+strconv.Itoa(code)+" "+http.StatusText(code))
}

// deadHrefs are the resources that a dead property of s names: the DAV:href
// elements in it, at any depth, that are of this server. ok is false if it has
// none.
func (s *subject) deadHrefs(name dav.Name) (list []target, ok bool) {
	for i := range s.dead {
		if d := &s.dead[i]; d.Local != name.Local || d.Space != name.Space {
			continue
		}
		value, err := dav.Parse(s.dead[i].Value, s.rq.xml)
		if err != nil {
			return nil, false
		}
		for text := range hrefsIn(value) {
			ok = true
			if path, err := s.rq.decodeHref(text); err == nil {
				if t, err := s.rq.locate(path); err == nil {
					list = append(list, t)
				}
			}
		}
	}
	return list, ok
}

// hrefsIn ranges over the texts of the DAV:href elements below a node.
func hrefsIn(n *dav.Node) iter.Seq[string] {
	return func(yield func(string) bool) { eachHref(n, yield) }
}

func eachHref(n *dav.Node, yield func(string) bool) bool {
	for c := range n.Children() {
		if c.Name == dav.D("href") {
			if !yield(c.TrimText()) {
				return false
			}
		} else if !eachHref(c, yield) {
			return false
		}
	}
	return true
}

// hrefs are the resources that a property of s names; ok is false for a
// property that names none by its nature.
func (s *subject) hrefs(name dav.Name) (list []target, ok bool) {
	principal := func(ids ...string) []target {
		for _, id := range ids {
			list = append(list, target{place: atPrincipal, user: id, path: principalPath(id), slash: true})
		}
		return list
	}
	switch name {
	case dav.D("owner"):
		if owner := s.ownerID(); owner != "" {
			principal(owner)
		}
		return list, true
	case dav.D("current-user-principal"):
		return principal(s.rq.me.ID), true
	case dav.D("principal-URL"):
		if s.proxies != nil {
			return nil, false
		}
		return principal(s.person.ID), true
	case dav.CS("calendar-proxy-read-for"):
		return principal(s.actsFor(true).ReadFor...), true
	case dav.CS("calendar-proxy-write-for"):
		return principal(s.actsFor(true).WriteFor...), true
	case dav.D("group-membership"):
		return append(principal(s.groups(false)...), proxyGroups(s.actsFor(false))...), true
	case dav.D("group-member-set"):
		return principal(s.members(false)...), true
	case dav.CS("expanded-group-membership"):
		return append(principal(s.groups(true)...), proxyGroups(s.actsFor(true))...), true
	case dav.CS("expanded-group-member-set"):
		return principal(s.members(true)...), true
	case dav.D("principal-collection-set"):
		return []target{{place: atPrincipals, path: principalsPath, slash: true}}, true
	case dav.D("group"):
		return nil, true
	case dav.C("calendar-home-set"):
		owner := calendar.Owner(s.person.ID)
		return []target{{place: atHome, user: s.person.ID, path: homePath(owner), slash: true}}, true
	}
	return nil, false
}
