package caldav

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// principalProperties are those of RFC 3744 §4, RFC 4791 §6.2, RFC 6638 §2.4
// and what Apple asks of people.
var principalProperties = []property{
	{name: dav.D("principal-URL"), on: onPrincipal | onProxies, get: getPrincipalURL},
	{name: dav.D("alternate-URI-set"), on: onPrincipal, get: getAlternates},
	{name: dav.D("group-membership"), on: onPrincipal, get: getMembership},
	{name: dav.D("group-member-set"), on: onPrincipal | onProxies, get: getMembers},
	{name: dav.CS("expanded-group-membership"), on: onPrincipal, get: getAllMembership},
	{name: dav.CS("expanded-group-member-set"), on: onPrincipal, get: getAllMembers},
	{name: dav.C("calendar-home-set"), on: onPrincipal, get: getHomeSet},
	{name: dav.C("schedule-inbox-URL"), on: onPrincipal, get: getInboxURL},
	{name: dav.C("schedule-outbox-URL"), on: onPrincipal, get: getOutboxURL},
	{name: dav.C("calendar-user-address-set"), on: onPrincipal, get: getAddresses},
	{name: dav.C("calendar-user-type"), on: onPrincipal, get: getUserType},
	{name: dav.CS("email-address-set"), on: onPrincipal, get: getMails},
	{name: dav.CS("first-name"), on: onPrincipal, get: getFirstName},
	{name: dav.CS("last-name"), on: onPrincipal, get: getLastName},
	{name: dav.CS("record-type"), on: onPrincipal, get: getRecordType},
	{name: dav.CS("allowed-calendar-component-set"), on: onPrincipal, get: getAllowedComponents},
	{name: dav.CS("calendar-proxy-read-for"), on: onPrincipal, get: getProxyReadFor},
	{name: dav.CS("calendar-proxy-write-for"), on: onPrincipal, get: getProxyWriteFor},
}

func getPrincipalURL(mw *dav.Writer, s *subject) bool {
	mw.Href(dav.D("principal-URL"), s.path)
	return true
}

func getAlternates(mw *dav.Writer, s *subject) bool {
	name := dav.D("alternate-URI-set")
	mw.Start(name)
	for _, m := range s.person.Mails {
		mw.Text(dav.D("href"), "mailto:"+m)
	}
	mw.End(name)
	return true
}

// getMembership names the groups that one is in directly, those of proxies too.
// RFC 3744 §4.4, Apple's caldav-proxy 5.2.
func getMembership(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.D("group-membership"), s.groups(false), proxyGroups(s.actsFor(false))...)
}

// getMembers names who is in a group directly. RFC 3744 §4.3.
func getMembers(mw *dav.Writer, s *subject) bool {
	if s.proxies != nil && !s.proxies.known {
		return false
	}
	return principals(mw, dav.D("group-member-set"), s.members(false))
}

// The expanded ones are Calendar Server's: through groups in groups, too.
func getAllMembership(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.CS("expanded-group-membership"), s.groups(true), proxyGroups(s.actsFor(true))...)
}

func getAllMembers(mw *dav.Writer, s *subject) bool {
	return principals(mw, dav.CS("expanded-group-member-set"), s.members(true))
}

// principals writes a property that names principals, by their ids or where they
// are, of which there may be none.
func principals(mw *dav.Writer, name dav.Name, ids []calendar.UserID, more ...target) bool {
	mw.Start(name)
	for _, id := range ids {
		mw.RawBytes(dav.AppendHref(nil, principalPath(id)))
	}
	for _, t := range more {
		mw.RawBytes(dav.AppendHref(nil, t.path))
	}
	mw.End(name)
	return true
}

// groups are the ids of the groups that the person is in.
func (s *subject) groups(deep bool) []calendar.UserID {
	found, err := s.rq.people.Groups(s.rq.ctx, s.person.ID, deep)
	if err != nil {
		s.rq.note(err)
	}
	return idsOf(found)
}

