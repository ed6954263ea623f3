package caldav

import (
	"net/http"

	"github.com/google/uuid"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// errNoCalendarData: RFC 4791 §5.3.2.1.
var errNoCalendarData = dav.NewError(http.StatusForbidden, dav.C("supported-calendar-data"), "only text/calendar can be added")

// post answers POST to a collection: a new member under a name that we
// choose, RFC 5995; to an outbox a question; to an item of an inbox a decision.
func (rq *request) post() error {
	switch {
	case rq.at.place == atObject && rq.at.name == calendar.InboxCollection.Rules().Name && isXML(rq.r.Header.Get("Content-Type")):
		return rq.postDocument()
	case rq.at.place != atCollection && rq.at.place != atHome:
		return errMethod
	case isXML(rq.r.Header.Get("Content-Type")):
		return rq.postDocument()
	case rq.at.place != atCollection:
		return errMethod
	}
	if rq.at.name == calendar.OutboxCollection.Rules().Name {
		return rq.askBusy()
	}
	if !dav.IsCalendar(rq.r.Header.Get("Content-Type")) {
		return errNoCalendarData
	}
	body, err := rq.content()
	if err != nil {
		return err
	}
	ref := calendar.Ref{Calendar: rq.at.id(), Name: uuid.NewString() + ".ics"}
	res, err := rq.be.PutObject(rq.ctx, rq.who, calendar.PutRequest{
		Ref: ref, Data: body, ContentType: rq.r.Header.Get("Content-Type"),
		Precond: calendar.Precond{IfNoneMatch: []string{"*"}},
	})
	if err != nil {
		return err
	}
	rq.w.Header().Set("Location", dav.EncodePath(rq.pathOf(ref.Calendar)+ref.Name))
	return rq.stored(http.StatusCreated, body, &res)
}
