package dav

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// slowText is AppendText, one character after the other.
func slowText(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '\r':
			b.WriteString("&#13;")
		case !isChar(r):
			b.WriteString("\uFFFD")
		default:
			b.WriteRune(r) // invalid UTF-8 is U+FFFD already
		}
		s = s[n:]
	}
	return b.String()
}

// Every byte at every place of the eight that are looked at together.
func TestAppendText_EveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			for _, fill := range []string{"a", "\x7F", "=", "é"} {
				s := strings.Repeat(fill, at) + string([]byte{byte(c)}) + strings.Repeat(fill, 20-at)
				if got, want := string(AppendText(nil, s)), slowText(s); got != want {
					t.Fatalf("%q: %q, want %q", s, got, want)
				}
			}
		}
	}
}

// FuzzText: what is escaped parses back to the same, as text and as an
// attribute, save what XML cannot hold.
func FuzzText(f *testing.F) {
	for _, s := range []string{"a&b<c>d\"e'", "1\r\n2\r3\n\t", "\x00\xFF\uFFFE\U00010000", "0123456=89abcdef<"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := string(AppendText(nil, s))
		if want := slowText(s); text != want {
			t.Fatalf("%q: %q, want %q", s, text, want)
		}
		want := strings.Map(func(r rune) rune {
			if !isChar(r) {
				return utf8.RuneError
			}
			return r
		}, s)
		n, err := Parse(`<a b="`+string(appendAttr(nil, s))+`">`+text+"</a>", boundless)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if v, _ := n.Attr("b"); v != want || n.Text != want {
			t.Fatalf("%q: attribute %q, text %q, want %q", s, v, n.Text, want)
		}
	})
}
