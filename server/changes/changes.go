// Package changes says in words how two texts of an object differ, property by
// property: what a person would want to know, with times as the clock on the wall
// shows them, and nothing of the numbers and stamps that programs write. Pure.
package changes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/zone"
)

// Change is one difference.
type Change struct {
	Instance string // the original start of the instance that it is about, "" for the whole
	What     string // the property, "ATTENDEE" with the address, "alarm", "instance"
	Before   string // "" where it was not there
	After    string // "" where it is not there any more
}

// String is the difference in a line.
func (c Change) String() string {
	text := c.What
	if c.Instance != "" {
		text = "on " + c.Instance + ", " + text
	}
	switch {
	case c.Before == "":
		return text + " added: " + c.After
	case c.After == "":
		return text + " removed: " + c.Before
	}
	return text + ": " + c.Before + " → " + c.After
}

// Between lists how two texts differ. One that cannot be read is an error.
func Between(before, after []byte) ([]Change, error) {
	was, err := open(before)
	if err != nil {
		return nil, err
	}
	is, err := open(after)
	if err != nil {
		return nil, err
	}
	var out []Change
	keys := slices.Clone(was.keys)
	for _, k := range is.keys {
		if was.components[k] == nil {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		b, a := was.components[k], is.components[k]
		switch {
		case b == nil:
			out = append(out, Change{What: "instance", After: k.instance + is.short(a)})
		case a == nil:
			out = append(out, Change{What: "instance", Before: k.instance + was.short(b)})
		default:
			out = append(out, differ(k.instance, was.describe(b), is.describe(a))...)
		}
	}
	return out, nil
}

// Title names an object: what it is called and when it takes place.
func Title(data []byte) string {
	t, err := open(data)
	if err != nil || len(t.keys) == 0 {
		return ""
	}
	c := t.components[t.keys[0]]
	words := []string{}
	if s := c.Text("SUMMARY"); s != "" {
		words = append(words, quoted(s))
	}
	for _, name := range []string{"DTSTART", "DUE"} {
		if p := c.Prop(name); p != nil {
			words = append(words, t.times(p)...)
			break
		}
	}
	if c.Prop("RRULE") != nil {
		words = append(words, "and repeated")
	}
	return strings.Join(words, ", ")
}

// key tells the components of an object apart.
type key struct{ name, instance string }

type text struct {
	keys       []key
	components map[key]*ical.Component
	zones      *zone.Zones
}

func open(data []byte) (*text, error) {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return nil, err
	}
	t := &text{components: map[key]*ical.Component{}, zones: zone.Of(cal)}
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		k := key{name: c.Name}
		if p := c.Prop("RECURRENCE-ID"); p != nil {
			k.instance = strings.Join(t.times(p), ", ")
		}
		if t.components[k] == nil {
			t.keys = append(t.keys, k)
			t.components[k] = c
		}
	}
	return t, nil
}

// short is what an instance is, where it came or went as a whole.
func (t *text) short(c *ical.Component) string {
	out := ""
	if s := c.Text("SUMMARY"); s != "" {
		out = " " + quoted(s)
	}
	if p := c.Prop("DTSTART"); p != nil {
		out += " at " + strings.Join(t.times(p), ", ")
	}
	return out
}

// detail is one thing that a component says, under a name that tells it from the
// others.
type detail struct {
	what, value string
	at          time.Time // the moment, of a time
}

// Programs write these by themselves.
var stamps = []string{"DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE", "UID", "RECURRENCE-ID"}

// describe lists what a component says, in its order.
func (t *text) describe(c *ical.Component) (out []detail) {
	for i := range c.Props {
		p := &c.Props[i]
		switch {
		case slices.Contains(stamps, p.Name):
		case p.Name == "ATTENDEE" || p.Name == "ORGANIZER":
			out = append(out, detail{what: p.Name + " " + strings.ToLower(p.Value), value: person(p)})
		case isTime(p.Name):
			d := detail{what: p.Name, value: strings.Join(t.times(p), ", ")}
			if dt, err := p.DateTime(); err == nil {
				d.at = t.moment(dt)
			}
			out = append(out, d)
		case p.Name == "EXDATE" || p.Name == "RDATE":
			for _, at := range t.times(p) {
				out = append(out, detail{what: p.Name + " " + at, value: at})
			}
		case p.Name == "CATEGORIES" || p.Name == "RESOURCES":
			out = append(out, detail{what: p.Name, value: strings.Join(ical.SplitText(p.Value), ", ")})
		case isText(p.Name):
			out = append(out, detail{what: p.Name, value: quoted(p.Text())})
		default:
			out = append(out, detail{what: p.Name, value: cut(p.Value)})
		}
	}
	for _, sub := range c.Children {
		if sub.Name == "VALARM" {
			text := sub.Text("ACTION")
			if p := sub.Prop("TRIGGER"); p != nil {
				text += " " + p.Value
				if p.ParamIs("RELATED", "END") {
					text += " of the end"
				}
			}
			out = append(out, detail{what: "alarm " + text, value: text})
			continue
		}
		out = append(out, detail{what: sub.Name, value: cut(strings.Join(strings.Fields(string(sub.Bytes())), " "))})
	}
	return out
}

