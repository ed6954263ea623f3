package service

import (
	"context"
	"strings"

	"factotum/server/calendar"
)

// provisions reports whether the default calendar of an owner may be made when
// who comes upon its absence: in his own home, where local.autoprovision says so
// (to the administrator's home that option does not apply), and in that of a
// group. Whether it is one, provision asks.
func (s *Service) provisions(who calendar.Actor, owner calendar.Owner) bool {
	if who.User == "" || s.opt.ReadOnly {
		return false
	}
	if strings.EqualFold(who.User, string(owner)) {
		return who.Admin || !s.opt.NoProvision
	}
	return s.people != nil && !s.opt.Groups.NoProvision
}

// provision makes the default calendar of an owner who has none: his own, or
// that of a group, for whoever will see it by its access control list
// (ldap.md §5.5). It is a write of its own, done before the one that came upon
// it, and needs no request token: who repeats it finds it done.
func (s *Service) provision(ctx context.Context, who calendar.Actor, owner calendar.Owner) error {
	const op = "create default calendar"
	p, err := s.person(ctx, op, owner)
	if err != nil {
		return err
	}
	if !strings.EqualFold(who.User, string(owner)) {
		if p.Kind != calendar.Group || !s.serves(p) {
			return calendar.Fail(calendar.NoCalendar, op, string(owner))
		}
		if _, err := s.admitNew(who, op, p); err != nil {
			return err
		}
	}
	return s.makeDefault(ctx, who, op, p)
}

// serves reports whether the calendars of somebody are on this back end.
func (s *Service) serves(p calendar.Person) bool { return s.opt.Serves == nil || s.opt.Serves(p) }

// admitNew is admit for a default calendar that is not made yet.
func (s *Service) admitNew(who calendar.Actor, op string, p calendar.Person) (calendar.Rights, error) {
	row := s.newRow(p, calendar.DefaultName)
	return s.admit(who, op, calendar.NewID(calendar.Owner(p.ID), row.Name), &row, strings.Fields(row.CoOwners), nil)
}

// makeDefault makes the default calendar of a person, unless it is there.
func (s *Service) makeDefault(ctx context.Context, who calendar.Actor, op string, p calendar.Person) error {
	owner := calendar.Owner(p.ID)
	row := s.newRow(p, calendar.DefaultName)
	if row.DisplayName = oneLine(p.Name); row.DisplayName == "" {
		row.DisplayName = string(owner)
	}
	return s.transact(calendar.WithToken(ctx, ""), who, op, owner, func(w *writer) error {
		if _, ok, err := w.Calendar(calendar.DefaultName); err != nil || ok {
			return err // another request was first
		}
		_, err := w.createCalendar(row, nil)
		return err
	})
}
