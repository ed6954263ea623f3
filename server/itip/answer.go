package itip

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// answer applies a REPLY to the organizer's object. RFC 5546 §3.2.3, RFC 6638 §4.2.
// Nothing of a reply counts but what who sends it says of himself.
func (in *incoming) answer() Receipt {
	if r, ok := in.fromAttendee(); !ok {
		return r
	}
	next, err := in.open(in.have.cal.Clone())
	if err != nil {
		return unreadableReceipt(err, "")
	}
	out := Receipt{Reason: Unchanged}
	worst := Unchanged
	var but []string // why parts of it do not count
	for _, c := range in.msg.all() {
		r, said := in.one(next, c)
		if r == TooMuch {
			return Receipt{Reason: r}
		}
		switch {
		case r == Answered || r == Delegated:
			out.Changed = true
			out.Answers = append(out.Answers, said...)
			if out.Reason == Unchanged || r == Delegated {
				out.Reason = r
			}
		case r != Unchanged:
			if worst == Unchanged {
				worst = r
			}
			but = append(but, "Not for "+partOf(c)+": "+r.Sentence())
		}
	}
	if !out.Changed {
		return Receipt{Reason: worst}
	}
	out.Detail = strings.Join(but[:min(len(but), mostNoted)], " ")
	out.Object = next.cal
	return out
}

// mostNoted is of how many parts of a reply it is said why they do not count.
const mostNoted = 5

// partOf names for people what a component of a message is about.
func partOf(c *ical.Component) string {
	p := c.Prop("RECURRENCE-ID")
	if p == nil {
		return "the series"
	}
	if d, err := p.DateTime(); err == nil {
		return d.String()
	}
	return "an instance"
}

// one applies one component of a REPLY.
func (in *incoming) one(next *meeting, c *ical.Component) (Reason, []Answer) {
	speaker := in.speaker(c)
	is := sameAs(speaker.Value)
	k := entire
	ans := Answer{Was: "NEEDS-ACTION"}
	target := next.master
	if p := c.Prop("RECURRENCE-ID"); p != nil {
		rid, err := p.DateTime()
		if err != nil {
			return Unreadable, nil
		}
		k = next.keyOf(rid, in.msg.zones)
		ans.HasRID = true
		if o := next.override(k); o != nil {
			target = o
			if d, err := o.Prop("RECURRENCE-ID").DateTime(); err == nil {
				ans.RecurrenceID = d
			}
		} else {
			if next.master == nil {
				return UnknownInstance, nil
			}
			named, ok := next.named(rid, in.msg.zones)
			if !ok {
				return UnknownInstance, nil
			}
			inst, ok := next.instance(named)
			if !ok {
				return UnknownInstance, nil
			}
			ans.RecurrenceID = inst.RecurrenceID
			if in.grown.add(inst.Comp) != nil {
				return TooMuch, nil
			}
			target = next.except(inst)
		}
	} else if target == nil {
		// He answers for all that there is: single instances.
		return in.each(next, c, speaker)
	}
	line, invited := in.line(target, c, speaker)
	if !invited {
		if k == entire && len(next.order) > 0 {
			return in.each(next, c, speaker)
		}
		return NotInvited, nil
	}
	rev := received(c).of(target)
	if c.Prop("SEQUENCE") == nil { // it answers what is current
		rev.seq = sequence(target)
	}
	rev.own = k != entire && !in.forAll
	last, known := revisionOf(attendee(target, is))
	last = last.of(target)
	if in.forAll { // the attendee's exception may be of a lower one than his series
		rev.seq = min(rev.seq, last.seq)
	}
	switch {
	case known && rev.before(last) && k == entire:
		// The series was changed since; exceptions that were not still wait for this.
		if r, said := in.each(next, c, speaker); len(said) > 0 {
			return r, said
		}
		return OlderRevision, nil
	case known && rev.before(last):
		return OlderRevision, nil
	case known && rev.equal(last) && (line == nil || !speaker.HasParam("PARTSTAT") || answer(line) == answer(speaker)):
		return Unchanged, nil
	}
	var before ical.Property
	if line != nil {
		before = line.Clone()
		ans.Was = answer(line)
	} else {
		target.Add(ical.Property{Name: "ATTENDEE", Value: speaker.Value})
		line = attendee(target, is)
		copyParams(line, speaker, "CN", "CUTYPE", "DELEGATED-FROM")
	}
	in.write(line, speaker, c, rev)
	ans.Is, ans.Attendee, ans.Comment = answer(line), line.Clone(), c.Text("COMMENT")
	delegates(target, c, speaker)
	if c.Name == "VTODO" && in.alone(target) {
		for _, n := range []string{"PERCENT-COMPLETE", "COMPLETED"} {
			if p := c.Prop(n); p != nil && ans.Is == "COMPLETED" || p != nil && n == "PERCENT-COMPLETE" && ans.Is == "IN-PROCESS" {
				target.Set(n, p.Value)
			}
		}
	}
	if k != entire {
		next.put(k, target)
	} else {
		spread(next, is, line, before)
	}
	if ans.Is == "DELEGATED" {
		return Delegated, []Answer{ans}
	}
	return Answered, []Answer{ans}
}

