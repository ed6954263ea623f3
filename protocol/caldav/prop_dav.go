package caldav

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// davProperties are those of RFC 4918, 3744, 3253, 4331, 5397, 5842, 5995 and
// 6578.
var davProperties = []property{
	{name: dav.D("resourcetype"), on: everywhere, open: true, all: true, get: getResourceType},
	{name: dav.D("displayname"), on: everywhere &^ onMembers, open: true, all: true, get: getDisplayName},
	{name: dav.D("getetag"), on: onCollections | onMembers, all: true, get: getETag},
	{name: dav.D("getcontenttype"), on: onMembers, all: true, get: getContentType},
	{name: dav.D("getcontentlength"), on: onMembers, all: true, get: getContentLength},
	{name: dav.D("getlastmodified"), on: onCollections | onMembers, all: true, get: getLastModified},
	{name: dav.D("creationdate"), on: onCollections | onMembers, all: true, get: getCreationDate},
	{name: dav.D("owner"), on: everywhere, open: true, get: getOwner},
	{name: dav.D("group"), on: everywhere, open: true, get: getGroup},
	{name: dav.D("current-user-principal"), on: everywhere, open: true, get: getCurrentUser},
	{name: dav.D("principal-collection-set"), on: everywhere, open: true, get: getPrincipalCollections},
	{name: dav.D("current-user-privilege-set"), on: everywhere, open: true, cal: true, get: getPrivileges},
	{name: dav.D("supported-privilege-set"), on: everywhere, open: true, get: getSupportedPrivileges},
	{name: dav.D("acl"), on: everywhere, open: true, cal: true, get: getACL},
	{name: dav.D("acl-restrictions"), on: everywhere, open: true, get: getACLRestrictions},
	{name: dav.D("inherited-acl-set"), on: everywhere, open: true, get: getInheritedACL},
	{name: dav.D("supported-report-set"), on: everywhere, open: true, get: getReports},
	{name: dav.D("supported-method-set"), on: everywhere, open: true, get: getMethods},
	{name: dav.D("sync-token"), on: onHome | onCollections, get: getSyncToken},
	{name: dav.D("quota-used-bytes"), on: onHome, get: getQuotaUsed},
	{name: dav.D("quota-available-bytes"), on: onHome, get: getQuotaAvailable},
	{name: dav.D("add-member"), on: onCalendar, open: true, get: getAddMember},
	{name: dav.D("resource-id"), on: onPrincipal | onCollections, get: getResourceID},
}

func init() {
	// In init, since it lists the table that it is in. RFC 3253 §3.1.4.
	register([]property{{name: dav.D("supported-live-property-set"), on: everywhere, open: true, get: getLiveSet}})
}

func getResourceType(mw *dav.Writer, s *subject) bool {
	name := dav.D("resourcetype")
	if s.scope&onMembers != 0 {
		mw.Empty(name)
		return true
	}
	mw.Start(name)
	switch s.scope {
	case onPrincipal:
		mw.RawString("<D:principal/>")
	case onProxies:
		mw.RawString("<D:principal/><D:collection/>")
		mw.Empty(dav.CS(s.proxies.name()))
	case onCalendar, onInbox, onOutbox:
		mw.RawString("<D:collection/>")
		mw.Empty(dav.C(s.cal.Kind.Rules().Type))
		switch {
		case s.share != nil:
			mw.RawString("<CS:shared/>")
		case len(s.cal.Invitees) > 0 && s.owner == s.rq.me.ID:
			mw.RawString("<CS:shared-owner/>")
		}
	default:
		mw.RawString("<D:collection/>")
		if s.cal != nil && s.cal.Kind == calendar.NotificationCollection {
			mw.RawString("<CS:notification/>")
		}
	}
	mw.End(name)
	return true
}

func getDisplayName(mw *dav.Writer, s *subject) bool {
	var text string
	switch {
	case s.person != nil:
		if text = s.person.Name; text == "" {
			text = s.person.ID
		}
	case s.proxies != nil:
		text = s.owner + " " + s.proxies.name()
	case s.cal != nil:
		if text = s.cal.DisplayName; text == "" {
			text = s.cal.ID.Name()
			text = text[strings.LastIndexByte(text, '/')+1:]
		}
	case s.home != nil:
		text = string(s.home.Owner)
	case s.scope == onPrincipals:
		text = "Principals"
	default:
		text = "Calendars"
	}
	mw.Text(dav.D("displayname"), text)
	return true
}

