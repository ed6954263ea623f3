package letter

import (
	"strings"
	"unicode/utf8"
)

// Limits of one value, in octets. What is longer ends with an ellipsis.
const (
	maxLine    = 1500 // on one line
	maxMany    = 64 << 10
	maxSubject = 400
)

// clean makes a value harmless, once, before anything is printed of it: control
// characters, those that turn the direction of text, and broken UTF-8 go; all that
// Unicode takes for the end of a line becomes \n, and a blank in a value of one
// line.
func clean(s string, many bool) string {
	if !many {
		return oneLine(s)
	}
	if isClean(s, true) && len(s) <= maxMany {
		return s
	}
	var b strings.Builder
	b.Grow(min(len(s), maxMany) + 4)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '\r':
			if i < len(s) && s[i] == '\n' {
				i++
			}
			b.WriteByte('\n')
		case isBreak(r):
			b.WriteByte('\n')
		case r == '\t':
			b.WriteByte('\t')
		case r == utf8.RuneError && size == 1:
			b.WriteRune('\ufffd')
		case isHidden(r):
		default:
			b.WriteRune(r)
		}
		if b.Len() > maxMany {
			b.WriteString("…")
			break
		}
	}
	return strings.TrimRight(b.String(), " \t\n")
}

// oneLine is clean for a value of one line: blanks around it go, and of several
// in a row one stays.
func oneLine(s string) string {
	if isClean(s, false) && len(s) <= maxLine && !strings.Contains(s, "  ") && (s == "" || s[0] != ' ' && s[len(s)-1] != ' ') {
		return s
	}
	var b strings.Builder
	blank := false
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == ' ' || r == '\t' || r == '\r' || isBreak(r):
			blank = true
			continue
		case r == utf8.RuneError && size == 1:
			r = '\ufffd'
		case isHidden(r):
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteRune(r)
		if b.Len() > maxLine {
			b.WriteString("…")
			break
		}
	}
	return b.String()
}

// isClean reports whether there is nothing to do: neither isHidden nor isBreak is
// true of a character, but for the \n and the tab of a value of many lines that
// does not end with one, and it is UTF-8.
func isClean(s string, many bool) bool {
	high := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c-' ' < 0x7f-' ' {
			continue
		}
		next := func(n int, from, to byte) bool { return i+n < len(s) && from <= s[i+n] && s[i+n] <= to }
		switch {
		case c < ' ' && !(many && (c == '\n' || c == '\t')), c == 0x7f:
			return false
		case c == 0xc2 && next(1, 0x80, 0x9f), c == 0xef && next(1, 0xbb, 0xbb) && next(2, 0xbf, 0xbf):
			return false
		case c == 0xe2 && (next(1, 0x80, 0x80) && next(2, 0xa8, 0xae) || next(1, 0x81, 0x81) && next(2, 0xa6, 0xa9)):
			return false
		}
		high = high || c >= utf8.RuneSelf
	}
	if many && s != "" && strings.IndexByte(" \t\n", s[len(s)-1]) >= 0 {
		return false
	}
	return !high || utf8.ValidString(s)
}

// isBreak are the ends of lines of Unicode, CR apart.
func isBreak(r rune) bool {
	return r == '\n' || r == '\v' || r == '\f' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// isHidden are characters that nobody sees: controls, and what turns the direction
// of text so that it reads as something else.
func isHidden(r rune) bool {
	return r < ' ' || 0x7f <= r && r <= 0x9f || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 || r == '\ufeff'
}

// appendPlain prints a clean value in text/plain.
func appendPlain(dst []byte, s string, many bool) []byte {
	for many {
		line, rest, more := strings.Cut(s, "\n")
		dst = append(dst, line...)
		if !more {
			return dst
		}
		dst = append(dst, "\r\n"...)
		s = rest
	}
	return append(dst, s...)
}

// appendHTML prints a clean value in text/html.
func appendHTML(dst []byte, s string, many bool) []byte {
	from := 0
	for i := range len(s) {
		esc := ""
		switch s[i] {
		case '&':
			esc = "&amp;"
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '"':
			esc = "&#34;"
		case '\'':
			esc = "&#39;"
		case '\n':
			if esc = "<br>\r\n"; !many {
				esc = " "
			}
		default:
			continue
		}
		dst = append(append(dst, s[from:i]...), esc...)
		from = i + 1
	}
	return append(dst, s[from:]...)
}
