package archive

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"factotum/server/calendar"
)

// Bounds of a line of an image: a home may be large, and is never in memory whole.
const (
	imageOps    = 500
	imageOctets = 4 << 20
)

// image tells a home as it is, in ops that make it from nothing. What waits only to be
// told again, the outcomes of requests, is left out.
type image struct {
	owner  calendar.Owner
	change int64
	emit   func(*txn) error
	ops    []op
	size   int

	whole    bool // outcomes of requests too, and no mark of a move: the home goes to another store
	marks    bool // and the mark all the same: that is to be the same as this one
	noOwn    bool // without the properties of calendars themselves, as earlier releases
	noTokens bool // whole, but for those outcomes
}

// takeImage calls emit for each line of the image of a home, and tells its number;
// ok is false where there is none.
func takeImage(tx calendar.ReadTx, owner calendar.Owner, emit func(*txn) error) (change int64, ok bool, err error) {
	return (&image{owner: owner, emit: emit}).take(tx)
}

// settled waits for what a large deletion has put into the history, which may be on its way there:
// what was read before is read anew then.
func settled(tx calendar.ReadTx) error {
	return tx.History(calendar.HistoryQuery{Limit: 1}, func(*calendar.HistoryRow) error { return nil })
}

// Settle waits for what would keep an image of a home waiting.
func Settle(ctx context.Context, of calendar.Store, owner calendar.Owner) error {
	return of.View(ctx, owner, settled)
}

func (im *image) take(tx calendar.ReadTx) (change int64, ok bool, err error) {
	h, ok, err := tx.Home()
	if err != nil || !ok {
		return 0, false, err
	}
	if err := settled(tx); err != nil { // before anything is told
		return 0, false, fmt.Errorf("image of %s: %w", im.owner, err)
	}
	im.change = h.Change
	im.ops = append(im.ops, op{Kind: opHome, Home: &homeRow{h.Change, h.Purged, h.Created, h.Entry, h.HistoryFrom}})
	for _, part := range []func(calendar.ReadTx) error{im.prefs, im.gone, im.calendars, im.files, im.jobs, im.traces, im.registrations, im.history, im.tokens} {
		if err := part(tx); err != nil {
			return 0, false, fmt.Errorf("image of %s: %w", im.owner, err)
		}
	}
	return h.Change, true, im.flush(false)
}

func (im *image) add(size int, ops ...op) error {
	im.ops, im.size = append(im.ops, ops...), im.size+size
	if len(im.ops) < imageOps && im.size < imageOctets {
		return nil
	}
	return im.flush(true)
}

func (im *image) flush(more bool) error {
	err := im.emit(&txn{Owner: im.owner, Change: im.change, Image: true, More: more, Ops: im.ops})
	im.ops, im.size = nil, 0
	return err
}

func (im *image) prefs(tx calendar.ReadTx) error {
	prefs, err := tx.Prefs()
	if err != nil {
		return err
	}
	for name, value := range sorted(prefs) {
		if err := im.add(len(value), op{Kind: opSetPref, ID: name, Value: value}); err != nil {
			return err
		}
	}
	return nil
}

func (im *image) gone(tx calendar.ReadTx) error {
	gone, err := tx.GoneCalendars(0)
	if err != nil {
		return err
	}
	for _, g := range gone {
		err := im.add(0,
			op{Kind: opInsertCalendar, Calendar: &calendarRow{ID: g.ID, Name: g.Name, Change: g.Change, Created: g.Deleted, Modified: g.Deleted}},
			op{Kind: opDeleteCalendar, Cal: g.ID, Change: g.Change, When: g.Deleted})
		if err != nil {
			return err
		}
	}
	return nil
}

