package object

import (
	"factotum/server/calendar"
	"factotum/server/ical"
)

// Attending is as which ATTENDEE of an object its owner takes part, so that what
// he has answered counts for his busy time and nobody else's answer does. The zero
// value is as none.
type Attending struct {
	address   string // calendar.AddressKey of his
	place     int    // of the first ATTENDEE with it, among those of all components, from 1 on
	organizes bool   // he organizes it himself: nobody waits for his answer
}

// mostPlaces is how many places the flags of a tail row have room for.
const mostPlaces = 1 << 20

// AttendingAs finds a person among the attendees of an object. Who is there under
// two addresses attends as none: it is not known which of the answers is his.
func AttendingAs(comps []*ical.Component, p calendar.Person) (a Attending) {
	place := 0
	for _, c := range comps {
		for i := range c.Props {
			prop := &c.Props[i]
			if prop.Name == "ORGANIZER" {
				a.organizes = a.organizes || p.HasAddress(prop.Value)
			}
			if prop.Name != "ATTENDEE" {
				continue
			}
			if place++; !p.HasAddress(prop.Value) {
				continue
			}
			switch key := calendar.AddressKey(prop.Value); {
			case a.place == 0 && place <= mostPlaces:
				a.address, a.place = key, place
			case key != a.address:
				return Attending{}
			}
		}
	}
	if a.place == 0 {
		return Attending{}
	}
	return a
}

// flags are what the tail row of a series keeps of it: who expands the rest later
// does not ask who the owner is.
func (a Attending) flags() int {
	if a.place == 0 {
		return 0
	}
	n := a.place << 1
	if a.organizes {
		n |= 1
	}
	return n << calendar.OccDays
}

// AttendingAt is as whom the owner attends an object whose tail row has these flags.
func AttendingAt(cal *ical.Component, flags int) Attending {
	n := flags >> calendar.OccDays
	if flags&calendar.OccTail == 0 || n == 0 {
		return Attending{}
	}
	place := n >> 1
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		for p := range c.All("ATTENDEE") {
			if place--; place == 0 {
				return Attending{address: calendar.AddressKey(p.Value), place: n >> 1, organizes: n&1 != 0}
			}
		}
	}
	return Attending{}
}

// answer is how what he has answered counts: who declined, or sends somebody else,
// is free, and who has not decided may be busy. RFC 5545 §3.2.12.
func (a Attending) answer(c *ical.Component) int {
	if a.place == 0 {
		return 0
	}
	for p := range c.All("ATTENDEE") {
		switch {
		case calendar.AddressKey(p.Value) != a.address:
		case p.ParamIs("PARTSTAT", "DECLINED"), p.ParamIs("PARTSTAT", "DELEGATED"):
			return calendar.OccFree
		case p.ParamIs("PARTSTAT", "TENTATIVE"), unanswered(p) && !a.organizes:
			return calendar.OccTentative
		default:
			return 0
		}
	}
	return 0
}
