package caldav

import (
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// setACL answers ACL: the list of a calendar is replaced. Objects have the
// list of their calendar. RFC 3744 §8.1.
func (rq *request) setACL() error {
	if rq.at.place != atCollection {
		return errMethod
	}
	root, err := rq.xmlBody()
	if err != nil {
		return err
	}
	if root == nil || root.Name != dav.D("acl") {
		return &dav.Error{Status: http.StatusBadRequest, Text: "the body is not a DAV:acl"}
	}
	cond, err := rq.precond()
	if err != nil {
		return err
	}
	list, err := rq.parseACL(root)
	if err != nil {
		// What is wrong with the list is told of what is there.
		if there, unknown := rq.mapped(rq.at); unknown == nil && !there {
			return errNotFound
		}
		return err
	}
	if _, err := rq.be.UpdateCalendar(rq.ctx, rq.who, calendar.UpdateCalendarRequest{ID: rq.at.id(), IfMatch: cond.IfMatch, ACL: &list}); err != nil {
		return err
	}
	rq.w.Header()["Content-Length"] = zeroLength
	rq.w.WriteHeader(http.StatusOK)
	return nil
}

func (rq *request) parseACL(root *dav.Node) (acl.List, error) {
	var aces []acl.DAVACE
	for n := range root.Children() {
		if n.Name != dav.D("ace") {
			continue
		}
		a, err := rq.parseACE(n)
		if err != nil {
			return nil, err
		}
		aces = append(aces, a)
	}
	return acl.FromDAV(aces)
}

var errACE = &dav.Error{Status: http.StatusBadRequest, Text: "an ace needs one principal and one of grant and deny"}

// parseACE reads a DAV:ace. RFC 3744 §5.5.
func (rq *request) parseACE(n *dav.Node) (a acl.DAVACE, err error) {
	principals, grants := 0, 0
	for c := range n.Children() {
		switch c.Name {
		case dav.D("principal"):
			principals++
			a.Principal, err = rq.parsePrincipal(c.FirstChild())
		case dav.D("invert"):
			principals++
			a.Invert = true
		case dav.D("grant"), dav.D("deny"):
			grants++
			a.Deny = c.Name == dav.D("deny")
			for p := range c.Children() {
				if priv := p.FirstChild(); p.Name == dav.D("privilege") && priv != nil {
					a.Privileges = append(a.Privileges, acl.PrivilegeNamed(priv.Name.Space, priv.Name.Local))
				}
			}
		case dav.D("protected"):
			a.Protected = true
		case dav.D("inherited"):
			a.Inherited = true
		}
		if err != nil {
			return a, err
		}
	}
	if principals != 1 || grants != 1 || len(a.Privileges) == 0 {
		return a, errACE
	}
	return a, nil
}

var errPrincipal = dav.NewError(http.StatusForbidden, dav.D("recognized-principal"), "nobody has that address")

// parsePrincipal reads the element inside a DAV:principal. RFC 3744 §5.5.1.
func (rq *request) parsePrincipal(n *dav.Node) (p acl.Principal, err error) {
	if n == nil {
		return p, errACE
	}
	switch n.Name {
	case dav.D("all"):
		p.Kind = acl.PrincipalAll
	case dav.D("authenticated"):
		p.Kind = acl.PrincipalAuthenticated
	case dav.D("unauthenticated"):
		p.Kind = acl.PrincipalUnauthenticated
	case dav.D("self"):
		p.Kind = acl.PrincipalSelf
	case dav.D("property"):
		name := n.FirstChild()
		if name == nil {
			return p, errACE
		}
		p = acl.Principal{Kind: acl.PrincipalProperty, Space: name.Name.Space, Name: name.Name.Local}
	case dav.D("href"):
		return rq.principalAt(n.TrimText())
	default:
		return p, errACE
	}
	return p, nil
}

// principalAt finds whom an href means: a person or group, a domain, or who
// has a mail address.
func (rq *request) principalAt(href string) (acl.Principal, error) {
	if mail, ok := cutMailto(href); ok {
		person, err := rq.people.ByMail(rq.ctx, mail)
		if err != nil {
			return acl.Principal{}, recognised(err)
		}
		return acl.Principal{Kind: acl.PrincipalUser, Name: person.ID}, nil
	}
	path, err := rq.decodeHref(href)
	if err != nil {
		return acl.Principal{}, errPrincipal
	}
	t, err := rq.locate(path)
	if err != nil || t.place != atPrincipal {
		return acl.Principal{}, errPrincipal
	}
	if domain, ok := strings.CutPrefix(t.user, "@"); ok {
		return acl.Principal{Kind: acl.PrincipalDomain, Name: domain}, nil
	}
	person, err := rq.person(t.user)
	if err != nil {
		return acl.Principal{}, recognised(err)
	}
	return acl.Principal{Kind: acl.PrincipalUser, Name: person.ID}, nil
}

func recognised(err error) error {
	if notThere(err) {
		return errPrincipal
	}
	return err
}

func cutMailto(s string) (string, bool) {
	const scheme = "mailto:"
	if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
		return s[len(scheme):], true
	}
	return "", false
}