// members are the ids of the members of the group, none for who is none.
func (s *subject) members(deep bool) []calendar.UserID {
	if s.proxies != nil {
		return s.proxies.members
	}
	if s.person.Kind != calendar.Group {
		return nil
	}
	found, _, err := s.rq.people.Members(s.rq.ctx, s.person.ID, deep, s.rq.limits.People)
	if err != nil {
		s.rq.note(err)
	}
	return idsOf(found)
}

// idsOf are the ids of people; who is elsewhere has none, and is no principal.
func idsOf(people []calendar.Person) []calendar.UserID {
	ids := make([]calendar.UserID, 0, len(people))
	for i := range people {
		if people[i].ID != "" {
			ids = append(ids, people[i].ID)
		}
	}
	return ids
}

// getHomeSet has exactly one href: clients take one at random if there are
// more.
func getHomeSet(mw *dav.Writer, s *subject) bool {
	mw.Href(dav.C("calendar-home-set"), homePath(calendar.Owner(s.person.ID)))
	return true
}

// getAddresses writes the primary address first and, if there are others,
// last too: clients differ in which one they take. clients.md §7.2.
func getAddresses(mw *dav.Writer, s *subject) bool {
	name := dav.C("calendar-user-address-set")
	mw.Start(name)
	mails := s.person.Mails
	switch len(mails) {
	case 0:
		mw.RawBytes(dav.AppendHref(nil, s.path))
	case 1:
		mw.Text(dav.D("href"), "mailto:"+mails[0])
	default:
		for _, m := range mails {
			mw.Text(dav.D("href"), "mailto:"+m)
		}
		mw.Start(dav.D("href"), "preferred", "1")
		mw.Chars("mailto:" + mails[0])
		mw.End(dav.D("href"))
	}
	mw.End(name)
	return true
}

func getUserType(mw *dav.Writer, s *subject) bool {
	mw.Text(dav.C("calendar-user-type"), string(kindOf(s.person)))
	return true
}

func kindOf(p *calendar.Person) calendar.PersonKind {
	if p.Kind == "" {
		return calendar.Individual
	}
	return p.Kind
}

func getMails(mw *dav.Writer, s *subject) bool {
	name := dav.CS("email-address-set")
	mw.Start(name)
	for _, m := range s.person.Mails {
		mw.Text(dav.CS("email-address"), m)
	}
	mw.End(name)
	return true
}

func getFirstName(mw *dav.Writer, s *subject) bool {
	return optional(mw, dav.CS("first-name"), s.person.Given)
}

func getLastName(mw *dav.Writer, s *subject) bool {
	return optional(mw, dav.CS("last-name"), s.person.Surname)
}

func getRecordType(mw *dav.Writer, s *subject) bool {
	text := "users"
	switch s.person.Kind {
	case calendar.Group:
		text = "groups"
	case calendar.Room:
		text = "locations"
	case calendar.Resource:
		text = "resources"
	}
	mw.Text(dav.CS("record-type"), text)
	return true
}

func getAllowedComponents(mw *dav.Writer, _ *subject) bool {
	writeComponents(mw, dav.CS("allowed-calendar-component-set"), defaultComponents...)
	return true
}

// getResourceID is made of what stays the same over a rename: the id of the
// person, or the owner and incarnation of the calendar. RFC 5842 §3.1, RFC
// 4122 §4.3.
func getResourceID(mw *dav.Writer, s *subject) bool {
	what := "principal " + s.owner
	if s.cal != nil {
		what = "calendar " + s.owner + " " + strconv.FormatInt(s.cal.Incarnation, 10)
	}
	sum := sha1.Sum([]byte("urn:factotum:" + what))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	x := hex.EncodeToString(u)
	name := dav.D("resource-id")
	mw.Start(name)
	mw.Text(dav.D("href"), "urn:uuid:"+x[:8]+"-"+x[8:12]+"-"+x[12:16]+"-"+x[16:20]+"-"+x[20:])
	mw.End(name)
	return true
}
