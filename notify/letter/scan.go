package letter

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"factotum/notify/locale"
)

// MaxFile is the largest template in octets.
const MaxFile = 256 << 10

// maxCodes bounds what a mail of a template can cost.
const maxCodes = 1000

// opKind says what an op is.
type opKind uint8

const (
	opText  opKind = iota
	opBreak        // %N
	opCode
	opMaybe // %?: the rest of the line only if a code of it has a value
)

// op is a piece of a line.
type op struct {
	kind   opKind
	code   byte
	utc    bool           // %Z before the letter
	format *locale.Format // of strftime; nil is the locale's
	text   string
	skip   int // of opMaybe: how many of the ops after it are left out
}

// line is a physical line of the file.
type line struct {
	no   int
	mime bool // it began with ~~
	ops  []op
}

// scan takes the file apart into its lines and those into ops; the first is the
// subject.
func scan(p *problems, data []byte) (lines []line) {
	if len(data) > MaxFile {
		p.errorf(1, "the file has %d octets, a template at most %d: is this a template?", len(data), MaxFile)
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	n := 0
	for no := 1; len(data) > 0; no++ {
		raw, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		raw = bytes.TrimSuffix(raw, []byte("\r"))
		if !utf8.Valid(raw) {
			p.errorf(no, "the line is not UTF-8: convert the file, for example with iconv -f ISO-8859-1 -t UTF-8")
			return nil
		}
		if i := bytes.IndexFunc(raw, func(r rune) bool {
			return r < ' ' && r != '\t' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085'
		}); i >= 0 {
			p.errorf(no, "octet %d of the line is a control character: take it out", i+1)
			return nil
		}
		s, mime := strings.CutPrefix(string(raw), "~~")
		l := line{no: no, mime: mime && no > 1}
		if mime && no == 1 {
			p.errorf(1, "the first line is the subject, and this is a MIME line: put a line with the subject before it")
			s = ""
		}
		l.ops = scanLine(p, &l, s)
		for i := range l.ops {
			if l.ops[i].kind == opCode {
				n++
			}
		}
		if n > maxCodes {
			p.errorf(no, "there are more than %d codes: make the template shorter", maxCodes)
			return nil
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		p.errorf(1, "the file is empty: its first line is the subject")
	}
	return lines
}

// scanLine takes a line apart.
func scanLine(p *problems, l *line, s string) (ops []op) {
	text := func(t string) {
		switch n := len(ops); {
		case t == "":
		case n > 0 && ops[n-1].kind == opText:
			ops[n-1].text += t
		default:
			ops = append(ops, op{kind: opText, text: t})
		}
	}
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			text(s)
			break
		}
		text(s[:at])
		s = s[at:]
		switch {
		case strings.HasPrefix(s, "%%"):
			text("%")
			s = s[2:]
		case strings.HasPrefix(s, "%N"):
			ops = append(ops, op{kind: opBreak})
			s = s[2:]
		case strings.HasPrefix(s, "%?") && !l.mime:
			ops = append(ops, op{kind: opMaybe})
			s = s[2:]
		default:
			o, n := scanCode(p, l, s)
			if n == 0 { // it comes out as it is
				_, size := utf8.DecodeRuneInString(s[1:])
				n = 1 + size
				text(s[:n])
			} else {
				ops = append(ops, o)
			}
			s = s[n:]
		}
	}
	maybes(p, l.no, ops)
	return ops
}

// scanCode reads the code that s begins with, and how long it is; 0 if it is none.
func scanCode(p *problems, l *line, s string) (o op, n int) {
	o.kind, n = opCode, 1
	switch {
	case strings.HasPrefix(s, "%Z") && !l.mime:
		o.utc, n = true, 2
	case strings.HasPrefix(s, "%(") && !l.mime:
		end := strings.IndexByte(s, ')')
		if end < 0 {
			p.errorf(l.no, "a time format begins with %%( and has no ): close it")
			return o, 0
		}
		f, err := locale.ParseFormat(s[2:end])
		if err != nil {
			p.errorf(l.no, "%v", err)
			f = nil
		}
		o.format, n = f, end+1
	}
	if n == len(s) {
		p.errorf(l.no, "the line ends within a code: write %%%% for a percent sign")
		return o, 0
	}
	o.code = s[n]
	if l.mime {
		if strings.IndexByte(mimeCodes, o.code) < 0 {
			p.warnf(l.no, "%%%s is no code of MIME lines, and comes out as it is; there are %%s %%x %%b %%m %%c %%N %%%%", firstRune(s[n:]))
			return o, 0
		}
		return o, n + 1
	}
	var c *Code
	if o.code < 128 {
		c = codeOf[o.code]
	}
	switch timed := o.utc || n > 2; {
	case timed && (c == nil || !c.Time):
		p.errorf(l.no, "%s stands before a time, and %s is none: times are %%0 %%1 %%B %%C %%D %%E %%M %%n %%r", s[:n], firstRune(s[n:]))
		return o, 0
	case c == nil:
		p.warnf(l.no, "%%%s is no code, and comes out as it is; write %%%% for a percent sign", firstRune(s[n:]))
		return o, 0
	}
	return o, n + 1
}

func firstRune(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	return string(r)
}

// maybes tells each %? how much of its line hangs on it.
func maybes(p *problems, no int, ops []op) {
	for i := range ops {
		if ops[i].kind != opMaybe {
			continue
		}
		if i > 0 {
			p.errorf(no, "%%? stands at the beginning of a line")
		}
		codes := 0
		for _, o := range ops[i+1:] {
			if o.kind == opCode {
				codes++
			}
		}
		if codes == 0 {
			p.errorf(no, "%%? leaves the line out where its codes have no value, and the line has no code: take %%? out")
		}
		ops[i].skip = len(ops) - i - 1
	}
}
