package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"factotum/server/calendar"
)

// writer is a write transaction of one owner. It reads as it likes, and comes
// to a calendar through the door (enter) only. What it changes it changes by
// the functions of record*.go, which leave a calendar.Change for each number.
type writer struct {
	calendar.ReadTx
	tx      calendar.Tx // for record*.go alone
	s       *Service
	owner   calendar.Owner
	who     calendar.Actor
	op      string
	token   string
	now     time.Time
	begun   int // changes that have a number
	changes []*calendar.Change
	jobs    []calendar.Job
	gone    []calendar.JobID // jobs without a key that are deleted
	grown   int64            // octets of files that came or went, for the next change
	memo    *memo            // what the directory said
	undoes  int64            // the change that the next ones take back
	me      *calendar.Person // the owner, if it was looked up; without an ID he is not in the directory
	notes   []calendar.Note  // that the next change brings
	// withdrawn is the invitation that its sharer took back: who loses the share
	// by that does not decline.
	withdrawn string
}

// write runs fn in a write transaction of the owner, once for a request token:
// if the write was committed before, what it left in res is put there again.
// res is a pointer to a value that JSON carries, or nil.
func (s *Service) write(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner, res any, fn func(*writer) error) error {
	_, err := s.writeOnce(ctx, who, op, owner, res, fn)
	return err
}

// writeOnce is write for those who make their answer of more than res: done
// tells that the write was committed before, and fn left nothing that counts.
func (s *Service) writeOnce(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner, res any, fn func(*writer) error) (done bool, err error) {
	key := onceKey(ctx, op)
	err = s.transact(ctx, who, op, owner, func(w *writer) (err error) {
		done = false
		if key != "" {
			if done, err = recall(w.ReadTx, key, res); done || err != nil {
				return err
			}
		}
		if err := fn(w); err != nil || key == "" {
			return err
		}
		return w.keepOutcome(key, res)
	})
	return done, err
}

// transact runs fn in a write transaction of the owner. When it is durable,
// and before anyone is told of the success, its changes are published in
// commit order and its jobs handed on.
func (s *Service) transact(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner, fn func(*writer) error) error {
	if s.opt.ReadOnly {
		return calendar.Failf(calendar.ReadOnly, "", op, string(owner), "the calendar store is in read-only mode")
	}
	if err := s.countDomain(ctx, owner); err != nil {
		return wrap(op, string(owner), err)
	}
	defer s.cache.Writing(owner)()
	changed, noted, posted := false, false, false // by fn, which has ended
	me, memo := personOf(ctx), new(memo)
	run := func(tx calendar.Tx) error {
		changed, noted, posted = false, false, false
		w := &writer{ReadTx: tx, tx: tx, s: s, owner: owner, who: who, op: op, token: calendar.Token(ctx), now: s.now().UTC().Truncate(time.Microsecond), me: me, memo: memo}
		note, err := w.claim()
		if err != nil {
			return err
		}
		if err := fn(w); err != nil {
			return err
		}
		if note {
			if _, noted, err = w.Home(); err == nil && noted {
				err = w.setEntry(who.Entry)
			}
			if err != nil {
				return err
			}
		}
		if w.begun != len(w.changes) { // nothing may be overlooked that failed half-way
			return &calendar.Error{Kind: calendar.Internal, Op: op, Msg: "a change has no record"}
		}
		posted = len(w.jobs) > 0 && who.Via != "" && who.Via != calendar.ViaDelivery && who.Via != calendar.ViaMail // the server does not wait for itself
		if changed = len(w.changes)+len(w.jobs)+len(w.gone) > 0; changed {
			tx.OnCommit(func() { s.publish(w) })
		}
		return nil
	}
	var err error
	for asked := 0; ; asked++ { // what the directory knows is asked between two attempts
		err = s.store.Update(ctx, owner, run)
		var l *lack
		if errors.Is(err, errPerson) {
			me, err = s.ownerEntry(ctx, op, owner)
		} else if errors.As(err, &l) && asked < 10 {
			err = s.supply(ctx, memo, me, l)
		} else {
			break
		}
		if err != nil {
			break
		}
	}
	if posted && s.opt.Outbox != nil && err == nil {
		s.opt.Outbox.Pace(ctx)
	}
	if err != nil && changed { // the commit failed: perhaps only its answer did
		s.forget(owner)
	} else if noted {
		s.cache.Forget(owner)
	}
	return wrap(op, string(owner), err)
}

type personKey struct{}

// withPerson gives writes that are made with ctx the owner's entry, so that they
// need not begin again for it.
func withPerson(ctx context.Context, p *calendar.Person) context.Context {
	return context.WithValue(ctx, personKey{}, p)
}

func personOf(ctx context.Context) *calendar.Person {
	p, _ := ctx.Value(personKey{}).(*calendar.Person)
	return p
}

// ownerEntry looks the owner up; one who is not in the directory, or not active, has
// no ID.
func (s *Service) ownerEntry(ctx context.Context, op string, owner calendar.Owner) (*calendar.Person, error) {
	p, err := s.person(ctx, op, owner)
	if err != nil && calendar.KindOf(err) == calendar.NoCalendar {
		return &calendar.Person{}, nil
	}
	return &p, err
}

// publish tells of what is committed.
func (s *Service) publish(w *writer) {
	if len(w.changes) > 0 {
		s.cache.Commit(w.owner, w.changes)
		s.use.commit(w.owner, w.changes)
	}
	if slices.ContainsFunc(w.changes, func(c *calendar.Change) bool { return c.Name == "" }) {
		s.names.forget(w.owner)
	}
	if s.opt.Outbox != nil && len(w.jobs) > 0 {
		s.opt.Outbox.Add(w.jobs...)
	}
	if s.opt.Outbox != nil && len(w.gone) > 0 {
		s.opt.Outbox.Gone(w.gone...)
	}
	if s.opt.Committed != nil {
		s.opt.Committed(w.changes)
	}
}

// forget drops what memory has of an owner of whom it is not known what is stored.
func (s *Service) forget(owner calendar.Owner) {
	s.cache.Forget(owner)
	s.names.forget(owner)
	s.use.forget(owner)
	if s.opt.Outbox != nil {
		s.opt.Outbox.Doubt(owner)
	}
}

// ForgetHome drops what memory has of a home that leaves this store, or came to it. Its
// jobs are not the model's.
func (s *Service) ForgetHome(owner calendar.Owner) {
	s.cache.Forget(owner)
	s.names.forget(owner)
	s.use.forget(owner)
}
