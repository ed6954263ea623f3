package importer

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"factotum/server/ical"
	"factotum/server/object"
)

// revised is a VCALENDAR of a file with its outdated components taken out.
type revised struct {
	ical.Piece
	line    int // of a fault
	err     error
	whole   bool // the file has no other, and nothing was taken out
	comps   []numbered
	dropped []numbered
}

// numbered is a component at its place in the file.
type numbered struct {
	*ical.Component
	number, line int
	instead      *numbered // the revision that takes its place
}

// revisions numbers the components of a file and sorts out of several
// revisions of one all but the newest, or the last: RFC 5546 §2.1.5. Some
// programs export what they replaced.
func revisions(parts []ical.Piece, whole bool) []*revised {
	newest := map[string]*numbered{}
	var out []*revised
	n := 0
	for _, p := range parts {
		x := &revised{Piece: p, line: p.Line, err: p.Err, whole: whole}
		out = append(out, x)
		if p.Err != nil {
			var pe *ical.ParseError
			if errors.As(p.Err, &pe) {
				x.line, x.err = pe.Line, errors.New("not iCalendar: "+pe.Msg)
			}
			continue
		}
		for _, c := range p.Calendar.Children {
			if c.Name != "VTIMEZONE" {
				n++
				x.comps = append(x.comps, numbered{Component: c, number: n, line: p.Line})
			}
		}
		if lines := componentLines(p.Text, p.Line); len(lines) == len(x.comps) { // not so where a BEGIN is folded
			for i := range lines {
				x.comps[i].line = lines[i]
			}
		}
		for i := range x.comps {
			c := &x.comps[i]
			if key := c.key(); key != "" && (newest[key] == nil || !newest[key].after(c.Component)) {
				newest[key] = c
			}
		}
	}
	for _, x := range out {
		all := x.comps
		x.comps = nil
		for _, c := range all {
			if best := newest[c.key()]; best != nil && best.number != c.number {
				c.instead = best
				x.dropped = append(x.dropped, c)
			} else {
				x.comps = append(x.comps, c)
			}
		}
		if len(x.dropped) > 0 {
			x.whole = false
			slim := *x.Calendar
			slim.Children = slices.DeleteFunc(slices.Clone(slim.Children), func(c *ical.Component) bool {
				return slices.ContainsFunc(x.dropped, func(d numbered) bool { return d.Component == c })
			})
			x.Calendar, x.Text = &slim, nil
		}
	}
	return out
}

// key tells what a calendar can have once: a component of a UID, overrides
// aside; "" for others.
func (c *numbered) key() string {
	uid := object.UID(c.Component)
	if uid == "" || c.Prop("RECURRENCE-ID") != nil {
		return ""
	}
	return c.Name + "\x00" + uid
}

// after tells whether it is a newer revision than another one.
func (c *numbered) after(o *ical.Component) bool {
	number := func(c *ical.Component) int { n, _ := strconv.Atoi(strings.TrimSpace(c.Value("SEQUENCE"))); return n }
	return cmp.Or(cmp.Compare(number(c.Component), number(o)), strings.Compare(c.Value("DTSTAMP"), o.Value("DTSTAMP")),
		strings.Compare(c.Value("LAST-MODIFIED"), o.Value("LAST-MODIFIED"))) > 0
}

// uidsFor names components without a UID by their text, so that they get the
// same one wherever they stand in whatever file. Equal ones are counted. What
// an export writes anew each time does not count.
func uidsFor(cal *ical.Component) func(n int) string {
	var comps []*ical.Component
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			comps = append(comps, c)
		}
	}
	met := map[string]int{}
	return func(n int) string {
		c := comps[n-1].Clone()
		for _, name := range []string{"UID", "DTSTAMP", "CREATED", "LAST-MODIFIED"} {
			c.Del(name)
		}
		text := string(c.Bytes())
		met[text]++
		return object.DerivedUID(text, met[text])
	}
}

// UIDOf returns the UID that an object was given.
func UIDOf(data []byte) string {
	cal, err := ical.Parse(data, Limits)
	if err != nil {
		return ""
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			return object.UID(c)
		}
	}
	return ""
}

// componentLines returns the lines where the components of a calendar begin,
// in the order of Split: those directly in it, time zones left out.
func componentLines(text []byte, first int) (lines []int) {
	depth, n := 0, first-1
	for line := range bytes.Lines(text) {
		n++
		name, value, ok := bytes.Cut(bytes.TrimPrefix(bytes.TrimRight(line, " \t\r\n"), []byte("\xef\xbb\xbf")), []byte(":"))
		switch {
		case !ok:
		case bytes.EqualFold(name, []byte("BEGIN")):
			if depth++; depth == 2 && !bytes.EqualFold(value, []byte("VTIMEZONE")) {
				lines = append(lines, n)
			}
		case bytes.EqualFold(name, []byte("END")):
			depth--
		}
	}
	return lines
}
