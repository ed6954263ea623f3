package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// Undo has two parts. The plan is made in one read: for each object that the choice
// touches, what it was before the first of the chosen changes, and whether anything
// else has changed it since. Then it is carried out, undoStep objects in a
// transaction, each through the door and the record as any write. What a version
// was made by says which change it took back (Origin.Undoes), and so a second run
// finds that there is nothing left to do.

// undoStep is how many objects share a transaction.
const undoStep = 50

// undoing is what is to be done about one object, or about a calendar.
type undoing struct {
	calendar.UndoItem
	cal   int64  // its incarnation
	goes  bool   // it was not there before
	moved string // where it is to be moved back from
	text  bool   // with the text of before, for what happened there is chosen too
	left  bool   // what is there now is moved back from it
	// The version that comes back.
	change, seq int64
	// What the plan found there: the change number, 0 for nothing.
	found int64
	whole *calendar.HistoryRow // of a calendar
	ended bool                 // by the last of what is chosen it was not there any more
	other bool                 // something else was changed since
	done  bool                 // it was undone before
}

// Undo takes back what happened.
func (s *Service) Undo(ctx context.Context, who calendar.Actor, req calendar.UndoRequest) (calendar.UndoResult, error) {
	const op = "undo"
	ctx = bind(ctx, who, req)
	var saved savedUndo
	if key := onceKey(ctx, op); key != "" {
		done := false
		err := s.store.View(ctx, req.Owner, func(tx calendar.ReadTx) (err error) {
			done, err = recall(tx, key, &saved)
			return err
		})
		if done || err != nil {
			return saved.result(), wrap(op, string(req.Owner), err)
		}
	}
	res, err := s.undoAll(ctx, who, op, req)
	if err == nil {
		return res, nil
	}
	if err = s.unlessDone(ctx, op, req.Owner, &saved, err); err == nil {
		return saved.result(), nil
	}
	return res, err
}

// savedUndo is the outcome of an undo.
type savedUndo struct {
	Items       []savedUndoItem
	First, Last int64
}

type savedUndoItem struct {
	calendar.UndoItem
	Err *savedError // in the place of the embedded one
}

func saveUndo(res calendar.UndoResult) savedUndo {
	saved := savedUndo{First: res.First, Last: res.Last}
	for _, it := range res.Items {
		item := savedUndoItem{it, saveError(it.Err)}
		item.UndoItem.Err = nil
		saved.Items = append(saved.Items, item)
	}
	return saved
}

func (saved savedUndo) result() calendar.UndoResult {
	res := calendar.UndoResult{First: saved.First, Last: saved.Last}
	for _, it := range saved.Items {
		item := it.UndoItem
		item.Err = it.Err.error()
		res.Items = append(res.Items, item)
	}
	return res
}

// undoAll is Undo where it was not done before under the request's token.
func (s *Service) undoAll(ctx context.Context, who calendar.Actor, op string, req calendar.UndoRequest) (res calendar.UndoResult, err error) {
	if err := checkFilter(op, req.Owner, &req.Which); err != nil {
		return res, err
	}
	if req.Which == (calendar.HistoryFilter{}) {
		return res, calendar.Failf(calendar.Invalid, "", op, string(req.Owner), "undo what? A change, an object, a time or somebody's doing has to be said")
	}
	if s.opt.ReadOnly && !req.Dry {
		return res, calendar.Failf(calendar.ReadOnly, "", op, string(req.Owner), "the calendar store is in read-only mode")
	}
	var plan []*undoing
	err = s.store.View(ctx, req.Owner, func(tx calendar.ReadTx) (err error) {
		plan, err = s.plan(tx, who, op, &req)
		return err
	})
	if err != nil {
		return res, wrap(op, string(req.Owner), err)
	}
	if !req.Dry {
		me, err := s.ownerEntry(ctx, op, req.Owner)
		if err != nil {
			return res, err
		}
		ctx := withPerson(ctx, me)
		for from := 0; from < len(plan) && err == nil; {
			to := min(from+undoStep, len(plan))
			if i := slices.IndexFunc(plan[from:to], func(u *undoing) bool { return u.whole != nil }); i >= 0 { // by itself: what is in it comes after
				to = from + max(i, 1)
			}
			err = s.carryOut(ctx, who, op, &req, plan, from, to, &res)
			from = to
		}
		if err != nil {
			return res, err
		}
	}
	res.Items = itemsOf(plan)
	return res, nil
}

