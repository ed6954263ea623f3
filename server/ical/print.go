package ical

import (
	"strings"
	"unicode/utf8"
)

// maxFold is the longest line in octets, without its CRLF. RFC 5545 §3.1.
const maxFold = 75

// Bytes prints the component. See Append.
func (c *Component) Bytes() []byte {
	return c.Append(make([]byte, 0, c.size()))
}

// size estimates the printed length.
func (c *Component) size() int {
	n := 2 * (len("BEGIN:\r\n") + len(c.Name))
	for i := range c.Props {
		p := &c.Props[i]
		l := len(p.Name) + len(p.Value) + 3
		for _, a := range p.Params {
			l += len(a.Name) + 2
			for _, v := range a.Values {
				l += len(v) + 3
			}
		}
		n += l + l/24
	}
	for _, k := range c.Children {
		n += k.size()
	}
	return n
}

// Append prints the component and what is below it to dst: CRLF line ends,
// folded at 75 octets between characters, parameter values quoted and encoded
// as RFC 6868 says. Parse reads the same tree back. A tree made by hand cannot
// break out of its line: octets that may not stand in a name are left out, a
// line break in a value is printed as \n, and other control characters and
// broken UTF-8 are left out.
func (c *Component) Append(dst []byte) []byte {
	dst = appendEdge(dst, "BEGIN:", c.Name)
	for i := range c.Props {
		dst = c.Props[i].Append(dst)
	}
	for _, k := range c.Children {
		dst = k.Append(dst)
	}
	return appendEdge(dst, "END:", c.Name)
}

func appendEdge(dst []byte, edge, name string) []byte {
	start := len(dst)
	dst = append(dst, edge...)
	dst = appendName(dst, name)
	return endLine(dst, start)
}

// Append prints the property as one content line, folded and with its CRLF.
func (p *Property) Append(dst []byte) []byte {
	start := len(dst)
	dst = appendName(dst, p.Name)
	for i := range p.Params {
		a := &p.Params[i]
		if len(a.Values) == 0 {
			continue
		}
		dst = append(dst, ';')
		dst = appendName(dst, a.Name)
		for j, v := range a.Values {
			if j == 0 {
				dst = append(dst, '=')
			} else {
				dst = append(dst, ',')
			}
			// See quoteTZID: what follows the first colon is no part of a name.
			dst = appendParamValue(dst, v, a.Name == "TZID" && isTimed(p.Name) && strings.IndexByte(p.Value, ':') >= 0)
		}
	}
	dst = append(dst, ':')
	dst = appendValue(dst, p.Value)
	return endLine(dst, start)
}

func appendName(dst []byte, name string) []byte {
	for i := range len(name) {
		if !isName[name[i]] {
			for _, c := range []byte(name) {
				if isName[c] {
					dst = append(dst, c)
				}
			}
			return dst
		}
	}
	return append(dst, name...)
}

func appendValue(dst []byte, v string) []byte {
	if high, ok := scanOctets(v); ok && (!high || utf8.ValidString(v)) {
		return append(dst, v...)
	}
	v = strings.ToValidUTF8(strings.ReplaceAll(v, "\r\n", "\n"), "")
	for _, c := range []byte(v) {
		switch {
		case c == '\n':
			dst = append(dst, `\n`...)
		case c < 0x20 && c != '\t' || c == 0x7f:
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// endLine ends the line that begins at start, folding it when it is too long.
func endLine(dst []byte, start int) []byte {
	if len(dst)-start <= maxFold {
		return append(dst, "\r\n"...)
	}
	// Print the folded line behind the long one, then move it forward.
	end := len(dst)
	width := maxFold
	for at := start; at < end; {
		cut := min(at+width, end)
		if cut < end {
			for back := cut; back > cut-utf8.UTFMax && back > at; back-- {
				if utf8.RuneStart(dst[back]) {
					cut = back
					break
				}
			}
		}
		if at > start {
			dst = append(dst, ' ')
		}
		dst = append(dst, dst[at:cut]...)
		dst = append(dst, "\r\n"...)
		at, width = cut, maxFold-1
	}
	n := copy(dst[start:], dst[end:])
	return dst[:start+n]
}
