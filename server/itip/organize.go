package itip

import (
	"cmp"
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Organize says what follows from a write of an organizer's object: before is
// what he had, after what he wants to have; nil is nothing. The object comes
// back with its SEQUENCEs raised where he forgot (RFC 5546 §2.1.4), with the
// answers that attendees have given, or have to give again (RFC 6638 §3.2.8),
// and with SCHEDULE-STATUS 1.0 at each who is written to. RFC 6638 §3.2.1.
func (p *Party) Organize(before, after *ical.Component) (ch Change, err error) {
	was, err := p.open(before)
	if err != nil {
		return ch, err
	}
	if after != nil {
		after = after.Clone()
	}
	is, err := p.open(after)
	if err != nil {
		return ch, err
	}
	p.sameAddress(was, is)
	if err := p.keepAnswers(was, is); err != nil {
		return ch, err
	}
	moves := moves(was, is)
	p.reschedule(is, moves)
	circles, err := p.circles(was, is)
	if err != nil && after != nil {
		return ch, err
	}
	p.raise(was, is, moves, slices.ContainsFunc(circles, func(c circle) bool { return len(c.off) > 0 }))
	ch.Messages, err = p.letters(was, is, circles)
	if err != nil && after != nil { // what is removed is removed, whoever can be told
		return ch, err
	}
	written := map[string]bool{}
	for _, m := range ch.Messages {
		for _, to := range m.To {
			written[calendar.AddressKey(to)] = !m.Inconsequential || written[calendar.AddressKey(to)]
		}
	}
	for _, c := range is.all() {
		for a := range c.All("ATTENDEE") {
			a.DelParam(forceParam)
			if written[calendar.AddressKey(a.Value)] && !a.ParamIs(statusParam, pending) {
				a.SetParam(statusParam, pending)
			}
		}
	}
	if len(ch.Messages) > 0 {
		p.sign(after)
		for _, m := range ch.Messages {
			p.sign(m.Calendar)
		}
	}
	ch.Object = after
	return ch, nil
}

// sign says beside the organizer's address who acted for him. What he does himself
// leaves what his program says. RFC 5545 §3.2.18.
func (p *Party) sign(cal *ical.Component) {
	if p.SentBy == "" || cal == nil {
		return
	}
	for _, c := range cal.Children {
		if o := c.Prop("ORGANIZER"); o != nil && p.Owner.HasAddress(o.Value) {
			o.SetParam("SENT-BY", "mailto:"+p.SentBy)
		}
	}
}

// sameAddress keeps the address that the organizer has invited by: by another of
// his own his attendees would take him for somebody else.
func (p *Party) sameAddress(was, is *meeting) {
	old := was.organizer()
	if old == nil || !p.Owner.HasAddress(old.Value) {
		return
	}
	for _, c := range is.all() {
		if o := c.Prop("ORGANIZER"); o != nil && p.Owner.HasAddress(o.Value) {
			o.Value = old.Value
		}
	}
}

// Tell lists the messages that follow from a change of an organizer's object
// that the server made itself: attendees learn what another has answered. There
// are none where they would be too much: see mostSeen. RFC 6638 §4.2.
func (p *Party) Tell(before, after *ical.Component) ([]Message, error) {
	was, err := p.open(before)
	if err != nil {
		return nil, err
	}
	is, err := p.open(after)
	if err != nil {
		return nil, err
	}
	circles, err := p.circles(was, is)
	if err != nil {
		return nil, nil
	}
	out, _ := p.letters(was, is, circles)
	return out, nil
}

// Answers lists messages that tell all attendees of a meeting what the others
// have answered, whatever each knows already. RFC 6638 §4.2.
func (p *Party) Answers(object *ical.Component) ([]Message, error) {
	is, err := p.open(object)
	if err != nil {
		return nil, err
	}
	circles, err := p.circles(is, is)
	if err != nil {
		return nil, nil
	}
	for i := range circles {
		c := &circles[i]
		c.off, c.news, c.quiet = nil, c.cur.keys, true
	}
	out, _ := p.letters(is, is, circles)
	return out, nil
}

// circle is attendees who see the same, before and after, and what they have to
// learn: what is off, and the keys of what is new. quiet tells that nothing but
// the answers of others is. A large meeting has few circles.
type circle struct {
	to    []string
	cur   *view
	off   []called
	news  []key
	quiet bool
	told  bool // nothing is new but what is off
}

// called is what a CANCEL calls off: what a component stands for, or one
// instance of it.
type called struct {
	c   *ical.Component
	rid *ical.DateTime
}

// circles are those of a change, in the order in which their first members stand.
func (p *Party) circles(was, is *meeting) (out []circle, err error) {
	before, after := was.roll(), is.roll()
	place := map[string]int{}
	var sign []byte
	looks := 0
	for i, r := range []roll{before, after} {
		for _, who := range r.people {
			address := r.seats[who][0].line.Value
			if who == "" || p.Owner.HasAddress(address) || i > 0 && before.seats[who] != nil {
				continue
			}
			sign = after.sign(before.sign(sign[:0], who), who)
			at, known := place[string(sign)]
			if !known {
				if looks += before.extent(who) + after.extent(who); looks > mostSeen {
					return nil, tooVarious(len(out))
				}
				at = len(out)
				place[string(sign)] = at
				old, cur := before.view(who), after.view(who)
				c := p.differ(old, cur)
				c.told = p.told(old, cur, c.off)
				out = append(out, c)
			}
			out[at].to = append(out[at].to, address)
		}
	}
	return out, nil
}

// differ says what attendees have to learn who see the same.
func (p *Party) differ(old, cur *view) (out circle) {
	out.cur = cur
	out.off = p.lost(old, cur)
	out.news, out.quiet = p.news(old, cur)
	// What the organizer marks as cancelled is off, and no request.
	var off []key
	whole := false
	for _, k := range out.news {
		if cur.of.isOff(k) {
			off, whole = append(off, k), whole || k == entire
		}
	}
	if len(off) == 0 {
		return out
	}
	out.news = slices.DeleteFunc(out.news, func(k key) bool { return whole || cur.of.isOff(k) })
	if whole {
		off, out.off = []key{entire}, nil
	}
	for _, k := range off {
		before := k
		if old.component(k) == nil {
			before = entire
		}
		if old.component(before) != nil && !old.of.isOff(before) {
			out.off = append(out.off, called{c: cur.component(k)})
		}
	}
	return out
}

// told reports whether a CANCEL says all that is new: the series has more EXDATEs, of
// what is called off, and is as it was otherwise.
func (p *Party) told(old, cur *view, off []called) bool {
	if old.master == nil || cur.master == nil || len(off) == 0 {
		return false
	}
	dates := map[key]bool{}
	for _, o := range off {
		rid := o.rid
		if rid == nil {
			line := o.c.Prop("RECURRENCE-ID")
			if line == nil {
				return false
			}
			d, err := line.DateTime()
			if err != nil {
				return false
			}
			rid = &d
		}
		dates[cur.of.keyOf(*rid, old.of.zones)] = true
	}
	back := map[key]bool{} // dates that were off
	for d := range exceptions(old.master) {
		back[cur.of.keyOf(d, old.of.zones)] = true
	}
	for d := range exceptions(cur.master) {
		k := cur.of.keyOf(d, cur.of.zones)
		if !dates[k] && !back[k] {
			return false
		}
		delete(back, k)
	}
	if len(back) > 0 {
		return false
	}
	before := *old
	before.master = old.master.Clone()
	before.master.Del("EXDATE")
	for ex := range cur.master.All("EXDATE") {
		before.master.Add(ex.Clone())
	}
	keys, quiet := p.news(&before, cur)
	return len(keys) == 0 || quiet
}

// letters are the messages to all who see a difference, cancellations first. It
// fails where they are too much, with those that are not.
func (p *Party) letters(was, is *meeting, circles []circle) (out []Message, err error) {
	room := mostSent
	from, n := p.address(was, is), offSequence(was)
	for _, c := range circles {
		msg := Message{UID: cmp.Or(is.uid, was.uid), From: from, To: c.to}
		if len(c.off) > 0 {
			whom := map[string]bool{}
			for _, a := range c.to {
				whom[calendar.AddressKey(a)] = true
			}
			var comps []*ical.Component
			for _, o := range c.off {
				k := cancelled(o, whom)
				if k.Prop("RECURRENCE-ID") == nil { // nothing remains: what the organizer's program says holds
					setSequence(k, max(n, sequence(k)))
				} else {
					setSequence(k, n)
				}
				if room -= octets(k); room < 0 {
					return out, tooVarious(len(circles))
				}
				comps = append(comps, k)
			}
			msg.Method, msg.Calendar = Cancel, p.envelope(Cancel, comps, is, was)
			out = append(out, msg)
		}
		if len(c.news) > 0 {
			for _, k := range c.news {
				room -= octets(c.cur.component(k))
			}
			if room < 0 {
				return out, tooVarious(len(circles))
			}
			comps := c.cur.clones(p, c.news)
			msg.Method, msg.Calendar, msg.Inconsequential = Request, p.envelope(Request, comps, is), c.quiet
			msg.Told = c.told
			out = append(out, msg)
		}
	}
	return out, nil
}

// address is the organizer's, as the object has it.
func (p *Party) address(ms ...*meeting) string {
	for i := len(ms) - 1; i >= 0; i-- {
		if o := ms[i].organizer(); o != nil {
			return o.Value
		}
	}
	return "mailto:" + p.Owner.Mail()
}

// lost is what a CANCEL is about: the whole, or each instance that the attendee
// does not see any more. RFC 5546 §3.2.5.
func (p *Party) lost(old, cur *view) (out []called) {
	if old.empty() {
		return nil
	}
	if cur.empty() {
		for _, k := range old.keys {
			if (k == entire || old.master == nil) && !old.of.isOff(k) {
				out = append(out, called{c: old.component(k)})
			}
		}
		return out
	}
	if master := old.master; master != nil && cur.master == nil {
		return []called{{c: master}} // and what is left of it is told anew
	}
	for _, k := range old.keys {
		c := old.component(k)
		if k == entire || old.of.isOff(k) {
			continue
		}
		if !cur.sees(k) || cur.component(k) == nil && (old.master == nil || !cur.has(c)) {
			out = append(out, called{c: c})
		}
	}
	// Instances of the series that became exceptions, or somebody else's alone. Where
	// they are many the series, which is told anew, says so by itself.
	if old.master != nil {
		gone := cur.gone(old)
		if len(gone) > mostGone {
			return out
		}
		for _, rid := range gone {
			if k := old.of.keyOf(rid, cur.of.zones); old.component(k) == nil && old.sees(k) {
				out = append(out, called{c: old.master, rid: &rid})
			}
		}
	}
	return out
}

// mostGone is how many instances of a series are called off one by one.
const mostGone = 100

// has reports whether the view still shows the instance that a component of an
// older one stands for.
func (v *view) has(c *ical.Component) bool {
	rid, err := c.Prop("RECURRENCE-ID").DateTime()
	if err != nil || v.of.master == nil {
		return err == nil
	}
	if v.master == nil {
		return true // components alone: see lost
	}
	_, ok := v.of.instance(rid)
	return ok
}

// gone are the instances that a view leaves out by an EXDATE, of which an older
// one of the same series did show something.
func (v *view) gone(old *view) (out []ical.DateTime) {
	master := v.master
	if master == nil {
		return nil
	}
	seen := map[ical.DateTime]bool{}
	for d := range exceptions(master) {
		if in, ok := old.of.instance(d); ok && !seen[in.RecurrenceID] {
			seen[in.RecurrenceID] = true
			out = append(out, in.RecurrenceID)
		}
	}
	return out
}

// cancelled is a component of a CANCEL. Of many attendees it names those whom it
// is for: RFC 5546 §3.2.5.
func cancelled(o called, whom map[string]bool) *ical.Component {
	c := o.c
	if c.Count("ATTENDEE") > mostNamed {
		c = &ical.Component{Name: c.Name, Children: c.Children, Props: slices.DeleteFunc(slices.Clone(c.Props), func(p ical.Property) bool {
			return p.Name == "ATTENDEE" && !whom[calendar.AddressKey(p.Value)]
		})}
	}
	out := public(c)
	out.Set("STATUS", "CANCELLED")
	if o.rid != nil {
		for _, name := range []string{"RRULE", "RDATE", "EXDATE", "EXRULE"} {
			out.Del(name)
		}
		out.SetDateTime("RECURRENCE-ID", *o.rid)
	}
	return out
}

// mostNamed is how many attendees a CANCEL names in any case.
const mostNamed = 100

// news are the components of a REQUEST: all where the attendee is new, or the
// series changed; else those overrides that did. quiet tells that nothing but
// what others answered is new, and then they are all that did change.
func (p *Party) news(old, cur *view) (keys []key, quiet bool) {
	if cur.empty() {
		return nil, false
	}
	all := cur.keys
	var changed, answered []key
	for _, k := range all {
		c := cur.component(k)
		o := old.component(k)
		if o == nil && k != entire && old.master != nil && bare(old, cur, k) {
			// What the series showed already: its times are no news.
			o, c = timeless(old.master), timeless(c)
		}
		switch {
		case cur.forced[k], !same(o, c, false):
			changed = append(changed, k)
		case !same(o, c, true):
			answered = append(answered, k)
		}
	}
	if old.empty() || slices.Contains(changed, entire) || old.master != nil && cur.master == nil {
		return slices.Clone(all), false
	}
	// An override that is gone shows the series again.
	for _, k := range old.keys {
		if k != entire && cur.component(k) == nil && cur.master != nil && cur.sees(k) && cur.has(old.component(k)) {
			return slices.Clone(all), false
		}
	}
	if len(changed) > 0 {
		return changed, false
	}
	if slices.Contains(answered, entire) {
		return slices.Clone(all), true // the series stands for all that belongs to it
	}
	return answered, len(answered) > 0
}

// bare reports whether an override of a view shows what the series showed before
// by itself, so that the attendee learns nothing by it.
func bare(old, cur *view, k key) bool {
	c := cur.component(k)
	rid, err := c.Prop("RECURRENCE-ID").DateTime()
	if err != nil {
		return false
	}
	in, ok := old.of.instance(rid)
	if !ok || old.of.override(k) != nil {
		return false
	}
	return sameTimes(instanceOf(cur.of, rid), timesOf(in)) && same(timeless(public(in.Comp)), timeless(c), false)
}

// ask completes a component of a REQUEST: with its revision, and with which of
// everybody's answers is known, so that whoever receives it can tell whether his
// latest was on its way. stored is the component that it comes from.
func (p *Party) ask(c, stored *ical.Component, is *meeting) {
	if c.Prop("ORGANIZER") == nil {
		c.Add(ical.Property{Name: "ORGANIZER", Value: p.address(is)})
	}
	if n := sequence(stored); n != sequence(c) {
		setSequence(c, n)
	}
	at := 0 // in stored, which has the same attendees in the same order
	for a := range c.All("ATTENDEE") {
		for stored.Props[at].Name != "ATTENDEE" {
			at++
		}
		if a.ParamIs("PARTSTAT", "") {
			a.SetParam("PARTSTAT", "NEEDS-ACTION")
		}
		r, _ := revisionOf(&stored.Props[at])
		r.own = false // nobody's business
		r.mark(a)
		at++
	}
}

// offSequence is the SEQUENCE of a CANCEL: above all that was sent before, and no
// higher than what remains. See raise.
func offSequence(was *meeting) int64 {
	n := int64(0)
	for _, c := range was.all() {
		n = max(n, sequence(c)+1)
	}
	return n
}
