package letter

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// AppendHeader prints a field of a mail's header whose value is text, such as
// Subject or a name: on one line whatever the text holds, folded at blanks, and
// with the encoded words of RFC 2047 where it is not ASCII. A text that looks like
// an encoded word is encoded, so that it shows as it is. With raw8 UTF-8 stands as
// it is: local.rfc822header.allow8bit.
func AppendHeader(dst []byte, name, text string, raw8 bool) []byte {
	text = oneLine(text)
	dst = append(append(dst, name...), ':')
	at := len(name) + 1
	if (raw8 || isASCII(text)) && !strings.Contains(text, "=?") && !longWord(text) {
		for word := range strings.SplitSeq(text, " ") {
			if at+1+len(word) > 76 && at > len(name)+1 {
				dst = append(dst, "\r\n"...)
				at = 0
			}
			dst = append(append(dst, ' '), word...)
			at += 1 + len(word)
		}
		return append(dst, "\r\n"...)
	}
	// Encoded words hold whole characters, and blanks between two of them vanish.
	const most = 45 // octets of text in a word of 75
	for first := true; text != ""; first = false {
		n := min(len(text), most)
		if first {
			n = min(n, (75-at-12)/4*3)
		}
		for n = max(n, utf8.UTFMax); n < len(text) && !utf8.RuneStart(text[n]); n-- {
		}
		n = min(n, len(text))
		if !first {
			dst = append(dst, "\r\n"...)
		}
		dst = append(dst, " =?UTF-8?B?"...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(text[:n]))
		dst = append(dst, "?="...)
		text = text[n:]
	}
	return append(dst, "\r\n"...)
}

// longWord reports whether a line could not be folded where it is too long.
func longWord(s string) bool {
	for word := range strings.SplitSeq(s, " ") {
		if len(word) > longest {
			return true
		}
	}
	return false
}
