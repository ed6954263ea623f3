package ical

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// ToUTF8 makes old and broken text acceptable to Parse. It is for tools that
// import files; what clients send is parsed as it is. UTF-16 with a byte order
// mark is converted, octets that are not UTF-8 are taken for Windows-1252 (of
// which Latin-1 is a part), characters that a fold cut in two are joined,
// control characters are dropped, and a lone CR is a line end where the text
// has no LF at all, else it is dropped too. Good text is returned unchanged,
// without a copy.
func ToUTF8(data []byte) []byte {
	if text, ok := fromUTF16(data); ok {
		data = text
	}
	if utf8.Valid(data) && !hasStray(data) {
		return data
	}
	mac := bytes.IndexByte(data, '\n') < 0
	out := make([]byte, 0, len(data)+len(data)/8)
	for i := 0; i < len(data); {
		c := data[i]
		switch {
		case c == '\r' && i+1 < len(data) && data[i+1] == '\n', c == '\n', c == '\t':
			out = append(out, c)
			i++
		case c == '\r' && mac:
			out = append(out, '\r', '\n')
			i++
		case c < 0x20 || c == 0x7f:
			i++
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n == 1 {
				r, n = foldedRune(data[i:])
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return out
}

// hasStray reports control characters, other than HTAB and line ends.
func hasStray(data []byte) bool {
	for i, c := range data {
		switch {
		case c == '\r' && (i+1 == len(data) || data[i+1] != '\n'), c == 0x7f,
			c < 0x20 && c != '\r' && c != '\n' && c != '\t':
			return true
		}
	}
	return false
}

// foldedRune reads a character that is broken by folds, or else one octet of
// Windows-1252, and returns how many octets it took.
func foldedRune(s []byte) (rune, int) {
	var buf [utf8.UTFMax]byte
	n := 0
	for i := 0; i < len(s) && n < len(buf); {
		if n > 0 {
			if k := foldLen(s[i:]); k > 0 {
				i += k
				continue
			}
			if s[i]&0xc0 != 0x80 {
				break
			}
		}
		buf[n] = s[i]
		n++
		i++
		if r, size := utf8.DecodeRune(buf[:n]); size == n && n > 1 {
			return r, i
		}
	}
	if c := s[0]; c < 0xa0 {
		return windows1252[c-0x80], 1
	}
	return rune(s[0]), 1
}

// foldLen returns the length of a fold at the start of s, or 0.
func foldLen(s []byte) int {
	k := 0
	if k < len(s) && s[k] == '\r' {
		k++
	}
	if k+1 < len(s) && s[k] == '\n' && (s[k+1] == ' ' || s[k+1] == '\t') {
		return k + 2
	}
	return 0
}

// windows1252 has the characters 0x80 to 0x9f; five places are empty.
var windows1252 = [32]rune{
	'€', utf8.RuneError, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', utf8.RuneError, 'Ž', utf8.RuneError,
	utf8.RuneError, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', utf8.RuneError, 'ž', 'Ÿ',
}

// fromUTF16 converts text that begins with a UTF-16 byte order mark.
func fromUTF16(data []byte) ([]byte, bool) {
	var order binary.ByteOrder
	switch {
	case len(data) < 2:
		return nil, false
	case data[0] == 0xff && data[1] == 0xfe:
		order = binary.LittleEndian
	case data[0] == 0xfe && data[1] == 0xff:
		order = binary.BigEndian
	default:
		return nil, false
	}
	data = data[2:]
	out := make([]byte, 0, len(data))
	for len(data) >= 2 {
		r := rune(order.Uint16(data))
		data = data[2:]
		if utf16.IsSurrogate(r) && len(data) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(data))); pair != utf8.RuneError {
				r, data = pair, data[2:]
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}