// alone reports whether one attendee has all of a task to do. How far he is, is how
// far the task is; of several each tells of his own part, and the organizer says what
// that is of the whole. RFC 5546 §§4.5.4 to 4.5.6.
func (in *incoming) alone(task *ical.Component) bool {
	n := 0
	for a := range task.All("ATTENDEE") {
		if is := answer(a); !in.Owner.HasAddress(a.Value) && is != "DECLINED" && is != "DELEGATED" {
			n++
		}
	}
	return n <= 1
}

// each applies an answer for the whole to single instances, where he is invited
// to no more: those that take place when the series does, if he was invited to it,
// and that he has not answered by themselves.
func (in *incoming) each(next *meeting, c *ical.Component, speaker *ical.Property) (Reason, []Answer) {
	worst, best := NotInvited, Reason(0)
	var said []Answer
	c = spoken(c, speaker)
	for _, k := range slices.Clone(next.order) {
		o := next.override(k)
		a := attendee(o, sameAs(speaker.Value))
		if a == nil {
			continue
		}
		if last, _ := revisionOf(a); next.master != nil && (last.own && answer(a) != "NEEDS-ACTION" || !onTime(next, k)) {
			continue
		}
		part := c.Clone()
		part.Add(o.Prop("RECURRENCE-ID").Clone())
		r, more := (&incoming{Party: in.Party, msg: &meeting{zones: next.zones}, have: in.have, from: in.from, forAll: true}).one(next, part)
		if said = append(said, more...); len(more) > 0 {
			best = r
		} else {
			worst = r
		}
	}
	if best != 0 {
		return best, said
	}
	return worst, nil
}

// spoken is a component of a reply with none but who answers and whom he sends.
func spoken(c *ical.Component, speaker *ical.Property) *ical.Component {
	return &ical.Component{Name: c.Name, Props: slices.DeleteFunc(slices.Clone(c.Props), func(p ical.Property) bool {
		return p.Name == "ATTENDEE" && calendar.AddressKey(p.Value) != calendar.AddressKey(speaker.Value) &&
			!slices.ContainsFunc(deputies(speaker), sameAs(p.Value))
	})}
}

// deputies are those whom an attendee sends in his place: no more than anybody
// can mean.
func deputies(line *ical.Property) []string {
	to := line.ParamValues("DELEGATED-TO")
	return to[:min(len(to), mostDeputies)]
}

const mostDeputies = 20

// line is that of who answers in a component; he is invited too if somebody who
// is sends him: RFC 5546 §3.2.3, delegation. But whom the organizer took off the
// list does not come back by an answer, c, to what was before that.
func (in *incoming) line(target, c *ical.Component, speaker *ical.Property) (*ical.Property, bool) {
	if a := attendee(target, sameAs(speaker.Value)); a != nil {
		return a, true
	}
	from := attendee(target, sameAs(speaker.Param("DELEGATED-FROM")))
	if from == nil || speaker.Param("DELEGATED-FROM") == "" || c.Prop("SEQUENCE") != nil && sequence(c) < sequence(target) {
		return nil, false
	}
	return nil, slices.ContainsFunc(from.ParamValues("DELEGATED-TO"), sameAs(speaker.Value))
}

