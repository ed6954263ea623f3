package ical

import "strings"

// EscapeText returns the TEXT form of a plain string: backslash, semicolon,
// comma and line breaks are escaped. RFC 5545 §3.3.11.
func EscapeText(s string) string {
	if !strings.ContainsAny(s, "\\;,\r\n") {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\', ';', ',':
			b = append(b, '\\', c)
		case '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			b = append(b, `\n`...)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// UnescapeText returns the plain string of a TEXT value. A backslash before a
// character that needs none is kept, as in a Windows path; but \" and \:,
// which old clients write, lose it. RFC 5545 §3.3.11.
func UnescapeText(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	b = append(b, s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case 'n', 'N':
				c = '\n'
				i++
			case '\\', ';', ',', ':', '"':
				i++
				c = s[i]
			}
		}
		b = append(b, c)
	}
	return string(b)
}

// SplitText splits a comma list of TEXT, as in CATEGORIES, and unescapes its
// parts. An empty value has no parts.
func SplitText(s string) []string { return split(s, ',') }

// SplitFields splits a value at its unescaped semicolons, as in
// REQUEST-STATUS, and unescapes the parts. An empty value has no parts.
func SplitFields(s string) []string { return split(s, ';') }

// JoinText is the reverse of SplitText.
func JoinText(parts ...string) string {
	esc := make([]string, len(parts))
	for i, p := range parts {
		esc[i] = EscapeText(p)
	}
	return strings.Join(esc, ",")
}

func split(s string, sep byte) []string {
	if s == "" {
		return nil
	}
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			parts = append(parts, UnescapeText(s[from:i]))
			from = i + 1
		}
	}
	return append(parts, UnescapeText(s[from:]))
}
