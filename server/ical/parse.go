package ical

import (
	"fmt"
	"strings"
)

// Parse reads exactly one VCALENDAR. Lines may end in CRLF or LF; blank lines
// and a byte order mark are skipped; names become upper case. Everything else
// that RFC 5545 §3.1 does not allow is a *ParseError. What the properties mean
// is not looked at: see Validate.
//
// The tree does not refer to data.
func Parse(data []byte, lim Limits) (*Component, error) {
	return parseAt(data, lim.orDefault(), 0)
}

// parseAt is Parse for data that starts after a number of other lines.
func parseAt(data []byte, lim Limits, before int) (*Component, error) {
	cal, err := new(parser).parse(data, lim)
	if err != nil {
		err.Line += before
		return nil, err
	}
	return cal, nil
}

// Reader parses one object after another into the same room, for those who
// are done with each before they read the next. The zero Reader is ready.
type Reader struct{ p *parser }

// Parse is as the function Parse, but its tree is only good until the next
// call; the strings in it stay good.
func (r *Reader) Parse(data []byte, lim Limits) (*Component, error) {
	if r.p == nil {
		r.p = new(parser)
	}
	r.p.reuse()
	cal, err := r.p.parse(data, lim.orDefault())
	if err != nil {
		r.p = nil
		return nil, err
	}
	return cal, nil
}

// unfolded is the text of an object with one content line a line.
type unfolded struct {
	text  string // each line ends in \n
	lines int
	comps int    // lines that look like BEGIN
	src   []byte // for line numbers
}

// frame is a component that has begun and not ended. Its children lie on the
// parser's stack from a place on.
type frame struct {
	c    *Component
	kids int
}

// parser holds the stacks of one run. Parameters and children are collected on
// a stack, and moved to a slab of the right size once complete: a few
// allocations an object, and no slice shares room with its neighbour. Properties
// go to their slab at once, since those of a component stand together, but for
// what follows a component within it.
type parser struct {
	lim    Limits
	open   []frame
	kids   []*Component
	params []Param
	values []string
	nvals  int // parameter values so far

	propSlab  []Property
	paramSlab []Param
	valueSlab []string
	compSlab  []Component
	kidSlab   []*Component
}

// reuse makes the slabs free for another tree, unless one has grown large.
func (p *parser) reuse() {
	if cap(p.propSlab) > 4096 || cap(p.paramSlab) > 4096 || cap(p.valueSlab) > 4096 || cap(p.compSlab) > 4096 || cap(p.kidSlab) > 4096 {
		*p = parser{}
		return
	}
	p.propSlab, p.paramSlab, p.valueSlab, p.compSlab, p.kidSlab = p.propSlab[:0], p.paramSlab[:0], p.valueSlab[:0], p.compSlab[:0], p.kidSlab[:0]
	p.nvals = 0
}

// take moves what is on top of a stack to the slab, with no room to grow into.
func take[T any](slab *[]T, top []T) []T {
	if len(top) == 0 {
		return nil
	}
	if cap(*slab)-len(*slab) < len(top) {
		*slab = make([]T, 0, max(len(top), min(2*cap(*slab), 1024), 8))
	}
	at := len(*slab)
	*slab = append(*slab, top...)
	clear(top)
	return (*slab)[at:len(*slab):len(*slab)]
}

func (p *parser) parse(data []byte, lim Limits) (*Component, *ParseError) {
	if len(data) > lim.MaxBytes {
		return nil, &ParseError{Line: 1, Msg: fmt.Sprintf("the object is larger than %d octets", lim.MaxBytes)}
	}
	text, err := unfold(data, lim)
	if err != nil {
		return nil, err
	}
	p.lim = lim
	return p.run(text)
}

