package letter

import (
	"strings"

	"factotum/server/ical"
)

// calLine is a line of a text/calendar part that a template writes by hand.
type calLine struct {
	fixed  []byte // no code is in it: as it is printed
	whole  byte   // a code that prints lines of its own
	name   string
	params []calParam
	value  []op
	codes  bool // in params or value
}

type calParam struct {
	name  string
	value []op
}

// calendar reads the lines of a text/calendar part.
func (b *builder) calendar(lines []line) (out []calLine) {
	var acc []op
	var no, wholes int
	var nest []string
	end := func() {
		if len(acc) > 0 {
			if l, ok := b.property(no, acc); ok {
				nest = b.nest(no, nest, &l)
				out = append(out, l)
			}
		}
		acc = nil
	}
	for _, l := range lines {
		if len(acc) == 0 && (len(l.ops) == 1 || len(l.ops) == 2 && l.ops[1].kind == opBreak) && l.ops[0].kind == opCode && codeOf[l.ops[0].code].Line {
			if isWhole(l.ops[0].code) {
				wholes++
			}
			no = l.no
			out = append(out, calLine{whole: l.ops[0].code, codes: true})
			continue
		}
		for _, o := range l.ops {
			switch {
			case o.kind == opMaybe: // a line without values is left out anyway
			case o.kind == opBreak:
				end()
			case o.kind == opCode && codeOf[o.code].Line:
				b.errorf(l.no, "%%%c prints whole lines in text/calendar: give it a line of its own, with nothing else", o.code)
			default:
				if len(acc) == 0 {
					no = l.no
				}
				acc = append(acc, o)
			}
		}
	}
	end()
	switch {
	case wholes > 0 && len(out) > 1:
		b.errorf(no, "%%I or %%J is the whole text of the part: let nothing else stand in it")
	case wholes == 0 && len(out) == 0:
		b.errorf(b.cur.line, "the calendar is empty: write %%I, or %%J, on a line of its own")
	case len(nest) > 0:
		b.errorf(no, "BEGIN:%s has no END: write END:%s%%N", nest[len(nest)-1], nest[len(nest)-1])
	}
	return out
}

// nest follows BEGIN and END.
func (b *builder) nest(no int, open []string, l *calLine) []string {
	value := ""
	if len(l.value) == 1 && l.value[0].kind == opText {
		value = strings.ToUpper(strings.TrimSpace(l.value[0].text))
	}
	switch {
	case l.name == "BEGIN" && value == "", l.name == "END" && value == "":
		b.errorf(no, "%s needs the name of a component, such as VEVENT", l.name)
	case l.name == "BEGIN":
		return append(open, value)
	case l.name == "END" && (len(open) == 0 || open[len(open)-1] != value):
		b.errorf(no, "END:%s has no BEGIN that it could end", value)
	case l.name == "END":
		return open[:len(open)-1]
	case len(open) == 0:
		b.errorf(no, "%s stands outside of a component: begin with BEGIN:VCALENDAR%%N", l.name)
	}
	return open
}

// property takes a content line apart: name, parameters, value. RFC 5545 §3.1.
func (b *builder) property(no int, ops []op) (l calLine, ok bool) {
	bad := func() (calLine, bool) {
		b.errorf(no, "a line of text/calendar is a property, as in SUMMARY:%%s%%N or ORGANIZER;CN=%%h:%%K%%N")
		return l, false
	}
	if ops[0].kind != opText {
		return bad()
	}
	var name string // of the parameter that is read; "" is the property
	at := &l.value  // where pieces go
	head, quoted := true, false
	rest := ops[0].text
	n := strings.IndexAny(rest, ":;")
	if n < 1 || !isToken(rest[:n]) {
		return bad()
	}
	l.name, rest = strings.ToUpper(rest[:n]), rest[n:]
	for i := 0; ; {
		for head && rest != "" {
			switch c := rest[0]; {
			case c == '"':
				quoted = !quoted
			case c == ':' && !quoted:
				head, at = false, &l.value
			case c == ';' && !quoted:
				eq := strings.IndexByte(rest, '=')
				if eq < 2 || !isToken(rest[1:eq]) {
					return bad()
				}
				name = strings.ToUpper(rest[1:eq])
				l.params = append(l.params, calParam{name: name})
				at = &l.params[len(l.params)-1].value
				rest = rest[eq:]
			default:
				addText(at, rest[:1])
			}
			rest = rest[1:]
		}
		addText(at, rest)
		if i++; i == len(ops) {
			break
		}
		if rest = ops[i].text; ops[i].kind == opCode {
			*at = append(*at, ops[i])
			l.codes = true
			rest = ""
		}
	}
	if head {
		return bad()
	}
	if !l.codes {
		p := ical.Property{Name: l.name, Value: textOf(l.value)}
		for _, a := range l.params {
			p.Params = append(p.Params, ical.Param{Name: a.name, Values: []string{textOf(a.value)}})
		}
		if p.Value == "" {
			return bad()
		}
		l.fixed = p.Append(nil)
	}
	return l, true
}

func addText(ops *[]op, t string) {
	switch n := len(*ops); {
	case t == "":
	case n > 0 && (*ops)[n-1].kind == opText:
		(*ops)[n-1].text += t
	default:
		*ops = append(*ops, op{kind: opText, text: t})
	}
}

func textOf(ops []op) string {
	if len(ops) == 0 {
		return ""
	}
	return ops[0].text
}
