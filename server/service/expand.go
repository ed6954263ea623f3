package service

import (
	"context"
	"errors"

	"factotum/server/calendar"
	"factotum/server/group"
	"factotum/server/ical"
)

// GroupOptions are what ics.conf says about groups that are invited.
type GroupOptions struct {
	Never bool // group.invite.expand="no"
	Most  int  // calstore.group.attendee.maxsize, 0 is any, -1 as Never
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
	return s.groupRules(s.asks(organizer.Actor())).Expand(ctx, organizer, before, after)
}

func (s *Service) groupRules(people calendar.People) *group.Rules {
	return &group.Rules{
		People: people, Never: s.opt.Groups.Never, Most: s.opt.Groups.Most, Keep: s.opt.Groups.Keep,
		Attendees: s.opt.Limits.Attendees, Octets: s.opt.Limits.ObjectSize, Now: s.now(), Floating: s.zone,
	}
}

// expand is expandGroups inside of a transaction, which does not wait for the
// directory: it goes by what was asked before it began. Where that is not enough
// it fails with a *lack, and transact asks and begins again.
func (w *writer) expand(before, after *ical.Component) (*ical.Component, error) {
	if w.s.people == nil {
		return after, nil
	}
	next, err := w.s.groupRules(told{memo: w.memo}).Expand(context.Background(), *w.me, before, after)
	if errors.Is(err, errUntold) {
		return nil, &lack{before: before, after: after}
	}
	return next, err
}

// lack says for what the directory has to be asked.
type lack struct {
	before, after *ical.Component
	mail          string // whose address it is, and nothing else
}

func (*lack) Error() string { return "the directory has to be asked" }

// supply asks the directory all that expand will.
func (s *Service) supply(ctx context.Context, m *memo, me *calendar.Person, l *lack) error {
	if m.persons == nil {
		*m = memo{persons: map[string]answer[calendar.Person]{}, members: map[string]answer[[]calendar.Person]{}}
	}
	if l.mail != "" {
		if _, err := (asking{s.people, m}).ByMail(ctx, l.mail); calendar.KindOf(err) != calendar.NotFound {
			return err
		}
		return nil
	}
	_, err := s.groupRules(asking{s.asks(me.Actor()), m}).Expand(ctx, *me, l.before, l.after)
	return err
}

// memo is what the directory answered on behalf of one write.
type memo struct {
	persons map[string]answer[calendar.Person]
	members map[string]answer[[]calendar.Person]
}

type answer[T any] struct {
	is   T
	more bool
	err  error
}

// asking asks the directory and notes what it says.
type asking struct {
	calendar.People
	memo *memo
}

// Person implements calendar.People.
func (a asking) Person(ctx context.Context, id calendar.UserID) (calendar.Person, error) {
	p, err := a.People.Person(ctx, id)
	a.memo.persons["id "+id] = answer[calendar.Person]{is: p, err: err}
	return p, err
}

// ByMail implements calendar.People.
func (a asking) ByMail(ctx context.Context, address string) (calendar.Person, error) {
	p, err := a.People.ByMail(ctx, address)
	a.memo.persons["mail "+address] = answer[calendar.Person]{is: p, err: err}
	return p, err
}

// Members implements calendar.People.
func (a asking) Members(ctx context.Context, group calendar.UserID, deep bool, limit int) ([]calendar.Person, bool, error) {
	found, more, err := a.People.Members(ctx, group, deep, limit)
	a.memo.members[group] = answer[[]calendar.Person]{found, more, err}
	return found, more, err
}

// told answers what was noted.
type told struct {
	calendar.People // nil: nothing else is asked
	memo            *memo
}

var errUntold = errors.New("the directory was not asked")

// Person implements calendar.People.
func (t told) Person(_ context.Context, id calendar.UserID) (calendar.Person, error) {
	return t.person("id " + id)
}

// ByMail implements calendar.People.
func (t told) ByMail(_ context.Context, address string) (calendar.Person, error) {
	return t.person("mail " + address)
}

func (t told) person(key string) (calendar.Person, error) {
	a, ok := t.memo.persons[key]
	if !ok {
		return calendar.Person{}, errUntold
	}
	return a.is, a.err
}

// Members implements calendar.People.
func (t told) Members(_ context.Context, group calendar.UserID, _ bool, _ int) ([]calendar.Person, bool, error) {
	a, ok := t.memo.members[group]
	if !ok {
		return nil, false, errUntold
	}
	return a.is, a.more, a.err
}
