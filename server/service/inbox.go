package service

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// An inbox holds copies of the scheduling messages that came, after the server
// has done what they ask for: clients tell their users of them, and delete them.
// RFC 6638 §4. What nobody deletes leaves by itself: when the owner writes the
// object that it is about, when a newer message says it anew, when there are too
// many, and with age. What an item is about is in its name, since several are
// of one UID and the UID of a row is unique.

// itemName is the name of an item: parts that are the same for all items about a
// UID, that are held or not, of a method, from somebody, and about one instance, in this
// order. A message about the whole has no last part. What is held for another reason
// is another item: so what is forged takes the place of nothing that is true.
func itemName(uid, held, method, from, instance string) string {
	name, key := aboutUID(uid), calendar.AddressKey(from)
	if held != "" {
		name, key = name+heldMark, held+" "+key
	}
	name += strings.ToLower(method) + "-" + digest(key)
	if instance != "" {
		name += "-" + digest(instance)
	}
	return name + itemSuffix
}

const itemSuffix = ".ics"

// aboutUID is how the names of the items about a UID begin.
func aboutUID(uid string) string { return digest(uid) + "-" }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}

// receive stores a scheduling message from a calendar user address, and its text,
// in the owner's inbox. It replaces older ones of its UID, method and sender: those of
// the same instance, or all if it is about the whole. The inbox is for people to
// look at, so that a message that is too large for it, or for which there is no
// room, is left out, of which left tells.
func (w *writer) receive(uid, from string, msg *ical.Component, text []byte) (left bool, err error) {
	return w.intoInbox(uid, "", from, msg, text)
}

// intoInbox is receive of what was applied, or is held for a reason.
func (w *writer) intoInbox(uid, held, from string, msg *ical.Component, text []byte, jobs ...task) (left bool, err error) {
	comps := messageParts(msg)
	if len(comps) == 0 {
		return false, calendar.Failf(calendar.Invalid, calendar.ValidSchedulingMessage, w.op, uid, "the message is about nothing")
	}
	if len(text) > w.s.opt.Limits.ObjectSize {
		return true, nil
	}
	p, err := w.inbox(true)
	if err != nil || p == nil {
		return p == nil, err
	}
	instance := ""
	if len(comps) == 1 {
		instance = comps[0].Value("RECURRENCE-ID")
	}
	name := itemName(uid, held, msg.Word("METHOD"), from, instance)
	old, err := w.object(p, name)
	if err != nil {
		return false, err
	}
	if old == nil {
		if err := w.makeRoom(p); err != nil {
			return false, err
		}
	}
	item := &object.Resource{Calendar: msg, Data: text, Component: calendar.Intern(comps[0].Name), Class: object.Class(comps)}
	_, err = w.store(p, name, item, old, storing{jobs: jobs})
	if errors.Is(err, calendar.OverQuota) {
		return true, nil
	}
	if err != nil || instance != "" {
		return false, err
	}
	return false, w.clear(p, strings.TrimSuffix(name, itemSuffix)+"-", replaced)
}

// replaced is why an item goes that a newer one says anew: nobody has to be told.
const replaced admission.Reason = 0

// messageParts are the components of a message besides its time zones.
func messageParts(msg *ical.Component) (comps []*ical.Component) {
	for _, c := range msg.Children {
		if c.Name != "VTIMEZONE" {
			comps = append(comps, c)
		}
	}
	return comps
}

// handled removes what the owner's inbox has about a UID, when he has answered,
// changed or deleted the object: not what is held, but for proposals, which are taken
// or left by changing the meeting.
func (w *writer) handled(uid string) error {
	p, err := w.inbox(false)
	if err != nil || p == nil {
		return err
	}
	if err := w.clear(p, aboutUID(uid)+heldMark+"counter-", admission.Taken); err != nil {
		return err
	}
	items, err := w.itemsOf(p, aboutUID(uid))
	if err != nil {
		return err
	}
	return w.removeItems(p, replaced, slices.DeleteFunc(items, func(o calendar.ObjectRow) bool { return isHeld(o.Name) }))
}

// inbox is the owner's inbox, made if it is to be; nil if there is none, and
// where an earlier release left something else under its name.
func (w *writer) inbox(make bool) (*place, error) {
	rules := calendar.InboxCollection.Rules()
	row, ok, err := w.Calendar(rules.Name)
	switch {
	case err != nil:
		return nil, err
	case ok && row.Kind != calendar.InboxCollection, !ok && !make:
		return nil, nil
	case ok:
		return w.made(row), nil
	}
	return w.keep(&place{row: unstored(calendar.InboxCollection), id: calendar.NewID(w.owner, rules.Name)})
}

// clear removes the items whose names begin so.
func (w *writer) clear(p *place, prefix string, why admission.Reason) error {
	items, err := w.itemsOf(p, prefix)
	if err != nil {
		return err
	}
	return w.removeItems(p, why, items)
}

func (w *writer) itemsOf(p *place, prefix string) (items []calendar.ObjectRow, err error) {
	err = w.Objects(p.row.ID, prefix, false, func(o *calendar.ObjectRow) error {
		if !strings.HasPrefix(o.Name, prefix) {
			return errEnough
		}
		items = append(items, *o)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return items, err
}

// removeItems removes items, and notes of those that were held why.
func (w *writer) removeItems(p *place, why admission.Reason, items []calendar.ObjectRow) error {
	if why != replaced {
		if err := w.letGo(why, items...); err != nil {
			return err
		}
	}
	for _, o := range items {
		if err := w.remove(p, o, nil); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom lets the oldest items go where there are as many as an inbox holds.
// To count them takes longer than to store one, so that it looks now and then
// only: there may be an eighth more for a while.
func (w *writer) makeRoom(p *place) error {
	limit := w.s.opt.Limits.InboxItems
	home, _, err := w.Home()
	if every := max(1, int64(limit)/8); err != nil || p.row.Change/every == (home.Change+1)/every {
		return err
	}
	items, err := w.items(p)
	if err != nil || len(items) < limit {
		return err
	}
	slices.SortFunc(items, func(a, b calendar.ObjectRow) int { return cmp.Compare(a.Change, b.Change) })
	return w.removeItems(p, admission.Undecided, items[:max(0, len(items)-limit+1)])
}

func (w *writer) items(p *place) (items []calendar.ObjectRow, err error) {
	err = w.Objects(p.row.ID, "", false, func(o *calendar.ObjectRow) error {
		items = append(items, *o)
		return nil
	})
	return items, err
}

// expire removes the items of an inbox that came before a moment.
func (w *writer) expire(before time.Time) error {
	p, err := w.inbox(false)
	if err != nil || p == nil {
		return err
	}
	items, err := w.items(p)
	if err != nil {
		return err
	}
	return w.removeItems(p, admission.Undecided, slices.DeleteFunc(items, func(o calendar.ObjectRow) bool { return !o.Modified.Before(before) }))
}
