package admission

import (
	"factotum/server/ical"
	"factotum/server/itip"
)

// Decline is what somebody who is invited is told of a proposal of his that was held
// for the owner, who organizes the meeting, and whom it did not convince; nil if there
// is nobody to tell: it was not proven who made it, or he is not invited any more.
// RFC 5546 §3.2.8.
func Decline(p *itip.Party, stored *ical.Component, a Arrival, heldFor string) *itip.Message {
	c := &consideration{party: p, stored: stored, Arrival: a}
	organizer := organizerOf(stored)
	if heldFor != itip.Proposed.String() || !p.Owner.HasAddress(organizer) {
		return nil
	}
	c.msg = c.prepare(a.Calendar.Clone())
	attendee := c.attendee()
	if c.invitedAs(attendee) == "" || uidOf(c.msg) == "" {
		return nil
	}
	m := p.Decline(organizer, attendee, c.msg)
	return &m
}
