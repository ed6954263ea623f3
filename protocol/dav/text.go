package dav

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// text reads the run of character data up to the next markup. A run outside
// of the root element must be blank and gives no token.
func (t *Tokenizer) text() (Token, error) {
	start := t.pos
	end := len(t.src)
	if i := strings.IndexByte(t.src[start:], '<'); i >= 0 {
		end = start + i
	}
	s := t.src[start:end]
	if len(t.stack) == 0 {
		if !allBlank(s) {
			return Token{}, t.syntax("text outside of the root element")
		}
		t.pos = end
		return Token{}, nil
	}
	if strings.Contains(s, "]]>") {
		return Token{}, t.syntax("unescaped ]]>")
	}
	if t.cr || strings.IndexByte(s, '&') >= 0 {
		var err error
		if s, err = t.unescape(s, false); err != nil {
			return Token{}, err
		}
	}
	t.pos = end
	return Token{Kind: CharData, Text: s, start: start, end: end}, nil
}

func (t *Tokenizer) cdata() (Token, error) {
	if len(t.stack) == 0 {
		return Token{}, t.syntax("text outside of the root element")
	}
	start := t.pos
	s := t.src[start+len("<![CDATA["):]
	n := strings.Index(s, "]]>")
	if n < 0 {
		return Token{}, t.syntax("a CDATA section does not end")
	}
	t.pos += len("<![CDATA[") + n + len("]]>")
	s = s[:n]
	if t.cr && strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	return Token{Kind: CharData, Text: s, start: start, end: t.pos}, nil
}

// attrValue normalises the text between the quotes of an attribute.
func (t *Tokenizer) attrValue(s string) (string, error) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '<':
			return "", t.syntax("unescaped < in an attribute")
		case '&', '\t', '\n', '\r':
			if strings.IndexByte(s[i:], '<') >= 0 {
				return "", t.syntax("unescaped < in an attribute")
			}
			return t.unescape(s, true)
		}
	}
	return s, nil
}

// unescape resolves references and normalises line ends (XML 1.0 §2.11), in
// attributes also blanks (§3.3.3).
func (t *Tokenizer) unescape(s string, attr bool) (string, error) {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c != '&' && c != '\r' && !(attr && (c == '\n' || c == '\t')) {
			i++
			continue
		}
		if b.Cap() == 0 {
			b.Grow(len(s))
		}
		b.WriteString(s[done:i])
		if c == '&' {
			r, n := reference(s[i:])
			if n == 0 {
				return "", t.syntax("an unknown entity or a malformed reference")
			}
			b.WriteRune(r)
			i += n
		} else {
			if c == '\r' && i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			i++
			if attr {
				b.WriteByte(' ')
			} else {
				b.WriteByte('\n')
			}
		}
		done = i
	}
	if done == 0 {
		return s, nil
	}
	b.WriteString(s[done:])
	return b.String(), nil
}

// reference reads the character reference or predefined entity at the start
// of s; n is its length, 0 if it is none. Entities of a document type
// declaration do not exist here.
func reference(s string) (r rune, n int) {
	end := s
	if len(end) > 16 {
		end = end[:16]
	}
	semi := strings.IndexByte(end, ';')
	if semi < 2 {
		return 0, 0
	}
	switch name := s[1:semi]; name {
	case "amp":
		r = '&'
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		if name[0] != '#' {
			return 0, 0
		}
		digits, base := name[1:], 10
		if strings.HasPrefix(digits, "x") {
			digits, base = digits[1:], 16
		}
		// ParseUint takes neither signs nor, with a base, underscores.
		v, err := strconv.ParseUint(digits, base, 32)
		if err != nil || v > utf8.MaxRune || !isChar(rune(v)) {
			return 0, 0
		}
		r = rune(v)
	}
	return r, semi + 1
}
