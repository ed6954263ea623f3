package itip

import (
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// Reason says what became of a message that was received, and why.
type Reason uint8

// The reasons. Those up to Unchanged are good ends.
const (
	Invited          Reason = iota + 1 // a new invitation
	Updated                            // the meeting is another now
	AnswersUpdated                     // only what others have answered is new
	Cancelled                          // the meeting, or instances of it, are off
	Answered                           // an attendee's answer was noted
	Delegated                          // an attendee sends somebody else
	Published                          // told without an invitation
	Resent                             // the attendee asked for it, and gets it again
	Proposed                           // an attendee proposes something else: the organizer decides
	ProposalDeclined                   // the organizer does not want what was proposed
	Unchanged                          // it was known already
	OlderRevision                      // a newer message was here first
	NotInvited                         // who answers was not invited
	NotAddressed                       // it invites somebody else
	NotOrganizer                       // who sends it does not organize the meeting
	UnknownMeeting                     // there is no such meeting here
	UnknownInstance                    // the meeting has no such instance
	Unreadable                         // it breaks RFC 5545 or RFC 5546
	TooMuch                            // the object would be larger than one may be
	numReasons
)

var reasons = [numReasons]struct{ code, text string }{
	{},
	{"invited", "A new invitation."},
	{"updated", "The organizer changed the meeting."},
	{"answers-updated", "Others have answered; nothing else is new."},
	{"cancelled", "The organizer called it off."},
	{"answered", "The attendee's answer was noted."},
	{"delegated", "The attendee sends somebody else."},
	{"published", "It was told without an invitation."},
	{"resent", "The attendee asked for the meeting, and it was sent again."},
	{"proposed", "The attendee proposes a change, on which the organizer has to decide."},
	{"proposal-declined", "The organizer does not want what was proposed."},
	{"unchanged", "The message says what was known already."},
	{"older-revision", "A newer message was here first."},
	{"not-invited", "Who answers is not invited."},
	{"not-addressed", "The message invites somebody else."},
	{"not-organizer", "Who sends it does not organize the meeting."},
	{"unknown-meeting", "There is no such meeting."},
	{"unknown-instance", "The meeting has no such instance."},
	{"unreadable", "The message breaks the rules of iCalendar or iTIP."},
	{"too-large", "The message would make the meeting larger than the server takes."},
}

// String is the code of a reason, which never changes.
func (r Reason) String() string { return reasons[min(r, numReasons-1)].code }

// Sentence is a reason for people.
func (r Reason) Sentence() string { return reasons[min(r, numReasons-1)].text }

// Reasons are all of them.
func Reasons() (all []Reason) {
	for r := Invited; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}

// Receipt is what Receive made of a message.
type Receipt struct {
	Reason  Reason
	Detail  string          // of Unreadable: what to mend; of a REPLY: what of it does not count
	Object  *ical.Component // as it is to be stored, if Changed
	Changed bool
	Answers []Answer // of a REPLY
	Message *Message // what goes back, of Resent
}

// Inconsequential reports whether the owner's Schedule-Tag stays: RFC 6638 §3.2.10.
// It does too where a message says what is known, and its date alone is kept.
func (r *Receipt) Inconsequential() bool {
	return r.Reason == AnswersUpdated || r.Reason == Unchanged || len(r.Answers) > 0
}

// Answer is what an attendee said.
type Answer struct {
	Attendee     ical.Property // his line as it is now
	RecurrenceID ical.DateTime // of one instance
	HasRID       bool
	Was, Is      string // PARTSTATs
	Comment      string
}

// Receive says what a message does to the owner's object, nil if he has none. Of
// the message count its Calendar, with the METHOD that stands there, and From, who
// is known to have sent it: "" if only the message says so, and whether to believe
// it was decided before.
func (p *Party) Receive(stored *ical.Component, m Message) Receipt {
	method := Method(m.Calendar.Word("METHOD"))
	tells := method == Request || method == Publish || method == Add
	msg, err := p.read(m.Calendar, !tells)
	if err != nil || msg.empty() {
		return unreadableReceipt(err, "it has no component")
	}
	have, err := p.open(stored)
	if err != nil {
		return unreadableReceipt(err, "")
	}
	if !have.empty() && (have.uid != msg.uid || have.name != msg.name) {
		return Receipt{Reason: UnknownMeeting}
	}
	in := incoming{Party: p, msg: msg, have: have, from: m.From, quiet: m.Inconsequential}
	switch method {
	case Request:
		return in.request()
	case Publish:
		return in.publish()
	case Add:
		return in.add()
	case Cancel:
		return in.cancel()
	case Reply:
		return in.answer()
	case Refresh:
		return in.refresh()
	case Counter:
		if r, ok := in.fromAttendee(); !ok {
			return r
		}
		return Receipt{Reason: Proposed}
	case DeclineCounter:
		if r, ok := in.fromOrganizer(); !ok {
			return r
		}
		return Receipt{Reason: ProposalDeclined}
	}
	return unreadableReceipt(nil, "METHOD is missing, or none of iTIP's")
}

func unreadableReceipt(err error, otherwise string) Receipt {
	r := Receipt{Reason: Unreadable, Detail: otherwise}
	if err != nil {
		r.Detail = err.Error()
	}
	return r
}

// incoming is a message beside what the owner has.
type incoming struct {
	*Party
	msg, have *meeting
	from      string
	quiet     bool         // only answers of others are new
	forAll    bool         // an answer for the whole is looked at for an exception
	out       map[key]bool // instances that the attendee took out of his copy
	grown     growth
}

// sent reports whether a line names the one who is known to have sent the
// message. That SENT-BY says so is no proof: who acts for somebody by right sends
// in his name.
func (in *incoming) sent(line *ical.Property) bool {
	return in.from == "" || sameAs(in.from)(line.Value)
}

// fromOrganizer reports whether a message comes from who organizes the meeting.
func (in *incoming) fromOrganizer() (Receipt, bool) {
	o := in.msg.organizer()
	switch {
	case o == nil || calendar.AddressKey(o.Value) == "":
		return unreadableReceipt(nil, "ORGANIZER is missing"), false
	case !in.oneOrganizer(o):
		return unreadableReceipt(nil, "its components have different ORGANIZERs"), false
	case in.Owner.HasAddress(o.Value):
		return Receipt{Reason: NotOrganizer}, false
	case !in.have.empty():
		if was := in.have.organizer(); was == nil || !sameAs(was.Value)(o.Value) {
			return Receipt{Reason: NotOrganizer}, false
		}
	}
	if in.sent(o) {
		return Receipt{}, true
	}
	// Who was invited himself may send somebody else: RFC 5546 §3.2.2.3.
	for _, c := range in.msg.all() {
		me := attendee(c, in.Owner.HasAddress)
		if me == nil || !sameAs(in.from)(me.Param("DELEGATED-FROM")) {
			return Receipt{Reason: NotOrganizer}, false
		}
	}
	return Receipt{}, true
}

// oneOrganizer reports whether all components name no other organizer.
func (in *incoming) oneOrganizer(o *ical.Property) bool {
	is := sameAs(o.Value)
	for _, c := range in.msg.all() {
		for p := range c.All("ORGANIZER") {
			if !is(p.Value) {
				return false
			}
		}
	}
	return true
}

// fromAttendee reports whether a message comes from one attendee of a meeting
// that the owner organizes. Whether he is invited is for who looks at instances.
func (in *incoming) fromAttendee() (Receipt, bool) {
	if in.have.empty() {
		return Receipt{Reason: UnknownMeeting}, false
	}
	if o := in.have.organizer(); o == nil || !in.Owner.HasAddress(o.Value) {
		return Receipt{Reason: NotOrganizer}, false
	}
	for _, c := range in.msg.all() {
		if a := in.speaker(c); a == nil || in.Owner.HasAddress(a.Value) { // his own answer he writes himself
			return Receipt{Reason: NotInvited}, false
		}
	}
	return Receipt{}, true
}

// speaker is the line of who sends a component of a REPLY: the only one, but for
// those whom he sends in his place.
func (in *incoming) speaker(c *ical.Component) *ical.Property {
	var found *ical.Property
	for a := range c.All("ATTENDEE") {
		if !in.sent(a) {
			continue
		}
		if found == nil || a.HasParam("DELEGATED-TO") && sameAs(a.Param("DELEGATED-TO"))(found.Value) {
			found = a
		}
	}
	return found
}

// merged is an object of components that come from both sides, with the zones
// that they mean. RFC 5545 §3.6.5.
func merged(props []ical.Property, name string, parts ...part) *ical.Component {
	out := &ical.Component{Name: name}
	for _, p := range props {
		if p.Name != "METHOD" {
			out.Props = append(out.Props, p.Clone())
		}
	}
	var m zone.Merger
	var zones, comps []*ical.Component
	for _, pt := range parts {
		if len(pt.comps) == 0 {
			continue
		}
		src := &ical.Component{Name: "VCALENDAR"}
		src.AddChild(zonesFor(pt.from, pt.comps)...)
		src.AddChild(pt.comps...)
		for _, c := range m.Add(src) {
			if c.Name == "VTIMEZONE" {
				zones = append(zones, c)
			} else {
				comps = append(comps, c)
			}
		}
	}
	out.AddChild(zones...)
	out.AddChild(comps...)
	return out
}

// part is some components of a calendar.
type part struct {
	from  *ical.Component
	comps []*ical.Component
}
