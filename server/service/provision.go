package service

import (
	"context"
	"strings"

	"factotum/server/calendar"
)

// provisions reports whether the default calendar of an owner is made when who
// comes upon its absence: in his own home, where local.autoprovision says so.
// To the administrator's home that option does not apply.
func (s *Service) provisions(who calendar.Actor, owner calendar.Owner) bool {
	return who.User != "" && strings.EqualFold(who.User, string(owner)) && !s.opt.ReadOnly && (who.Admin || !s.opt.NoProvision)
}

// provision makes the default calendar of an owner who has none. It is a write
// of its own, done before the one that came upon it, and needs no request
// token: who repeats it finds it done.
func (s *Service) provision(ctx context.Context, who calendar.Actor, owner calendar.Owner) error {
	const op = "create default calendar"
	p, err := s.person(ctx, op, owner)
	if err != nil {
		return err
	}
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
