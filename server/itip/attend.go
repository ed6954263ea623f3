package itip

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Attend says what follows from a write of an attendee's object, whose organizer
// is somebody else. He may change what is his own: his answer, alarms, whether
// it counts as busy, categories and the like; he may leave instances out, which
// declines them, and answer for one of them. RFC 6638 §3.2.2.1. All else stays
// as the organizer wants it, in silence where programs are known to lose or
// rewrite it, and with an error of kind NotOrganizer where it would say
// something else than what the organizer said.
//
// reply tells whether a removal is to be told: RFC 6638 §8.1. An object that the
// owner is not invited to, or whose SCHEDULE-AGENT is not the server, is nobody's
// business: it comes back as it is.
func (p *Party) Attend(before, after *ical.Component, reply bool) (ch Change, err error) {
	was, err := p.open(before)
	if err != nil {
		return ch, err
	}
	is, err := p.open(after)
	if err != nil {
		return ch, err
	}
	ch.Object = after
	agent := is
	if is.empty() {
		agent = was
	}
	if o := agent.organizer(); o == nil || !byServer(o) {
		return ch, nil
	}
	if is.empty() {
		if reply {
			ch.Messages = p.declines(was)
		}
		return ch, nil
	}
	force := is.organizer().ParamIs(forceParam, "REPLY")
	var merged *meeting
	if was.empty() || p.mine(was) == nil {
		merged, err = p.open(after.Clone())
	} else {
		merged, err = p.merge(was, is)
	}
	if err != nil {
		return ch, err
	}
	for _, k := range merged.keys() {
		line := attendee(merged.component(k), p.Owner.HasAddress)
		before := attendee(was.component(k), p.Owner.HasAddress)
		if line == nil || answer(line) == "NEEDS-ACTION" || sameAnswer(line, before) {
			continue
		}
		revision{seq: sequence(merged.component(k)), stamp: p.Now}.mark(line)
		if k == entire {
			if before == nil {
				before = &ical.Property{}
			}
			spread(merged, p.Owner.HasAddress, line, *before)
		}
	}
	off := p.leftOut(was, merged)
	ch.Messages = p.replies(was, merged, off, force)
	for _, c := range merged.all() {
		if o := c.Prop("ORGANIZER"); o != nil {
			o.DelParam(forceParam)
			if len(ch.Messages) > 0 {
				o.SetParam(statusParam, pending)
			}
		}
	}
	if !ical.Equal(merged.cal, after) {
		ch.Object = merged.cal
	}
	return ch, nil
}

// mine is the owner's line in the first component that has one.
func (p *Party) mine(m *meeting) *ical.Property {
	for _, c := range m.all() {
		if a := attendee(c, p.Owner.HasAddress); a != nil {
			return a
		}
	}
	return nil
}

// own are properties that an attendee has for himself: those of his copy are
// kept when the organizer changes the meeting, and his to change.
var own = map[string]bool{
	"TRANSP": true, "PERCENT-COMPLETE": true, "COMPLETED": true, "CATEGORIES": true, "COLOR": true,
	"CREATED": true, "LAST-MODIFIED": true, "DTSTAMP": true,
}

func isOwn(name string) bool { return own[name] || isPersonal(name) }

// fixed are properties that say what the meeting is. An attendee who changes one
// is told that he cannot, for his copy would say something that is not so.
var fixed = []string{"SUMMARY", "LOCATION", "DESCRIPTION", "STATUS", "URL"}

// merge makes the attendee's next copy: what stood there, with what is his own
// of the version that he writes.
func (p *Party) merge(was, is *meeting) (*meeting, error) {
	if is.organizer() == nil || calendar.AddressKey(is.organizer().Value) != calendar.AddressKey(was.organizer().Value) {
		return nil, notYours("the organizer is somebody else")
	}
	if was.master == nil && is.master != nil {
		return nil, notYours("he is invited to single instances, not to the series")
	}
	var comps []*ical.Component
	if was.master != nil {
		if is.master == nil {
			return nil, notYours("the series itself is missing")
		}
		if !sameTimes(was.first(), is.first()) || newInstances(was, is) || newInstances(is, p.without(was, is)) {
			return nil, notYours("it takes place at another time")
		}
		c, err := p.change(was.master, is.master)
		if err != nil {
			return nil, err
		}
		p.exdates(c, was, is)
		comps = append(comps, c)
	}
	shown := ical.Component{Name: was.cal.Name, Props: is.cal.Props, Children: slices.Concat(zonesOf(was.cal), comps)}
	series := &meeting{} // without the overrides: tells which instances there are
	if was.master != nil {
		var err error
		if series, err = p.open(&shown); err != nil {
			return nil, err
		}
	}
	for _, k := range was.order {
		c := was.override(k)
		rid, err := c.Prop("RECURRENCE-ID").DateTime()
		if err != nil {
			return nil, unreadable("RECURRENCE-ID: %v", err)
		}
		if next := is.override(k); next != nil {
			if !sameTimes(instanceOf(was, rid), instanceOf(is, rid)) {
				return nil, notYours("an instance takes place at another time")
			}
			if c, err = p.change(c, next); err != nil {
				return nil, err
			}
		} else if series.master == nil {
			continue // it is removed, and declined
		} else if _, ok := series.instance(rid); !ok {
			continue
		} else {
			c = c.Clone()
		}
		comps = append(comps, c)
	}
	var grown growth
	for _, k := range is.order {
		next := is.override(k)
		if was.override(k) != nil {
			continue
		}
		rid, err := next.Prop("RECURRENCE-ID").DateTime()
		if err != nil {
			return nil, unreadable("RECURRENCE-ID: %v", err)
		}
		in, ok := was.instance(rid)
		if !ok {
			return nil, notYours("it has no such instance: %s", rid)
		}
		if !sameTimes(timesOf(in), instanceOf(is, rid)) {
			return nil, notYours("an instance takes place at another time")
		}
		if err := grown.add(in.Comp); err != nil {
			return nil, err
		}
		c, err := p.change(was.except(in), next)
		if err != nil {
			return nil, err
		}
		comps = append(comps, c)
	}
	if len(comps) == 0 {
		return nil, notYours("nothing is left of it")
	}
	shown.Children = slices.Concat(zonesOf(was.cal), comps)
	return p.open(rebuild(&shown, comps))
}

