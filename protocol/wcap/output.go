package wcap

import (
	"net/http"
	"strconv"

	"factotum/server/ical"
)

// format is how an answer is written: fmt-out.
type format uint8

const (
	asCalendar format = iota
	asXML
	asJSON
)

var formatNames = [...]string{"text/calendar", "text/xml", "text/json"}

func (f format) String() string { return formatNames[f] }

// formatNamed reads a value of fmt-out.
func formatNamed(s string) (format, bool) {
	for i, n := range formatNames {
		if s == n {
			return format(i), true
		}
	}
	return asCalendar, false
}

// prodID is what clients of Sun's server know. WCAP §2.6.2.
const prodID = "-//Sun/Calendar Server//EN"

// flushAt is how much of an answer is held back. A shorter one goes out with
// its length.
const flushAt = 32 << 10

// output writes an answer: one VCALENDAR or iCal for each calendar, with its
// properties, components and errno. What it writes is a tree of ical
// components; the formats differ only in their spelling. Long answers are sent
// as they grow.
type output struct {
	w    http.ResponseWriter
	form format
	buf  []byte
	long bool // some of it was sent

	began   bool // the document
	inside  bool // of a block
	blocks  int
	items   int // of the block, for the commas of JSON
	flushes int
	err     error
}

// mark is a place between blocks to come back to.
type mark struct{ at, blocks, flushes int }

func (o *output) mark() mark { return mark{len(o.buf), o.blocks, o.flushes} }

// rewind forgets what was written since, if nothing of it was sent.
func (o *output) rewind(m mark) bool {
	if o.flushes != m.flushes {
		return false
	}
	o.buf, o.blocks, o.inside = o.buf[:m.at], m.blocks, false
	if m.at == 0 && !o.long {
		o.began = false
	}
	return true
}

// begin opens the block of one calendar. method is the value of METHOD, or "".
func (o *output) begin(method string) {
	if !o.began {
		o.began = true
		switch o.form {
		case asXML:
			o.str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<iCalendar>\n")
		case asJSON:
			o.str(`{"iCalendar":{"iCal":[`)
		}
	}
	o.inside, o.items = true, 0
	switch o.form {
	case asCalendar:
		o.str("BEGIN:VCALENDAR\r\nPRODID:" + prodID + "\r\n")
		if method != "" {
			o.str("METHOD:" + method + "\r\n")
		}
		o.str("VERSION:2.0\r\n")
	case asXML:
		o.str(`<iCal version="2.0" prodid="` + prodID + `"`)
		if method != "" {
			o.str(` METHOD="` + method + `"`)
		}
		o.str(">\n")
	case asJSON:
		if o.blocks > 0 {
			o.str(",")
		}
		o.str("\n" + `{"version":"2.0","prodid":"` + prodID + `",`)
		if method != "" {
			o.str(`"METHOD":"` + method + `",`)
		}
		o.str(`"elements":[`)
	}
	o.blocks++
}

func (o *output) str(s string) { o.buf = append(o.buf, s...) }

// prop writes a calendar-level property.
func (o *output) prop(p *ical.Property) {
	switch o.form {
	case asCalendar:
		o.buf = p.Append(o.buf)
	case asXML:
		o.buf = appendXMLProperty(o.buf, p)
	case asJSON:
		o.buf = appendJSONProperty(o.buf, p, &o.items)
	}
}

// value writes a calendar-level property whose value stands as it is.
func (o *output) value(name, value string) {
	o.prop(&ical.Property{Name: name, Value: value})
}

// text writes a calendar-level property of plain text.
func (o *output) text(name, text string) {
	o.prop(&ical.Property{Name: name, Value: ical.EscapeText(text)})
}

// comp writes a component, and sends what has gathered.
func (o *output) comp(c *ical.Component) error {
	switch o.form {
	case asCalendar:
		o.buf = c.Append(o.buf)
	case asXML:
		o.buf = appendXML(o.buf, c)
	case asJSON:
		o.buf = appendJSON(o.buf, c, &o.items)
	}
	return o.flush()
}

// errno writes the errno of the block.
func (o *output) errno(n Errno) {
	o.value("X-NSCP-WCAP-ERRNO", strconv.Itoa(int(n)))
}

// end closes the block.
func (o *output) end() {
	o.inside = false
	switch o.form {
	case asCalendar:
		o.str("END:VCALENDAR\r\n")
	case asXML:
		o.str("</iCal>\n")
	case asJSON:
		o.str("\n]}")
	}
}

// flush sends what has gathered if it is much.
func (o *output) flush() error {
	if len(o.buf) < flushAt || o.err != nil {
		return o.err
	}
	if !o.long {
		o.header()
		o.long = true
	}
	o.flushes++
	_, o.err = o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return o.err
}

// close ends the document and sends it.
func (o *output) close() error {
	if !o.began {
		return o.err
	}
	switch o.form {
	case asXML:
		o.str("</iCalendar>\n")
	case asJSON:
		o.str("\n]}}\n")
	}
	if o.err != nil {
		return o.err
	}
	if !o.long {
		o.header()
		o.w.Header().Set("Content-Length", strconv.Itoa(len(o.buf)))
		o.w.WriteHeader(http.StatusOK)
	}
	_, o.err = o.w.Write(o.buf)
	return o.err
}

// discard forgets what was written, if nothing of it was sent yet.
func (o *output) discard() bool {
	if o.long {
		return false
	}
	o.buf, o.began, o.inside, o.blocks, o.items = o.buf[:0], false, false, 0, 0
	return true
}

func (o *output) header() {
	h := o.w.Header()
	h.Set("Content-Type", o.form.String()+"; charset=UTF-8")
	noCache(h)
}

// noCache keeps answers out of caches, session ids out of Referer headers, and
// browsers from taking an answer for a page.
func noCache(h http.Header) {
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "0")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
}