func isTime(name string) bool {
	return slices.Contains([]string{"DTSTART", "DTEND", "DUE", "COMPLETED"}, name)
}

func isText(name string) bool {
	return slices.Contains([]string{"SUMMARY", "DESCRIPTION", "LOCATION", "COMMENT", "CONTACT"}, name)
}

// differ compares what two versions of a component say. Properties of one name
// are paired in their order.
func differ(instance string, before, after []detail) (out []Change) {
	add := func(b, a *detail) {
		c := Change{Instance: instance}
		for _, d := range []*detail{b, a} {
			if d != nil {
				c.What = d.what
			}
		}
		if b != nil {
			c.Before = cmp.Or(b.value, "nothing")
		}
		if a != nil {
			c.After = cmp.Or(a.value, "nothing")
		}
		if single := strings.HasPrefix(c.What, "alarm ") || strings.HasPrefix(c.What, "EXDATE ") || strings.HasPrefix(c.What, "RDATE "); single {
			c.What, _, _ = strings.Cut(c.What, " ")
		}
		if b != nil && a != nil && !b.at.IsZero() && b.at.Equal(a.at) {
			c.After += " (the same moment)"
		}
		out = append(out, c)
	}
	rest := slices.Clone(after)
	var gone []detail
	for _, b := range before { // what is as it was
		if at := slices.IndexFunc(rest, func(a detail) bool { return a.what == b.what && a.value == b.value }); at >= 0 {
			rest = slices.Delete(rest, at, at+1)
			continue
		}
		gone = append(gone, b)
	}
	for i := range gone {
		b := &gone[i]
		at := slices.IndexFunc(rest, func(a detail) bool { return a.what == b.what })
		if at < 0 {
			add(b, nil)
			continue
		}
		a := rest[at]
		rest = slices.Delete(rest, at, at+1)
		add(b, &a)
	}
	for i := range rest {
		add(nil, &rest[i])
	}
	return out
}

// person is what an ATTENDEE or ORGANIZER says besides the address: not what
// became of messages.
func person(p *ical.Property) string {
	var words []string
	for _, name := range []string{"CN", "PARTSTAT", "ROLE", "CUTYPE", "RSVP", "DELEGATED-TO", "DELEGATED-FROM"} {
		if v := p.Param(name); v != "" {
			words = append(words, v)
		}
	}
	return cut(cmp.Or(strings.Join(words, ", "), "invited"))
}

// times are the times of a property, as the clock on the wall shows them.
func (t *text) times(p *ical.Property) (out []string) {
	list, err := p.DateTimes()
	if err != nil {
		return []string{cut(p.Value)}
	}
	for _, d := range list {
		text := d.Civil().Format("Mon 2006-01-02 15:04")
		if d.Sec != 0 {
			text += fmt.Sprintf(":%02d", d.Sec)
		}
		switch d.Kind {
		case ical.Date:
			text = d.Civil().Format("Mon 2006-01-02")
		case ical.UTC:
			text += " UTC"
		case ical.Zoned:
			text += " " + d.TZID
		default:
			text += " of any zone"
		}
		out = append(out, text)
	}
	return out
}

// moment is when a time is, zero if that is not known.
func (t *text) moment(d ical.DateTime) time.Time {
	switch d.Kind {
	case ical.UTC:
		return d.Civil()
	case ical.Zoned:
		if z, ok := t.zones.Lookup(d.TZID); ok {
			return z.ToUTC(d.Civil())
		}
	}
	return time.Time{}
}

func quoted(s string) string { return "“" + cut(strings.Join(strings.Fields(s), " ")) + "”" }

// cut shortens what would fill a screen.
func cut(s string) string {
	const most = 120
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
