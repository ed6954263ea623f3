package service

import (
	"time"

	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
)

// admit decides what becomes of a message that came by mail, for the owner of an
// object, in p, if he has one of its UID. What is to be applied comes back as if it
// had been sent from here, by who speaks in it; of all else comes an answer.
func (w *writer) admit(d *delivery, p *place, before *ical.Component) (applied *delivery, res calendar.DeliverResult, err error) {
	decision, err := w.admission(d, p, before)
	if err != nil {
		return nil, res, err
	}
	switch decision.Action {
	case admission.Apply:
		one, req := *d, *d.DeliverRequest
		req.From, req.Data = decision.Message.From, decision.Message.Calendar.Bytes()
		one.DeliverRequest, one.msg = &req, decision.Message.Calendar
		return &one, res, nil
	case admission.Hold:
		res, err = w.hold(d, &decision)
		return nil, res, err
	}
	d.step = calendar.TraceIgnored
	return nil, calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: decision.Reason, Detail: decision.Detail}, nil
}

// admission is what server/admission decides about a message.
func (w *writer) admission(d *delivery, p *place, before *ical.Component) (decision admission.Decision, err error) {
	party := itip.Party{Owner: *w.me, Now: w.now}
	if p != nil {
		if party, _, err = w.party(p, telling{}); err != nil {
			return decision, err
		}
	}
	rules, err := w.admissionRules(d.Arrival.Sender, before == nil)
	if err != nil {
		return decision, err
	}
	a := d.Arrival
	return admission.Decide(&party, before, admission.Arrival{Calendar: d.msg, Sender: a.Sender, Proof: a.Proof, SignedBy: a.SignedBy,
		Date: a.Date, Differs: a.Differs, Forwarded: a.Forwarded, Spam: a.Spam}, rules), nil
}

// cameAgain is what a mail does that was taken in before, to the letter: nothing, as
// mail systems bring some twice. But if its sender has said something else since it is
// held, as under another Message-ID.
func (w *writer) cameAgain(d *delivery, res *calendar.DeliverResult) error {
	if d.Arrival.Returned != nil || d.Arrival.Unread != "" {
		return nil
	}
	p, old, err := w.holder(uidOf(d.msg), 0)
	if err != nil {
		return err
	}
	before, err := textOf(old)
	if err != nil {
		return err
	}
	decision, err := w.admission(d, p, before)
	if err != nil || decision.Action != admission.Hold || decision.Reason != admission.Replayed.String() {
		return err
	}
	if *res, err = w.hold(d, &decision); err == nil {
		err = w.trace(d.trace(*res))
	}
	return err
}

// admissionRules are those of the site with the owner's over them. Of what is new it
// counts whether he knows the sender.
func (w *writer) admissionRules(sender string, new bool) (rules admission.Rules, err error) {
	prefs, err := w.Prefs()
	if err != nil {
		return rules, err
	}
	rules = w.s.opt.Admission.Over(prefs, sender)
	if new && rules.Unsolicited == admission.AddKnown && !rules.Allowed && !rules.Never {
		rules.Known, err = w.knows(sender, prefs)
	}
	return rules, err
}

// hold puts a message into the owner's inbox that he has to decide about: it says
// why, and he is told. One from elsewhere never takes the place of one that was
// applied. What is held says of which revision it is, so that what comes later decides.
func (w *writer) hold(d *delivery, decision *admission.Decision) (res calendar.DeliverResult, err error) {
	d.step = calendar.TraceHeld
	res = calendar.DeliverResult{Status: calendar.StatusPending, Reason: decision.Reason, Detail: decision.Detail}
	msg := decision.Message.Calendar
	parts := messageParts(msg)
	if len(parts) == 0 {
		return res, nil
	}
	msg.Set(calendar.HeldReason, decision.Reason)
	msg.Set(calendar.HeldSender, d.Arrival.Sender)
	msg.Set(calendar.HeldMessage, d.ID)
	jobs, err := w.heldNotice()
	if err != nil {
		return res, err
	}
	left, err := w.intoInbox(object.UID(parts[0]), decision.Reason, d.Arrival.Sender, msg, msg.Bytes(), jobs...)
	if left {
		d.step = calendar.TraceRefused
		res = refused(calendar.StatusRejected, calendar.ReasonNotStored, "it was to be held, and there is no room for it")
	}
	return res, err
}

// How long messages that are held are collected for a mail, and how long it is until
// there is another.
const (
	heldPause = 5 * time.Second
	heldAgain = time.Hour
)

// heldNotice has the owner told by mail that something is held for him: of each message
// once, and in one mail of all that come within an hour.
func (w *writer) heldNotice() (jobs []task, err error) {
	if !w.s.opt.Notices.Held || w.me.Kind != calendar.Individual {
		return nil, nil
	}
	prefs, err := w.Prefs()
	if err != nil {
		return nil, err
	}
	since, _ := time.Parse(time.RFC3339Nano, prefs[calendar.HeldToldPref])
	if w.now.Before(since) {
		return nil, nil // a mail is on its way that will tell of this too
	}
	_, to, err := w.noticesTo()
	if err != nil || len(to) == 0 {
		return nil, err
	}
	until := w.now.Add(heldPause)
	if next := since.Add(heldAgain); next.After(until) {
		until = next
	}
	for _, to := range to {
		m := calendar.Mailing{Kind: calendar.MailHeld, To: to, Letter: calendar.Letter{ID: "held/" + until.Format(time.RFC3339Nano)}, Since: since, Until: until}
		job, err := m.Job()
		if err != nil {
			return nil, err
		}
		job.Due = until
		jobs = append(jobs, task{Job: job})
	}
	return jobs, w.setPrefs(map[string]string{calendar.HeldToldPref: until.Format(time.RFC3339Nano)}, nil)
}
