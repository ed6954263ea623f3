package letter

import "strings"

// Template is a .fmt file, taken apart. It does not change, and may be used by
// several goroutines at once.
type Template struct {
	File    string
	subject []op
	root    *part
}

// media is what a part holds.
type media uint8

const (
	plain media = iota
	inHTML
	inCalendar // text/calendar and application/ics
	inParts
)

// transfer is a Content-Transfer-Encoding that a template insists on.
type transfer uint8

const (
	fitting transfer = iota // what the text needs
	asQuotedPrintable
	asBase64
)

// part is a MIME part: of the whole mail, or within another.
type part struct {
	line     int
	media    media
	typ      string  // text/plain
	params   []field // of the type, charset and boundary left out
	charset  string  // that the template insists on; "" is what the text needs
	transfer transfer
	fields   []field // of the header beside those

	body  []op      // of plain and html
	lines []calLine // of calendar

	preamble string // of multipart, as the rest
	parts    []*part
	number   int // tells its boundary from that of others
}

// field is a name and a value, in which \x01 and a letter stand for a code.
type field struct {
	name, value string
	line        int
}

// Limits of the structure, which no honest template comes near.
const (
	maxDepth = 4
	maxParts = 20
)

// Parse takes a file apart. With warnings among what is wrong the template can be
// used, with errors it is nil. notifications.md §2.2, §2.3.
func Parse(file string, data []byte) (*Template, []Problem) {
	p := &problems{file: file}
	lines := scan(p, data)
	if len(lines) == 0 {
		return nil, p.list
	}
	t := &Template{File: file, subject: subject(p, &lines[0])}
	b := builder{problems: p}
	t.root = b.build(lines[1:])
	if p.failed {
		return nil, p.list
	}
	return t, p.list
}

// subject checks the first line. notifications.md §2.2 leaves open whether codes
// work in it; they do.
func subject(p *problems, l *line) (ops []op) {
	for i, o := range l.ops {
		switch {
		case o.kind == opMaybe:
			p.errorf(l.no, "the subject is always there: take %%? out")
		case o.kind == opBreak && i < len(l.ops)-1:
			p.errorf(l.no, "the subject is one line: take %%N out")
		case o.kind == opBreak:
		case o.kind == opCode && isWhole(o.code):
			p.errorf(l.no, "%%%c is a whole VCALENDAR, and is printed in text/calendar alone", o.code)
		default:
			ops = append(ops, o)
		}
	}
	for _, o := range ops {
		if o.kind == opCode || strings.TrimSpace(o.text) != "" {
			return ops
		}
	}
	p.errorf(l.no, "the first line is the subject, and it is empty")
	return nil
}

// flat makes of lines what is printed one after another, with CRLF for %N.
func flat(lines []line) []op {
	var out []op
	for i := range lines {
		out = appendFlat(out, lines[i].ops)
	}
	return out
}

func appendFlat(out, ops []op) []op {
	from := len(out) // text before it is of another line, which may be left out
	for i, o := range ops {
		switch o.kind {
		case opMaybe:
			rest := appendFlat(nil, ops[i+1:])
			o.skip = len(rest)
			return append(append(out, o), rest...)
		case opBreak:
			o = op{kind: opText, text: "\r\n"}
		}
		if n := len(out); o.kind == opText && n > from && out[n-1].kind == opText {
			out[n-1].text += o.text
			continue
		}
		out = append(out, o)
	}
	return out
}
