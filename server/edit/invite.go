package edit

import (
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// invite keeps how a component was stored, as its attendees say it: PUBLISH is
// for this calendar alone, so nobody schedules for them (SCHEDULE-AGENT=NONE);
// REQUEST invites them. A client that has told somebody itself (CLIENT) goes on
// doing so. had are the attendees of before. WCAP §7.5, RFC 6638 §7.1.
func (e *Editor) invite(c *ical.Component, role calendar.EditRole, had map[string]bool) {
	org := c.Prop("ORGANIZER")
	if org == nil || !e.isOwner(org.Value) {
		return
	}
	for i := range c.Props {
		p := &c.Props[i]
		if p.Name != "ATTENDEE" || e.Owner.HasAddress(p.Value) || p.ParamIs("SCHEDULE-AGENT", "CLIENT") {
			continue
		}
		q := p.Clone()
		switch {
		case role == calendar.AsOrganizer:
			q.DelParam("SCHEDULE-AGENT")
		case role == calendar.AsPublisher, role == calendar.AsBefore && !had[calendar.AddressKey(p.Value)]:
			q.SetParam("SCHEDULE-AGENT", "NONE")
		}
		*p = q
	}
}

// addresses are the attendees of a component, by AddressKey.
func addresses(c *ical.Component) map[string]bool {
	var m map[string]bool
	for p := range c.All("ATTENDEE") {
		if m == nil {
			m = map[string]bool{}
		}
		m[calendar.AddressKey(p.Value)] = true
	}
	return m
}

// acts says beside the owner's address who acted for him, and takes out who did
// before. RFC 5545 §3.2.18, WCAP §7.4.
func (e *Editor) acts(p *ical.Property) {
	switch {
	case e.SentBy != "":
		p.SetParam("SENT-BY", "mailto:"+e.SentBy)
	case p.HasParam("SENT-BY"):
		p.DelParam("SENT-BY")
	}
}

// sentBy does so for the organizer.
func (e *Editor) sentBy(c *ical.Component) {
	i := slices.IndexFunc(c.Props, func(p ical.Property) bool { return p.Name == "ORGANIZER" })
	if i < 0 || !e.isOwner(c.Props[i].Value) {
		return
	}
	p := c.Props[i].Clone()
	e.acts(&p)
	c.Props[i] = p
}

// answer is what the owner has answered, "" if nothing.
func (e *Editor) answer(c *ical.Component) string {
	for p := range c.All("ATTENDEE") {
		if e.isOwner(p.Value) && !p.ParamIs("PARTSTAT", "NEEDS-ACTION") {
			return p.Param("PARTSTAT")
		}
	}
	return ""
}

// again asks for an answer to be sent that is what it was: the organizer may not
// have heard of it. RFC 6638 §7.2.
func (e *Editor) again(c *ical.Component) {
	i := slices.IndexFunc(c.Props, func(p ical.Property) bool { return p.Name == "ORGANIZER" })
	if i < 0 || e.isOwner(c.Props[i].Value) || c.Props[i].ParamIs("SCHEDULE-AGENT", "CLIENT") || c.Props[i].ParamIs("SCHEDULE-AGENT", "NONE") {
		return
	}
	p := c.Props[i].Clone()
	p.SetParam("SCHEDULE-FORCE-SEND", "REPLY")
	c.Props[i] = p
}
