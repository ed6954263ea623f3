package wcap

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"factotum/server/ical"

	"golang.org/x/text/encoding"
)

// icalNames is xmlNames the other way round.
var icalNames = func() map[string]string {
	m := map[string]string{}
	for long, short := range xmlNames {
		m[short] = long
	}
	return m
}()

// components are the elements that hold others.
var components = map[string]bool{
	"VEVENT": true, "VTODO": true, "VALARM": true, "VFREEBUSY": true, "VTIMEZONE": true, "VJOURNAL": true, "STANDARD": true, "DAYLIGHT": true,
}

// maxXMLNodes bounds an imported file: its elements, their ends, and texts.
const maxXMLNodes = 5_000_000

// ReadXML reads a calendar in the form of WCAP §10, as this server and Sun's
// write it to files and publish it. What is known of the calendar as a whole
// (X-NSCP-CALPROPS-NAME, X-WR-CALNAME …) is kept.
func ReadXML(data []byte) (*ical.Component, error) {
	root, calprops, err := readXML(data, nil)
	if err == nil {
		root.Props = append(root.Props, calprops...)
	}
	return root, err
}

// parseXML reads a file that export wrote as text/xml: WCAP §10 backwards.
// Calendar-level properties are left out. sent is the character set of a file
// that neither is UTF-8 nor says what it is.
func parseXML(data []byte, sent encoding.Encoding) (*ical.Component, error) {
	root, _, err := readXML(data, sent)
	return root, err
}

func readXML(data []byte, sent encoding.Encoding) (_ *ical.Component, calprops []ical.Property, err error) {
	d, data := xmlDecoder(data, sent)
	root := ical.NewCalendar(prodID)
	stack := []*ical.Component{root}
	var prop *ical.Property
	var text elementText
	open := func(name string) bool {
		if len(stack) > 8 {
			return false
		}
		k := ical.New(name)
		stack[len(stack)-1].AddChild(k)
		stack = append(stack, k)
		return true
	}
	begun := false
	for n := 0; ; n++ {
		from := d.InputOffset()
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if n > maxXMLNodes {
			return nil, nil, errors.New("too many elements")
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := longName(tok.Name.Local)
			switch {
			case name == "ICALENDAR" || name == "ICAL":
				begun = true
				continue
			case prop != nil: // it has elements inside: a component of another name
				if text.trimmed() != "" || !open(prop.Name) {
					return nil, nil, errors.New("an element inside of a property")
				}
				prop = nil
			}
			if components[name] {
				if !open(name) {
					return nil, nil, errors.New("nested too deep")
				}
				continue
			}
			prop = &ical.Property{Name: name}
			for _, a := range tok.Attr {
				prop.Params = append(prop.Params, ical.Param{Name: strings.ToUpper(a.Name.Local), Values: attributeValues(a.Value)})
			}
			text = elementText{}
		case xml.CharData:
			if prop != nil {
				text.add(tok, data[from:d.InputOffset()])
			}
		case xml.EndElement:
			name := longName(tok.Name.Local)
			switch {
			case prop != nil:
				if done := restore(*prop, text.trimmed()); len(stack) > 1 {
					stack[len(stack)-1].Add(done)
				} else if strings.HasPrefix(done.Name, "X-") && !strings.HasPrefix(done.Name, "X-NSCP-WCAP-") {
					calprops = append(calprops, done)
				}
				prop = nil
			case len(stack) > 1 && stack[len(stack)-1].Name == name:
				stack = stack[:len(stack)-1]
			}
		case xml.Directive:
			return nil, nil, errors.New("a document type is not taken")
		}
	}
	if !begun {
		return nil, nil, errors.New("no iCalendar element")
	}
	return root, calprops, nil
}

// elementText is the text of an element without the blanks around it, unless
// they were spelled as characters of their own: then they belong to it.
type elementText struct {
	text, raw strings.Builder
}

// add takes what the parser made of a piece of the file.
func (e *elementText) add(text, raw []byte) {
	e.text.Write(text)
	for i, c := range raw { // the parser makes one line end of two characters
		switch {
		case c != '\r':
			e.raw.WriteByte(c)
		case i+1 == len(raw) || raw[i+1] != '\n':
			e.raw.WriteByte('\n')
		}
	}
}

func (e *elementText) trimmed() string {
	text, raw := e.text.String(), e.raw.String()
	lead := len(raw) - len(strings.TrimLeft(raw, xmlSpace))
	if lead == len(raw) {
		return ""
	}
	trail := len(raw) - len(strings.TrimRight(raw, xmlSpace))
	return text[lead : len(text)-trail]
}

// attributeValues takes apart the values of a parameter: see appendXMLAttribute.
func attributeValues(s string) []string {
	var out []string
	for rest := s; ; {
		if !strings.HasPrefix(rest, `"`) {
			return []string{s}
		}
		value := ""
		for rest = rest[1:]; ; rest = rest[1:] {
			part, after, closed := strings.Cut(rest, `"`)
			if !closed {
				return []string{s}
			}
			value += part
			if rest = after; !strings.HasPrefix(rest, `"`) {
				break
			}
			value += `"`
		}
		if out = append(out, value); rest == "" {
			return out
		}
		if rest[0] != ',' {
			return []string{s}
		}
		rest = rest[1:]
	}
}

func longName(s string) string {
	s = strings.ToUpper(s)
	if long, ok := icalNames[s]; ok {
		return long
	}
	return s
}

// restore gives a property its iCalendar form again.
func restore(p ical.Property, text string) ical.Property {
	p.Value = text
	switch p.Name {
	case "CATEGORIES":
		if !strings.Contains(text, `\`) { // else it is as in iCalendar
			p.Value = ical.JoinText(strings.Split(text, ",")...)
		}
	case "DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "RDATE", "EXDATE":
		if len(text) == len(dateForm) {
			p.SetParam("VALUE", "DATE")
		} else if strings.Contains(text, "/") {
			p.SetParam("VALUE", "PERIOD")
		}
	case "TRIGGER":
		if len(text) >= len(civilForm) && text[0] >= '0' && text[0] <= '9' {
			p.SetParam("VALUE", "DATE-TIME")
		}
	case "ATTACH":
		if strings.EqualFold(p.Param("ENCODING"), "BASE64") {
			p.SetParam("VALUE", "BINARY")
		}
	default:
		if !isVerbatim(&p) {
			p.Value = ical.EscapeText(text)
		}
	}
	return p
}
