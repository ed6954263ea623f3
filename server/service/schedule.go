package service

import (
	"errors"
	"strings"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
)

// A user who writes a meeting in a calendar tells those whom it concerns: the
// organizer his attendees, an attendee the organizer (RFC 6638 §3). What is told,
// and what the server itself has a part in of what is stored, says package itip.
// Here it is joined to the write: the messages are a job of the same change.
//
// Imports, and copies and moves between calendars, tell nobody.

// telling is what a write of a user says about messages besides its text.
type telling struct {
	stale  bool // the text may lack what attendees answered since it was read: itip.Party
	silent bool // a removal is not told: RFC 6638 §8.1, Schedule-Reply: F
	noMail bool // who has no calendar here is not told: WCAP §7.5
	own    bool // an attendee changes what he likes in his copy, or takes it away, and nobody hears of it: WCAP §7.5, §9.7
}

// schedule makes of what a user wants to store what is stored, and the post that
// follows from it, nil if there is none. old is what is there, or nil.
func (w *writer) schedule(p *place, name string, obj *object.Resource, old *calendar.ObjectRow, how telling) (*object.Resource, *calendar.Post, error) {
	if !concerns(p, old, obj) {
		return obj, nil, nil
	}
	party, ok, err := w.party(p, how)
	if err != nil || !ok {
		return obj, nil, err
	}
	before, err := textOf(old)
	if err != nil {
		return nil, nil, err
	}
	ref := refOf(p.id, name)
	if err := oneOrganizer(obj.Calendar); err != nil {
		return nil, nil, wrap(w.op, ref, err)
	}
	if err := w.s.roomFor(before, obj.Calendar); err != nil {
		return nil, nil, wrap(w.op, ref, err)
	}
	wanted := obj.Calendar
	if o := organizerOf(wanted); o != nil && party.Owner.HasAddress(o.Value) {
		if wanted, err = w.expand(before, wanted); err != nil {
			return nil, nil, wrap(w.op, ref, err)
		}
	}
	if old == nil && party.Served(obj.Calendar) {
		if err := w.unique(p, &party, obj.UID); err != nil {
			return nil, nil, err
		}
	}
	party.SentBy = w.deputy()
	ch, err := w.change(&party, before, wanted, how)
	if err == nil {
		ch.Object = w.takesTime(ch.Object)
	}
	switch {
	case err != nil && how.own && calendar.KindOf(err) == calendar.NotOrganizer:
		return obj, nil, nil
	case err != nil:
		return nil, nil, wrap(w.op, ref, err)
	}
	if err := w.speaks(p, ch.Messages); err != nil {
		return nil, nil, wrap(w.op, ref, err)
	}
	if err := w.handled(obj.UID); err != nil {
		return nil, nil, err
	}
	if old == nil {
		if err := w.takenBySelf(obj.UID); err != nil {
			return nil, nil, err
		}
	}
	if next := ch.Object; next != nil && next != obj.Calendar && !ical.Equal(next, obj.Calendar) {
		if obj, err = object.Restate(w.rules(p), obj, next); err != nil {
			return nil, nil, wrap(w.op, ref, err)
		}
	}
	return obj, how.post(obj.UID, obj.Calendar, ch.Messages), nil
}

// farewell is the post that follows when a user removes an object, nil if there
// is none.
func (w *writer) farewell(p *place, old *calendar.ObjectRow, how telling) (*calendar.Post, error) {
	if !concerns(p, old, nil) {
		return nil, nil
	}
	party, ok, err := w.party(p, how)
	if err != nil || !ok {
		return nil, err
	}
	if err := w.handled(old.UID); err != nil {
		return nil, err
	}
	before, err := textOf(old)
	if err != nil {
		return nil, nil // what cannot be read invites nobody, and can be removed
	}
	party.SentBy = w.deputy()
	ch, err := w.change(&party, before, nil, how)
	if err == nil {
		err = w.speaks(p, ch.Messages)
	}
	if err != nil {
		return nil, wrap(w.op, refOf(p.id, old.Name), err)
	}
	return how.post(old.UID, before, ch.Messages), nil
}

