package dav

import "unicode/utf8"

// Classes of ASCII bytes in XML 1.0.
const (
	nameStart = 1 << iota
	nameChar
	blank
)

var class = func() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = nameStart | nameChar
		t[c-'a'+'A'] = nameStart | nameChar
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = nameChar
	}
	t['_'] = nameStart | nameChar
	t['-'], t['.'] = nameChar, nameChar
	t[' '], t['\t'], t['\n'], t['\r'] = blank, blank, blank, blank
	return t
}()

func isBlank(c byte) bool { return class[c]&blank != 0 }

func allBlank(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isBlank(s[i]) {
			return false
		}
	}
	return true
}

// isChar reports whether r is a Char of XML 1.0 §2.2.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// isNameStart reports whether r, beyond ASCII, may start a name. XML 1.0
// (fifth edition) §2.3.
func isNameStart(r rune) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r >= 0x370 && r <= 0x1FFF:
		return r != 0x37E
	}
	return r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD ||
		r >= 0x10000 && r <= 0xEFFFF
}

func isNameChar(r rune) bool {
	return r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040 || isNameStart(r)
}

// scanNCName returns the end of the NCName (Namespaces in XML §3) that starts
// at s[i], or i if there is none.
func scanNCName(s string, i int) int {
	start := i
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			want := uint8(nameChar)
			if i == start {
				want = nameStart
			}
			if class[c]&want == 0 {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || i == start && !isNameStart(r) || !isNameChar(r) {
			return i
		}
		i += n
	}
	return i
}

// checkChars walks over a document once and reports the offset of the first
// byte that is not UTF-8 or not a Char (-1 if there is none), and whether
// there are carriage returns to be normalised.
func checkChars(s string) (bad int, cr bool) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= 0x20 && c < utf8.RuneSelf, c == '\t', c == '\n':
			i++
		case c == '\r':
			cr = true
			i++
		case c < 0x20:
			return i, cr
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || !isChar(r) {
				return i, cr
			}
			i += n
		}
	}
	return -1, cr
}
