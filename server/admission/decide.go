package admission

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/object"
	"factotum/server/zone"
)

// Decide says what becomes of a message for the owner whose object is stored, nil
// if he has none of its UID. Nothing that it is given is changed.
func Decide(p *itip.Party, stored *ical.Component, a Arrival, rules Rules) Decision {
	c := &consideration{party: p, stored: stored, Arrival: a, rules: rules}
	c.msg = c.prepare(a.Calendar.Clone())
	c.method = itip.Method(c.msg.Word("METHOD"))
	d := c.decide()
	d.Method = c.method
	return d
}

// consideration is a message beside what is known of it.
type consideration struct {
	party  *itip.Party
	stored *ical.Component
	Arrival
	rules  Rules
	msg    *ical.Component // a copy, to be mended
	method itip.Method
}

// decide asks, in this order: is it for us at all, whose word is it, may he.
func (c *consideration) decide() Decision {
	byAttendee := c.byAttendee()
	if c.method == itip.Reply && !c.answers() {
		return ignore(NoAnswer)
	}
	if c.stored == nil && (byAttendee || c.method == itip.Cancel || c.method == itip.Add || c.method == itip.DeclineCounter) {
		return Decision{Action: Ignore, Reason: itip.UnknownMeeting.String()}
	}
	switch {
	case c.rules.Never:
		return ignore(SenderRefused)
	case c.stored == nil && c.rules.Unsolicited == RefuseAll && !c.rules.Allowed:
		return ignore(UnsolicitedRefused)
	case c.Proof == Failed:
		return c.hold(DMARCFailed)
	case c.Spam && !(c.rules.Allowed && c.Proof == Proven):
		return c.hold(Spam)
	case c.Forwarded:
		return c.hold(Forwarded)
	case c.Differs:
		return c.hold(MethodDiffers)
	}
	speaker := c.organizer()
	if byAttendee {
		speaker = c.attendee()
	} else if c.party.Owner.HasAddress(speaker) && c.party.Owner.HasAddress(c.Sender) {
		return ignore(OwnMessage)
	}
	if r, ok := c.speaks(speaker, byAttendee); !ok {
		if r == SenderUnproven && c.rules.RefuseUnproven {
			return ignore(r)
		}
		return c.hold(r)
	}
	return c.receive(speaker, byAttendee)
}

// byAttendee reports whether attendees send such messages, and not the organizer.
func (c *consideration) byAttendee() bool {
	return c.method == itip.Reply || c.method == itip.Counter || c.method == itip.Refresh
}

// speaks reports whether the sender is the one who speaks in the message, and
// known to be.
func (c *consideration) speaks(speaker string, byAttendee bool) (Reason, bool) {
	switch {
	case speaker == "" || !sameMailbox(speaker, c.Sender):
		switch {
		case c.relayed():
			return 0, true
		case isService(speaker) || isService(c.Sender):
			return Relayed, false
		case !byAttendee && c.invited(c.Sender):
			return Forwarded, false // an attendee passes on what he was sent
		}
		return SentByAnother, false
	case c.Proof != Proven && !c.rules.BelieveUnproven && !c.relayed():
		return SenderUnproven, false
	}
	return 0, true
}

// relayed reports whether a service that may speak for others signed the mail, with
// the From that it may write: its own, or what its rule names. So a list that passes a
// mail on, and signs it anew, speaks for nobody.
func (c *consideration) relayed() bool {
	_, from, _ := strings.Cut(strings.ToLower(c.Sender), "@")
	return slices.ContainsFunc(c.rules.Relays, func(r string) bool {
		by, of, named := strings.Cut(strings.ToLower(r), "/")
		if !named {
			of = by
		}
		return (from == of || strings.HasSuffix(from, "."+of)) && of != "" && slices.ContainsFunc(c.SignedBy, func(d string) bool { return strings.EqualFold(d, by) })
	})
}

// receive asks the engine what the message does, and what that means for one from
// outside.
func (c *consideration) receive(speaker string, byAttendee bool) Decision {
	if was := organizerOf(c.stored); !byAttendee && c.stored != nil && calendar.AddressKey(was) != calendar.AddressKey(speaker) {
		return c.hold(OrganizerChanged)
	}
	d := c.apply(c.message(speaker))
	switch {
	case d.Action == Apply && c.stored == nil && !c.welcome():
		return c.hold(UnsolicitedInvitation)
	case c.method == itip.Reply && d.Reason == itip.OlderRevision.String() && c.takenBack(speaker):
		return c.hold(Replayed)
	}
	return d
}

// apply asks the engine what a message does, whoever it is from.
func (c *consideration) apply(m itip.Message) Decision {
	r := c.party.Receive(c.stored, m)
	d := Decision{Action: Ignore, Reason: r.Reason.String(), Detail: r.Detail, Message: m, Receipt: r}
	switch {
	case r.Reason == itip.NotInvited, r.Reason == itip.NotAddressed, r.Reason == itip.NotOrganizer, r.Reason == itip.Proposed:
		d.Action = Hold
	case r.Changed, r.Reason == itip.Resent:
		d.Action = Apply
	}
	return d
}

// takenBack reports whether an answer that is older than its sender's last one says
// something else of the revision that is current. What was said of an earlier one is of
// no use any more, and a clock that is wrong, or two mails that crossed, look like a
// replay: so the organizer decides. RFC 5546 §2.1.5.
func (c *consideration) takenBack(speaker string) (differs bool) {
	stored, zones := map[string]*ical.Component{}, zone.Of(c.stored)
	for _, k := range c.stored.Children {
		if k.Name != "VTIMEZONE" {
			stored[object.InstanceKey(k, zones)] = k
		}
	}
	zones = zone.Of(c.msg)
	for _, k := range c.msg.Children {
		if k.Name == "VTIMEZONE" {
			continue
		}
		was := stored[object.InstanceKey(k, zones)]
		if was == nil {
			was = stored[""]
		}
		if was == nil {
			continue
		}
		current, _ := sequence(was)
		if n, ok := sequence(k); ok && n < current {
			return false
		}
		differs = differs || !strings.EqualFold(partStat(k, speaker), partStat(was, speaker))
	}
	return differs
}

// partStat is what somebody's line in a component says.
func partStat(k *ical.Component, who string) string {
	for a := range k.All("ATTENDEE") {
		if calendar.AddressKey(a.Value) == calendar.AddressKey(who) {
			return a.Param("PARTSTAT")
		}
	}
	return ""
}

// welcome reports whether an invitation may come into the calendar unasked.
func (c *consideration) welcome() bool {
	return c.rules.Allowed || c.rules.Unsolicited == AddAll || c.rules.Unsolicited == AddKnown && c.rules.Known
}

func (c *consideration) message(from string) itip.Message {
	return itip.Message{Method: c.method, UID: uidOf(c.msg), From: from, Calendar: c.msg}
}

// hold leaves the message to the recipient.
func (c *consideration) hold(r Reason) Decision {
	return Decision{Action: Hold, Reason: r.String(), Message: c.message(c.Sender)}
}

func ignore(r Reason) Decision { return Decision{Action: Ignore, Reason: r.String()} }
