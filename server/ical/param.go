package ical

import (
	"strings"
	"unicode/utf8"
)

// decodeParam undoes RFC 6868 §3.2: ^n, ^' and ^^. A circumflex before
// anything else stands for itself.
func decodeParam(s string) string {
	i := strings.IndexByte(s, '^')
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	b = append(b, s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if c == '^' && i+1 < len(s) {
			switch s[i+1] {
			case 'n':
				c = '\n'
				i++
			case '\'':
				c = '"'
				i++
			case '^':
				i++
			}
		}
		b = append(b, c)
	}
	return string(b)
}

// appendParamValue prints one parameter value: RFC 6868 §3.1, and quotes
// where RFC 5545 §3.2 asks for them, or the caller.
func appendParamValue(dst []byte, v string, quote bool) []byte {
	encode := false
	for i := range len(v) {
		switch c := v[i]; {
		case c == ':' || c == ';' || c == ',':
			quote = true
		case c == '^' || c == '"' || c < 0x20 && c != '\t' || c == 0x7f || c >= utf8.RuneSelf:
			encode = true
		}
	}
	if quote {
		dst = append(dst, '"')
	}
	if encode {
		dst = encodeParam(dst, v)
	} else {
		dst = append(dst, v...)
	}
	if quote {
		dst = append(dst, '"')
	}
	return dst
}

func encodeParam(dst []byte, v string) []byte {
	v = strings.ToValidUTF8(v, "")
	for _, c := range []byte(v) {
		switch {
		case c == '^':
			dst = append(dst, "^^"...)
		case c == '"':
			dst = append(dst, "^'"...)
		case c == '\n':
			dst = append(dst, "^n"...)
		case c < 0x20 && c != '\t' || c == 0x7f:
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