func (p *parser) run(u unfolded) (*Component, *ParseError) {
	if n := min(u.comps, p.lim.MaxComponents); cap(p.compSlab) < n {
		p.compSlab = make([]Component, 0, n)
	}
	if n := u.lines - 2*u.comps; cap(p.propSlab) < n {
		p.propSlab = make([]Property, 0, n)
	}
	var root *Component
	rest := u.text
	comps, props := 0, 0
	own := -1 // where the properties of the innermost component begin that are read, -1 behind a component in it
	for n := 0; rest != ""; n++ {
		end := strings.IndexByte(rest, '\n')
		line := rest[:end]
		rest = rest[end+1:]

		if root != nil && len(p.open) == 0 {
			return nil, u.fail(n, "text after END:VCALENDAR; an object has one VCALENDAR")
		}
		prop, msg := p.line(line)
		if msg != "" {
			return nil, u.fail(n, msg)
		}
		switch prop.Name {
		case "BEGIN":
			name, ok := compName(&prop)
			switch {
			case !ok:
				return nil, u.fail(n, "BEGIN needs the name of a component, and no parameters")
			case root == nil && name != "VCALENDAR":
				return nil, u.fail(n, "expected BEGIN:VCALENDAR")
			case root != nil && name == "VCALENDAR":
				return nil, u.fail(n, "VCALENDAR within VCALENDAR")
			case len(p.open) >= p.lim.MaxDepth:
				return nil, u.fail(n, fmt.Sprintf("components nest deeper than %d", p.lim.MaxDepth))
			case comps >= p.lim.MaxComponents:
				return nil, u.fail(n, fmt.Sprintf("more than %d components", p.lim.MaxComponents))
			}
			comps++
			c := p.component(name)
			if root == nil {
				root = c
			}
			p.open = append(p.open, frame{c: c, kids: len(p.kids)})
			own = len(p.propSlab)
		case "END":
			name, ok := compName(&prop)
			switch {
			case !ok:
				return nil, u.fail(n, "END needs the name of a component, and no parameters")
			case len(p.open) == 0:
				return nil, u.fail(n, "expected BEGIN:VCALENDAR")
			}
			f := p.open[len(p.open)-1]
			if name != f.c.Name {
				return nil, u.fail(n, "END:"+clip(name)+" where END:"+clip(f.c.Name)+" is due")
			}
			p.open[len(p.open)-1].c = nil
			p.open = p.open[:len(p.open)-1]
			own = -1
			f.c.Children = take(&p.kidSlab, p.kids[f.kids:])
			p.kids = p.kids[:f.kids]
			if len(p.open) > 0 {
				p.kids = append(p.kids, f.c)
			}
		default:
			if len(p.open) == 0 {
				return nil, u.fail(n, "expected BEGIN:VCALENDAR")
			}
			if props >= p.lim.MaxProps {
				return nil, u.fail(n, fmt.Sprintf("more than %d properties", p.lim.MaxProps))
			}
			props++
			if c := p.open[len(p.open)-1].c; own < 0 {
				c.Props = append(c.Props, prop)
			} else {
				p.propSlab = append(p.propSlab, prop)
				c.Props = p.propSlab[own:len(p.propSlab):len(p.propSlab)]
			}
		}
	}
	switch {
	case root == nil:
		return nil, u.fail(u.lines, "expected BEGIN:VCALENDAR")
	case len(p.open) > 0:
		return nil, u.fail(u.lines, "END:"+clip(p.open[len(p.open)-1].c.Name)+" is missing")
	}
	return root, nil
}

func (p *parser) component(name string) *Component {
	if len(p.compSlab) == cap(p.compSlab) {
		p.compSlab = make([]Component, 0, 8)
	}
	p.compSlab = append(p.compSlab, Component{Name: name})
	return &p.compSlab[len(p.compSlab)-1]
}

// compName reads the value of BEGIN or END; blanks after it do no harm.
func compName(p *Property) (string, bool) {
	v := strings.TrimRight(p.Value, " \t")
	name, n := scanName(v)
	return name, n > 0 && n == len(v) && len(p.Params) == 0
}

// clip shortens a component name for a message.
func clip(name string) string {
	if len(name) > 32 {
		return name[:32] + "..."
	}
	return name
}

// isName has the octets of a name: RFC 5545 §3.1 allows letters, digits and
// the hyphen; other printable ones that delimit nothing are kept as they come.
var isName = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = !strings.ContainsRune(`":;,=\^`, c)
	}
	return t
}()

