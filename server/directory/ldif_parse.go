package directory

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of the LDIF reader.
const (
	maxLDIFSize  = 512 << 20 // octets of a file
	maxLDIFLine  = 1 << 20   // octets of a logical line
	maxLDIFAttrs = 200_000   // lines of a record: a large group has one for each member
)

// LDIFError says what is wrong in an LDIF file and where.
type LDIFError struct {
	Line int // 1 is the first
	Msg  string
}

func (e *LDIFError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// ldifRecord is one entry of the file with the octets it came from, so that
// the editor can change it and leave the rest alone.
type ldifRecord struct {
	dn         string
	line       int
	start, end int // from "dn:" to the end of the last line, line ends included
	attrs      []ldifLine
}

// ldifLine is one attribute value: a logical line, folded or not.
type ldifLine struct {
	name       string // as written
	value      string
	line       int
	start, end int
}

// parseLDIF reads entries: RFC 2849 without change records and without values
// from URLs. UTF-8 that is not in base64 is taken as it is. It never keeps
// parts of data.
func parseLDIF(data []byte) ([]ldifRecord, error) {
	if len(data) > maxLDIFSize {
		return nil, fmt.Errorf("the file is larger than %d octets", maxLDIFSize)
	}
	p := ldifParser{data: data}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		p.pos = 3
	}
	for {
		l, ok, err := p.next()
		if err != nil {
			return nil, err
		}
		if err := p.take(l, ok); err != nil {
			return nil, err
		}
		if !ok {
			return p.out, nil
		}
	}
}

type ldifParser struct {
	data []byte
	pos  int
	line int // lines read so far

	out  []ldifRecord
	cur  *ldifRecord
	seen bool // something other than comments came: no version any more
}

// logical is a logical line: what it says without folds, and where it is.
type logical struct {
	text       string
	line       int
	start, end int
}

// next returns the next logical line that is not a comment; ok is false at the end.
func (p *ldifParser) next() (l logical, ok bool, err error) {
	for p.pos < len(p.data) {
		l = logical{line: p.line + 1, start: p.pos}
		first := p.physical()
		if !p.folded() { // the common case: no copy but the one to a string
			l.text = string(first)
		} else {
			buf := append([]byte(nil), first...)
			for p.folded() {
				if buf = append(buf, p.physical()[1:]...); len(buf) > maxLDIFLine {
					break
				}
			}
			l.text = string(buf)
		}
		if l.end = p.pos; len(l.text) > maxLDIFLine {
			return l, false, &LDIFError{l.line, fmt.Sprintf("the line is longer than %d octets", maxLDIFLine)}
		}
		if !strings.HasPrefix(l.text, "#") {
			return l, true, nil
		}
	}
	return logical{line: p.line + 1, start: p.pos, end: p.pos}, false, nil
}

// physical cuts one line off, without its end (LF or CRLF).
func (p *ldifParser) physical() []byte {
	rest := p.data[p.pos:]
	n := bytes.IndexByte(rest, '\n')
	if n < 0 {
		n = len(rest)
		p.pos = len(p.data)
	} else {
		p.pos += n + 1
	}
	p.line++
	return bytes.TrimSuffix(rest[:n], []byte("\r"))
}

func (p *ldifParser) folded() bool {
	// A blank line of blanks is not a continuation of an empty line.
	return p.pos < len(p.data) && p.data[p.pos] == ' '
}

func (p *ldifParser) take(l logical, ok bool) error {
	if !ok || l.text == "" {
		if p.cur != nil {
			p.out = append(p.out, *p.cur)
			p.cur = nil
		}
		return nil
	}
	if l.text[0] == ' ' {
		return &LDIFError{l.line, "a continuation line (leading blank) has no line to continue"}
	}
	name, value, err := parseLDIFLine(l.text)
	if err != nil {
		return &LDIFError{l.line, err.Error()}
	}
	isDN := strings.EqualFold(name, "dn")
	switch {
	case p.cur == nil && !p.seen && strings.EqualFold(name, "version"):
		if value != "1" {
			return &LDIFError{l.line, fmt.Sprintf("LDIF version %q is not known; 1 is", value)}
		}
	case p.cur == nil && isDN:
		if strings.TrimSpace(value) == "" {
			return &LDIFError{l.line, "the dn is empty"}
		}
		p.cur = &ldifRecord{dn: value, line: l.line, start: l.start, end: l.end}
	case p.cur == nil:
		return &LDIFError{l.line, fmt.Sprintf("an entry begins with \"dn:\", not %q", name)}
	case isDN:
		return &LDIFError{l.line, "a second dn in one entry; a blank line must separate entries"}
	case strings.EqualFold(name, "changetype"), strings.EqualFold(name, "control"):
		return &LDIFError{l.line, "this is a change record; the file must hold entries"}
	case len(p.cur.attrs) >= maxLDIFAttrs:
		return &LDIFError{l.line, fmt.Sprintf("the entry has more than %d values", maxLDIFAttrs)}
	default:
		p.cur.attrs = append(p.cur.attrs, ldifLine{name, value, l.line, l.start, l.end})
		p.cur.end = l.end
	}
	p.seen = true
	return nil
}

func parseLDIFLine(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, ":")
	switch {
	case !ok:
		return "", "", errors.New("\"name: value\" expected, there is no colon")
	case !attrName(strings.ToLower(name)):
		return "", "", fmt.Errorf("%.60q is not the name of an attribute", name)
	case strings.HasPrefix(value, "<"):
		return "", "", fmt.Errorf("%s takes its value from a URL, which is not supported", name)
	case strings.HasPrefix(value, ":"):
		raw, err := base64.StdEncoding.DecodeString(strings.Trim(value[1:], " "))
		if err != nil {
			return "", "", fmt.Errorf("%s:: is not base64", name)
		}
		value = string(raw)
		if strings.EqualFold(name, "dn") && (!utf8.ValidString(value) || strings.ContainsAny(value, "\x00\r\n")) {
			return "", "", errors.New("the dn holds a control character or invalid UTF-8")
		}
		return name, value, nil
	}
	value = strings.TrimLeft(value, " ")
	if !utf8.ValidString(value) || strings.ContainsAny(value, "\x00\r") {
		return "", "", fmt.Errorf("%s holds NUL, CR or invalid UTF-8; such values are written in base64 (\"%s:: \")", name, name)
	}
	return name, value, nil
}

// printLDIFLine writes one value as LDIF, in base64 where RFC 2849 asks for it
// (SAFE-STRING) and folded at 76 columns.
func printLDIFLine(name, value string) string {
	line := name + ": " + value
	if value == "" {
		line = name + ":"
	} else if !safeString(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString([]byte(value))
	}
	var b strings.Builder
	for len(line) > 76 {
		b.WriteString(line[:76] + "\n")
		line = " " + line[76:]
	}
	b.WriteString(line + "\n")
	return b.String()
}

func safeString(s string) bool {
	if strings.IndexByte(" :<", s[0]) >= 0 || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c == 0 || c == '\n' || c == '\r' || c >= 0x80 {
			return false
		}
	}
	return true
}
