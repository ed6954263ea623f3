package caldav

import (
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// getSupportedPrivileges describes the tree of privileges. RFC 3744 §5.3.
func getSupportedPrivileges(mw *dav.Writer, _ *subject) bool {
	name := dav.D("supported-privilege-set")
	mw.Start(name)
	writeSupported(mw, acl.PrivAll)
	mw.End(name)
	return true
}

func writeSupported(mw *dav.Writer, p acl.Privilege) {
	mw.RawString("<D:supported-privilege>")
	writePrivilege(mw, p)
	if p.Abstract() {
		mw.RawString("<D:abstract/>")
	}
	mw.Start(dav.D("description"), "xml:lang", "en")
	mw.Chars(p.Description())
	mw.End(dav.D("description"))
	for _, part := range p.Parts() {
		writeSupported(mw, part)
	}
	mw.RawString("</D:supported-privilege>")
}

func writePrivilege(mw *dav.Writer, p acl.Privilege) {
	mw.RawString("<D:privilege>")
	mw.Empty(dav.Name{Space: p.Space(), Local: p.Local()})
	mw.RawString("</D:privilege>")
}

// aces is the access control list of s as RFC 3744 sees it. The owner's
// entries stand in front of a calendar's list and are protected.
func (s *subject) aces() []acl.DAVACE {
	switch {
	case s.home != nil:
		return acl.ToDAV(nil, nil)
	case s.cal == nil:
		return everyone
	}
	list, owner := s.cal.ACL, s.rq.ownerACL
	if len(list) < len(owner) {
		return acl.ToDAV(nil, list)
	}
	for i := range owner {
		if list[i] != owner[i] {
			return acl.ToDAV(nil, list)
		}
	}
	return acl.ToDAV(owner, list[len(owner):])
}

// everyone is the list of what is the same for all who log in: principals, and
// what is above them and the homes.
var everyone = []acl.DAVACE{{
	Principal: acl.Principal{Kind: acl.PrincipalAuthenticated}, Privileges: []acl.Privilege{acl.PrivRead, acl.PrivReadACL}, Protected: true,
}}

// getACL shows the list to those who may see it. RFC 3744 §5.5.
func getACL(mw *dav.Writer, s *subject) bool {
	name := dav.D("acl")
	if s.scope&onMembers != 0 && s.cal == nil {
		return false
	}
	if !s.privileges().Has(acl.PrivReadACL) {
		if s.inner {
			return false
		}
		mw.Miss(http.StatusForbidden, name)
		return true
	}
	mw.Start(name)
	for _, a := range s.aces() {
		mw.RawString("<D:ace><D:principal>")
		writeACEPrincipal(mw, a.Principal)
		mw.RawString("</D:principal>")
		grant := "grant"
		if a.Deny {
			grant = "deny"
		}
		mw.Start(dav.D(grant))
		for _, p := range a.Privileges {
			writePrivilege(mw, p)
		}
		mw.End(dav.D(grant))
		if a.Protected {
			mw.RawString("<D:protected/>")
		}
		mw.RawString("</D:ace>")
	}
	mw.End(name)
	return true
}

// writeACEPrincipal writes the content of a DAV:principal. RFC 3744 §5.5.1.
func writeACEPrincipal(mw *dav.Writer, p acl.Principal) {
	switch p.Kind {
	case acl.PrincipalUser:
		mw.RawBytes(dav.AppendHref(nil, principalPath(p.Name)))
	case acl.PrincipalDomain:
		mw.RawBytes(dav.AppendHref(nil, principalPath("@"+p.Name)))
	case acl.PrincipalAll:
		mw.RawString("<D:all/>")
	case acl.PrincipalAuthenticated:
		mw.RawString("<D:authenticated/>")
	case acl.PrincipalUnauthenticated:
		mw.RawString("<D:unauthenticated/>")
	case acl.PrincipalSelf:
		mw.RawString("<D:self/>")
	case acl.PrincipalProperty:
		mw.RawString("<D:property>")
		mw.Empty(dav.Name{Space: p.Space, Local: p.Name})
		mw.RawString("</D:property>")
	}
}

// RFC 3744 §5.6: the order of grant and deny is free, inversion is not
// offered.
func getACLRestrictions(mw *dav.Writer, _ *subject) bool {
	name := dav.D("acl-restrictions")
	mw.Start(name)
	mw.RawString("<D:no-invert/>")
	mw.End(name)
	return true
}

// getInheritedACL: scheduling collections have the list of the default calendar.
// RFC 3744 §5.7.
func getInheritedACL(mw *dav.Writer, s *subject) bool {
	if s.scope&onBoxes != 0 {
		mw.Href(dav.D("inherited-acl-set"), calendarPath(calendar.NewID(s.cal.ID.Owner(), calendar.DefaultName)))
	} else {
		mw.Empty(dav.D("inherited-acl-set"))
	}
	return true
}

// reports are the REPORTs of each scope.
func reports(s scope) []dav.Name {
	list := []dav.Name{
		dav.D("expand-property"), dav.D("acl-principal-prop-set"), dav.D("principal-match"), dav.D("principal-property-search"),
		dav.CS("calendarserver-principal-search"),
	}
	if s&(onTops|onPrincipal) != 0 {
		list = append(list, dav.D("principal-search-property-set"))
	}
	if s&(onHome|onCalendar) != 0 {
		list = append(list, dav.D("sync-collection"), dav.C("calendar-query"), dav.C("calendar-multiget"), dav.C("free-busy-query"))
	}
	if s&(onPlain|onBoxes) != 0 {
		list = append(list, dav.D("sync-collection"))
	}
	if s == onInbox {
		list = append(list, dav.C("calendar-query"), dav.C("calendar-multiget"))
	}
	if s == onObject {
		list = append(list, dav.C("calendar-query"), dav.C("calendar-multiget"))
	}
	return list
}

// getReports is RFC 3253 §3.1.5.
func getReports(mw *dav.Writer, s *subject) bool {
	name := dav.D("supported-report-set")
	mw.Start(name)
	for _, r := range reports(s.scope) {
		mw.RawString("<D:supported-report><D:report>")
		mw.Empty(r)
		mw.RawString("</D:report></D:supported-report>")
	}
	mw.End(name)
	return true
}