func getETag(mw *dav.Writer, s *subject) bool {
	s.buf = append(s.buf[:0], '"')
	if s.obj != nil {
		s.buf = s.obj.AppendETag(s.buf)
	} else {
		s.buf = append(s.buf, s.cal.CTag()...)
	}
	s.buf = append(s.buf, '"')
	mw.Raw(dav.D("getetag"), s.buf)
	return true
}

// contentType is the media type of an object. The component helps clients
// that list tasks and events from one calendar. RFC 5545 §8.1.
func contentType(o *calendar.Object) string {
	switch {
	case o.ContentType != "":
		return o.ContentType
	case o.Component == "VEVENT":
		return "text/calendar; charset=utf-8; component=VEVENT"
	case o.Component == "VTODO":
		return "text/calendar; charset=utf-8; component=VTODO"
	case o.Component == "VJOURNAL":
		return "text/calendar; charset=utf-8; component=VJOURNAL"
	case o.UID == "":
		return "application/octet-stream"
	}
	return "text/calendar; charset=utf-8"
}

func getContentType(mw *dav.Writer, s *subject) bool {
	if s.scope == onObject {
		mw.Text(dav.D("getcontenttype"), componentType(s.obj.Component))
		return true
	}
	mw.Text(dav.D("getcontenttype"), contentType(s.obj))
	return true
}

// componentType is the DAV:getcontenttype of a calendar object resource,
// whatever was said when it was stored.
func componentType(component string) string {
	return contentType(&calendar.Object{Component: component, UID: "u"})
}

func getContentLength(mw *dav.Writer, s *subject) bool {
	if s.obj.Masked && s.obj.Size == 0 {
		return false // a list does not work out what would be shown
	}
	s.buf = strconv.AppendInt(s.buf[:0], int64(s.obj.Size), 10)
	mw.Raw(dav.D("getcontentlength"), s.buf)
	return true
}

func getLastModified(mw *dav.Writer, s *subject) bool {
	return writeTime(mw, s, dav.D("getlastmodified"), http.TimeFormat, modified)
}

func getCreationDate(mw *dav.Writer, s *subject) bool {
	return writeTime(mw, s, dav.D("creationdate"), "2006-01-02T15:04:05Z", created)
}

func modified(s *subject) time.Time {
	if s.obj != nil {
		return s.obj.Modified
	}
	return s.cal.Modified
}

func created(s *subject) time.Time {
	if s.obj != nil {
		return s.obj.Created
	}
	return s.cal.Created
}

func writeTime(mw *dav.Writer, s *subject, name dav.Name, layout string, of func(*subject) time.Time) bool {
	t := of(s)
	if t.IsZero() {
		return false
	}
	s.buf = t.UTC().AppendFormat(s.buf[:0], layout)
	mw.Raw(name, s.buf)
	return true
}

// getOwner: what belongs to nobody says so. RFC 3744 §5.1.
func getOwner(mw *dav.Writer, s *subject) bool {
	if owner := s.ownerID(); owner != "" {
		mw.Href(dav.D("owner"), principalsPath, owner, "/")
	} else {
		mw.Empty(dav.D("owner"))
	}
	return true
}

// ownerID is whose s is: a person is his own, groups and resources may have
// somebody who looks after them.
func (s *subject) ownerID() calendar.UserID {
	if s.person != nil && s.person.Owner != "" {
		return s.person.Owner
	}
	return s.owner
}

// getGroup: no resource belongs to a group. RFC 3744 §5.2.
func getGroup(mw *dav.Writer, _ *subject) bool {
	mw.Empty(dav.D("group"))
	return true
}

func getCurrentUser(mw *dav.Writer, s *subject) bool {
	mw.Href(dav.D("current-user-principal"), principalsPath, s.rq.me.ID, "/")
	return true
}

func getPrincipalCollections(mw *dav.Writer, _ *subject) bool {
	mw.Href(dav.D("principal-collection-set"), principalsPath)
	return true
}

