package caldav

import (
	"errors"
	"net/http"
	"slices"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// mkcol answers MKCALENDAR (RFC 4791 §5.3.1), MKCOL (RFC 4918 §9.3) and
// extended MKCOL (RFC 5689).
func (rq *request) mkcol() error {
	calendarMethod := rq.r.Method == "MKCALENDAR"
	root, err := rq.xmlBody()
	if err != nil {
		return err
	}
	switch {
	case root == nil:
	case calendarMethod != (root.Name == dav.C("mkcalendar")):
		return &dav.Error{Status: http.StatusUnsupportedMediaType, Text: "the body does not belong to the method"}
	}
	changes, err := dav.ParseMkcol(root)
	if err != nil {
		return err
	}
	at := rq.at
	if rq.at.place == atObject {
		rq.at = rq.at.asCollection()
	}
	if _, err := rq.precond(); err != nil {
		return err
	}
	req := calendar.CreateCalendarRequest{DefaultACL: true}
	req.Calendar = calendar.Calendar{ID: rq.at.id(), Kind: collectionKind(calendarMethod)}
	refused := creation(changes, calendarMethod, &req.Calendar)
	if anyRefused(refused) {
		req.Calendar.Kind = calendar.NoCollection // whether he may make anything comes first
	}
	var c calendar.Calendar
	if rq.at.place != atCollection || rq.at.home != "" {
		err = errLocation
	} else {
		c, err = rq.be.CreateCalendar(rq.ctx, rq.who, req)
	}
	wrong := anyRefused(refused) && errors.Is(err, calendar.Unsupported)
	if wrong || err == errLocation || calendar.ReasonOf(err) == calendar.CollectionLocationOK {
		// What stands there is told before what is wrong with the request.
		switch there, unknown := rq.mapped(at); {
		case unknown != nil:
			return unknown
		case there:
			return taken(root != nil || calendarMethod)
		}
	}
	switch {
	case wrong:
		return rq.mkcolRefused(changes, refused)
	case errors.Is(err, calendar.Exists):
		return taken(root != nil || calendarMethod)
	case errors.Is(err, calendar.NoCalendar), errors.Is(err, calendar.Stale):
		e := &dav.Error{Status: http.StatusConflict, Text: "the parent does not exist"}
		if calendarMethod {
			e.Condition.Name = dav.C("calendar-collection-location-ok")
		}
		return e
	case err != nil:
		return err
	}
	h := rq.w.Header()
	h.Set("Location", dav.EncodePath(calendarPath(c.ID)))
	h["Cache-Control"] = noCache // RFC 4791 §5.3.1
	h["Content-Length"] = zeroLength
	rq.w.WriteHeader(http.StatusCreated)
	return nil
}

// mapped reports whether there is a resource, as far as the user may know.
func (rq *request) mapped(at target) (bool, error) {
	var err error
	switch at.place {
	case atPrincipal:
		_, err = rq.person(at.user)
	case atHome:
		_, err = rq.home(at)
	case atCollection:
		if at.home != "" {
			_, err = rq.share(at)
			break
		}
		_, err = rq.be.Calendar(rq.ctx, rq.who, at.id())
	case atObject:
		if _, err = rq.be.Object(rq.ctx, rq.who, at.ref()); err != nil {
			_, err = rq.be.Calendar(rq.ctx, rq.who, at.asCollection().id())
		}
	}
	if err != nil && notThere(err) {
		return false, nil
	}
	return err == nil, err
}

// taken refuses to make something where something is. MKCOL without a body is
// WebDAV's of old, and has a status of its own: RFC 4918 §9.3.1. Else it is a
// precondition like others: RFC 4791 §§1.3, 5.3.1.
func taken(extended bool) error {
	status := http.StatusMethodNotAllowed
	if extended {
		status = http.StatusForbidden
	}
	return dav.NewError(status, dav.D("resource-must-be-null"), "there is a resource of that name already")
}

// errLocation: RFC 4791 §5.3.1.
var errLocation error = dav.NewError(http.StatusForbidden, dav.C("calendar-collection-location-ok"), "collections are made in a calendar home")

// creation fills the new collection from the properties of the body.
func creation(changes []dav.PropChange, calendarMethod bool, c *calendar.Calendar) []*dav.Error {
	var req calendar.UpdateCalendarRequest
	refused := make([]*dav.Error, len(changes))
	for i, ch := range changes {
		switch ch.Name {
		case dav.D("resourcetype"):
			refused[i] = resourceType(ch.Node, calendarMethod, c)
		case dav.C("supported-calendar-component-set"):
			refused[i] = componentSet(ch.Node, c)
		default:
			refused[i] = updateOf(changes[i:i+1], &req)[0]
		}
	}
	for _, f := range []struct {
		to   *string
		from *string
	}{
		{&c.DisplayName, req.DisplayName}, {&c.Description, req.Description}, {&c.Color, req.Color},
		{&c.Order, req.Order}, {&c.TZID, req.TZID}, {&c.Timezone, req.Timezone},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if req.Transparent != nil {
		c.Transparent = *req.Transparent
	}
	for _, p := range req.Props {
		c.Props = append(c.Props, p.Prop)
	}
	return refused
}

// errResourceType: RFC 5689 §3.3.
var errResourceType = dav.NewError(http.StatusForbidden, dav.D("valid-resourcetype"), "")

// resourceType reads what is to be made: a collection, or a calendar.
func resourceType(n *dav.Node, calendarMethod bool, c *calendar.Calendar) *dav.Error {
	collection, isCalendar := false, calendarMethod
	for t := range n.Children() {
		switch t.Name {
		case dav.D("collection"):
			collection = true
		case dav.C("calendar"):
			isCalendar = true
		default:
			return errResourceType
		}
	}
	if !collection && !calendarMethod {
		return errResourceType
	}
	c.Kind = collectionKind(isCalendar)
	return nil
}

func collectionKind(isCalendar bool) calendar.CollectionKind {
	if isCalendar {
		return calendar.CalendarCollection
	}
	return calendar.PlainCollection
}

// componentSet reads CALDAV:supported-calendar-component-set. RFC 4791 §5.2.3.
func componentSet(n *dav.Node, c *calendar.Calendar) *dav.Error {
	c.Components = nil
	for comp := range n.Children() {
		name := attrUpper(comp, "name")
		if comp.Name != dav.C("comp") || !slices.Contains(defaultComponents, name) {
			return dav.NewError(http.StatusForbidden, dav.C("supported-calendar-component"), "")
		}
		if !slices.Contains(c.Components, name) {
			c.Components = append(c.Components, name)
		}
	}
	return nil
}

// mkcolRefused says which properties stood in the way. To a MKCALENDAR that is
// a multistatus (RFC 4791 §5.3.1.1), to a MKCOL an element of its own (RFC 5689 §3).
func (rq *request) mkcolRefused(changes []dav.PropChange, refused []*dav.Error) error {
	rq.w.Header()["Cache-Control"] = noCache
	if rq.r.Method == "MKCALENDAR" {
		mw := dav.NewMultistatus(rq.w)
		mw.Response(rq.at.path)
		writeOutcome(mw, changes, refused)
		mw.EndResponse()
		return mw.Close()
	}
	mw := dav.NewDocument(rq.w, http.StatusMultiStatus, dav.D("mkcol-response"))
	for i, c := range changes {
		status, cond := http.StatusFailedDependency, ""
		if refused[i] != nil {
			status, cond = refused[i].Status, refused[i].Condition.Name.Local
		}
		mw.RawString("<D:propstat><D:prop>")
		mw.Empty(c.Name)
		mw.RawString("</D:prop>")
		writeStatus(mw, status)
		if cond != "" {
			mw.RawString("<D:error>")
			mw.Empty(refused[i].Condition.Name)
			mw.RawString("</D:error>")
		}
		mw.RawString("</D:propstat>")
	}
	return mw.Close()
}
