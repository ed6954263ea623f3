package dav

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

const (
	ones = 0x0101010101010101 // one in each of eight bytes
	high = 0x80 * ones
)

// nextSpecial returns the first place from i on that text may not hold as it
// is: markup, control characters (tabs and line feeds among them), all beyond
// ASCII; len(s) if there is none. It looks at eight bytes at a time.
func nextSpecial(s string, i int) int {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		angle := w&^(2*ones) ^ '<'*ones // zero where "<" or ">" is
		amp := w ^ '&'*ones
		// v-ones has the high bit set where v is zero; a borrow can set it
		// only above such a place, and the lowest one counts.
		m := (w | (w-0x20*ones)&^w | (angle-ones)&^angle | (amp-ones)&^amp) & high
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c >= utf8.RuneSelf || c == '&' || c == '<' || c == '>' {
			return i
		}
	}
	return i
}

// AppendText appends s as XML character data. A carriage return becomes
// &#13;, since a parser would drop it. What XML cannot hold (control
// characters, invalid UTF-8) becomes U+FFFD.
func AppendText(dst []byte, s string) []byte {
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
			r, n = utf8.DecodeRuneInString(s[i:])
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
