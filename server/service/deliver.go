package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
)

// deliveries is how many recipients of a message are served at once: they share
// commits.
const deliveries = 32

// Deliver applies a scheduling message to what its recipients have, each in a
// transaction of his own, and once: what was applied is known by its outcome,
// and after that is forgotten by the revision that the object shows. A name alone
// does not say that it is the same message: the sender's back end numbers its
// changes, and counts some of them again after an older copy of its store was
// put back.
func (s *Service) Deliver(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) ([]calendar.DeliverResult, error) {
	const op = "deliver"
	results := make([]calendar.DeliverResult, len(req.To))
	if req.ID == "" || (req.From == "") == (req.Arrival == nil) {
		return nil, calendar.Failf(calendar.Invalid, "", op, req.ID, "a message has a name, and either a sender or a mail that brought it")
	}
	msg, bad := ical.Parse(req.Data, ical.Limits{})
	if bad != nil {
		msg = ical.New("VCALENDAR") // of which the journal tells that it came
	}
	sum := sha256.Sum256(req.Data)
	name := req.ID + " " + hex.EncodeToString(sum[:12]) + " "
	var wg sync.WaitGroup
	places := make(chan struct{}, deliveries)
	for i := range req.To {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			d := delivery{DeliverRequest: &req, name: name + calendar.AddressKey(req.To[i].Address), to: req.To[i], msg: msg, bad: bad}
			if len(req.To) > 1 { // each has a copy: a parsed text is for one goroutine at a time
				d.msg = msg.Clone()
			}
			res, err := s.deliverOne(ctx, who, op, &d)
			if err != nil {
				res = calendar.DeliverResult{Err: err}
			}
			results[i] = res
		})
	}
	wg.Wait()
	return results, nil
}

// delivery is a message on its way to one recipient.
type delivery struct {
	*calendar.DeliverRequest
	name string // that its outcome is kept under
	to   calendar.Recipient
	msg  *ical.Component
	bad  error // why it cannot be read

	answered bool               // by the server, so that nobody has to look at it
	step     calendar.TraceStep // what was decided about a mail; 0: see trace
	told     *calendar.Trace    // what the journal has of it, where that is about another message
}

func (s *Service) deliverOne(ctx context.Context, who calendar.Actor, op string, d *delivery) (res calendar.DeliverResult, err error) {
	owner := d.to.Owner
	me, err := s.ownerEntry(ctx, op, owner)
	switch {
	case err != nil:
		return res, err
	case me.ID == "":
		return calendar.DeliverResult{Status: calendar.StatusUnknownUser, Reason: calendar.ReasonDisabled}, nil
	}
	ctx = withPerson(ctx, me)
	ctx = calendar.WithToken(ctx, d.name)
	done, err := s.writeOnce(ctx, who, op, owner, &res, func(w *writer) (err error) {
		if res, err = w.deliver(d); err == nil {
			err = w.trace(d.trace(res))
		}
		return err
	})
	switch {
	case err == nil && done && d.Arrival != nil && d.bad == nil:
		err = s.write(calendar.WithToken(ctx, ""), who, op, owner, nil, func(w *writer) error { return w.cameAgain(d, &res) })
	case err == nil:
	case final(err):
		d.step, d.told = 0, nil
		res = refused(calendar.StatusRejected, calendar.ReasonNotStored, calendar.MessageOf(err))
		return res, s.write(ctx, who, op, owner, &res, func(w *writer) error { return w.trace(d.trace(res)) })
	}
	return res, err
}

// trace is what the recipient's journal has of a message.
func (d *delivery) trace(res calendar.DeliverResult) calendar.Trace {
	if d.told != nil {
		return *d.told
	}
	t := calendar.Trace{Message: d.ID, Method: d.msg.Word("METHOD"), UID: uidOf(d.msg), Summary: summaryOf(d.msg), From: d.From, To: []string{d.to.Address},
		Step: calendar.TraceApplied, Reason: res.Reason, Detail: res.Detail}
	if d.Arrival != nil && d.Arrival.Sender != "" {
		t.From = "mailto:" + d.Arrival.Sender
	}
	switch {
	case d.step != 0:
		t.Step = d.step
	case res.Status != calendar.StatusDelivered:
		t.Step = calendar.TraceRefused
	case res.Reason == itip.Unchanged.String(), res.Reason == itip.OlderRevision.String(),
		res.Reason == itip.UnknownMeeting.String(), res.Reason == itip.UnknownInstance.String():
		t.Step = calendar.TraceIgnored
	}
	return t
}

