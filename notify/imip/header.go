package imip

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"factotum/server/admission"
	"factotum/server/ical"
)

// header is the fields of a mail or part, in their order. RFC 5322 §2.2.
type header []field

type field struct {
	name  string // lower case
	value string // unfolded, without blanks around it
}

// mostFields is how many fields one header has.
const mostFields = 5000

// get is the first field of a name (lower case), or "".
func (h header) get(name string) string {
	for i := range h {
		if h[i].name == name {
			return h[i].value
		}
	}
	return ""
}

// has reports whether a field of a name (lower case) is there.
func (h header) has(name string) bool {
	for i := range h {
		if h[i].name == name {
			return true
		}
	}
	return false
}

// word is the first word of a field in lower case, without what stands behind a
// semicolon, and comments.
func (h header) word(name string) string {
	v, _, _ := strings.Cut(h.get(name), ";")
	v, _, _ = strings.Cut(v, "(")
	return strings.ToLower(strings.TrimSpace(v))
}

// header reads the fields up to the empty line. A line that is no field ends them
// and belongs to the body, as readers of broken mail do it; so does a boundary,
// of which it tells.
func (w *walker) header() (h header, boundary bool, err error) {
	var name string  // of the field that is being read
	var value []byte // of it so far
	done := func() {
		if name != "" {
			h = append(h, field{name, textOf(bytes.TrimSpace(value))})
		}
		name, value = "", value[:0]
	}
	defer done()
	for {
		data, err := w.in.next()
		if err == io.EOF {
			return h, false, nil
		} else if err != nil {
			return h, false, err
		}
		if w.headers += len(data); w.headers > w.lim.Header {
			return h, false, refuse(admission.MailHeaderTooLarge, "the headers have more than %d octets", w.lim.Header)
		}
		line := bytes.TrimRight(data, "\r\n")
		switch {
		case !w.in.begins:
			value = append(value, line...)
			continue
		case len(line) == 0:
			return h, false, nil
		case w.boundary(data):
			return h, true, nil
		case line[0] == ' ' || line[0] == '\t':
			value = append(append(value, ' '), bytes.TrimSpace(line)...)
			continue
		}
		done()
		key, rest, ok := bytes.Cut(line, []byte(":"))
		key = bytes.TrimRight(key, " \t")
		switch {
		case ok && isFieldName(key):
			if len(h) == mostFields {
				return h, false, refuse(admission.MailHeaderTooLarge, "a header has more than %d fields", mostFields)
			}
			name, value = strings.ToLower(string(key)), append(value, rest...)
		case len(h) == 0 && bytes.HasPrefix(line, []byte("From ")): // of a mailbox file
		default:
			if !w.in.mid {
				w.in.putBack(data)
			}
			return h, false, nil
		}
	}
}

func isFieldName(name []byte) bool {
	if len(name) == 0 || len(name) > 100 {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// textOf is the text of octets of a header: UTF-8, as RFC 6532 has it, or what
// programs write that know of no other than their own character set.
func textOf(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string(ical.ToUTF8(b))
}

// clean makes text of a mail fit for one line of a journal, a header or a screen:
// line ends of all kinds and other controls become blanks, and it is cut.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069': // they turn what follows around
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
