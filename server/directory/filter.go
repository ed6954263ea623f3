package directory

import (
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// filter is an LDAP search filter (RFC 4515) as a tree. User input only ever
// becomes a value in a leaf, never filter text: what it holds cannot change
// the shape of the filter. The LDIF source evaluates the tree, the LDAP source
// prints it with escapes.
type filter struct {
	op   filterOp
	kids []filter
	attr string   // lower case
	val  string   // opEqual, opApprox, opLess, opMore
	sub  []string // opSubstr: first, any…, last; first and last may be ""
}

type filterOp byte

const (
	opAnd filterOp = iota
	opOr
	opNot
	opEqual
	opSubstr
	opPresent
	opApprox
	opLess
	opMore
)

func and(f ...filter) filter        { return join(opAnd, f) }
func or(f ...filter) filter         { return join(opOr, f) }
func equal(attr, val string) filter { return filter{op: opEqual, attr: attr, val: val} }
func contains(attr, val string) filter {
	return filter{op: opSubstr, attr: attr, sub: []string{"", val, ""}}
}

func join(op filterOp, f []filter) filter {
	if len(f) == 1 {
		return f[0]
	}
	return filter{op: op, kids: f}
}

// String prints the filter with every value escaped. RFC 4515 §3.
func (f filter) String() string {
	var b strings.Builder
	f.print(&b)
	return b.String()
}

func (f filter) print(b *strings.Builder) {
	b.WriteByte('(')
	switch f.op {
	case opAnd, opOr, opNot:
		b.WriteByte("&|!"[f.op])
		for _, k := range f.kids {
			k.print(b)
		}
	case opPresent:
		b.WriteString(f.attr + "=*")
	case opSubstr:
		b.WriteString(f.attr + "=")
		for i, s := range f.sub {
			if i > 0 {
				b.WriteByte('*')
			}
			b.WriteString(ldap.EscapeFilter(s))
		}
	default:
		b.WriteString(f.attr + [...]string{opEqual: "=", opApprox: "~=", opLess: "<=", opMore: ">="}[f.op])
		b.WriteString(ldap.EscapeFilter(f.val))
	}
	b.WriteByte(')')
}

// Limits on filters of the configuration and of memberURL values.
const (
	maxFilterDepth = 32
	maxFilterLen   = 8192
)

// parseFilter reads a filter of the configuration or of a memberURL. Outer
// parentheses may be missing, as in Sun's "uid=%u". Extensible matches
// (RFC 4515 ":=") are refused.
func parseFilter(s string) (filter, error) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "(") {
		s = "(" + s + ")"
	}
	if len(s) > maxFilterLen {
		return filter{}, fmt.Errorf("the filter is longer than %d octets", maxFilterLen)
	}
	f, rest, err := parseFilterAt(s, 0)
	if err == nil && strings.TrimSpace(rest) != "" {
		err = fmt.Errorf("%q follows the end of the filter", rest)
	}
	if err != nil {
		return filter{}, fmt.Errorf("filter %q: %w", s, err)
	}
	return f, nil
}

func parseFilterAt(s string, depth int) (f filter, rest string, err error) {
	if depth > maxFilterDepth {
		return f, s, fmt.Errorf("nested deeper than %d", maxFilterDepth)
	}
	if len(s) < 2 || s[0] != '(' {
		return f, s, fmt.Errorf("'(' expected at %q", s)
	}
	s = s[1:]
	if i := strings.IndexByte("&|!", s[0]); i >= 0 {
		f.op = filterOp(i)
		for s = strings.TrimLeft(s[1:], " "); strings.HasPrefix(s, "("); s = strings.TrimLeft(s, " ") {
			var k filter
			if k, s, err = parseFilterAt(s, depth+1); err != nil {
				return f, s, err
			}
			f.kids = append(f.kids, k)
		}
		switch {
		case f.op == opNot && len(f.kids) != 1:
			return f, s, fmt.Errorf("'!' takes one filter")
		case !strings.HasPrefix(s, ")"):
			return f, s, fmt.Errorf("')' expected at %q", s)
		}
		return f, s[1:], nil
	}
	end := strings.IndexByte(s, ')')
	if end < 0 {
		return f, s, fmt.Errorf("')' is missing")
	}
	f, err = parseLeaf(s[:end])
	return f, s[end+1:], err
}

