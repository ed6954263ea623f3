package ical

import (
	"bytes"
	"strings"
	"testing"
)

// Inputs of megabytes that would take minutes if anything were quadratic.
func TestLargeInputs(t *testing.T) {
	lim := Limits{MaxBytes: 64 << 20, MaxLine: 64 << 20, MaxProps: 4 << 20, MaxComponents: 1 << 20}
	const n = 1 << 18
	for name, body := range map[string]string{
		"a long parameter":   "X;A=" + strings.Repeat("^^", n) + ":v\n",
		"a quoted parameter": "X;A=\"" + strings.Repeat("^n:", n) + "\":v\n",
		"many values":        "X;A=" + strings.Repeat("b,", n) + ":v\n",
		"many parameters":    "X" + strings.Repeat(";A=", n) + ":v\n",
		"many folds":         "X:" + strings.Repeat("a\n ", n) + "\n",
		"many empty folds":   "X:" + strings.Repeat("\n ", n) + "\n",
		"a long value":       "X:" + strings.Repeat("ü", n) + "\n",
		"many properties":    strings.Repeat("SUMMARY:1\n", n),
		"many components":    strings.Repeat("BEGIN:A\nEND:A\n", n/2),
		"many blank lines":   strings.Repeat("\n", n) + "X:1\n",
		"a long rule":        "RRULE:" + strings.Repeat("A=1;", n) + "\n",
		"many dates":         "EXDATE:" + strings.Repeat("20260101,", n) + "\n",
		"a long text":        "X:" + strings.Repeat(`\,`, n) + "\n",
	} {
		c, err := Parse(cal(body), lim)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d, err := Parse(c.Bytes(), lim); err != nil || !Equal(c, d) {
			t.Errorf("%s: printed and read again it is another, %v", name, err)
		}
		Validate(c)
		if len(c.Props) == 1 {
			SplitText(c.Props[0].Value)
		}
	}
}

// What is refused is refused before much is made of it.
func TestLargeInputsRefused(t *testing.T) {
	const n = 150_000
	for name, tc := range map[string]struct{ in, msg string }{
		"nesting":    {"BEGIN:VCALENDAR\n" + strings.Repeat("BEGIN:A\n", n), "nest deeper than 16"},
		"components": {string(cal(strings.Repeat("BEGIN:A\nEND:A\n", n/2))), "more than 50000 components"},
		"properties": {string(cal(strings.Repeat("A:\n", n+1))), "more than 150000 properties"},
		"size":       {strings.Repeat("\n", MaxObject+1), "larger than 50331648 octets"},
	} {
		if _, err := Parse([]byte(tc.in), DefaultLimits); err == nil || !strings.Contains(err.Error(), tc.msg) {
			t.Errorf("%s: %v", name, err)
		}
		for c, err := range ParseStream(bytes.NewReader([]byte(strings.TrimLeft(tc.in, "\n"))), DefaultLimits) {
			if err == nil {
				t.Errorf("%s, as a stream: %v", name, c.Name)
			}
		}
	}
}
