package service

import (
	"context"
	"errors"
	"strings"

	"factotum/server/cache"
	"factotum/server/calendar"
)

// A home belongs to one entry of the directory (HomeRow.Entry). A name may be
// given to somebody else after its bearer was deleted: he has another entry, and
// what the first one left is not shown to him until the administrator has
// decided. Where the directory does not tell its entries apart, or is foreign
// directory than the one that was noted, nobody knows, and the owner who comes
// is taken for the one who was there.

// claim is how an owner who comes stands to his home.
type claim int

const (
	settled   claim = iota // his, or nobody asks
	unclaimed              // it is not noted yet whose it is
	foreign                // that of an earlier user of the name
)

// claimOn compares who with what is noted of a home.
func claimOn(who calendar.Actor, owner calendar.Owner, noted string) claim {
	if who.Entry == "" || who.User == "" || !strings.EqualFold(who.User, string(owner)) || noted == who.Entry {
		return settled
	}
	if calendar.SameEntry(noted, who.Entry) || who.Admin {
		return unclaimed
	}
	return foreign
}

// errClaim says that it is to be noted, in a write, whose home it is.
var errClaim = errors.New("the home is not claimed")

// claimed is fn for the home's own people: for a stranger it fails. Where nothing can be
// written whose it is stays unnoted.
func (s *Service) claimed(who calendar.Actor, owner calendar.Owner, readOnly bool, fn func(cache.View) error) func(cache.View) error {
	if claimOn(who, owner, "") == settled {
		return fn
	}
	return func(v cache.View) error {
		home := v.Home()
		switch c := claimOn(who, owner, home.Entry); {
		case c == settled || !home.Exists:
		case c == unclaimed && !readOnly:
			return errClaim
		case c == foreign:
			cals, err := v.Calendars()
			if err != nil {
				return err
			}
			if len(cals) > 0 || readOnly {
				return s.inherited(owner)
			}
			return errClaim
		}
		return fn(v)
	}
}

// readHomeOf reads one state of a home, after it is noted whose it is.
func (s *Service) readHomeOf(ctx context.Context, who calendar.Actor, owner calendar.Owner, fn func(cache.View) error) error {
	run := s.claimed(who, owner, s.opt.ReadOnly, fn)
	err := s.cache.Read(ctx, owner, run)
	if errors.Is(err, errClaim) {
		err = s.transact(calendar.WithToken(ctx, ""), who, "note whose home it is", owner, func(*writer) error { return nil })
		if err == nil {
			err = s.cache.ReadStore(ctx, owner, run)
		}
		if calendar.ReasonOf(err) == calendar.DiskFull { // who only wants to read may
			err = s.cache.Read(ctx, owner, s.claimed(who, owner, true, fn))
		}
		if errors.Is(err, errClaim) { // and somebody else came meanwhile
			err = s.inherited(owner)
		}
	}
	return err
}

// inherited is the refusal.
func (s *Service) inherited(owner calendar.Owner) error {
	if _, told := s.told.LoadOrStore(owner, true); !told {
		s.log.Warn("somebody new has the name of an earlier user, and is kept out of his calendars: \"csuser inherit\" gives them to him, \"cscal -o ... delete\" removes them", "user", string(owner))
	}
	return &calendar.Error{Kind: calendar.Denied, Reason: calendar.Inherited, Ref: string(owner),
		Msg: "the calendars here are those of an earlier user of this name; the administrator decides what becomes of them"}
}

// claim is the same inside of a write. What an earlier user left apart from
// calendars goes when there are no calendars of his any more.
func (w *writer) claim() (note bool, err error) {
	if w.who.Entry == "" || !strings.EqualFold(w.who.User, string(w.owner)) {
		return false, nil
	}
	row, exists, err := w.Home()
	if err != nil {
		return false, err
	}
	switch claimOn(w.who, w.owner, row.Entry) {
	case unclaimed:
		return true, nil
	case foreign:
		cals, err := w.Calendars()
		if err != nil {
			return false, err
		}
		if exists && len(cals) > 0 {
			return false, w.s.inherited(w.owner)
		}
		prefs, err := w.Prefs()
		if err != nil {
			return false, err
		}
		names := make([]string, 0, len(prefs))
		for name := range prefs {
			names = append(names, name)
		}
		if len(names) > 0 {
			err = w.setPrefs(nil, names)
		}
		return true, err
	}
	return false, nil
}

// HandOver gives the calendars of an owner to whom the directory has under that
// name now, whoever left them. csuser inherit.
func (s *Service) HandOver(ctx context.Context, owner calendar.Owner) error {
	if err := s.lookAgain(); err != nil {
		return err
	}
	return s.handOver(ctx, owner)
}

// lookAgain has the directory forget what it remembers: it may be of somebody
// who is gone.
func (s *Service) lookAgain() error {
	if d, ok := s.people.(interface{ Refresh() error }); ok {
		return wrap("look at the directory", "", d.Refresh())
	}
	return nil
}

func (s *Service) handOver(ctx context.Context, owner calendar.Owner) error {
	const op = "hand over the calendars"
	if s.people == nil {
		return nil
	}
	p, err := s.people.Person(ctx, string(owner))
	if errors.Is(err, calendar.NotFound) || err == nil && p.ID != string(owner) {
		return calendar.Failf(calendar.NotFound, "", op, string(owner), "nobody of that name is in the directory")
	}
	if err != nil {
		return wrap(op, string(owner), err)
	}
	err = s.transact(ctx, calendar.Actor{}, op, owner, func(w *writer) error {
		row, exists, err := w.Home()
		switch {
		case err != nil:
			return err
		case !exists:
			return calendar.Failf(calendar.NoCalendar, "", op, string(owner), "there are no calendars of that name")
		case row.Entry == p.Entry:
			return nil
		}
		return w.setEntry(p.Entry)
	})
	if err == nil {
		s.cache.Forget(owner)
		s.told.Delete(owner)
	}
	return err
}

// HandOverAll does so with everybody's, as after a move to another directory,
// and tells with how many. Who is in no directory is left out.
func (s *Service) HandOverAll(ctx context.Context) (n int, err error) {
	if err := s.lookAgain(); err != nil {
		return 0, err
	}
	for after := calendar.Owner(""); ; {
		owners, err := s.store.Owners(ctx, after, 500)
		if err != nil || len(owners) == 0 {
			return n, wrap("hand over the calendars", "", err)
		}
		for _, o := range owners {
			switch err := s.handOver(ctx, o); calendar.KindOf(err) {
			case calendar.NotFound, calendar.NoCalendar:
			default:
				if err != nil {
					return n, err
				}
				n++
			}
			after = o
		}
	}
}
