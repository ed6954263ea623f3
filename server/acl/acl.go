// Package acl is the access control list of a calendar: Sun's ordered list of
// entries who^what^how^grant, its evaluation, and its view as the privileges
// of RFC 3744, RFC 4791 and RFC 6638. It is pure: no I/O, no clock, and it
// imports nothing of ours.
//
// A list is walked in order. For every right the first entry that fits the
// requester, covers the part of the calendar and mentions the right decides;
// a right that no entry decides is denied. The primary owner has every right
// and is never checked.
//
// The calendar has two parts: its components, and its properties (name,
// description, owners, the list itself). Read, write, delete and
// self-administration mean something on either; the other rights (schedule,
// free/busy, look-up, reply, invite, cancel) only on the components.
package acl

import "strings"

// Rights is a set of rights; the constants are its members.
type Rights uint16

// The rights, in the order in which they are printed.
const (
	Read      Rights = 1 << iota // r: read
	Write                        // w: add and modify
	Delete                       // d: delete
	Schedule                     // s: place invitations, accept replies
	FreeBusy                     // f: see busy time
	Lookup                       // l: find the calendar or its owner
	Reply                        // e: answer invitations for the owner
	Invite                       // i: invite for the owner
	Cancel                       // c: cancel for the owner
	SelfAdmin                    // z: see (components) and change (properties) the list

	AllRights = 1<<iota - 1
)

const letters = "rwdsfleicz"

// propertyRights are the rights that mean something on calendar properties.
const propertyRights = Read | Write | Delete | SelfAdmin

// Has reports whether r holds every right of want.
func (r Rights) Has(want Rights) bool { return r&want == want }

// String gives the letters of the set, for example "rsf".
func (r Rights) String() string { return string(r.append(nil)) }

func (r Rights) append(b []byte) []byte {
	for i := range len(letters) {
		if r&(1<<i) != 0 {
			b = append(b, letters[i])
		}
	}
	return b
}

// What names the part of a calendar that an entry covers.
type What byte

// The parts of a calendar.
const (
	Components What = 'c' // events, tasks, journals
	Properties What = 'p' // name, description, owners, …
	Whole      What = 'a' // both
)

// Kind says how an entry chooses requesters.
type Kind uint8

// The kinds of who.
const (
	User          Kind = iota + 1 // user, user@domain: one user, or the members of a group of that name
	Domain                        // @domain: every user of a domain
	Everyone                      // @: everybody, including anonymous
	OwnerDomain                   // @@d: every user of the primary owner's domain
	Primary                       // @@p: the primary owner
	AnyOwner                      // @@o: all owners, the primary one included
	NotOwner                      // @@n: whoever is not an owner, including anonymous
	Authenticated                 // @@a: everybody who has logged in. Ours, for DAV:authenticated
)

// Anonymous is the user name of a requester who has not logged in.
const Anonymous = "anonymous"

// Who chooses the requesters of an entry. Name is set for User ("bob" or
// "bob@example.com") and Domain ("example.com").
type Who struct {
	Kind Kind
	Name string
}

// String gives the first field of an entry.
func (w Who) String() string {
	switch w.Kind {
	case User:
		return w.Name
	case Domain:
		return "@" + w.Name
	case Everyone:
		return "@"
	case OwnerDomain:
		return "@@d"
	case Primary:
		return "@@p"
	case AnyOwner:
		return "@@o"
	case NotOwner:
		return "@@n"
	case Authenticated:
		return "@@a"
	}
	return ""
}

// ACE is one entry. An empty How decides nothing.
type ACE struct {
	Who   Who
	What  What
	How   Rights
	Grant bool // false: deny
}

// String gives who^what^how^grant.
func (e ACE) String() string { return string(e.append(nil)) }

func (e ACE) append(b []byte) []byte {
	b = append(b, e.Who.String()...)
	b = append(b, '^', byte(e.What), '^')
	b = e.How.append(b)
	if e.Grant {
		return append(b, '^', 'g')
	}
	return append(b, '^', 'd')
}

// List is an ordered access control list.
type List []ACE

// String gives the list in its canonical form: entries in the order given,
// separated by semicolons, rights in lower case and in a fixed order.
func (l List) String() string {
	var b []byte
	for i, e := range l {
		if i > 0 {
			b = append(b, ';')
		}
		b = e.append(b)
	}
	return string(b)
}

// Only gives l with no more than some rights on the components, save for the
// entries about the owners, which stay what they are.
func (l List) Only(rights Rights) List {
	out := make(List, 0, len(l))
	for _, e := range l {
		if e.Who.Kind != Primary && e.Who.Kind != AnyOwner {
			if e.How &= rights; e.How == 0 || e.What == Properties {
				continue
			}
			e.What = Components
		}
		out = append(out, e)
	}
	return out
}

// WithOwner gives l with the entries of owner in front, leaving out those
// that are there anyway. The owner entries (calstore.calendar.owner.acl)
// always come first: WCAP §4.4, admin.md §6.6.
func (l List) WithOwner(owner List) List {
	out := make(List, 0, len(owner)+len(l))
	out = append(out, owner...)
next:
	for _, e := range l {
		for _, o := range owner {
			if e == o {
				continue next
			}
		}
		out = append(out, e)
	}
	return out
}

