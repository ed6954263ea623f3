package imip

import (
	"bytes"
	"fmt"
	"strings"

	"factotum/server/admission"
)

// What is kept of parts that are no calendar data.
const (
	mostText   = 256 << 10 // octets of a plain text
	mostTexts  = 4         // without calendar data
	mostStatus = 64 << 10  // octets of a delivery status
)

// leaf reads a part that has no others, and keeps it if it may be of use.
func (w *walker) leaf(p place, h header, m media) error {
	part := Part{Path: p.path, Type: clean(m.kind, 100), Name: fileName(h, m)}
	enc := encodingOf(h)
	switch lower := strings.ToLower(part.Name); {
	case p.nested == 0 && (m.kind == "application/ms-tnef" || m.kind == "application/vnd.ms-tnef" || lower == "winmail.dat"):
		w.found.winmail = &part
	case p.nested == 0 && (m.kind == "application/pkcs7-mime" || m.kind == "application/x-pkcs7-mime"):
		w.found.sealed = &part
	case isCalendarType(m.kind), strings.HasSuffix(lower, ".ics"), strings.HasSuffix(lower, ".vcs"):
		data, cut, err := w.keep(enc, w.lim.Calendar)
		if err != nil {
			return err
		}
		if cut {
			return tooLong(part, w.lim.Calendar)
		}
		w.found.leaves = append(w.found.leaves, leaf{Part: part, media: m, data: data, strong: true, nested: p.nested, within: p.within})
		return nil
	case p.nested == 0 && (m.kind == "message/delivery-status" || m.kind == "message/global-delivery-status"):
		data, _, err := w.keep(enc, mostStatus)
		if w.found.status == nil {
			w.found.status = data
		}
		return err
	case m.kind == "text/rfc822-headers", m.kind == "message/global-headers":
		return w.headersOnly(enc)
	case m.kind == "text/plain":
		before := w.kept
		data, _, err := w.keep(enc, mostText)
		if !hasCalendar(data) && uuIn(data) < 0 {
			if w.texts++; w.texts > mostTexts {
				w.kept, w.spare = before, data[:0]
				return err
			}
		}
		w.found.leaves = append(w.found.leaves, leaf{Part: part, media: m, data: data, nested: p.nested, within: p.within})
		return err
	}
	return w.body(nil)
}

func tooLong(part Part, most int) *Refusal {
	return &Refusal{Reason: admission.MailTooLarge.String(), Detail: fmt.Sprintf("the calendar data has more than %d octets", most), Part: part}
}

// headersOnly reads what a report tells of the header of a message. RFC 6522 §4.
func (w *walker) headersOnly(enc transfer) error {
	data, _, err := w.keep(enc, mostStatus)
	if err != nil || w.found.returned != nil {
		return err
	}
	inner := walker{in: newLines(bytes.NewReader(data), len(data)), lim: w.lim}
	w.found.returned, _, err = inner.header()
	return err
}

// isCalendarType reports whether a media type means iCalendar: text/calendar,
// RFC 5545 §8.1, and what programs write in its place.
func isCalendarType(kind string) bool {
	switch kind {
	case "text/calendar", "application/ics", "application/calendar", "application/icalendar", "application/x-ics",
		"application/x-calendar", "text/ics", "text/icalendar", "text/x-vcalendar", "text/vcalendar", "application/vnd.ms-outlook-calendar":
		return true
	}
	return false
}

// fileName is the name of the file that a part would be, without folders. RFC 2183 §2.3.
func fileName(h header, m media) string {
	name := m.params["name"]
	if h.has("content-disposition") {
		if n := parseMedia(h.get("content-disposition")).params["filename"]; n != "" {
			name = n
		}
	}
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	return clean(name, 200)
}
