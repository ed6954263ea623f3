package caldav

import "net/http"

// allow lists the methods of a place, for OPTIONS and 405.
func allow(p place) string {
	switch p {
	case atPrincipal, atProxies:
		return "OPTIONS, PROPFIND, PROPPATCH, REPORT"
	case atHome:
		return "OPTIONS, PROPFIND, PROPPATCH, REPORT, POST, MKCALENDAR, MKCOL"
	case atNotification:
		return "OPTIONS, GET, HEAD, DELETE, PROPFIND, REPORT"
	case atCollection:
		return "OPTIONS, GET, HEAD, POST, DELETE, PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL, COPY, MOVE, ACL"
	case atObject:
		return "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, REPORT, COPY, MOVE"
	}
	return "OPTIONS, PROPFIND, REPORT"
}

// options answers OPTIONS on every path of the tree, whether there is a
// resource or not: clients look for the tokens of DAV and for Allow.
func (rq *request) options() error {
	h := rq.w.Header()
	h.Set("Allow", allow(rq.at.place))
	h.Set("Content-Length", "0")
	rq.w.WriteHeader(http.StatusOK)
	return nil
}
