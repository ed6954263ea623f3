package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// known fails with NoCalendar when the directory has no such active owner.
func (s *Service) known(ctx context.Context, op string, owner calendar.Owner) error {
	_, err := s.person(ctx, op, owner)
	return err
}

func (s *Service) person(ctx context.Context, op string, owner calendar.Owner) (calendar.Person, error) {
	if s.people == nil {
		return calendar.Person{ID: string(owner), Kind: calendar.Individual, Active: true}, nil
	}
	p, err := s.people.Person(ctx, string(owner))
	switch {
	case errors.Is(err, calendar.NotFound) || err == nil && p.ID != string(owner):
		return p, nobody(op, owner)
	case err != nil:
		return p, wrap(op, string(owner), err)
	case !p.Active:
		return p, calendar.Failf(calendar.NoCalendar, "", op, string(owner), "this account is not active")
	}
	return p, nil
}

// newRow gives a calendar the defaults that ics.conf and the directory set.
func (s *Service) newRow(p calendar.Person, name string) calendar.CalendarRow {
	list := s.opt.DefaultACL
	switch p.Kind {
	case calendar.Resource, calendar.Room:
		list = s.opt.ResourceACL
	case calendar.Group:
		list = s.opt.GroupACL
	}
	if p.ACL != "" {
		if l, err := acl.Parse(p.ACL); err == nil {
			list = l
		}
	}
	owner, transparent := calendar.Owner(p.ID), false
	if name == calendar.DefaultName && p.Kind == calendar.Individual {
		if s.rule(owner, func(d *calendar.Domain) *bool { return d.PublicRead }, s.opt.PublicRead) {
			list = append(slices.Clone(list), acl.MustParse("@^a^r^g")...)
		}
		transparent = !s.counts(owner)
	}
	owners := p.CoOwners
	if p.Owner != "" && p.Owner != p.ID {
		owners = append([]string{p.Owner}, owners...)
	}
	return calendar.CalendarRow{
		ID: s.newID(), Name: name, Components: strings.Join(calendar.CalendarCollection.Rules().Components, ","), ACL: list.WithOwner(s.opt.OwnerACL),
		TZID: p.TZID, CoOwners: strings.Join(owners, " "), NoDoubles: p.NoDoubles, Transparent: transparent,
	}
}
