package caldav

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// put answers PUT. RFC 4791 §5.3.2.
//
// Deviation: RFC 4791 §5.3.2.1: the text says whether it is iCalendar, whatever
// Content-Type it came with: simple clients (cadaver) send any.
func (rq *request) put() error {
	switch {
	case rq.at.place == atCollection && rq.at.slash && strings.Contains(rq.at.name, "/"):
		// RFC 4918 §9.7.1: without a parent 409, on a collection 405.
		if _, err := rq.be.Calendar(rq.ctx, rq.who, rq.at.parent().id()); err != nil && notThere(err) {
			return &dav.Error{Status: http.StatusConflict}
		}
		return errMethod
	case rq.at.place != atObject:
		return errMethod
	}
	cond, err := rq.precond()
	if err != nil {
		return err
	}
	body, err := rq.content()
	if err != nil {
		return err
	}
	res, err := rq.be.PutObject(rq.ctx, rq.who, calendar.PutRequest{
		Ref: rq.at.ref(), Data: body, ContentType: rq.r.Header.Get("Content-Type"), Precond: cond,
		NoReply: dav.NoReply(rq.r.Header),
	})
	if err != nil {
		return rq.putFailed(err)
	}
	status := http.StatusNoContent
	if res.Created {
		status = http.StatusCreated
	}
	return rq.stored(status, body, &res)
}

// putFailed settles what depends on the method: a missing parent is 409, and
// where a collection stands nothing can be put.
func (rq *request) putFailed(err error) error {
	switch {
	case errors.Is(err, calendar.NoCalendar):
		return &dav.Error{Status: http.StatusConflict, Text: "the collection does not exist"}
	case errors.Is(err, calendar.Exists):
		return errMethod
	case errors.Is(err, calendar.Stale):
		// The present tag spares clients a look. The refusal itself stands,
		// whatever comes of the look.
		if o, e := rq.be.Object(rq.ctx, rq.who, rq.at.ref()); e == nil {
			rq.w.Header().Set("ETag", dav.ETag(o.ETag()))
			setScheduleTag(rq.w.Header(), o)
			if rq.wantsObject() { // RFC 8144 §3.2
				rq.represent(http.StatusPreconditionFailed, o, o.Data)
				return nil
			}
			rq.w.WriteHeader(http.StatusPreconditionFailed)
			return nil
		}
	}
	return err
}

// stored answers a write. The ETag goes out only if what is stored is what
// was sent: otherwise clients must fetch it. clients.md rule 16. The Schedule-Tag
// goes out in any case: RFC 4791 §5.3.4, RFC 6638 §3.2.10.
func (rq *request) stored(status int, sent []byte, res *calendar.PutResult) error {
	h, o := rq.w.Header(), &res.Object
	same := !res.Altered && o.Size == len(sent) && dav.IsUTF8(rq.r.Header.Get("Content-Type"))
	if same {
		h["Etag"] = []string{dav.ETag(o.ETag())}
	}
	setScheduleTag(h, o)
	if !rq.wantsObject() {
		h["Content-Length"] = zeroLength
		rq.w.WriteHeader(status)
		return nil
	}
	// RFC 7240 §4.2, RFC 8144 §3.1: the answer holds what is stored now.
	if !same {
		now, err := rq.be.Object(rq.ctx, rq.who, calendar.Ref{Calendar: rq.at.id(), Name: o.Name})
		if err != nil {
			rq.w.WriteHeader(status)
			return nil
		}
		o, sent = now, now.Data
		h["Etag"] = []string{dav.ETag(o.ETag())}
		setScheduleTag(h, o)
	}
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	rq.represent(status, o, sent)
	return nil
}

// setScheduleTag tells the tag of an object, which only scheduling objects
// have. RFC 6638 §§3.2.10, 8.2.
func setScheduleTag(h http.Header, o *calendar.Object) {
	if o.ScheduleTag != 0 {
		h.Set("Schedule-Tag", dav.ETag(o.ScheduleTagValue()))
	}
}

// wantsObject tells whether the client asks for the object in the answer.
func (rq *request) wantsObject() bool {
	return rq.r.Header["Prefer"] != nil && dav.ParsePrefer(rq.r.Header).Representation
}

// represent answers with an object's text. The ETag is set already.
func (rq *request) represent(status int, o *calendar.Object, text []byte) {
	h := rq.w.Header()
	h.Set("Preference-Applied", "return=representation")
	h.Set("Content-Location", dav.EncodePath(rq.pathOf(o.Calendar)+o.Name))
	h.Set("Content-Type", mediaType(o))
	h["X-Content-Type-Options"] = noSniff
	h.Set("Content-Length", strconv.Itoa(len(text)))
	rq.w.WriteHeader(status)
	_, _ = rq.w.Write(text)
}

var zeroLength = []string{"0"}

// content reads the body of a PUT or POST.
func (rq *request) content() ([]byte, error) {
	h := rq.r.Header
	if h.Get("Content-Range") != "" {
		return nil, &dav.Error{Status: http.StatusBadRequest, Text: "Content-Range is not allowed in PUT"} // RFC 9110 §14.5
	}
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, &dav.Error{Status: http.StatusUnsupportedMediaType, Text: "a content encoding is not accepted here"}
	}
	limit := rq.limits.ResourceSize
	if rq.r.ContentLength > limit {
		return nil, rq.bodyTooLarge()
	}
	size := rq.r.ContentLength
	if size < 0 {
		size = 4 << 10
	}
	// One more byte than announced, to see the end without growing; and no
	// large buffer on a mere promise.
	buf := make([]byte, 0, min(size, 64<<10)+1)
	for {
		n, err := rq.r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, rq.bodyTooLarge()
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, &dav.Error{Status: http.StatusBadRequest, Text: "the request body could not be read"}
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// bodyTooLarge refuses without reading on. RFC 4791 §5.3.2.1.
func (rq *request) bodyTooLarge() error {
	rq.w.Header().Set("Connection", "close")
	return dav.NewError(http.StatusForbidden, dav.C("max-resource-size"), "larger than "+strconv.FormatInt(rq.limits.ResourceSize, 10)+" octets")
}
