package service

import (
	"context"
	"errors"
	"maps"
	"strings"

	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

// Messages that came by mail and are held stand in the inbox under names of their
// own. They leave when their recipient decides, one way or another, and his journal
// has it: he accepts or rejects them, deletes the item, or puts the meeting into his
// calendar by himself. Nothing else takes them away but age, and others where there
// are too many.

// heldMark begins the names of held items, behind the UID's part.
const heldMark = "held-"

// isHeld reports whether an item is one that is held, by its name.
func isHeld(name string) bool {
	_, rest, _ := strings.Cut(name, "-")
	return strings.HasPrefix(rest, heldMark)
}

// Decide accepts or rejects a message that is held. RFC 6638 §4.1: an item that is
// deleted is dealt with, which rejects it too.
func (s *Service) Decide(ctx context.Context, who calendar.Actor, req calendar.DecideRequest) (res calendar.Decided, err error) {
	ctx = bind(ctx, who, req)
	const op = "decide about a held message"
	id := req.Ref.Calendar
	owner := id.Owner()
	me, err := s.ownerEntry(ctx, op, owner)
	if err != nil {
		return res, err
	}
	if me.ID == "" {
		return res, calendar.Fail(calendar.NoCalendar, op, string(id))
	}
	err = s.write(withPerson(ctx, me), who, op, owner, &res, func(w *writer) (err error) {
		res, err = w.decideHeld(&req)
		return err
	})
	return res, err
}

// decideHeld is Decide in its transaction.
func (w *writer) decideHeld(req *calendar.DecideRequest) (res calendar.Decided, err error) {
	p, err := w.enter(req.Ref.Calendar, toDelete)
	if err != nil {
		return res, err
	}
	if p.row.Kind != calendar.InboxCollection {
		return res, calendar.Failf(calendar.Unsupported, "", w.op, req.Ref.String(), "only what is held in an inbox is decided about")
	}
	item, err := w.object(p, req.Ref.Name)
	if err != nil {
		return res, err
	}
	if item == nil {
		return res, calendar.Fail(calendar.NotFound, w.op, req.Ref.String())
	}
	held, ok := calendar.HeldItem(item.Name, item.Data, item.Modified)
	if !ok || !isHeld(item.Name) {
		return res, calendar.Failf(calendar.Unsupported, "", w.op, req.Ref.String(), "this message was applied when it came: nobody has to decide about it")
	}
	if err := w.remembers(&held, req); err != nil {
		return res, err
	}
	if err := w.remove(p, *item, nil); err != nil {
		return res, err
	}
	if !req.Accept {
		res.Reason = admission.Rejected.String()
		return res, w.over(&held, admission.Rejected)
	}
	msg, err := heldMessage(&held)
	if err != nil {
		return res, err
	}
	return w.release(&held, msg)
}

// heldMessage is a message that is held as it came.
func heldMessage(held *calendar.Held) (*ical.Component, error) {
	msg, err := ical.Parse(held.Data, ical.Limits{})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{calendar.HeldReason, calendar.HeldSender, calendar.HeldMessage} {
		msg.Del(name)
	}
	return msg, nil
}

// over notes that a message that was held came to nothing. Who proposed something is
// told that he is not followed: RFC 5546 §3.2.8.
func (w *writer) over(held *calendar.Held, why admission.Reason) error {
	if err := w.trace(w.heldTrace(held, why)); err != nil || why != admission.Rejected || held.Method != string(itip.Counter) {
		return err
	}
	msg, err := heldMessage(held)
	if err != nil {
		return err
	}
	p, old, err := w.holder(held.UID, 0)
	if err != nil || old == nil {
		return err
	}
	stored, err := textOf(old)
	if err != nil {
		return nil // nobody can tell who is invited
	}
	party, ok, err := w.party(p, telling{})
	if err != nil || !ok {
		return err
	}
	m := admission.Decline(&party, stored, admission.Arrival{Calendar: msg, Sender: held.Sender, Date: held.Came}, held.Reason)
	if m == nil {
		return nil
	}
	jobs, err := posts(postOf(held.UID, stored, []itip.Message{*m}))
	if err != nil {
		return err
	}
	return w.posted(jobs...)
}

// remembers notes what a decision says of who sent the message: the address that was
// accepted is known from now on.
func (w *writer) remembers(held *calendar.Held, req *calendar.DecideRequest) error {
	if held.Sender == "" || !req.Accept && !req.Remember {
		return nil
	}
	before, err := w.Prefs()
	if err != nil {
		return err
	}
	after := maps.Clone(before)
	if after == nil {
		after = map[string]string{}
	}
	if req.Accept {
		calendar.Accepted(after, held.Sender)
	}
	switch {
	case req.Remember && req.Accept:
		calendar.Remember(after, calendar.AllowedPref, calendar.NeverPref, held.Sender)
	case req.Remember:
		calendar.Remember(after, calendar.NeverPref, calendar.AllowedPref, held.Sender)
	}
	return w.replacePrefs(before, after)
}

// release applies a message that was held. What has come since decides whether it
// says anything new.
func (w *writer) release(held *calendar.Held, msg *ical.Component) (res calendar.Decided, err error) {
	uid := uidOf(msg)
	p, old, err := w.holder(uid, 0)
	if err != nil {
		return res, err
	}
	before, err := textOf(old)
	if err != nil {
		return res, err
	}
	party := itip.Party{Owner: *w.me, Now: w.now}
	if p != nil {
		if party, _, err = w.party(p, telling{}); err != nil {
			return res, err
		}
	}
	arrival := admission.Arrival{Calendar: msg, Sender: held.Sender, Date: held.Came}
	decision := admission.Release(&party, before, arrival, held.Reason)
	d := &delivery{to: calendar.Recipient{Address: w.me.Address(), Owner: w.owner}, msg: msg,
		DeliverRequest: &calendar.DeliverRequest{ID: held.Message, From: decision.Message.From, Arrival: &calendar.Arrival{Sender: held.Sender}}}
	var out calendar.DeliverResult
	switch decision.Action {
	case admission.Hold:
		return res, calendar.Failf(calendar.Unsupported, "", w.op, uid, "this cannot be accepted as it is (%s): change the meeting yourself, or reject it", decision.Reason)
	case admission.Ignore:
		d.step = calendar.TraceIgnored
		out = calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: decision.Reason, Detail: decision.Detail}
	default:
		d.msg = decision.Message.Calendar
		d.Data = d.msg.Bytes()
		out, err = w.take(d, uid, p, old, before, func(party *itip.Party) itip.Receipt {
			return admission.Release(party, before, arrival, held.Reason).Receipt
		})
		if err == nil && out.Status != calendar.StatusDelivered { // it stays held
			err = calendar.Failf(calendar.Denied, "", w.op, uid, "the calendar does not take it (%s): %s", out.Reason, out.Detail)
		}
		if err != nil {
			return res, err
		}
	}
	t := d.trace(out)
	res = calendar.Decided{Applied: t.Step == calendar.TraceApplied, Reason: out.Reason, Detail: out.Detail}
	return res, w.trace(t)
}

