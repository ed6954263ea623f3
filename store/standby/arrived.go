package standby

import (
	"context"
	"errors"
	"slices"

	"factotum/server/calendar"
	"factotum/store/archive"
)

// Settle waits until the standby has all that there is of a home now; where none may take over
// there is nothing to wait for.
func (a *Active) Settle(ctx context.Context, owner calendar.Owner) error {
	if err := a.arrived(ctx, owner); err != nil && !errors.Is(err, errAlone) {
		return err
	}
	a.poke()
	for {
		a.mu.Lock()
		ok := a.phase == alone || a.phase == copying || a.phase == paired && !a.dirty[owner]
		err, changed := a.held(), a.changed
		a.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// arrived brings the standby a home that has come from elsewhere, which nobody uses yet: it takes over
// also while that goes on, and has the mark of a home then that is not complete. errAlone: there is
// another pairing, or none.
func (a *Active) arrived(ctx context.Context, owner calendar.Owner) error {
	a.mu.Lock()
	stream, late := a.stream, a.phase == paired && a.partial[owner]
	a.mu.Unlock()
	if !late {
		return nil
	}
	for a.queues(owner) { // its mark, which comes before
		if err := a.send(); err != nil {
			return err
		}
	}
	err := archive.ImageOf(ctx, a.opt.Store, owner, func(part []byte) error {
		a.mu.Lock()
		same := a.stream == stream
		a.mu.Unlock()
		if !same {
			return errAlone
		}
		return a.ship(part, 0)
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stream == stream && a.phase == paired {
		delete(a.partial, owner)
	}
	return nil
}

// queues tells whether something of a home waits to be sent.
func (a *Active) queues(owner calendar.Owner) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.queue, func(q *queued) bool { return q.owner == owner })
}
