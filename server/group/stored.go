package group

import (
	"time"

	"factotum/server/ical"
)

// stored are the components of what is stored, by what they are about.
type stored struct {
	by map[string]*ical.Component
	// moved is by how much the series begins later than it did: as much as
	// whoever moves it changes the names of its instances.
	moved time.Duration
}

func storedOf(before, after *ical.Component) stored {
	s := stored{by: map[string]*ical.Component{}}
	if before == nil {
		return s
	}
	for _, c := range before.Children {
		s.by[instance(c, 0)] = c
	}
	for _, c := range after.Children {
		if was := s.by[instance(c, 0)]; was != nil && c.Prop("RECURRENCE-ID") == nil && c.Name != "VTIMEZONE" {
			if from, to := start(was), start(c); !from.IsZero() && !to.IsZero() {
				s.moved = to.Sub(from)
			}
		}
	}
	return s
}

// of is what was stored of a component: that of the series for an instance that
// had none of its own, nil for what is new.
func (s stored) of(c *ical.Component) *ical.Component {
	if c.Prop("RECURRENCE-ID") != nil {
		for _, moved := range []time.Duration{s.moved, 0} {
			if was := s.by[instance(c, moved)]; was != nil {
				return was
			}
		}
	}
	return s.by[c.Name]
}

// instance tells the components of an object apart, as they spell it; what they
// were called before a move.
func instance(c *ical.Component, moved time.Duration) string {
	rid := c.Prop("RECURRENCE-ID")
	if rid == nil {
		return c.Name
	}
	d, err := rid.DateTime()
	if err != nil {
		return c.Name + " " + rid.TZID() + " " + rid.Value
	}
	return c.Name + " " + d.TZID + " " + ical.FromCivil(d.Civil().Add(-moved), d.Kind, d.TZID).String()
}

// start is when a component begins, by its own clock.
func start(c *ical.Component) time.Time {
	if p := c.Prop("DTSTART"); p != nil {
		if d, err := p.DateTime(); err == nil {
			return d.Civil()
		}
	}
	return time.Time{}
}
