package itip

import (
	"cmp"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// view is what one attendee sees of a meeting: the components that invite him,
// without what is the organizer's own, and with an EXDATE in the master for
// each instance that does not, or is off. RFC 6638 §3.2.6.
type view struct {
	of         *meeting
	components map[key]*ical.Component
	missing    map[key]ical.Property // RECURRENCE-IDs of instances that he is left out of
}

func (m *meeting) view(of func(*ical.Component) *ical.Property) *view {
	v := &view{of: m, components: map[key]*ical.Component{}, missing: map[key]ical.Property{}}
	told := map[key]bool{}
	for _, k := range m.keys() {
		c := m.component(k)
		line := of(c)
		off := k != "" && c.Word("STATUS") == "CANCELLED" && m.master != nil && of(m.master) != nil
		if line != nil && !off {
			v.components[k], told[k] = public(c), byServer(line)
		} else if k != "" {
			rid := c.Prop("RECURRENCE-ID").Clone()
			rid.DelParam("RANGE")
			v.missing[k] = rid
		}
	}
	if master := v.components[""]; master != nil {
		for _, k := range m.order {
			if rid, ok := v.missing[k]; ok {
				ex := rid.Clone()
				ex.Name = "EXDATE"
				master.Add(ex)
			}
		}
	}
	for k := range v.components { // the server speaks of nothing else
		if !told[k] {
			delete(v.components, k)
		}
	}
	return v
}

// roll finds the attendees of a meeting by what AddressKey makes of them.
type roll struct {
	m     *meeting
	lines map[*ical.Component]map[string]*ical.Property
}

func (m *meeting) roll() roll {
	r := roll{m: m, lines: map[*ical.Component]map[string]*ical.Property{}}
	for _, c := range m.components() {
		r.lines[c] = guests(c)
	}
	return r
}

// guests are the attendees of a component, none of nil. The pointers are good
// until properties are added or deleted.
func guests(c *ical.Component) map[string]*ical.Property {
	out := map[string]*ical.Property{}
	if c == nil {
		return out
	}
	for a := range c.All("ATTENDEE") {
		if k := calendar.AddressKey(a.Value); out[k] == nil {
			out[k] = a
		}
	}
	return out
}

// of finds somebody's line in each component.
func (r roll) of(who string) func(*ical.Component) *ical.Property {
	return func(c *ical.Component) *ical.Property { return r.lines[c][who] }
}

// forced reports whether the client wants a message sent all the same. RFC 6638 §7.2.
func (r roll) forced(who string) func(key) bool {
	return func(k key) bool {
		a := r.lines[r.m.component(k)][who]
		return a != nil && a.ParamIs(forceParam, "REQUEST")
	}
}

// sign writes what tells somebody's view of the meeting from others'.
func (r roll) sign(b *strings.Builder, who string) {
	for _, c := range r.m.components() {
		a := r.lines[c][who]
		switch {
		case a == nil:
			b.WriteByte('-')
		case !byServer(a):
			b.WriteByte('c')
		case a.ParamIs(forceParam, "REQUEST"):
			b.WriteByte('f')
		default:
			b.WriteByte('s')
		}
	}
	b.WriteByte('/')
}

func (v *view) empty() bool { return len(v.components) == 0 }

// clones are components of the view by their keys, each a copy of its own, in
// the order in which they stand.
func (v *view) clones(keys []key) (out []*ical.Component) {
	want := map[key]bool{}
	for _, k := range keys {
		want[k] = true
	}
	for _, k := range v.of.keys() {
		if c := v.components[k]; c != nil && want[k] {
			out = append(out, c.Clone())
		}
	}
	return out
}

// sees reports whether the attendee is invited to an instance.
func (v *view) sees(k key) bool {
	if v.components[k] != nil {
		return true
	}
	_, left := v.missing[k]
	return !left && v.components[""] != nil
}

// personal are properties that say something about one user's copy alone: when
// he was reminded, what his program noted. They are sent to nobody.
var personal = map[string]bool{
	"X-MOZ-LASTACK": true, "X-MOZ-GENERATION": true, "X-MOZ-SEND-INVITATIONS": true, "X-MOZ-SEND-INVITATIONS-UNDISCLOSED": true,
	"X-LIC-ERROR": true, "X-APPLE-DEFAULT-ALARM": true, "X-APPLE-NEEDS-REPLY": true, "X-EVOLUTION-ALARM-UID": true,
	"X-CALENDARSERVER-PRIVATE-COMMENT": true, "X-CALENDARSERVER-ATTENDEE-COMMENT": true,
	"ACKNOWLEDGED": true, "X-FACTOTUM-LEFT-OUT": true,
}

func isPersonal(name string) bool {
	return personal[name] || strings.HasPrefix(name, "X-MOZ-SNOOZE-TIME")
}

// public is a copy of what an organizer tells others: without his alarms, his
// program's notes and the notes of the server.
func public(c *ical.Component) *ical.Component {
	out := c.Clone()
	out.Children = slices.DeleteFunc(out.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	out.Props = slices.DeleteFunc(out.Props, func(p ical.Property) bool { return isPersonal(p.Name) })
	for i := range out.Props {
		if p := &out.Props[i]; p.Name == "ATTENDEE" || p.Name == "ORGANIZER" || p.Name == "EXDATE" {
			for _, param := range []string{agentParam, statusParam, forceParam, revisionParam, gseParam} {
				p.DelParam(param)
			}
		}
	}
	return out
}

// says reduces a component to what a change of it would be told for: without
// stamps, and without what attendees have answered unless answers is set.
func says(c *ical.Component, answers bool) *ical.Component {
	if c == nil {
		return nil
	}
	out := c.Clone()
	for _, name := range []string{"DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE"} {
		out.Del(name)
	}
	if !answers { // who comes in somebody's place is an answer too
		out.Props = slices.DeleteFunc(out.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && p.HasParam("DELEGATED-FROM") })
	}
	for a := range out.All("ATTENDEE") {
		if !answers {
			for _, param := range []string{"PARTSTAT", "RSVP", "DELEGATED-TO"} {
				a.DelParam(param)
			}
		}
		a.Value = strings.ToLower(a.Value)
	}
	slices.SortStableFunc(out.Props, func(a, b ical.Property) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// same reports whether two components say the same.
func same(a, b *ical.Component, answers bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return ical.Equal(a, b) || ical.Equal(says(a, answers), says(b, answers))
}
