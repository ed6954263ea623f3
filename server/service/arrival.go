package service

import (
	"errors"

	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
)

// What a held message says of itself, in the inbox: why it is held, and the mail
// address in From.
const (
	heldReason = "X-FACTOTUM-HELD"
	heldSender = "X-FACTOTUM-SENDER"
)

// admit decides what becomes of a message that came by mail, for the owner of an
// object, in p, if he has one of its UID. What is to be applied comes back as if it
// had been sent from here, by who speaks in it; of all else comes an answer.
func (w *writer) admit(d *delivery, p *place, before *ical.Component) (applied *delivery, res calendar.DeliverResult, err error) {
	party := itip.Party{Owner: *w.me, Now: w.now}
	if p != nil {
		if party, _, err = w.party(p, telling{}); err != nil {
			return nil, res, err
		}
	}
	rules := w.s.opt.Admission
	if rules.Known, err = w.knows(d.Arrival.Sender); err != nil {
		return nil, res, err
	}
	a := d.Arrival
	decision := admission.Decide(&party, before, admission.Arrival{Calendar: d.msg, Sender: a.Sender, Proof: a.Proof, SignedBy: a.SignedBy,
		Date: a.Date, Differs: a.Differs, Forwarded: a.Forwarded, Spam: a.Spam}, rules)
	switch decision.Action {
	case admission.Apply:
		one, req := *d, *d.DeliverRequest
		req.From, req.Data = decision.Message.From, decision.Message.Calendar.Bytes()
		one.DeliverRequest, one.msg = &req, decision.Message.Calendar
		return &one, res, nil
	case admission.Hold:
		d.step = calendar.TraceHeld
		return nil, calendar.DeliverResult{Status: calendar.StatusPending, Reason: decision.Reason, Detail: decision.Detail}, w.hold(d, decision.Reason)
	}
	d.step = calendar.TraceIgnored
	return nil, calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: decision.Reason, Detail: decision.Detail}, nil
}

// knows reports whether the owner has to do with who has a mail address: by his
// journal he was written to, or something of his was applied. RFC 6047 §3.
func (w *writer) knows(mail string) (known bool, err error) {
	if mail == "" || w.s.opt.Admission.Unsolicited != admission.AddKnown {
		return false, nil
	}
	key := calendar.AddressKey("mailto:" + mail)
	err = w.Traces(calendar.TraceQuery{Address: "mailto:" + mail}, func(t *calendar.Trace) error {
		met := t.Step == calendar.TraceApplied && calendar.AddressKey(t.From) == key
		if met || t.SentTo(key) {
			known = true
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return known, err
}

// hold puts a message into the owner's inbox that he has to decide about: it says
// why. One from elsewhere never takes the place of one that was applied.
func (w *writer) hold(d *delivery, reason string) error {
	if len(messageParts(d.msg)) == 0 {
		return nil
	}
	msg := d.msg.Clone()
	msg.Set(heldReason, reason)
	msg.Set(heldSender, d.Arrival.Sender)
	return w.receive(object.UID(messageParts(msg)[0]), "held:"+d.Arrival.Sender, msg, msg.Bytes())
}
