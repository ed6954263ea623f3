package wcap

import "factotum/server/ical"

// Print writes components with properties of their calendar before them, in the form
// of an answer: text/xml, else text/calendar. For notifications about calendars.
// notifications.md §8.4.
func Print(contentType string, props []ical.Property, comps []*ical.Component) []byte {
	o := &output{}
	if contentType == asXML.String() {
		o.form = asXML
	}
	o.begin("PUBLISH")
	for i := range props {
		o.prop(&props[i])
	}
	for _, k := range comps {
		switch o.form {
		case asXML:
			o.buf = appendXML(o.buf, k)
		default:
			o.buf = k.Append(o.buf)
		}
	}
	o.end()
	if o.form == asXML {
		o.str("</iCalendar>\n")
	}
	return o.buf
}
