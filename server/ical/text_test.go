package ical

import (
	"slices"
	"testing"
)

func TestRFC5545_3_3_11_Text(t *testing.T) {
	for _, tc := range []struct{ escaped, plain string }{
		{`Project XYZ Final Review\nConference Room - 3B\nCome Prepared.`, "Project XYZ Final Review\nConference Room - 3B\nCome Prepared."},
		{`a\\b\;c\,d`, `a\b;c,d`},
		{`\\n`, `\n`},
		{`plain`, `plain`},
		{``, ``},
	} {
		if got := UnescapeText(tc.escaped); got != tc.plain {
			t.Errorf("unescape %q: %q", tc.escaped, got)
		}
		if got := EscapeText(tc.plain); got != tc.escaped {
			t.Errorf("escape %q: %q", tc.plain, got)
		}
	}
	for in, want := range map[string]string{
		`a\Nb`:        "a\nb",
		`say \"x\"`:   `say "x"`,
		`http\://x`:   `http://x`,
		`C:\temp`:     `C:\temp`,
		`at the end\`: `at the end\`,
	} {
		if got := UnescapeText(in); got != want {
			t.Errorf("unescape %q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a\r\nb": `a\nb`, "a\rb": `a\nb`, "a\r\r\nb": `a\n\nb`} {
		if got := EscapeText(in); got != want {
			t.Errorf("escape %q: %q, want %q", in, got, want)
		}
	}
}

func TestSplitText(t *testing.T) {
	for in, want := range map[string][]string{
		``:            nil,
		`WORK`:        {"WORK"},
		`A,B\,C,D\nE`: {"A", "B,C", "D\nE"},
		`,`:           {"", ""},
		`a\\,b`:       {`a\`, "b"},
		`a\`:          {`a\`},
	} {
		if got := SplitText(in); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := SplitFields(`3.1;Invalid property value;DTSTART:96-Apr-01\;x`); !slices.Equal(got, []string{"3.1", "Invalid property value", "DTSTART:96-Apr-01;x"}) {
		t.Errorf("%q", got)
	}
	if got := SplitText(JoinText("a,b", `c\`, "")); !slices.Equal(got, []string{"a,b", `c\`, ""}) {
		t.Errorf("%q", got)
	}
}
