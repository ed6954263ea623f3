package dav

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"
)

// ReadXML reads and parses the body of a request. It returns nil without an
// error if the body is empty, which PROPFIND, MKCOL and MKCALENDAR allow.
// Besides the errors of Parse: 415 for a Content-Type that is not XML or a
// Content-Encoding, 413 before the body is read if Content-Length says so.
func ReadXML(r *http.Request, lim Limits) (*Node, error) {
	lim = lim.orDefault()
	if r.ContentLength > int64(lim.Bytes) {
		return nil, tooLarge("the document is too large")
	}
	body, err := readBody(r, lim.Bytes)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil, nil
	}
	if err := checkXMLType(r.Header); err != nil {
		return nil, err
	}
	return Parse(string(body), lim)
}

// readBody reads at most limit bytes, and one more to see that there are too
// many.
func readBody(r *http.Request, limit int) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	buf := make([]byte, 0, bodySize(r.ContentLength, limit))
	for {
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return nil, tooLarge("the document is too large")
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, badRequest("the request body could not be read")
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// bodySize guesses the first size of the buffer: a length that is announced
// is trusted only so far.
func bodySize(length int64, limit int) int {
	if length < 0 {
		length = 2048
	}
	return int(min(length, int64(limit), 64<<10)) + 512
}

// checkXMLType looks at Content-Type and Content-Encoding. RFC 4918 §8.2: both
// text/xml and application/xml; a request without a type is taken for XML.
func checkXMLType(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return &Error{Status: http.StatusUnsupportedMediaType, Text: "a content encoding is not accepted here"}
	}
	value := h.Get("Content-Type")
	if value == "" {
		return nil
	}
	kind, charset := mediaType(value)
	if kind != "text/xml" && kind != "application/xml" && !strings.HasSuffix(kind, "+xml") {
		return &Error{Status: http.StatusUnsupportedMediaType, Text: "the body must be text/xml or application/xml"}
	}
	if charset != "" && !utf8Label(charset) {
		return badEncoding(charset)
	}
	return nil
}

// IsCalendar reports whether a Content-Type names iCalendar in UTF-8:
// text/calendar with any component or method. None at all counts too.
func IsCalendar(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, charset := mediaType(contentType)
	return kind == "text/calendar" && (charset == "" || utf8Label(charset))
}

// mediaType takes a Content-Type apart. The usual spellings do not need the
// parser, and a malformed parameter does not hide the type.
func mediaType(value string) (kind, charset string) {
	kind, params, ok := strings.Cut(value, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if !ok {
		return kind, ""
	}
	if params = strings.TrimSpace(params); strings.EqualFold(params, "charset=utf-8") {
		return kind, "utf-8"
	}
	_, m, err := mime.ParseMediaType(value)
	if err != nil {
		return kind, ""
	}
	return kind, m["charset"]
}
