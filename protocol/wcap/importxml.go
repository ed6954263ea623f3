package wcap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"factotum/server/ical"
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

// maxXMLNodes bounds an imported file.
const maxXMLNodes = 500_000

// parseXML reads a file that export wrote as text/xml: WCAP §10 backwards.
// Calendar-level properties are left out.
func parseXML(data []byte) (*ical.Component, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	root := ical.NewCalendar(prodID)
	stack := []*ical.Component{root}
	var prop *ical.Property
	var text strings.Builder
	begun := false
	for n := 0; ; n++ {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if n > maxXMLNodes {
			return nil, errors.New("too many elements")
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := longName(tok.Name.Local)
			switch {
			case name == "ICALENDAR" || name == "ICAL":
				begun = true
			case prop != nil:
				return nil, fmt.Errorf("an element inside of a property")
			case components[name]:
				if len(stack) > 8 {
					return nil, errors.New("nested too deep")
				}
				k := ical.New(name)
				stack[len(stack)-1].AddChild(k)
				stack = append(stack, k)
			default:
				prop = &ical.Property{Name: name}
				for _, a := range tok.Attr {
					prop.Params = append(prop.Params, ical.Param{Name: strings.ToUpper(a.Name.Local), Values: []string{a.Value}})
				}
				text.Reset()
			}
		case xml.CharData:
			if prop != nil {
				text.Write(tok)
			}
		case xml.EndElement:
			name := longName(tok.Name.Local)
			switch {
			case prop != nil:
				if len(stack) > 1 {
					stack[len(stack)-1].Add(restore(*prop, strings.TrimSpace(text.String())))
				}
				prop = nil
			case components[name]:
				stack = stack[:len(stack)-1]
			}
		case xml.Directive:
			return nil, errors.New("a document type is not taken")
		}
	}
	if !begun {
		return nil, errors.New("no iCalendar element")
	}
	return root, nil
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
		p.Value = ical.JoinText(strings.Split(text, ",")...)
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
		if !verbatim[p.Name] {
			p.Value = ical.EscapeText(text)
		}
	}
	return p
}
