package itip

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// answer is what an attendee's line says: RFC 5545 §3.2.12.
func answer(a *ical.Property) string {
	switch {
	case a == nil:
		return ""
	case a.ParamIs("PARTSTAT", ""):
		return "NEEDS-ACTION"
	}
	return strings.ToUpper(strings.TrimSpace(a.Param("PARTSTAT")))
}

// sameAnswer reports whether two lines of somebody say the same, and send the same.
func sameAnswer(a, b *ical.Property) bool {
	return answer(a) == answer(b) && (answer(a) != "DELEGATED" || slices.Equal(deputies(a), deputies(b)))
}

// leftOut are the instances that an attendee took out of a series which he was
// invited to: he declines them. RFC 6638 §3.2.2.3.
func (p *Party) leftOut(was, is *meeting) (out []*ical.Component) {
	if was.master == nil || is.master == nil {
		for _, k := range was.order {
			if c := was.override(k); is.master == nil && is.override(k) == nil && p.couldDecline(c) {
				out = append(out, c)
			}
		}
		return out
	}
	seen := map[key]bool{}
	short := map[*ical.Component]*ical.Component{}
	for d := range exceptions(is.master) {
		in, ok := was.instance(d)
		// One that was declined with the series is told too: the next answer for
		// the series is none for it.
		if !ok || attendee(in.Comp, p.Owner.HasAddress) == nil || in.Comp.Word("STATUS") == "CANCELLED" {
			continue
		}
		k := was.keyOf(in.RecurrenceID, was.zones)
		if seen[k] {
			continue
		}
		seen[k] = true
		if c := was.override(k); c != nil {
			out = append(out, c)
		} else { // a reply has nobody but him: the others are not copied for each
			if short[in.Comp] == nil {
				short[in.Comp] = p.alone(in.Comp)
			}
			in.Comp = short[in.Comp]
			out = append(out, was.except(in))
		}
	}
	return out
}

// alone is a component in which nobody but the owner is invited.
func (p *Party) alone(c *ical.Component) *ical.Component {
	return &ical.Component{Name: c.Name, Children: c.Children, Props: slices.DeleteFunc(slices.Clone(c.Props), func(q ical.Property) bool {
		return q.Name == "ATTENDEE" && !p.Owner.HasAddress(q.Value)
	})}
}

// couldDecline reports whether a component asks the owner for something that he
// has not declined yet.
func (p *Party) couldDecline(c *ical.Component) bool {
	a := attendee(c, p.Owner.HasAddress)
	return a != nil && answer(a) != "DECLINED" && c.Word("STATUS") != "CANCELLED"
}

// declines are the messages of an attendee who removes the whole object.
func (p *Party) declines(was *meeting) []Message {
	var comps []*ical.Component
	for _, c := range was.all() {
		if p.couldDecline(c) {
			comps = append(comps, p.response(c, "DECLINED"))
		}
	}
	return p.reply(was, comps)
}

// replies are the messages of an attendee who answered, or answered otherwise,
// anything; off are instances that he does not want to see.
func (p *Party) replies(was, is *meeting, off []*ical.Component, force bool) (out []Message) {
	var comps, delegated []*ical.Component
	for _, k := range is.keys() {
		c := is.component(k)
		a := attendee(c, p.Owner.HasAddress)
		if a == nil || c.Word("STATUS") == "CANCELLED" {
			continue // nobody waits for an answer
		}
		old := attendee(was.component(k), p.Owner.HasAddress)
		progress := old != nil && progressed(was.component(k), c)
		if now := answer(a); !sameAnswer(a, old) || force || progress {
			if now == "NEEDS-ACTION" && !force {
				continue // there is no such answer: RFC 5546 §3.2.3
			}
			comps = append(comps, p.response(c, now))
			if now == "DELEGATED" && p.Forwards {
				delegated = append(delegated, c)
			}
		}
	}
	for _, c := range off {
		comps = append(comps, p.response(c, "DECLINED"))
	}
	out = p.reply(is, comps)
	for _, c := range delegated {
		for _, to := range attendee(c, p.Owner.HasAddress).ParamValues("DELEGATED-TO") {
			if attendee(c, sameAs(to)) == nil {
				continue
			}
			out = append(out, Message{
				Method: Request, UID: is.uid, From: attendee(c, p.Owner.HasAddress).Value, To: []string{to},
				Calendar: p.envelope(Request, []*ical.Component{public(c)}, is),
			})
		}
	}
	return out
}

// progressed reports whether somebody is further with a task than he was. RFC 5546
// §4.5.4.
func progressed(was, is *ical.Component) bool {
	return is.Name == "VTODO" && (is.Value("PERCENT-COMPLETE") != was.Value("PERCENT-COMPLETE") || is.Value("COMPLETED") != was.Value("COMPLETED"))
}

func (p *Party) reply(m *meeting, comps []*ical.Component) []Message {
	o := m.organizer()
	if len(comps) == 0 || o == nil || calendar.AddressKey(o.Value) == "" {
		return nil
	}
	from := comps[0].Prop("ATTENDEE").Value
	return []Message{{Method: Reply, UID: m.uid, From: from, To: []string{o.Value}, Calendar: p.envelope(Reply, comps, m)}}
}

// response is a component of a REPLY: who answers, what, and to which revision.
// RFC 5546 §3.2.3.
func (p *Party) response(c *ical.Component, partstat string) *ical.Component {
	out := ical.New(c.Name)
	names := []string{"UID", "RECURRENCE-ID", "SEQUENCE", "DTSTART", "DTEND", "DURATION", "DUE", "SUMMARY", "ORGANIZER", "COMMENT"}
	if c.Name == "VTODO" {
		names = append(names, "PERCENT-COMPLETE", "COMPLETED", "STATUS")
	}
	for i := range c.Props {
		if slices.Contains(names, c.Props[i].Name) {
			out.Props = append(out.Props, told(&c.Props[i]))
		}
	}
	var instead []ical.Property // behind the one who answers
	for a := range c.All("ATTENDEE") {
		switch {
		case p.Owner.HasAddress(a.Value):
			line := told(a)
			line.SetParam("PARTSTAT", partstat)
			line.DelParam("RSVP")
			if p.SentBy != "" {
				line.SetParam("SENT-BY", "mailto:"+p.SentBy)
			}
			out.Add(line)
		case partstat == "DELEGATED" && p.Owner.HasAddress(a.Param("DELEGATED-FROM")):
			instead = append(instead, told(a))
		}
	}
	out.Props = append(out.Props, instead...)
	setSequence(out, sequence(c)) // where it is missing any revision may be meant
	out.Set("REQUEST-STATUS", "2.0;Success")
	return out
}
