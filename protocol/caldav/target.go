package caldav

import (
	"net/http"
	"net/url"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// place says which part of the tree a path is in.
type place uint8

const (
	atRoot place = iota + 1
	atPrincipals
	atPrincipal
	atHomes
	atHome
	atCollection
	atObject
	atNotifications
	atNotification
	atProxies
)

// target is what a path names; whether it exists is not known here.
type target struct {
	place  place
	user   string // of a principal, or the owner of a home
	name   string // of the collection in the home, "" above it
	object string // of the object in the collection
	home   string // who has it in his home, where that is not the owner: a share
	path   string // the canonical path, decoded
	slash  bool   // the path came with a slash at its end
}

func (t target) owner() calendar.Owner { return calendar.Owner(t.user) }
func (t target) id() calendar.ID       { return calendar.NewID(t.owner(), t.name) }
func (t target) ref() calendar.Ref     { return calendar.Ref{Calendar: t.id(), Name: t.object} }

// locate is the function, with the user as the directory calls him: paths may
// have him in upper case, or by his address, as those of principals may.
func (rq *request) locate(path string) (target, error) {
	t, err := locate(path)
	if err != nil || t.user == "" {
		return t, err
	}
	return rq.shared(t.of(rq.canonical(t.user)))
}

// canonical is the id by which the directory knows somebody; who is not in it is
// called as he is.
func (rq *request) canonical(id string) string {
	switch {
	case id == rq.me.ID, id[0] == '@': // a domain
		return id
	case strings.EqualFold(id, rq.me.ID):
		return rq.me.ID
	case strings.ToLower(id) == id && strings.IndexByte(id, '@') < 0:
		return id
	}
	if p, err := rq.people.Person(rq.ctx, id); err == nil {
		return p.ID
	}
	return id
}

// of is the same place of somebody else.
func (t target) of(user string) target {
	if t.user == user {
		return t
	}
	top := calendarsPath
	switch t.place {
	case atPrincipal, atProxies:
		top = principalsPath
	case atNotifications, atNotification:
		top = notificationsPath
	}
	t.path = top + user + strings.TrimPrefix(t.path, top+t.user)
	t.user = user
	return t
}

// locate finds the place of a decoded path: 404 for what is outside the tree.
func locate(path string) (target, error) {
	t := target{slash: strings.HasSuffix(path, "/")}
	switch path {
	case "/", "/principals", "/principals/":
		// Apple's set-up asks here when it knows the host only.
		t.place, t.path = atRoot, path
		if path != "/" {
			t.place, t.path = atPrincipals, "/principals/"
		}
		return t, nil
	}
	t.path = path // what it comes from; below it becomes the canonical one
	rest, ok := strings.CutPrefix(path, "/dav")
	if !ok || rest != "" && rest[0] != '/' {
		return t, errNotFound
	}
	rest = strings.Trim(rest, "/")
	top, rest, _ := strings.Cut(rest, "/")
	switch top {
	case "":
		t.place, t.path = atRoot, rootPath
		return t, nil
	case "principals":
		t.place, t.path = atPrincipals, principalsPath
		if rest == "" {
			return t, nil
		}
		if user, below, ok := strings.Cut(rest, "/"); ok {
			return t.inPrincipal(user, below)
		}
		t.place, t.user, t.path = atPrincipal, rest, principalPath(rest)
		if calendar.CheckOwner(calendar.Owner(rest)) != nil {
			return t, errNotFound
		}
		return t, nil
	case "calendars":
		return t.inHomes(rest)
	case "notifications":
		return t.inNotifications(rest)
	}
	return t, errNotFound
}

var errNotFound = &dav.Error{Status: http.StatusNotFound}

// inHomes finds what rest names below the collection of homes.
func (t target) inHomes(rest string) (target, error) {
	path := t.path
	t.place, t.path = atHomes, calendarsPath
	if rest == "" {
		return t, nil
	}
	t.user, rest, _ = strings.Cut(rest, "/")
	t.place, t.path = atHome, join(path, calendarsPath, t.user, "/")
	if calendar.CheckOwner(t.owner()) != nil {
		return t, errNotFound
	}
	if rest == "" {
		return t, nil
	}
	t.place, t.name = atCollection, rest
	if i := strings.LastIndexByte(rest, '/'); i > 0 && !t.slash {
		t.place, t.name, t.object = atObject, rest[:i], rest[i+1:]
		t.path = join(path, calendarsPath, t.user, "/", t.name, "/", t.object)
		return t, nil
	}
	t.path = join(path, calendarsPath, t.user, "/", t.name, "/")
	return t, nil
}

// join puts parts together. The path that they were cut from is mostly the
// same: then it is returned, and nothing is made.
func join(path string, parts ...string) string {
	rest, ok := path, true
	for _, p := range parts {
		if rest, ok = strings.CutPrefix(rest, p); !ok {
			return strings.Join(parts, "")
		}
	}
	if rest != "" {
		return strings.Join(parts, "")
	}
	return path
}

// asCollection takes the name of an object for that of a nested collection.
func (t target) asCollection() target {
	t.place, t.name, t.object = atCollection, t.name+"/"+t.object, ""
	t.path += "/"
	return t
}

// parent returns the collection that t is, or would be, a member of; the home
// for a collection that is not nested.
func (t target) parent() target {
	p := target{place: atHome, user: t.user, path: homePath(t.owner()), slash: true}
	name := t.name
	if t.home != "" {
		if p.user, p.path = t.home, homePath(calendar.Owner(t.home)); t.place == atObject {
			p = t
			p.place, p.object, p.path, p.slash = atCollection, "", sharePath(t.home, t.id()), true
		}
		return p
	}
	if t.place != atObject {
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return p
		}
		name = name[:i]
	}
	p.place, p.name, p.path = atCollection, name, collectionPath(t.owner(), name)
	return p
}

func principalPath(user string) string { return principalsPath + user + "/" }

func homePath(owner calendar.Owner) string { return calendarsPath + string(owner) + "/" }

func collectionPath(owner calendar.Owner, name string) string {
	return calendarsPath + string(owner) + "/" + name + "/"
}

func calendarPath(id calendar.ID) string { return collectionPath(id.Owner(), id.Name()) }

func objectPath(ref calendar.Ref) string { return calendarPath(ref.Calendar) + ref.Name }

// Href is the address of an object, or of a calendar where name is empty, for those
// who tell of it elsewhere.
func Href(id calendar.ID, name string) string {
	u := url.URL{Path: objectPath(calendar.Ref{Calendar: id, Name: name})}
	return u.EscapedPath()
}
