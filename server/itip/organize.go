package itip

import (
	"cmp"
	"slices"
	"strings"

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
	p.keepAnswers(was, is)
	p.reschedule(was, is)
	circles := p.circles(was, is)
	p.raise(was, is, slices.ContainsFunc(circles, func(c circle) bool { return len(c.off) > 0 }))
	ch.Messages = p.letters(was, is, circles)
	written := map[string]bool{}
	for _, m := range ch.Messages {
		for _, to := range m.To {
			written[calendar.AddressKey(to)] = !m.Inconsequential || written[calendar.AddressKey(to)]
		}
	}
	for _, c := range is.components() {
		for a := range c.All("ATTENDEE") {
			a.DelParam(forceParam)
			if written[calendar.AddressKey(a.Value)] {
				a.SetParam(statusParam, pending)
			}
		}
	}
	ch.Object = after
	return ch, nil
}

// sameAddress keeps the address that the organizer has invited by: by another of
// his own his attendees would take him for somebody else.
func (p *Party) sameAddress(was, is *meeting) {
	old := was.organizer()
	if old == nil || !p.Owner.HasAddress(old.Value) {
		return
	}
	for _, c := range is.components() {
		if o := c.Prop("ORGANIZER"); o != nil && p.Owner.HasAddress(o.Value) {
			o.Value = old.Value
		}
	}
}

// Tell lists the messages that follow from a change of an organizer's object
// that the server made itself: attendees learn what another has answered.
// RFC 6638 §4.2.
func (p *Party) Tell(before, after *ical.Component) ([]Message, error) {
	was, err := p.open(before)
	if err != nil {
		return nil, err
	}
	is, err := p.open(after)
	if err != nil {
		return nil, err
	}
	return p.letters(was, is, p.circles(was, is)), nil
}

// Answers lists messages that tell all attendees of a meeting what the others
// have answered, whatever each knows already. RFC 6638 §4.2.
func (p *Party) Answers(object *ical.Component) ([]Message, error) {
	is, err := p.open(object)
	if err != nil {
		return nil, err
	}
	circles := p.circles(is, is)
	for i := range circles {
		c := &circles[i]
		c.off, c.news, c.quiet = nil, nil, true
		for _, k := range is.keys() {
			if c.cur.components[k] != nil {
				c.news = append(c.news, k)
			}
		}
	}
	return p.letters(is, is, circles), nil
}

// circle is attendees who see the same, before and after, and what they have to
// learn: what is off, and the keys of what is new. quiet tells that nothing but
// the answers of others is. A large meeting has few circles.
type circle struct {
	to    []string
	cur   *view
	off   []*ical.Component
	news  []key
	quiet bool
}

// circles are those of a change, in the order in which their first members stand.
func (p *Party) circles(was, is *meeting) (out []circle) {
	rolls := [2]roll{was.roll(), is.roll()}
	place := map[string]int{}
	seen := map[string]bool{}
	var sign strings.Builder
	for _, m := range []*meeting{was, is} {
		for _, c := range m.components() {
			for a := range c.All("ATTENDEE") {
				who := calendar.AddressKey(a.Value)
				if who == "" || seen[who] || p.Owner.HasAddress(a.Value) {
					continue
				}
				seen[who] = true
				sign.Reset()
				for _, r := range rolls {
					r.sign(&sign, who)
				}
				at, known := place[sign.String()]
				if !known {
					at = len(out)
					place[sign.String()] = at
					old, cur := was.view(rolls[0].of(who)), is.view(rolls[1].of(who))
					out = append(out, p.differ(old, cur, rolls[1].forced(who)))
				}
				out[at].to = append(out[at].to, a.Value)
			}
		}
	}
	return out
}

// differ says what attendees have to learn who see the same.
func (p *Party) differ(old, cur *view, forced func(key) bool) (out circle) {
	out.cur = cur
	out.off = p.lost(old, cur)
	out.news, out.quiet = p.news(old, cur, forced)
	// What the organizer marks as cancelled is off, and no request.
	var called []key
	for _, k := range out.news {
		if cur.components[k].Word("STATUS") == "CANCELLED" {
			called = append(called, k)
		}
	}
	if len(called) == 0 {
		return out
	}
	whole := slices.Contains(called, "")
	out.news = slices.DeleteFunc(out.news, func(k key) bool { return whole || slices.Contains(called, k) })
	if whole {
		called, out.off = []key{""}, nil
	}
	for _, k := range called {
		before := old.components[k]
		if before == nil && k != "" {
			before = old.components[""]
		}
		if before != nil && before.Word("STATUS") != "CANCELLED" {
			out.off = append(out.off, cancelled(cur.components[k]))
		}
	}
	return out
}

