package object

import (
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Restate is Judge for what the server made of a text that was judged: the parts
// that it has in a meeting, RFC 6638 §3.2. Where these are all that differs,
// which is what it writes beside people and the revision, the rest is known
// already, and a series of ten thousand exceptions is not worked out twice.
func Restate(rules Rules, was *Resource, next *ical.Component) (*Resource, error) {
	data := next.Bytes()
	if rules.Person != nil && was.Calendar != nil {
		owner, err := rules.Person()
		if err != nil {
			return nil, err
		}
		if restates(was.Calendar, next, owner) {
			out := *was
			out.Calendar, out.Data = next, data
			return &out, nil
		}
	}
	out, err := Judge(rules, next, data)
	if err != nil {
		return nil, err
	}
	out.Files = was.Files
	return out, nil
}

// restates reports whether two objects differ in nothing but SEQUENCE and in the
// parameters of the organizer and of attendees other than the owner.
func restates(a, b *ical.Component, owner calendar.Person) bool {
	if len(a.Children) != len(b.Children) || !slices.EqualFunc(a.Props, b.Props, sameLine) {
		return false
	}
	for i, c := range a.Children {
		d := b.Children[i]
		if c.Name != d.Name || !slices.EqualFunc(c.Children, d.Children, ical.Equal) || !restatesComponent(c, d, owner) {
			return false
		}
	}
	return true
}

func restatesComponent(a, b *ical.Component, owner calendar.Person) bool {
	i, j := 0, 0
	next := func(c *ical.Component, at int) int {
		for at < len(c.Props) && c.Props[at].Name == "SEQUENCE" {
			at++
		}
		return at
	}
	for {
		i, j = next(a, i), next(b, j)
		if i == len(a.Props) || j == len(b.Props) {
			return i == len(a.Props) && j == len(b.Props)
		}
		p, q := &a.Props[i], &b.Props[j]
		others := p.Name == "ORGANIZER" || p.Name == "ATTENDEE" && !owner.HasAddress(p.Value)
		if p.Name != q.Name || p.Value != q.Value || !others && !sameLine(*p, *q) {
			return false
		}
		i, j = i+1, j+1
	}
}

// sameLine reports whether two lines are the same, with their parameters in one
// order.
func sameLine(p, q ical.Property) bool {
	return p.Name == q.Name && p.Value == q.Value && slices.EqualFunc(p.Params, q.Params, func(x, y ical.Param) bool {
		return x.Name == y.Name && slices.Equal(x.Values, y.Values)
	})
}
