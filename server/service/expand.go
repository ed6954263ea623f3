package service

import (
	"context"

	"factotum/server/calendar"
	"factotum/server/group"
	"factotum/server/ical"
)

// GroupOptions are what ics.conf says about groups that are invited.
type GroupOptions struct {
	Never bool // group.invite.expand="no", or calstore.group.attendee.maxsize=-1
	Most  int  // calstore.group.attendee.maxsize, 0 is any
	Keep  bool // factotum.group.follow="no"

	NoProvision bool // group.invite.autoprovision="no": only the administrator makes a group's calendar
}

// expandGroups gives an object that an organizer writes the members of the
// groups that are invited to it: see package group. It asks the directory, so it
// is for before the transaction. before is what is stored, nil for nothing; both
// stay as they are, and after comes back where there is nothing to do.
func (s *Service) expandGroups(ctx context.Context, organizer calendar.Person, before, after *ical.Component) (*ical.Component, error) {
	if s.people == nil {
		return after, nil
	}
	rules := group.Rules{
		People: s.people, Never: s.opt.Groups.Never, Most: s.opt.Groups.Most, Keep: s.opt.Groups.Keep,
		Attendees: s.opt.Limits.Attendees, Octets: s.opt.Limits.ObjectSize, Now: s.now(), Floating: s.zone,
	}
	return rules.Expand(ctx, organizer, before, after)
}
