package itip

import (
	"slices"
	"strings"

	"factotum/server/ical"
)

// Decline tells an attendee that the owner, who organizes the meeting as organizer,
// does not take what he proposed: nothing of the meeting changes. It echoes what he
// proposed, with its SEQUENCE and all whom it names. RFC 5546 §3.2.8.
func (p *Party) Decline(organizer, attendee string, proposal *ical.Component) Message {
	var zones, comps []*ical.Component
	for _, k := range proposal.Children {
		if k.Name == "VTIMEZONE" {
			zones = append(zones, k)
			continue
		}
		c := k.Clone()
		c.Children = nil // alarms
		c.Props = slices.DeleteFunc(c.Props, func(q ical.Property) bool {
			return q.Name == "ORGANIZER" || q.Name == "COMMENT" || q.Name == "REQUEST-STATUS" || strings.HasPrefix(q.Name, "X-")
		})
		c.Add(ical.Property{Name: "ORGANIZER", Value: organizer})
		comps = append(comps, c)
	}
	m := Message{Method: DeclineCounter, UID: comps[0].Value("UID"), From: organizer, To: []string{attendee}, Calendar: p.envelope(DeclineCounter, comps)}
	m.Calendar.Children = append(zones, m.Calendar.Children...)
	return m
}