func zonesOf(cal *ical.Component) (out []*ical.Component) {
	for z := range cal.ChildrenOf("VTIMEZONE") {
		out = append(out, z)
	}
	return out
}

func notYours(format string, args ...any) error {
	return &calendar.Error{Kind: calendar.NotOrganizer, Msg: "Only the organizer may change this meeting: " + fmt.Sprintf(format, args...) + "."}
}

// without is a series with the exceptions of a version of it besides its own.
func (p *Party) without(was, is *meeting) *meeting {
	c := was.master.Clone()
	p.exdates(c, was, is)
	return &meeting{cal: was.cal, master: c, zones: was.zones, float: was.float, set: was.compiled()}
}

// exdates adds to a master the exceptions that an attendee makes, in the form of
// its own dates, and notes that they are his.
func (p *Party) exdates(c *ical.Component, was, is *meeting) {
	known := map[key]bool{}
	for d := range exceptions(was.master) {
		known[was.plain(d, was.zones)] = true
	}
	for d := range exceptions(is.master) {
		rid, ok := was.named(d, is.zones)
		if k := was.plain(rid, was.zones); ok && !known[k] {
			known[k] = true
			ex := ical.Property{Name: "EXDATE"}
			ex.SetDateTime(rid)
			revision{seq: sequence(c), stamp: p.Now}.mark(&ex)
			c.Add(ex)
		}
	}
}

// exceptions yields the EXDATEs of a master, each with the line that it stands in.
func exceptions(c *ical.Component) iter.Seq2[ical.DateTime, *ical.Property] {
	return func(yield func(ical.DateTime, *ical.Property) bool) {
		for ex := range c.All("EXDATE") {
			dates, err := ex.DateTimes()
			if err != nil {
				continue
			}
			for _, d := range dates {
				if !yield(d, ex) {
					return
				}
			}
		}
	}
}

// change makes a component what an attendee wants it to be, as far as he may.
func (p *Party) change(c, next *ical.Component) (*ical.Component, error) {
	for _, name := range fixed {
		if name == "STATUS" && c.Name == "VTODO" {
			continue
		}
		if rewritten(name, c, next) {
			continue
		}
		if was, is := c.Value(name), next.Value(name); was != is && plain(ical.UnescapeText(was)) != plain(ical.UnescapeText(is)) {
			return nil, notYours("its %s is another", name)
		}
	}
	out := c.Clone()
	p.take(out, next)
	mine, now := attendee(out, p.Owner.HasAddress), attendee(next, p.Owner.HasAddress)
	switch {
	case mine == nil:
		return out, nil
	case now == nil:
		return nil, notYours("he who is invited is not on the list any more")
	}
	copyParams(mine, now, "PARTSTAT", "RSVP", "DELEGATED-TO", "SENT-BY")
	if !mine.ParamIs("PARTSTAT", "DELEGATED") {
		mine.DelParam("DELEGATED-TO")
	}
	there := guests(out)
	var instead []ical.Property
	for _, g := range guests(next).list {
		if g.who == "" || there.line(g.who) != nil {
			continue
		}
		if !p.Owner.HasAddress(g.line.Param("DELEGATED-FROM")) || !slices.ContainsFunc(mine.ParamValues("DELEGATED-TO"), sameAs(g.line.Value)) {
			return nil, notYours("somebody else is invited")
		}
		a := g.line.Clone()
		a.SetParam("PARTSTAT", "NEEDS-ACTION")
		instead = append(instead, a)
	}
	out.Props = append(out.Props, instead...)
	if o, was := next.Prop("ORGANIZER"), out.Prop("ORGANIZER"); o != nil && was != nil {
		copyParams(was, o, agentParam, forceParam)
	}
	return out, nil
}

// rewritten reports whether programs are known to change a property by
// themselves, so that it stays as it is in silence: Outlook has no URL, and knows
// no event without a STATUS.
func rewritten(name string, c, next *ical.Component) bool {
	switch name {
	case "URL":
		return next.Prop(name) == nil
	case "STATUS":
		return c.Word(name) != "CANCELLED" && next.Word(name) != "CANCELLED"
	}
	return false
}

// take gives a component what is an attendee's own in another version of it.
func (p *Party) take(c, from *ical.Component) {
	theirs := map[string]bool{}
	for i := range c.Props {
		theirs[c.Props[i].Name] = true
	}
	mine := func(name string) bool {
		return isOwn(name) || strings.HasPrefix(name, "X-") || name == "COMMENT" || name == "CLASS" || c.Name == "VTODO" && name == "STATUS"
	}
	c.Props = slices.DeleteFunc(c.Props, func(q ical.Property) bool { return mine(q.Name) })
	for i := range from.Props {
		if mine(from.Props[i].Name) {
			c.Add(from.Props[i].Clone())
		}
	}
	c.Children = slices.DeleteFunc(c.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	for k := range from.ChildrenOf("VALARM") {
		c.AddChild(k.Clone())
	}
}

// plain is a text without what programs do to blanks.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }
