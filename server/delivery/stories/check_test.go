package stories

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// check compares every copy with the book, when all is quiet.
func (s *story) check() {
	s.Helper()
	for _, m := range s.meetings {
		var hers *found
		if f := s.copy(m.organizer, m.uid); f != nil {
			hers = f
		}
		if (hers != nil) != m.on {
			s.Fatalf("%s: %s has it: %v, the book says %v", m.uid, m.organizer, hers != nil, m.on)
		}
		if hers != nil {
			s.settled(m.organizer, hers.cal)
			s.compare(m, hers)
		}
		for _, id := range all {
			if id != m.organizer {
				s.compareCopy(m, id, hers)
			}
		}
	}
	s.alone()
	s.read()
	s.once()
	s.explained()
	s.book.settles()
}

// compare compares the organizer's object with the book, which then knows what
// nobody could tell before.
func (s *story) compare(m *meeting, f *found) {
	s.Helper()
	fail := func(format string, args ...any) {
		s.Helper()
		s.Fatalf("%s of %s: %s\n%s", m.uid, m.organizer, fmt.Sprintf(format, args...), f.cal.Bytes())
	}
	live := m.live()
	for _, in := range instances(s.T, f.cal) {
		at := m.at(named(in))
		switch {
		case at == nil || at.off || at.out:
			fail("it has %s, the book not", in.RecurrenceID)
		case !in.Start.Equal(m.utc(at.start)):
			fail("%s is at %s, in the book at %s", in.RecurrenceID, in.Start, m.utc(at.start))
		case in.Comp.Text("SUMMARY") != at.what:
			fail("%s is %q, in the book %q", in.RecurrenceID, in.Comp.Text("SUMMARY"), at.what)
		}
		live = slices.DeleteFunc(live, func(o *slot) bool { return o == at })
		for a := range in.Comp.All("ATTENDEE") {
			id, _, _ := strings.Cut(calendar.AddressKey(a.Value), "@")
			if id == m.organizer {
				continue
			}
			g := at.guests[id]
			if g == nil {
				fail("%s is invited to %s, in the book not", id, in.RecurrenceID)
			}
			if !g.may[answerOf(a)] {
				fail("%s has answered %s with %s, in the book %q", id, in.RecurrenceID, answerOf(a), slices.Sorted(maps.Keys(g.may)))
			}
			g.may, g.maybe = one(answerOf(a)), false
		}
		for id, g := range at.guests {
			switch {
			case lineOf(in.Comp, id) != nil:
			case g.maybe:
				delete(at.guests, id)
			default:
				fail("%s is not invited to %s, in the book he is", id, in.RecurrenceID)
			}
		}
	}
	for _, c := range parts(f.cal) {
		for id, g := range m.base.guests {
			if g.maybe && c.Prop("RECURRENCE-ID") == nil {
				if g.maybe = false; lineOf(c, id) == nil {
					delete(m.base.guests, id)
				}
			}
		}
	}
	if len(live) > 0 {
		fail("it has no %s, the book has", live[0].rid)
	}
}

// compareCopy compares somebody's copy with the book.
func (s *story) compareCopy(m *meeting, id string, hers *found) {
	s.Helper()
	var mine *ical.Component
	got := map[time.Time]view{}
	if f := s.copy(id, m.uid); f != nil {
		mine = f.cal
		s.settled(id, mine)
		for _, in := range instances(s.T, mine) {
			if lineOf(in.Comp, id) != nil {
				got[in.Start] = viewOf(in.Comp, id)
			}
		}
	}
	fail := func(format string, args ...any) {
		s.Helper()
		text, other := "(nothing)", "(nothing)"
		if mine != nil {
			text = string(mine.Bytes())
		}
		if hers != nil {
			other = string(hers.cal.Bytes())
		}
		s.Fatalf("%s: %s\n%s\n%s\n%s\n%s", m.uid, fmt.Sprintf(format, args...), m.organizer, other, id, text)
	}
	for _, slot := range m.live() {
		g := slot.guests[id]
		if g == nil {
			continue
		}
		want := slot.view(m, id)
		start := m.utc(slot.start)
		have, shown := got[start]
		delete(got, start)
		switch {
		case !shown && g.away && want.answer == "DECLINED":
		case !shown:
			fail("%s has nothing at %s", id, start)
		case have != want:
			fail("%s has at %s %+v, in the book %+v", id, start, have, want)
		default:
			g.away = false
		}
	}
	for start, have := range got {
		fail("%s has at %s %+v, in the book nothing", id, start, have)
	}
}

// view is what somebody's copy says of an instance.
type view struct{ what, answer, others string }

func viewOf(c *ical.Component, id string) (v view) {
	v.what = c.Text("SUMMARY")
	var others []string
	for a := range c.All("ATTENDEE") {
		who, _, _ := strings.Cut(calendar.AddressKey(a.Value), "@")
		if who == id {
			v.answer = answerOf(a)
		} else {
			others = append(others, who+"="+answerOf(a))
		}
	}
	slices.Sort(others)
	v.others = strings.Join(others, " ")
	return v
}

// view is what somebody's copy has to say of an instance.
func (s *slot) view(m *meeting, id string) (v view) {
	v.what = s.what
	others := []string{m.organizer + "=ACCEPTED"}
	for who, g := range s.guests {
		for answer := range g.may { // one
			if who == id {
				v.answer = answer
			} else {
				others = append(others, who+"="+answer)
			}
		}
	}
	slices.Sort(others)
	v.others = strings.Join(others, " ")
	return v
}

// settled fails where a message seems to be on its way.
func (s *story) settled(id string, cal *ical.Component) {
	s.Helper()
	for _, c := range cal.Children {
		for i := range c.Props {
			if c.Props[i].Param("SCHEDULE-STATUS") == calendar.StatusPending {
				s.Fatalf("%s waits for something: %s\n%s", id, c.Props[i].Value, cal.Bytes())
			}
		}
	}
}

// alone fails where two meetings have the room at once that takes one.
func (s *story) alone() {
	s.Helper()
	for i, m := range s.meetings {
		for _, a := range m.live() {
			for _, other := range s.meetings[i+1:] {
				for _, b := range other.live() {
					x, y := a.guests["room1"], b.guests["room1"]
					if x != nil && y != nil && x.may["ACCEPTED"] && y.may["ACCEPTED"] && overlap(m, a, other, b) {
						s.Fatalf("%s at %s and %s at %s have the room at once", m.uid, m.utc(a.start), other.uid, other.utc(b.start))
					}
				}
			}
		}
	}
}
