package caldav

import (
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// copyMove answers COPY and MOVE. RFC 4918 §9.8, §9.9.
func (rq *request) copyMove() error {
	move := rq.r.Method == "MOVE"
	depth, err := dav.ParseDepth(rq.r.Header, dav.DepthInfinity)
	if err != nil {
		return err
	}
	overwrite, err := dav.ParseOverwrite(rq.r.Header)
	if err != nil {
		return err
	}
	path, err := dav.ParseDestination(rq.r, rq.hosts...)
	if err != nil {
		return err
	}
	to, err := rq.locate(path)
	switch {
	case err != nil:
		return &dav.Error{Status: http.StatusForbidden, Text: "nothing can be put there"}
	case rq.at.place != atObject && rq.at.place != atCollection:
		return errMethod
	case to.place != atObject && to.place != atCollection:
		return &dav.Error{Status: http.StatusForbidden, Text: "nothing can be put there"}
	case rq.carriesShare(to, move):
		return errShare
	case depth == dav.Depth1, move && rq.at.place == atCollection && depth != dav.DepthInfinity:
		return &dav.Error{Status: http.StatusBadRequest, Text: "this Depth has no meaning here"}
	}
	cond, err := rq.precond()
	if err != nil {
		return err
	}
	req := calendar.CopyRequest{Move: move, Overwrite: overwrite, Shallow: depth == dav.Depth0, Precond: cond}
	if rq.at.place == atCollection {
		return rq.copyCollection(to, req)
	}
	return rq.copyObject(to, req)
}

func (rq *request) copyCollection(to target, req calendar.CopyRequest) error {
	if to.place == atObject {
		to = to.asCollection()
	}
	switch {
	case to.name == rq.at.name && to.user == rq.at.user:
		return &dav.Error{Status: http.StatusForbidden, Text: "source and destination are the same"} // RFC 4918 §9.8.5
	case strings.HasPrefix(to.name, rq.at.name+"/") && to.user == rq.at.user:
		return &dav.Error{Status: http.StatusForbidden, Text: "the destination is inside the source"}
	}
	req.From, req.To = calendar.Ref{Calendar: rq.at.id()}, calendar.Ref{Calendar: to.id()}
	res, err := rq.be.CopyCalendar(rq.ctx, rq.who, req)
	if err != nil {
		return err
	}
	return rq.copied(res.Replaced, to)
}

func (rq *request) copyObject(to target, req calendar.CopyRequest) error {
	if to.place == atCollection {
		// A collection at the destination is replaced: RFC 4918 §9.8.4.
		i := strings.LastIndexByte(to.name, '/')
		if i < 0 {
			return &dav.Error{Status: http.StatusForbidden, Text: "a home holds collections only"}
		}
		to.place, to.name, to.object = atObject, to.name[:i], to.name[i+1:]
		to.path = objectPath(to.ref())
	}
	if to.ref() == rq.at.ref() {
		return &dav.Error{Status: http.StatusForbidden, Text: "source and destination are the same"}
	}
	req.From, req.To = rq.at.ref(), to.ref()
	res, err := rq.be.CopyObject(rq.ctx, rq.who, req)
	if err != nil {
		return err
	}
	if res.Object.Change != 0 {
		rq.w.Header().Set("ETag", dav.ETag(res.Object.ETag()))
		setScheduleTag(rq.w.Header(), &res.Object)
	}
	return rq.copied(res.Replaced, to)
}

func (rq *request) copied(replaced bool, to target) error {
	h := rq.w.Header()
	if !replaced {
		h.Set("Location", dav.EncodePath(to.path))
	}
	if to.place == atObject && rq.wantsObject() { // RFC 8144 §3.1
		if o, err := rq.be.Object(rq.ctx, rq.who, to.ref()); err == nil {
			status := http.StatusCreated
			if replaced {
				status = http.StatusOK
			}
			h.Set("ETag", dav.ETag(o.ETag()))
			rq.represent(status, o, o.Data)
			return nil
		}
	}
	if replaced {
		rq.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h["Content-Length"] = zeroLength
	rq.w.WriteHeader(http.StatusCreated)
	return nil
}
