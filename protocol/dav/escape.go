package dav

import "unicode/utf8"

// nextSpecial returns the first place from i on that text may not hold as it
// is: markup, control characters (tabs and line feeds among them), all beyond
// ASCII; len(s) if there is none.
//
// It looks at eight octets at a time, as one number: calendar data is escaped
// for each answer that has it.
func nextSpecial[T string | []byte](s T, i int) int {
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 | uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		// < and > differ in one bit only. What has its highest bit set
		// afterwards may be special.
		if (x|(x-eight*0x20)|zeros(x^eight*'&')|zeros(x&^(eight*2)^eight*'<'))&(eight*0x80) != 0 {
			break
		}
	}
	for i < len(s) && !special[s[i]] {
		i++
	}
	return i
}

const eight = 0x01_01_01_01_01_01_01_01 // times an octet: eight of it

// zeros sets the highest bits of the octets that are zero, and perhaps of some
// above one that is.
func zeros(x uint64) uint64 { return (x - eight) &^ x }

var special = func() (t [256]bool) {
	for c := range t {
		t[c] = c < 0x20 || c >= utf8.RuneSelf || c == '&' || c == '<' || c == '>'
	}
	return t
}()

// AppendText appends s as XML character data. A carriage return becomes
// &#13;, since a parser would drop it. What XML cannot hold (control
// characters, invalid UTF-8) becomes U+FFFD.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	done := 0
	for i := nextSpecial(s, 0); i < len(s); i = nextSpecial(s, i) {
		c := s[i]
		n, esc := 1, "\uFFFD"
		switch {
		case c == '\n', c == '\t':
			i++
			continue
		case c == '\r':
			esc = "&#13;"
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c >= utf8.RuneSelf:
			var r rune
			r, n = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if isChar(r) && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		dst = append(dst, esc...)
		i += n
		done = i
		if c == '\r' && i < len(s) && s[i] == '\n' {
			i++
		}
	}
	return append(dst, s[done:]...)
}

// appendAttr appends s as the value of a double-quoted attribute.
func appendAttr(dst []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); i++ {
		esc := ""
		switch s[i] {
		case '"':
			esc = "&quot;"
		case '\t':
			esc = "&#9;"
		case '\n':
			esc = "&#10;"
		default:
			continue
		}
		dst = AppendText(dst, s[done:i])
		dst = append(dst, esc...)
		done = i + 1
	}
	return AppendText(dst, s[done:])
}
