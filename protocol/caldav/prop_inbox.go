package caldav

import (
	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// inboxProperties are those of RFC 6638 §9.2, and of its drafts what Apple's
// clients still set.
var inboxProperties = []property{
	{name: dav.C("schedule-default-calendar-URL"), on: onInbox, get: getDefaultCalendar},
	{name: dav.C("calendar-free-busy-set"), on: onInbox, get: getFreeBusySet},
}

func init() { register(inboxProperties) }

// boxURL writes where somebody's own scheduling collection is. Principals of
// others have none: their collections are not for him. clients.md §7.1.
func boxURL(mw *dav.Writer, s *subject, name dav.Name, kind calendar.CollectionKind) bool {
	if s.person.ID != s.rq.me.ID {
		return false
	}
	mw.Href(name, collectionPath(calendar.Owner(s.person.ID), kind.Rules().Name))
	return true
}

// RFC 6638 §2.2.1.
func getInboxURL(mw *dav.Writer, s *subject) bool {
	return boxURL(mw, s, dav.C("schedule-inbox-URL"), calendar.InboxCollection)
}

// RFC 6638 §2.1.1.
func getOutboxURL(mw *dav.Writer, s *subject) bool {
	return boxURL(mw, s, dav.C("schedule-outbox-URL"), calendar.OutboxCollection)
}

func getDefaultCalendar(mw *dav.Writer, s *subject) bool {
	if s.cal.DefaultCalendar == "" {
		return false
	}
	mw.Href(dav.C("schedule-default-calendar-URL"), calendarPath(s.cal.DefaultCalendar))
	return true
}

func getFreeBusySet(mw *dav.Writer, s *subject) bool {
	name := dav.C("calendar-free-busy-set")
	mw.Start(name)
	for _, id := range s.cal.FreeBusySet {
		mw.RawBytes(dav.AppendHref(nil, calendarPath(id)))
	}
	mw.End(name)
	return true
}

// ofInbox sets the properties of an inbox.
var ofInbox = map[dav.Name]func(*request, dav.PropChange, *calendar.UpdateCalendarRequest) *dav.Error{
	dav.C("schedule-default-calendar-URL"): setDefaultCalendar,
	dav.C("calendar-free-busy-set"):        setFreeBusySet,
}

// updateAt is updateOf for the collection at the request's path.
func (rq *request) updateAt(changes []dav.PropChange, req *calendar.UpdateCalendarRequest) []*dav.Error {
	refused := updateOf(changes, req)
	if rq.at.name == calendar.InboxCollection.Rules().Name {
		for i, c := range changes {
			if set := ofInbox[c.Name]; set != nil {
				refused[i] = set(rq, c, req)
			}
		}
	}
	return refused
}

// setDefaultCalendar: there always is one. RFC 6638 §4.3.1.
func setDefaultCalendar(rq *request, c dav.PropChange, req *calendar.UpdateCalendarRequest) *dav.Error {
	if c.Remove {
		return rq.translate(calendar.Failf(calendar.Denied, calendar.DefaultCalendarNeeded, "", "", "invitations go to some calendar"))
	}
	calid := ""
	if id, ok := rq.collectionAt(c.Node.Child(dav.D("href")).TrimText()); ok {
		calid = string(id)
	}
	req.DefaultCalendar = &calid
	return nil
}

// setFreeBusySet: calendars of others count for their owners, whatever is said
// here.
func setFreeBusySet(rq *request, c dav.PropChange, req *calendar.UpdateCalendarRequest) *dav.Error {
	if c.Remove {
		return errProtected
	}
	calids := []string{}
	for n := range c.Node.Children() {
		if id, ok := rq.collectionAt(n.TrimText()); ok && n.Name == dav.D("href") {
			calids = append(calids, string(id))
		}
	}
	req.FreeBusySet = &calids
	return nil
}

// collectionAt is the collection of an address that a client wrote.
func (rq *request) collectionAt(href string) (calendar.ID, bool) {
	path, err := rq.decodeHref(href)
	if err != nil {
		return "", false
	}
	t, err := rq.locate(path)
	if err == nil && t.place == atObject { // the slash is missing
		t, err = rq.locate(path + "/")
	}
	return t.id(), err == nil && t.place == atCollection
}

// refuse refuses the changes of one property.
func refuse(changes []dav.PropChange, name dav.Name, why *dav.Error) []*dav.Error {
	refused := make([]*dav.Error, len(changes))
	for i, c := range changes {
		if c.Name == name {
			refused[i] = why
		}
	}
	return refused
}