// itemsOf tells what came of each, in the order of calendars and names.
func itemsOf(plan []*undoing) (items []calendar.UndoItem) {
	for _, u := range plan {
		items = append(items, u.UndoItem)
	}
	slices.SortStableFunc(items, func(a, b calendar.UndoItem) int {
		return cmp.Or(strings.Compare(string(a.Calendar), string(b.Calendar)), strings.Compare(a.Name, b.Name))
	})
	return items
}

// carryOut does a part of a plan, in one transaction. With the last part the outcome
// of all is kept.
func (s *Service) carryOut(ctx context.Context, who calendar.Actor, op string, req *calendar.UndoRequest, plan []*undoing, from, to int, res *calendar.UndoResult) error {
	part, key := plan[from:to], onceKey(ctx, op)
	outcome := make([]calendar.UndoItem, len(part))
	first, last := int64(0), int64(0)
	err := s.transact(ctx, who, op, req.Owner, func(w *writer) error {
		first, last = 0, 0
		for i, u := range part {
			item := u.UndoItem
			did, err := w.undo(u, req.Force)
			var e *calendar.Error
			switch {
			case err != nil && !errors.As(err, &e), e != nil && (e.Kind == calendar.Unavailable || e.Kind == calendar.Internal || e.Kind == calendar.OverQuota):
				return err
			case err != nil && e.Kind == calendar.Stale:
				item.Did = calendar.UndoConflict
			case err != nil:
				item.Did, item.Err = calendar.UndoRefused, err
			default:
				item.Did = did
			}
			w.undoes = 0
			outcome[i] = item
		}
		if n := len(w.changes); n > 0 {
			first, last = w.changes[0].Number, w.changes[n-1].Number
		}
		if key == "" || to < len(plan) {
			return nil
		}
		all := calendar.UndoResult{First: cmp.Or(res.First, first), Last: cmp.Or(last, res.Last)}
		done := append(slices.Clone(plan[:from]), make([]*undoing, len(part))...)
		for i := range part {
			done[from+i] = &undoing{UndoItem: outcome[i]}
		}
		all.Items = itemsOf(done)
		return w.keepOutcome(key, saveUndo(all))
	})
	if err != nil {
		return err
	}
	for i, u := range part {
		u.UndoItem = outcome[i]
	}
	if first > 0 {
		res.First, res.Last = cmp.Or(res.First, first), last
	}
	return nil
}

// undo does what is to be done about one object. It is Stale if something is there
// that the plan did not find.
func (w *writer) undo(u *undoing, force bool) (calendar.UndoAction, error) {
	did := u.would(force)
	switch did {
	case calendar.UndoNothing, calendar.UndoConflict:
		return did, nil
	}
	w.undoes = u.Change
	if u.whole != nil {
		return w.bringCalendar(u)
	}
	id := calendar.NewID(w.owner, u.Calendar.Name())
	if row, ok, err := w.calendarOf(u.cal); err != nil {
		return did, err
	} else if ok { // it may have another name now
		id = calendar.NewID(w.owner, row.Name)
	}
	may := toWrite
	if did == calendar.UndoRemoved {
		may = toDelete
	}
	p, err := w.enter(id, may)
	if err != nil {
		if calendar.KindOf(err) == calendar.NoCalendar {
			err = calendar.Failf(calendar.NoCalendar, "", w.op, refOf(id, u.Name), "its calendar was deleted: that has to come back first")
		}
		return did, err
	}
	old, err := w.object(p, u.Name)
	if err != nil {
		return did, err
	}
	if old != nil && p.hides(old) {
		return did, calendar.Failf(calendar.Denied, "", w.op, refOf(p.id, u.Name), "a private object is changed by its owners only")
	}
	switch {
	case u.goes && old == nil: // it went with another step: moved back
		return calendar.UndoNothing, nil
	case old == nil && u.found != 0 && !u.left || old != nil && old.Change != u.found:
		return did, calendar.Fail(calendar.Stale, w.op, refOf(p.id, u.Name))
	case u.goes:
		post, err := w.farewell(p, old, telling{})
		if err != nil {
			return did, err
		}
		jobs, err := posts(post)
		if err != nil {
			return did, err
		}
		return did, w.remove(p, *old, nil, jobs...)
	case u.moved != "":
		return did, w.moveBack(p, u, old)
	}
	return did, w.bringBack(p, u, old, force)
}

// calendarOf finds a living calendar by its incarnation.
func (w *writer) calendarOf(cal int64) (calendar.CalendarRow, bool, error) {
	cals, err := w.Calendars()
	if err != nil {
		return calendar.CalendarRow{}, false, err
	}
	i := slices.IndexFunc(cals, func(c calendar.CalendarRow) bool { return c.ID == cal })
	if i < 0 {
		return calendar.CalendarRow{}, false, nil
	}
	return cals[i], true, nil
}
