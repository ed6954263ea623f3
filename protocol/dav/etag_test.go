package dav

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestRFC9110_13_1_Tags(t *testing.T) {
	a, b := Tag{Opaque: "a"}, Tag{Opaque: "b", Weak: true}
	for _, tc := range []struct {
		values []string
		want   Tags
		code   int
	}{
		{[]string{"*"}, Tags{Any: true}, 0},
		{[]string{" * "}, Tags{Any: true}, 0},
		{[]string{`"a"`}, Tags{List: []Tag{a}}, 0},
		{[]string{`"a", W/"b"`}, Tags{List: []Tag{a, b}}, 0},
		{[]string{`"a",W/"b",`, `"x,y"`}, Tags{List: []Tag{a, b, {Opaque: "x,y"}}}, 0},
		{[]string{`"I am an ETag"`}, Tags{List: []Tag{{Opaque: "I am an ETag"}}}, 0},
		{[]string{`""`}, Tags{List: []Tag{{}}}, 0},
		{[]string{`a`}, Tags{List: []Tag{a}}, 0}, // CalDavSynchronizer without quotes
		{[]string{``}, Tags{}, 400},
		{[]string{`,`}, Tags{}, 400},
		{[]string{`"a`}, Tags{}, 400},
		{[]string{`"a" "b"`}, Tags{}, 400},
		{[]string{`"a"b`}, Tags{}, 400},
		{[]string{`*, "a"`}, Tags{}, 400},
		{[]string{`*`, `"a"`}, Tags{}, 400},
		{[]string{`a"b`}, Tags{}, 400},
		{[]string{"\"a\x01\""}, Tags{}, 400},
		{[]string{strings.Repeat(`"a",`, 300)}, Tags{}, 431},
	} {
		got, err := ParseTags(tc.values)
		if status(err) != tc.code || err == nil && (got.Any != tc.want.Any || !slices.Equal(got.List, tc.want.List)) {
			t.Errorf("%q: %+v, %v", tc.values, got, err)
		}
	}
	if s := a.String() + b.String() + ETag("x") + string(AppendETag(nil, "y")); s != `"a"W/"b""x""y"` {
		t.Error(s)
	}
}

func TestRFC9110_13_2_2_Conditions(t *testing.T) {
	const match, none = "If-Match", "If-None-Match"
	for _, tc := range []struct {
		header, value, method, etag string // etag "" is an unmapped URL
		want                        int
	}{
		{match, `"a"`, "PUT", "a", 0},
		{match, `"a"`, "PUT", "b", 412},
		{match, `"b", "a"`, "DELETE", "a", 0},
		// What proxies make of our tag, which is strong, counts as ours.
		{match, `W/"a"`, "PUT", "a", 0},
		{match, `w/"a"`, "PUT", "a", 0},
		{match, `W/a`, "PUT", "a", 0},
		{match, `W/"b"`, "PUT", "a", 412},
		{match, `"a-gzip"`, "PUT", "a", 0},
		{match, `"a--gzip"`, "PUT", "a", 0},
		{match, `"a;gzip"`, "PUT", "a", 0},
		{match, `"a;br"`, "DELETE", "a", 0},
		{match, `"a-br"`, "DELETE", "a", 0},
		{match, `"a-zstd", "c"`, "DELETE", "a", 0},
		{match, `W/"a-gzip"`, "PUT", "a", 0},
		{match, `"a"-gzip`, "PUT", "a", 0},
		{match, `"x", "a"-gzip, "y"`, "PUT", "a", 0},
		{match, `"a-b-gzip"`, "PUT", "a-b", 0},
		{match, `"a-br"`, "PUT", "a-br", 0}, // which may be a tag of ours
		{match, `"agzip"`, "PUT", "a", 412},
		{match, `"a---gzip"`, "PUT", "a", 412},
		{match, `"-gzip"`, "PUT", "a", 412},
		{match, `"a-gzip-gzip"`, "PUT", "a", 412},
		{match, `"b-gzip"`, "PUT", "a", 412},
		{none, `"a-gzip"`, "GET", "a", 304},
		{none, `W/"a--gzip"`, "GET", "a", 304},
		{none, `"b;gzip"`, "GET", "a", 0},
		{none, `"a;gzip"`, "PUT", "a", 412},
		{match, `"a"`, "PUT", "", 412},
		{match, "*", "PUT", "a", 0},
		{match, "*", "PUT", "", 412},
		{match, `a`, "PUT", "a", 0},
		{none, "*", "PUT", "a", 412},
		{none, "*", "PUT", "", 0},
		{none, `"a"`, "GET", "a", 304},
		{none, `W/"a"`, "HEAD", "a", 304}, // weak comparison
		{none, `"b"`, "GET", "a", 0},
		{none, `"a"`, "PUT", "a", 412},
		{none, `"a"`, "GET", "", 0},
		{"X", "", "PUT", "a", 0},
	} {
		h := http.Header{}
		h.Set(tc.header, tc.value)
		c, err := ParseConditions(h)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Check(tc.method, tc.etag, tc.etag != ""); got != tc.want {
			t.Errorf("%s %s: %s on %q gives %d, want %d", tc.method, tc.header, tc.value, tc.etag, got, tc.want)
		}
	}
	both := http.Header{match: {`"a"`}, none: {"*"}}
	if c, err := ParseConditions(both); err != nil || c.Check("PUT", "b", true) != 412 || c.Check("PUT", "a", true) != 412 {
		t.Error("both headers: either may fail the request")
	}
	for _, name := range []string{match, none} {
		if _, err := ParseConditions(http.Header{name: {`"`}}); status(err) != 400 {
			t.Errorf("malformed %s: %v", name, err)
		}
	}
}

func TestRFC6638_8_3_ScheduleTag(t *testing.T) {
	for v, want := range map[string]string{`"12ab"`: "12ab", "12ab": "12ab", `W/"1"`: "1"} {
		c, err := ParseConditions(http.Header{"If-Schedule-Tag-Match": {v}})
		if err != nil || c.ScheduleTag != want {
			t.Errorf("%s: %q, %v", v, c.ScheduleTag, err)
		}
	}
	for _, v := range [][]string{{""}, {`"1`}, {`"1", "2"`}, {`"1"`, `"2"`}, {"*"}} {
		if _, err := ParseConditions(http.Header{"If-Schedule-Tag-Match": v}); status(err) != 400 {
			t.Errorf("%q: %v", v, err)
		}
	}
}
