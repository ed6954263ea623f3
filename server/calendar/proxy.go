package calendar

import (
	"encoding/json"
	"slices"

	"factotum/server/acl"
)

// Proxies are whose proxies are somebody's, and whose he is. What a proxy may do
// is in the lists of the owner's calendars, and only there: here is who gets it
// on new ones, and what clients are told. Apple's caldav-proxy.
type Proxies struct {
	Read, Write       []UserID // act for this user
	ReadFor, WriteFor []UserID // this user acts for them
}

// Of are those of one kind.
func (p *Proxies) Of(a acl.Access) []UserID {
	if a == acl.ProxyWrite {
		return p.Write
	}
	return p.Read
}

// Access is what somebody is as a proxy.
func (p *Proxies) Access(user UserID) acl.Access {
	switch {
	case slices.Contains(p.Write, user):
		return acl.ProxyWrite
	case slices.Contains(p.Read, user):
		return acl.ProxyRead
	}
	return acl.NoAccess
}

// Set makes those the proxies of one kind: one who was of the other kind is not
// any more.
func (p *Proxies) Set(a acl.Access, users []UserID) {
	others := func(list []UserID) []UserID {
		return slices.DeleteFunc(slices.Clone(list), func(u UserID) bool { return slices.Contains(users, u) })
	}
	if a == acl.ProxyWrite {
		p.Read, p.Write = others(p.Read), slices.Clone(users)
	} else {
		p.Read, p.Write = slices.Clone(users), others(p.Write)
	}
}

// For notes what this user is for somebody else.
func (p *Proxies) For(owner UserID, a acl.Access) {
	without := func(list []UserID) []UserID {
		return slices.DeleteFunc(list, func(u UserID) bool { return u == owner })
	}
	p.ReadFor, p.WriteFor = without(p.ReadFor), without(p.WriteFor)
	switch a {
	case acl.ProxyRead:
		p.ReadFor = append(p.ReadFor, owner)
	case acl.ProxyWrite:
		p.WriteFor = append(p.WriteFor, owner)
	}
}

// Join adds for whom others act, each once.
func (p *Proxies) Join(others Proxies) {
	join := func(to, list []UserID) []UserID {
		for _, u := range list {
			if !slices.Contains(to, u) {
				to = append(to, u)
			}
		}
		return to
	}
	p.ReadFor, p.WriteFor = join(p.ReadFor, others.ReadFor), join(p.WriteFor, others.WriteFor)
}

// Apply gives a list of rights what the proxies have in it.
func (p *Proxies) Apply(list acl.List) acl.List {
	for _, u := range p.Read {
		list = list.Proxy(u, acl.ProxyRead)
	}
	for _, u := range p.Write {
		list = list.Proxy(u, acl.ProxyWrite)
	}
	return list
}

// MaxProxies is how many of one kind somebody has.
const MaxProxies = 100

// ProxiesPref is the preference that keeps proxies.
const ProxiesPref = "shares:proxies"

// ProxiesOf reads them from preferences.
func ProxiesOf(prefs map[string]string) (p Proxies) {
	if text := prefs[ProxiesPref]; text != "" && json.Unmarshal([]byte(text), &p) != nil {
		return Proxies{}
	}
	return p
}

// KeepProxies puts them into preferences.
func KeepProxies(prefs map[string]string, p Proxies) {
	if text, err := json.Marshal(p); err == nil {
		prefs[ProxiesPref] = string(text)
	}
}

// SetProxiesRequest says who the proxies of one kind are from now on, acl.ProxyRead
// or acl.ProxyWrite. DAV:group-member-set of a proxy group.
type SetProxiesRequest struct {
	Owner Owner
	Kind  acl.Access
	Users []UserID
}