// letters are the messages to all who see a difference, cancellations first.
func (p *Party) letters(was, is *meeting, circles []circle) (out []Message) {
	for _, c := range circles {
		msg := Message{UID: cmp.Or(is.uid, was.uid), From: p.address(was, is), To: c.to}
		if len(c.off) > 0 {
			n := p.revision(was, is)
			for _, k := range c.off {
				setSequence(k, n)
			}
			msg.Method, msg.Calendar = Cancel, p.envelope(Cancel, c.off, is, was)
			out = append(out, msg)
		}
		if len(c.news) > 0 {
			// The views were taken before the revision was known.
			comps := c.cur.clones(c.news)
			for _, k := range comps {
				p.ask(k, is)
			}
			msg.Method, msg.Calendar, msg.Inconsequential = Request, p.envelope(Request, comps, is), c.quiet
			out = append(out, msg)
		}
	}
	return out
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

// lost are the components of a CANCEL: the whole, or each instance that the
// attendee does not see any more. RFC 5546 §3.2.5.
func (p *Party) lost(old, cur *view) (out []*ical.Component) {
	if old.empty() {
		return nil
	}
	if cur.empty() {
		for _, k := range old.of.keys() {
			if c := old.components[k]; c != nil && (k == "" || old.components[""] == nil) && c.Word("STATUS") != "CANCELLED" {
				out = append(out, cancelled(c))
			}
		}
		return out
	}
	if master := old.components[""]; master != nil && cur.components[""] == nil {
		return []*ical.Component{cancelled(master)} // and what is left of it is told anew
	}
	for _, k := range old.of.order {
		c := old.components[k]
		if c == nil || c.Word("STATUS") == "CANCELLED" {
			continue
		}
		if !cur.sees(k) || old.components[""] == nil && cur.components[k] == nil || !cur.has(c) {
			out = append(out, cancelled(c))
		}
	}
	// Instances of the series that became exceptions, or somebody else's alone.
	if old.components[""] != nil {
		for _, rid := range cur.gone(old) {
			if k := old.of.keyOf(rid, cur.of.zones); old.components[k] == nil && old.sees(k) {
				c := cancelled(old.components[""])
				for _, name := range []string{"RRULE", "RDATE", "EXDATE", "EXRULE"} {
					c.Del(name)
				}
				c.SetDateTime("RECURRENCE-ID", rid)
				out = append(out, c)
			}
		}
	}
	return out
}

// has reports whether the view still shows the instance that a component of an
// older one stands for.
func (v *view) has(c *ical.Component) bool {
	rid, err := c.Prop("RECURRENCE-ID").DateTime()
	if err != nil || v.of.master == nil {
		return err == nil
	}
	if v.components[""] == nil {
		return true // components alone: see lost
	}
	_, ok := v.of.instance(rid)
	return ok
}

// gone are the instances that a view leaves out by an EXDATE, of which an older
// one of the same series did show something.
func (v *view) gone(old *view) (out []ical.DateTime) {
	master := v.components[""]
	if master == nil {
		return nil
	}
	for d := range exceptions(master) {
		if in, ok := old.of.instance(d); ok && !slices.Contains(out, in.RecurrenceID) {
			out = append(out, in.RecurrenceID)
		}
	}
	return out
}

// cancelled is a component of a CANCEL.
func cancelled(c *ical.Component) *ical.Component {
	out := public(c)
	out.Set("STATUS", "CANCELLED")
	return out
}

// news are the components of a REQUEST: all where the attendee is new, or the
// series changed; else those overrides that did. quiet tells that nothing but
// what others answered is new, and then they are all that did change.
func (p *Party) news(old, cur *view, forced func(key) bool) (keys []key, quiet bool) {
	if cur.empty() {
		return nil, false
	}
	all := make([]key, 0, len(cur.components))
	var changed, answered []key
	for _, k := range cur.of.keys() {
		c := cur.components[k]
		if c == nil {
			continue
		}
		all = append(all, k)
		o := old.components[k]
		if o == nil && k != "" && old.components[""] != nil && bare(old, cur, k) {
			// What the series showed already: its times are no news.
			o, c = timeless(old.components[""]), timeless(c)
		}
		switch {
		case forced(k), !same(o, c, false):
			changed = append(changed, k)
		case !same(o, c, true):
			answered = append(answered, k)
		}
	}
	if old.empty() || slices.Contains(changed, "") || old.components[""] != nil && cur.components[""] == nil {
		return all, false
	}
	// An override that is gone shows the series again.
	for _, k := range old.of.order {
		if old.components[k] != nil && cur.components[k] == nil && cur.components[""] != nil && cur.sees(k) && cur.has(old.components[k]) {
			return all, false
		}
	}
	if len(changed) > 0 {
		return changed, false
	}
	if slices.Contains(answered, "") {
		return all, true // the series stands for all that belongs to it
	}
	return answered, len(answered) > 0
}

// bare reports whether an override of a view shows what the series showed before
// by itself, so that the attendee learns nothing by it.
func bare(old, cur *view, k key) bool {
	c := cur.components[k]
	rid, err := c.Prop("RECURRENCE-ID").DateTime()
	if err != nil {
		return false
	}
	in, ok := old.of.instance(rid)
	if !ok || old.of.overrides[k] != nil {
		return false
	}
	return sameTimes(instanceOf(cur.of, rid), timesOf(in)) && same(timeless(public(in.Comp)), timeless(c), false)
}

// ask completes a component of a REQUEST: with its revision, and with which of
// everybody's answers is known, so that whoever receives it can tell whether his
// latest was on its way.
func (p *Party) ask(c *ical.Component, is *meeting) {
	if c.Prop("ORGANIZER") == nil {
		c.Add(ical.Property{Name: "ORGANIZER", Value: p.address(is)})
	}
	stored := is.component(is.keyIn(c))
	if n := sequence(stored); n != sequence(c) {
		setSequence(c, n)
	}
	known := guests(stored)
	for a := range c.All("ATTENDEE") {
		if a.ParamIs("PARTSTAT", "") {
			a.SetParam("PARTSTAT", "NEEDS-ACTION")
		}
		r, _ := revisionOf(known[calendar.AddressKey(a.Value)])
		r.mark(a)
	}
}

// revision is the SEQUENCE of a component of a CANCEL: above all that was sent
// before. See raise.
func (p *Party) revision(was, is *meeting) int64 {
	n := int64(0)
	for _, k := range was.keys() {
		n = max(n, sequence(was.component(k))+1)
	}
	for _, k := range is.keys() {
		n = max(n, sequence(is.component(k)))
	}
	return n
}
