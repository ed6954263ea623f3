package wcap

import (
	"encoding/xml"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"factotum/server/ical"
)

// xmlNames are the elements whose name is not that of the iCalendar property
// or component. WCAP §10.
var xmlNames = map[string]string{
	"VEVENT": "EVENT", "VTODO": "TODO", "VALARM": "ALARM", "VFREEBUSY": "FREEBUSY", "VTIMEZONE": "TIMEZONE", "VJOURNAL": "JOURNAL",
	"RECURRENCE-ID": "RECURID", "DTSTART": "START", "DTEND": "END", "LAST-MODIFIED": "LAST-MOD",
	"PERCENT-COMPLETE": "PERCENT", "DESCRIPTION": "DESC", "RELATED-TO": "RELATED", "REQUEST-STATUS": "RSTATUS", "FREEBUSY": "FB",
}

func elementName(name string) string {
	if short, ok := xmlNames[name]; ok {
		return short
	}
	return name
}

// verbatim are the properties whose value is not TEXT; all others lose their
// iCalendar escaping in XML and JSON.
var verbatim = map[string]bool{
	"DTSTART": true, "DTEND": true, "DUE": true, "DTSTAMP": true, "CREATED": true, "LAST-MODIFIED": true, "COMPLETED": true,
	"RECURRENCE-ID": true, "RRULE": true, "EXRULE": true, "RDATE": true, "EXDATE": true, "DURATION": true, "TRIGGER": true,
	"ATTACH": true, "URL": true, "ORGANIZER": true, "ATTENDEE": true, "GEO": true, "FREEBUSY": true, "REQUEST-STATUS": true,
	"TZURL": true, "TZOFFSETFROM": true, "TZOFFSETTO": true, "SEQUENCE": true, "PRIORITY": true, "PERCENT-COMPLETE": true, "REPEAT": true,
	"X-NSCP-CALPROPS-ACCESS-CONTROL-ENTRY": true, "X-NSCP-TZCROSS": true,
}

// element is how a property is spelled in XML.
type element struct {
	name     string // "" if XML has no such name
	verbatim bool
}

// elements are those of the properties that are shown most.
var elements = func() map[string]element {
	m := map[string]element{}
	for _, name := range placeNames {
		m[name] = newElement(name)
	}
	return m
}()

func newElement(name string) element {
	e := element{elementName(name), verbatim[name]}
	if !xmlName(e.name) {
		e.name = ""
	}
	return e
}

func elementOf(name string) element {
	e, ok := elements[name]
	if !ok {
		e = newElement(name)
	}
	return e
}

// isVerbatim reports whether a value has no iCalendar escaping: by the name of
// the property, or by the type that the property says itself.
func isVerbatim(p *ical.Property) bool { return verbatim[p.Name] || typed(p) }

// typed reports whether a property says that its value is not text.
func typed(p *ical.Property) bool {
	if len(p.Params) == 0 {
		return false
	}
	kind := p.Param("VALUE")
	return kind != "" && !strings.EqualFold(kind, "TEXT")
}

