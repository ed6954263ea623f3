package service

import (
	"context"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
)

// place is a calendar that the door let a writer into. Whatever changes a
// calendar or something in it wants a place, and only enter makes one: so no
// use case forgets to ask.
type place struct {
	id     calendar.ID
	row    calendar.CalendarRow
	owners []string // the co-owners
	rights calendar.Rights
	masked bool // private objects are hidden from the actor, and not his to change
	apart  bool // he has alarms of his own: isApart
}

// access is what a use case wants to do in a calendar.
type access func(calendar.Rights) bool

// What use cases ask for.
var (
	toRead       access = calendar.Rights.CanRead
	toWrite      access = calendar.Rights.CanWrite
	toDelete     access = calendar.Rights.CanDelete
	toReadProps  access = func(r calendar.Rights) bool { return r.Properties.Has(acl.Read) }
	toReadACL    access = func(r calendar.Rights) bool { return acl.Privileges(r.Components, r.Properties).Has(acl.PrivReadACL) }
	toWriteProps access = func(r calendar.Rights) bool { return r.Properties.Has(acl.Write) }
	toLookUp     access = func(r calendar.Rights) bool { return r.Components.Has(acl.Lookup) }
	toOwn        access = func(r calendar.Rights) bool { return r.Owner }
)

// toLeave is asked of where something is copied or moved from.
func toLeave(move bool) access {
	if move {
		return toDelete
	}
	return toRead
}

// admit is the one rule of who may do what in a calendar: whom it is hidden
// from does not learn of it, a disabled one is the administrator's, and for the
// rest the rights decide.
func (s *Service) admit(who calendar.Actor, op string, id calendar.ID, row *calendar.CalendarRow, owners []string, may access) (calendar.Rights, error) {
	r := s.rights(who, id.Owner(), owners, row.ACL)
	switch {
	case !r.CanSee() && s.strange(who, id.Owner()):
		return r, calendar.Fail(calendar.NoCalendar, op, string(id))
	case !r.CanSee():
		return r, &calendar.Error{Kind: calendar.NoCalendar, Reason: calendar.Hidden, Op: op, Ref: string(id)}
	case row.Disabled && !s.administers(who, id.Owner()):
		return r, calendar.Failf(calendar.Denied, calendar.Disabled, op, string(id), "this calendar is disabled")
	case may != nil && !may(r):
		return r, calendar.Failf(calendar.Denied, "", op, string(id), "your rights on this calendar do not allow this")
	}
	return r, nil
}

// enter is the door: the calendar exists, and the actor of the write may do
// this in it, now, in the transaction that does it.
func (w *writer) enter(id calendar.ID, may access) (*place, error) {
	row, ok, err := w.Calendar(id.Name())
	if err == nil {
		ok, err = w.box(id.Name(), &row, ok)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, calendar.Fail(calendar.NoCalendar, w.op, string(id))
	}
	owners := strings.Fields(row.CoOwners)
	r, err := w.s.admit(w.who, w.op, id, &row, owners, may)
	if err != nil {
		return nil, err
	}
	return w.s.placeOf(w.who, id, row, owners, r), nil
}

func (s *Service) placeOf(who calendar.Actor, id calendar.ID, row calendar.CalendarRow, owners []string, r calendar.Rights) *place {
	return &place{id: id, row: row, owners: owners, rights: r, masked: s.masksFrom(who, id.Owner(), r, owners), apart: s.isApart(who, r, owners, row.Kind)}
}

// placeFor is what a calendar of an owner is to an actor, whatever he may do there.
func (s *Service) placeFor(who calendar.Actor, owner calendar.Owner, row calendar.CalendarRow) *place {
	owners := strings.Fields(row.CoOwners)
	return s.placeOf(who, calendar.NewID(owner, row.Name), row, owners, s.rights(who, owner, owners, row.ACL))
}

// enterDestination is enter for where something is copied or moved to: that
// it does not exist is a conflict there. RFC 4918 §9.8.5.
func (w *writer) enterDestination(id calendar.ID) (*place, error) {
	p, err := w.enter(id, toWrite)
	return p, destination(w.op, id, err)
}

func destination(op string, id calendar.ID, err error) error {
	if err != nil && calendar.KindOf(err) == calendar.NoCalendar {
		return calendar.Failf(calendar.Stale, calendar.NoDestination, op, string(id), "the collection of the destination does not exist")
	}
	return err
}

// hides tells whether an object is one whose details the actor does not see.
func (p *place) hides(o *calendar.ObjectRow) bool { return p.masked && o.Private != 0 }

// rules are what a calendar asks of objects.
func (w *writer) rules(p *place) object.Rules {
	var components []string
	if p.row.Components != "" {
		components = strings.Split(p.row.Components, ",")
	}
	return object.Rules{Owner: p.id.Owner(), Kind: p.row.Kind, Components: components, Limits: w.s.opt.Limits, Person: func() (calendar.Person, error) {
		if w.me == nil {
			return calendar.Person{}, errPerson
		}
		return *w.me, nil
	}}
}

// look is the first look at a calendar, before the transaction: who may not
// write is told so before his text is read. The door asks again.
func (s *Service) look(ctx context.Context, who calendar.Actor, op string, id calendar.ID, may access) (c *cache.Calendar, r calendar.Rights, err error) {
	err = s.readCalendar(ctx, who, op, id, may, func(_ cache.View, cal *cache.Calendar, rights calendar.Rights) error {
		c, r = cal, rights
		return nil
	})
	return c, r, err
}

// masksFrom tells whether private objects are shown without details to an
// actor with these rights.
func (s *Service) masksFrom(who calendar.Actor, owner calendar.Owner, r calendar.Rights, owners []string) bool {
	return s.filtersPrivate(owner) && !r.Owner && !isCoOwner(who, owners)
}

func isCoOwner(who calendar.Actor, owners []string) bool {
	return who.User != "" && slices.ContainsFunc(owners, func(o string) bool { return strings.EqualFold(o, who.User) })
}
