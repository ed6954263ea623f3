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
// Besides the errors of Parse: 415 for a body that is not XML or a
// Content-Encoding, 413 before the body is read if Content-Length says so. It
// may be in UTF-16 too.
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
	text, err := inUTF8(body)
	if err == nil {
		err = checkXMLType(r.Header, text)
	}
	if err != nil {
		return nil, err
	}
	return Parse(text, lim)
}

// readBody reads at most limit bytes, and one more to see that there are too
// many.
func readBody(r *http.Request, limit int) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	first := 64 << 10
	if r.ContentLength < 0 {
		first = 2048
	}
	buf := make([]byte, 0, bodySize(r.ContentLength, limit, first))
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
			buf = append(make([]byte, 0, max(len(buf)+512, bodySize(r.ContentLength, limit, 4*len(buf)))), buf...)
		}
	}
}

// bodySize guesses the next size of the buffer: a length that is announced is
// trusted only so far, and further once that much has come. Growing by four
// costs a third more than the body, growing as append does four times as much.
func bodySize(length int64, limit, most int) int {
	if length < 0 {
		length = int64(most)
	}
	return int(min(length, int64(limit), int64(most))) + 512
}

// checkXMLType looks at Content-Type and Content-Encoding. RFC 4918 §8.2: both
// text/xml and application/xml; a request without a type is taken for XML, and
// so is what looks like it under a type that programs give to anything (curl:
// a form).
func checkXMLType(h http.Header, text string) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return &Error{Status: http.StatusUnsupportedMediaType, Text: "a content encoding is not accepted here"}
	}
	value := h.Get("Content-Type")
	if value == "" {
		return nil
	}
	kind, charset := mediaType(value)
	if kind != "text/xml" && kind != "application/xml" && !strings.HasSuffix(kind, "+xml") && !(vague(kind) && looksLikeXML(text)) {
		return &Error{Status: http.StatusUnsupportedMediaType, Text: "the body must be text/xml or application/xml"}
	}
	if charset != "" && !utf8Label(charset) && !utf16Label(charset) {
		return badEncoding(charset)
	}
	return nil
}

func vague(kind string) bool {
	return strings.HasPrefix(kind, "text/") || kind == "application/octet-stream" || kind == "application/x-www-form-urlencoded"
}

func looksLikeXML(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, "\uFEFF \t\r\n"), "<")
}

// IsCalendar reports whether a Content-Type names iCalendar: text/calendar with
// any component, method or charset. None at all counts too.
func IsCalendar(contentType string) bool {
	kind, _ := mediaType(contentType)
	return contentType == "" || kind == "text/calendar"
}

// IsUTF8 reports whether a Content-Type names no character set but UTF-8.
func IsUTF8(contentType string) bool {
	_, charset := mediaType(contentType)
	return charset == "" || utf8Label(charset)
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
