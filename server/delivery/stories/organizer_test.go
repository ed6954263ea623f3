package stories

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// forms are what meetings look like: one, or a series.
var forms = []struct {
	start ical.DateTime
	count int
}{
	{ical.FromCivil(time.Date(2030, 1, 2, 10, 0, 0, 0, time.UTC), ical.UTC, ""), 0},
	{ical.FromCivil(time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), ical.Date, ""), 4},
	{ical.FromCivil(time.Date(2030, 3, 29, 10, 0, 0, 0, time.UTC), ical.Zoned, "Europe/Berlin"), 4},
	{ical.FromCivil(time.Date(2030, 1, 2, 10, 0, 0, 0, time.UTC), ical.UTC, ""), 5},
	{ical.FromCivil(time.Date(2030, 1, 2, 10, 30, 0, 0, time.UTC), ical.UTC, ""), 3},
	{ical.FromCivil(time.Date(2030, 1, 3, 10, 45, 0, 0, time.UTC), ical.UTC, ""), 0},
}

// create makes a meeting of somebody's.
func (s *story) create() {
	id := rapid.SampledFrom(people).Draw(s.T, "organizer")
	form := rapid.SampledFrom(forms).Draw(s.T, "form")
	m := &meeting{uid: fmt.Sprint("m", len(s.meetings)+1), organizer: id, kind: form.start.Kind, zone: form.start.TZID, first: form.start.Civil(), count: form.count, length: time.Hour}
	if m.kind == ical.Date {
		m.length = 24 * time.Hour
	}
	guests := rapid.Permutation(slices.DeleteFunc(slices.Clone(all), func(g string) bool { return g == id })).Draw(s.T, "guests")
	guests = guests[:rapid.IntRange(1, 4).Draw(s.T, "with")]
	s.work(id)
	in := rapid.SampledFrom(calendars(id)).Draw(s.T, "in")
	end := ical.FromCivil(m.first.Add(m.length), m.kind, m.zone)
	rule := fmt.Sprintf("FREQ=DAILY;COUNT=%d", m.count)
	lines := []ical.Property{{Name: "ATTENDEE", Value: address(id), Params: []ical.Param{{Name: "PARTSTAT", Values: []string{"ACCEPTED"}}}}}
	for _, g := range guests {
		lines = append(lines, invited(g))
	}
	what := fmt.Sprintf("%s: creates %s at %s %s with %q", id, m.uid, form.start, rule, guests)
	s.book.create(m, "a", guests)
	if rapid.IntRange(0, 2).Draw(s.T, "wcap") == 0 {
		day := m.kind == ical.Date
		it := calendar.EditItem{UID: m.uid, Mode: calendar.EditCreate, Role: calendar.AsOrganizer, Patch: calendar.Patch{TZID: m.zone, AllDay: &day, Start: &form.start, End: &end,
			Props: []calendar.PropEdit{{Name: "SUMMARY", Props: []ical.Property{{Name: "SUMMARY", Value: "a"}}}, {Name: "ATTENDEE", Props: lines}}}}
		if m.count > 0 {
			it.Patch.RRules = &[]string{rule}
		}
		s.must(s.do(what+" (wcap)", func(ctx context.Context) error { return s.hands.edit(ctx, id, in, it) }))
		return
	}
	cal := ical.NewCalendar("-//Test//EN")
	if m.zone != "" {
		z, err := recur.VTimezone(m.zone, m.first.AddDate(-1, 0, 0), time.Time{})
		s.must(err)
		cal.AddChild(z)
	}
	c := ical.New("VEVENT")
	c.Set("UID", m.uid)
	c.Set("DTSTAMP", "20000101T000000Z")
	c.SetDateTime("DTSTART", form.start)
	c.SetDateTime("DTEND", end)
	if m.count > 0 {
		c.Set("RRULE", rule)
	}
	c.SetText("SUMMARY", "a")
	c.Set("ORGANIZER", address(id))
	for _, l := range lines {
		c.Add(l)
	}
	cal.AddChild(c)
	s.put(what, id, &found{ref: calendar.Ref{Calendar: in, Name: m.uid + ".ics"}, cal: cal}, false)
}

// target is what a step is about: a meeting, one instance of it or all.
type target struct {
	m     *meeting
	f     *found
	in    *recur.Instance
	slots []*slot // of the book; with base, if all
}

