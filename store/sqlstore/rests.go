package sqlstore

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"time"

	"factotum/server/calendar"
)

// sweeper has the rests of large deletions go, piece by piece, each in a transaction of
// its own: who writes meanwhile waits for one of them, and nobody for all.
type sweeper struct {
	pieces
	e   engine
	log *slog.Logger

	called chan struct{}
	ctx    context.Context
	stop   context.CancelFunc
	ended  chan struct{}
}

// pieces are how large deletions are taken apart; tests have other ones.
type pieces struct {
	rows  int64 // of a piece, 0: restRows
	most  int   // that go unasked, 0: all
	whole bool  // there are none: all goes at once
}

// newSweeper makes one, which begins with what is left of before.
func newSweeper(e engine, opts *Options, left bool) *sweeper {
	w := &sweeper{e: e, log: opts.Log, pieces: opts.pieces, called: make(chan struct{}, 1), ended: make(chan struct{})}
	w.rows = cmp.Or(w.rows, restRows)
	w.ctx, w.stop = context.WithCancel(context.Background())
	if left {
		w.wake()
	}
	go w.run()
	return w
}

// wake has it look for rests.
func (w *sweeper) wake() {
	select {
	case w.called <- struct{}{}:
	default:
	}
}

func (w *sweeper) close() {
	w.stop()
	<-w.ended
}

// longestSweepPause is between two attempts while the database cannot be written to.
const longestSweepPause = time.Minute

func (w *sweeper) run() {
	defer close(w.ended)
	var owner calendar.Owner // of the last piece
	for pieces := 0; ; {
		select {
		case <-w.called:
		case <-w.ctx.Done():
			return
		}
		failed := time.Duration(0)
		for more := true; more && (w.most == 0 || pieces < w.most); pieces++ {
			began := time.Now()
			var err error
			if owner, err = w.next(w.ctx, owner); err == nil && owner != "" {
				_, err = w.piece(w.ctx, owner)
			}
			if w.ctx.Err() != nil {
				return
			}
			more = err != nil || owner != ""
			pause := time.Since(began) // the processor and the disk are others' too
			if err == nil {
				failed = 0
			} else {
				failed = min(max(2*failed, time.Second), longestSweepPause)
				pause = failed
				w.log.Warn("the rest of a large deletion cannot go", "owner", owner, "err", err)
			}
			select {
			case <-time.After(pause):
			case <-w.ctx.Done():
				return
			}
		}
	}
}

// settle has all rests of an owner go, and returns when they are gone.
func (w *sweeper) settle(ctx context.Context, owner calendar.Owner) error {
	for {
		if more, err := w.piece(ctx, owner); err != nil || !more {
			return err
		}
	}
}

// settleAll does it for all owners.
func (w *sweeper) settleAll(ctx context.Context) error {
	for {
		owner, err := w.next(ctx, "")
		if err != nil || owner == "" {
			return err
		}
		if err := w.settle(ctx, owner); err != nil {
			return err
		}
	}
}

// piece does one piece of an owner; more is false where there was none.
func (w *sweeper) piece(ctx context.Context, owner calendar.Owner) (more bool, err error) {
	err = w.e.tend(ctx, owner, func(c conn) error {
		var r rest
		if err := c.query(sqlRestOf, args(string(owner)), func(s scanner) error { return readRest(s, &r) }); err != nil {
			return wrap("read what was deleted", err)
		}
		if more = r.owner != ""; !more {
			return nil
		}
		t := newTx(c, owner, 0, func() int64 { return 0 })
		t.piece = w.rows
		return r.piece(t)
	})
	return more, err
}

// next finds an owner of whom there is a rest, "" if there is none. Each has a turn after the
// other: one whose rows cannot be removed is in nobody's way.
func (w *sweeper) next(ctx context.Context, after calendar.Owner) (calendar.Owner, error) {
	var owner string
	err := w.e.read(ctx, func(c conn) error {
		found, err := c.row(sqlLeftAfter, args(string(after)), &owner)
		if err == nil && !found && after != "" {
			_, err = c.row(sqlLeft, nil, &owner)
		}
		return wrap("look for what was deleted", err)
	})
	return calendar.Owner(owner), err
}

// lastChange is after all.
const lastChange = int64(math.MaxInt64)

const sweep = "remove what was deleted"