// final reports whether a failure is the answer: the rules for what is stored
// refuse what the message makes of the object, and will do so again.
func final(err error) bool {
	switch calendar.KindOf(err) {
	case calendar.Invalid, calendar.TooLarge, calendar.Unsupported, calendar.Denied, calendar.UIDConflict:
		return true
	case calendar.OverQuota:
		return calendar.ReasonOf(err) != calendar.DiskFull
	}
	return false
}

// deliver is what a message does to the owner's home, in one transaction.
func (w *writer) deliver(d *delivery) (res calendar.DeliverResult, err error) {
	home, _, err := w.Home()
	if err != nil {
		return res, err
	}
	if claimOn(w.me.Actor(), w.owner, home.Entry) == foreign {
		return refused(calendar.StatusRejected, calendar.ReasonNotStored, calendar.MessageOf(w.s.inherited(w.owner))), nil
	}
	if d.step, d.told = 0, nil; d.Arrival != nil && d.Arrival.Returned != nil {
		return w.returned(d, d.Arrival.Returned)
	}
	if d.Arrival != nil && d.Arrival.Unread != "" {
		d.step = calendar.TraceIgnored
		return calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: d.Arrival.Unread, Detail: d.Arrival.Detail}, nil
	}
	if d.bad != nil {
		return refused(calendar.StatusRejected, itip.Unreadable.String(), d.bad.Error()), nil
	}
	uid := uidOf(d.msg)
	p, old, err := w.holder(uid, 0)
	if err != nil {
		return res, err
	}
	before, err := textOf(old)
	if err != nil {
		return res, err
	}
	if d.Arrival != nil {
		if d, res, err = w.admit(d, p, before); d == nil || err != nil {
			return res, err
		}
	}
	msg := itip.Message{From: d.From, Calendar: d.msg, Inconsequential: d.Inconsequential}
	return w.take(d, uid, p, old, before, func(party *itip.Party) itip.Receipt { return party.Receive(before, msg) })
}

// take carries out what receive says that a message does to the object of a UID, or
// to none: in p, where the owner has it, or where new ones come.
func (w *writer) take(d *delivery, uid string, p *place, old *calendar.ObjectRow, before *ical.Component, receive func(*itip.Party) itip.Receipt) (res calendar.DeliverResult, err error) {
	if p == nil {
		if _, there, err := w.Calendar(calendar.DefaultName); err != nil {
			return res, err
		} else if !there { // none is made for what would not come into it
			if r := receive(&itip.Party{Owner: *w.me, Now: w.now}); !r.Changed {
				return outcome(&r), nil
			}
		}
		var home *place
		if p, home, err = w.arrivals(); err != nil {
			return res, err
		}
		if home == nil {
			return refused(calendar.StatusNoService, calendar.ReasonNoCalendar, ""), nil
		}
		if !w.mayInvite(home, d.Arrival != nil) {
			return refused(calendar.StatusNoRights, calendar.ReasonNoRights, "the calendar's rights do not let the sender invite"), nil
		}
	}
	party, _, err := w.party(p, telling{})
	if err != nil {
		return res, err
	}
	r := receive(&party)
	if err := w.s.roomFor(before, r.Object); r.Changed && err != nil {
		return refused(calendar.StatusRejected, itip.TooMuch.String(), calendar.MessageOf(err)), nil
	}
	res = outcome(&r)
	if r.Changed {
		switch err = w.apply(p, old, &party, before, &r, d); {
		case err != nil || d.Inconsequential:
		case d.answered:
			err = w.handled(uid)
		default:
			_, err = w.receive(uid, d.From, d.msg, d.Data) // for people to look at, once all is done: RFC 6638 §4.1
		}
	} else if r.Message != nil {
		var jobs []task
		if jobs, err = posts(postOf(uid, before, []itip.Message{*r.Message})); err == nil {
			err = w.posted(jobs...)
		}
	}
	return res, err
}

func refused(status, reason, detail string) calendar.DeliverResult {
	return calendar.DeliverResult{Status: status, Reason: reason, Detail: detail}
}

