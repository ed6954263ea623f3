package itip

import (
	"context"
	"slices"
	"time"

	"factotum/server/calendar"
	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/recur"
)

// horizon is how many instances of a series are looked at to see whether a new
// rule makes any that the old one did not.
const horizon = 1000

// keepAnswers writes the answers that attendees have given into a new version:
// they are theirs to give, and the organizer's program may not know the latest.
// Who is new has given none. It may ask again, though: by SCHEDULE-FORCE-SEND, or
// by a raised SEQUENCE. RFC 6638 §3.2.1, §3.2.10.
func (p *Party) keepAnswers(was, is *meeting) error {
	later := was.later(is)
	for k, c := range is.all() {
		old := was.stood(is, k, later)
		again := sequence(c) > sequence(old)
		answered := guests(old)
		for a := range c.All("ATTENDEE") {
			if p.Owner.HasAddress(a.Value) || !byServer(a) {
				continue
			}
			known := answered.line(calendar.AddressKey(a.Value))
			asks := a.ParamIs("PARTSTAT", "NEEDS-ACTION") && (again || a.ParamIs(forceParam, "REQUEST"))
			switch {
			case known != nil && byServer(known) && asks:
				copyParams(a, known, revisionParam, statusParam)
			case known != nil && byServer(known):
				copyParams(a, known, "PARTSTAT", "DELEGATED-TO", "DELEGATED-FROM", revisionParam, statusParam)
			case known != nil && known.ParamIs(agentParam, "CLIENT"):
				// The client invited him, and knows what he answered to it: now that the
				// server speaks for it he is not asked anew. clients.md §7.1, Evolution.
				forget(a)
			default:
				if forget(a); !a.ParamIs("PARTSTAT", "NEEDS-ACTION") {
					a.SetParam("PARTSTAT", "NEEDS-ACTION")
				}
			}
		}
		if !again && old != nil && p.Stale {
			sendAgain(c, answered)
		}
	}
	if !p.Stale || is.master == nil || was.master == nil {
		return nil
	}
	var grown growth
	// Exceptions that answers to one instance have made, which the program does
	// not know of yet.
	for _, k := range was.order {
		c := was.override(k)
		rid, err := c.Prop("RECURRENCE-ID").DateTime()
		if err != nil || is.override(k) != nil || !onlyAnswers(was, k) {
			continue
		}
		in, ok := is.instance(rid)
		if !ok || in.Override {
			continue
		}
		if err := grown.add(is.master); err != nil {
			return err
		}
		c = is.except(in)
		answered := guests(was.override(k))
		for a := range c.All("ATTENDEE") {
			if known := answered.line(calendar.AddressKey(a.Value)); known != nil && byServer(a) {
				copyParams(a, known, "PARTSTAT", "DELEGATED-TO", revisionParam, statusParam)
			}
		}
		sendAgain(c, answered)
		is.put(k, c)
	}
	return nil
}

// sendAgain puts back into a component whom attendees have sent in their place:
// that they did is an answer too.
func sendAgain(c *ical.Component, answered guestList) {
	here := guests(c)
	var sent []ical.Property
	for _, g := range answered.list {
		if from := g.line.Param("DELEGATED-FROM"); from != "" && here.line(g.who) == nil && here.line(calendar.AddressKey(from)) != nil {
			sent = append(sent, g.line.Clone())
		}
	}
	c.Props = append(c.Props, sent...)
}

// forget takes out of a line what the server keeps in it.
func forget(a *ical.Property) {
	a.KeepParams(func(name string) bool { return name != revisionParam && name != statusParam })
}

// copyParams makes parameters of a property those of another.
func copyParams(dst, src *ical.Property, names ...string) {
	if !slices.ContainsFunc(names, func(n string) bool { return !slices.Equal(src.ParamValues(n), dst.ParamValues(n)) }) {
		return
	}
	n := len(dst.Params)
	for _, name := range names {
		if src.HasParam(name) && !dst.HasParam(name) {
			n++
		}
	}
	params := make([]ical.Param, 0, n)
	for _, a := range dst.Params {
		if slices.Contains(names, a.Name) {
			a.Values = src.ParamValues(a.Name)
		}
		if len(a.Values) > 0 {
			params = append(params, a)
		}
	}
	for _, n := range names {
		if v := src.ParamValues(n); len(v) > 0 && !dst.HasParam(n) {
			params = append(params, ical.Param{Name: n, Values: v})
		}
	}
	dst.Params = slices.Clip(params)
}

// series is the instance that the master alone would show in the place of an
// override.
func (m *meeting) series(k key) (recur.Instance, bool) {
	rid, err := m.override(k).Prop("RECURRENCE-ID").DateTime()
	if err != nil || m.master == nil {
		return recur.Instance{}, false
	}
	if m.alone == nil || m.alone.master != m.master {
		m.alone = &meeting{master: m.master, zones: m.zones, float: m.float, timed: []*ical.Component{m.master}}
	}
	return m.alone.instance(rid)
}

