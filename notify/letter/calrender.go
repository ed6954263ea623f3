package letter

import (
	"slices"
	"strings"

	"factotum/server/ical"
)

// calendar makes the text of a text/calendar part.
func (r *renderer) calendar(lines []calLine) {
	for i := range lines {
		l := &lines[i]
		switch {
		case l.fixed != nil:
			r.out = append(r.out, l.fixed...)
		case l.whole != 0:
			r.wholeLines(l.whole)
		default:
			r.property(l)
		}
	}
}

// property prints a content line, or nothing where none of its codes has a value.
// RFC 5545 §3.1.
func (r *renderer) property(l *calLine) {
	p := ical.Property{Name: l.name}
	some := false
	join := func(ops []op, param bool) string {
		var b strings.Builder
		for i := range ops {
			o := &ops[i]
			if o.kind == opText {
				b.WriteString(o.text)
				continue
			}
			v := r.value(o, true)
			some = some || v != ""
			if !param && !codeOf[o.code].Raw {
				v = ical.EscapeText(v)
			}
			b.WriteString(v)
		}
		return b.String()
	}
	p.Value = join(l.value, false)
	if !some && hasCode(l.value) {
		return
	}
	for _, a := range l.params {
		if v := join(a.value, true); v != "" {
			p.Params = append(p.Params, ical.Param{Name: a.name, Values: []string{v}})
		}
	}
	if len(l.value) == 1 && l.value[0].kind == opCode && codeOf[l.value[0].code].Time && r.time(l.value[0].code, true).day && !p.HasParam("VALUE") {
		p.SetParam("VALUE", "DATE")
	}
	r.out = p.Append(r.out)
}

func hasCode(ops []op) bool {
	for i := range ops {
		if ops[i].kind == opCode {
			return true
		}
	}
	return false
}

// wholeLines prints a code that stands for lines of its own.
func (r *renderer) wholeLines(code byte) {
	switch code {
	case 'I':
		r.message()
	case 'J':
		if m := r.in.Message; m != nil {
			with := *m
			with.Props = slices.DeleteFunc(slices.Clone(m.Props), func(p ical.Property) bool { return p.Name == "METHOD" })
			r.out = with.Append(r.out)
		}
	case 'A':
		r.dateLines("EXDATE")
	case 'a':
		r.dateLines("RDATE")
	case 'e':
		r.copies("EXRULE")
	case 'l':
		r.copies("RRULE")
	case 'F':
		if v := r.value(&op{code: 'F'}, true); v != "" {
			p := ical.Property{Name: "DESCRIPTION", Value: ical.EscapeText(v)}
			r.out = p.Append(r.out)
		}
	case 'R':
		t := r.time('r', true)
		if !t.ok {
			return
		}
		p := ical.Property{Name: "RECURRENCE-ID", Value: iso(t)}
		if t.day {
			p.SetParam("VALUE", "DATE")
		}
		if rid := r.prop("RECURRENCE-ID"); rid != nil && rid.ParamIs("RANGE", "THISANDFUTURE") {
			p.SetParam("RANGE", "THISANDFUTURE")
		}
		r.out = p.Append(r.out)
	}
}

// message prints the scheduling message. A stored object becomes one: it gets the
// METHOD that it lacks.
func (r *renderer) message() {
	switch m := r.in.Message; {
	case r.in.Text != nil:
		r.out = append(r.out, r.in.Text...)
	case m == nil:
	case m.Prop("METHOD") != nil:
		r.out = m.Append(r.out)
	default:
		with := *m
		with.Props = append(slices.Clone(m.Props), ical.Property{Name: "METHOD", Value: r.methodName()})
		r.out = with.Append(r.out)
	}
}

func (r *renderer) dateLines(name string) {
	for p := range r.c.All(name) {
		list, day := r.dates(p)
		if len(list) == 0 {
			continue
		}
		out := ical.Property{Name: name, Value: strings.Join(list, ",")}
		switch {
		case day:
			out.SetParam("VALUE", "DATE")
		case strings.Contains(out.Value, "/"):
			out.SetParam("VALUE", "PERIOD")
		}
		r.out = out.Append(r.out)
	}
}

func (r *renderer) copies(name string) {
	for p := range r.c.All(name) {
		out := ical.Property{Name: name, Value: oneLine(p.Value)}
		r.out = out.Append(r.out)
	}
}
