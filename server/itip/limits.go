package itip

import (
	"factotum/server/calendar"
	"factotum/server/ical"
)

// What nobody writes by hand must not cost what it multiplies to: ten thousand
// exceptions each of which ten thousand people see, each in his own way.
const (
	mostSeen  = 1 << 17  // components that the views of all circles have
	mostSent  = 16 << 20 // octets of all messages of a change
	mostGrown = 10 << 20 // octets of the exceptions that answers make of a series
)

// tooVarious refuses a meeting of which too many people see something else.
func tooVarious(circles int) error {
	return calendar.Errorf(calendar.TooLarge, calendar.MaxAttendees,
		"too many attendees are invited to different instances, more than %d groups of them: invite the same people to more of it, or make several meetings of it", circles)
}

// growth is how much exceptions that are made of a series take.
type growth int

// add counts one, and fails where they take too much.
func (g *growth) add(master *ical.Component) error {
	if *g += growth(octets(master)); *g <= mostGrown {
		return nil
	}
	return calendar.Errorf(calendar.TooLarge, calendar.MaxResourceSize,
		"answers to single instances would make the object larger than %d octets: answer for the series", mostGrown)
}

// octets is about how long a component is in writing.
func octets(c *ical.Component) (n int) {
	for i := range c.Props {
		p := &c.Props[i]
		n += len(p.Name) + len(p.Value) + 3
		for j := range p.Params {
			n += len(p.Params[j].Name) + 2
			for _, v := range p.Params[j].Values {
				n += len(v) + 1
			}
		}
	}
	return n
}
