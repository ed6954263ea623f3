package letter

import "strings"

// builder makes the MIME parts of lines.
type builder struct {
	*problems
	open   []*part // multiparts, the outermost first
	cur    *part   // whose header or body is read; nil behind the end of a multipart
	head   bool    // it is the header
	field  field   // of the header, as far as it is read
	fields []field
	body   []line
	root   *part
	parts  int
}

// build reads all lines behind the subject. What begins with no MIME line is a
// text/plain without a header of its own.
func (b *builder) build(lines []line) *part {
	b.root = &part{line: 1}
	b.cur, b.head = b.root, true
	for i := range lines {
		l := &lines[i]
		switch {
		case len(l.ops) == 0:
		case l.mime && b.head:
			b.header(l, l.ops)
		case l.mime:
			b.boundary(l)
		default:
			b.text(l)
		}
	}
	if b.head {
		b.endHeader(b.lastLine(lines))
	}
	if b.cur != nil {
		b.endPart()
	}
	for _, m := range b.open {
		b.errorf(m.line, "the %s that begins here has no end: write ~~--%%b-- behind its last part", m.typ)
	}
	return b.root
}

func (b *builder) lastLine(lines []line) int {
	if len(lines) == 0 {
		return 1
	}
	return lines[len(lines)-1].no
}

// text takes a line that is no MIME line.
func (b *builder) text(l *line) {
	ops := l.ops
	switch {
	case b.cur == nil:
		for _, o := range ops {
			if o.kind != opBreak {
				b.errorf(l.no, "nobody sees text behind the end of a multipart: take it out, or begin a part with ~~--%%b%%N")
				return
			}
		}
		return
	case b.head:
		if len(b.fields) == 0 && b.field.value == "" && b.cur == b.root { // no header at all
			b.endHeader(l.no)
			break
		}
		if ops[0].kind != opBreak {
			b.errorf(l.no, "this line stands in a header: begin it with ~~, or end the header with an empty line, %%N%%N, before it")
			b.endHeader(l.no)
			break
		}
		if b.field.value != "" { // this ends its line, and the next the header
			b.endField()
			ops = ops[1:]
		}
		if len(ops) == 0 {
			return
		}
		if ops[0].kind == opBreak {
			ops = ops[1:]
		}
		b.endHeader(l.no)
	}
	b.body = append(b.body, line{no: l.no, ops: ops})
}

// header takes ops of a MIME line in a header, whose lines %N ends.
func (b *builder) header(l *line, ops []op) {
	for i, o := range ops {
		switch o.kind {
		case opText:
			if b.field.value == "" {
				b.field.line = l.no
			}
			b.field.value += o.text
		case opCode:
			b.field.value += "\x01" + string(rune(o.code))
		case opBreak:
			if b.field.value != "" {
				b.endField()
				continue
			}
			b.endHeader(l.no)
			for _, rest := range ops[i+1:] {
				if rest.kind != opBreak {
					b.errorf(l.no, "the header ends in this line: go on in the next one, without ~~")
					break
				}
			}
			if rest := ops[i+1:]; len(rest) > 0 && b.cur.media != inParts {
				b.body = append(b.body, line{no: l.no, ops: rest})
			}
			return
		}
	}
}

// endField ends a line of a header. One that begins with a blank goes on with the
// field before it.
func (b *builder) endField() {
	f := b.field
	b.field = field{}
	if strings.HasPrefix(f.value, " ") || strings.HasPrefix(f.value, "\t") {
		if n := len(b.fields); n > 0 {
			b.fields[n-1].value += " " + strings.TrimSpace(f.value)
			return
		}
	}
	name, value, ok := strings.Cut(f.value, ":")
	if !ok || !isToken(name) {
		b.errorf(f.line, "a line of a header is a name, a colon and a value, as in ~~Content-Type: text/plain; charset=%%s%%N")
		return
	}
	b.fields = append(b.fields, field{name: name, value: strings.TrimSpace(value), line: f.line})
}

// endHeader ends the header of the current part.
func (b *builder) endHeader(no int) {
	if b.field.value != "" {
		b.endField()
	}
	b.head = false
	b.readHeader(b.cur, b.fields)
	b.fields = nil
	if b.cur.media != inParts {
		return
	}
	if len(b.open) == maxDepth {
		b.errorf(no, "multiparts are at most %d deep", maxDepth)
	}
	b.open = append(b.open, b.cur)
	b.cur.number = len(b.open)
}

// boundary takes a MIME line that stands in no header: --%b or --%b--.
func (b *builder) boundary(l *line) {
	ops := l.ops
	if len(ops) < 2 || ops[0].kind != opText || ops[0].text != "--" || ops[1].kind != opCode || ops[1].code != 'b' {
		b.errorf(l.no, "a ~~ line behind a header is a boundary, ~~--%%b%%N or ~~--%%b--%%N: text has no ~~")
		return
	}
	if len(b.open) == 0 {
		b.errorf(l.no, "there is no multipart that this boundary could be of: begin one with ~~Content-Type: multipart/alternative; boundary=\"%%b\"%%N%%N")
		return
	}
	if b.cur != nil {
		b.endPart()
	}
	ops = ops[2:]
	if len(ops) > 0 && ops[0].kind == opText && ops[0].text == "--" {
		b.close(l)
		return
	}
	if len(ops) > 0 && ops[0].kind != opBreak {
		b.errorf(l.no, "a boundary has a line of its own: end it with %%N")
		return
	}
	if b.parts++; b.parts > maxParts {
		b.errorf(l.no, "there are more than %d parts", maxParts)
	}
	m := b.open[len(b.open)-1]
	b.cur, b.head = &part{line: l.no}, true
	m.parts = append(m.parts, b.cur)
	if len(ops) > 1 {
		b.header(l, ops[1:])
	}
}

// close ends the innermost multipart.
func (b *builder) close(l *line) {
	m := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	if len(m.parts) == 0 {
		b.errorf(l.no, "the %s of line %d has no part: begin one with ~~--%%b%%N", m.typ, m.line)
	}
	b.cur = nil
}

// endPart gives the current part what was read of its body.
func (b *builder) endPart() {
	lines := b.body
	b.body = nil
	switch p := b.cur; p.media {
	case inParts:
		for _, o := range flat(lines) {
			if o.kind != opText || !isASCII(o.text) {
				b.errorf(p.line, "what stands before the first part of a multipart is for programs that know no MIME: it is plain ASCII, without codes")
				break
			}
			p.preamble += o.text
		}
	case inCalendar:
		p.lines = b.calendar(lines)
	default:
		b.checkText(p, lines)
		p.body = flat(lines)
	}
}

// checkText looks for codes that stand in a wrong place.
func (b *builder) checkText(p *part, lines []line) {
	for i := range lines {
		for _, o := range lines[i].ops {
			if o.kind == opCode && isWhole(o.code) {
				b.errorf(lines[i].no, "%%%c is a whole VCALENDAR, and is printed in text/calendar alone", o.code)
			}
		}
	}
	if p.media == inHTML {
		checkHTML(b.problems, lines)
	}
}

// isToken reports whether a string is a name of a header field. RFC 5322 §2.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?=", c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
