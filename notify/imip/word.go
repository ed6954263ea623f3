package imip

import (
	"strings"

	"factotum/server/object"
)

// mostWords is how much of a field is looked at for encoded words, in octets.
const mostWords = 64 << 10

// decodeWords decodes the encoded words of a text. Blanks between two of them
// vanish; a character that is divided between two of one character set and
// encoding, which is forbidden and usual, is put together. RFC 2047 §§2, 6.2.
func decodeWords(s string) string {
	if len(s) > mostWords || !strings.Contains(s, "=?") {
		return s
	}
	var out strings.Builder
	var open word // the last word, with the octets that are still to be decoded
	flush := func() {
		out.WriteString(inCharset(open.data, open.charset))
		open = word{}
	}
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		w, n := wordAt(s[i:])
		if n == 0 {
			flush()
			out.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		if between := s[:i]; open.charset == "" || strings.Trim(between, " \t") != "" {
			flush()
			out.WriteString(between)
		} else if open.charset != w.charset {
			flush()
		}
		open.charset, open.data = w.charset, append(open.data, w.data...)
		s = s[i+n:]
	}
	flush()
	out.WriteString(s)
	return out.String()
}

// word is an encoded word.
type word struct {
	charset string // lower case
	data    []byte
}

// wordAt reads the encoded word that a text begins with; n is 0 if it is none.
// They are 75 octets long at most, and those of some programs are longer.
func wordAt(s string) (w word, n int) {
	const most = 2000
	if len(s) > most {
		s = s[:most]
	}
	charset, rest, ok := strings.Cut(s[2:], "?")
	if !ok || len(rest) < 2 || rest[1] != '?' || charset == "" || len(charset) > 60 {
		return w, 0
	}
	text, _, ok := strings.Cut(rest[2:], "?=")
	if !ok || strings.ContainsAny(text, "\r\n") {
		return w, 0
	}
	charset, _, _ = strings.Cut(charset, "*") // a language: RFC 2231 §5
	w.charset = strings.ToLower(charset)
	switch rest[0] {
	case 'b', 'B':
		w.data = decodeBase64([]byte(text))
	case 'q', 'Q':
		w.data = decodeQ(text)
	default:
		return w, 0
	}
	return w, len(s) - len(rest) + 2 + len(text) + 2
}

// decodeQ is the Q encoding: RFC 2047 §4.2.
func decodeQ(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b = append(b, ' ')
		case c == '=' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, hexOf(s[i+1])<<4|hexOf(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return b
}

// inCharset is a text of a character set in UTF-8. Labels are not believed
// against what stands there.
func inCharset(b []byte, charset string) string {
	return textOf(object.InUTF8(b, charset))
}
