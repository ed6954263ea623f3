package service

import (
	"context"
	"time"

	"factotum/server/calendar"
)

// Purge forgets deletions older than the purge age of an owner's objects
// and calendars (Sun's delete log). It returns how many tombstones went. Items
// of the inbox that are older than factotum.inbox.age are deleted.
func (s *Service) Purge(ctx context.Context, owner calendar.Owner) (n int, err error) {
	before := s.now().Add(-s.opt.TombstoneAge)
	err = s.write(ctx, calendar.Actor{}, "purge deletions", owner, nil, func(w *writer) (err error) {
		if err := w.expire(s.now().Add(-s.opt.InboxAge)); err != nil {
			return err
		}
		if err := w.expireRegistrations(); err != nil {
			return err
		}
		n, err = w.purge(before)
		return err
	})
	return n, err
}

// PurgeAll runs Purge for every owner.
func (s *Service) PurgeAll(ctx context.Context) (n int, err error) { return s.purgeEach(ctx, s.Purge) }

// PurgeGone forgets the deletions of a time of every owner's, whatever their age; the
// zero ends are open. Who syncs from before one of them starts over. cspurge.
func (s *Service) PurgeGone(ctx context.Context, within calendar.Window) (n int, err error) {
	to := within.To
	if to.IsZero() {
		to = s.now().Add(time.Second)
	}
	return s.purgeEach(ctx, func(ctx context.Context, owner calendar.Owner) (n int, err error) {
		err = s.write(ctx, calendar.Actor{}, "purge deletions", owner, nil, func(w *writer) (err error) {
			n, err = w.purgeGone(within.From, to)
			return err
		})
		return n, err
	})
}

func (s *Service) purgeEach(ctx context.Context, purge func(context.Context, calendar.Owner) (int, error)) (n int, err error) {
	for after := calendar.Owner(""); ; {
		owners, err := s.store.Owners(ctx, after, 500)
		if err != nil || len(owners) == 0 {
			return n, wrap("purge deletions", "", err)
		}
		for _, o := range owners {
			k, err := purge(ctx, o)
			if err != nil && !isElsewhere(err) {
				return n, err
			}
			n += k
			after = o
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
	}
}
