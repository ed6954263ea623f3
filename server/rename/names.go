package rename

import (
	"net/url"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Mapper changes what is given to it by a map, and keeps account of that. It is one
// goroutine's.
type Mapper struct {
	*Map
	// Seen are the old ids that were met, and how often.
	Seen map[calendar.UserID]int
	// Changed is told what of a home was changed: a word for what it is.
	Changed func(what string)

	home, was calendar.Owner // that is changed: as it is from now on, and as it was
}

// NewMapper makes one.
func NewMapper(m *Map) *Mapper {
	return &Mapper{Map: m, Seen: map[calendar.UserID]int{}, Changed: func(string) {}}
}

// Home says whose home is changed from now on, and what its owner is called then.
func (m *Mapper) Home(owner calendar.Owner) (calendar.Owner, bool) {
	m.was = owner
	name := m.id(string(owner))
	m.home = calendar.Owner(name)
	return m.home, name != string(owner)
}

// id changes a user id.
func (m *Mapper) id(id calendar.UserID) calendar.UserID {
	if id == "" {
		return id
	}
	p, ok := m.to[m.canonical(id)]
	if !ok {
		return id
	}
	m.Seen[p.Old]++
	return p.New
}

func (m *Mapper) user(id *calendar.UserID, what string) {
	if to := m.id(*id); to != *id {
		*id = to
		m.Changed(what)
	}
}

// owner changes the owner that a text begins with, before a colon.
func (m *Mapper) calid(id calendar.ID) calendar.ID {
	owner, rest := string(id), ""
	if i := strings.IndexByte(owner, ':'); i >= 0 {
		owner, rest = owner[:i], owner[i:]
	}
	return calendar.ID(m.id(owner) + rest)
}

func (m *Mapper) calendarID(id *calendar.ID, what string) {
	if to := m.calid(*id); to != *id {
		*id = to
		m.Changed(what)
	}
}

// near changes an id in a list of the home's: one without a domain is of the owner's.
func (m *Mapper) near(id string) string {
	_, wasIn, _ := cutDomain(string(m.was))
	_, isIn, _ := cutDomain(string(m.home))
	full := id
	if _, _, ok := cutDomain(id); !ok && wasIn != "" {
		full += "@" + wasIn
	}
	to := m.id(full)
	if to == full {
		if full == id && (wasIn != "" || isIn == "" || strings.Contains(id, "@")) || wasIn == isIn {
			return id
		}
	}
	// A name of the default domain has none, unless it stands where that means another.
	if _, _, ok := cutDomain(to); !ok && isIn != "" && m.def != "" {
		return to + "@" + m.def
	}
	return to
}

// ACL changes a list of rights of a calendar of the home.
func (m *Mapper) acl(list acl.List) acl.List {
	var out acl.List
	for i, e := range list {
		if e.Who.Kind != acl.User || strings.EqualFold(e.Who.Name, acl.Anonymous) {
			continue
		}
		to := m.near(e.Who.Name)
		if to == e.Who.Name {
			continue
		}
		if out == nil {
			out = append(out, list...)
		}
		out[i].Who.Name = to
	}
	if out == nil {
		return list
	}
	m.Changed("access list")
	return out
}

// coOwners changes the further owners of a calendar of the home.
func (m *Mapper) coOwners(text string) string {
	words := strings.Fields(text)
	for i := range words {
		words[i] = m.near(words[i])
	}
	if to := strings.Join(words, " "); to != strings.Join(strings.Fields(text), " ") {
		m.Changed("owners")
		return to
	}
	return text
}

// address changes a calendar user address, if it names somebody by his user id: that of his
// principal, or the id itself. One with an @ is a mail address.
func (m *Mapper) address(a string) string {
	const mailto = "mailto:"
	rest, scheme := strings.TrimSpace(a), ""
	if len(rest) >= len(mailto) && strings.EqualFold(rest[:len(mailto)], mailto) {
		scheme, rest = rest[:len(mailto)], rest[len(mailto):]
	}
	if scheme == "" && strings.Contains(rest, calendar.PrincipalsPath) {
		return m.paths(a)
	}
	if rest == "" || strings.ContainsAny(rest, "@:/") {
		return a
	}
	switch to := m.id(rest); {
	case to == rest:
		return a
	case strings.Contains(to, "@"): // it would be a mail address
		return calendar.PrincipalsPath + url.PathEscape(to) + "/"
	default:
		return scheme + to
	}
}

func (m *Mapper) addresses(list []string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] = m.address(out[i])
	}
	return out
}

// ourPaths are those of resources that belong to somebody, whose id follows.
var ourPaths = []string{calendar.CalendarsPath, calendar.PrincipalsPath, calendar.AttachmentsPath, calendar.PushPath, calendar.HooksPath}

const ourRoot = "/dav/"

// paths changes the addresses of our resources in a text, which may be XML or JSON.
func (m *Mapper) paths(s string) string {
	if !strings.Contains(s, ourRoot) {
		return s
	}
	var b strings.Builder
	for rest := s; ; {
		i := strings.Index(rest, ourRoot)
		if i < 0 {
			b.WriteString(rest)
			return b.String()
		}
		prefix := ourRoot
		for _, p := range ourPaths {
			if strings.HasPrefix(rest[i:], p) {
				prefix = p
			}
		}
		i += len(prefix)
		b.WriteString(rest[:i])
		if rest = rest[i:]; prefix == ourRoot {
			continue
		}
		owner := segment(rest)
		rest = rest[len(owner):]
		b.WriteString(m.escaped(owner, m.id))
		// A calendar of somebody else in the home.
		if prefix == calendar.CalendarsPath && strings.HasPrefix(rest, "/") {
			name := segment(rest[1:])
			rest = rest[1+len(name):]
			b.WriteString("/" + m.escaped(name, m.shareName))
		}
	}
}

// segment is the beginning of a text that is one of a path.
func segment(s string) string {
	if i := strings.IndexAny(s, "/ \t\r\n\"'<>?#\\"); i >= 0 {
		return s[:i]
	}
	return s
}

// escaped changes a segment as it is meant; one that stays is left as it is written.
func (m *Mapper) escaped(s string, change func(string) string) string {
	is, err := url.PathUnescape(strings.ReplaceAll(s, "&amp;", "&"))
	if err != nil {
		return s
	}
	to := change(is)
	if to == is {
		return s
	}
	return strings.NewReplacer("&", "%26", "'", "%27").Replace(url.PathEscape(to))
}

func (m *Mapper) shareName(name string) string {
	if id, ok := calendar.SharedID(name); ok {
		if to := m.calid(id); to != id {
			return calendar.ShareName(to)
		}
	}
	return name
}