// write notes an answer in an attendee's line.
func (in *incoming) write(line, speaker *ical.Property, c *ical.Component, rev revision) {
	if speaker.HasParam("PARTSTAT") { // else it tells of a failure alone: RFC 5546 §4.4.10
		line.SetParam("PARTSTAT", answer(speaker))
		line.SetParam("DELEGATED-TO", deputies(speaker)...)
		copyParams(line, speaker, "SENT-BY")
		line.DelParam("RSVP")
	}
	var codes []string
	for p := range c.All("REQUEST-STATUS") {
		code, _, _ := strings.Cut(p.Value, ";")
		if code = strings.TrimSpace(code); code != "" && len(code) < 10 && strings.Trim(code, "0123456789.") == "" && len(codes) < 10 {
			codes = append(codes, code)
		}
	}
	if len(codes) == 0 {
		codes = []string{"2.0"}
	}
	line.SetParam(statusParam, strings.Join(codes, ","))
	rev.mark(line)
}

// delegates adds whom an attendee sends in his place.
func delegates(target, c *ical.Component, speaker *ical.Property) {
	if answer(speaker) != "DELEGATED" {
		return
	}
	for _, to := range deputies(speaker) {
		if attendee(target, sameAs(to)) != nil {
			continue
		}
		p := ical.Property{Name: "ATTENDEE", Value: to}
		if a := attendee(c, sameAs(to)); a != nil {
			copyParams(&p, a, "CN", "CUTYPE", "ROLE")
		}
		p.SetParam("PARTSTAT", "NEEDS-ACTION")
		p.SetParam("RSVP", "TRUE")
		p.SetParam("DELEGATED-FROM", speaker.Value)
		target.Add(p)
	}
}

// spread notes an answer for the whole in those exceptions that take place when
// the series would, and ask still or have what was answered for the series before:
// who answers for a series answers for them, but for one to which he was invited
// anew after that. before is his line as it was.
func spread(m *meeting, is func(string) bool, line *ical.Property, before ical.Property) {
	last, answered := revisionOf(&before)
	now, _ := revisionOf(line)
	for _, k := range m.order {
		a := attendee(m.override(k), is)
		if a == nil || !onTime(m, k) {
			continue
		}
		given, own := revisionOf(a)
		if given.stamp.IsZero() && now.before(given) {
			continue
		}
		if answer(a) == "NEEDS-ACTION" || answered && own && given.stamp.Equal(last.stamp) && answer(a) == answer(&before) {
			copyParams(a, line, "PARTSTAT", "DELEGATED-TO", statusParam)
			revision{seq: given.seq, stamp: now.stamp}.mark(a) // his exception may be of a lower one than his series
			instead(m.override(k), m.master, line)
		}
	}
}

// instead invites whom an attendee sends to a component, as the other one has it.
func instead(c, from *ical.Component, line *ical.Property) {
	if answer(line) != "DELEGATED" {
		return
	}
	there, is := guests(c), sameAs(line.Value)
	var more []ical.Property
	for _, g := range guests(from).list {
		if is(g.line.Param("DELEGATED-FROM")) && there.line(g.who) == nil && len(more) < mostDeputies {
			more = append(more, g.line.Clone())
		}
	}
	c.Props = append(c.Props, more...)
}

// refresh sends an attendee what he is invited to once more. RFC 5546 §3.2.6.
func (in *incoming) refresh() Receipt {
	if r, ok := in.fromAttendee(); !ok {
		return r
	}
	to := in.speaker(in.msg.head())
	v := in.have.roll().view(calendar.AddressKey(to.Value))
	if v.empty() {
		return Receipt{Reason: NotInvited}
	}
	comps := v.clones(in.Party, v.keys)
	return Receipt{Reason: Resent, Message: &Message{
		Method: Request, UID: in.have.uid, From: in.address(in.have), To: []string{to.Value}, Calendar: in.envelope(Request, comps, in.have),
	}}
}
