package caldav

import (
	"net/http"

	"factotum/protocol/dav"
)

var errReport = dav.NewError(http.StatusForbidden, dav.D("supported-report"), "this report is not offered here")

// report answers REPORT, RFC 3253 §3.6.
//
// Deviation: RFC 3253 §3.6: the Depth header is no guide to calendar reports.
// Clients send what they like, and every report says itself what it is about.
func (rq *request) report() error {
	root, err := rq.xmlBody()
	if err != nil {
		return err
	}
	if root == nil {
		return &dav.Error{Status: http.StatusBadRequest, Text: "a report needs a body"}
	}
	if err := rq.checkDepth(root.Name); err != nil {
		return err
	}
	inHome := rq.at.place == atHome || rq.at.place == atCollection
	switch root.Name {
	case dav.C("calendar-query"):
		if inHome || rq.at.place == atObject {
			return rq.calendarQuery(root)
		}
	case dav.C("calendar-multiget"):
		if inHome || rq.at.place == atObject {
			return rq.multiget(root)
		}
	case dav.C("free-busy-query"):
		if inHome {
			return rq.freeBusy(root)
		}
	case dav.D("sync-collection"):
		if inHome {
			return rq.sync(root)
		}
		if rq.at.place == atNotifications {
			return rq.syncNotes(root)
		}
	case dav.D("expand-property"):
		return rq.expandProperty(root)
	case dav.D("principal-property-search"):
		return rq.searchPrincipals(root)
	case dav.CS("calendarserver-principal-search"):
		return rq.searchAttendees(root)
	case dav.D("principal-search-property-set"):
		if rq.at.place < atHome {
			return rq.searchableProperties()
		}
	case dav.D("principal-match"):
		return rq.matchPrincipals(root)
	case dav.D("acl-principal-prop-set"):
		return rq.aclPrincipals(root)
	}
	return errReport
}

// checkDepth refuses a Depth with which a report is not defined: those on
// principals and their properties know 0 alone. RFC 3744 §§9.2–9.5.
//
// Deviation: RFC 3744 §9.4: a principal-property-search may say 1, as
// Thunderbird does, since it always means all principals.
func (rq *request) checkDepth(report dav.Name) error {
	depth, err := dav.ParseDepth(rq.r.Header, dav.Depth0)
	if err != nil || depth == dav.Depth0 {
		return err
	}
	switch report {
	case dav.D("principal-property-search"), dav.CS("calendarserver-principal-search"):
		if depth == dav.Depth1 {
			return nil
		}
	case dav.D("acl-principal-prop-set"), dav.D("principal-match"), dav.D("principal-search-property-set"), dav.D("expand-property"):
	default:
		return nil
	}
	return &dav.Error{Status: http.StatusBadRequest, Text: "this report is not defined with that Depth"}
}

// answer begins the multistatus of a report.
func (rq *request) answer() *dav.Writer {
	prefer := dav.ParsePrefer(rq.r.Header)
	prefer.Representation, prefer.NoRoot = false, false
	prefer.Apply(rq.w.Header())
	mw := dav.NewMultistatus(rq.w)
	mw.SetMinimal(prefer.Minimal)
	return mw
}

// limitOf reads the largest number of results a client wants: DAV:limit (RFC
// 5323 §5.17, RFC 6578 §6.5) or the same in the report's own namespace. 0 is
// no limit.
func limitOf(report *dav.Node) (int, error) {
	for _, space := range []string{dav.NSDAV, dav.NSCalDAV, dav.NSCalendarServer} {
		n := report.Child(dav.Name{Space: space, Local: "limit"}).Child(dav.Name{Space: space, Local: "nresults"})
		if n == nil {
			continue
		}
		v, ok := number31(n.TrimText())
		if !ok || v == 0 {
			return 0, &dav.Error{Status: http.StatusBadRequest, Text: "nresults is not a positive number"}
		}
		return v, nil
	}
	return 0, nil
}

// number31 reads decimal digits; what is too large for an int32 is the
// largest one.
func number31(s string) (int, bool) {
	if s == "" {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n < 1<<31-1 {
			n = min(n*10+int(s[i]-'0'), 1<<31-1)
		}
	}
	return n, true
}

// cut is the response that tells of results left out. RFC 6578 §3.6, RFC
// 4791 §7.8.
func (rq *request) cut(mw *dav.Writer) {
	mw.StatusCondition(http.StatusInsufficientStorage, dav.Condition{Name: dav.D("number-of-matches-within-limits")}, rq.at.path)
}
