package itip

import (
	"cmp"
	"slices"
	"strings"

	"factotum/server/ical"
)

// same reports whether two components say the same to those who are told of
// them: without alarms and notes, without stamps, and without what attendees have
// answered unless answers is set.
func same(a, b *ical.Component, answers bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	if is, sure := compare(a, b, answers); sure {
		return is
	}
	return ical.Equal(says(a, answers), says(b, answers))
}

// says reduces a component to what a change of it would be told for.
func says(c *ical.Component, answers bool) *ical.Component {
	out := public(c)
	out.Props = slices.DeleteFunc(out.Props, func(p ical.Property) bool { return !counts(&p, answers) })
	for a := range out.All("ATTENDEE") {
		a.KeepParams(func(name string) bool { return answers || !isAnswer(name) })
		a.Value = strings.ToLower(a.Value)
	}
	slices.SortStableFunc(out.Props, func(a, b ical.Property) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// counts reports whether a property is one that a change would be told for.
func counts(p *ical.Property, answers bool) bool {
	switch p.Name {
	case "DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE":
		return false
	case "ATTENDEE": // who comes in somebody's place is an answer too
		return answers || !p.HasParam("DELEGATED-FROM")
	}
	return !isPersonal(p.Name)
}

// isAnswer reports whether a parameter of ATTENDEE is part of what he answered: who
// wrote it for him too, which Zimbra says of everybody. RFC 5546 §3.2.3.
func isAnswer(param string) bool {
	return param == "PARTSTAT" || param == "RSVP" || param == "DELEGATED-TO" || param == "SENT-BY"
}

// compare says what same does of components that are written in one order, as
// most are of which one was made of the other, and of those that differ in a line
// that stands once in each. sure is false where it cannot tell.
func compare(a, b *ical.Component, answers bool) (is, sure bool) {
	if a.Name != b.Name || hasOthers(a) || hasOthers(b) {
		return false, false
	}
	i, j := 0, 0
	next := func(c *ical.Component, at int) int {
		for at < len(c.Props) && !counts(&c.Props[at], answers) {
			at++
		}
		return at
	}
	for {
		i, j = next(a, i), next(b, j)
		switch {
		case i == len(a.Props) && j == len(b.Props):
			return true, true
		case i == len(a.Props):
			return false, a.Prop(b.Props[j].Name) == nil
		case j == len(b.Props):
			return false, b.Prop(a.Props[i].Name) == nil
		}
		p, q := &a.Props[i], &b.Props[j]
		if p.Name != q.Name {
			return false, a.Prop(q.Name) == nil || b.Prop(p.Name) == nil
		}
		if p.Value != q.Value && (p.Name != "ATTENDEE" || !strings.EqualFold(p.Value, q.Value)) {
			return false, a.Count(p.Name) == 1 && b.Count(p.Name) == 1
		}
		if !sameParams(p, q, answers) {
			return false, false
		}
		i, j = i+1, j+1
	}
}

// hasOthers reports whether a component has any in it besides alarms.
func hasOthers(c *ical.Component) bool {
	return slices.ContainsFunc(c.Children, func(k *ical.Component) bool { return k.Name != "VALARM" })
}

// sameParams reports whether two lines have the same parameters in one order,
// of those that count.
func sameParams(p, q *ical.Property, answers bool) bool {
	i, j := 0, 0
	next := func(p *ical.Property, at int) int {
		for at < len(p.Params) {
			a := &p.Params[at]
			if len(a.Values) > 0 && !(hides(p) && slices.Contains(hidden, a.Name)) && (answers || p.Name != "ATTENDEE" || !isAnswer(a.Name)) {
				break
			}
			at++
		}
		return at
	}
	for {
		i, j = next(p, i), next(q, j)
		if i == len(p.Params) || j == len(q.Params) {
			return i == len(p.Params) && j == len(q.Params)
		}
		if p.Params[i].Name != q.Params[j].Name || !slices.Equal(p.Params[i].Values, q.Params[j].Values) {
			return false
		}
		i, j = i+1, j+1
	}
}
