package ical

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRFC5545_3_1_Folding(t *testing.T) {
	for _, tc := range []struct{ name, value string }{
		{"74 octets", strings.Repeat("a", 72)},
		{"75 octets", strings.Repeat("a", 73)},
		{"76 octets", strings.Repeat("a", 74)},
		{"three lines", strings.Repeat("a", 73+74+1)},
		{"two octets a character", strings.Repeat("ü", 200)},
		{"three octets", strings.Repeat("€", 200)},
		{"four octets", "x" + strings.Repeat("😀", 200)},
		{"blanks", strings.Repeat(" ", 300)},
	} {
		p := Property{Name: "X", Value: tc.value}
		out := p.Append([]byte("before"))
		out = bytes.TrimPrefix(out, []byte("before"))
		for i, line := range bytes.SplitAfter(out, []byte("\r\n")) {
			if len(line) == 0 {
				continue
			}
			if len(line) > maxFold+2 || !utf8.Valid(line) || i > 0 && line[0] != ' ' {
				t.Errorf("%s: line %d is %q", tc.name, i, line)
			}
			if i > 0 && len(line) == 3 {
				t.Errorf("%s: line %d is empty", tc.name, i)
			}
		}
		if got := oneProp(t, strings.ReplaceAll(strings.TrimSuffix(string(out), "\r\n"), "\r\n", "\n")); got.Value != tc.value {
			t.Errorf("%s: read back as %q", tc.name, got.Value)
		}
	}
}

func TestAppendQuotes(t *testing.T) {
	p := Property{Name: "X", Value: "v", Params: []Param{
		{"A", []string{"plain", "a,b", "a;b", "a:b", "", "ü"}},
		{"NONE", nil},
		{"B", []string{`say "x"`, "two\nlines", "a^b", "a\r\nb\x00\xff"}},
	}}
	want := `X;A=plain,"a,b","a;b","a:b",,ü;B=say ^'x^',two^nlines,a^^b,a^nb:v` + "\r\n"
	if got := string(p.Append(nil)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A tree made from what users type cannot add lines of its own.
func TestAppendInjection(t *testing.T) {
	c := New("VCALENDAR")
	c.Add(Property{Name: "X-A\r\nEND:VCALENDAR", Value: "a\r\nATTENDEE:mailto:b\nc\rd\x00\x7f\xff",
		Params: []Param{{"CN\r\n:", []string{"x\r\nY:1"}}}})
	k := New("v:\r\nevent")
	c.AddChild(k)
	want := &Component{Name: "VCALENDAR",
		Props: []Property{{Name: "X-AENDVCALENDAR", Value: `a\nATTENDEE:mailto:b\ncd`,
			Params: []Param{{"CN", []string{"x\nY:1"}}}}},
		Children: []*Component{{Name: "VEVENT"}}}
	if d := Diff(mustParse(t, c.Bytes()), want); d != "" {
		t.Fatal(d)
	}
}

func TestBytesAllocatesOnce(t *testing.T) {
	c := mustParse(t, benchEvent)
	if n := testing.AllocsPerRun(50, func() { c.Bytes() }); n != 1 {
		t.Errorf("%v allocations", n)
	}
}
