package caldav

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// attachment answers GET and HEAD of a file that belongs to an event or task:
// the address that its ATTACH names. It needs a log-in and the right to read
// an object that has the file. RFC 8607 §3.
func (rq *request) attachment(rest string) error {
	owner, id, ok := strings.Cut(rest, "/")
	switch {
	case !ok || owner == "" || id == "" || strings.Contains(id, "/"):
		return &dav.Error{Status: http.StatusNotFound}
	case rq.r.Method == http.MethodOptions:
		return rq.options()
	case rq.r.Method != http.MethodGet && rq.r.Method != http.MethodHead:
		return errMethod
	}
	cond, err := dav.ParseConditions(rq.r.Header)
	if err != nil {
		return err
	}
	a, err := rq.be.Attachment(rq.ctx, rq.who, calendar.AttachmentRequest{Owner: calendar.Owner(rq.canonical(owner)), ID: id})
	if err != nil {
		return err
	}
	h := rq.w.Header()
	h.Set("Cache-Control", "private")
	h.Set("Etag", dav.ETag(a.ID))
	if rq.conditional(cond, a.ID, a.Modified) {
		return nil
	}
	h.Set("Content-Type", "application/octet-stream")
	if a.Type != "" && !strings.ContainsAny(a.Type, "\r\n") {
		h.Set("Content-Type", a.Type)
	}
	name := a.Name
	if name == "" {
		name = "attachment"
	}
	h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(name))
	// A file is whatever its sender says it is: no browser may run it.
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h["X-Content-Type-Options"] = noSniff
	h.Set("Content-Length", strconv.Itoa(len(a.Data)))
	rq.w.WriteHeader(http.StatusOK)
	if rq.r.Method == http.MethodGet {
		_, _ = rq.w.Write(a.Data) // the client hanging up is no failure of ours
	}
	return nil
}
