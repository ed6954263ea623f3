package itip

import (
	"slices"
	"strings"

	"factotum/server/ical"
)

// request applies a REQUEST to an attendee's copy. RFC 5546 §3.2.2.
func (in *incoming) request() Receipt {
	if r, ok := in.fromOrganizer(); !ok {
		return r
	}
	switch {
	case in.mine(in.msg) == nil:
		return Receipt{Reason: NotAddressed}
	case in.quiet && in.have.empty():
		return Receipt{Reason: UnknownMeeting} // he does not have it any more
	}
	return in.tell(Invited)
}

// publish takes what is told to nobody in particular. RFC 5546 §3.2.1.
func (in *incoming) publish() Receipt {
	if !in.have.empty() {
		if r, ok := in.fromOrganizer(); !ok {
			return r
		}
	}
	return in.tell(Published)
}

// add applies an ADD: further instances of a series that the attendee has, each
// with its own DTSTART and no RECURRENCE-ID. RFC 5546 §3.2.4.
func (in *incoming) add() Receipt {
	if r, ok := in.fromOrganizer(); !ok {
		return r
	}
	if in.have.empty() || in.have.master == nil {
		return Receipt{Reason: UnknownMeeting}
	}
	c := in.msg.master
	if c == nil || c.Prop("DTSTART") == nil {
		return unreadableReceipt(nil, "an ADD is a component with DTSTART and without RECURRENCE-ID")
	}
	if in.late(in.have.master, c) {
		return Receipt{Reason: OlderRevision}
	}
	start, err := c.Prop("DTSTART").DateTime()
	if err != nil {
		return unreadableReceipt(err, "")
	}
	master, extra := in.have.master.Clone(), c.Clone()
	if _, known := in.have.instance(start); !known {
		p := ical.Property{Name: "RDATE"}
		p.SetDateTime(start)
		master.Add(p)
	}
	setSequence(master, sequence(c))
	extra.SetDateTime("RECURRENCE-ID", start)
	for _, n := range []string{"RRULE", "RDATE", "EXDATE", "EXRULE"} {
		extra.Del(n)
	}
	in.keep(extra, in.have.master, false)
	revisionLine(extra, received(c))
	revisionLine(master, received(c))
	others := []*ical.Component{master}
	for _, k := range in.have.order {
		if k != in.have.keyOf(start, in.msg.zones) {
			others = append(others, in.have.override(k).Clone())
		}
	}
	return Receipt{Reason: Updated, Changed: true, Object: merged(in.have.cal.Props, in.have.cal.Name,
		part{in.have.cal, others}, part{in.msg.cal, []*ical.Component{extra}})}
}

// late reports whether a component that came is older than what the copy has of it.
func (in *incoming) late(have, c *ical.Component) bool {
	if have == nil {
		return false
	}
	if last, ok := revisionOf(have.Prop("ORGANIZER")); ok {
		return received(c).before(last)
	}
	return sequence(c) < sequence(have)
}

// superseded reports whether an instance of which the copy has nothing of its own
// was told before the series was: who told the series told all that belongs to it.
// One that has no more than a lower SEQUENCE may be of a program that reset it.
func (in *incoming) superseded(c *ical.Component) bool {
	if in.have.master == nil {
		return false
	}
	last, ok := revisionOf(in.have.master.Prop("ORGANIZER"))
	r := received(c)
	return ok && r.before(last) && r.stamp.Before(last.stamp)
}

// toldLater reports whether the copy has an instance of which the organizer told
// something after he sent the series that came, which has the instance too.
func (in *incoming) toldLater(k key, rid ical.DateTime) bool {
	last, ok := revisionOf(in.have.override(k).Prop("ORGANIZER"))
	if !ok || !received(in.msg.master).stamp.Before(last.stamp) {
		return false
	}
	now, ok := in.msg.named(rid, in.have.zones)
	if ok {
		_, ok = in.msg.instance(now)
	}
	return ok
}