// onTime reports whether an override takes place when the series would.
func onTime(m *meeting, k key) bool {
	in, ok := m.series(k)
	if !ok {
		return false
	}
	return sameTimes(instanceOf(m, in.RecurrenceID), timesOf(in))
}

// onlyAnswers reports whether an override differs from what the series would
// show in nothing but what attendees have answered.
func onlyAnswers(m *meeting, k key) bool {
	return onTime(m, k) && same(timeless(public(m.master)), timeless(public(m.override(k))), false)
}

// timeless is a component without what places it in time.
func timeless(c *ical.Component) *ical.Component {
	out := c.Clone()
	for _, n := range []string{"DTSTART", "DTEND", "DURATION", "DUE", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"} {
		out.Del(n)
	}
	return out
}

// times are when an instance takes place.
type times struct {
	start, end       time.Time
	allDay, floating bool
	ok               bool
}

func timesOf(in recur.Instance) times {
	return times{start: in.Start, end: in.End, allDay: in.AllDay, floating: in.Floating, ok: true}
}

func instanceOf(m *meeting, rid ical.DateTime) times {
	if in, ok := m.instance(rid); ok {
		return timesOf(in)
	}
	return times{}
}

func sameTimes(a, b times) bool {
	return a.ok == b.ok && a.allDay == b.allDay && a.floating == b.floating && a.start.Equal(b.start) && a.end.Equal(b.end)
}

// first is when the master of a meeting takes place: its own DTSTART and end.
func (m *meeting) first() times {
	c := m.master
	if c == nil {
		return times{}
	}
	alone := timeless(c)
	for _, n := range []string{"DTSTART", "DTEND", "DURATION", "DUE"} {
		if p := c.Prop(n); p != nil {
			alone.Add(p.Clone())
		}
	}
	set, err := recur.Compile([]*ical.Component{alone}, m.zones)
	if err != nil {
		return times{}
	}
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, m.float, recur.Budget{MaxInstances: 1}) {
		if err == nil {
			return timesOf(in)
		}
	}
	return times{}
}

// rule is how the recurrence of a master is written.
func rule(c *ical.Component) *ical.Component {
	out := ical.New("X")
	for _, n := range []string{"DTSTART", "RRULE", "RDATE", "EXRULE", "EXDATE"} {
		for p := range c.All(n) {
			out.Add(p.Clone())
		}
	}
	return out
}

// recurs reports whether a master has more than its DTSTART.
func recurs(c *ical.Component) bool { return c.Prop("RRULE") != nil || c.Prop("RDATE") != nil }

// newInstances reports whether a series has instances now that it had not.
func newInstances(was, is *meeting) bool {
	if ical.Equal(rule(was.master), rule(is.master)) || !recurs(was.master) && !recurs(is.master) {
		return false
	}
	set, err := recur.Compile([]*ical.Component{is.master}, is.zones)
	if err != nil {
		return true
	}
	n := 0
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, is.float, recur.Budget{MaxInstances: horizon, MaxSteps: 20 * horizon}) {
		if err != nil {
			break
		}
		if had := was.compiled(); had == nil {
			return true
		} else if _, ok := had.InstanceIn(in.RecurrenceID, is.zones, is.float); !ok {
			return true
		}
		if n++; n == horizon {
			break
		}
	}
	return false
}

// moved reports whether a component of the new version says another time than
// what stood there before, and so has to be answered again. RFC 6638 §3.2.8.
func moved(was, is *meeting, k key) bool {
	if was.empty() {
		return false
	}
	if k == entire {
		return was.master != nil && (!sameTimes(was.first(), is.first()) || newInstances(was, is))
	}
	rid, err := is.override(k).Prop("RECURRENCE-ID").DateTime()
	if err != nil {
		return false
	}
	before := instanceOf(was, rid)
	return !sameTimes(before, instanceOf(is, rid))
}

// moves are the keys of a new version whose components are moved. What an
// exception says of its time itself need not be worked out where it says the same.
func moves(was, is *meeting) map[key]bool {
	out := map[key]bool{}
	clear := !was.twice && !is.twice && sameZones(was, is)
	for k, c := range is.all() {
		if clear && k != entire && timedAlike(was.override(k), c) {
			continue
		}
		if moved(was, is, k) {
			out[k] = true
		}
	}
	return out
}

// sameZones reports whether times of both are read by the same VTIMEZONEs.
func sameZones(was, is *meeting) bool {
	return was.cal != nil && is.cal != nil && slices.EqualFunc(zonesOf(was.cal), zonesOf(is.cal), ical.Equal)
}

// timedAlike reports whether two exceptions say when they take place, and the same.
func timedAlike(a, b *ical.Component) bool {
	if a == nil || b == nil || a.Prop("DTSTART") == nil {
		return false
	}
	for _, n := range []string{"RECURRENCE-ID", "DTSTART", "DTEND", "DURATION", "DUE"} {
		p, q := a.Prop(n), b.Prop(n)
		if (p == nil) != (q == nil) || p != nil && (p.Value != q.Value || p.TZID() != q.TZID() || p.Param("VALUE") != q.Param("VALUE") || p.HasParam("RANGE") || q.HasParam("RANGE")) {
			return false
		}
	}
	return true
}

