package dav

import (
	"errors"
	"net/http"
)

// WriteError answers with err: a DAV:error body (RFC 4918 §8.7) if there is a
// precondition or a text, else a bare status. An error that is no *Error
// becomes a 500 without a word about its cause.
func WriteError(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusInternalServerError}
	}
	w.Header().Del("ETag")
	if e.Condition.Name.Local == "" && e.Text == "" {
		// Never an empty DAV:error: Thunderbird takes it for a rate limit.
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(e.Status)
		return
	}
	mw := NewDocument(w, e.Status, D("error"))
	if e.Condition.Name.Local != "" {
		mw.buf = appendCondition(mw.buf, e.Condition)
	}
	if e.Text != "" {
		mw.Text(description, e.Text)
	}
	mw.Close()
}