func (t *target) about() string {
	if t.in == nil {
		return t.m.uid + " all"
	}
	return t.m.uid + " " + t.in.RecurrenceID.String()
}

func (t *target) rid() rid {
	if t.in == nil {
		return rid{}
	}
	return rid{t.in.RecurrenceID, true}
}

// aim draws what a step of somebody about a meeting is about; nil if there is nothing.
func (s *story) aim(m *meeting, id string) *target {
	f := s.copy(id, m.uid)
	if f == nil {
		return nil
	}
	t := &target{m: m, f: f, slots: append(slices.Clone(m.slots), m.base)}
	list := instances(s.T, f.cal)
	if len(list) > 0 && list[0].HasRID && rapid.Bool().Draw(s.T, "one") {
		t.in = &list[rapid.IntRange(0, len(list)-1).Draw(s.T, "instance")]
		t.slots = nil
		if at := m.at(named(*t.in)); at != nil {
			t.slots = []*slot{at}
		}
	}
	return t
}

// organizes is a step of the organizer of a meeting.
func (s *story) organizes(m *meeting) {
	t := s.aim(m, m.organizer)
	if t == nil {
		s.Fatalf("%s of %s is lost", m.uid, m.organizer)
	}
	if t.in != nil && len(t.slots) == 0 {
		s.Fatalf("%s of %s has %s, the book not\n%s", m.uid, m.organizer, t.in.RecurrenceID, t.f.cal.Bytes())
	}
	who := rapid.SampledFrom(slices.DeleteFunc(slices.Clone(all), func(g string) bool { return g == m.organizer })).Draw(s.T, "who")
	ways := []func(*target, string){s.renames, s.movesIt, s.invites, s.uninvites, s.leavesOut, s.callsOff, s.lengthens, s.writesLate, s.deletes, s.relocates, s.drops,
		s.edits, s.edits, s.edits}
	ways[rapid.IntRange(0, len(ways)-1).Draw(s.T, "what")](t, who)
}

// writes has the organizer's text written, which the book knows already.
func (s *story) writes(t *target, what string, ifMatch bool) {
	s.Helper()
	if !s.put(fmt.Sprintf("%s: %s %s", t.m.organizer, what, t.about()), t.m.organizer, t.f, ifMatch) {
		s.book.undo()
		return
	}
	s.book.end(t.m)
}

func (s *story) renames(t *target, _ string) {
	text := rapid.SampledFrom([]string{"b", "c", "d"}).Draw(s.T, "text")
	s.book.begin(t.m)
	for _, slot := range t.slots {
		slot.what = text
	}
	for _, c := range of(t.f.cal, t.in) {
		c.SetText("SUMMARY", text)
	}
	s.writes(t, "renames "+text, false)
}

func (s *story) movesIt(t *target, _ string) {
	s.book.begin(t.m)
	t.m.moves(t.slots, t.in == nil)
	for _, c := range of(t.f.cal, t.in) {
		shift(c, "DTSTART", "DTEND")
		if t.in == nil {
			shift(c, "RECURRENCE-ID", "EXDATE")
			shiftEnd(c, step(t.m.kind))
		}
	}
	s.writes(t, "moves", false)
}

func (s *story) invites(t *target, who string) {
	s.book.begin(t.m)
	for _, slot := range t.slots {
		if slot.guests[who] == nil {
			s.book.invite(slot, who)
		}
	}
	for _, c := range of(t.f.cal, t.in) {
		if lineOf(c, who) == nil {
			c.Add(invited(who))
		}
	}
	s.writes(t, "invites "+who, false)
}

func (s *story) uninvites(t *target, who string) {
	s.book.begin(t.m)
	s.uninvite(t, t.slots, who)
	for _, c := range of(t.f.cal, t.in) {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool {
			return p.Name == "ATTENDEE" && calendar.AddressKey(p.Value) == who+"@example.com"
		})
	}
	// Whom a guest sends comes back when the text may be of before that.
	s.writes(t, "uninvites "+who, true)
}

