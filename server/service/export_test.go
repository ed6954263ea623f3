package service

import (
	"context"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// Receive, Handled and InvitationsTo are what the delivery of messages asks of
// an inbox, each in a transaction of its own.
func (s *Service) Receive(ctx context.Context, owner calendar.Owner, uid, from, text string) error {
	msg, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		return err
	}
	return s.transact(ctx, calendar.Actor{}, "deliver", owner, func(w *writer) error { _, err := w.receive(uid, from, msg, msg.Bytes()); return err })
}

func (s *Service) Handled(ctx context.Context, owner calendar.Owner, uid string) error {
	return s.transact(ctx, calendar.Actor{}, "put object", owner, func(w *writer) error { return w.handled(uid) })
}

func (s *Service) InvitationsTo(ctx context.Context, owner calendar.Owner) (name string, err error) {
	err = s.transact(ctx, calendar.Actor{}, "deliver", owner, func(w *writer) (err error) {
		name, err = w.invitationsTo()
		return err
	})
	return name, err
}

// DomainUse tells how many octets the people of a domain store on this back end; ok
// is false where nobody counts them, since the domain has no quota.
func (s *Service) DomainUse(ctx context.Context, name string) (octets int64, ok bool, err error) {
	d := s.domains().Named(name)
	if d == nil || d.Quota <= 0 {
		return 0, false, nil
	}
	owner := calendar.Owner("@" + d.Name)
	if err := s.countDomain(ctx, owner); err != nil {
		return 0, false, err
	}
	octets, ok = s.use.of(d.Name)
	return octets, ok, nil
}