func (im *image) calendars(tx calendar.ReadTx) error {
	rows, err := tx.Calendars()
	if err != nil {
		return err
	}
	for i := range rows {
		if err := im.add(0, op{Kind: opInsertCalendar, Calendar: packCalendar(&rows[i])}); err != nil {
			return err
		}
		if err := im.objects(tx, rows[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// objects are a calendar's: what was deleted first, since its UID may be another's now.
func (im *image) objects(tx calendar.ReadTx, cal int64) error {
	err := tx.Gone(cal, time.Time{}, time.Time{}, true, func(row *calendar.ObjectRow) error {
		o := *row
		return im.add(len(o.Data), op{Kind: opPut, object: &o},
			op{Kind: opDelete, Cal: cal, Name: o.Name, Change: o.Change, When: o.Deleted, By: string(o.By)})
	})
	if err != nil {
		return err
	}
	index := map[string][]calendar.OccurrenceRow{}
	if err := tx.Occurrences(cal, minTime, maxTime, func(r calendar.OccurrenceRow) error {
		index[r.Name] = append(index[r.Name], r)
		return nil
	}); err != nil {
		return err
	}
	for _, rows := range index {
		slices.SortFunc(rows, func(a, b calendar.OccurrenceRow) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Flags, b.Flags))
		})
	}
	if err := tx.Objects(cal, "", true, func(row *calendar.ObjectRow) error {
		o := *row
		return im.add(len(o.Data), op{Kind: opPutIndexed, object: &o, occ: index[o.Name]})
	}); err != nil {
		return err
	}
	props, err := tx.AllProps(cal)
	if err != nil {
		return err
	}
	if own, err := tx.Props(cal, ""); err != nil {
		return err
	} else if len(own) > 0 && !im.noOwn {
		all := map[string][]calendar.DeadProp{"": own}
		maps.Copy(all, props)
		props = all
	}
	for name, list := range sorted(props) {
		for _, p := range list {
			if err := im.add(len(p.Value), op{Kind: opSetProp, Cal: cal, Name: name, Prop: (*propRow)(&p)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (im *image) files(tx calendar.ReadTx) error {
	var all []calendar.AttachmentRow
	if err := tx.AllAttachments(func(row calendar.AttachmentRow, _ int64) { all = append(all, row) }); err != nil {
		return err
	}
	for _, a := range all {
		row, ok, err := tx.Attachment(a.Cal, a.Name, a.ID)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := im.add(len(row.Data), op{Kind: opPutAttachment, file: &row}); err != nil {
			return err
		}
	}
	return nil
}

func (im *image) jobs(tx calendar.ReadTx) error {
	jobs, err := tx.Jobs()
	if err != nil {
		return err
	}
	for i := range jobs {
		if im.whole && !im.marks && jobs[i].Kind == calendar.JobMove {
			continue
		}
		if err := im.add(len(jobs[i].Payload), op{Kind: opPutJob, job: &jobs[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (im *image) traces(tx calendar.ReadTx) error {
	return tx.Traces(calendar.TraceQuery{OldestFirst: true}, func(t *calendar.Trace) error {
		return im.add(len(t.Detail), op{Kind: opPutTrace, Trace: packTrace(t)})
	})
}

func (im *image) registrations(tx calendar.ReadTx) error {
	rows, err := tx.Registrations()
	if err != nil {
		return err
	}
	for i := range rows {
		if err := im.add(0, op{Kind: opPutRegistration, Registration: packRegistration(&rows[i])}); err != nil {
			return err
		}
	}
	return nil
}

func (im *image) history(tx calendar.ReadTx) error {
	return tx.History(calendar.HistoryQuery{Data: true}, func(h *calendar.HistoryRow) error {
		row := *h
		row.Object.Data = slices.Clone(h.Object.Data)
		return im.add(len(row.Object.Data), op{Kind: opPutHistory, past: &row})
	})
}

func (im *image) tokens(tx calendar.ReadTx) error {
	if !im.whole || im.noTokens {
		return nil
	}
	return tx.Tokens(func(token string, result []byte, when time.Time) error {
		return im.add(len(result), op{Kind: opSetToken, ID: token, Value: string(result), When: when})
	})
}

// Instances lie between these.
const (
	minTime = math.MinInt64
	maxTime = math.MaxInt64
)

// sorted goes through a map by its keys, so that two images of one state are equal.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