// tell stores what the organizer says: the whole, or some instances.
func (in *incoming) tell(first Reason) Receipt {
	for _, c := range in.msg.all() {
		if c.Name == "VEVENT" && c.Prop("DTSTART") == nil {
			return unreadableReceipt(nil, "DTSTART is missing")
		}
	}
	var fresh, stay []*ical.Component // of the message; of the copy
	old := 0
	whole := in.msg.master != nil
	if whole && in.late(in.have.master, in.msg.master) {
		return Receipt{Reason: OlderRevision}
	}
	var master *ical.Component
	if whole {
		master = in.msg.master.Clone()
		in.keep(master, in.have.master, in.have.master != nil && sameTimes(in.have.first(), in.msg.first()))
		in.leaveOut(master)
		revisionLine(master, received(in.msg.master))
		fresh = append(fresh, master)
	} else if in.have.master != nil {
		master = in.have.master.Clone()
		stay = append(stay, master)
		in.leaveOut(nil)
	}
	base := in.have
	if whole {
		base = in.msg
	}
	came := map[key]bool{}
	back := map[key]bool{} // exceptions that are instances again
	for _, k := range in.msg.order {
		c := in.msg.override(k)
		rid, err := c.Prop("RECURRENCE-ID").DateTime()
		if err != nil {
			return unreadableReceipt(err, "")
		}
		here := in.have.keyOf(rid, in.msg.zones)
		came[base.keyOf(rid, in.msg.zones)] = true
		if in.late(in.have.override(here), c) || !whole && in.have.override(here) == nil && in.superseded(c) {
			old++
			if have := in.have.override(here); have != nil {
				stay = append(stay, have.Clone())
			}
			continue
		}
		before := instanceOf(in.have, rid)
		sameHour := before.ok && sameTimes(before, instanceOf(in.msg, rid))
		if in.out[here] {
			continue // he took this one out, and it stays out
		}
		c = c.Clone()
		have := in.have.component(here)
		if have == in.have.master && whole {
			have = master // with the answer for the series, if that still counts
		}
		in.keep(c, have, sameHour)
		if !whole && in.have.master != nil {
			if named, ok := in.have.named(rid, in.msg.zones); ok {
				ranged := c.Prop("RECURRENCE-ID").Param("RANGE")
				c.SetDateTime("RECURRENCE-ID", named)
				if ranged != "" {
					c.Prop("RECURRENCE-ID").SetParam("RANGE", ranged)
				}
			} else {
				back[in.have.plain(rid, in.msg.zones)] = true
			}
		}
		revisionLine(c, received(in.msg.override(k)))
		fresh = append(fresh, c)
	}
	if old > 0 && old == len(in.msg.order) && !whole {
		return Receipt{Reason: OlderRevision}
	}
	in.readmit(master, back)
	for _, k := range in.have.order {
		c := in.have.override(k)
		rid, err := c.Prop("RECURRENCE-ID").DateTime()
		if err != nil || came[base.keyOf(rid, in.have.zones)] {
			continue
		}
		if !whole || in.toldLater(k, rid) {
			stay = append(stay, c.Clone())
		} else if kept := in.remember(k, rid); kept != nil {
			fresh = append(fresh, kept)
		}
	}
	props := in.msg.cal.Props
	if !in.have.empty() {
		props = in.have.cal.Props
	}
	r := Receipt{Reason: Updated, Changed: true, Object: merged(props, in.msg.cal.Name, part{in.haveCal(), stay}, part{in.msg.cal, fresh})}
	if in.have.empty() {
		r.Reason = first
		return r
	}
	next, err := in.read(r.Object, false)
	if err != nil {
		return unreadableReceipt(err, "")
	}
	switch in.compare(next) {
	case Unchanged:
		r.Reason = Unchanged
	case AnswersUpdated:
		r.Reason = AnswersUpdated
	}
	return r
}

func (in *incoming) haveCal() *ical.Component {
	if in.have.cal == nil {
		return &ical.Component{Name: "VCALENDAR"}
	}
	return in.have.cal
}