// privileges are those of the asking user on s.
func (s *subject) privileges() acl.PrivilegeSet {
	switch {
	case s.share != nil && s.obj == nil:
		// What he has of his own for it he can always change. caldav-sharing 5.5.3.
		return acl.Privileges(s.cal.Rights.Components, s.cal.Rights.Properties).With(acl.PrivWriteProperties)
	case s.cal != nil:
		set := acl.Privileges(s.cal.Rights.Components, s.cal.Rights.Properties)
		switch s.scope {
		case onInbox:
			return set & acl.InboxPrivileges
		case onOutbox:
			return set & acl.OutboxPrivileges
		}
		return set
	case s.home != nil:
		return acl.Privileges(s.home.Rights.Components, s.home.Rights.Properties)
	case s.person != nil && s.person.ID == s.rq.me.ID:
		return acl.Privileges(acl.Read|acl.FreeBusy|acl.SelfAdmin, acl.Read|acl.Write)
	}
	// As the list says: see everyone.
	return acl.Privileges(acl.Read|acl.FreeBusy|acl.SelfAdmin, acl.Read)
}

// getPrivileges lists aggregates and their parts: clients look for either.
// RFC 3744 §5.4.
func getPrivileges(mw *dav.Writer, s *subject) bool {
	if s.scope&onMembers != 0 && s.cal == nil {
		return false
	}
	name := dav.D("current-user-privilege-set")
	mw.Start(name)
	for p := range s.privileges().All() {
		mw.RawString("<D:privilege>")
		mw.Empty(dav.Name{Space: p.Space(), Local: p.Local()})
		mw.RawString("</D:privilege>")
	}
	mw.End(name)
	return true
}

func getSyncToken(mw *dav.Writer, s *subject) bool {
	token := ""
	if s.cal != nil {
		token = s.cal.SyncToken()
	} else {
		token = s.home.SyncToken()
	}
	mw.Text(dav.D("sync-token"), token)
	return true
}

// RFC 4331 §3, §4.
func getQuotaUsed(mw *dav.Writer, s *subject) bool {
	if !s.home.Rights.Owner {
		return false
	}
	s.buf = strconv.AppendInt(s.buf[:0], s.home.UsedBytes, 10)
	mw.Raw(dav.D("quota-used-bytes"), s.buf)
	return true
}

func getQuotaAvailable(mw *dav.Writer, s *subject) bool {
	if s.home.MaxBytes <= 0 {
		return false
	}
	s.buf = strconv.AppendInt(s.buf[:0], max(0, s.home.MaxBytes-s.home.UsedBytes), 10)
	mw.Raw(dav.D("quota-available-bytes"), s.buf)
	return true
}

// getAddMember: the address to POST to is the collection itself. RFC 5995 §3.2.1.
func getAddMember(mw *dav.Writer, s *subject) bool {
	mw.Href(dav.D("add-member"), s.path)
	return true
}

func getMethods(mw *dav.Writer, s *subject) bool {
	name := dav.D("supported-method-set")
	mw.Start(name)
	for m := range splitList(allow(s.place())) {
		mw.Empty(dav.D("supported-method"), "name", m)
	}
	mw.End(name)
	return true
}

func getLiveSet(mw *dav.Writer, s *subject) bool {
	name := dav.D("supported-live-property-set")
	mw.Start(name)
	for _, p := range liveOrder {
		if s.has(p) {
			mw.RawString("<D:supported-live-property><D:prop>")
			mw.Empty(p.name)
			mw.RawString("</D:prop></D:supported-live-property>")
		}
	}
	mw.End(name)
	return true
}

// place is where a subject stands in the tree.
func (s *subject) place() place {
	switch s.scope {
	case onRoot:
		return atRoot
	case onPrincipals:
		return atPrincipals
	case onPrincipal:
		return atPrincipal
	case onProxies:
		return atProxies
	case onHomes:
		return atHomes
	case onHome:
		return atHome
	case onCalendar, onPlain, onInbox, onOutbox:
		if s.cal != nil && s.cal.Kind == calendar.NotificationCollection {
			return atNotifications
		}
		return atCollection
	}
	return atObject
}
