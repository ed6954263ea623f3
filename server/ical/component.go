// Package ical reads and writes iCalendar (RFC 5545, with RFC 6868 parameter
// encoding) as an ordered tree of components, properties and parameters.
//
// The tree keeps what it does not know: unknown components, properties,
// parameters and value types survive Parse and Append. Values stay as they
// were written, unfolded but still escaped; DateTime, Text and their like
// interpret one value at the moment it is needed.
//
// The strings of a parsed object share one buffer that Parse copied, so an
// object lives as long as its longest-lived string. A tree is not safe for
// concurrent changes; reading it from several goroutines is.
package ical

import (
	"iter"
	"slices"
	"strings"
)

// Component is a node of the tree: VCALENDAR, VEVENT, VALARM and so on.
// RFC 5545 §3.6.
type Component struct {
	Name     string // upper case
	Props    []Property
	Children []*Component
}

// Property is one content line. RFC 5545 §3.1. Copies share its parameters: who
// changes them makes another list, as SetParam, DelParam and KeepParams do.
type Property struct {
	Name   string // upper case
	Params []Param
	Value  string // unfolded, otherwise as written
}

// Param is a property parameter; its values are free of quotes and of
// RFC 6868 encoding.
type Param struct {
	Name   string // upper case
	Values []string
}

// New returns an empty component.
func New(name string) *Component {
	return &Component{Name: strings.ToUpper(name)}
}

// NewCalendar returns a VCALENDAR with VERSION 2.0 and the given PRODID.
func NewCalendar(prodid string) *Component {
	c := New("VCALENDAR")
	c.Set("VERSION", "2.0")
	c.Set("PRODID", EscapeText(prodid))
	return c
}

// Prop returns the first property of that name (upper case), or nil. The
// pointer is good until properties are added or deleted.
func (c *Component) Prop(name string) *Property {
	for i := range c.Props {
		if c.Props[i].Name == name {
			return &c.Props[i]
		}
	}
	return nil
}

// All yields the properties of that name (upper case) in order. The loop may
// change a property, but not add or delete any.
func (c *Component) All(name string) iter.Seq[*Property] {
	return func(yield func(*Property) bool) {
		for i := range c.Props {
			if c.Props[i].Name == name && !yield(&c.Props[i]) {
				return
			}
		}
	}
}

// Count returns how many properties have that name (upper case).
func (c *Component) Count(name string) int {
	n := 0
	for i := range c.Props {
		if c.Props[i].Name == name {
			n++
		}
	}
	return n
}

// Value returns the first property's value as written, or "".
func (c *Component) Value(name string) string {
	if p := c.Prop(name); p != nil {
		return p.Value
	}
	return ""
}

// Word returns the first property's value as one of an enumeration, or "": in
// capitals and without the blanks that some programs write behind it.
func (c *Component) Word(name string) string {
	return strings.ToUpper(trimBlanks(c.Value(name)))
}

// Text returns the first property's value as plain text, or "".
// RFC 5545 §3.3.11.
func (c *Component) Text(name string) string {
	return UnescapeText(c.Value(name))
}

// Set gives the component exactly one property of that name: the first one is
// replaced where it stands, others of the name are deleted, and a new name
// goes to the end. The value is taken as written: escape TEXT first.
func (c *Component) Set(name, value string, params ...Param) {
	np := Property{Name: strings.ToUpper(name), Params: params, Value: value}
	at := slices.IndexFunc(c.Props, func(p Property) bool { return p.Name == np.Name })
	if at < 0 {
		c.Props = append(c.Props, np)
		return
	}
	c.Props[at] = np
	rest := slices.DeleteFunc(c.Props[at+1:], func(p Property) bool { return p.Name == np.Name })
	c.Props = c.Props[:at+1+len(rest)]
}

// SetText is Set for a TEXT value, which it escapes.
func (c *Component) SetText(name, text string, params ...Param) {
	c.Set(name, EscapeText(text), params...)
}

// Add appends a property.
func (c *Component) Add(p Property) {
	p.Name = strings.ToUpper(p.Name)
	c.Props = append(c.Props, p)
}

