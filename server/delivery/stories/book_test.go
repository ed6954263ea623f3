package stories

import (
	"maps"
	"slices"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// book is what a person with pen and paper would know of the meetings of all: it
// has no messages, no revisions and no copies.
type book struct {
	meetings []*meeting
	team     []string
	series   calendar.SeriesRule // of the rooms
	steps    int                 // of organizers, since all was quiet
	saved    *meeting            // the one at hand before the step
	at       *meeting
}

// meeting is one of somebody's.
type meeting struct {
	uid, organizer string
	kind           ical.Kind
	zone           string
	length         time.Duration
	first          time.Time // civil
	count          int       // 0: it does not recur
	on             bool
	slots          []*slot
	base           *slot // what a further instance would be
}

// slot is an instance.
type slot struct {
	rid, start time.Time // civil: what the series calls it, and when it is
	what       string
	off, out   bool // called off; left out of the series
	guests     map[string]*guest
	left       map[string]bool   // members of the team whom the organizer took out
	before     map[string]*guest // those before the step at hand
}

// guest is somebody who is invited to an instance.
type guest struct {
	may    map[string]bool // his answers, one of them: more than one where he and the organizer did something at once
	said   string          // what he said last
	when   time.Time
	member bool   // he is there by the team
	from   string // who sends him
	maybe  bool   // he may be there or not
	away   bool   // he took it out of his calendar
	asked  bool   // anew, and may not know it yet
}

const none = "NEEDS-ACTION"

func one(answer string) map[string]bool { return map[string]bool{answer: true} }

// live are the instances that take place.
func (m *meeting) live() (out []*slot) {
	for _, s := range m.slots {
		if m.on && !s.off && !s.out {
			out = append(out, s)
		}
	}
	return out
}

// at is the instance that the series calls so.
func (m *meeting) at(rid time.Time) *slot {
	for _, s := range m.slots {
		if s.rid.Equal(rid) {
			return s
		}
	}
	return nil
}

// utc is a civil time of the meeting in UTC.
func (m *meeting) utc(civil time.Time) time.Time {
	if z, ok := recur.LoadZone(m.zone); ok && m.zone != "" {
		return z.ToUTC(civil)
	}
	return civil
}

// begin notes who is invited before a step of the organizer.
func (b *book) begin(m *meeting) {
	b.at, b.saved = m, m.clone()
	b.steps++
	for _, s := range append(m.slots, m.base) {
		s.before = maps.Clone(s.guests)
	}
	if b.steps > 1 { // what rooms answer depends on what comes to them first
		for _, m := range b.meetings {
			for _, s := range m.slots {
				for _, r := range rooms {
					if g := s.guests[r]; g != nil && g.asked {
						g.may = map[string]bool{"ACCEPTED": true, "DECLINED": true}
					}
				}
			}
		}
	}
}

// end does what follows from a step by itself: for the team, and for rooms.
func (b *book) end(m *meeting) {
	for _, s := range append(m.slots, m.base) {
		b.expand(m, s)
	}
	for _, r := range rooms {
		b.decide(m, r)
	}
}

// undo takes back a step that was not taken.
func (b *book) undo() { *b.at = *b.saved }

func (m *meeting) clone() *meeting {
	out := *m
	out.base = m.base.clone()
	out.slots = nil
	for _, s := range m.slots {
		out.slots = append(out.slots, s.clone())
	}
	return &out
}

func (s *slot) clone() *slot {
	out := *s
	out.left, out.guests = maps.Clone(s.left), map[string]*guest{}
	for id, g := range s.guests {
		g := *g
		g.may = maps.Clone(g.may)
		out.guests[id] = &g
	}
	return &out
}

// invite puts somebody on the list who is not there.
func (b *book) invite(s *slot, id string) *guest {
	g := &guest{may: one(none), asked: true}
	s.guests[id] = g
	return g
}

// uninvite takes somebody off the list.
func (s *slot) uninvite(id string) {
	if g := s.guests[id]; g != nil {
		delete(s.guests, id)
		for _, o := range s.guests {
			o.maybe = o.maybe || o.asked && o.from == id
		}
	}
}

// anew has all guests of an instance asked anew. maybe: only where it has nothing
// of its own.
func (s *slot) anew(maybe bool) {
	for id, g := range s.guests {
		g.maybe = g.maybe || g.asked && g.from != "" // who sends him may have been too late
		if g.asked = true; maybe {
			g.may[none] = true
		} else {
			*g = guest{may: one(none), asked: true, member: g.member, from: g.from, maybe: g.maybe}
		}
		if id == team {
			g.may = one(none)
		}
	}
}

// expand has the members of the team follow it.
func (b *book) expand(m *meeting, s *slot) {
	group, was := s.guests[team], s.before[team]
	if group == nil {
		if was != nil {
			for id, g := range s.guests {
				if g.member {
					s.uninvite(id)
				}
			}
		}
		clear(s.left)
		return
	}
	some := false // of its members are there still
	for id, g := range s.guests {
		some = some || g.member && s.before[id] != nil
	}
	for id, g := range s.guests {
		if g.member && !slices.Contains(b.team, id) {
			s.uninvite(id)
		}
	}
	for _, id := range b.team {
		old := s.before[id]
		if id == m.organizer || s.guests[id] != nil {
			continue
		}
		if old != nil && was != nil && (!old.member || some) {
			s.left[id] = true
		}
		switch {
		case s.left[id]:
		case old != nil && old.member:
			s.guests[id] = old
		default:
			b.invite(s, id).member = true
		}
	}
	for id := range s.left {
		if s.guests[id] != nil || !slices.Contains(b.team, id) {
			delete(s.left, id)
		}
	}
}

// decide says what a room answers that was asked, as far as one can tell.
func (b *book) decide(m *meeting, room string) {
	var asked []*slot
	bad, unsure := 0, b.steps > 1
	for _, s := range m.live() {
		if g := s.guests[room]; g != nil && g.may[none] {
			unsure = unsure || len(g.may) > 1
			if asked = append(asked, s); b.refuses(m, s, room) {
				bad++
			}
		}
	}
	for _, s := range asked {
		g := s.guests[room]
		no := b.refuses(m, s, room) || m.count > 0 && len(asked) > 1 && bad > 0 && b.series == calendar.SeriesDecline
		switch {
		case unsure:
			g.may = map[string]bool{"ACCEPTED": true, "DECLINED": true}
		case no:
			g.may = one("DECLINED")
		default:
			g.may = one("ACCEPTED")
		}
	}
}

// refuses reports whether a room has no place for an instance.
func (b *book) refuses(m *meeting, s *slot, room string) bool {
	if room == "room2" {
		return !slices.Contains(mayBook, m.organizer)
	}
	for _, other := range b.meetings {
		for _, o := range other.live() {
			if g := o.guests[room]; other != m && g != nil && g.may["ACCEPTED"] && overlap(m, s, other, o) {
				return true
			}
		}
	}
	return false
}

func overlap(m *meeting, s *slot, other *meeting, o *slot) bool {
	a, b := m.utc(s.start), other.utc(o.start)
	return a.Before(b.Add(other.length)) && b.Before(a.Add(m.length))
}

// says notes an answer to an instance, which the copy that he looks at has at a
// time; to is whom he sends.
func (b *book) says(m *meeting, rid, shown time.Time, id, what, to string, now time.Time) {
	s := m.at(rid)
	if s == nil || s.off || s.out || !m.on {
		return
	}
	g := s.guests[id]
	if g == nil {
		return
	}
	crosses := g.asked || g.maybe || !shown.Equal(m.utc(s.start))
	if crosses {
		g.may[what] = true
	} else {
		g.may = one(what)
	}
	g.said, g.when = what, now
	if to != "" {
		s.sends(id, to, crosses)
	}
}

// sends puts somebody on the list whom a guest sends in his place.
func (s *slot) sends(id, to string, maybe bool) {
	if s.guests[to] == nil {
		s.guests[to] = &guest{may: one(none), asked: true, from: id, maybe: maybe}
	}
}

// settles is told when every message has arrived.
func (b *book) settles() {
	b.steps = 0
	for _, m := range b.meetings {
		for _, s := range append(m.slots, m.base) {
			for _, g := range s.guests {
				g.asked = false
			}
		}
	}
}

// create makes a meeting.
func (b *book) create(m *meeting, what string, guests []string) {
	m.base = &slot{rid: m.first, start: m.first, what: what, guests: map[string]*guest{}, left: map[string]bool{}}
	b.begin(m)
	for _, id := range guests {
		b.invite(m.base, id)
	}
	m.on = true
	for i := range max(1, m.count) {
		m.further(i)
	}
	b.meetings = append(b.meetings, m)
	b.end(m)
}

// further adds an instance to a series.
func (m *meeting) further(i int) {
	rid := m.first.AddDate(0, 0, i)
	if m.at(rid) != nil {
		return
	}
	s := &slot{rid: rid, start: rid, what: m.base.what, guests: map[string]*guest{}, left: maps.Clone(m.base.left), before: m.base.before}
	for id, g := range m.base.guests {
		s.guests[id] = &guest{may: one(none), asked: true, member: g.member, from: g.from, maybe: g.maybe}
	}
	m.slots = append(m.slots, s)
	slices.SortFunc(m.slots, func(a, b *slot) int { return a.rid.Compare(b.rid) })
}

// lasts gives a series another length.
func (m *meeting) lasts(count int) {
	end := m.first.AddDate(0, 0, count)
	m.slots = slices.DeleteFunc(m.slots, func(s *slot) bool { return !s.out && !s.rid.Before(end) })
	if count > m.count {
		for _, s := range append(m.slots, m.base) {
			s.anew(true)
		}
	}
	for i := range count {
		m.further(i)
	}
	m.count = count
}

// cut ends a series before an instance. Before the first there is nothing: it is off.
func (m *meeting) cut(at time.Time) {
	m.slots = slices.DeleteFunc(m.slots, func(s *slot) bool { return !s.rid.Before(at) })
	m.count = int(at.Sub(m.first) / (24 * time.Hour))
	m.on = slices.ContainsFunc(m.slots, func(s *slot) bool { return !s.out })
}

// moves moves instances, all: the series.
func (m *meeting) moves(slots []*slot, all bool) {
	for _, s := range slots {
		s.start = s.start.Add(step(m.kind))
		if all {
			s.rid = s.rid.Add(step(m.kind))
		}
		s.anew(false)
	}
	if all {
		m.first = m.first.Add(step(m.kind))
	}
}
