package ical

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawTree makes a component with whatever Parse can yield.
func drawTree(t *rapid.T, name string, depth int) *Component {
	names := rapid.StringMatching(`[A-Z][A-Z0-9-]{0,12}`).Filter(func(s string) bool {
		return s != "BEGIN" && s != "END" && s != "VCALENDAR"
	})
	values := rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool {
		return (r >= 0x20 || r == '\t') && r != 0x7f
	}), 0, 120, -1)
	paramValues := rapid.OneOf(values, rapid.StringMatching(`[a-z":;,^n'\n]{0,10}`))
	c := New(name)
	for range rapid.IntRange(0, 6).Draw(t, "props") {
		p := Property{Name: names.Draw(t, "name"), Value: values.Draw(t, "value")}
		for range rapid.IntRange(0, 3).Draw(t, "params") {
			p.Params = append(p.Params, Param{names.Draw(t, "param"), rapid.SliceOfN(paramValues, 1, 3).Draw(t, "values")})
		}
		c.Add(p)
	}
	if depth < 4 {
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			c.AddChild(drawTree(t, names.Draw(t, "child"), depth+1))
		}
	}
	return c
}

func TestPrintThenParseIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTree(t, "VCALENDAR", 0)
		text := want.Bytes()
		for line := range bytes.SplitSeq(text, []byte("\r\n")) {
			if len(line) > maxFold {
				t.Fatalf("a line of %d octets", len(line))
			}
		}
		got, err := Parse(text, DefaultLimits)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if d := Diff(got, want); d != "" {
			t.Fatal(d)
		}
		if again := got.Bytes(); !bytes.Equal(again, text) {
			t.Fatalf("printed again it is another:\n%s\n%s", text, again)
		}
	})
}

// However a text is folded, it is the same text; folds may even stand within
// characters.
func TestFoldsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTree(t, "VCALENDAR", 2)
		var text []byte
		for line := range strings.SplitSeq(strings.ReplaceAll(string(want.Bytes()), "\r\n ", ""), "\r\n") {
			for i := range len(line) {
				if i > 0 && rapid.IntRange(0, 20).Draw(t, "fold") == 0 {
					text = append(text, rapid.SampledFrom([]string{"\r\n ", "\n\t", "\r\n\t"}).Draw(t, "with")...)
				}
				text = append(text, line[i])
			}
			text = append(text, rapid.SampledFrom([]string{"\r\n", "\n", "\r\n\r\n"}).Draw(t, "end")...)
		}
		got, err := Parse(text, DefaultLimits)
		if err != nil {
			t.Fatalf("%v\n%q", err, text)
		}
		if d := Diff(got, want); d != "" {
			t.Fatal(d)
		}
	})
}

func TestEscapeThenUnescapeIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[\\nN;,:"x\n]{0,8}`)), 1, 4).Draw(t, "parts")
		for i, p := range parts {
			parts[i] = strings.ReplaceAll(p, "\r", "")
			if got := UnescapeText(EscapeText(parts[i])); got != parts[i] {
				t.Fatalf("%q came back as %q", parts[i], got)
			}
		}
		joined := JoinText(parts...)
		if got := JoinText(SplitText(joined)...); got != joined {
			t.Fatalf("%q came back as %q", joined, got)
		}
	})
}

func TestCivilIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sec := rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec") // years 1 to 9999
		for _, k := range []Kind{Date, Floating, UTC, Zoned} {
			tzid := ""
			if k == Zoned {
				tzid = "Europe/Berlin"
			}
			want := FromCivil(time.Unix(sec, 0).UTC(), k, tzid)
			got, err := ParseDateTime(want.String(), tzid, k == Date)
			if err != nil || got != want || FromCivil(got.Civil(), k, tzid) != want {
				t.Fatalf("%v: %+v became %+v, %v", k, want, got, err)
			}
		}
	})
}

func TestDurationIsIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Duration{
			Neg: rapid.Bool().Draw(t, "neg"), Weeks: rapid.IntRange(0, 1000).Draw(t, "weeks"), Days: rapid.IntRange(0, 1000).Draw(t, "days"),
			Time: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "sec")) * time.Second,
		}
		if got, err := ParseDuration(want.String()); err != nil || got != want {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
	})
}

// What ToUTF8 returns has no octets that Parse refuses.
func TestToUTF8IsAcceptable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\r\n \xc3\xbc\xe2\x82")))).Draw(t, "raw")
		text := ToUTF8(raw)
		if _, err := unfold(append([]byte("X:"), text...), DefaultLimits); err != nil {
			t.Fatalf("%q became %q: %v", raw, text, err)
		}
		if again := ToUTF8(text); !bytes.Equal(again, text) {
			t.Fatalf("%q became %q", text, again)
		}
	})
}
