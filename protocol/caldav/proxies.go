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
		groups, err := rq.people.Groups(rq.ctx, rq.me.ID, true)
		if err != nil {
			return nil, err
		}
		req := calendar.HomeRequest{Owner: calendar.Owner(rq.me.ID), Notes: true}
		for _, id := range idsOf(groups) {
			req.Groups = append(req.Groups, calendar.Owner(id))
		}
		home, err := rq.be.Home(rq.ctx, rq.who, req)
		if err != nil {
			return nil, err
		}
		rq.mine, rq.through = &home.Proxies, &home.Through
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

// actsFor are those for whom the person acts, told to himself; with deep also
// those for whom he does since he is in a group.
func (s *subject) actsFor(deep bool) (all calendar.Proxies) {
	if s.person.ID != s.rq.me.ID {
		return all
	}
	mine, err := s.rq.myProxies()
	if err != nil {
		s.rq.note(err)
		return all
	}
	all.Join(*mine)
	if deep {
		all.Join(*s.rq.through)
	}
	return all
}

// proxyGroups are the groups of proxies that one is in who acts for others.
func proxyGroups(all calendar.Proxies) (groups []target) {
	add := func(users []calendar.UserID, below string) {
		for _, u := range users {
			if t, err := (target{slash: true}).inPrincipal(u, below); err == nil {
				groups = append(groups, t)
			}
		}
	}
	add(all.WriteFor, proxyGroup+"write")
	add(all.ReadFor, proxyGroup+"read")
	return groups
}

func getProxyReadFor(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.CS("calendar-proxy-read-for"), s.actsFor(true).ReadFor)
}

func getProxyWriteFor(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.CS("calendar-proxy-write-for"), s.actsFor(true).WriteFor)
}
