package service

import (
	"context"
	"errors"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/group"
	"factotum/server/ical"
)

// Notifier brings a note to where the calendars are of whom it is for: the Router.
type Notifier interface {
	Notify(ctx context.Context, who calendar.Actor, req calendar.NotifyRequest) error
}

// FollowGroups has the meetings to come of all groups on this back end follow
// the directory, and tells how many were changed. A group that fails does not
// spoil the others. Organizers on other back ends are told of by be, and what
// they change does not count; nil tells nobody.
func (s *Service) FollowGroups(ctx context.Context, be Notifier) (changed int, err error) {
	const op = "follow groups"
	if s.people == nil || s.opt.ReadOnly || s.opt.Groups.Keep {
		return 0, nil
	}
	if err := s.lookAgain(); err != nil {
		return 0, err
	}
	found, err := s.allGroups(ctx)
	if err != nil {
		return 0, wrap(op, "", err)
	}
	var bad []error
	for _, g := range found {
		n, err := s.followGroup(ctx, op, be, g)
		if changed += n; err != nil {
			bad = append(bad, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return changed, errors.Join(bad...)
}

// allGroups lists the directory's groups: all of them where it can tell.
func (s *Service) allGroups(ctx context.Context) (found []calendar.Person, err error) {
	if d, ok := s.people.(interface {
		AllGroups(context.Context) ([]calendar.Person, error)
	}); ok {
		return d.AllGroups(ctx)
	}
	found, _, err = s.people.Search(ctx, calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Group}})
	return found, err
}

// FollowGroup does so with one group. Its own calendar says which meetings it is
// invited to; the organizer's object is written by the server as he would write
// it (factotum.group.follow), on whatever back end that is.
func (s *Service) FollowGroup(ctx context.Context, be Notifier, id calendar.UserID) (changed int, err error) {
	const op = "follow group"
	if s.people == nil || s.opt.ReadOnly || s.opt.Groups.Keep {
		return 0, nil
	}
	if err := s.lookAgain(); err != nil {
		return 0, err
	}
	p, err := s.people.Person(ctx, id)
	if errors.Is(err, calendar.NotFound) || err == nil && p.Kind != calendar.Group {
		return 0, calendar.Failf(calendar.NotFound, "", op, id, "the directory has no such group")
	}
	if err != nil {
		return 0, wrap(op, id, err)
	}
	return s.followGroup(ctx, op, be, p)
}

func (s *Service) followGroup(ctx context.Context, op string, be Notifier, g calendar.Person) (changed int, err error) {
	if !s.serves(g) {
		return 0, nil
	}
	meetings, err := s.meetingsOf(ctx, calendar.Owner(g.ID))
	if err != nil {
		return 0, wrap(op, g.ID, err)
	}
	var bad []error
	for _, m := range meetings {
		ok, err := s.follow(ctx, op, be, g, m)
		if err != nil {
			bad = append(bad, err)
		}
		if ok {
			changed++
		}
		if ctx.Err() != nil {
			break
		}
	}
	return changed, errors.Join(bad...)
}

// invitation is what a group's calendar tells of a meeting.
type invitation struct {
	organizer, uid string
	cal            *ical.Component // as the group has it
}

// meetingsOf are those in an owner's calendars of which something is to come.
func (s *Service) meetingsOf(ctx context.Context, owner calendar.Owner) (out []invitation, err error) {
	server := calendar.Actor{Admin: true}
	home, err := s.Home(ctx, server, calendar.HomeRequest{Owner: owner})
	if errors.Is(err, calendar.NoCalendar) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ahead := &calendar.Window{From: s.now().UTC()}
	for _, c := range home.Calendars {
		if !c.Kind.Rules().Objects {
			continue
		}
		filter := calendar.CompFilter{Name: "VCALENDAR", AnyOf: true, Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: ahead}, {Name: "VTODO", TimeRange: ahead}}}
		err := s.Query(ctx, server, calendar.QueryRequest{Calendar: c.ID, Filter: &filter}, func(o *calendar.Object) error {
			cal, err := ical.Parse(o.Data, ical.Limits{})
			if err != nil {
				return nil // what cannot be read invites nobody
			}
			for _, k := range cal.Children {
				if org := k.Prop("ORGANIZER"); org != nil {
					m := invitation{org.Value, o.UID, cal}
					if !slices.ContainsFunc(out, func(k invitation) bool { return k.organizer == m.organizer && k.uid == m.uid }) {
						out = append(out, m)
					}
					break
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// follow has a meeting of a group follow it, and reports whether that changed it
// here. The organizer's back end, where that is another one, is told if the group's
// own copy shows that others are in it now.
func (s *Service) follow(ctx context.Context, op string, be Notifier, g calendar.Person, m invitation) (bool, error) {
	p, err := calendar.ByAddress(ctx, s.people, m.organizer)
	switch {
	case errors.Is(err, calendar.NotFound), err == nil && !p.Active:
		return false, nil
	case err != nil:
		return false, wrap(op, m.organizer, err)
	case s.serves(p):
		return s.followMeeting(ctx, op, p, m.uid)
	case be == nil || !group.Invited(m.cal) || !organizes(p, m.cal):
		return false, nil
	}
	after, err := s.expandGroups(ctx, p, m.cal, m.cal)
	if err != nil || ical.Equal(m.cal, after) {
		return false, wrap(op, m.uid, err)
	}
	note := calendar.Note{To: calendar.Owner(p.ID), From: g.ID, Kind: calendar.NoteFollow, UID: m.uid}
	return false, be.Notify(ctx, calendar.Actor{Admin: true, Via: "groups"}, calendar.NotifyRequest{Note: note})
}

// followed has a meeting follow a group that another back end has told of.
func (s *Service) followed(ctx context.Context, op string, n calendar.Note) error {
	if s.people == nil || s.opt.ReadOnly || s.opt.Groups.Keep {
		return nil
	}
	if err := s.lookAgain(); err != nil {
		return err
	}
	p, err := s.people.Person(ctx, string(n.To))
	if err == nil && p.Active && s.serves(p) {
		_, err = s.followMeeting(ctx, op, p, n.UID)
	}
	return wrap(op, string(n.To), err)
}

// followMeeting has a meeting follow its groups, and reports whether that
// changed it. Who wrote it meanwhile has had it follow himself.
func (s *Service) followMeeting(ctx context.Context, op string, p calendar.Person, uid string) (bool, error) {
	ref, o, err := s.organized(ctx, p, uid)
	if err != nil || o == nil {
		return false, wrap(op, p.ID, err)
	}
	before, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil || !group.Invited(before) || !organizes(p, before) {
		return false, nil
	}
	after, err := s.expandGroups(ctx, p, before, before)
	if err != nil || ical.Equal(before, after) {
		return false, wrap(op, ref.String(), err)
	}
	who := p.ActorVia("groups", "")
	who.Entry = "" // it is not he who comes
	_, err = s.PutObject(ctx, who, calendar.PutRequest{Ref: ref, Data: after.Bytes(), Precond: calendar.Precond{IfMatch: []string{o.ETag()}}})
	if errors.Is(err, calendar.Stale) {
		return false, nil
	}
	return err == nil, err
}

// organizes reports whether somebody is the organizer of an object.
func organizes(p calendar.Person, cal *ical.Component) bool {
	for _, c := range cal.Children {
		if org := c.Prop("ORGANIZER"); org != nil {
			return p.HasAddress(org.Value)
		}
	}
	return false
}

// organized finds the object of a UID in somebody's calendars.
func (s *Service) organized(ctx context.Context, p calendar.Person, uid string) (ref calendar.Ref, found *calendar.Object, err error) {
	server := calendar.Actor{Admin: true}
	err = s.read(ctx, server, "find meeting", p.ID, calendar.Owner(p.ID), func(v cache.View) error {
		found = nil
		cals, err := v.Calendars()
		if err != nil {
			return err
		}
		for _, c := range cals {
			if !c.Row.Kind.Rules().Objects {
				continue
			}
			err := v.Tx(ctx, c, func(tx calendar.ReadTx) error {
				row, ok, err := tx.ObjectByUID(c.Row.ID, uid, true)
				if ok && err == nil {
					ref, found = calendar.Ref{Calendar: c.ID, Name: row.Name}, &calendar.Object{Change: row.Change, Size: row.Size, Data: row.Data}
				}
				return err
			})
			if err != nil || found != nil {
				return err
			}
		}
		return nil
	})
	return ref, found, err
}

// Holds reports whether an owner has an object of a UID in a calendar.
func (s *Service) Holds(ctx context.Context, owner calendar.Owner, uid string) (bool, error) {
	_, o, err := s.organized(ctx, calendar.Person{ID: string(owner)}, uid)
	if errors.Is(err, calendar.NoCalendar) {
		return false, nil
	}
	return o != nil, err
}
