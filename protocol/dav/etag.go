package dav

import (
	"net/http"
	"slices"
	"strings"
)

// Tag is an entity tag without its quotes. RFC 9110 §8.8.3.
type Tag struct {
	Opaque string
	Weak   bool
}

// String returns the tag as headers and DAV:getetag have it.
func (t Tag) String() string {
	if t.Weak {
		return `W/"` + t.Opaque + `"`
	}
	return `"` + t.Opaque + `"`
}

// Is reports whether the tag is that of ours, or what a proxy made of it that
// changed the coding of the answer: W/"1" (nginx), "1-gzip" (Apache, Caddy),
// "1--gzip" (Jetty), "1;gzip".
//
// Deviation: RFC 9110 §13.1.1: weak tags match in If-Match too. All of ours are
// strong, so a proxy made them weak, and what it compressed is the same object.
func (t Tag) Is(opaque string) bool {
	return t.Opaque == opaque || uncoded(t.Opaque) == opaque
}

// Forms are the tags of ours that it may stand for.
func (t Tag) Forms() []string {
	if bare := uncoded(t.Opaque); bare != t.Opaque {
		return []string{t.Opaque, bare}
	}
	return []string{t.Opaque}
}

// codings are what proxies put behind a tag.
var codings = []string{"gzip", "br", "zstd", "deflate", "brotli", "compress", "gz", "df"}

// uncoded is a tag without its coding.
func uncoded(opaque string) string {
	for _, coding := range codings {
		if at := len(opaque) - len(coding); at > 1 && strings.EqualFold(opaque[at:], coding) {
			if bare := strings.TrimRight(opaque[:at], "-;:+._"); bare != "" && len(bare) < at && at-len(bare) <= 2 {
				return bare
			}
		}
	}
	return opaque
}

// ETag returns the strong entity tag of an opaque value, which must hold
// neither quotes nor blanks: `"opaque"`.
func ETag(opaque string) string { return `"` + opaque + `"` }

// AppendETag appends what ETag returns.
func AppendETag(dst []byte, opaque string) []byte {
	dst = append(dst, '"')
	dst = append(dst, opaque...)
	return append(dst, '"')
}

// ParseTag reads a single entity tag, as in If-Schedule-Tag-Match. A value
// without quotes is taken as it is, since some clients strip them. The second
// result is false for anything else.
func ParseTag(s string) (Tag, bool) {
	s = strings.TrimSpace(s)
	t, rest, ok := cutTag(s)
	return t, ok && rest == ""
}

// cutTag reads the tag at the start of s.
func cutTag(s string) (t Tag, rest string, ok bool) {
	if len(s) > 2 && (s[0] == 'W' || s[0] == 'w') && s[1] == '/' {
		t.Weak = true
		s = s[2:]
	}
	if !strings.HasPrefix(s, `"`) {
		n := strings.IndexAny(s, ", \t")
		if n < 0 {
			n = len(s)
		}
		t.Opaque, rest = s[:n], s[n:]
		return t, rest, validTag(t.Opaque) && t.Opaque != "" && t.Opaque != "*"
	}
	n := strings.IndexByte(s[1:], '"')
	if n < 0 {
		return t, "", false
	}
	t.Opaque, rest = s[1:1+n], s[n+2:]
	for _, coding := range codings { // old Apaches put it behind the quote
		if after, ok := strings.CutPrefix(rest, "-"+coding); ok {
			rest = after
		}
	}
	return t, rest, validTag(t.Opaque)
}

// validTag allows etagc, and blanks, which RFC 4918's own examples have.
func validTag(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == '"' || s[i] == 0x7F {
			return false
		}
	}
	return true
}

// Tags is the value of If-Match or If-None-Match. The zero value stands for a
// missing header.
type Tags struct {
	Any  bool // "*"
	List []Tag
}

// IsZero reports whether the header is missing.
func (t Tags) IsZero() bool { return !t.Any && len(t.List) == 0 }

// maxTags bounds the tags of a header.
const maxTags = 256

// ParseTags reads the values of an If-Match or If-None-Match header; 400 if
// they are malformed, 431 if there are too many. RFC 9110 §13.1.1.
func ParseTags(values []string) (Tags, error) {
	var t Tags
	for _, v := range values {
		rest := strings.Trim(v, ", \t")
		if rest == "*" && len(values) == 1 {
			t.Any = true
			continue
		}
		if rest == "" {
			return t, badRequest("an empty list of entity tags")
		}
		for rest != "" {
			tag, after, ok := cutTag(rest)
			trimmed := strings.TrimLeft(after, " \t")
			if !ok || trimmed != "" && trimmed[0] != ',' {
				return t, badRequest("a malformed list of entity tags")
			}
			if len(t.List) == maxTags {
				return t, tooMany("entity tags")
			}
			t.List = append(t.List, tag)
			rest = strings.TrimLeft(trimmed, ", \t")
		}
	}
	return t, nil
}

// Conditions are the conditional headers of a request, save If.
type Conditions struct {
	IfMatch     Tags
	IfNoneMatch Tags
	ScheduleTag string // If-Schedule-Tag-Match without quotes, RFC 6638 §8.3; "" for none
}

// ParseConditions reads them; 400 if one is malformed.
func ParseConditions(h http.Header) (c Conditions, err error) {
	if v := h["If-Match"]; len(v) > 0 {
		if c.IfMatch, err = ParseTags(v); err != nil {
			return c, err
		}
	}
	if v := h["If-None-Match"]; len(v) > 0 {
		if c.IfNoneMatch, err = ParseTags(v); err != nil {
			return c, err
		}
	}
	if v := h["If-Schedule-Tag-Match"]; len(v) > 0 {
		tag, ok := ParseTag(v[0])
		if !ok || len(v) > 1 {
			return c, badRequest("malformed If-Schedule-Tag-Match")
		}
		c.ScheduleTag = tag.Opaque
	}
	return c, nil
}

// Check evaluates If-Match and If-None-Match against the strong tag of the
// resource (opaque, without quotes); exists is false for an unmapped URL. It
// returns 0 to go on, 412, or 304 for GET and HEAD. RFC 9110 §13.2.2.
func (c Conditions) Check(method, opaque string, exists bool) int {
	if !c.IfMatch.IsZero() && !c.IfMatch.match(opaque, exists) {
		return http.StatusPreconditionFailed
	}
	if !c.IfNoneMatch.IsZero() && c.IfNoneMatch.match(opaque, exists) {
		if method == http.MethodGet || method == http.MethodHead {
			return http.StatusNotModified
		}
		return http.StatusPreconditionFailed
	}
	return 0
}

func (t Tags) match(opaque string, exists bool) bool {
	return exists && (t.Any || slices.ContainsFunc(t.List, func(tag Tag) bool { return tag.Is(opaque) }))
}
