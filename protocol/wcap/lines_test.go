package wcap

import (
	"strings"
	"testing"
)

// The type that somebody gave his file stays in its line of the part's header.
func TestMediaTypeIsOneLine(t *testing.T) {
	for kind, want := range map[string]string{
		"text/plain":                        "text/plain",
		"text/plain; charset=UTF-8":         "text/plain; charset=UTF-8",
		"text/plain;\r\n\r\n<script> x=1":   "application/octet-stream",
		"text/plain;\r\n\r\nx=1":            "text/plain; x=1",
		"text/plain; name=\"a\r\n\r\nb\"":   "",
		"text/plain; name*=UTF-8''a%0d%0ab": "",
		"application/x\r\nSet-Cookie: a=b":  "application/octet-stream",
		"":                                  "application/octet-stream",
	} {
		got := mediaType(kind)
		if strings.ContainsAny(got, "\r\n") || want != "" && got != want {
			t.Errorf("%q: %q", kind, got)
		}
	}
}
