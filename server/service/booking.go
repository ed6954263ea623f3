package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/availability"
	"factotum/server/booking"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/recur"
)

// What resources answer by themselves. Package booking decides; here it is told
// what else the calendar holds, in the transaction in which the invitation is
// stored, so that of two meetings that want a room at once one finds the other.

// farBooked is how far ahead of an invitation the open ends of others' series are
// looked at; what the time index holds one by one counts however far it is.
const farBooked = 10 * 365 * 24 * time.Hour

// decides reports whether the owner is one for whom the server answers.
func decides(me *calendar.Person) bool {
	switch me.Kind {
	case calendar.Room, calendar.Resource:
		return true
	case calendar.Group:
		return me.AutoReply || me.NoDoubles
	}
	return false
}

// decide answers an invitation that a message has just brought to the home of a
// resource: the copy in r has its answers afterwards, and the post has the reply,
// nil if there is none. ldap.md §6.3.
func (w *writer) decide(p *place, name string, party *itip.Party, before *ical.Component, r *itip.Receipt, d *delivery) (*calendar.Post, error) {
	if !decides(w.me) {
		return nil, nil
	}
	d.answered = w.me.AutoReply && w.me.Kind != calendar.Group
	if r.Reason != itip.Invited && r.Reason != itip.Updated {
		return nil, nil
	}
	// Who sends it has been told apart from others: he is the organizer.
	by := booking.Booker{Address: d.From, Person: calendar.Person{ID: w.who.User, Domain: w.who.Domain, Groups: w.who.Groups, Admin: w.s.administers(w.who, w.owner)}}
	if w.who.Mail != "" {
		by.Person.Mails = []string{w.who.Mail}
	}
	k, err := booking.Open(booking.PolicyOf(*w.me, p.row.NoDoubles), booking.Request{
		Object: r.Object, Before: before, Room: *w.me, By: by, Floating: party.Floating, Now: w.now})
	if err != nil {
		return nil, err
	}
	var busy []booking.Span
	if from, to, ok := k.Range(); ok {
		others, err := w.taken(p, name, from.Unix(), to.Unix(), from.Add(farBooked).Unix())
		if err != nil {
			return nil, err
		}
		for _, o := range others {
			busy = append(busy, booking.Span{Start: o.Start, End: o.End})
		}
	}
	closed, err := w.closed(p, k.Asked(), party.Floating)
	if err != nil {
		return nil, err
	}
	decision := k.Decide(busy, closed)
	ch, err := party.Respond(r.Object, responses(&decision, w.me.Kind != calendar.Group))
	if err != nil { // it will be no other when it is tried again
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: w.op, Msg: "the resource cannot answer this", Err: err}
	}
	r.Object = ch.Object
	for _, c := range decision.Tally {
		d.answered = d.answered && c.Reason != booking.LeftToDelegates
	}
	uid := uidOf(d.msg)
	if err := w.decided(uid, d, &decision, r.Object); err != nil {
		return nil, err
	}
	return postOf(uid, r.Object, ch.Messages), nil
}

// closed is when the owner of a calendar cannot be met, within some times: what
// his free/busy has as unavailable. What may be so (BUSY-TENTATIVE) is not. RFC
// 7953 §§4, 5.
func (w *writer) closed(p *place, asked []booking.Span, float recur.Zone) (out []booking.Span, err error) {
	if len(asked) == 0 {
		return nil, nil
	}
	hours, err := w.hours(p)
	if err != nil {
		return nil, err
	}
	for _, s := range asked {
		not, err := hours.Busy(context.Background(), calendar.Window{From: time.Unix(s.Start, 0).UTC(), To: time.Unix(s.End, 0).UTC()}, float)
		if err != nil {
			return nil, err
		}
		for _, b := range not {
			if b.Type != "BUSY-TENTATIVE" {
				out = append(out, booking.Span{Start: b.Start.Unix(), End: b.End.Unix()})
			}
		}
	}
	return out, nil
}