// uninvite has the book take somebody off the list. Whom a guest sends, and the
// organizer does not see yet, he cannot take off: that he comes may be on its way.
func (s *story) uninvite(t *target, slots []*slot, who string) {
	shown := map[time.Time]bool{}
	for _, in := range instances(s.T, t.f.cal) {
		shown[named(in)] = lineOf(in.Comp, who) != nil
	}
	for _, slot := range slots {
		g := slot.guests[who]
		sees := shown[slot.rid]
		if slot == t.m.base {
			sees = slices.ContainsFunc(parts(t.f.cal), func(c *ical.Component) bool { return c.Prop("RECURRENCE-ID") == nil && lineOf(c, who) != nil })
		}
		if g != nil && g.from != "" && g.asked && !sees {
			g.maybe = true
		} else {
			slot.uninvite(who)
		}
	}
}

func (s *story) leavesOut(t *target, _ string) {
	if t.in == nil || len(instances(s.T, t.f.cal)) < 2 {
		return
	}
	s.book.begin(t.m)
	t.slots[0].out = true
	leaveOut(t.f.cal, *t.in)
	s.writes(t, "leaves out", false)
}

func (s *story) callsOff(t *target, _ string) {
	if t.in == nil {
		return
	}
	s.book.begin(t.m)
	t.slots[0].off = true
	component(t.f.cal, *t.in).Set("STATUS", "CANCELLED")
	s.writes(t, "calls off", false)
}

// lengthens gives a series another number of instances.
func (s *story) lengthens(t *target, _ string) {
	if t.m.count == 0 {
		return
	}
	t.in = nil
	count := t.m.count + rapid.SampledFrom([]int{-1, 1}).Draw(s.T, "by")
	end := t.m.first.AddDate(0, 0, count)
	if !slices.ContainsFunc(t.m.live(), func(o *slot) bool { return o.rid.Before(end) }) {
		return
	}
	s.book.begin(t.m)
	t.m.lasts(count)
	t.f.cal.Children = slices.DeleteFunc(t.f.cal.Children, func(c *ical.Component) bool {
		p := c.Prop("RECURRENCE-ID")
		if c.Prop("RRULE") != nil {
			c.Set("RRULE", fmt.Sprintf("FREQ=DAILY;COUNT=%d", count))
		}
		if p == nil {
			return false
		}
		d, _ := p.DateTime()
		return !d.Civil().Before(end)
	})
	s.writes(t, fmt.Sprint("gives ", count, " instances to"), false)
}

func (s *story) deletes(t *target, _ string) {
	if rapid.IntRange(0, 3).Draw(s.T, "really") > 0 {
		return
	}
	s.book.begin(t.m)
	t.m.on = false
	if rapid.Bool().Draw(s.T, "wcap") {
		s.edit(t.m.organizer+": deletes "+t.m.uid, t.m.organizer, t.f, rid{}, calendar.EditItem{Mode: calendar.EditDelete, Role: calendar.AsOrganizer})
	} else {
		s.delete(t.m.organizer, t.f)
	}
}

func (s *story) relocates(t *target, _ string) { s.relocate(t.m.organizer, t.f) }

// drops has the organizer delete a calendar with all that is in it.
func (s *story) drops(t *target, _ string) {
	if rapid.IntRange(0, 2).Draw(s.T, "really") == 0 {
		s.drop(t.m.organizer)
	}
}

// writesLate has the organizer's program write what it has read some time ago;
// what was answered since is no reason to refuse it.
func (s *story) writesLate(t *target, _ string) {
	old := s.old[t.m.uid]
	if s.old[t.m.uid] = t.f; old == nil {
		return
	}
	delete(s.old, t.m.uid)
	for _, c := range parts(old.cal) {
		c.SetText("SUMMARY", "late")
	}
	err := s.do(fmt.Sprintf("%s: writes what was read before of %s", t.m.organizer, t.m.uid), func(ctx context.Context) error {
		return s.hands.put(ctx, t.m.organizer, calendar.PutRequest{Ref: old.ref, Data: old.cal.Bytes(), Precond: calendar.Precond{IfScheduleTag: old.obj.ScheduleTagValue()}})
	})
	switch calendar.KindOf(err) {
	case calendar.Stale, calendar.NoCalendar:
		return
	}
	s.must(err)
	s.book.begin(t.m)
	for _, slot := range append(t.m.slots, t.m.base) {
		slot.what = "late"
	}
	s.book.end(t.m)
	for _, slot := range append(t.m.slots, t.m.base) {
		for _, g := range slot.guests {
			// The text does not show whom a guest has sent since, and with this write
			// the guest left the team: nobody says that his deputy is to come.
			g.maybe = g.maybe || g.from != "" && slot.guests[g.from] == nil
		}
	}
}
