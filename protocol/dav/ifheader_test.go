package dav

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	lock1 = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"
	lock2 = "urn:uuid:58f202ac-22cf-11d1-b12d-002035b29092"
)

func TestRFC4918_10_4_If(t *testing.T) {
	type states map[string]State
	for _, tc := range []struct {
		section, header string
		states          states
		want            bool
	}{
		{"10.4.6 both", `(<` + lock1 + `> ["I am an ETag"]) (["I am another ETag"])`,
			states{"": {"I am an ETag", []string{lock2, lock1}}}, true},
		{"10.4.6 the second", `(<` + lock1 + `>
  ["I am an ETag"])
  (["I am another ETag"])`, states{"": {"I am another ETag", nil}}, true},
		{"10.4.6 half of the first", `(<` + lock1 + `> ["I am an ETag"]) (["I am another ETag"])`,
			states{"": {"I am an ETag", nil}}, false},
		{"10.4.7 Not", `(Not <` + lock1 + `> <` + lock2 + `>)`, states{"": {"", []string{lock2}}}, true},
		{"10.4.7 Not, locked", `(Not <` + lock1 + `> <` + lock2 + `>)`, states{"": {"", []string{lock1, lock2}}}, false},
		{"10.4.8 always true", `(<` + lock1 + `>) (Not <DAV:no-lock>)`, nil, true},
		{"10.4.8 never true", `(<` + lock1 + `>) (<DAV:no-lock>)`, nil, false},
		{"10.4.9 strong", `</resource1> (<` + lock1 + `> [W/"A weak ETag"]) (["strong ETag"])`,
			states{"/resource1": {"strong ETag", nil}}, true},
		{"10.4.9 other resource", `</resource1> (["strong ETag"])`, states{"": {"strong ETag", nil}}, false},
		{"10.4.10", `<http://www.example.com/specs/> (<` + lock1 + `>)`, states{"/specs/": {"", []string{lock1}}}, true},
		{"10.4.11 unmapped", `</specs/rfc2518.doc> (["4217"])`, nil, false},
		{"10.4.11 unmapped, Not", `</specs/rfc2518.doc> (Not ["4217"])`, nil, true},
		{"a tag that a proxy made weak", `([W/"a"])`, states{"": {"a", nil}}, true},
		{"another weak tag", `([W/"b"])`, states{"": {"a", nil}}, false},
		{"a tag with a coding", `(["a-gzip"])`, states{"": {"a", nil}}, true},
		{"a tag with a coding behind it", `(["a"-gzip])`, states{"": {"a", nil}}, true},
		{"not a tag with a coding", `(Not ["a;gzip"])`, states{"": {"a", nil}}, false},
		{"10.4.4 empty tag is no tag", `([""])`, nil, false},
		{"10.4.2 a tag holds for all its lists", `</a> (["x"]) (["1"]) </b> (["x"])`, states{"/a": {"1", nil}}, true},
		{"10.4.2 the last list", `</a> (["x"]) </b> (["y"]) (["2"])`, states{"/a": {"1", nil}, "/b": {"2", nil}}, true},
		{"another server", `<http://other.example.com/a> (["1"])`, states{"/a": {"1", nil}, "": {"1", nil}}, false},
		{"another server, Not", `<http://other.example.com/a> (Not ["1"])`, states{"/a": {"1", nil}}, true},
		{"no blanks", `(["1"]<` + lock1 + `>not<x:y>)`, states{"": {"1", []string{lock1}}}, true},
		{"RFC 6578 §5 sync-token", `</c/> (<data:,5>)`, states{"/c/": {"", []string{"data:,5"}}}, true},
	} {
		r := httptest.NewRequest("PUT", "http://www.example.com/x", nil)
		r.Header.Set("If", tc.header)
		f, err := ParseIf(r)
		if err != nil {
			t.Errorf("%s: %v", tc.section, err)
			continue
		}
		got, err := f.Eval(func(path string) (State, error) { return tc.states[path], nil })
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v", tc.section, got, err)
		}
	}
}

