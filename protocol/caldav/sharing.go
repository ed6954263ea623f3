package caldav

import (
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// isXML tells whether a POST brings a document, and no calendar object.
func isXML(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "text/xml" || kind == "application/xml"
}

// postDocument answers a POST of a document: CS:share to a calendar,
// CS:invite-reply to one's home, a decision to an item of an inbox. Apple's caldav-sharing 5.3.2, 5.4.1.
func (rq *request) postDocument() error {
	root, err := rq.xmlBody()
	switch {
	case err != nil:
		return err
	case root != nil && rq.at.place == atObject:
		return rq.postDecision(root)
	case root != nil && root.Name == pushName("push-register"):
		return rq.postPushRegister(root)
	case root != nil && root.Name == dav.CS("share") && rq.at.place == atCollection:
		return rq.postShare(root)
	case root != nil && root.Name == dav.CS("invite-reply") && rq.at.place == atHome:
		return rq.postReply(root)
	}
	return errNoCalendarData
}

func (rq *request) postShare(root *dav.Node) error {
	req := calendar.ShareRequest{Calendar: rq.at.id()}
	for n := range root.Children() {
		if n.Name != dav.CS("set") && n.Name != dav.CS("remove") {
			continue
		}
		who, err := rq.principalAt(n.Child(dav.D("href")).TrimText())
		if err == nil && who.Kind != acl.PrincipalUser {
			err = errPrincipal
		}
		if err != nil {
			return err
		}
		if n.Name == dav.CS("remove") {
			req.Remove = append(req.Remove, who.Name)
			continue
		}
		write := n.Child(dav.CS("read-write")) != nil
		if !write && n.Child(dav.CS("read")) == nil {
			return &dav.Error{Status: http.StatusBadRequest, Text: "a CS:set has CS:read or CS:read-write"}
		}
		req.Set = append(req.Set, calendar.ShareSet{User: who.Name, Write: write,
			Name: n.Child(dav.CS("common-name")).TrimText(), Summary: n.Child(dav.CS("summary")).TrimText()})
	}
	if len(req.Set)+len(req.Remove) == 0 {
		return &dav.Error{Status: http.StatusBadRequest, Text: "a CS:share has CS:set or CS:remove"}
	}
	if err := rq.be.Share(rq.ctx, rq.who, req); err != nil {
		return err
	}
	rq.w.Header()["Content-Length"] = zeroLength
	rq.w.WriteHeader(http.StatusOK)
	return nil
}

// postReply accepts an invitation, which is to subscribe to the calendar, or
// declines it.
func (rq *request) postReply(root *dav.Node) error {
	path, err := rq.decodeHref(root.Child(dav.CS("hosturl")).Child(dav.D("href")).TrimText())
	if err != nil {
		return &dav.Error{Status: http.StatusBadRequest, Text: "CS:hosturl names no calendar"}
	}
	t, err := rq.locate(path)
	accepts := root.Child(dav.CS("invite-accepted")) != nil
	switch {
	case rq.at.user != rq.me.ID:
		return &dav.Error{Status: http.StatusForbidden, Text: "invitations are answered in one's own home"}
	case err != nil || t.place != atCollection || t.user == rq.me.ID:
		return &dav.Error{Status: http.StatusForbidden, Text: "CS:hosturl names no calendar of somebody else"}
	case accepts == (root.Child(dav.CS("invite-declined")) != nil):
		return &dav.Error{Status: http.StatusBadRequest, Text: "an invitation is accepted or declined"}
	}
	req := calendar.SubscribeRequest{Owner: calendar.Owner(rq.me.ID)}
	if accepts {
		req.Add = []calendar.Subscription{calendar.Subscription(t.id())}
	} else {
		req.Decline = []calendar.ID{t.id()}
	}
	if _, err := rq.be.Subscribe(rq.ctx, rq.who, req); err != nil {
		return err
	}
	rq.w.Header()["Cache-Control"] = noCache
	if !accepts {
		rq.w.Header()["Content-Length"] = zeroLength
		rq.w.WriteHeader(http.StatusOK)
		return nil
	}
	mw := dav.NewDocument(rq.w, http.StatusOK, dav.CS("shared-as"))
	mw.RawBytes(dav.AppendHref(nil, sharePath(rq.me.ID, t.id())))
	return mw.Close()
}

// sharingProperties are those of caldav-sharing 4.1, 4.2, 5.2.
var sharingProperties = []property{
	{name: dav.CS("allowed-sharing-modes"), on: onCalendar, get: getSharingModes},
	{name: dav.CS("invite"), on: onCalendar, get: getInvite},
	{name: dav.CS("shared-url"), on: onCalendar, get: getSharedURL},
	{name: dav.CS("notification-URL"), on: onPrincipal, get: getNotificationURL},
	{name: dav.CS("notificationtype"), on: onFile, get: getNotificationType},
}

func init() { register(sharingProperties) }

// getSharingModes: who may change the list of rights may share.
func getSharingModes(mw *dav.Writer, s *subject) bool {
	name := dav.CS("allowed-sharing-modes")
	mw.Start(name)
	if s.privileges().Has(acl.PrivWriteACL) {
		mw.Empty(dav.CS("can-be-shared"))
	}
	mw.End(name)
	return true
}

// getInvite tells whose calendar it is, and with whom it is shared.
func getInvite(mw *dav.Writer, s *subject) bool {
	if len(s.cal.Invitees) == 0 && s.share == nil {
		return false
	}
	name := dav.CS("invite")
	mw.Start(name)
	mw.RawBytes(s.rq.appendOrganizer(nil, s.owner))
	for i := range s.cal.Invitees {
		v := &s.cal.Invitees[i]
		address, common := s.rq.addressOf(v.User)
		if v.Name != "" {
			common = v.Name
		}
		b := append([]byte(nil), "<CS:user>"...)
		b = appendElement(b, "CS:uid", v.UID)
		b = appendElement(b, "D:href", address)
		b = appendElement(b, "CS:common-name", common)
		b = append(append(b, inviteElement(v.Status)...), accessElement(v.Access)...)
		b = appendElement(b, "CS:summary", v.Summary)
		mw.RawBytes(append(b, "</CS:user>"...))
	}
	mw.End(name)
	return true
}

func getSharedURL(mw *dav.Writer, s *subject) bool {
	if s.share == nil {
		return false
	}
	mw.Href(dav.CS("shared-url"), calendarPath(s.cal.ID))
	return true
}

// getNotificationURL: of oneself alone, as notifications are nobody else's.
func getNotificationURL(mw *dav.Writer, s *subject) bool {
	if s.person.ID != s.rq.me.ID {
		return false
	}
	mw.Href(dav.CS("notification-URL"), notificationsPath, s.person.ID, "/")
	return true
}

func getNotificationType(mw *dav.Writer, s *subject) bool {
	if s.note == nil {
		return false
	}
	name := dav.CS("notificationtype")
	mw.Start(name)
	mw.Empty(dav.CS(noteElement(s.note)), "shared-type", "calendar")
	mw.End(name)
	return true
}

func noteElement(n *calendar.Note) string {
	if n.Kind == calendar.NoteReply {
		return "invite-reply"
	}
	return "invite-notification"
}

func inviteElement(s calendar.InviteStatus) string {
	switch s {
	case calendar.InviteAccepted:
		return "<CS:invite-accepted/>"
	case calendar.InviteDeclined:
		return "<CS:invite-declined/>"
	case calendar.InviteDeleted:
		return "<CS:invite-deleted/>"
	}
	return "<CS:invite-noresponse/>"
}

func accessElement(a acl.Access) string {
	switch a {
	case acl.ShareWrite, acl.ProxyWrite:
		return "<CS:access><CS:read-write/></CS:access>"
	case acl.NoAccess:
		return "<CS:access/>"
	}
	return "<CS:access><CS:read/></CS:access>"
}

// addressOf is the calendar user address of somebody, and his name.
func (rq *request) addressOf(id calendar.UserID) (address, name string) {
	p, err := rq.person(id)
	if err != nil || p.Mail() == "" {
		address = string(dav.EncodePath(principalPath(id)))
	} else {
		address = "mailto:" + p.Mail()
	}
	if name = id; err == nil && p.Name != "" {
		name = p.Name
	}
	return address, name
}

func (rq *request) appendOrganizer(b []byte, id calendar.UserID) []byte {
	address, name := rq.addressOf(id)
	b = append(b, "<CS:organizer>"...)
	b = appendElement(b, "D:href", address)
	b = appendElement(b, "CS:common-name", name)
	return append(b, "</CS:organizer>"...)
}

// appendElement appends an element that holds a text, unless it is empty.
func appendElement(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	b = append(append(append(b, '<'), name...), '>')
	b = dav.AppendText(b, text)
	return append(append(append(b, "</"...), name...), '>')
}
