package admission

import (
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

// Release says what becomes of a message that was held, once the owner wants it:
// whom it comes from is not asked any more. Who answers without being invited is
// invited with it, and so is the owner by an invitation that does not name him:
// RFC 5546 §3.2.2.6, §3.2.3. A meeting with another organizer takes the place of
// the one that is stored: RFC 5546 §3.2.2.4. An answer that was held as a replay is its
// sender's last word then. A proposal stays held, for the owner
// takes it by changing the meeting.
func Release(p *itip.Party, stored *ical.Component, a Arrival, heldFor string) Decision {
	c := &consideration{party: p, stored: stored, Arrival: a}
	c.msg = c.prepare(a.Calendar.Clone())
	c.method = itip.Method(c.msg.Word("METHOD"))
	var speaker string
	switch {
	case c.method == itip.Reply && !c.answers():
		d := ignore(NoAnswer)
		d.Method = c.method
		return d
	case c.byAttendee():
		if speaker = c.attendee(); heldFor == Replayed.String() && c.stored != nil {
			c.renew(speaker)
		}
		if c.method == itip.Reply && c.stored != nil && speaker != "" && c.invitedAs(speaker) == "" {
			c.stored = invite(c.stored.Clone(), speaker, "")
		}
	default:
		if speaker = c.organizer(); calendar.AddressKey(organizerOf(c.stored)) != calendar.AddressKey(speaker) {
			c.stored = nil
		}
		if (c.method == itip.Request || c.method == itip.Add) && !c.names(p.Owner) {
			invite(c.msg, p.Owner.Address(), "TRUE")
		}
	}
	d := c.apply(c.message(speaker))
	d.Method = c.method
	return d
}

// renew makes an answer one about the current revision, of now, and forgets when its
// sender answered before.
func (c *consideration) renew(speaker string) {
	c.stored = c.stored.Clone()
	for _, k := range c.stored.Children {
		for a := range k.All("ATTENDEE") {
			if calendar.AddressKey(a.Value) == calendar.AddressKey(speaker) {
				itip.ForgetRevision(a)
			}
		}
	}
	for _, k := range c.msg.Children {
		if k.Name != "VTIMEZONE" {
			k.Del("SEQUENCE")
			k.SetDateTime("DTSTAMP", ical.FromCivil(c.party.Now.UTC().Truncate(time.Second), ical.UTC, ""))
		}
	}
}

// invite adds an attendee to the components of an object.
func invite(cal *ical.Component, address, rsvp string) *ical.Component {
	for _, k := range cal.Children {
		if k.Name == "VTIMEZONE" {
			continue
		}
		line := ical.Property{Name: "ATTENDEE", Value: address}
		line.SetParam("PARTSTAT", "NEEDS-ACTION")
		if rsvp != "" {
			line.SetParam("RSVP", rsvp)
		}
		k.Add(line)
	}
	return cal
}

// names reports whether the message invites somebody.
func (c *consideration) names(who calendar.Person) bool {
	for _, k := range c.msg.Children {
		for a := range k.All("ATTENDEE") {
			if who.HasAddress(a.Value) {
				return true
			}
		}
	}
	return false
}
