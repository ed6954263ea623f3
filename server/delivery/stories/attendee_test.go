package stories

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// attends is a step of somebody who has a copy of a meeting.
func (s *story) attends(id string, m *meeting) {
	s.wait(time.Second) // his answers are told apart by the second
	s.must(s.again())
	t := s.aim(m, id)
	if t == nil {
		return
	}
	what := rapid.SampledFrom([]string{"ACCEPTED", "DECLINED", "TENTATIVE", "ACCEPTED", "DECLINED", "delegates", "sets an alarm", "leaves out", "deletes", "relocates", "drops"}).Draw(s.T, "what")
	switch what {
	case "delegates":
		s.delegates(t, id)
	case "sets an alarm":
		for _, c := range of(t.f.cal, t.in) {
			c.AddChild(alarm())
		}
		s.put(fmt.Sprintf("%s: %s %s", id, what, t.about()), id, t.f, false)
	case "leaves out":
		s.avoids(t, id)
	case "deletes":
		if rapid.IntRange(0, 2).Draw(s.T, "really") == 0 {
			s.throwsAway(t, id)
		}
	case "relocates":
		s.relocate(id, t.f)
	case "drops":
		if rapid.IntRange(0, 2).Draw(s.T, "really") == 0 {
			s.drop(id)
		}
	default:
		s.answers(t, id, what)
	}
}

// seen are the instances that somebody is asked for, of a copy: by what the series
// calls them, with their starts.
func (s *story) seen(t *target, id string) map[time.Time]time.Time {
	out := map[time.Time]time.Time{}
	for _, in := range instances(s.T, t.f.cal) {
		if (t.in == nil || in.RecurrenceID == t.in.RecurrenceID) && lineOf(in.Comp, id) != nil {
			out[named(in)] = in.Start
		}
	}
	return out
}

// says notes in the book what somebody has answered to what he saw.
func (s *story) says(t *target, seen map[time.Time]time.Time, id, what, to string) {
	for rid, start := range seen {
		s.book.says(t.m, rid, start, id, what, to, s.now())
	}
	if t.in != nil {
		return
	}
	for _, slot := range t.m.live() { // of which he may have heard before he was done
		if g := slot.guests[id]; g != nil && g.asked && seen[slot.rid].IsZero() {
			g.may[what] = true
		}
	}
}

func (s *story) answers(t *target, id, what string) {
	seen := s.seen(t, id)
	if len(seen) == 0 {
		return
	}
	if rapid.IntRange(0, 2).Draw(s.T, "wcap") == 0 {
		a := ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "PARTSTAT", Values: []string{what}}}, Value: address(id)}
		s.edit(fmt.Sprintf("%s: %s %s", id, what, t.about()), id, t.f, t.rid(), calendar.EditItem{Mode: calendar.EditModify, Role: calendar.AsAttendee,
			Patch: calendar.Patch{Props: []calendar.PropEdit{{Name: "ATTENDEE", Props: []ical.Property{a}}}}})
	} else {
		for _, c := range of(t.f.cal, t.in) {
			if a := lineOf(c, id); a != nil && c.Word("STATUS") != "CANCELLED" {
				a.SetParam("PARTSTAT", what)
			}
		}
		if !s.put(fmt.Sprintf("%s: %s %s", id, what, t.about()), id, t.f, false) {
			return
		}
	}
	s.says(t, seen, id, what, "")
}

