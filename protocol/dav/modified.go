package dav

import (
	"net/http"
	"time"
)

// CheckDates evaluates If-Unmodified-Since and If-Modified-Since of a GET or
// HEAD, after Conditions.Check: entity tags say more, and then dates do not
// count. It returns 0 to go on, 412 or 304. RFC 9110 §13.2.2.
func CheckDates(h http.Header, modified time.Time) int {
	if modified.IsZero() {
		return 0
	}
	modified = modified.Truncate(time.Second) // Last-Modified has no more
	// An invalid date is ignored: RFC 9110 §§13.1.3, 13.1.4.
	since := func(name, tags string) (time.Time, bool) {
		if h[tags] != nil || h[name] == nil {
			return time.Time{}, false
		}
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	if t, ok := since("If-Unmodified-Since", "If-Match"); ok && modified.After(t) {
		return http.StatusPreconditionFailed
	}
	if t, ok := since("If-Modified-Since", "If-None-Match"); ok && !modified.After(t) {
		return http.StatusNotModified
	}
	return 0
}