// speaks refuses messages that the actor may not send in the owner's name: to
// write in his calendar is not enough. RFC 6638 §6.2, WCAP §4.2.
func (w *writer) speaks(p *place, messages []itip.Message) error {
	if p.rights.Owner || isCoOwner(w.who, p.owners) {
		return nil
	}
	may := p.rights.OnBehalf()
	for _, m := range messages {
		switch m.Method {
		case itip.Cancel:
			if !may.Cancel {
				return calendar.Errorf(calendar.Denied, calendar.SendInvite, "you may not cancel meetings on behalf of the calendar's owner")
			}
		case itip.Reply, itip.Refresh, itip.Counter:
			if !may.Reply {
				return calendar.Errorf(calendar.Denied, calendar.SendReply, "you may not answer invitations on behalf of the calendar's owner")
			}
		default:
			if !may.Invite {
				return calendar.Errorf(calendar.Denied, calendar.SendInvite, "you may not invite on behalf of the calendar's owner")
			}
		}
	}
	return nil
}

// farewells are the posts that follow when a user removes a calendar with what is
// in it.
func (w *writer) farewells(row calendar.CalendarRow, how telling) (jobs []task, err error) {
	if !row.Kind.Rules().Objects {
		return nil, nil
	}
	p := w.made(row)
	met, err := w.Meetings(row.ID)
	for _, name := range met {
		if err != nil {
			break
		}
		var o *calendar.ObjectRow
		if o, err = w.object(p, name); err != nil || o == nil {
			continue
		}
		var post *calendar.Post
		if post, err = w.farewell(p, o, how); err != nil {
			continue
		}
		var more []task
		more, err = posts(post)
		jobs = append(jobs, more...)
	}
	return jobs, err
}

// concerns reports whether anybody else may be concerned by a write.
func concerns(p *place, old *calendar.ObjectRow, obj *object.Resource) bool {
	return p.row.Kind.Rules().Objects && (obj != nil && obj.Scheduled || old != nil && old.ScheduleTag != 0)
}

// change asks itip as whom the owner writes: as the organizer, as an attendee, or
// as somebody whom the meeting is no business of.
func (w *writer) change(party *itip.Party, before, after *ical.Component, how telling) (itip.Change, error) {
	was, is := organizerOf(before), organizerOf(after)
	switch {
	case was != nil && party.Owner.HasAddress(was.Value):
		if is != nil && !party.Owner.HasAddress(is.Value) {
			return itip.Change{}, calendar.Errorf(calendar.Denied, calendar.OrganizerChange, "a meeting keeps its organizer; cancel it, and let the other one invite anew")
		}
		return party.Organize(before, after)
	case was != nil:
		return attend(party, before, after, how)
	case is == nil:
		return itip.Change{Object: after}, nil
	case party.Owner.HasAddress(is.Value):
		return party.Organize(before, after)
	}
	return attend(party, before, after, how)
}

// attend asks itip what follows from an attendee's write.
func attend(party *itip.Party, before, after *ical.Component, how telling) (itip.Change, error) {
	ch, err := party.Attend(before, after, !how.silent)
	if how.own {
		ch.Messages = nil
	}
	return ch, err
}

// organizerOf is the first ORGANIZER of an object that has attendees, nil if it
// is no meeting.
func organizerOf(cal *ical.Component) (org *ical.Property) {
	if cal == nil {
		return nil
	}
	invites := false
	for _, c := range cal.Children {
		if o := c.Prop("ORGANIZER"); o != nil && org == nil {
			org = o
		}
		invites = invites || c.Prop("ATTENDEE") != nil
	}
	if !invites {
		return nil
	}
	return org
}

// oneOrganizer refuses components of several organizers. RFC 6638 §3.2.4.2.
func oneOrganizer(cal *ical.Component) error {
	var first *ical.Property
	for _, c := range cal.Children {
		o := c.Prop("ORGANIZER")
		switch {
		case o == nil:
		case first == nil:
			first = o
		case calendar.AddressKey(o.Value) != calendar.AddressKey(first.Value):
			return calendar.Errorf(calendar.Denied, calendar.SameOrganizer, "all components of a meeting have one ORGANIZER, not %s and %s", first.Value, o.Value)
		}
	}
	return nil
}

