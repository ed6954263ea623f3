package caldav

import (
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// matchPrincipals answers DAV:principal-match: which members are the asking
// user (DAV:self), or name him in a property. RFC 3744 §9.3.
func (rq *request) matchPrincipals(root *dav.Node) error {
	wanted, err := dav.ParseProps(root)
	if err != nil {
		return err
	}
	pl := planFor(wanted)
	self := root.Child(dav.D("self"))
	prop := root.Child(dav.D("principal-property")).FirstChild()
	if (self == nil) == (prop == nil) {
		return &dav.Error{Status: http.StatusBadRequest, Text: "one of self and principal-property is needed"}
	}
	if self != nil {
		var people []calendar.Person
		if rq.at.place == atPrincipals || rq.at.place == atRoot || rq.at.place == atPrincipal && rq.at.user == rq.me.ID {
			people = append(people, rq.me)
		}
		return rq.writePeople(pl, people, false)
	}
	if prop.Name != dav.D("owner") {
		return rq.writePeople(pl, nil, false)
	}
	mw := rq.answer()
	if rq.at.place == atHome {
		home, err := rq.home(rq.at)
		if err != nil {
			return rq.abort(mw, err)
		}
		for i := range home.Calendars {
			if rq.at.user == rq.me.ID {
				pl.respond(mw, rq.calendarSubject(&home.Calendars[i]))
			}
		}
	}
	return mw.Close()
}

// aclPrincipals answers DAV:acl-principal-prop-set: the principals that the
// list of a calendar names. RFC 3744 §9.2.
func (rq *request) aclPrincipals(root *dav.Node) error {
	wanted, err := dav.ParseProps(root)
	if err != nil {
		return err
	}
	c, err := rq.calendar(calendar.CalendarsRequest{ACL: true})
	if err != nil {
		return err
	}
	s := rq.calendarSubject(&c)
	pl := planFor(wanted)
	mw := rq.answer()
	seen := map[string]bool{}
	for _, a := range s.aces() {
		id := a.Principal.Name
		switch {
		case a.Principal.Kind == acl.PrincipalProperty && id == "owner":
			id = s.owner
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