// plainValues are the values of a property as XML and JSON show them: most
// have one, those that list several are taken apart or joined.
func plainValues(room []string, p *ical.Property, verbatim bool) []string {
	switch p.Name {
	case "RDATE", "EXDATE", "FREEBUSY", "X-NSCP-TZCROSS":
		if strings.Contains(p.Value, ",") {
			return strings.Split(p.Value, ",")
		}
	case "CATEGORIES":
		list := ical.SplitText(p.Value)
		if slices.ContainsFunc(list, func(s string) bool { return strings.ContainsAny(s, `,\`) }) {
			return append(room, p.Value) // or nobody could tell where one ends
		}
		return append(room, strings.Join(list, ","))
	case "RESOURCES":
		return ical.SplitText(p.Value)
	}
	if verbatim || typed(p) {
		return append(room, p.Value)
	}
	return append(room, ical.UnescapeText(p.Value))
}

// attributes are the parameters that XML and JSON show, each once. The VALUE of
// a property of Sun's is not shown: the form of its value says as much.
func attributes(p *ical.Property) []ical.Param {
	out := p.Params
	drop := func(i int) bool {
		q := out[i]
		return q.Name == "VALUE" && verbatim[p.Name] || !xmlName(q.Name) || slices.ContainsFunc(out[:i], func(e ical.Param) bool { return e.Name == q.Name })
	}
	for i := range out {
		if drop(i) {
			kept := slices.Clone(out[:i])
			for j := i + 1; j < len(out); j++ {
				if !drop(j) {
					kept = append(kept, out[j])
				}
			}
			return kept
		}
	}
	return out
}

// xmlName reports whether a name of iCalendar can be one of XML.
func xmlName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '_')) {
			return false
		}
	}
	return s != ""
}

// WriteXML writes calendars in the form of WCAP §10, which ReadXML reads.
func WriteXML(w io.Writer, calendars []*ical.Component) error {
	b := []byte(xml.Header + "<iCalendar>\n")
	for _, c := range calendars {
		b = append(b, `<iCal version="2.0" prodid="`...)
		b = appendXMLText(b, c.Value("PRODID"))
		b = append(b, "\" METHOD=\"PUBLISH\">\n"...)
		for i := range c.Props {
			if strings.HasPrefix(c.Props[i].Name, "X-") {
				b = appendXMLProperty(b, &c.Props[i])
			}
		}
		for _, k := range c.Children {
			if b = appendXML(b, k); len(b) > 64<<10 {
				if _, err := w.Write(b); err != nil {
					return err
				}
				b = b[:0]
			}
		}
		b = append(b, "</iCal>\n"...)
	}
	_, err := w.Write(append(b, "</iCalendar>\n"...))
	return err
}

func appendXML(b []byte, c *ical.Component) []byte {
	name := elementName(c.Name)
	if !xmlName(name) {
		return b
	}
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, ">\n"...)
	for i := range c.Props {
		b = appendXMLProperty(b, &c.Props[i])
	}
	for _, k := range c.Children {
		b = appendXML(b, k)
	}
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, ">\n"...)
}

func appendXMLProperty(b []byte, p *ical.Property) []byte {
	e := elementOf(p.Name)
	name := e.name
	if name == "" {
		return b
	}
	attrs := attributes(p)
	var one [1]string // most have a single value
	for _, v := range plainValues(one[:0], p, e.verbatim) {
		b = append(b, '<')
		b = append(b, name...)
		for _, a := range attrs {
			b = append(b, ' ')
			b = append(b, a.Name...)
			b = append(b, `="`...)
			b = appendXMLAttribute(b, a.Values)
			b = append(b, '"')
		}
		b = append(b, '>')
		b = appendXMLValue(b, v)
		b = append(b, "</"...)
		b = append(b, name...)
		b = append(b, ">\n"...)
	}
	return b
}

// appendXMLValue writes the text of an element. Readers trim it, so that blanks
// and line ends at its ends are spelled as characters of their own.
func appendXMLValue(b []byte, s string) []byte {
	if s == "" || s[0] > ' ' && s[len(s)-1] > ' ' {
		return appendXMLText(b, s)
	}
	core := strings.Trim(s, xmlSpace)
	lead := len(s) - len(strings.TrimLeft(s, xmlSpace))
	b = appendXMLRefs(b, s[:lead])
	b = appendXMLText(b, core)
	return appendXMLRefs(b, s[lead+len(core):])
}

// xmlSpace are the characters that XML takes for white space.
const xmlSpace = " \t\r\n"

func appendXMLRefs(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, "&#"...)
		b = strconv.AppendInt(b, int64(s[i]), 10)
		b = append(b, ';')
	}
	return b
}

// appendXMLAttribute writes the values of a parameter: several are quoted, as
// in iCalendar, since each may have commas. A parser makes blanks of line ends
// and tabs in attributes unless they are spelled as characters.
func appendXMLAttribute(b []byte, values []string) []byte {
	s := strings.Join(values, ",")
	if len(values) > 1 || strings.HasPrefix(s, `"`) {
		list := slices.Clone(values)
		for i := range list {
			list[i] = strings.ReplaceAll(list[i], `"`, `""`)
		}
		s = `"` + strings.Join(list, `","`) + `"`
	}
	for {
		i := strings.IndexAny(s, "\n\t")
		if i < 0 {
			return appendXMLText(b, s)
		}
		b = appendXMLText(b, s[:i])
		b = appendXMLRefs(b, s[i:i+1])
		s = s[i+1:]
	}
}

// appendXMLText escapes text for an element or an attribute. Characters that
// XML 1.0 does not have are left out.
func appendXMLText(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		n, rep := 1, ""
		switch {
		case c == '&':
			rep = "&amp;"
		case c == '<':
			rep = "&lt;"
		case c == '>':
			rep = "&gt;"
		case c == '"':
			rep = "&quot;"
		case c == '\r':
			rep = "&#13;"
		case c == '\n', c == '\t', c >= ' ' && c < utf8.RuneSelf:
			i++
			continue
		case c < ' ':
		default:
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF || r == utf8.RuneError && n > 1 {
				i += n
				continue
			}
		}
		b = append(b, s[from:i]...)
		b = append(b, rep...)
		i += n
		from = i
	}
	return append(b, s[from:]...)
}