// unique refuses a second copy of a meeting in one home. One that the server
// does not speak for does not count. RFC 6638 §3.2.4.1.
func (w *writer) unique(p *place, party *itip.Party, uid string) error {
	there, other, err := w.holder(uid, p.row.ID)
	if err != nil || other == nil {
		return err
	}
	if cal, err := textOf(other); err != nil || !party.Served(cal) {
		return nil
	}
	return calendar.Failf(calendar.Denied, calendar.UniqueScheduling, w.op, refOf(there.id, other.Name), "another of your calendars has this meeting")
}

// only is unique for what comes by a copy.
func (w *writer) only(p *place, obj *object.Resource) error {
	if !concerns(p, nil, obj) {
		return nil
	}
	party, ok, err := w.party(p, telling{})
	if err != nil || !ok || !party.Served(obj.Calendar) {
		return err
	}
	return w.unique(p, &party, obj.UID)
}

// holder finds the object of a UID in the owner's calendars, but for one of them:
// where there are several, one that the server speaks for.
func (w *writer) holder(uid string, but int64) (p *place, found *calendar.ObjectRow, err error) {
	cals, err := w.Calendars()
	if err != nil {
		return nil, nil, err
	}
	for _, row := range cals {
		if row.ID == but || !row.Kind.Rules().Objects {
			continue
		}
		o, ok, err := w.ObjectByUID(row.ID, uid, true)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		if found != nil {
			party := itip.Party{}
			if w.me != nil {
				party.Owner = *w.me
			}
			if cal, err := textOf(found); err == nil && party.Served(cal) {
				break
			}
		}
		p, found = w.made(row), &o
	}
	return p, found, nil
}

// textOf is the text of an object that is stored, nil of none.
func textOf(old *calendar.ObjectRow) (*ical.Component, error) {
	if old == nil {
		return nil, nil
	}
	cal, err := ical.Parse(old.Data, ical.Limits{})
	if err != nil {
		return nil, &calendar.Error{Kind: calendar.Invalid, Msg: "the stored text cannot be read", Err: err}
	}
	return cal, nil
}

// errPerson asks transact for the owner's entry of the directory, which a
// transaction does not wait for.
var errPerson = errors.New("the owner's entry is needed")

// party is the owner's side of his meetings. ok is false for an owner whom the
// directory does not know: he has calendars still, and nobody hears of them.
func (w *writer) party(p *place, how telling) (party itip.Party, ok bool, err error) {
	if w.me == nil {
		return party, false, errPerson
	}
	return itip.Party{Owner: *w.me, Now: w.now, Stale: how.stale, Forwards: false,
		Floating: w.s.floatingOf(nil, cache.NewCalendar(w.owner, p.row, nil))}, w.me.ID != "", nil
}

// post is the post of the messages of a write.
func (how telling) post(uid string, cal *ical.Component, messages []itip.Message) *calendar.Post {
	p := postOf(uid, cal, messages)
	if p != nil {
		p.NoMail = how.noMail
	}
	return p
}

// postOf is the post of messages, nil if there are none.
func postOf(uid string, cal *ical.Component, messages []itip.Message) *calendar.Post {
	if len(messages) == 0 {
		return nil
	}
	post := &calendar.Post{UID: uid, Summary: summaryOf(cal)}
	for i := range messages {
		m := &messages[i]
		post.Letters = append(post.Letters, calendar.Letter{Method: string(m.Method), From: m.From, To: m.To,
			Data: m.Calendar.Bytes(), Inconsequential: m.Inconsequential, Told: m.Told})
	}
	return post
}

// summaryOf names a meeting for the journal.
func summaryOf(cal *ical.Component) string {
	if cal == nil {
		return ""
	}
	for _, c := range cal.Children {
		if s := c.Text("SUMMARY"); s != "" {
			return cut(oneLine(s), 100)
		}
	}
	return ""
}

// cut shortens a text to whole characters.
func cut(s string, octets int) string {
	if len(s) <= octets {
		return s
	}
	end := 0
	for i := range s {
		if i > octets {
			break
		}
		end = i
	}
	return strings.TrimSpace(s[:end]) + "…"
}