// piece removes some rows, or the rest itself when there are none.
func (r *rest) piece(t *tx) error {
	if r.cal != 0 {
		of := r.calendarPiece
		if r.keeps == restPurges {
			of = r.tombstonesPiece
		}
		if some, err := of(t); err != nil || some {
			return err
		}
		return t.exec(sweep, sqlDropRest, r.key()...)
	}
	if r.change == 0 {
		for _, table := range []string{"objects", "attachments", "occurrences", "props"} {
			var cal int64
			some, err := t.row(sweep, `SELECT cal FROM `+table+` WHERE owner = $1 LIMIT 1`, args(r.owner), &cal)
			if err != nil {
				return err
			}
			if of := (&rest{owner: r.owner, cal: cal}); some {
				_, err := of.calendarPiece(t)
				return err
			}
		}
	}
	if some, err := r.historyPiece(t); err != nil || some {
		return err
	}
	return t.exec(sweep, sqlDropRest, r.key()...)
}

// calendarPiece removes some of the rows of a calendar, false if there are none.
func (r *rest) calendarPiece(t *tx) (some bool, err error) {
	for _, of := range []func(*tx) (bool, error){r.objectsPiece, r.filesPiece, r.occurrencesPiece, r.propsPiece} {
		if some, err = of(t); some || err != nil {
			return some, err
		}
	}
	return false, nil
}

// pieceOf finds the rows of a piece: those that a query lists first, by what read tells of
// the octets of each.
func pieceOf[T any](t *tx, text string, key []any, most int64, read func(scanner, *T) (octets int64, err error)) (rows []T, err error) {
	total := int64(0)
	err = t.conn.query(text, append(key, most), func(s scanner) error {
		if total > restOctets {
			return nil
		}
		var row T
		octets, err := read(s, &row)
		rows, total = append(rows, row), total+octets
		return err
	})
	if total > 2*restOctets { // one of them is large
		t.conn.patient()
	}
	return rows, t.wrap(sweep, err)
}

const (
	sqlObjectsPiece     = `SELECT name, size, deleted FROM objects WHERE owner = $1 AND cal = $2 ORDER BY name LIMIT $3`
	upToName            = ` WHERE owner = $1 AND cal = $2 AND name <= $3`
	sqlBodiesUpTo       = dropBodies + ` IN (SELECT body FROM objects` + upToName + `)`
	sqlBodyListUpTo     = dropBodies + ` = ANY(ARRAY(SELECT body FROM objects` + upToName + `))`
	sqlObjectsUpTo      = `DELETE FROM objects` + upToName
	sqlPropsUpTo        = `DELETE FROM props` + upToName
	sqlObjectPropsUpTo  = `SELECT name, space, local, value FROM props` + upToName + ` AND name > '' ORDER BY name, space, local`
	sqlFilesPiece       = `SELECT name, id, size FROM attachments WHERE owner = $1 AND cal = $2 ORDER BY name, id LIMIT $3`
	sqlFilesUpTo        = `DELETE FROM attachments WHERE owner = $1 AND cal = $2 AND (name, id) <= ($3, $4)`
	sqlOccurrencesPiece = `SELECT cls, start_at, name, seq FROM occurrences WHERE owner = $1 AND cal = $2 ORDER BY cls, start_at, name, seq LIMIT $3`
	sqlOccurrencesUpTo  = `DELETE FROM occurrences WHERE owner = $1 AND cal = $2 AND (cls, start_at, name, seq) <= ($3, $4, $5, $6)`
	sqlPropsPiece       = `SELECT name, value FROM props WHERE owner = $1 AND cal = $2 ORDER BY name, space, local LIMIT $3`
	sqlTombstonesPiece  = `SELECT name, size, deleted FROM objects WHERE owner = $1 AND cal = $2 AND name > $3 ORDER BY name LIMIT $4`
	// With a plus, so that the index of tombstones is no choice: all may have one time.
	expiredUpTo             = ` FROM objects WHERE owner = $1 AND cal = $2 AND name > $6 AND name <= $7 AND +deleted < $3 AND +deleted > 0 AND +deleted >= $4 AND +change <= $5`
	sqlBodiesOfTombstones   = dropBodies + ` IN (SELECT body` + expiredUpTo + `)`
	sqlBodyListOfTombstones = dropBodies + ` = ANY(ARRAY(SELECT body` + expiredUpTo + `))`
	sqlTombstonesUpTo       = `DELETE` + expiredUpTo
	sqlHistoryPiece         = `SELECT change, seq, size FROM history WHERE owner = $1 AND change <= $2 ORDER BY change, seq LIMIT $3`
	sqlHistoryUpTo          = `DELETE FROM history WHERE owner = $1 AND (change, seq) <= ($2, $3)`
)