// hours are when the owner of a calendar can be met: by his property, and by
// objects of the calendar.
func (w *writer) hours(p *place) (*availability.Availability, error) {
	prefs, err := w.Prefs()
	if err != nil {
		return nil, err
	}
	var all []*availability.Availability
	if text := prefs[calendar.AvailabilityPref]; text != "" {
		a, err := availability.Parse([]byte(text))
		if err == nil { // else it was stored before a rule was added
			all = append(all, a)
		}
	}
	if !slices.Contains(strings.Split(p.row.Components, ","), "VAVAILABILITY") {
		return availability.Join(all...), nil
	}
	var names []string
	err = w.Objects(p.row.ID, "", false, func(o *calendar.ObjectRow) error {
		if o.Component == "VAVAILABILITY" && o.Size <= w.s.opt.Limits.PropSize && len(names) < maxPublished {
			names = append(names, o.Name)
		}
		return nil
	})
	if err != nil || len(names) == 0 {
		return availability.Join(all...), err
	}
	rows, err := w.ObjectsByName(p.row.ID, names, true)
	for i := range rows {
		if cal, err := textOf(&rows[i]); err == nil {
			if a, err := availability.Of(cal); err == nil {
				all = append(all, a)
			}
		}
	}
	return availability.Join(all...), err
}

// responses are the answers of a decision. Of a room it says as well what takes
// its time, whatever the organizer's does.
func responses(d *booking.Decision, takesTime bool) (out []itip.Response) {
	response := func(o booking.Outcome) itip.Response {
		r := itip.Response{PartStat: o.PartStat, Kept: o.Reason == booking.Kept}
		if o.Reason.Declines() {
			r.Comment = o.Sentence
		}
		switch {
		case !o.Holds:
			r.Transp = "TRANSPARENT"
		case takesTime:
			r.Transp = "OPAQUE"
		}
		return r
	}
	for _, a := range d.Answers {
		r := response(a.Outcome)
		r.Of = a.Of
		out = append(out, r)
	}
	for i := range d.Exceptions {
		e := &d.Exceptions[i]
		r := response(e.Outcome)
		r.Instance = &e.Instance
		out = append(out, r)
	}
	return out
}

// decided leaves in the journal what became of the instances, for each reason.
func (w *writer) decided(uid string, d *delivery, decision *booking.Decision, cal *ical.Component) error {
	all := 0
	for _, c := range decision.Tally {
		all += c.Instances
	}
	for _, c := range decision.Tally {
		if c.Reason == booking.Kept {
			continue
		}
		detail := c.Sentence
		if c.Instances < all {
			detail = fmt.Sprintf("%d of %d instances: %s", c.Instances, all, detail)
		}
		err := w.trace(calendar.Trace{
			Message: d.ID, Method: strings.ToUpper(d.msg.Word("METHOD")), UID: uid, Summary: summaryOf(cal), From: d.From, To: []string{d.to.Address},
			Step: calendar.TraceDecided, Reason: c.Reason.String(), Detail: detail,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// deputy is the mail address of who writes for the owner, "" if that is himself.
func (w *writer) deputy() string {
	if strings.EqualFold(w.who.User, string(w.owner)) {
		return ""
	}
	return w.who.Mail
}

// takesTime gives what is written in a resource's calendar the TRANSP that goes
// with its answer: its owners may decide otherwise than it did.
func (w *writer) takesTime(cal *ical.Component) *ical.Component {
	if cal == nil || w.me == nil || w.me.Kind != calendar.Room && w.me.Kind != calendar.Resource {
		return cal
	}
	var out *ical.Component
	for i, c := range cal.Children {
		o := c.Prop("ORGANIZER")
		transp := itip.Transparency(c, *w.me)
		if c.Name != "VEVENT" || o == nil || w.me.HasAddress(o.Value) || transp == "" || c.Word("TRANSP") == transp {
			continue
		}
		if out == nil {
			out = cal.Clone()
		}
		out.Children[i].Set("TRANSP", transp)
	}
	if out == nil {
		return cal
	}
	return out
}