// delegates has somebody send another one, who is not invited yet.
func (s *story) delegates(t *target, id string) {
	seen := s.seen(t, id)
	to := rapid.SampledFrom(people).Draw(s.T, "to")
	if to == id || to == t.m.organizer || len(seen) == 0 {
		return
	}
	comps := of(t.f.cal, t.in)
	for _, c := range comps {
		if lineOf(c, to) != nil || lineOf(c, id) == nil || c.Word("STATUS") == "CANCELLED" {
			return
		}
	}
	for _, c := range comps {
		a := lineOf(c, id)
		a.SetParam("PARTSTAT", "DELEGATED")
		a.SetParam("DELEGATED-TO", address(to))
		c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{address(id)}}}, Value: address(to)})
	}
	if s.put(fmt.Sprintf("%s: sends %s to %s", id, to, t.about()), id, t.f, false) {
		s.says(t, seen, id, "DELEGATED", to)
		if g := t.m.base.guests[id]; t.in == nil && g != nil {
			t.m.base.sends(id, to, g.asked || g.maybe)
		}
	}
}

// avoids has somebody take an instance out of his copy.
func (s *story) avoids(t *target, id string) {
	if t.in == nil || len(instances(s.T, t.f.cal)) < 2 {
		return
	}
	seen := s.seen(t, id)
	what := fmt.Sprintf("%s: leaves out %s", id, t.about())
	if rapid.IntRange(0, 2).Draw(s.T, "wcap") == 0 {
		s.edit(what, id, t.f, t.rid(), calendar.EditItem{Mode: calendar.EditDelete, Role: calendar.AsAttendee})
	} else if !leaveOut(t.f.cal, *t.in) || !s.put(what, id, t.f, false) {
		return
	}
	s.gone(t, seen, id)
}

// gone notes that somebody has not what he saw any more.
func (s *story) gone(t *target, seen map[time.Time]time.Time, id string) {
	s.says(t, seen, id, "DECLINED", "")
	for rid := range seen {
		if slot := t.m.at(rid); slot != nil && slot.guests[id] != nil {
			slot.guests[id].away = true
		}
	}
}

// throwsAway has somebody delete his copy.
func (s *story) throwsAway(t *target, id string) {
	t.in = nil
	seen := s.seen(t, id)
	if rapid.IntRange(0, 2).Draw(s.T, "wcap") == 0 {
		s.edit(fmt.Sprintf("%s: deletes %s", id, t.m.uid), id, t.f, rid{}, calendar.EditItem{Mode: calendar.EditDelete, Role: calendar.AsAttendee})
	} else {
		s.delete(id, t.f)
	}
	s.gone(t, seen, id)
}

// drop has somebody delete his second calendar with all that is in it: what he
// organizes is off, and what he is invited to is declined.
func (s *story) drop(id string) {
	type lost struct {
		t    *target
		seen map[time.Time]time.Time
	}
	var losses []lost
	exists := false
	for _, m := range s.meetings {
		f := s.copy(id, m.uid)
		if f == nil || f.ref.Calendar != calendar.ID(id+":work") {
			continue
		}
		exists = true
		t := &target{m: m, f: f}
		losses = append(losses, lost{t, s.seen(t, id)})
	}
	if !exists {
		return
	}
	s.dropCalendar(id)
	for _, l := range losses {
		if l.t.m.organizer == id {
			s.book.begin(l.t.m)
			l.t.m.on = false
		} else {
			s.gone(l.t, l.seen, id)
		}
	}
}

// joins changes who is in the team, and has the meetings follow.
func (s *story) joins() {
	id := rapid.SampledFrom(people).Draw(s.T, "member")
	next := slices.DeleteFunc(slices.Clone(s.team), func(m string) bool { return m == id })
	what := "leaves"
	if len(next) == len(s.team) {
		what, next = "joins", append(next, id)
	}
	slices.Sort(next)
	follows := rapid.Bool().Draw(s.T, "follows")
	if follows { // of whom the team's calendar knows
		s.must(s.quiet())
		s.check()
	}
	s.team = next
	s.dir.setTeam(next)
	s.note("%s %s the team", id, what)
	if !follows {
		return
	}
	s.must(s.do("the meetings follow", s.follow))
	for _, m := range s.meetings {
		if m.on && slices.ContainsFunc(m.live(), func(o *slot) bool { return o.guests[team] != nil }) {
			s.book.begin(m)
			s.book.end(m)
		}
	}
}
