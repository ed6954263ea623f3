package dav

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	if err != nil {
		return -1
	}
	return 0
}

func TestRFC4918_10_2_Depth(t *testing.T) {
	for _, tc := range []struct {
		values []string
		want   Depth
		code   int
	}{
		{nil, Depth1, 0}, {[]string{"0"}, Depth0, 0}, {[]string{" 1 "}, Depth1, 0},
		{[]string{"infinity"}, DepthInfinity, 0}, {[]string{"Infinity"}, DepthInfinity, 0},
		{[]string{"2"}, 0, 400}, {[]string{""}, 0, 400}, {[]string{"-1"}, 0, 400}, {[]string{"0, 1"}, 0, 400},
		{[]string{"0", "0"}, 0, 400}, {[]string{"1,noroot"}, 0, 400},
	} {
		got, err := ParseDepth(http.Header{"Depth": tc.values}, Depth1)
		if status(err) != tc.code || err == nil && got != tc.want {
			t.Errorf("%q: %v, %v", tc.values, got, err)
		}
	}
	if s := Depth0.String() + Depth1.String() + DepthInfinity.String(); s != "01infinity" {
		t.Error(s)
	}
}

func TestRFC4918_10_6_Overwrite(t *testing.T) {
	for v, want := range map[string]struct {
		on   bool
		code int
	}{"": {true, 0}, "T": {true, 0}, "F": {false, 0}, "f": {false, 0}, "X": {true, 400}, "TF": {true, 400}} {
		got, err := ParseOverwrite(http.Header{"Overwrite": {v}})
		if got != want.on || status(err) != want.code {
			t.Errorf("%q: %v, %v", v, got, err)
		}
	}
}

func TestRFC4918_10_3_Destination(t *testing.T) {
	for v, want := range map[string]struct {
		path string
		code int
	}{
		"":                           {"", 400},
		"/a/b%20c":                   {"/a/b c", 0},
		"https://cal.example.com/a/": {"/a/", 0},
		"http://other.example.com/a": {"", 502},
		"/a/%2e%2e/b":                {"", 400},
		"b":                          {"", 400},
	} {
		r := httptest.NewRequest("MOVE", "http://cal.example.com/x", nil)
		if v != "" {
			r.Header.Set("Destination", v)
		}
		got, err := ParseDestination(r)
		if got != want.path || status(err) != want.code {
			t.Errorf("%q: %q, %v", v, got, err)
		}
	}
	r := httptest.NewRequest("MOVE", "/x", nil)
	r.Header["Destination"] = []string{"/a", "/b"}
	if _, err := ParseDestination(r); status(err) != 400 {
		t.Errorf("two destinations: %v", err)
	}
}

func TestRFC7240_Prefer(t *testing.T) {
	for _, tc := range []struct {
		prefer []string
		brief  string
		want   Preferences
	}{
		{nil, "", Preferences{}},
		{[]string{"return=minimal"}, "", Preferences{Minimal: true}},
		{[]string{"return-minimal"}, "", Preferences{Minimal: true}},
		{[]string{`Return = "Representation"; foo=bar`}, "", Preferences{Representation: true}},
		{[]string{"depth-noroot, return=minimal"}, "", Preferences{Minimal: true, NoRoot: true}},
		{[]string{"wait=10", "depth-noroot"}, "", Preferences{NoRoot: true}},
		{[]string{"return=minimal, return=representation"}, "", Preferences{Minimal: true}},
		{[]string{"return=representation"}, "t", Preferences{Representation: true}},
		{nil, "t", Preferences{Minimal: true}},
		{nil, "T", Preferences{Minimal: true}},
		{nil, "f", Preferences{}},
		{[]string{";;,=,return,"}, "", Preferences{}},
	} {
		h := http.Header{"Prefer": tc.prefer}
		if tc.brief != "" {
			h.Set("Brief", tc.brief)
		}
		if got := ParsePrefer(h); got != tc.want {
			t.Errorf("%q, %q: %+v", tc.prefer, tc.brief, got)
		}
	}
	h := http.Header{}
	Preferences{Minimal: true, NoRoot: true}.Apply(h)
	if h.Get("Preference-Applied") != "return=minimal, depth-noroot" || h.Get("Vary") != "Brief, Prefer" {
		t.Errorf("%v", h)
	}
	h = http.Header{}
	Preferences{}.Apply(h)
	if _, ok := h["Preference-Applied"]; ok {
		t.Errorf("%v", h)
	}
}
