package dav

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// coded marks the bytes of a path that are percent-encoded: all but the
// unreserved ones, "@" and "/". "&" and "'" too, since some clients copy hrefs
// into XML unescaped. RFC 3986 §3.3.
var coded = func() (t [256]bool) {
	for c := range t {
		t[c] = true
	}
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@/" {
		t[c] = false
	}
	return t
}()

// nextCoded returns the first place from i on that needs encoding, len(s) if
// there is none.
func nextCoded(s string, i int) int {
	for i < len(s) && !coded[s[i]] {
		i++
	}
	return i
}

// Plain reports whether the name of a resource stands in a path as it is: it
// is one segment, and nothing in it needs encoding.
func Plain(name string) bool {
	return name != "" && name != "." && name != ".." && nextCoded(name, 0) == len(name) && strings.IndexByte(name, '/') < 0
}

const upperHex = "0123456789ABCDEF"

// AppendPath appends a decoded path in percent-encoding; it needs no further
// escaping in XML or in a header.
func AppendPath(dst []byte, path string) []byte {
	done := 0
	for i := nextCoded(path, 0); i < len(path); i = nextCoded(path, i+1) {
		dst = append(dst, path[done:i]...)
		dst = append(dst, '%', upperHex[path[i]>>4], upperHex[path[i]&15])
		done = i + 1
	}
	return append(dst, path[done:]...)
}

// EncodePath returns a decoded path in percent-encoding.
func EncodePath(path string) string {
	if nextCoded(path, 0) == len(path) {
		return path
	}
	return string(AppendPath(nil, path))
}

// AppendHref appends a DAV:href element for a decoded path given in parts.
func AppendHref(dst []byte, parts ...string) []byte {
	dst = append(dst, "<D:href>"...)
	for _, p := range parts {
		dst = AppendPath(dst, p)
	}
	return append(dst, "</D:href>"...)
}

// DecodePath decodes a percent-encoded absolute path. Bytes that need
// encoding but came without are taken as they are, as Apple sends them. It
// refuses with 400 what could name two things or leave the tree: an encoded
// slash, the segments "." and ".." in any spelling, control characters, invalid
// UTF-8, malformed escapes. Several slashes are one.
func DecodePath(escaped string) (string, error) {
	if escaped == "" || escaped[0] != '/' {
		return "", badRequest("the path is not absolute")
	}
	path := oneSlash(escaped)
	escaped = path
	if strings.IndexByte(path, '%') >= 0 {
		buf := make([]byte, 0, len(path))
		for i := 0; i < len(path); i++ {
			c := path[i]
			if c == '%' {
				if i+2 >= len(path) || unhex(path[i+1]) < 0 || unhex(path[i+2]) < 0 {
					return "", badRequest("malformed percent-encoding in a path")
				}
				c = byte(unhex(path[i+1])<<4 | unhex(path[i+2]))
				if c == '/' {
					return "", badRequest("encoded slash in a path")
				}
				i += 2
			}
			buf = append(buf, c)
		}
		path = string(buf)
	}
	if err := checkPath(path); err != nil {
		return "", err
	}
	return path, nil
}

// oneSlash takes several slashes in a row for one, as programs mean them that
// put paths together.
func oneSlash(path string) string {
	i := strings.Index(path, "//")
	if i < 0 {
		return path
	}
	b := append(make([]byte, 0, len(path)), path[:i+1]...)
	for i++; i < len(path); i++ {
		if path[i] != '/' || path[i-1] != '/' {
			b = append(b, path[i])
		}
	}
	return string(b)
}

// checkPath looks at a decoded path.
func checkPath(path string) error {
	start := 1 // of the segment
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			if c := path[i]; c < 0x20 || c == 0x7F {
				return badRequest("control character in a path")
			}
			continue
		}
		seg := path[start:i]
		if seg == "." || seg == ".." {
			return badRequest("relative segment in a path")
		}
		start = i + 1
	}
	if !utf8.ValidString(path) {
		return badRequest("invalid UTF-8 in a path")
	}
	return nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// ErrForeign answers an href that names another server: 502, as RFC 4918
// §9.8.5 has it for Destination.
var ErrForeign = &Error{Status: http.StatusBadGateway, Text: "the address names another server"}

// DecodeHref decodes an href or a header's Simple-ref (RFC 4918 §8.3): an
// absolute path, or an http or https URI whose host is one of ours (the Host
// header of the request, and what else the server is called; see sameHost).
// Another host gives ErrForeign; a query, a fragment or a relative reference
// 400.
func DecodeHref(href string, ours ...string) (string, error) {
	href = strings.Trim(href, " \t\r\n")
	if strings.HasPrefix(href, "//") {
		return "", badRequest("relative reference")
	}
	if !strings.HasPrefix(href, "/") {
		scheme, rest, ok := strings.Cut(href, "://")
		if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return "", badRequest("neither an absolute path nor an http address")
		}
		authority := rest
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			authority = rest[:i]
		}
		if href = rest[len(authority):]; href == "" {
			href = "/"
		}
		if !slices.ContainsFunc(ours, func(host string) bool { return sameHost(authority, host) }) {
			return "", ErrForeign
		}
	}
	if strings.ContainsAny(href, "?#") {
		return "", badRequest("a query or fragment in an address")
	}
	return DecodePath(href)
}

// sameHost compares an authority with one of ours. The scheme is left out of it,
// and the port where either has none: behind a proxy that ends TLS we do not
// know our own, and proxies pass on a Host without the port.
func sameHost(authority, ours string) bool {
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	a, port := splitHost(authority)
	b, own := splitHost(ours)
	return a != "" && strings.EqualFold(a, b) && (port == own || port == "" || own == "")
}

// splitHost splits an authority; the default ports count as none.
func splitHost(s string) (host, port string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ""
	}
	if port == "80" || port == "443" {
		port = ""
	}
	return strings.TrimSuffix(host, "."), port
}

// RequestPath returns the decoded path of the request, under the rules of
// DecodePath.
func RequestPath(u *url.URL) (string, error) {
	if u.RawPath == "" && strings.HasPrefix(u.Path, "/") {
		// The path came in its usual encoding, which has no encoded slashes.
		path := oneSlash(u.Path)
		if err := checkPath(path); err != nil {
			return "", err
		}
		return path, nil
	}
	return DecodePath(u.EscapedPath())
}