func parseLeaf(s string) (f filter, err error) {
	attr, val, ok := strings.Cut(s, "=")
	if !ok {
		return f, fmt.Errorf("no '=' in %q", s)
	}
	f.op = opEqual
	if n := len(attr); n > 0 {
		if i := strings.IndexByte("~<>", attr[n-1]); i >= 0 {
			f.op, attr = opApprox+filterOp(i), attr[:n-1]
		}
	}
	f.attr = strings.ToLower(strings.TrimSpace(attr))
	if !attrName(f.attr) {
		return f, fmt.Errorf("%q is not the name of an attribute", attr)
	}
	if f.op == opEqual && val == "*" {
		f.op = opPresent
		return f, nil
	}
	parts := strings.Split(val, "*")
	for i := range parts {
		if parts[i], err = unescapeFilter(parts[i]); err != nil {
			return f, err
		}
	}
	if f.op == opEqual && len(parts) > 1 {
		f.op, f.sub = opSubstr, parts
		return f, nil
	}
	f.val = strings.Join(parts, "*")
	return f, nil
}

// attrName tells whether s is an attribute description in lower case. RFC 4512 §2.5.
func attrName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == ';' || c == '_') {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[0] != ';' && s[0] != '.'
}

func unescapeFilter(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return "", fmt.Errorf(`'\' needs two hexadecimal digits in %q`, s)
		}
		b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
		i += 2
	}
	return b.String(), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// with returns the filter with the replacer applied to its values: how the
// %U and %V of a configured filter become parts of a login name.
func (f filter) with(r *strings.Replacer) filter {
	out := f
	out.val = r.Replace(f.val)
	out.sub, out.kids = nil, nil
	for _, s := range f.sub {
		out.sub = append(out.sub, r.Replace(s))
	}
	for _, k := range f.kids {
		out.kids = append(out.kids, k.with(r))
	}
	return out
}

// matches evaluates the filter on an entry, all values as case-ignore strings.
func (f *filter) matches(e *entry) bool {
	switch f.op {
	case opAnd:
		for i := range f.kids {
			if !f.kids[i].matches(e) {
				return false
			}
		}
		return true
	case opOr:
		for i := range f.kids {
			if f.kids[i].matches(e) {
				return true
			}
		}
		return false
	case opNot:
		return !f.kids[0].matches(e)
	case opPresent:
		return len(e.all(f.attr)) > 0
	}
	for _, v := range e.all(f.attr) {
		if f.matchValue(v) {
			return true
		}
	}
	return false
}

func (f *filter) matchValue(v string) bool {
	switch f.op {
	case opEqual, opApprox:
		if dnValued[f.attr] {
			return dnKey(v) == dnKey(f.val)
		}
		return equalFold(v, f.val)
	case opLess:
		return fold(v) <= fold(f.val)
	case opMore:
		return fold(v) >= fold(f.val)
	}
	v = fold(v)
	for i, s := range f.sub {
		s = strings.ToLower(s)
		switch {
		case i == 0:
			if !strings.HasPrefix(v, s) {
				return false
			}
			v = v[len(s):]
		case i == len(f.sub)-1:
			return strings.HasSuffix(v, s)
		default:
			at := strings.Index(v, s)
			if at < 0 {
				return false
			}
			v = v[at+len(s):]
		}
	}
	return true
}

// dnValued are the attributes that are compared as distinguished names.
var dnValued = map[string]bool{
	"uniquemember": true, "member": true, "owner": true, "icssecondaryowners": true,
}
