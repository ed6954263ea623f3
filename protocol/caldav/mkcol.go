package caldav

import (
	"errors"
	"net/http"
	"slices"
	"strings"

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
	if rq.at.place == atObject {
		rq.at = rq.at.asCollection()
	}
	if rq.at.place != atCollection {
		return errMethod
	}
	if _, err := rq.precond(); err != nil {
		return err
	}
	req := calendar.CreateCalendarRequest{DefaultACL: true}
	req.Calendar = calendar.Calendar{ID: rq.at.id(), Kind: collectionKind(calendarMethod)}
	if refused := creation(changes, calendarMethod, &req.Calendar); anyRefused(refused) {
		return rq.mkcolRefused(changes, refused)
	}
	if !req.Calendar.Kind.Rules().Nests && strings.Contains(rq.at.name, "/") {
		return dav.NewError(http.StatusForbidden, dav.C("calendar-collection-location-ok"), "calendars are made directly in a home")
	}
	c, err := rq.be.CreateCalendar(rq.ctx, rq.who, req)
	switch {
	case errors.Is(err, calendar.Exists):
		rq.w.Header().Set("Allow", allow(atCollection))
		return dav.NewError(http.StatusMethodNotAllowed, dav.D("resource-must-be-null"), "there is a resource of that name already")
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
	h.Set("Cache-Control", "no-cache") // RFC 4791 §5.3.1
	h["Content-Length"] = zeroLength
	rq.w.WriteHeader(http.StatusCreated)
	return nil
}

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

// mkcolRefused says which properties stood in the way. RFC 5689 §3.1, RFC
// 4791 §9.3.
func (rq *request) mkcolRefused(changes []dav.PropChange, refused []*dav.Error) error {
	root := dav.D("mkcol-response")
	if rq.r.Method == "MKCALENDAR" {
		root = dav.C("mkcalendar-response")
	}
	mw := dav.NewDocument(rq.w, http.StatusForbidden, root)
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
