package caldav

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// Notifications are resources of a collection that each user has for himself,
// apart from calendars. Apple's caldav-notifications and caldav-sharing 4.

const notificationsPath = "/dav/notifications/"

// inNotifications finds what rest names below the notifications.
func (t target) inNotifications(rest string) (target, error) {
	user, name, inside := strings.Cut(rest, "/")
	t.user = user
	if calendar.CheckOwner(t.owner()) != nil || strings.Contains(name, "/") {
		return t, errNotFound
	}
	t.place, t.path = atNotifications, notificationsPath+user+"/"
	if inside && name != "" {
		t.place, t.object, t.path = atNotification, name, t.path+name
	}
	return t, nil
}

// notes reads the notifications of the user, whose alone they are.
func (rq *request) notes(t target) (*notebook, error) {
	if t.user != rq.me.ID {
		return nil, errNotFound
	}
	home, err := rq.be.Home(rq.ctx, rq.who, calendar.HomeRequest{Owner: t.owner(), Notes: true})
	if err != nil {
		return nil, err
	}
	const all = acl.Read | acl.Delete
	return &notebook{rq: rq, owner: t.owner(), list: home.Notes.List, cal: calendar.Calendar{
		ID: calendar.NewID(t.owner(), "notifications"), Kind: calendar.NotificationCollection, Incarnation: 1, Change: home.Notes.Change,
		DisplayName: "Notifications", Rights: calendar.Rights{Components: all, Properties: all},
	}}, nil
}

// notebook is the collection as it is now.
type notebook struct {
	rq    *request
	owner calendar.Owner
	cal   calendar.Calendar
	list  []calendar.Note
}

func (b *notebook) path() string { return notificationsPath + string(b.owner) + "/" }

func (b *notebook) subject() *subject {
	s := b.rq.calendarSubject(&b.cal)
	s.path = b.path()
	return s
}

const noteSuffix = ".xml"

// note is the one of that name.
func (b *notebook) note(name string) (*calendar.Note, error) {
	for i := range b.list {
		if n := &b.list[i]; n.ID+noteSuffix == name {
			return n, nil
		}
	}
	return nil, errNotFound
}

func (b *notebook) noteSubject(n *calendar.Note) *subject {
	o := &calendar.Object{Name: n.ID + noteSuffix, Change: n.When.UnixMicro(), Created: n.When, Modified: n.When,
		Size: len(b.rq.noteText(n)), ContentType: "application/xml; charset=utf-8"}
	return &subject{rq: b.rq, scope: onFile, path: b.path() + o.Name, owner: string(b.owner), cal: &b.cal, obj: o, note: n}
}

// findNotes answers a PROPFIND.
func (rq *request) findNotes(mw *dav.Writer, pl *plan, self, members bool) error {
	book, err := rq.notes(rq.at)
	if err != nil {
		return err
	}
	if rq.at.place == atNotification {
		n, err := book.note(rq.at.object)
		if err != nil {
			return err
		}
		pl.respond(mw, book.noteSubject(n))
		return nil
	}
	if self {
		pl.respond(mw, book.subject())
	}
	for i := range book.list {
		if members {
			pl.respond(mw, book.noteSubject(&book.list[i]))
		}
	}
	return nil
}

// syncNotes answers a sync-collection: a token that is not the present one has
// ended, since there is never much to tell.
func (rq *request) syncNotes(root *dav.Node) error {
	pl, _, err := reportProps(root)
	if err != nil {
		return err
	}
	book, err := rq.notes(rq.at)
	if err != nil {
		return err
	}
	token := root.Child(dav.D("sync-token")).TrimText()
	if token != "" && token != book.cal.SyncToken() {
		return calendar.Fail(calendar.BadSyncToken, "sync", rq.at.path)
	}
	mw := rq.answer()
	for i := range book.list {
		if token == "" {
			pl.respond(mw, book.noteSubject(&book.list[i]))
		}
	}
	mw.SyncToken(book.cal.SyncToken())
	return mw.Close()
}

// getNote answers GET of a notification.
func (rq *request) getNote() error {
	cond, err := dav.ParseConditions(rq.r.Header)
	if err != nil {
		return err
	}
	book, err := rq.notes(rq.at)
	if err != nil {
		return err
	}
	n, err := book.note(rq.at.object)
	if err != nil {
		return err
	}
	s, h := book.noteSubject(n), rq.w.Header()
	h["Etag"] = []string{dav.ETag(s.obj.ETag())}
	if rq.conditional(cond, s.obj.ETag(), n.When) {
		return nil
	}
	text := rq.noteText(n)
	h["X-Content-Type-Options"] = noSniff
	h["Content-Type"] = []string{s.obj.ContentType}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	rq.w.WriteHeader(http.StatusOK)
	if rq.r.Method != http.MethodHead {
		_, _ = rq.w.Write(text)
	}
	return nil
}

// deleteNote takes one away. An invitation that is not answered stays one: it
// can still be accepted.
func (rq *request) deleteNote() error {
	if rq.at.user != rq.me.ID {
		return errNotFound
	}
	id, ok := strings.CutSuffix(rq.at.object, noteSuffix)
	if !ok {
		return errNotFound
	}
	_, err := rq.be.Subscribe(rq.ctx, rq.who, calendar.SubscribeRequest{Owner: rq.at.owner(), Seen: []string{id}})
	if errors.Is(err, calendar.NotFound) {
		return errNotFound
	}
	if err == nil {
		rq.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// noteText is a notification as a document. caldav-sharing 6.15, 6.22, 6.24.
func (rq *request) noteText(n *calendar.Note) []byte {
	element := noteElement(n)
	b := []byte(`<?xml version="1.0" encoding="utf-8"?><CS:notification xmlns:D="DAV:" xmlns:CS="` + dav.NSCalendarServer + `">`)
	b = appendElement(b, "CS:dtstamp", n.When.UTC().Format("20060102T150405Z"))
	b = append(b, "<CS:"+element+` shared-type="calendar">`...)
	host := func(b []byte) []byte {
		return append(dav.AppendHref(append(b, "<CS:hosturl>"...), calendarPath(n.Calendar)), "</CS:hosturl>"...)
	}
	if n.Kind == calendar.NoteReply {
		address, _ := rq.addressOf(n.From)
		b = appendElement(b, "D:href", address)
		b = host(append(b, inviteElement(n.Status)...))
		b = appendElement(b, "CS:in-reply-to", n.UID)
	} else {
		address, _ := rq.addressOf(string(n.To))
		b = appendElement(b, "CS:uid", n.UID)
		b = appendElement(b, "D:href", address)
		b = append(append(b, inviteElement(n.Status)...), accessElement(n.Access)...)
		b = rq.appendOrganizer(host(b), n.From)
	}
	b = appendElement(b, "CS:summary", n.Summary)
	return append(b, "</CS:"+element+"></CS:notification>"...)
}
