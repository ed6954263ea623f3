package wcap

import (
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Parameters that are read and written often; nobody may write to them.
var (
	expanded    = []string{"TRUE"}
	notExpanded = []string{"FALSE"}
	groupKind   = []string{"GROUP"}
)

// group shows a group that is invited, the last of props: whether its members
// are, too, and if so the property by which Sun's clients know that. It stays on
// the list beside that, for a client that writes the list back would take the
// group out, and its members with it. WCAP §7.2.
func (s *shower) group(k *ical.Component, p *ical.Property, props []ical.Property) []ical.Property {
	key := calendar.AddressKey(p.Value)
	members := false
	for a := range k.All("ATTENDEE") {
		if slices.ContainsFunc(a.ParamValues("MEMBER"), func(v string) bool { return calendar.AddressKey(v) == key }) {
			members = true
			break
		}
	}
	says := notExpanded
	if members {
		says = expanded
	}
	q := &props[len(props)-1]
	q.SetParam("X-S1CS-EXPAND", says...)
	if !members {
		return props
	}
	who := s.who(p.Value)
	line := ical.Property{Name: "X-S1CS-GROUP-ATTENDEE", Value: q.Value, Params: []ical.Param{{Name: "CUTYPE", Values: groupKind}}}
	switch {
	case s.v.mail && who.calid != nil:
		line.Params = append(line.Params, ical.Param{Name: "X-S1CS-CALID", Values: who.calid})
	case !s.v.mail && who.mail != nil:
		line.Params = append(line.Params, ical.Param{Name: "X-S1CS-EMAIL", Values: who.mail})
	}
	line.Params = append(line.Params, ical.Param{Name: "X-S1CS-EXPAND", Values: expanded})
	return append(props, line)
}

// membership shows groups by calid, those that have one.
func (s *shower) membership(groups []string) []string {
	out := slices.Clone(groups)
	for i, v := range out {
		if who := s.who(v); who.calid != nil {
			out[i] = who.calid[0]
		}
	}
	return out
}
