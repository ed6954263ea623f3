package stories

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// edits is a step of an organizer over WCAP. An edit of the whole is of the series:
// instances that have something of their own stay as they are.
func (s *story) edits(t *target, who string) {
	var slots []*slot
	own := overridden(t.f.cal)
	for _, slot := range t.slots {
		if t.in != nil || !own[slot.rid] || slot == t.m.base {
			slots = append(slots, slot)
		}
	}
	it := calendar.EditItem{Mode: calendar.EditModify, Role: calendar.AsOrganizer}
	line := func(p calendar.PropEdit) { it.Patch.Props = []calendar.PropEdit{p} }
	what := rapid.SampledFrom([]string{"renames", "renames from", "moves", "invites", "uninvites", "leaves out", "cuts", "calls off"}).Draw(s.T, "edit")
	list := instances(s.T, t.f.cal)
	needsOne := map[string]bool{"renames from": true, "leaves out": true, "cuts": true, "calls off": true}
	switch {
	case len(list) == 0, needsOne[what] && t.in == nil, what == "leaves out" && len(list) < 2:
		return
	case what == "moves" && (t.m.kind == ical.Date && t.in != nil || t.in == nil && len(own) > 0): // a week would jump over others; exceptions stay where they are
		return
	}
	s.book.begin(t.m)
	switch what {
	case "renames", "renames from":
		text := rapid.SampledFrom([]string{"e", "f"}).Draw(s.T, "text")
		line(calendar.PropEdit{Name: "SUMMARY", Props: []ical.Property{{Name: "SUMMARY", Value: text}}})
		if what == "renames from" {
			it.Scope, slots = calendar.ThisAndFuture, nil
			earlier := false
			for _, slot := range t.m.slots {
				if before := slot.rid.Before(named(*t.in)); before && !slot.out {
					earlier = true
				} else if !before {
					slots = append(slots, slot)
				}
			}
			if !earlier { // of the series, then
				slots = slices.DeleteFunc(append(slices.Clone(t.m.slots), t.m.base), func(slot *slot) bool { return own[slot.rid] && slot != t.m.base })
			}
		}
		for _, slot := range slots {
			slot.what = text
		}
		what += " " + text
	case "moves":
		c := parts(t.f.cal.Clone())[0]
		if t.in != nil {
			c = component(t.f.cal.Clone(), *t.in).Clone()
		}
		shift(c, "DTSTART", "DTEND")
		start, _ := c.Prop("DTSTART").DateTime()
		it.Patch.Start = &start
		if p := c.Prop("DTEND"); p != nil {
			end, _ := p.DateTime()
			it.Patch.End = &end
		}
		t.m.moves(slots, t.in == nil)
	case "invites":
		what += " " + who
		line(calendar.PropEdit{Name: "ATTENDEE", Append: true, Props: []ical.Property{invited(who)}})
		for _, slot := range slots {
			if slot.guests[who] == nil {
				s.book.invite(slot, who)
			}
		}
	case "uninvites":
		what += " " + who
		line(calendar.PropEdit{Name: "ATTENDEE", Append: true, Remove: []string{address(who)}})
		s.uninvite(t, slots, who)
		if slices.Contains(rooms, who) && t.in == nil { // it is told that all is off, and asked anew for what is not
			for _, slot := range t.m.slots {
				if g := slot.guests[who]; g != nil {
					g.may, g.asked = map[string]bool{"ACCEPTED": true, "DECLINED": true}, true
				}
			}
		}
	case "leaves out":
		it.Mode = calendar.EditDelete
		slots[0].out = true
	case "cuts":
		it.Mode, it.Scope = calendar.EditDelete, calendar.ThisAndFuture
		t.m.cut(named(*t.in))
	case "calls off":
		it.Role = calendar.AsCanceler
		slots[0].off = true
	}
	if !s.edit(fmt.Sprintf("%s: %s %s", t.m.organizer, what, t.about()), t.m.organizer, t.f, t.rid(), it) {
		s.book.undo()
		return
	}
	s.book.end(t.m)
}
