package caldav

import (
	"net/http"
	"strconv"
	"time"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// get answers GET and HEAD.
func (rq *request) get() error {
	switch rq.at.place {
	case atObject:
		return rq.getObject()
	case atCollection:
		return rq.getCalendar()
	case atNotification:
		return rq.getNote()
	}
	return errMethod
}

func (rq *request) getObject() error {
	cond, err := dav.ParseConditions(rq.r.Header)
	if err != nil {
		return err
	}
	o, err := rq.be.Object(rq.ctx, rq.who, rq.at.ref())
	if err != nil {
		return err
	}
	h := rq.w.Header()
	tag := o.ETag()
	h["Etag"] = []string{dav.ETag(tag)}
	setScheduleTag(h, o)
	if rq.conditional(cond, tag, o.Modified) {
		return nil
	}
	if isFile(o) {
		// A file is whatever its author says it is: no browser may run it.
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	}
	h["X-Content-Type-Options"] = noSniff
	h["Content-Type"] = []string{mediaType(o)}
	h["Content-Length"] = []string{strconv.Itoa(len(o.Data))}
	if rq.r.Method == http.MethodHead {
		rq.w.WriteHeader(http.StatusOK)
		return nil
	}
	// The client hanging up is no failure of ours.
	_, _ = rq.w.Write(o.Data)
	return nil
}

// conditional tells when a resource was modified, and answers if the conditions
// of a GET or HEAD are such that it is not sent. RFC 9110 §13.
func (rq *request) conditional(cond dav.Conditions, tag string, modified time.Time) bool {
	h := rq.w.Header()
	if !modified.IsZero() {
		h["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
	}
	if h["Cache-Control"] == nil {
		// Else a cache may guess by the date how long it stays fresh. RFC 9111 §4.2.2.
		h["Cache-Control"] = noCache
	}
	status := cond.Check(rq.r.Method, tag, true)
	if status == 0 {
		status = dav.CheckDates(rq.r.Header, modified)
	}
	if status != 0 {
		rq.w.WriteHeader(status)
	}
	return status != 0
}

var noSniff, noCache = []string{"nosniff"}, []string{"no-cache"}

// mediaType is the Content-Type of a GET: of calendar objects always
// iCalendar in UTF-8, whatever was said when it was stored.
func mediaType(o *calendar.Object) string {
	if !isFile(o) {
		return "text/calendar; charset=utf-8"
	}
	return contentType(o)
}