// scanName returns the name at the start of s in upper case, and its length in s.
func scanName(s string) (string, int) {
	i, lower := 0, false
	for i < len(s) && isName[s[i]] {
		lower = lower || 'a' <= s[i] && s[i] <= 'z'
		i++
	}
	if lower {
		return strings.ToUpper(s[:i]), i
	}
	return s[:i], i
}

// line takes a content line apart. It returns a message when it is none.
func (p *parser) line(s string) (Property, string) {
	name, i := scanName(s)
	switch {
	case i == 0:
		return Property{}, "the line does not begin with a property name"
	case i == len(s):
		return Property{}, "the property has no colon and no value"
	case s[i] == ':':
		return Property{Name: name, Value: s[i+1:]}, ""
	case s[i] != ';':
		return Property{}, "the property name is followed by neither a colon nor a semicolon"
	}
	p.params = p.params[:0]
	tzid := 0 // where its value begins
	for s[i] == ';' {
		i++
		pname, n := scanName(s[i:])
		if i += n; pname == "TZID" {
			tzid = i + 1
		}
		if n == 0 || i == len(s) || s[i] != '=' {
			return Property{}, "a parameter is not of the form NAME=VALUE"
		}
		p.values = p.values[:0]
		for s[i] == '=' && len(p.values) == 0 || s[i] == ',' {
			i++
			v, n, msg := scanParamValue(s[i:])
			if msg != "" {
				return Property{}, msg
			}
			i += n
			p.values = append(p.values, v)
			if p.nvals++; p.nvals > p.lim.MaxProps {
				return Property{}, fmt.Sprintf("more than %d parameter values", p.lim.MaxProps)
			}
		}
		p.params = append(p.params, Param{Name: pname, Values: take(&p.valueSlab, p.values)})
	}
	if tzid > 0 && isTimed(name) && strings.IndexByte(s[i+1:], ':') >= 0 {
		if quoted := quoteTZID(s, tzid); quoted != "" {
			return p.line(quoted)
		}
	}
	return Property{Name: name, Params: take(&p.paramSlab, p.params), Value: s[i+1:]}, ""
}

// isTimed tells the properties whose values are date-times of a zone.
func isTimed(name string) bool {
	switch name {
	case "DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE":
		return true
	}
	return false
}

// quoteTZID puts the quotes around a TZID that it needs, since it has a colon,
// and that Google does not write: TZID=GMT+05:30. The values of what has a TZID
// have no colon, and begin with a date. It returns "" where that is not so.
func quoteTZID(s string, from int) string {
	end := strings.LastIndexByte(s, ':')
	if value := trimBlanks(s[end+1:]); len(value) < 8 {
		return ""
	} else if _, ok := digits(value[:8]); !ok {
		return ""
	}
	tzid, rest := s[from:end], s[end:]
	if i := strings.IndexByte(tzid, ';'); i >= 0 {
		tzid, rest = tzid[:i], tzid[i:]+rest
	}
	if strings.IndexByte(tzid, ':') < 0 || strings.IndexByte(tzid, '"') >= 0 {
		return ""
	}
	return s[:from] + `"` + tzid + `"` + rest
}

// scanParamValue reads one value, quoted or not, and returns it with its
// length in s. What follows it in s is one of : ; and comma.
func scanParamValue(s string) (v string, n int, msg string) {
	if s != "" && s[0] == '"' {
		end := strings.IndexByte(s[1:], '"')
		if end < 0 {
			return "", 0, "a parameter value has no closing quote"
		}
		v, n = s[1:1+end], end+2
		if n == len(s) || s[n] != ':' && s[n] != ';' && s[n] != ',' {
			return "", 0, "a quoted parameter value is not followed by a colon, semicolon or comma"
		}
	} else {
		for n < len(s) && s[n] != ':' && s[n] != ';' && s[n] != ',' {
			n++
		}
		if n == len(s) {
			return "", 0, "the property has no colon and no value"
		}
		v = s[:n]
	}
	return decodeParam(v), n, ""
}
