package letter

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// longest is the longest line of 7bit text. RFC 5322 §2.1.1 has 998; a relay may
// put something before it.
const longest = 900

// encode appends to dst what of a text can be sent: CRLF at its end, and ASCII in
// lines that are not too long. What needs no encoding gets none; a text for people
// of which little is not ASCII is quoted-printable, others base64. notifications.md §2.8.
func encode(dst []byte, p *part, text []byte) (charset, transfer string, out []byte) {
	if n := len(text); n > 0 && !bytes.HasSuffix(text, []byte("\r\n")) {
		text = append(text, "\r\n"...)
	}
	high, simple := survey(text)
	if p.media == inCalendar && (bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text)) { // it came as it is: %I
		text = []byte(strings.ToValidUTF8(strings.ReplaceAll(string(text), "\x00", ""), "\ufffd"))
		high, simple = survey(text)
	}
	charset = "us-ascii"
	if high > 0 || p.media == inCalendar { // of which it is always: RFC 5545 §3.1.4
		charset = "UTF-8"
	}
	if p.charset != "" {
		charset = p.charset
	}
	how := p.transfer
	if how == fitting {
		switch {
		case simple && high == 0:
			return charset, "7bit", append(dst, text...)
		case p.media == inCalendar, high > len(text)/6:
			how = asBase64
		default:
			how = asQuotedPrintable
		}
	}
	if how == asBase64 {
		return charset, "base64", appendBase64(dst, text)
	}
	return charset, "quoted-printable", appendQuotedPrintable(dst, text)
}

// special are octets that a text cannot have, or not everywhere, as it is sent.
var special = func() (table [256]bool) {
	for c := range table {
		table[c] = c < ' ' && c != '\t' || c >= 0x7f
	}
	return table
}()

// survey counts the octets that are not ASCII, and says whether the text can be
// sent as it is apart from them.
func survey(text []byte) (high int, simple bool) {
	simple = !beginsFrom(text)
	start := 0
	for i, c := range text {
		if !special[c] {
			continue
		}
		switch {
		case c >= utf8.RuneSelf:
			high++
		case c == '\n':
			if i == 0 || text[i-1] != '\r' || i-start > longest || beginsFrom(text[i+1:]) {
				simple = false
			}
			start = i + 1
		case c == '\r':
			simple = simple && i+1 < len(text) && text[i+1] == '\n'
		default:
			simple = false
		}
	}
	return high, simple
}

// beginsFrom reports whether a mailbox would change the line that begins here.
func beginsFrom(line []byte) bool { return bytes.HasPrefix(line, []byte("From ")) }

// appendBase64 prints lines of 76. RFC 2045 §6.8.
func appendBase64(dst, text []byte) []byte {
	const width = 57
	for len(text) > 0 {
		n := min(width, len(text))
		dst = base64.StdEncoding.AppendEncode(dst, text[:n])
		dst = append(dst, "\r\n"...)
		text = text[n:]
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

// literal are the octets that quoted-printable prints as they are, a blank at the
// end of a line apart.
var literal = func() (table [256]bool) {
	for c := range table {
		table[c] = (' ' <= c && c < 0x7f || c == '\t') && c != '='
	}
	return table
}()

// appendQuotedPrintable prints a text whose lines end with CRLF. RFC 2045 §6.7.
func appendQuotedPrintable(dst, text []byte) []byte {
	const width = 75 // and the = of a soft line break
	room := width    // in the line
	for i := 0; i < len(text); {
		if room == width && (beginsFrom(text[i:]) || text[i] == '.') { // some relays eat a dot
			dst = append(dst, '=', hexDigits[text[i]>>4], hexDigits[text[i]&15])
			room -= 3
			i++
			continue
		}
		n := i
		for end := min(i+room, len(text)); n < end && literal[text[n]]; n++ {
		}
		if n > i && (n == len(text) || text[n] == '\r') && (text[n-1] == ' ' || text[n-1] == '\t') {
			n-- // to be encoded, below
		}
		dst = append(dst, text[i:n]...)
		room -= n - i
		if i = n; i == len(text) {
			break
		}
		c := text[i]
		switch {
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			dst = append(dst, "\r\n"...)
			room = width
			i += 2
		case literal[c] && room > 0 && (i+1 == len(text) || text[i+1] == '\r') || !literal[c]:
			if room < 3 {
				dst = append(dst, "=\r\n"...)
				room = width
			}
			dst = append(dst, '=', hexDigits[c>>4], hexDigits[c&15])
			room -= 3
			i++
		default:
			dst = append(dst, "=\r\n"...)
			room = width
		}
	}
	return dst
}
