package imip

import (
	"strings"
)

// Address is a mailbox of a header. RFC 5322 §3.4.
type Address struct {
	Name string // decoded, fit for a line
	Mail string // anna@example.org, as it is written
}

// mostAddresses is how many of one field are read.
const mostAddresses = 1000

// addresses reads a list of mailboxes and groups. What is none is passed over.
func addresses(s string) (out []Address) {
	for len(out) < mostAddresses {
		var a Address
		var more bool
		a, s, more = nextAddress(s)
		if a.Mail != "" {
			out = append(out, a)
		}
		if !more {
			break
		}
	}
	return out
}

// nextAddress reads one up to the comma or semicolon behind it.
func nextAddress(s string) (a Address, rest string, more bool) {
	var words, angle, comment strings.Builder
	at := &words
	depth := 0
	i := 0
scan:
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			if depth > 0 {
				comment.WriteByte(s[i])
			} else {
				at.WriteByte(s[i])
			}
		case depth > 0:
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth > 0 {
				comment.WriteByte(c)
			}
		case c == '(':
			depth = 1
		case c == '"':
			end := i + 1
			for end < len(s) && s[end] != '"' {
				if s[end] == '\\' && end+1 < len(s) {
					end++
				}
				at.WriteByte(s[end])
				end++
			}
			i = end
		case c == '<':
			at = &angle
		case c == '>':
			at = &words
		case c == ':' && at == &words && !strings.HasSuffix(strings.ToLower(words.String()), "mailto"):
			words.Reset() // the name of a group
		case c == ',' || c == ';':
			if at == &words {
				break scan
			}
			if c == ';' {
				at.WriteByte(c)
			} else { // <@relay,@relay:anna@example.org>
				angle.Reset()
			}
		case c == ':' && at == &angle && !strings.HasSuffix(strings.ToLower(angle.String()), "mailto"):
			angle.Reset()
		default:
			at.WriteByte(c)
		}
	}
	if more = i < len(s); more {
		rest = s[i+1:]
	}
	name := words.String()
	if angle.Len() > 0 {
		a.Mail = angle.String()
	} else {
		a.Mail, name = name, comment.String()
	}
	a.Mail, a.Name = mailOf(a.Mail), clean(decodeWords(strings.TrimSpace(name)), 200)
	return a, rest, more
}

// mostMail is how long an address is, in octets: RFC 5321 §4.5.3.1.
const mostMail = 320

// mailOf is a mail address without blanks and "mailto:", "" if it is none.
func mailOf(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = strings.TrimSpace(s[7:])
	}
	local, domain := cutMail(s)
	if local == "" || domain == "" || clean(s, mostMail) != s || strings.ContainsAny(s, " <>,;:\"") {
		return ""
	}
	return s
}

// cutMail takes an address apart; both are "" if it is none.
func cutMail(s string) (local, domain string) {
	i := strings.LastIndexByte(s, '@')
	if i <= 0 || i == len(s)-1 {
		return "", ""
	}
	return s[:i], strings.ToLower(strings.TrimSuffix(s[i+1:], "."))
}
