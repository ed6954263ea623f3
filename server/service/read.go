package service

import (
	"context"
	"errors"
	"strings"
	"time"

	"factotum/server/acl"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/match"
)

// errNoDefault says that a default calendar is missing that is to be made.
var errNoDefault = errors.New("no default calendar")

// read runs fn over one state of a home, perhaps more than once: fn forgets
// what an earlier run left, and gives nothing away. If it comes upon a default
// calendar that is to be made, it is made, and fn runs again.
func (s *Service) read(ctx context.Context, who calendar.Actor, op, ref string, owner calendar.Owner, fn func(cache.View) error) error {
	err := s.readHomeOf(ctx, who, owner, fn)
	if errors.Is(err, errNoDefault) {
		if err = s.provision(ctx, who, owner); err == nil {
			err = s.readHomeOf(ctx, who, owner, fn)
		} else if calendar.KindOf(err) == calendar.NoCalendar && !strings.EqualFold(who.User, string(owner)) {
			err = &calendar.Error{Kind: calendar.NoCalendar, Reason: calendar.ReasonOf(err), Op: op, Ref: ref}
		}
		if errors.Is(err, errNoDefault) { // and taken away again meanwhile
			err = calendar.Fail(calendar.NoCalendar, op, ref)
		}
	}
	return wrap(op, ref, err)
}

// readCalendar is read for a use case about one calendar, in which who may do
// this.
func (s *Service) readCalendar(ctx context.Context, who calendar.Actor, op string, id calendar.ID, may access, fn func(cache.View, *cache.Calendar, calendar.Rights) error) error {
	return s.read(ctx, who, op, string(id), id.Owner(), func(v cache.View) error {
		cal, r, err := s.find(v, who, op, id, may)
		if err != nil {
			return err
		}
		return fn(v, cal, r)
	})
}

// find finds a calendar in which who may do this, and what else he may do.
func (s *Service) find(v cache.View, who calendar.Actor, op string, id calendar.ID, may access) (*cache.Calendar, calendar.Rights, error) {
	cal, err := v.Calendar(id.Name())
	if err != nil {
		return nil, calendar.Rights{}, err
	}
	if cal == nil && id.Name() == calendar.DefaultName && s.provisions(who, id.Owner()) {
		return nil, calendar.Rights{}, errNoDefault
	}
	if _, isBox := calendar.KindOfName(id.Name()); isBox && isSelf(who, id.Owner()) && s.provisions(who, id.Owner()) { // who looks into his inbox first comes to his home, too
		if def, err := v.Calendar(calendar.DefaultName); err != nil {
			return nil, calendar.Rights{}, err
		} else if def == nil {
			return nil, calendar.Rights{}, errNoDefault
		}
	}
	if cal, err = s.box(v, who, id.Owner(), id.Name(), cal); err != nil {
		return nil, calendar.Rights{}, err
	}
	if cal == nil {
		return nil, calendar.Rights{}, calendar.Fail(calendar.NoCalendar, op, string(id))
	}
	r, err := s.admit(who, op, id, &cal.Row, cal.CoOwners, may)
	if err != nil {
		return nil, r, err
	}
	return cal, r, nil
}

func (s *Service) rightsOn(who calendar.Actor, cal *cache.Calendar) calendar.Rights {
	return s.rights(who, cal.ID.Owner(), cal.CoOwners, cal.Row.ACL)
}

// hides tells whether an object of that class is shown to the actor without
// its details.
func (s *Service) hides(class uint8, r calendar.Rights, who calendar.Actor, cal *cache.Calendar) bool {
	return class != 0 && s.masksFrom(who, cal.ID.Owner(), r, cal.CoOwners)
}

// shown is an object as who sees it.
func (s *Service) shown(cal *cache.Calendar, o *cache.Object, r calendar.Rights, who calendar.Actor) *cache.Object {
	switch {
	case s.hides(o.Class, r, who, cal):
		return &cache.Object{Object: match.Mask(o.Object)}
	case s.isApart(who, r, cal.CoOwners, cal.Row.Kind):
		return s.seenBy(who, cal, o)
	}
	return o
}

// describe returns the calendar as who, with those rights, sees it.
func (s *Service) describe(cal *cache.Calendar, r calendar.Rights, who calendar.Actor) calendar.Calendar {
	c := shownTo(cal, r)
	if len(cal.Props) > 0 {
		list, rest := calendar.Invitees(cal.Props)
		c.Invitees = s.invitees(list, cal.ID, cal.Row.ACL, cal.CoOwners, who, r)
		if c.Props != nil {
			c.Props = rest
		}
	}
	return c
}

// shownTo is the calendar as somebody with those rights sees it.
func shownTo(cal *cache.Calendar, r calendar.Rights) calendar.Calendar {
	row := &cal.Row
	c := calendar.Calendar{
		ID: cal.ID, Incarnation: row.ID, Change: row.Change, Kind: row.Kind,
		DisplayName: row.DisplayName, Description: row.Description, Color: row.Color, Order: row.Order,
		TZID: row.TZID, Timezone: row.Timezone, Components: cal.Components, CoOwners: cal.CoOwners, ACL: row.ACL,
		Transparent: row.Transparent, NoDoubles: row.NoDoubles, Disabled: row.Disabled,
		Categories: row.Categories, Charset: row.Charset, Language: row.Language,
		Created: row.Created, Modified: row.Modified, Count: -1, Props: cal.Props, Rights: r,
	}
	if !r.Owner && !r.CanRead() {
		// Who may not read is not told what changes inside, and when: a change of
		// the calendar's own properties is all that he learns of.
		c.Change, c.Modified = row.MetaChange, row.Created
		c.Color, c.Order, c.Props = "", "", nil
	}
	if !r.Owner && !r.Properties.Has(acl.Read) {
		// Who may see busy time only is not told what the calendar is about.
		c.DisplayName, c.Description, c.Categories = "", "", ""
		c.TZID, c.Timezone, c.Charset, c.Language = "", "", "", ""
		c.Created, c.Modified = time.Time{}, time.Time{}
	}
	if !r.Owner && !r.Properties.Has(acl.Read) && !(r.Components | r.Properties).Has(acl.SelfAdmin) {
		// Nor does he learn who else may do what. RFC 3744 §3.6, DAV:read-acl.
		c.ACL, c.CoOwners = nil, nil
	}
	return c
}

// Calendar describes one calendar.
func (s *Service) Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (c calendar.Calendar, err error) {
	err = s.readCalendar(ctx, who, "calendar", id, nil, func(v cache.View, cal *cache.Calendar, r calendar.Rights) error {
		c = s.describe(cal, r, who)
		return s.tellInbox(v, cal, &c)
	})
	return c, err
}
