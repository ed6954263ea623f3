package itip

import (
	"time"

	"factotum/server/ical"
)

// later is by how much a series begins later than it did: by as much whoever moves
// it changes what its instances are called.
func (was *meeting) later(is *meeting) time.Duration {
	if was.master == nil || is.master == nil || len(is.order) == 0 {
		return 0
	}
	from, to := was.master.Prop("DTSTART"), is.master.Prop("DTSTART")
	if from == nil || to == nil {
		return 0
	}
	a, err := from.DateTime()
	if err != nil {
		return 0
	}
	b, err := to.DateTime()
	if err != nil || a.Kind != b.Kind {
		return 0
	}
	return b.Civil().Sub(a.Civil())
}

// stood is what a component of a new version takes the place of: of a series that
// begins later by so much, the exception that was moved along with it.
func (was *meeting) stood(is *meeting, k key, later time.Duration) *ical.Component {
	if k != entire && later != 0 {
		if d, err := is.override(k).Prop("RECURRENCE-ID").DateTime(); err == nil {
			before := ical.FromCivil(d.Civil().Add(-later), d.Kind, d.TZID)
			if c := was.override(was.keyOf(before, is.zones)); c != nil {
				return c
			}
		}
	}
	return was.component(k)
}