// PublicWrite reports whether l lets everybody write, or delete.
func (l List) PublicWrite() bool {
	r, p := l.RightsOf(Requester{}, Owners{Primary: "owner"})
	return (r|p)&(Write|Delete) != 0
}

// The lists that ics.conf sets by default.
const (
	DefaultCalendar = "@@o^a^r^g;@@o^c^wdeic^g;@^a^fs^g;@^c^^g;@^p^r^g" // calstore.calendar.default.acl
	DefaultOwner    = "@@o^a^rsf^g;@@o^c^wdeic^g"                       // calstore.calendar.owner.acl
	DefaultResource = "@@o^a^r^g;@@o^c^wdeic^g;@^a^rsf^g"               // resource.default.acl
	DefaultGroup    = "@@o^a^r^g;@@o^c^wdeic^g;@^a^rsf^g"               // group.default.acl
)

// Requester is who asks. The zero Requester is anonymous.
type Requester struct {
	User   string   // user id, with or without its domain; "" for anonymous
	Domain string   // domain of User, where User does not name it
	Groups []string // groups the user is in, by id or address
}

// Owners are the owners of a calendar.
type Owners struct {
	Primary string   // user id, with or without its domain
	Others  []string // co-owners
	Domain  string   // the primary owner's domain; names without a domain belong to it
}

// Allows reports whether the requester holds all of rights on the given part
// of a calendar. Whole asks for both parts, as far as the right means
// something on both.
func (l List) Allows(r Requester, o Owners, what What, rights Rights) bool {
	c, p := l.RightsOf(r, o)
	switch what {
	case Components:
		return c.Has(rights)
	case Properties:
		return p.Has(rights)
	}
	return c.Has(rights) && p.Has(rights&propertyRights)
}

// RightsOf gives all rights of a requester on the components and on the
// properties of a calendar, in one walk and without allocating.
//
// An entry that grants reading the components grants seeing their busy time
// too: RFC 4791 §6.1.1 puts CALDAV:read-free-busy into DAV:read.
func (l List) RightsOf(r Requester, o Owners) (components, properties Rights) {
	m := newMatcher(r, o)
	if m.primary {
		return AllRights, AllRights
	}
	var cDone, pDone Rights
	for i := range l {
		e := &l[i]
		if e.How == 0 || !m.match(e.Who) {
			continue
		}
		c, p := e.parts()
		c, p = c&^cDone, p&^pDone
		if e.Grant {
			components |= c
			properties |= p
		}
		cDone |= c
		pDone |= p
		if cDone&pDone == AllRights {
			break
		}
	}
	return components, properties
}

// parts gives the rights that an entry decides on either part.
func (e *ACE) parts() (components, properties Rights) {
	if e.What != Properties {
		components = e.How
		if e.Grant && e.How&Read != 0 {
			components |= FreeBusy
		}
	}
	if e.What != Components {
		properties = e.How
	}
	return components, properties
}

// matcher is a requester seen from a calendar.
type matcher struct {
	r           Requester
	o           Owners
	user        string // local part; "" for anonymous
	domain      string
	ownerDomain string
	primary     bool
	owner       bool
}

func newMatcher(r Requester, o Owners) matcher {
	m := matcher{r: r, o: o}
	if r.User != "" && !strings.EqualFold(r.User, Anonymous) {
		m.user, m.domain = split(r.User, r.Domain)
	}
	_, m.ownerDomain = split(o.Primary, o.Domain)
	if m.user != "" {
		m.primary = o.Primary != "" && m.is(o.Primary)
		m.owner = m.primary
		for i := 0; i < len(o.Others) && !m.owner; i++ {
			m.owner = o.Others[i] != "" && m.is(o.Others[i])
		}
	}
	return m
}

// split takes a user id apart; domain is what an id without one belongs to.
func split(id, domain string) (string, string) {
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		return id[:i], id[i+1:]
	}
	return id, domain
}

// is reports whether the requester, who is not anonymous, has that user id.
func (m *matcher) is(id string) bool {
	user, domain := split(id, m.ownerDomain)
	return strings.EqualFold(user, m.user) && strings.EqualFold(domain, m.domain)
}

func (m *matcher) match(w Who) bool {
	switch w.Kind {
	case Everyone:
		return true
	case AnyOwner:
		return m.owner
	case NotOwner:
		return !m.owner
	case Primary:
		return m.primary
	case Authenticated:
		return m.user != ""
	case Domain:
		return m.user != "" && w.Name != "" && strings.EqualFold(w.Name, m.domain)
	case OwnerDomain:
		return m.user != "" && strings.EqualFold(m.ownerDomain, m.domain)
	case User:
		if m.user == "" {
			return strings.EqualFold(w.Name, Anonymous)
		}
		return m.is(w.Name) || m.member(w.Name)
	}
	return false
}

func (m *matcher) member(group string) bool {
	if len(m.r.Groups) == 0 {
		return false
	}
	name, domain := split(group, m.ownerDomain)
	for _, g := range m.r.Groups {
		n, d := split(g, m.domain)
		if strings.EqualFold(n, name) && strings.EqualFold(d, domain) {
			return true
		}
	}
	return false
}