// reschedule asks attendees anew where the time has changed.
func (p *Party) reschedule(is *meeting, moves map[key]bool) {
	for k, c := range is.all() {
		if !moves[k] {
			continue
		}
		for a := range c.All("ATTENDEE") {
			if p.Owner.HasAddress(a.Value) || !byServer(a) {
				continue
			}
			a.SetParam("PARTSTAT", "NEEDS-ACTION")
			a.SetParam("RSVP", "TRUE")
			a.DelParam("DELEGATED-TO")
		}
	}
}

// revised are the properties a change of which is a new revision. RFC 5546 §2.1.4.
func revised(c *ical.Component) *ical.Component {
	out := ical.New("X")
	for _, n := range []string{"DTSTART", "DTEND", "DURATION", "DUE", "RRULE", "RDATE", "EXDATE", "STATUS"} {
		for p := range c.All(n) {
			out.Add(p.Clone())
		}
	}
	return out
}

// raise makes the SEQUENCEs of a new version those of a revision, whether the
// organizer's program thought of it or set them back. Where anything is called
// off all that remains is newer than that.
func (p *Party) raise(was, is *meeting, moves map[key]bool, cancels bool) {
	if was.empty() {
		return
	}
	floor := int64(0)
	if cancels {
		floor = offSequence(was)
	}
	var last *ical.Component // whose guests invited is: many instances may have come of the series
	var invited guestList
	series := guests(was.master)
	later := was.later(is)
	for k, c := range is.all() {
		old := was.stood(is, k, later)
		if old != last {
			last, invited = old, guests(old)
		}
		anew := moves[k] || k != entire && old != was.master && back(c, invited, series)
		n, before := sequence(c), sequence(old)
		switch {
		case old == nil:
			n = max(n, sequence(was.master))
		case n > before:
		case anew, k == entire && !ical.Equal(revised(old), revised(c)), k != entire && old.Word("STATUS") != c.Word("STATUS"):
			n = before + 1
		default:
			n = before
		}
		n = max(n, floor)
		if anew && cancels { // who has learned no more yet than what is off answers to what was
			n = max(n, floor+1)
		}
		if n != sequence(c) {
			setSequence(c, n)
		}
		// Answers to what was before count no more: to another time, to an invitation
		// that was taken back before this one, and to the series without this instance.
		for a := range c.All("ATTENDEE") {
			if (moves[k] || invited.line(calendar.AddressKey(a.Value)) == nil) && !p.Owner.HasAddress(a.Value) && byServer(a) {
				revision{seq: n}.mark(a)
			}
		}
	}
}

// back reports whether an instance invites somebody whom the series did and it did
// not. What he answers to the series until he learns of it is of the old revision.
func back(c *ical.Component, invited, series guestList) bool {
	for a := range c.All("ATTENDEE") {
		if who := calendar.AddressKey(a.Value); invited.line(who) == nil && series.line(who) != nil {
			return true
		}
	}
	return false
}

// except makes an override of an instance out of what it shows.
func (m *meeting) except(in recur.Instance) *ical.Component {
	return edit.Override(in, m.zones, m.float)
}

// put stores an override.
func (m *meeting) put(k key, c *ical.Component) {
	if m.places == nil {
		m.places = make(map[key]int, len(m.order))
		for i, old := range m.cal.Children {
			if old.Prop("RECURRENCE-ID") != nil {
				m.places[m.keyIn(old)] = i
			}
		}
	}
	if i, ok := m.at[k]; ok {
		m.parts[i] = c
		m.cal.Children[m.places[k]] = c
		return
	}
	m.places[k] = len(m.cal.Children)
	m.cal.AddChild(c)
	m.add(k, c)
}

// Served reports whether the server speaks for the owner of an object: to at least
// one attendee of what he organizes, or to the organizer. RFC 6638 §§3.1, 7.1.
func (p *Party) Served(object *ical.Component) bool {
	for _, c := range object.Children {
		o := c.Prop("ORGANIZER")
		switch {
		case o == nil || calendar.AddressKey(o.Value) == "":
		case !p.Owner.HasAddress(o.Value):
			if byServer(o) && attendee(c, p.Owner.HasAddress) != nil {
				return true
			}
		default:
			for a := range c.All("ATTENDEE") {
				if byServer(a) && !p.Owner.HasAddress(a.Value) {
					return true
				}
			}
		}
	}
	return false
}

// Organizes reports whether a component is the owner's to change and to invite
// to. RFC 6638 §3.1.
func (p *Party) Organizes(c *ical.Component) bool {
	o := c.Prop("ORGANIZER")
	return o != nil && calendar.AddressKey(o.Value) != "" && p.Owner.HasAddress(o.Value)
}
