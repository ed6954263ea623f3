package dav

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestRFC4918_8_3_Href(t *testing.T) {
	for href, want := range map[string]string{
		"/":                                  "/",
		"/a/b.ics":                           "/a/b.ics",
		"/a/":                                "/a/",
		" \n/a/ \n":                          "/a/",
		"/a%40b@c/d%20e+f.ics":               "/a@b@c/d e+f.ics",
		"/%c3%a4/%C3%A4/ä b":                 "/ä/ä/ä b",
		"/a..b/.c/...":                       "/a..b/.c/...",
		"/%25%32%66":                         "/%2f", // decoded once
		"http://Example.com/a":               "/a",
		"HTTPS://example.com:443/a":          "/a",
		"http://example.com:80/a%5C":         "/a\\",
		"https://example.com":                "/",
		"http://example.com:8080/a":          "/a", // the Host has no port: see sameHost
		"http://example.org/a":               "foreign",
		"http:///a":                          "foreign",
		"http://u@example.com/a":             "/a",
		"http://example.com@evil.com/a":      "foreign",
		"http://example.com@example.org/":    "foreign",
		"":                                   "bad",
		"a.ics":                              "bad",
		"./a":                                "bad",
		"//example.com/a":                    "bad",
		"/a//b":                              "/a/b",
		"/a//":                               "/a/",
		"/a///b%2520//":                      "/a/b%20/",
		"http://example.com//a//b":           "/a/b",
		"http://example.com//":               "/",
		"/a//%2Fb":                           "bad",
		"/a//../b":                           "bad",
		"/a/../b":                            "bad",
		"/a/./b":                             "bad",
		"/..":                                "bad",
		"/a/%2e%2e/b":                        "bad",
		"/a/%2E./b":                          "bad",
		"/a/%2e":                             "bad",
		"/a%2fb":                             "bad",
		"/a%2Fb":                             "bad",
		"/a%00b":                             "bad",
		"/a%0d%0aSet-Cookie:x":               "bad",
		"/a\nb":                              "bad",
		"/a%7fb":                             "bad",
		"/a%":                                "bad",
		"/a%2":                               "bad",
		"/a%zz":                              "bad",
		"/a%ff":                              "bad",
		"/a%c0%af":                           "bad",
		"/a%ed%a0%80":                        "bad",
		"/a?b":                               "bad",
		"/a#b":                               "bad",
		"http://example.com?x":               "bad",
		"urn:uuid:1":                         "bad",
		"mailto:anna@example.com":            "bad",
		"file://example.com/a":               "bad",
		"http://example.com/a/%2e%2e/secret": "bad",
	} {
		got, err := DecodeHref(href, "example.com")
		var e *Error
		switch {
		case errors.Is(err, ErrForeign):
			got = "foreign"
		case errors.As(err, &e) && e.Status == 400 && got == "":
			got = "bad"
		case err != nil:
			t.Errorf("%q: %q with %v", href, got, err)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", href, got, want)
		}
	}
	for _, c := range []struct {
		authority string
		ours      []string
		is        bool
	}{
		{"[::1]:8080", []string{"[::1]:8080"}, true},
		{"[::1]", []string{"[::1]:443"}, true},
		{"[::1]", []string{"[::1]"}, true},
		{"[::1]:8080", []string{"[::1]"}, true},
		{"[::1]", []string{"[::2]"}, false},
		{"a.example", []string{"a.example:8080"}, true},
		{"a.example:443", []string{"a.example:8080"}, true},
		{"a.example:8080", []string{"a.example"}, true},
		{"a.example:8080", []string{"a.example:8008"}, false},
		{"A.Example.:80", []string{"a.example"}, true},
		{"public.example", []string{"public.example", "127.0.0.1:8008"}, true},
		{"127.0.0.1:8008", []string{"public.example", "127.0.0.1:8008"}, true},
		{"evil.example", []string{"public.example", "127.0.0.1:8008"}, false},
		{"public.example.evil", []string{"public.example"}, false},
		{"a.example", nil, false},
		{"", []string{""}, false},
		{":80", []string{""}, false},
	} {
		if _, err := DecodeHref("https://"+c.authority+"/", c.ours...); (err == nil) != c.is {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestEncodePath(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b.ics":          "/a/b.ics",
		"/a@b/~c_d-e.f":     "/a@b/~c_d-e.f",
		"/a b&c'd%e":        "/a%20b%26c%27d%25e",
		"/ä/\x00\"<>?#[]+:": "/%C3%A4/%00%22%3C%3E%3F%23%5B%5D%2B%3A",
	} {
		if got := EncodePath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// Every byte at every place of the eight that are looked at together.
func TestEncodePath_EveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("a", at) + string([]byte{byte(c)}) + strings.Repeat("b", 20-at)
			want := s
			if !strings.ContainsRune("-._~@/", rune(c)) && !(c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)))) {
				want = fmt.Sprintf("%s%%%02X%s", s[:at], c, s[at+1:])
			}
			if got := EncodePath(s); got != want {
				t.Fatalf("%q: %q, want %q", s, got, want)
			}
		}
	}
}

func TestRequestPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/a%20b/ä": "/a b/ä", "/a%2Fb": "", "/a/%2e%2e/b": "", "/a/../b": "", "/%00": "", "*": "",
	} {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := RequestPath(u); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", raw, got, err, want)
		}
	}
}

// FuzzHref: what is accepted stays in the tree, and its encoding decodes to
// the same.
func FuzzHref(f *testing.F) {
	for _, s := range []string{"/a/b.ics", "/%2e%2e/", "http://example.com/a%20b", "/a%2fb", "//x", "/ä%c3%a4", "https://example.com:443"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, href string) {
		if u, err := url.ParseRequestURI(href); err == nil {
			got, err := RequestPath(u)
			want, wantErr := DecodePath(u.EscapedPath())
			if got != want || (err == nil) != (wantErr == nil) {
				t.Fatalf("%q as a request: %q, %v; decoded %q, %v", href, got, err, want, wantErr)
			}
		}
		path, err := DecodeHref(href, "example.com")
		if err != nil {
			if path != "" {
				t.Fatalf("%q with %v", path, err)
			}
			return
		}
		if path[0] != '/' || !utf8.ValidString(path) || strings.ContainsAny(path, "\x00\r\n") {
			t.Fatalf("%q gives %q", href, path)
		}
		for i, seg := range strings.Split(path[1:], "/") {
			if seg == "." || seg == ".." || seg == "" && i < strings.Count(path, "/")-1 {
				t.Fatalf("%q gives %q", href, path)
			}
		}
		enc := EncodePath(path)
		again, err := DecodeHref(enc, "")
		if err != nil || again != path {
			t.Fatalf("%q, encoded %q, gives %q, %v", path, enc, again, err)
		}
		if u, err := url.Parse(enc); err != nil || u.Path != path {
			t.Fatalf("net/url reads %q as %v, %v", enc, u, err)
		}
	})
}
