package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"factotum/server/calendar"
)

// Arrival is a home that comes from another store. Nobody may read or write it by
// the model before it is active, and its mark tells so after a restart.
type Arrival struct {
	k       *Keeper
	owner   calendar.Owner
	mark    calendar.Job
	r       *restorer
	settled bool // the copy is complete, and in the backups
}

// Arrive makes room for a home: what there is of it is dropped, but for its mark.
func (k *Keeper) Arrive(ctx context.Context, mark calendar.Job) (*Arrival, error) {
	if err := k.Leave(ctx, mark); err != nil {
		return nil, err
	}
	a := &Arrival{k: k, owner: mark.Owner, mark: mark}
	k.Away(a.owner)
	a.r = &restorer{ctx: ctx, to: k.raw, res: &Restored{}, at: map[calendar.Owner]int64{}, images: map[calendar.Owner]int64{}}
	return a, nil
}

// Away keeps a home out of the backups, which is not complete.
func (k *Keeper) Away(owner calendar.Owner) { k.log.away.set(owner, true) }

// IsAway tells whether a home is kept out of them.
func (k *Keeper) IsAway(owner calendar.Owner) bool { return k.log.away.has(owner) }

// Leave drops a home, and leaves a mark that tells why.
func (k *Keeper) Leave(ctx context.Context, mark calendar.Job) error {
	err := k.Store().Update(ctx, mark.Owner, func(tx calendar.Tx) error {
		load, ok := tx.(calendar.Loader)
		if !ok {
			return errors.New("this store cannot drop a home")
		}
		if err := load.DropHome(); err != nil || mark.Kind == "" {
			return err
		}
		return tx.PutJob(mark)
	})
	k.log.away.set(mark.Owner, false)
	return err
}

// errForeign is a part of something else.
func errForeign(owner calendar.Owner, format string, args ...any) error {
	return &calendar.Error{Kind: calendar.Invalid, Op: "move", Ref: string(owner), Msg: fmt.Sprintf(format, args...)}
}

// Part does what a Departure has sent.
func (a *Arrival) Part(ctx context.Context, part []byte) error {
	a.r.ctx = ctx
	lines := newLines(bytes.NewReader(part))
	for {
		var rec record
		if err := lines.next(&rec); err == io.EOF {
			return a.r.flush()
		} else if err != nil {
			return errForeign(a.owner, "what came is damaged: %s", err)
		}
		t := rec.Txn
		if t == nil || t.Owner != a.owner {
			return errForeign(a.owner, "what came is not of %s", a.owner)
		}
		if err := a.line(t); err != nil {
			return err
		}
	}
}

func (a *Arrival) line(t *txn) error {
	switch {
	case t.Image && a.settled:
		return errForeign(a.owner, "a copy came after its end")
	case !t.Image:
		return a.r.transaction(t, 0, 0)
	case len(t.Ops) > 0 && t.Ops[0].Kind == opHome: // from the beginning, perhaps once more
		t.Ops = append([]op{{Kind: opDrop}, {Kind: opPutJob, Job: packJob(&a.mark)}}, t.Ops...)
	case a.r.at[a.owner] == 0 && a.r.images[a.owner] == 0:
		return errForeign(a.owner, "a copy came without its beginning")
	}
	a.r.at[a.owner], a.r.images[a.owner] = t.Change, t.Change
	return a.r.apply(t.Owner, []waiting{{txn: t}})
}

// Sums are digests of the home as it is.
func (a *Arrival) Sums(ctx context.Context) (map[string]string, error) {
	var s *sums
	err := a.k.raw.View(ctx, a.owner, func(tx calendar.ReadTx) error {
		s = newSums()
		s.whole = true
		_, _, err := (&image{owner: a.owner, whole: true, emit: s.add}).take(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.spelled(), nil
}

// Settle tells that the copy is complete: backups have it from now on.
func (a *Arrival) Settle(ctx context.Context) error {
	if !a.k.log.silent() {
		if err := a.k.imageOf(ctx, a.owner); err != nil {
			return err
		}
	}
	a.settle()
	if a.k.complete != nil {
		return a.k.complete(ctx, a.owner)
	}
	return nil
}

func (a *Arrival) settle() {
	a.settled = true
	a.r.to = a.k.Store()
	a.k.log.away.set(a.owner, false)
}

// Settled stores a mark beside a home that is like any other from now on, or with
// a mark without a kind takes it away.
func (k *Keeper) Settled(ctx context.Context, mark calendar.Job) error {
	err := k.Store().Update(ctx, mark.Owner, func(tx calendar.Tx) error {
		if mark.Kind == "" {
			return tx.DeleteJob(mark.Change, mark.Seq)
		}
		return tx.PutJob(mark)
	})
	if err == nil {
		k.log.away.set(mark.Owner, false)
	}
	return err
}

// silent tells whether nothing is written by the log.
func (l *log) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle
}