// compare tells how much of the copy is new.
func (in *incoming) compare(next *meeting) Reason {
	out := Unchanged
	keys := in.have.keys()
	for _, k := range next.keys() {
		if k == entire && in.have.master == nil || k != entire && in.have.override(k) == nil {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		a, b := in.bare(in.have, k), in.bare(next, k)
		if (a == nil) != (b == nil) && k != entire { // an exception beside what the series shows
			if a, b = in.beside(next, k); a == nil {
				return Updated
			}
		}
		switch {
		case a == nil || b == nil:
			return Updated
		case !same(a, b, false), answer(attendee(a, in.Owner.HasAddress)) != answer(attendee(b, in.Owner.HasAddress)):
			return Updated
		case !same(a, b, true), sequence(a) != sequence(b), (in.have.override(k) == nil) != (next.override(k) == nil):
			out = AnswersUpdated
		}
	}
	return out
}

// beside are both sides of an instance of which one is the series' own, without
// the times, which are the same; nil if they are not.
func (in *incoming) beside(next *meeting, k key) (a, b *ical.Component) {
	c := in.have.override(k)
	if c == nil {
		c = next.override(k)
	}
	rid, err := c.Prop("RECURRENCE-ID").DateTime()
	if err != nil || !sameTimes(instanceOf(in.have, rid), instanceOf(next, rid)) || in.have.component(k) == nil || next.component(k) == nil {
		return nil, nil
	}
	return timeless(public(in.have.component(k))), timeless(public(next.component(k)))
}

// bare is a component of a copy without what the server keeps in it.
func (in *incoming) bare(m *meeting, k key) *ical.Component {
	c := m.override(k)
	if k == entire {
		c = m.master
	}
	if c == nil {
		return nil
	}
	return public(c)
}

// revisionLine notes in a copy which message it comes from.
func revisionLine(c *ical.Component, r revision) {
	if o := c.Prop("ORGANIZER"); o != nil {
		r.mark(o)
	}
}

// keep makes a component that came the attendee's own: with his alarms, his
// categories and the like, his answer if nothing asks for a new one.
func (in *incoming) keep(c, have *ical.Component, sameHour bool) {
	c.Children = slices.DeleteFunc(c.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return isPersonal(p.Name) })
	me := attendee(c, in.Owner.HasAddress)
	heard, told := revisionOf(me) // which of his answers the organizer knows
	for a := range c.All("ATTENDEE") {
		a.DelParam(revisionParam)
	}
	if me != nil && me.ParamIs("PARTSTAT", "") {
		me.SetParam("PARTSTAT", "NEEDS-ACTION")
	}
	if have == nil {
		return
	}
	class := strictest(c, have)
	c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return isOwn(p.Name) && p.Name != "DTSTAMP" || p.Name == "CLASS" })
	theirs := map[string]bool{}
	for i := range c.Props {
		theirs[c.Props[i].Name] = true
	}
	for i := range have.Props {
		if p := &have.Props[i]; isOwn(p.Name) && p.Name != "DTSTAMP" || strings.HasPrefix(p.Name, "X-") && !theirs[p.Name] {
			c.Add(p.Clone())
		}
	}
	if class != nil {
		c.Add(*class)
	}
	for k := range have.ChildrenOf("VALARM") {
		c.AddChild(k.Clone())
	}
	if o, was := c.Prop("ORGANIZER"), have.Prop("ORGANIZER"); o != nil && was != nil {
		copyParams(o, was, agentParam, statusParam)
	}
	me = attendee(c, in.Owner.HasAddress) // where it stands now
	was := attendee(have, in.Owner.HasAddress)
	if me == nil || was == nil || !sameHour || have.Word("STATUS") == "CANCELLED" {
		return // what takes place at another time, or was called off, is asked anew
	}
	// What he said himself counts more than what the organizer has heard of it,
	// unless that one has heard it and asks again.
	said, ok := revisionOf(was)
	if answer(me) == answer(was) {
		copyParams(me, was, "RSVP")
	}
	if ok && (told && heard.lacks(said) || !told && (answer(me) != "NEEDS-ACTION" || sequence(c) <= said.seq || !me.ParamIs("RSVP", "TRUE"))) {
		copyParams(me, was, revisionParam)
		copyParams(me, was, "PARTSTAT", "DELEGATED-TO")
		instead(c, have, was)
	}
}

