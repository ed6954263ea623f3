package service

import (
	"factotum/server/calendar"
	"factotum/server/ical"
)

// roomFor refuses a meeting of so many exceptions that what follows from each write
// would cost too much. What was stored with more may be changed, and have fewer.
func (s *Service) roomFor(before, after *ical.Component) error {
	most, n := s.opt.Limits.Exceptions, exceptionsOf(after)
	if n <= most || n <= exceptionsOf(before) {
		return nil
	}
	return calendar.Errorf(calendar.TooLarge, calendar.MaxInstances,
		"the series has %d exceptions (RECURRENCE-ID), and at most %d are taken where others are invited (factotum.limit.exceptions): "+
			"end it earlier and let another series follow, or change the series instead of its instances", n, most)
}

// exceptionsOf counts the exceptions of a meeting, of what is none 0.
func exceptionsOf(cal *ical.Component) (n int) {
	if organizerOf(cal) == nil {
		return 0
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" && c.Prop("RECURRENCE-ID") != nil {
			n++
		}
	}
	return n
}