// objectsPiece: the texts and properties of objects go with them.
func (r *rest) objectsPiece(t *tx) (bool, error) {
	type row struct {
		name          string
		size, deleted int64
	}
	rows, err := pieceOf(t, sqlObjectsPiece, args(r.owner, r.cal), t.piece, func(s scanner, o *row) (int64, error) {
		err := s.scan(&o.name, &o.size, &o.deleted)
		return o.size, err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	last := rows[len(rows)-1].name
	if r.keeps == restKeeps {
		if err := t.exec(sweep, sqlKeepObjects, r.kept(calendar.WentAlong, last)...); err != nil {
			return false, err
		}
		props, err := t.propsByName(sqlObjectPropsUpTo, args(r.owner, r.cal, last))
		if err != nil {
			return false, err
		}
		for _, o := range rows {
			if o.deleted > 0 {
				continue
			}
			if r.seq++; len(props[o.name]) > 0 {
				if err := t.setHistoryProps(sweep, r.change, r.seq, props[o.name]); err != nil {
					return false, err
				}
			}
		}
		if err := t.exec(sweep, sqlRestSeq, append(r.key(), r.seq)...); err != nil {
			return false, err
		}
	}
	for _, text := range []string{t.either(sqlBodiesUpTo, sqlBodyListUpTo), sqlObjectsUpTo, sqlPropsUpTo} {
		if err := t.exec(sweep, text, r.owner, r.cal, last); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *rest) filesPiece(t *tx) (bool, error) {
	type row struct {
		name, id string
		size     int64
	}
	rows, err := pieceOf(t, sqlFilesPiece, args(r.owner, r.cal), t.piece, func(s scanner, f *row) (int64, error) {
		err := s.scan(&f.name, &f.id, &f.size)
		return f.size, err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	last := rows[len(rows)-1]
	if r.keeps == restKeeps {
		if err := t.exec(sweep, sqlKeepFiles, r.kept(calendar.FileDropped, last.name, last.id)...); err != nil {
			return false, err
		}
		if err := t.exec(sweep, sqlRestSeq, append(r.key(), r.seq+int64(len(rows)))...); err != nil {
			return false, err
		}
	}
	return true, t.exec(sweep, sqlFilesUpTo, r.owner, r.cal, last.name, last.id)
}

func (r *rest) occurrencesPiece(t *tx) (bool, error) {
	type row struct {
		cls, start int64
		name       string
		seq        int64
	}
	rows, err := pieceOf(t, sqlOccurrencesPiece, args(r.owner, r.cal), t.piece, func(s scanner, o *row) (int64, error) {
		return 0, s.scan(&o.cls, &o.start, &o.name, &o.seq)
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	last := rows[len(rows)-1]
	return true, t.exec(sweep, sqlOccurrencesUpTo, r.owner, r.cal, last.cls, last.start, last.name, last.seq)
}

// propsPiece: those of the last name may be some more.
func (r *rest) propsPiece(t *tx) (bool, error) {
	rows, err := pieceOf(t, sqlPropsPiece, args(r.owner, r.cal), t.piece, func(s scanner, name *string) (int64, error) {
		var value string
		err := s.scan(name, &value)
		return int64(len(value)), err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	return true, t.exec(sweep, sqlPropsUpTo, r.owner, r.cal, rows[len(rows)-1])
}

// tombstonesPiece removes tombstones of a calendar by name, and none that came since; calname
// is the last name that was looked at.
func (r *rest) tombstonesPiece(t *tx) (bool, error) {
	rows, err := pieceOf(t, sqlTombstonesPiece, args(r.owner, r.cal, r.calname), 8*t.piece, func(s scanner, name *string) (int64, error) {
		var size, deleted int64
		err := s.scan(name, &size, &deleted)
		if deleted == 0 {
			return 0, err
		}
		return size + restOctets/t.piece, err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	last := rows[len(rows)-1]
	for _, text := range []string{t.either(sqlBodiesOfTombstones, sqlBodyListOfTombstones), sqlTombstonesUpTo} {
		if err := t.exec(sweep, text, r.owner, r.cal, r.at, r.seq, r.change, r.calname, last); err != nil {
			return false, err
		}
	}
	return true, t.exec(sweep, sqlRestName, append(r.key(), last)...)
}

// historyPiece removes the oldest versions: of a home that is gone all.
func (r *rest) historyPiece(t *tx) (bool, error) {
	type row struct{ change, seq, size int64 }
	rows, err := pieceOf(t, sqlHistoryPiece, args(r.owner, cmp.Or(r.change, lastChange)), t.piece, func(s scanner, h *row) (int64, error) {
		err := s.scan(&h.change, &h.seq, &h.size)
		return h.size, err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	last := rows[len(rows)-1]
	return true, t.exec(sweep, sqlHistoryUpTo, r.owner, last.change, last.seq)
}
