package caldav

import (
	"strings"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// Each principal has two groups of proxies below it, who see or keep all of his
// calendars. Apple's caldav-proxy 5.

const proxyGroup = "calendar-proxy-"

// proxies are the members of a group, as its owner sees them.
type proxies struct {
	kind    acl.Access
	members []calendar.UserID
	known   bool // else it is not the user's to read
}

// name is that of the group, and of its type.
func (p *proxies) name() string {
	if p.kind == acl.ProxyWrite {
		return proxyGroup + "write"
	}
	return proxyGroup + "read"
}

// inPrincipal finds what stands below a principal.
func (t target) inPrincipal(user, below string) (target, error) {
	switch below {
	case proxyGroup + "read", proxyGroup + "write":
		t.place, t.user, t.object = atProxies, user, below
		t.path = principalPath(user) + below + "/"
		if calendar.CheckOwner(t.owner()) == nil {
			return t, nil
		}
	}
	return t, errNotFound
}

func (t target) proxyKind() acl.Access {
	if strings.HasSuffix(t.object, "write") {
		return acl.ProxyWrite
	}
	return acl.ProxyRead
}

// proxySubject finds a group of proxies.
func (rq *request) proxySubject(t target) (*subject, error) {
	p, err := rq.person(t.user)
	if err != nil {
		return nil, err
	}
	s := &subject{rq: rq, scope: onProxies, path: t.path, owner: p.ID, proxies: &proxies{kind: t.proxyKind()}}
	if p.ID == rq.me.ID {
		mine, err := rq.myProxies()
		if err != nil {
			return nil, err
		}
		s.proxies.members, s.proxies.known = mine.Of(s.proxies.kind), true
	}
	return s, nil
}

// myProxies are the user's, read once for a request.
func (rq *request) myProxies() (*calendar.Proxies, error) {
	if rq.mine == nil {
		home, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: calendar.Owner(rq.me.ID), Notes: true})
		if err != nil {
			return nil, err
		}
		rq.mine = &home.Proxies
	}
	return rq.mine, nil
}

// patchProxies sets who is in a group.
func (rq *request) patchProxies(changes []dav.PropChange) ([]*dav.Error, error) {
	refused := make([]*dav.Error, len(changes))
	req := calendar.SetProxiesRequest{Owner: rq.at.owner(), Kind: rq.at.proxyKind()}
	for i, c := range changes {
		if c.Name != dav.D("group-member-set") {
			refused[i] = errProtected
			continue
		}
		req.Users = nil
		if c.Remove {
			continue
		}
		for text := range hrefsIn(c.Node) {
			who, err := rq.principalAt(text)
			if err != nil {
				return nil, err
			}
			if who.Kind != acl.PrincipalUser {
				return nil, errPrincipal
			}
			req.Users = append(req.Users, who.Name)
		}
	}
	if anyRefused(refused) {
		return refused, nil
	}
	return refused, rq.be.SetProxies(rq.ctx, rq.who, req)
}

// proxyFor are those for whom the person acts: told to himself.
func (s *subject) proxyFor(kind acl.Access) []calendar.UserID {
	if s.person.ID != s.rq.me.ID {
		return nil
	}
	mine, err := s.rq.myProxies()
	if err != nil {
		s.rq.note(err)
		return nil
	}
	if kind == acl.ProxyWrite {
		return mine.WriteFor
	}
	return mine.ReadFor
}

func getProxyReadFor(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.CS("calendar-proxy-read-for"), s.proxyFor(acl.ProxyRead))
}

func getProxyWriteFor(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.CS("calendar-proxy-write-for"), s.proxyFor(acl.ProxyWrite))
}
