package wcap

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// params are the parameters of a request in their order, not yet decoded: a
// list is split before its items are decoded, since a client writes a
// separator as ";" and a semicolon inside of an item as "%3B". WCAP §2.4.
type params []param

type param struct {
	name string            // decoded
	raw  string            // as it came
	done bool              // raw needs no decoding: a part of a multipart form
	enc  encoding.Encoding // of octets that are not UTF-8; nil for ISO 8859-1
}

// maxParams is how many parameters a request may have.
const maxParams = 2000

// overfull reports whether there were more than that.
func (p params) overfull() bool { return len(p) > maxParams }

// splitQuery takes a query or an urlencoded body apart: at "&" only, and a
// pair at its first "=".
func splitQuery(q string) params {
	if q == "" {
		return nil
	}
	out := make(params, 0, min(strings.Count(q, "&")+1, maxParams+1))
	for len(q) > 0 && !out.overfull() {
		var pair string
		pair, q, _ = strings.Cut(q, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		out = append(out, param{name: decode(name), raw: value})
	}
	return out
}

// find returns the first parameter of a name: a repeated one counts once. It
// takes "component_type" for "component-type", as the guide's text has it.
func (p params) find(name string) (param, bool) {
	for i := range p {
		if x := &p[i]; len(x.name) == len(name) && (x.name == name || sameName(x.name, name)) {
			return *x, true
		}
	}
	return param{}, false
}

// sameName compares names in which "_" is as good as "-".
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && !(a[i] == '_' && b[i] == '-' || a[i] == '-' && b[i] == '_') {
			return false
		}
	}
	return true
}

// has reports whether a parameter is there, be it empty.
func (p params) has(name string) bool {
	_, ok := p.find(name)
	return ok
}

// text returns a parameter decoded, "" if it is not there.
func (p params) text(name string) string {
	v, _ := p.opt(name)
	return v
}

// opt is text that tells an empty parameter from one that is not there.
func (p params) opt(name string) (string, bool) {
	x, ok := p.find(name)
	return x.text(), ok
}

func (x param) text() string {
	return x.clean(x.exact())
}

// clean makes a decoded value, or a part of it, text.
func (x param) clean(s string) string { return clean(toUTF8(s, x.enc)) }

// name returns a parameter that names somebody, without blanks around it. Text
// loses its control characters, but with them a name would be another's: ok is
// false if it has any.
func (p params) name(name string) (who string, ok bool) {
	x, _ := p.find(name)
	s := toUTF8(x.exact(), x.enc)
	ok = !strings.ContainsFunc(s, unicode.IsControl)
	if !utf8.ValidString(s) { // then it is ISO 8859-1
		for i := range len(s) {
			ok = ok && !unicode.IsControl(rune(s[i]))
		}
	}
	return strings.TrimSpace(x.clean(s)), ok
}

// exact is the decoded value with nothing cleaned out of it: for secrets.
func (x param) exact() string {
	if x.done {
		return x.raw
	}
	return decode(x.raw)
}

// query takes a parameter apart that holds parameters.
func (x param) query() params {
	out := splitQuery(x.exact())
	for i := range out {
		out[i].enc = x.enc
	}
	return out
}

// list returns the items of a list: split at ";" outside of quotes, then
// decoded, then without their quotes. An empty value has no items; empty items
// between others stay, since lists go in pairs.
func (p params) list(name string) []string {
	x, ok := p.find(name)
	if !ok || x.raw == "" {
		return nil
	}
	items := splitList(x.raw)
	for i, s := range items {
		if !x.done {
			s = decode(s)
		}
		items[i] = x.clean(unquote(s))
	}
	return items
}

// ids is list for identifiers that hold no semicolon (calids, instances): it
// splits once more after decoding, for clients that encode the separator too.
// Empty items are left out.
func (p params) ids(name string) []string {
	var out []string
	for _, item := range p.list(name) {
		for s := range strings.SplitSeq(item, ";") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// uids is list for UIDs, without the blanks around them that none has: object.UID.
func (p params) uids() []string {
	list := p.list("uid")
	for i, s := range list {
		list[i] = strings.TrimSpace(s)
	}
	return list
}

// splitList splits at ";" outside of double quotes.
func splitList(s string) []string {
	var out []string
	quoted := false
	from := 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

func unquote(s string) string {
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		return s[1 : n-1]
	}
	return s
}

// bits are the spellings of a flag.
var bits = map[string]bool{"1": true, "yes": true, "true": true, "0": false, "no": false, "false": false}

// flag reads 0 or 1; see checkValues.
func (p params) flag(name string, or bool) bool {
	if v, ok := bits[strings.ToLower(strings.TrimSpace(p.text(name)))]; ok {
		return v
	}
	return or
}

// integer reads a number that is not negative; see checkValues.
func (p params) integer(name string, or int) int {
	n, err := strconv.Atoi(strings.TrimSpace(p.text(name)))
	if err != nil || n < 0 {
		return or
	}
	return n
}

// decode undoes percent-encoding and takes "+" for a blank. A percent sign
// that begins no code stays as it is.
func decode(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// clean makes a decoded value text: octets that are not UTF-8 are taken for
// ISO 8859-1, line ends become "\n", and control characters that no text has
// (NUL above all) are dropped, and so are the two that XML has no place for.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	latin := !utf8.ValidString(s)
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if !latin {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == '\r':
			if i+1 == len(s) || s[i+1] != '\n' {
				b.WriteByte('\n')
			}
		case r == '\n', r == '\t', r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) && r != 0xFFFE && r != 0xFFFF:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}
