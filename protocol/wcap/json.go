package wcap

import (
	"strings"
	"unicode/utf8"

	"factotum/server/ical"
)

// The JSON form is the XML tree: an element is an object with its name, its
// attributes if it has any, and either its text or the elements inside it, in
// their order. docs/wcap.md has an example. WCAP names the format, but no
// source describes it.

func appendJSON(b []byte, c *ical.Component, items *int) []byte {
	b = appendJSONStart(b, elementName(c.Name), items)
	b = append(b, `,"elements":[`...)
	n := 0
	for i := range c.Props {
		b = appendJSONProperty(b, &c.Props[i], &n)
	}
	for _, k := range c.Children {
		b = appendJSON(b, k, &n)
	}
	return append(b, "]}"...)
}

func appendJSONStart(b []byte, name string, items *int) []byte {
	if *items++; *items > 1 {
		b = append(b, ',')
	}
	b = append(b, "\n"+`{"name":`...)
	return appendJSONText(b, name)
}

func appendJSONProperty(b []byte, p *ical.Property, items *int) []byte {
	attrs := attributes(p)
	for _, v := range plainValues(nil, p, verbatim[p.Name]) {
		b = appendJSONStart(b, elementName(p.Name), items)
		for i, a := range attrs {
			if i == 0 {
				b = append(b, `,"attributes":{`...)
			} else {
				b = append(b, ',')
			}
			b = appendJSONText(b, a.Name)
			b = append(b, ':')
			b = appendJSONText(b, strings.Join(a.Values, ","))
		}
		if len(attrs) > 0 {
			b = append(b, '}')
		}
		b = append(b, `,"text":`...)
		b = appendJSONText(b, v)
		b = append(b, '}')
	}
	return b
}

// appendJSONText writes a string. Besides what RFC 8259 §7 asks for, it escapes
// what could end a script or a line of it.
func appendJSONText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c < ' ' || c == '<' || c == '>' || c == '&' || c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				b = append(b, `\ufffd`...)
			case r == 0x2028:
				b = append(b, `\u2028`...)
			case r == 0x2029:
				b = append(b, `\u2029`...)
			default:
				b = append(b, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}