func TestRFC4918_10_4_2_Malformed(t *testing.T) {
	for _, s := range []string{
		"", " ", "()", "(", ")", "(Not)", "(Not Not <a:b>)", "<a:b>", "</a>", "</a> </b> (<a:b>)", "(<a:b>", "(<a:b)",
		"(<>)", `(["a)`, `("a")`, `(["a" ])`, `([ "a"])`, `(["a"]`, "(<a: b>)", "< /a> (<a:b>)", "(<a:b>) </a> (<a:b>)",
		"</a/../b> (<a:b>)", "<a> (<a:b>)", "(<a:b>) x", "(Nothing)",
	} {
		r := httptest.NewRequest("PUT", "/x", nil)
		r.Header["If"] = []string{s}
		if f, err := ParseIf(r); status(err) != 400 {
			t.Errorf("%q: %+v, %v", s, f, err)
		}
	}
	r := httptest.NewRequest("PUT", "/x", nil)
	r.Header["If"] = []string{"(<a:b>)", "(<a:b>)"}
	if _, err := ParseIf(r); status(err) != 400 {
		t.Errorf("two headers: %v", err)
	}
	r.Header["If"] = []string{strings.Repeat("(<a:b>)", 129)}
	if _, err := ParseIf(r); status(err) != 431 {
		t.Errorf("many conditions: %v", err)
	}
}

func TestRFC4918_10_4_1_Submitted(t *testing.T) {
	f, err := parseIf(`</a> (<`+lock1+`> ["x"]) </b> (Not <`+lock2+`>)`, "")
	if want := []string{lock1, lock2}; err != nil || !slices.Equal(f.Tokens(), want) {
		t.Errorf("%v, %v", f.Tokens(), err)
	}
	boom := errors.New("boom")
	if _, err := f.Eval(func(string) (State, error) { return State{}, boom }); err != boom {
		t.Errorf("the error of the look-up became %v", err)
	}
	none, err := ParseIf(httptest.NewRequest("PUT", "/x", nil))
	if ok, everr := none.Eval(nil); err != nil || everr != nil || !ok {
		t.Error("a missing header does not hold")
	}
}

// FuzzIf: what is accepted prints and reads back the same, and a list and its
// denial never agree.
func FuzzIf(f *testing.F) {
	for _, s := range []string{
		`(<` + lock1 + `> ["a"]) (Not [W/"b"])`, `</a> (<x:y>) <http://h/b> (Not <x:z>)(["q"])`, `<http://other/> (["a"])`, "(()",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := parseIf(s, "h")
		if err != nil {
			return
		}
		var b strings.Builder
		for _, l := range parsed.Lists {
			if l.Foreign {
				b.WriteString("<http://elsewhere/>")
			} else if l.Path != "" {
				b.WriteString("<" + EncodePath(l.Path) + ">")
			}
			b.WriteString("(")
			for _, c := range l.Conds {
				if c.Not {
					b.WriteString("Not ")
				}
				if c.Token != "" {
					b.WriteString("<" + c.Token + ">")
				} else {
					b.WriteString("[" + c.Tag.String() + "]")
				}
			}
			b.WriteString(")")
		}
		again, err := parseIf(b.String(), "h")
		if err != nil || len(again.Lists) != len(parsed.Lists) {
			t.Fatalf("%q printed %q: %v", s, b.String(), err)
		}
		for i, l := range parsed.Lists {
			m := again.Lists[i]
			if l.Path != m.Path || l.Foreign != m.Foreign || !slices.Equal(l.Conds, m.Conds) {
				t.Fatalf("%q printed %q: %+v became %+v", s, b.String(), l, m)
			}
			st := State{ETag: "a", Tokens: []string{"x:y"}}
			c := IfList{Conds: []IfCond{l.Conds[0]}}
			before := c.holds(st)
			c.Conds[0].Not = !c.Conds[0].Not
			if c.holds(st) == before {
				t.Fatalf("%+v and its denial agree", c)
			}
		}
	})
}
