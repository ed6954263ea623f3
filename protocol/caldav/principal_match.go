package caldav

import (
	"net/http"
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// matchPrincipals answers DAV:principal-match: which principals are the asking
// user, or a group that he is in (DAV:self), or which members, at any depth,
// name one of these in a property. RFC 3744 §9.3.
func (rq *request) matchPrincipals(root *dav.Node) error {
	wanted, err := dav.ParseProps(root)
	if err != nil {
		return err
	}
	m := matcher{rq: rq, pl: planFor(wanted), bare: wanted.Kind == dav.PropNone}
	self := root.Child(dav.D("self"))
	prop := root.Child(dav.D("principal-property")).FirstChild()
	if (self == nil) == (prop == nil) {
		return &dav.Error{Status: http.StatusBadRequest, Text: "one of self and principal-property is needed"}
	}
	if m.me, err = rq.people.Groups(rq.ctx, rq.me.ID, true); err != nil {
		return err
	}
	m.me = append(m.me, rq.me)
	if prop != nil {
		m.prop = prop.Name
	}
	m.mw = rq.answer()
	if err := m.below(rq.at); err != nil {
		return rq.abort(m.mw, err)
	}
	return m.mw.Close()
}

// matcher looks for what matches the asking user.
type matcher struct {
	rq   *request
	mw   *dav.Writer
	pl   plan
	bare bool              // no property is wanted
	me   []calendar.Person // the user and all groups that he is in
	prop dav.Name          // the property that names him; zero: he is looked for himself
}

// below looks at the members of a collection, and at what is no collection.
func (m *matcher) below(t target) error {
	rq := m.rq
	switch t.place {
	case atRoot, atPrincipals:
		for i := range m.me {
			m.take(rq.personSubject(&m.me[i]))
		}
		if m.prop.IsZero() {
			if err := m.proxies(); err != nil {
				return err
			}
		}
		if t.place == atRoot {
			return m.below(target{place: atHomes})
		}
	case atPrincipal:
		p, err := rq.person(t.user)
		if err != nil {
			return err
		}
		m.take(rq.personSubject(p))
	case atHomes:
		if m.prop.IsZero() {
			return nil
		}
		h, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: calendar.Owner(rq.me.ID), Prefs: true, Boxes: true})
		if err != nil {
			return err
		}
		m.take(rq.homeSubject(&h, homeProps(h.Prefs)))
		return m.calendars(&h, "")
	case atHome, atCollection:
		if m.prop.IsZero() {
			return nil
		}
		h, err := rq.home(t)
		if err != nil {
			return err
		}
		if t.place == atHome {
			return m.calendars(&h, "")
		}
		return m.members(t, &h)
	case atObject:
		if m.prop.IsZero() {
			return nil
		}
		s, err := rq.load(t)
		if err != nil {
			return err
		}
		m.take(s)
	}
	return nil
}

// proxies answers with the groups of proxies that the user is in: Apple's
// caldav-proxy 5.2.
func (m *matcher) proxies() error {
	for _, t := range proxyGroups(m.rq.personSubject(&m.rq.me).actsFor(true)) {
		s, err := m.rq.proxySubject(t)
		switch {
		case notThere(err): // whose they are is gone
		case err != nil:
			return err
		case m.bare:
			m.mw.Status(http.StatusOK, s.path)
		default:
			m.pl.respond(m.mw, s)
		}
	}
	return nil
}

// calendars looks at the collections of a home below one of them, and at what
// is in them.
func (m *matcher) calendars(h *calendar.Home, outer string) error {
	for i := range h.Calendars {
		c := &h.Calendars[i]
		if outer != "" && !strings.HasPrefix(c.ID.Name(), outer+"/") {
			continue
		}
		m.take(m.rq.calendarSubject(c))
		if err := m.objects(c); err != nil {
			return err
		}
	}
	return nil
}

// members looks at what is in a collection.
func (m *matcher) members(t target, h *calendar.Home) error {
	i := slices.IndexFunc(h.Calendars, func(c calendar.Calendar) bool { return c.ID == t.id() })
	if i < 0 {
		return calendar.Fail(calendar.NoCalendar, "principal-match", string(t.id()))
	}
	if err := m.objects(&h.Calendars[i]); err != nil {
		return err
	}
	return m.calendars(h, t.name)
}

// objects looks at the objects of a collection, if they are the user's to see.
func (m *matcher) objects(c *calendar.Calendar) error {
	if closed(c) {
		return nil
	}
	s := m.rq.objects(c.ID, c)
	m.mw.Base(s.path)
	_, err := m.rq.be.ListObjects(calendar.Fleeting(m.rq.ctx), m.rq.who, c.ID, func(o *calendar.Object) error {
		s.member(o)
		switch {
		case !m.matches(s):
		case m.bare:
			m.mw.Status(http.StatusOK, s.path, o.Name)
		default:
			return m.pl.member(m.mw, s, o)
		}
		return m.mw.Err()
	})
	return err
}

// take answers with a resource if it matches.
func (m *matcher) take(s *subject) {
	switch {
	case !m.matches(s):
	case m.bare:
		m.mw.Status(http.StatusOK, s.path)
	default:
		m.pl.respond(m.mw, s)
	}
}

func (m *matcher) matches(s *subject) bool {
	if m.prop.IsZero() {
		return s.person != nil && m.is(s.person.ID)
	}
	targets, ok := s.deadHrefs(m.prop)
	if p := live[m.prop]; p != nil && s.has(p) {
		targets, ok = s.hrefs(m.prop)
	}
	return ok && slices.ContainsFunc(targets, func(t target) bool { return t.place == atPrincipal && m.is(t.user) })
}

func (m *matcher) is(id calendar.UserID) bool {
	return slices.ContainsFunc(m.me, func(p calendar.Person) bool { return p.ID == id })
}

// aclPrincipals answers DAV:acl-principal-prop-set: the principals that the
// list of a resource names. RFC 3744 §9.2.
func (rq *request) aclPrincipals(root *dav.Node) error {
	wanted, err := dav.ParseProps(root)
	switch {
	case err != nil:
		return err
	case wanted.Kind == dav.PropNone:
		return &dav.Error{Status: http.StatusBadRequest, Text: "acl-principal-prop-set needs a prop"}
	}
	var s *subject
	if rq.at.place == atCollection || rq.at.place == atObject {
		c, err := rq.calendar(calendar.CalendarsRequest{ACL: true})
		if err != nil {
			return err
		}
		s = rq.calendarSubject(&c)
	} else if s, err = rq.load(rq.at); err != nil {
		return err
	}
	if !s.privileges().Has(acl.PrivReadACL) {
		return &dav.Error{Status: http.StatusForbidden, Condition: dav.Condition{
			Name: dav.D("need-privileges"), Inner: needPrivileges(s.path, dav.D("read-acl"))}}
	}
	pl := planFor(wanted)
	mw := rq.answer()
	seen := map[string]bool{}
	for _, a := range s.aces() {
		id := a.Principal.Name
		switch {
		case a.Principal.Kind == acl.PrincipalProperty && id == "owner":
			id = s.ownerID()
		case a.Principal.Kind != acl.PrincipalUser:
			continue
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if p, err := rq.person(id); err == nil {
			pl.respond(mw, rq.personSubject(p))
		}
	}
	return mw.Close()
}