// strictest is the CLASS that hides most, nil if none is said: what the organizer
// wants hidden is hidden, and what the attendee does. RFC 5545 §3.8.1.3.
func strictest(a, b *ical.Component) *ical.Property {
	pa, pb := a.Prop("CLASS"), b.Prop("CLASS")
	if pa == nil || pb != nil && a.Word("CLASS") == "PUBLIC" {
		pa = pb
	}
	if pa == nil {
		return nil
	}
	p := pa.Clone() // the components are about to change
	return &p
}

// leaveOut keeps out of a series what the attendee took out of it, unless the
// organizer heard of it and invites him again, or has another time. master is
// that of the message, nil if it speaks of instances alone.
func (in *incoming) leaveOut(master *ical.Component) {
	in.out = map[key]bool{}
	if in.have.master == nil || in.have.master.Word("STATUS") == "CANCELLED" {
		return
	}
	full := in.have.master.Clone()
	full.Del("EXDATE")
	all := &meeting{cal: in.have.cal, master: full, zones: in.have.zones, float: in.have.float, timed: []*ical.Component{full}}
	if all.compiled() == nil {
		return
	}
	mine := map[*ical.Component]*ical.Property{}
	for d, ex := range exceptions(in.have.master) {
		said, his := revisionOf(ex)
		if !his {
			continue
		}
		before, ok := all.instance(d)
		now, still := before.RecurrenceID, ok
		if master != nil {
			now, still = in.msg.named(d, in.have.zones)
		}
		if !ok || !still {
			continue
		}
		k := in.msg.keyOf(now, in.have.zones)
		c := in.msg.component(k)
		me, looked := mine[c]
		if !looked {
			me = attendee(c, in.Owner.HasAddress)
			mine[c] = me
		}
		if me == nil || !sameTimes(timesOf(before), in.timesIn(k, now)) {
			continue
		}
		if heard, told := revisionOf(me); answer(me) != "DECLINED" && (!told || !heard.lacks(said)) {
			continue
		}
		in.out[in.have.plain(before.RecurrenceID, in.have.zones)] = true
		if master != nil {
			p := ical.Property{Name: "EXDATE"}
			p.SetDateTime(now)
			said.mark(&p)
			master.Add(p)
		}
	}
}

// timesIn are those of an instance of the message, whichever way it is spelled.
func (in *incoming) timesIn(k key, rid ical.DateTime) times {
	if c := in.msg.override(k); c != nil {
		if d, err := c.Prop("RECURRENCE-ID").DateTime(); err == nil {
			rid = d
		}
	}
	return instanceOf(in.msg, rid)
}

// readmit takes instances out of a series' exceptions.
func (in *incoming) readmit(master *ical.Component, back map[key]bool) {
	if master == nil || len(back) == 0 {
		return
	}
	var left []ical.Property
	for d, ex := range exceptions(master) {
		if !back[in.have.plain(d, in.have.zones)] {
			p := ical.Property{Name: "EXDATE"}
			p.SetDateTime(d)
			copyParams(&p, ex, revisionParam)
			left = append(left, p)
		}
	}
	master.Del("EXDATE")
	for _, p := range left {
		master.Add(p)
	}
}

// organizers is what the organizer says in a component of a copy, but for its
// times: without what is the attendee's own.
func organizers(c *ical.Component) *ical.Component {
	out := timeless(public(c))
	out.Props = slices.DeleteFunc(out.Props, func(p ical.Property) bool { return isOwn(p.Name) })
	return out
}

// remember makes anew what an attendee has of one instance for himself, where
// the organizer's series has no exception for it: an answer on its way to him,
// an alarm.
func (in *incoming) remember(k key, rid ical.DateTime) *ical.Component {
	if !onTime(in.have, k) || !same(organizers(in.have.master), organizers(in.have.override(k)), false) {
		return nil
	}
	now, ok := in.msg.named(rid, in.have.zones)
	if !ok {
		return nil
	}
	inst, ok := in.msg.instance(now)
	if !ok || inst.Override || !sameTimes(instanceOf(in.have, rid), timesOf(inst)) {
		return nil
	}
	if in.grown.add(inst.Comp) != nil {
		return nil
	}
	c := in.msg.except(inst)
	in.keep(c, in.have.override(k), true)
	revisionLine(c, received(in.msg.master))
	return c
}
