package dav

import (
	"net/http"
	"strconv"
)

// Response begins the response of a resource whose decoded path is the
// concatenation of parts. It ends the response before it.
func (mw *Writer) Response(parts ...string) {
	mw.begin()
	for _, p := range parts {
		mw.buf = AppendPath(mw.buf, p)
	}
	mw.buf = append(mw.buf, "</D:href>"...)
}

// ResponseEncoded is Response for an href that is percent-encoded already,
// such as one that a client sent.
func (mw *Writer) ResponseEncoded(href string) {
	mw.begin()
	mw.buf = AppendText(mw.buf, href)
	mw.buf = append(mw.buf, "</D:href>"...)
}

// Base sets the decoded path of a collection, with its final slash, for calls
// of Member.
func (mw *Writer) Base(parts ...string) {
	mw.member = append(mw.member[:0], "<D:response><D:href>"...)
	for _, p := range parts {
		mw.member = AppendPath(mw.member, p)
	}
}

// Member is Response for a member of the collection that Base named: the path
// of the collection is encoded once.
func (mw *Writer) Member(name string) {
	if mw.state != inDocument {
		mw.EndResponse()
	}
	buf := append(mw.buf, mw.member...)
	buf = AppendPath(buf, name)
	mw.buf = append(buf, "</D:href>"...)
	mw.state = inResponse
}

// MemberTag writes the whole response of a member that was asked for nothing
// but its DAV:getetag, which tag appends without quotes. It writes what Member, the property and EndResponse do;
// the first sync of a calendar is made of these.
func (mw *Writer) MemberTag(name string, tag interface{ AppendETag(dst []byte) []byte }) {
	if mw.state != inDocument {
		mw.EndResponse()
	}
	buf := append(mw.buf, mw.member...)
	buf = AppendPath(buf, name)
	buf = append(buf, `</D:href><D:propstat><D:prop><D:getetag>"`...)
	buf = tag.AppendETag(buf)
	mw.buf = append(buf, `"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`...)
	mw.room()
}

func (mw *Writer) begin() {
	if mw.state != inDocument {
		mw.EndResponse()
	}
	mw.buf = append(mw.buf, "<D:response><D:href>"...)
	mw.state = inResponse
}

// Propstat begins a group of properties that share a status. It ends the
// group before it. The first property of a response begins the group 200 by
// itself.
func (mw *Writer) Propstat(code int) {
	if mw.state == inPropstat {
		mw.endPropstat()
	}
	mw.buf = append(mw.buf, "<D:propstat><D:prop>"...)
	mw.state, mw.code = inPropstat, code
}

// Condition puts a precondition element beside the status of the open group.
func (mw *Writer) Condition(c Condition) { mw.pending = c }

func (mw *Writer) endPropstat() {
	mw.state = inResponse
	if mw.code == http.StatusOK && mw.pending.Name.Local == "" {
		mw.buf = append(mw.buf, "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"...)
		return
	}
	mw.buf = append(mw.buf, "</D:prop>"...)
	mw.buf = appendStatus(mw.buf, mw.code)
	mw.endCondition(mw.pending)
	mw.buf = append(mw.buf, "</D:propstat>"...)
	mw.pending = Condition{}
}

func (mw *Writer) endCondition(c Condition) {
	if c.Name.Local == "" {
		return
	}
	mw.buf = append(mw.buf, "<D:error>"...)
	mw.buf = appendCondition(mw.buf, c)
	mw.buf = append(mw.buf, "</D:error>"...)
}

// Miss notes a property that was asked for and cannot be given: 404, 403 or
// 401. The groups of these come after the group 200, when the response ends.
func (mw *Writer) Miss(code int, name Name) {
	if mw.minimal && code == http.StatusNotFound {
		return
	}
	mw.misses = append(mw.misses, miss{code, name})
}

// EndResponse ends the open response, if there is one, with the groups of
// what was missed. A response without any property gets an empty group 200.
func (mw *Writer) EndResponse() {
	if mw.state == inDocument {
		return
	}
	if mw.state == inPropstat && mw.code == http.StatusOK && len(mw.misses) == 0 && mw.pending.Name.Local == "" {
		mw.state = inDocument
		mw.buf = append(mw.buf, "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"...)
		mw.room()
		return
	}
	if mw.state == inResponse && len(mw.misses) == 0 {
		mw.Propstat(http.StatusOK)
	}
	if mw.state == inPropstat {
		mw.endPropstat()
	}
	if len(mw.misses) > 0 {
		mw.endMisses()
	}
	mw.buf = append(mw.buf, "</D:response>"...)
	mw.state = inDocument
	mw.room()
}

func (mw *Writer) endMisses() {
	for i := range mw.misses {
		code := mw.misses[i].code
		if code == 0 {
			continue // written with an earlier one
		}
		mw.Propstat(code)
		for j := i; j < len(mw.misses); j++ {
			if m := &mw.misses[j]; m.code == code {
				m.code = 0
				mw.Empty(m.name)
			}
		}
		mw.endPropstat()
	}
	mw.misses = mw.misses[:0]
}

// Status writes a whole response that has only a status, such as 404 for a
// removed member: RFC 6578 §3.5, RFC 4791 §7.9.
func (mw *Writer) Status(code int, parts ...string) {
	mw.Response(parts...)
	mw.endStatus(code, Condition{})
}

// StatusEncoded is StatusCondition for an href that is percent-encoded already.
func (mw *Writer) StatusEncoded(code int, c Condition, href string) {
	mw.ResponseEncoded(href)
	mw.endStatus(code, c)
}

// StatusCondition is Status with a precondition element, such as 507 with
// DAV:number-of-matches-within-limits.
func (mw *Writer) StatusCondition(code int, c Condition, parts ...string) {
	mw.Response(parts...)
	mw.endStatus(code, c)
}

func (mw *Writer) endStatus(code int, c Condition) {
	mw.buf = appendStatus(mw.buf, code)
	mw.endCondition(c)
	mw.buf = append(mw.buf, "</D:response>"...)
	mw.state = inDocument
	mw.room()
}

// SyncToken writes the DAV:sync-token of the whole answer, RFC 6578 §6.4.
func (mw *Writer) SyncToken(token string) {
	mw.EndResponse()
	mw.buf = append(mw.buf, "<D:sync-token>"...)
	mw.buf = AppendText(mw.buf, token)
	mw.buf = append(mw.buf, "</D:sync-token>"...)
}

// Description writes a DAV:responsedescription for the whole answer.
func (mw *Writer) Description(text string) {
	mw.EndResponse()
	mw.buf = append(mw.buf, "<D:responsedescription>"...)
	mw.buf = AppendText(mw.buf, text)
	mw.buf = append(mw.buf, "</D:responsedescription>"...)
}

// appendStatus appends the status element. Clients need the whole line,
// version and reason included.
func appendStatus(dst []byte, code int) []byte {
	if code == http.StatusNotFound {
		return append(dst, "<D:status>HTTP/1.1 404 Not Found</D:status>"...)
	}
	dst = append(dst, "<D:status>HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, ' ')
	if text := http.StatusText(code); text != "" {
		dst = append(dst, text...)
	} else {
		dst = append(dst, "Status"...)
	}
	return append(dst, "</D:status>"...)
}
