package acl

import (
	"slices"
	"strings"
)

// Access is what an owner gives one user at once: by sharing a calendar
// (CS:access of Apple's calendarserver-sharing) or by making him a proxy
// (caldav-proxy). It is nothing but entries of the list, so that every protocol
// shows and changes the same.
type Access uint8

// The kinds of access.
const (
	NoAccess   Access = iota
	ShareRead         // CS:read
	ShareWrite        // CS:read-write
	ProxyRead         // calendar-proxy-read: he sees what the owner sees
	ProxyWrite        // calendar-proxy-write: he acts for the owner, too
	numAccess
)

var accessRights = [numAccess][]ACE{
	ShareRead:  {{What: Whole, How: Read, Grant: true}},
	ShareWrite: {{What: Whole, How: Read, Grant: true}, {What: Components, How: Write | Delete, Grant: true}},
	ProxyRead:  {{What: Whole, How: Read | Schedule | FreeBusy | Lookup, Grant: true}},
	ProxyWrite: {{What: Whole, How: Read | Schedule | FreeBusy | Lookup, Grant: true},
		{What: Components, How: Write | Delete | Reply | Invite | Cancel, Grant: true}},
}

// entries are those that give the access to a user.
func (a Access) entries(user string) List {
	if a >= numAccess {
		return nil
	}
	out := make(List, len(accessRights[a]))
	for i, e := range accessRights[a] {
		e.Who = Who{Kind: User, Name: user}
		out[i] = e
	}
	return out
}

// CanName reports whether entries about a user can be written, and read again.
func CanName(user string) bool {
	return !strings.ContainsAny(user, "; ") && (Who{Kind: User, Name: user}).writable()
}

// Share gives l in which a user has this access and no other that is his own,
// save as a proxy. His entries come first, so that they decide.
func (l List) Share(user string, a Access) List {
	who := Who{Kind: User, Name: user}
	proxy := l.proxyEntries(user)
	return append(a.entries(user), slices.DeleteFunc(slices.Clone(l), func(e ACE) bool {
		return e.Who == who && !slices.Contains(proxy, e)
	})...)
}

// Proxy gives l in which a user is this kind of proxy, or none, whatever else
// he may do.
func (l List) Proxy(user string, a Access) List {
	old := l.proxyEntries(user)
	return append(a.entries(user), slices.DeleteFunc(slices.Clone(l), func(e ACE) bool { return slices.Contains(old, e) })...)
}

// proxyEntries are the entries of l that make a user a proxy, of either kind.
func (l List) proxyEntries(user string) List {
	for _, a := range []Access{ProxyWrite, ProxyRead} {
		if has := a.entries(user); l.holds(has) {
			return has
		}
	}
	return nil
}

func (l List) holds(entries List) bool {
	for _, e := range entries {
		if !slices.Contains(l, e) {
			return false
		}
	}
	return true
}

// AccessOf tells what somebody's rights on a calendar amount to, however he came
// by them: CS:access shows it.
func AccessOf(components, properties Rights) Access {
	switch {
	case !components.Has(Read) || !properties.Has(Read):
		return NoAccess
	case components.Has(Write):
		return ShareWrite
	}
	return ShareRead
}

// Behalf is what somebody may do in a calendar in its owner's name: as an
// organizer or attendee with SENT-BY of his own. WCAP §4.2, rights e, i and c.
type Behalf struct {
	Reply  bool // answer invitations: PARTSTAT of the owner, REPLY
	Invite bool // REQUEST and ADD with the owner as ORGANIZER
	Cancel bool // CANCEL with the owner as ORGANIZER
}

// OnBehalf tells what the requester may schedule for the primary owner. Who is
// the owner may do all; anybody else needs to read the calendar besides, since
// nobody acts on what he does not see.
func (l List) OnBehalf(r Requester, o Owners) Behalf {
	if r.User == "" || strings.EqualFold(r.User, Anonymous) {
		return Behalf{}
	}
	c, p := l.RightsOf(r, o)
	return OnBehalf(c, p)
}

// OnBehalf is List.OnBehalf where the rights of somebody who has logged in are known.
func OnBehalf(components, properties Rights) Behalf {
	if !components.Has(Read) || !properties.Has(Read) {
		return Behalf{}
	}
	return Behalf{Reply: components.Has(Reply), Invite: components.Has(Invite), Cancel: components.Has(Cancel)}
}
