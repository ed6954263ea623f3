package caldav

import (
	"errors"
	"net/http"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// delete answers DELETE of an object or of a whole collection. A collection
// goes at once or not at all, so the answer is never a 207. RFC 4918 §9.6.
func (rq *request) delete() error {
	if rq.at.place == atNotification {
		return rq.deleteNote()
	}
	if rq.at.place != atObject && rq.at.place != atCollection {
		return errMethod
	}
	if d, err := dav.ParseDepth(rq.r.Header, dav.DepthInfinity); err != nil {
		return err
	} else if rq.at.place == atCollection && d != dav.DepthInfinity {
		return &dav.Error{Status: http.StatusBadRequest, Text: "a collection is deleted with Depth: infinity"}
	}
	cond, err := rq.precond()
	if err != nil {
		return err
	}
	switch {
	case rq.at.place == atCollection && rq.at.home != "":
		err = rq.leaveShare()
	case rq.at.place == atCollection:
		err = rq.be.DeleteCalendar(rq.ctx, rq.who, calendar.DeleteCalendarRequest{ID: rq.at.id(), IfMatch: cond.IfMatch, NoReply: dav.NoReply(rq.r.Header)})
	default:
		err = rq.be.DeleteObject(rq.ctx, rq.who, calendar.DeleteRequest{Ref: rq.at.ref(), Precond: cond, NoReply: dav.NoReply(rq.r.Header)})
	}
	switch {
	case errors.Is(err, calendar.Stale) && rq.at.place == atObject:
		return rq.putFailed(err)
	case err != nil:
		return err
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}
