package service

import (
	"context"

	"factotum/server/calendar"
)

// Purge forgets deletions older than the purge age of an owner's objects
// and calendars (Sun's delete log). It returns how many tombstones went.
func (s *Service) Purge(ctx context.Context, owner calendar.Owner) (n int, err error) {
	before := s.now().Add(-s.opt.TombstoneAge)
	err = s.update(ctx, "purge deletions", owner, func(w *writer) error {
		n = 0
		rows, err := w.Calendars()
		if err != nil {
			return err
		}
		for _, c := range rows {
			k, err := w.Purge(c.ID, before)
			if err != nil {
				return err
			}
			n += k
		}
		k, err := w.PurgeCalendars(before)
		if err != nil {
			return err
		}
		n += k
		if n > 0 {
			if _, err := w.stamp(); err != nil {
				return err
			}
			w.reset = true
		}
		return nil
	})
	return n, err
}

// PurgeAll runs Purge for every owner.
func (s *Service) PurgeAll(ctx context.Context) (n int, err error) {
	for after := calendar.Owner(""); ; {
		owners, err := s.store.Owners(ctx, after, 500)
		if err != nil || len(owners) == 0 {
			return n, wrap("purge deletions", "", err)
		}
		for _, o := range owners {
			k, err := s.Purge(ctx, o)
			if err != nil {
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
