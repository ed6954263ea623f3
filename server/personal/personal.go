package personal

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/recur"
)

// IsNote tells of properties by which programs remember what their user did about
// alarms.
func IsNote(name string) bool {
	return name == "X-MOZ-LASTACK" || name == "X-MOZ-GENERATION" || strings.HasPrefix(name, "X-MOZ-SNOOZE-TIME")
}

// MayHave tells whether a text has alarms or notes about them. It errs on the
// side of yes, so that nobody need parse a text that has none.
func MayHave(text []byte) bool {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		if len(line) == 0 || line[0]|0x20 != 'b' && line[0]|0x20 != 'x' {
			continue
		}
		folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
		if starts(line, "BEGIN:VALARM") || starts(line, "X-MOZ-") || folded && len(line) < len("BEGIN:VALARM\r") {
			return true
		}
	}
	return false
}

func starts(line []byte, with string) bool {
	return len(line) >= len(with) && strings.EqualFold(string(line[:len(with)]), with)
}

// key tells the components of an object apart: "" is the series, or what does
// not recur.
type key string

// parts are the components of an object but for its zones.
type parts struct {
	of     map[key]*ical.Component
	master *ical.Component
	zones  *recur.Zones
}

func open(cal *ical.Component) parts {
	p := parts{of: map[key]*ical.Component{}}
	if cal == nil {
		return p
	}
	p.zones = recur.ZonesOf(cal)
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			p.of[p.key(c)] = c
		}
	}
	p.master = p.of[""]
	return p
}

func (p *parts) key(c *ical.Component) key {
	d, ok := p.rid(c)
	if !ok {
		return key(c.Value("RECURRENCE-ID"))
	}
	return key(strconv.Itoa(int(d.Kind)) + d.String())
}

// rid is which instance a component stands for, in UTC if a zone says when.
func (p *parts) rid(c *ical.Component) (ical.DateTime, bool) {
	rid := c.Prop("RECURRENCE-ID")
	if rid == nil {
		return ical.DateTime{}, false
	}
	d, err := rid.DateTime()
	if err != nil {
		return d, false
	}
	if z, ok := p.zones.Lookup(d.TZID); ok && d.Kind == ical.Zoned {
		d = ical.FromCivil(z.ToUTC(d.Civil()), ical.UTC, "")
	}
	return d, true
}

// View is an object as somebody sees it whose part is mine, nil if he has none.
// floating is the zone of the calendar. The base stays as it is, and lends the
// result what is the same.
func View(base, mine *ical.Component, floating recur.Zone) *ical.Component {
	own := open(mine)
	b := open(base)
	out := &ical.Component{Name: base.Name, Props: base.Props}
	for _, c := range base.Children {
		if c.Name != "VTIMEZONE" {
			c = dress(c, own.or(b.key(c)))
		}
		out.Children = append(out.Children, c)
	}
	return withInstances(out, &b, mine, floating)
}

// or is the component of that key, or what counts where there is none.
func (p *parts) or(k key) *ical.Component {
	if c := p.of[k]; c != nil {
		return c
	}
	return p.master
}

// withInstances adds those instances that only he has something for: the base has
// no exceptions for them.
func withInstances(out *ical.Component, b *parts, mine *ical.Component, floating recur.Zone) *ical.Component {
	if mine == nil || b.master == nil {
		return out
	}
	own := parts{zones: b.zones}
	var set *recur.Set
	for _, e := range mine.Children {
		rid, ok := own.rid(e)
		if !ok || b.of[own.key(e)] != nil {
			continue
		}
		if set == nil {
			var err error
			if set, err = recur.Compile([]*ical.Component{b.master}, b.zones); err != nil {
				return out
			}
		}
		if in, ok := set.InstanceIn(rid, b.zones, floating); ok && in.HasRID {
			out.Children = append(out.Children, dress(edit.Override(in, b.zones, floating), e))
		}
	}
	return out
}

// bare is a component without alarms and notes.
func bare(c *ical.Component) *ical.Component {
	return &ical.Component{Name: c.Name,
		Props:    slices.DeleteFunc(slices.Clone(c.Props), func(p ical.Property) bool { return IsNote(p.Name) }),
		Children: slices.DeleteFunc(slices.Clone(c.Children), func(k *ical.Component) bool { return k.Name == "VALARM" })}
}

// dress is a component with the alarms and notes of somebody's part, which may be
// nil, and its TRANSP if it says one.
func dress(c, part *ical.Component) *ical.Component {
	out := bare(c)
	if part == nil {
		return out
	}
	if p := part.Prop("TRANSP"); p != nil {
		out.Set("TRANSP", p.Value)
	}
	return adorn(out, part)
}

// adorn adds the alarms and notes of a component to another one.
func adorn(c, from *ical.Component) *ical.Component {
	for i := range from.Props {
		if IsNote(from.Props[i].Name) {
			c.Add(from.Props[i].Clone())
		}
	}
	for k := range from.ChildrenOf("VALARM") {
		c.AddChild(k)
	}
	return c
}
