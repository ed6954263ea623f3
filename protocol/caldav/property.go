package caldav

import (
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// scope is a set of kinds of resources; subjects have one of them.
type scope uint16

const (
	onRoot scope = 1 << iota
	onPrincipals
	onPrincipal
	onHomes
	onHome
	onCalendar
	onPlain
	onInbox
	onOutbox
	onObject // a calendar object resource
	onFile   // a member of a plain collection
	onProxies

	onBoxes       = onInbox | onOutbox
	onCollections = onCalendar | onPlain | onBoxes
	onMembers     = onObject | onFile
	onTops        = onRoot | onPrincipals | onHomes
	everywhere    = onTops | onPrincipal | onProxies | onHome | onCollections | onMembers
)

// subject is a resource whose properties are asked for. What does not belong
// to its scope is nil.
type subject struct {
	rq      *request
	scope   scope
	path    string // of a collection or principal
	owner   string // who owns it, "" for the upper tree
	person  *calendar.Person
	proxies *proxies
	home    *calendar.Home
	cal     *calendar.Calendar // of an object: only if a property needs it
	share   *calendar.Share    // of cal, where it is somebody else's in the user's home
	obj     *calendar.Object
	note    *calendar.Note // of obj, in the collection of notifications
	dead    []calendar.DeadProp
	inner   bool   // stands inside a property of another: DAV:expand-property
	closed  bool   // a collection that is not the user's to read
	buf     []byte // scratch

	journal *journal // of an object, where it is asked for
}

// property is a live property: where it is, and how its value is written.
type property struct {
	name  dav.Name
	on    scope
	all   bool // part of DAV:allprop, RFC 4918 §9.1
	cal   bool // on objects it needs the calendar too
	prefs bool // on homes and inboxes it needs the owner's preferences
	open  bool // shown without DAV:read: what the collection is called, what it is, whose, and what one may do with it
	// get writes the whole element, or returns false if s does not have it.
	get func(mw *dav.Writer, s *subject) bool
}

// live finds the live properties by name; liveOrder keeps the table's order.
var (
	live      = map[dav.Name]*property{}
	liveOrder []*property
)

func register(table []property) {
	for i := range table {
		p := &table[i]
		live[p.name] = p
		liveOrder = append(liveOrder, p)
	}
}

func init() {
	register(davProperties)
	register(calendarProperties)
	register(principalProperties)
	register(availabilityProperties)
	register(pushProperties)
}

// plan is a PropRequest made ready: each name is looked up once, not once for
// every resource.
type plan struct {
	kind  dav.PropKind
	items []planItem
	tag   bool // DAV:getetag is all that is asked for
}

type planItem struct {
	name dav.Name
	prop *property // nil: not live
}

func planFor(p dav.PropRequest) plan {
	pl := plan{kind: p.Kind}
	pl.items = make([]planItem, len(p.Names))
	for i, n := range p.Names {
		pl.items[i] = planItem{n, live[n]}
	}
	pl.tag = p.Kind == dav.PropSome && len(p.Names) == 1 && p.Names[0] == dav.D("getetag")
	return pl
}

// needsCalendar reports whether objects need their calendar for it.
func (pl *plan) needsCalendar() bool {
	for _, it := range pl.items {
		if it.prop != nil && it.prop.cal {
			return true
		}
	}
	return false
}

// wantsHomeTags reports whether the state of a home is asked for, its shares
// included.
func (pl *plan) wantsHomeTags() bool {
	if pl.kind != dav.PropSome {
		return true
	}
	for _, it := range pl.items {
		if it.name == dav.CS("getctag") || it.name == dav.D("sync-token") {
			return true
		}
	}
	return false
}

// wantsDead reports whether properties are asked for that only the store may
// know, as dead ones or among preferences.
func (pl *plan) wantsDead() bool {
	if pl.kind != dav.PropSome {
		return true
	}
	for _, it := range pl.items {
		if it.prop == nil || it.prop.prefs {
			return true
		}
	}
	return false
}

// write writes the properties of one resource, after its Response.
func (pl *plan) write(mw *dav.Writer, s *subject) {
	switch pl.kind {
	case dav.PropAll:
		for _, p := range liveOrder {
			if p.all && s.has(p) {
				p.get(mw, s)
			}
		}
		for i := range s.dead {
			mw.Element(s.dead[i].Value)
		}
	case dav.PropNames:
		for _, p := range liveOrder {
			if s.has(p) {
				mw.Empty(p.name)
			}
		}
		for i := range s.dead {
			mw.Empty(dav.Name{Space: s.dead[i].Space, Local: s.dead[i].Local})
		}
		return
	}
	for i := range pl.items {
		it := &pl.items[i]
		switch p := it.prop; {
		case pl.kind == dav.PropAll && (p == nil || p.all):
			// DAV:include of what was written already.
		case p != nil && p.on&s.scope != 0 && s.closed && !p.open:
			mw.Miss(http.StatusForbidden, it.name)
		case p != nil && s.has(p) && p.get(mw, s):
		case len(s.dead) > 0 && writeDead(mw, s.dead, it.name):
		default:
			mw.Miss(http.StatusNotFound, it.name)
		}
	}
}

// has reports whether the subject has such a property, and shows it.
func (s *subject) has(p *property) bool { return p.on&s.scope != 0 && (p.open || !s.closed) }

// closed reports whether somebody may not read a calendar: he is told no more
// than what it is. RFC 3744 §3.1.
func closed(c *calendar.Calendar) bool { return !c.Rights.CanRead() }

func writeDead(mw *dav.Writer, dead []calendar.DeadProp, name dav.Name) bool {
	for i := range dead {
		if d := &dead[i]; d.Local == name.Local && d.Space == name.Space {
			mw.Element(d.Value)
			return true
		}
	}
	return false
}

// respond writes the whole response of a resource that is no object.
func (pl *plan) respond(mw *dav.Writer, s *subject) {
	mw.Response(s.path)
	pl.write(mw, s)
	mw.EndResponse()
}

// member writes the response of an object in the collection that s stands for
// and Writer.Base named: one that cannot be given as it was asked for is refused
// by itself.
func (pl *plan) member(mw *dav.Writer, s *subject, o *calendar.Object) error {
	if pl.tag { // every member has an ETag
		mw.MemberTag(o.Name, o)
		return mw.Err()
	}
	if o.Refused != nil {
		de := s.rq.translate(o.Refused)
		mw.StatusCondition(de.Status, de.Condition, s.path, o.Name)
		return mw.Err()
	}
	s.member(o)
	mw.Member(o.Name)
	pl.write(mw, s)
	mw.EndResponse()
	return mw.Err()
}

// top is a resource of the upper tree.
func (rq *request) top(p place, path string) *subject {
	s := &subject{rq: rq, path: path, scope: onRoot}
	switch p {
	case atPrincipals:
		s.scope = onPrincipals
	case atHomes:
		s.scope = onHomes
	}
	return s
}

func (rq *request) personSubject(p *calendar.Person) *subject {
	return &subject{rq: rq, scope: onPrincipal, path: principalPath(p.ID), owner: p.ID, person: p}
}

func (rq *request) homeSubject(h *calendar.Home, dead []calendar.DeadProp) *subject {
	return &subject{rq: rq, scope: onHome, path: homePath(h.Owner), owner: string(h.Owner), home: h, dead: dead}
}

func (rq *request) calendarSubject(c *calendar.Calendar) *subject {
	s := &subject{rq: rq, scope: onCalendar, path: rq.pathOf(c.ID), owner: string(c.ID.Owner()), cal: c, dead: c.Props, closed: closed(c)}
	switch c.Kind {
	case calendar.CalendarCollection:
	case calendar.InboxCollection:
		s.scope = onInbox
	case calendar.OutboxCollection:
		s.scope = onOutbox
	default:
		s.scope = onPlain
	}
	return s
}

// objects is the subject for the members of a collection, one after the
// other: see member. cal may be nil.
func (rq *request) objects(id calendar.ID, cal *calendar.Calendar) *subject {
	return &subject{rq: rq, scope: onObject, path: rq.pathOf(id), owner: string(id.Owner()), cal: cal, buf: make([]byte, 0, 64)}
}

// member turns s to the next object.
func (s *subject) member(o *calendar.Object) {
	s.obj, s.dead, s.scope = o, o.Props, onObject
	if isFile(o) {
		s.scope = onFile
	}
}

// isFile reports whether a member is a file of a plain collection, no calendar
// object resource.
func isFile(o *calendar.Object) bool { return o.UID == "" && o.Component == "" }

// isCollectionName reports whether name is one level below the collection
// outer ("" is the home).
func isCollectionName(name, outer string) bool {
	if outer != "" {
		rest, ok := strings.CutPrefix(name, outer+"/")
		if !ok {
			return false
		}
		name = rest
	}
	return name != "" && strings.IndexByte(name, '/') < 0
}