// Del deletes every property of that name (upper case).
func (c *Component) Del(name string) {
	c.Props = slices.DeleteFunc(c.Props, func(p Property) bool { return p.Name == name })
}

// Child returns the first child component of that name (upper case), or nil.
func (c *Component) Child(name string) *Component {
	for _, k := range c.Children {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// ChildrenOf yields the child components of that name (upper case) in order.
func (c *Component) ChildrenOf(name string) iter.Seq[*Component] {
	return func(yield func(*Component) bool) {
		for _, k := range c.Children {
			if k.Name == name && !yield(k) {
				return
			}
		}
	}
}

// AddChild appends child components.
func (c *Component) AddChild(kids ...*Component) {
	c.Children = append(c.Children, kids...)
}

// Walk calls fn for the component and, when fn returns true, for what is
// below it, parents first.
func (c *Component) Walk(fn func(*Component) bool) {
	if !fn(c) {
		return
	}
	for _, k := range c.Children {
		k.Walk(fn)
	}
}

// Clone returns a copy that changes by itself; strings and parameters are shared.
func (c *Component) Clone() *Component {
	if c == nil {
		return nil
	}
	d := &Component{Name: c.Name, Props: slices.Clone(c.Props)}
	if len(c.Children) > 0 {
		d.Children = make([]*Component, len(c.Children))
		for i, k := range c.Children {
			d.Children[i] = k.Clone()
		}
	}
	return d
}

// Clone returns a copy that changes by itself; strings and parameters are shared.
func (p *Property) Clone() Property { return *p }

// Text returns the value as plain text. RFC 5545 §3.3.11.
func (p *Property) Text() string { return UnescapeText(p.Value) }

// Param returns the first value of the first parameter of that name (upper
// case), or "".
func (p *Property) Param(name string) string {
	if v := p.ParamValues(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// ParamIs reports whether the first value of a parameter (upper case) is that
// word of an enumeration, whatever its case and with blanks around it.
func (p *Property) ParamIs(name, word string) bool {
	return strings.EqualFold(trimBlanks(p.Param(name)), word)
}

// ParamValues returns all values of the first parameter of that name (upper
// case). Nobody changes the slice: copies of the property share it.
func (p *Property) ParamValues(name string) []string {
	for i := range p.Params {
		if p.Params[i].Name == name {
			return p.Params[i].Values
		}
	}
	return nil
}

// HasParam reports whether a parameter of that name (upper case) is there.
func (p *Property) HasParam(name string) bool {
	for i := range p.Params {
		if p.Params[i].Name == name {
			return true
		}
	}
	return false
}

// SetParam gives the property exactly one parameter of that name; without
// values it deletes the parameter.
func (p *Property) SetParam(name string, values ...string) {
	name = strings.ToUpper(name)
	at := slices.IndexFunc(p.Params, func(a Param) bool { return a.Name == name })
	if at < 0 && len(values) == 0 {
		return
	}
	keep := make([]Param, 0, len(p.Params)+1)
	for i, a := range p.Params {
		switch {
		case a.Name != name:
			keep = append(keep, a)
		case i == at && len(values) > 0:
			keep = append(keep, Param{Name: name, Values: slices.Clone(values)})
		}
	}
	if at < 0 {
		keep = append(keep, Param{Name: name, Values: slices.Clone(values)})
	}
	p.Params = slices.Clip(keep)
}

// DelParam deletes every parameter of that name (upper case).
func (p *Property) DelParam(name string) {
	p.KeepParams(func(a string) bool { return a != name })
}

// KeepParams deletes the parameters whose names (upper case) do not count.
func (p *Property) KeepParams(counts func(name string) bool) {
	if !slices.ContainsFunc(p.Params, func(a Param) bool { return !counts(a.Name) }) {
		return
	}
	keep := make([]Param, 0, len(p.Params)-1)
	for _, a := range p.Params {
		if counts(a.Name) {
			keep = append(keep, a)
		}
	}
	p.Params = slices.Clip(keep)
}
