package imip

import (
	"slices"
	"strconv"
	"strings"
)

// media is a Content-Type, or a Content-Disposition, taken apart. RFC 2045 §5.1.
type media struct {
	kind   string            // "text/calendar", in lower case
	params map[string]string // names in lower case, values decoded
}

// mostParams is how many parameters of one field are read.
const mostParams = 100

// mediaOf is the media type of a part, otherwise the given one; "" is text/plain.
func mediaOf(h header, otherwise string) media {
	m := parseMedia(h.get("content-type"))
	if !strings.Contains(m.kind, "/") {
		if m.kind = otherwise; m.kind == "" {
			m.kind = "text/plain" // RFC 2045 §5.2
		}
	}
	return m
}

// boundary is that of a multipart, "" for one that nothing can be found by.
// RFC 2046 §5.1.1.
func (m media) boundary() string {
	b := strings.TrimRight(m.params["boundary"], " \t")
	if len(b) > 500 {
		return ""
	}
	return b
}

// parseMedia reads a value with parameters. What breaks the grammar is read as
// far as it makes sense: blanks in a value without quotes, two semicolons, none
// at all, an encoded word where RFC 2231 §4 belongs.
func parseMedia(s string) media {
	kind, rest := s, ""
	if i := strings.IndexAny(s, "; \t("); i >= 0 {
		kind, rest = s[:i], s[i:]
	}
	m := media{kind: strings.ToLower(strings.TrimSpace(kind)), params: map[string]string{}}
	var pieces []piece // of parameters in parts
	for n := 0; n < mostParams; n++ {
		for more := ""; more != rest; rest = skipComments(strings.TrimLeft(rest, "; \t")) {
			more = rest
		}
		eq := strings.IndexAny(rest, "=;")
		if eq < 0 {
			break
		}
		name := strings.ToLower(strings.TrimSpace(rest[:eq]))
		if rest[eq] == ';' {
			rest = rest[eq:]
			continue
		}
		var v string
		v, rest = paramValue(strings.TrimLeft(rest[eq+1:], " \t"))
		if p, ok := pieceOf(name, v); ok {
			pieces = append(pieces, p)
		} else if _, twice := m.params[name]; !twice && name != "" {
			m.params[name] = decodeWords(v)
		}
	}
	m.join(pieces)
	return m
}

// mostBlanks is how many of them in a value without quotes are looked at.
const mostBlanks = 20

// paramValue reads a value up to the semicolon behind it.
func paramValue(s string) (v, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		i := strings.IndexByte(s[:end], ' ')
		for words := 0; i >= 0 && i < end && words < mostBlanks; words++ {
			more := strings.TrimLeft(s[i:end], " ")
			name, _, is := strings.Cut(more, "=")
			if is && name != "" && !strings.ContainsFunc(name, notLetter) || strings.HasPrefix(more, "(") {
				end = i // the semicolon is missing, or it is a comment
				break
			}
			next := strings.IndexByte(more, ' ')
			if next < 0 {
				break
			}
			i = end - len(more) + next
		}
		return strings.TrimSpace(s[:end]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

func notLetter(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' }

// piece is a part of a parameter: RFC 2231 §3.
type piece struct {
	name, value string
	n           int
	encoded     bool
}

func pieceOf(name, value string) (p piece, ok bool) {
	name, p.encoded = strings.CutSuffix(name, "*")
	name, n, parted := strings.Cut(name, "*")
	if !p.encoded && !parted {
		return p, false
	}
	p.name, p.value = name, value
	if parted {
		var err error
		if p.n, err = strconv.Atoi(n); err != nil || p.n < 0 {
			return p, false
		}
	}
	return p, name != ""
}

// join makes parameters of pieces; they count before one that was written in the
// old way beside them.
func (m *media) join(pieces []piece) {
	slices.SortStableFunc(pieces, func(a, b piece) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return a.n - b.n
	})
	for len(pieces) > 0 {
		name := pieces[0].name
		var b strings.Builder
		charset := ""
		for i := 0; len(pieces) > 0 && pieces[0].name == name; i++ {
			p := pieces[0]
			if pieces = pieces[1:]; p.n != i {
				continue
			}
			if p.encoded {
				v := p.value
				if parts := strings.SplitN(v, "'", 3); i == 0 && len(parts) == 3 {
					charset, v = parts[0], parts[2]
				}
				p.value = percentDecode(v)
			}
			b.WriteString(p.value)
		}
		m.params[name] = inCharset([]byte(b.String()), charset)
	}
}

// percentDecode undoes the encoding of RFC 2231 §4 and RFC 6068 §2; what is none
// stays.
func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, hexOf(s[i+1])<<4|hexOf(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// skipComments drops blanks and comments, which nest, before a token.
// RFC 5322 §3.2.2.
func skipComments(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if !strings.HasPrefix(s, "(") {
			return s
		}
		depth := 0
		i := 0
		for ; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				i++
				break
			}
		}
		s = s[min(i, len(s)):]
	}
}
