package sqlstore

import (
	"context"
	"time"

	"factotum/server/calendar"
)

// doubt is about an owner whose last COMMIT was sent and not answered: it has
// taken place, or will, or never will. Until that is certain nobody reads or
// writes what the owner has: who were told of the state before could be told so
// again after it.
type doubt struct {
	over chan struct{}
}

// doubtLasts is how long a transaction waits for a doubt to be over; mostly that
// takes some milliseconds.
const doubtLasts = 2 * time.Second

// settled waits until nothing about the owner is in doubt.
func (e *pgEngine) settled(ctx context.Context, owner calendar.Owner) error {
	e.mu.Lock()
	d := e.doubts[owner]
	e.mu.Unlock()
	if d == nil {
		return nil
	}
	if err := e.lease.state().Err; err != nil {
		return err
	}
	wait := time.NewTimer(min(doubtLasts, e.opts.Patience))
	defer wait.Stop()
	select {
	case <-d.over:
		return nil
	case <-ctx.Done():
		return wrap("wait for a commit of unknown outcome", ctx.Err())
	case <-wait.C:
		return &calendar.Error{Kind: calendar.Unavailable, Op: "wait for a commit of unknown outcome", Msg: "PostgreSQL does not answer."}
	}
}

// doubt begins one: the session that was sent the COMMIT is gone for us, but
// perhaps not for the server.
func (e *pgEngine) doubt(owner calendar.Owner, pid uint32) {
	d := &doubt{over: make(chan struct{})}
	e.mu.Lock()
	e.doubts[owner] = d
	e.mu.Unlock()
	e.background.Go(func() {
		for tries := 0; ; tries++ {
			err := e.settle(owner, pid)
			if err == nil {
				break
			}
			if tries == 0 {
				e.opts.Log.Warn("wait for a lost session to end", "user", string(owner), "err", err)
			}
			select {
			case <-time.After(longestPause):
			case <-e.quit: // and nobody asks any more
				return
			}
		}
		e.mu.Lock()
		delete(e.doubts, owner)
		e.mu.Unlock()
		close(d.over)
	})
}

const sqlAfterLock = `SELECT change FROM owners WHERE owner = $1 FOR UPDATE`

// settle waits until a session is over, so that what it was sent has been
// committed, or never will be. On a node to which the commit of a session that
// was ended is still on its way, the owner's row is locked, since the home is
// written by every change of the model; so it is where sessions cannot be ended, from the
// transaction's first answer on.
func (e *pgEngine) settle(owner calendar.Owner, pid uint32) error {
	ctx, cancel := context.WithTimeout(context.Background(), e.opts.Patience)
	defer cancel()
	if e.opts.Fenced {
		// An owner without a row has no lock; the fence tells of all of them.
		var n int
		err := e.pool.QueryRow(ctx, `SELECT count(*) FROM owners WHERE owner = $1`, string(owner)).Scan(&n)
		if err == nil && n == 0 {
			err = fence(ctx, e.pool, nil)
		}
		if err != nil {
			return pgError(err)
		}
	} else if err := endSessions(ctx, e.pool, e.opts.session, pid); err != nil {
		return err
	}
	_, err := e.pool.Exec(ctx, sqlAfterLock, string(owner))
	return pgError(err)
}
