package letter

import (
	"slices"
	"strings"
)

// ofServer are fields that whoever sends a mail writes, and no template.
var ofServer = []string{"from", "to", "cc", "bcc", "subject", "date", "message-id", "sender", "reply-to", "return-path", "received", "in-reply-to",
	"references", "auto-submitted", "dkim-signature"}

// readHeader reads the fields of a part.
func (b *builder) readHeader(p *part, fields []field) {
	p.typ = "text/plain"
	for _, f := range fields {
		name := strings.ToLower(f.name)
		if strings.Contains(f.value, "\x01b") && name != "content-type" {
			b.errorf(f.line, "%%b stands in a Content-Type and in the lines between parts")
			continue
		}
		switch {
		case name == "mime-version":
		case name == "content-type":
			b.readType(p, f)
		case name == "content-transfer-encoding":
			b.readTransfer(p, f)
		case slices.Contains(ofServer, name):
			b.errorf(f.line, "the server writes %s itself: take the line out", f.name)
		case !isASCII(f.value):
			b.errorf(f.line, "a header is ASCII: write the value of %s without accents", f.name)
		default:
			p.fields = append(p.fields, f)
		}
	}
}

// readType reads a Content-Type. RFC 2045 §5.1.
func (b *builder) readType(p *part, f field) {
	parts := splitParams(f.value)
	p.typ, p.line = strings.ToLower(strings.TrimSpace(parts[0])), f.line
	switch {
	case p.typ == "text/plain":
	case p.typ == "text/html":
		p.media = inHTML
	case p.typ == "text/calendar", p.typ == "application/ics":
		p.media = inCalendar
	case strings.HasPrefix(p.typ, "multipart/") && isToken(p.typ[len("multipart/"):]):
		p.media = inParts
	default:
		b.errorf(f.line, "%q is no type that a template can make: there are text/plain, text/html, text/calendar, application/ics, multipart/…", visible(p.typ))
		p.typ = "text/plain"
		return
	}
	bounded := false
	for _, s := range parts[1:] {
		name, value, ok := strings.Cut(s, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		switch {
		case name == "" && !ok:
		case !ok || !isToken(name) || value == "" || strings.ContainsAny(value, `"\`) || !isASCII(value):
			b.errorf(f.line, "%q is no parameter: write name=value or name=\"value\", in ASCII", visible(s))
		case name == "boundary" && value == "\x01b" && p.media == inParts:
			bounded = true
		case name == "boundary":
			b.errorf(f.line, "write boundary=\"%%b\", of a multipart alone: the server chooses one that is in no text")
		case strings.Contains(value, "\x01b"):
			b.errorf(f.line, "%%b is the boundary and stands in no other parameter")
		case name == "charset":
			b.readCharset(p, f, value)
		default:
			p.params = append(p.params, field{name: name, value: value})
		}
	}
	if p.media == inParts && !bounded {
		b.errorf(f.line, "a multipart needs boundary=\"%%b\"")
	}
}

func (b *builder) readCharset(p *part, f field, value string) {
	switch strings.ToLower(value) {
	case "\x01s":
	case "utf-8":
		p.charset = "UTF-8"
	default:
		b.warnf(f.line, "texts are ASCII or UTF-8, not %s: write charset=%%s", visible(value))
	}
}

func (b *builder) readTransfer(p *part, f field) {
	switch strings.ToLower(f.value) {
	case "\x01x":
	case "quoted-printable":
		p.transfer = asQuotedPrintable
	case "base64":
		p.transfer = asBase64
	default:
		if p.media != inParts {
			b.warnf(f.line, "the text may not fit %s: write Content-Transfer-Encoding: %%x", visible(f.value))
		}
	}
}

// visible shows codes as they were written.
func visible(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\x01", "%") }

// splitParams splits at semicolons outside of quotes.
func splitParams(s string) (parts []string) {
	quoted, from := false, 0
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}