// heldTrace is what the journal has of the end of a message that was held, and that
// came to nothing.
func (w *writer) heldTrace(held *calendar.Held, why admission.Reason) calendar.Trace {
	t := calendar.Trace{Message: held.Message, Method: held.Method, UID: held.UID, Summary: held.Summary, Step: calendar.TraceIgnored, Reason: why.String()}
	if held.Sender != "" {
		t.From = "mailto:" + held.Sender
	}
	if w.me != nil && w.me.ID != "" {
		t.To = []string{w.me.Address()}
	}
	return t
}

// letGo notes of items that leave, with their texts, which of them nobody decided
// about, and why they go.
func (w *writer) letGo(why admission.Reason, items ...calendar.ObjectRow) error {
	for i := range items {
		if !isHeld(items[i].Name) {
			continue
		}
		data := items[i].Data
		if data == nil {
			row, ok, err := w.Object(items[i].Cal, items[i].Name, true)
			if err != nil {
				return err
			}
			if ok {
				data = row.Data
			}
		}
		if held, ok := calendar.HeldItem(items[i].Name, data, items[i].Modified); ok {
			if err := w.over(&held, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// Held lists what is held for an owner, the oldest first: for the server's own mails.
func (s *Service) Held(ctx context.Context, owner calendar.Owner) (list []calendar.Held, err error) {
	const op = "look what is held"
	err = s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		list = nil
		row, ok, err := tx.Calendar(calendar.InboxCollection.Rules().Name)
		if err != nil || !ok || row.Kind != calendar.InboxCollection {
			return err
		}
		return tx.Objects(row.ID, "", true, func(o *calendar.ObjectRow) error {
			if held, ok := calendar.HeldItem(o.Name, o.Data, o.Modified); ok && isHeld(o.Name) {
				list = append(list, held)
			}
			return nil
		})
	})
	calendar.SortHeld(list)
	return list, wrap(op, string(owner), err)
}

// knows reports whether the owner has to do with who has a mail address: by his
// journal he was written to, or something of his was applied; the owner has accepted
// something of his; he is in the directory, or invited to something, or organizes
// something, that the owner has. RFC 6047 §3.
func (w *writer) knows(mail string, prefs map[string]string) (known bool, err error) {
	if mail == "" {
		return false, nil
	}
	if calendar.HasAccepted(prefs, mail) {
		return true, nil
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
	if known || err != nil {
		return known, err
	}
	if known, err = w.listed(mail); known || err != nil {
		return known, err
	}
	return w.meets(key)
}

// listed reports whether a mail address is of somebody of the directory.
func (w *writer) listed(mail string) (bool, error) {
	if w.s.people == nil {
		return false, nil
	}
	mail = calendar.AddressKey(mail)
	switch p, err := (told{memo: w.memo}).ByMail(context.Background(), mail); {
	case errors.Is(err, errUntold):
		return false, &lack{mail: mail}
	case calendar.KindOf(err) == calendar.NotFound:
		return false, nil
	default:
		return p.ID != "", err
	}
}

// mostMet is how many meetings are looked at for somebody.
const mostMet = 2000

// meets reports whether an address is in a meeting that the owner has.
func (w *writer) meets(key string) (bool, error) {
	cals, err := w.Calendars()
	if err != nil {
		return false, err
	}
	for i := range cals {
		if !cals[i].Kind.Rules().Objects {
			continue
		}
		var names []string
		err := w.Objects(cals[i].ID, "", false, func(o *calendar.ObjectRow) error {
			if o.ScheduleTag != 0 {
				names = append(names, o.Name)
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		for _, name := range names[max(0, len(names)-mostMet):] {
			row, _, err := w.Object(cals[i].ID, name, true)
			if err != nil {
				return false, err
			}
			if names, err := isIn(row.Data, key); names || err != nil {
				return names, err
			}
		}
	}
	return false, nil
}

// isIn reports whether an address is one of a meeting's.
func isIn(data []byte, key string) (bool, error) {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return false, nil // who is in it nobody can tell
	}
	for _, c := range messageParts(cal) {
		if o := c.Prop("ORGANIZER"); o != nil && calendar.AddressKey(o.Value) == key {
			return true, nil
		}
		for a := range c.All("ATTENDEE") {
			if calendar.AddressKey(a.Value) == key {
				return true, nil
			}
		}
	}
	return false, nil
}

// takenBySelf removes what is held about a meeting that the owner puts into his
// calendar, where it was not before: the invitation that he had by mail.
func (w *writer) takenBySelf(uid string) error {
	p, err := w.inbox(false)
	if err != nil || p == nil {
		return err
	}
	return w.clear(p, aboutUID(uid)+heldMark+"request-", admission.Taken)
}
