package wcap

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestWCAP_2_4_Parameters: what clients really send.
func TestWCAP_2_4_Parameters(t *testing.T) {
	p := splitQuery(`appid=mozilla&calid=jdoe%3Aa;jdoe%3Ab&rrules="FREQ%3DWEEKLY%3BCOUNT%3D4";"freq=daily;count=2"` +
		`&summary=a=b;c&desc=x%0D%0Ay&empty=&flagless&attendees=RSVP=TRUE^CN=A%3BB^mailto%3Aj%40x;jdoe&calid=second&latin=%E4&nul=a%00b&plus=a+b%2Bc&pct=50%&q=%22a%3Bb%22`)
	for name, want := range map[string]string{
		"appid": "mozilla", "summary": "a=b;c", "desc": "x\ny", "empty": "", "flagless": "", "latin": "ä", "nul": "ab", "plus": "a b+c", "pct": "50%",
	} {
		if got, ok := p.opt(name); got != want || !ok {
			t.Errorf("%s: %q %v, want %q", name, got, ok, want)
		}
	}
	for name, want := range map[string][]string{
		"calid":     {"jdoe:a", "jdoe:b"},
		"rrules":    {"FREQ=WEEKLY;COUNT=4", "freq=daily;count=2"},
		"attendees": {"RSVP=TRUE^CN=A;B^mailto:j@x", "jdoe"},
		"empty":     nil,
		"missing":   nil,
		"q":         {"a;b"},
	} {
		if got := p.list(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, ok := p.opt("missing"); ok {
		t.Error("what is not there is there")
	}
	if got := splitQuery("component_type=event").text("component-type"); got != "event" {
		t.Errorf("component_type: %q", got)
	}
	if got := splitQuery("calid=a%3Bb;c;;").ids("calid"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("ids: %q", got)
	}
	if got := splitQuery("uid=a;;c").list("uid"); !slices.Equal(got, []string{"a", "", "c"}) {
		t.Errorf("pairs: %q", got)
	}
}

func FuzzSplitQuery(f *testing.F) {
	for _, s := range []string{"", "a=b", "calid=a;b&x", "a=%", "%41=%zz&&=", `r="a;b";c%3Bd`, "a=\"", "\xff=%ff%00", "a=+%2B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, x := range splitQuery(q) {
			p := params{x}
			v := p.text(x.name)
			items := p.list(x.name)
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) || strings.ContainsRune(v, '\r') {
				t.Errorf("%q is not clean: %q", x.raw, v)
			}
			if x.raw != "" && len(items) == 0 {
				t.Errorf("%q has no items", x.raw)
			}
			if len(v) > 2*len(x.raw) {
				t.Errorf("%q grew to %q", x.raw, v)
			}
		}
	})
}