// outcome is what the sender is told of a receipt.
func outcome(r *itip.Receipt) calendar.DeliverResult {
	res := calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: r.Reason.String(), Detail: r.Detail}
	switch r.Reason {
	case itip.Unreadable, itip.TooMuch:
		res.Status = calendar.StatusRejected
	case itip.NotInvited, itip.NotOrganizer, itip.NotAddressed:
		res.Status = calendar.StatusNoRights
	}
	return res
}

// apply stores what a message made of an object, with what follows from that.
func (w *writer) apply(p *place, old *calendar.ObjectRow, party *itip.Party, before *ical.Component, r *itip.Receipt, d *delivery) error {
	name := ""
	if old != nil {
		name = old.Name
	}
	answer, err := w.decide(p, name, party, before, r, d)
	if err != nil {
		return err
	}
	obj, err := object.Judge(w.rules(p), r.Object, r.Object.Bytes())
	if err != nil {
		return err
	}
	jobs, err := posts(answer)
	if err != nil {
		return err
	}
	if len(r.Answers) > 0 { // the owner organizes it: others learn what was answered
		if jobs, err = w.tell(party, before, obj); err != nil {
			return err
		}
	}
	mails, err := w.notices(d, r)
	if err != nil {
		return err
	}
	jobs = append(jobs, mails...)
	if old == nil {
		if name, err = w.freeName(p.row.ID, obj.UID); err != nil {
			return err
		}
	}
	_, err = w.store(p, name, obj, old, storing{received: true, quiet: r.Inconsequential(), jobs: jobs})
	return err
}

// tell makes jobs of what attendees learn by what one of them answered. That
// somebody else is invited goes out at once, answers are collected for a moment.
func (w *writer) tell(party *itip.Party, before *ical.Component, obj *object.Resource) (jobs []task, err error) {
	messages, err := party.Tell(before, obj.Calendar)
	if err != nil {
		return nil, err
	}
	var now []itip.Message
	answers := false
	for _, m := range messages {
		if m.Inconsequential {
			answers = true // the one who answered is told too: his copy may be of what crossed his answer
		} else {
			now = append(now, m)
		}
	}
	if jobs, err = posts(postOf(obj.UID, obj.Calendar, now)); err != nil || !answers || w.s.opt.KeepAnswers {
		return jobs, err
	}
	key := calendar.PostKey(obj.UID, calendar.JobAnswers)
	if o := w.s.opt.Outbox; o != nil && o.Planned(w.owner, key, w.now.Add(time.Millisecond)) {
		return jobs, nil // it has not begun, and will tell of this too
	}
	return append(jobs, task{Job: calendar.Job{Kind: calendar.JobAnswers, Key: key, Payload: []byte(obj.UID), Due: w.now.Add(w.s.opt.AnswersPause)}}), nil
}

// arrivals is the calendar that invitations come to: the one that the owner chose
// for them, or his default calendar. home is the latter, whose list says who may
// invite; it is made if he has none.
func (w *writer) arrivals() (to, home *place, err error) {
	row, ok, err := w.Calendar(calendar.DefaultName)
	if err != nil {
		return nil, nil, err
	}
	if ok {
		home = w.made(row)
	} else if w.s.opt.NoInvited[w.me.Kind] {
		return nil, nil, nil
	} else {
		row = w.s.newRow(*w.me, calendar.DefaultName)
		if row.DisplayName = oneLine(w.me.Name); row.DisplayName == "" {
			row.DisplayName = string(w.owner)
		}
		if home, err = w.createCalendar(row, nil); err != nil {
			return nil, nil, err
		}
	}
	name, err := w.invitationsTo()
	if err != nil || name == calendar.DefaultName {
		return home, home, err
	}
	if row, ok, err = w.Calendar(name); err != nil || !ok {
		return home, home, err
	}
	return w.made(row), home, nil
}

// mayInvite reports whether who acts may put an invitation into a calendar: the
// schedule right of Sun's lists. WCAP §4.3.
// What comes from elsewhere by mail is of no domain, and admission's to judge.
func (w *writer) mayInvite(p *place, mailed bool) bool {
	r := p.rights
	if mailed {
		r = w.s.listed(w.who, w.owner, p.owners, p.row.ACL)
	}
	return !p.row.Disabled && (r.Owner || r.Components.Has(acl.Schedule) || r.CanWrite())
}

// uidOf is the UID of a message.
func uidOf(msg *ical.Component) string {
	for _, c := range msg.Children {
		if c.Name != "VTIMEZONE" {
			return object.UID(c)
		}
	}
	return ""
}
