package dav

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// inUTF8 gives a document as UTF-8, whatever it says of itself: every reader of
// XML knows UTF-16 too, and goes by the first octets. XML 1.0 §4.3.3, appendix F.
func inUTF8(body []byte) (string, error) {
	var order binary.ByteOrder = binary.BigEndian
	text := string(body)
	switch {
	case strings.HasPrefix(text, "\xFF\xFE\x00\x00"), strings.HasPrefix(text, "\x00\x00"):
		return "", badEncoding("UTF-32")
	case strings.HasPrefix(text, "\xFF\xFE"), len(text) > 1 && text[0] != 0 && text[1] == 0:
		order = binary.LittleEndian
	case strings.HasPrefix(text, "\xFE\xFF"), strings.HasPrefix(text, "\x00"):
	default:
		return text, nil
	}
	if len(body)%2 != 0 {
		return "", badRequest("half a character at the end of UTF-16")
	}
	out := make([]byte, 0, len(body)/2+len(body)/8)
	for i := 0; i < len(body); i += 2 {
		r := rune(order.Uint16(body[i:]))
		if utf16.IsSurrogate(r) {
			if i += 2; i == len(body) {
				return "", badRequest("half a character at the end of UTF-16")
			}
			if r = utf16.DecodeRune(r, rune(order.Uint16(body[i:]))); r == utf8.RuneError {
				return "", badRequest("malformed UTF-16")
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), nil
}

// utf16Label knows how UTF-16 is called. What says so has been decoded.
func utf16Label(s string) bool {
	switch strings.ToLower(s) {
	case "utf-16", "utf16", "utf-16le", "utf-16be", "ucs-2", "iso-10646-ucs-2":
		return true
	}
	return false
}
