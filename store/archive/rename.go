package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"factotum/server/calendar"
	"factotum/server/rename"
)

// RenameOptions say how a store is copied.
type RenameOptions struct {
	// Each is told of every home that is done, with what was changed in it and how often.
	Each func(owner, now calendar.Owner, changed map[string]int)
}

// Renamed tells what was copied.
type Renamed struct {
	Homes     int                 // all of them
	Renamed   int                 // those whose owner has another id
	Objects   int                 // all of them, tombstones too
	Rewritten int                 // objects that have another text
	Left      []calendar.JobID    // jobs that could not be read, and are as they were
	Dropped   []calendar.Owner    // homes without calendars whose name another has now
	Unmoved   []calendar.Owner    // homes that are being moved: nothing was done
	Taken     [][2]calendar.Owner // who was to be renamed, and who has that name: nothing was done
}

// Rename makes of a store another one in which people have other ids, and of which nothing
// else differs: change numbers and what is spelled from them stay. Objects whose text is
// another have numbers of their own, so that clients fetch them. to is empty; nil is a dry
// run. The outcomes of requests, which are forgotten after an hour, are left out.
func Rename(ctx context.Context, from, to calendar.Store, m *rename.Mapper, opt RenameOptions) (res Renamed, err error) {
	if opt.Each == nil {
		opt.Each = func(_, _ calendar.Owner, _ map[string]int) {}
	}
	r := &renamer{m: m, res: &res, restorer: restorer{ctx: ctx, to: to, res: &Restored{}}}
	marks, err := r.marks(from)
	if err != nil || len(res.Unmoved) > 0 {
		return res, err
	}
	free, err := r.taken(from)
	if err != nil || len(res.Taken) > 0 {
		return res, err
	}
	err = eachOwner(ctx, from, 0, func(owner calendar.Owner) error {
		now, renamed := m.Home(owner)
		if !renamed && free[owner] {
			res.Dropped = append(res.Dropped, owner)
			return nil
		}
		changed := map[string]int{}
		m.Changed = func(what string) { changed[what]++ }
		r.begin(owner, now)
		is := false
		err := from.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
			_, is, err = (&image{owner: owner, whole: true, noTokens: true, emit: r.line}).take(tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("copy the home of %s: %w", owner, err)
		}
		if is {
			res.Homes++
			if renamed {
				res.Renamed++
			}
			opt.Each(owner, now, changed)
		}
		return nil
	})
	if err == nil && to != nil {
		err = r.keepMarks(marks)
	}
	return res, err
}

type renamer struct {
	restorer
	m   *rename.Mapper
	res *Renamed

	owner, now calendar.Owner
	home       *homeRow
	next       int64
	cals       map[int64]*calendarRow
	touched    map[int64]int64 // calendars, with their numbers
	alarms     map[int64]int64 // numbers of objects whose alarms have jobs: before, and now
}

func (r *renamer) begin(owner, now calendar.Owner) {
	r.owner, r.now, r.home, r.next = owner, now, nil, 0
	r.cals, r.touched, r.alarms = map[int64]*calendarRow{}, map[int64]int64{}, map[int64]int64{}
}

// line changes a line of an image, and does it in the other store.
func (r *renamer) line(t *txn) error {
	for i := range t.Ops {
		if err := r.op(&t.Ops[i]); err != nil {
			return fmt.Errorf("%s: %w", t.Ops[i].Kind, err)
		}
	}
	if !t.More && len(r.touched) > 0 {
		for _, id := range slices.Sorted(maps.Keys(r.touched)) {
			t.Ops = append(t.Ops, op{Kind: opTouchCalendar, Cal: id, Change: r.touched[id], When: r.cals[id].Modified})
		}
		home := *r.home
		home.Change = r.next
		t.Ops = append(t.Ops, op{Kind: opHome, Home: &home})
	}
	if t.Owner = r.now; r.to == nil {
		return nil
	}
	t.spell()
	return r.apply(t.Owner, []waiting{{txn: t}})
}

// op changes one thing. All kinds that an image has are here.
func (r *renamer) op(o *op) error {
	m := r.m
	switch o.Kind {
	case opHome:
		if r.home, r.next = o.Home, o.Home.Change; r.now != r.owner {
			o.Home.Entry = "" // another entry, or the same under another name: who comes first is him
		}
	case opSetPref:
		o.ID, o.Value = m.Pref(o.ID, o.Value)
	case opInsertCalendar:
		row, err := o.Calendar.unpack()
		if err != nil {
			return err
		}
		m.CalendarRow(&row)
		o.Calendar = packCalendar(&row)
		r.cals[row.ID] = o.Calendar
	case opDeleteCalendar, opPutAttachment, opSkipHistory:
	case opPut, opPutIndexed:
		r.res.Objects++
		if m.ObjectRow(o.object) && o.Kind == opPutIndexed {
			r.res.Rewritten++
			r.next++
			r.alarms[o.object.Change] = r.next
			o.object.Change = r.next
			r.touched[o.object.Cal] = r.next
		}
	case opDelete:
		o.By = m.Deleted(o.By)
	case opSetProp:
		*o.Prop = propRow(m.Prop(calendar.DeadProp(*o.Prop)))
	case opPutJob:
		r.job(o)
	case opPutTrace:
		row := o.Trace.unpack()
		m.Trace(&row)
		o.Trace = packTrace(&row)
	case opPutRegistration:
		row := o.Registration.unpack()
		m.RegistrationRow(&row)
		o.Registration = packRegistration(&row)
	case opPutHistory:
		return m.HistoryRow(o.past)
	default:
		return errors.New("not known how to rename in this")
	}
	return nil
}

func (r *renamer) job(o *op) {
	j := *o.job
	j.Owner = r.owner
	if !r.m.Job(&j) {
		r.res.Left = append(r.res.Left, j.JobID)
	}
	if j.JobID == calendar.AlarmJob(r.owner, j.Change) {
		if now, ok := r.alarms[j.Change]; ok {
			j.Change = now
		}
	}
	j.Owner = ""
	o.job = &j
}

// marks are those of homes that went elsewhere or came from there; what is under way must
// end first.
func (r *renamer) marks(from calendar.Store) (marks []calendar.Job, err error) {
	for after := (calendar.JobID{}); ; {
		page, err := from.Jobs(r.ctx, after, 1000)
		if err != nil || len(page) == 0 {
			return marks, err
		}
		for _, j := range page {
			if after = j.JobID; j.Kind != calendar.JobMove {
				continue
			}
			err := from.View(r.ctx, after.Owner, func(tx calendar.ReadTx) (err error) {
				j, _, err = tx.Job(after.Change, after.Seq)
				return err
			})
			if err != nil {
				return nil, err
			}
			var mark struct{ State string }
			switch json.Unmarshal(j.Payload, &mark); mark.State {
			case "moved", "here":
				j.JobID = after
				marks = append(marks, j)
			default:
				r.res.Unmoved = append(r.res.Unmoved, after.Owner)
			}
		}
	}
}

func (r *renamer) keepMarks(marks []calendar.Job) error {
	for _, j := range marks {
		owner, _ := r.m.Home(j.Owner)
		j.Owner = owner
		if err := r.to.Update(r.ctx, owner, func(tx calendar.Tx) error { return tx.PutJob(j) }); err != nil {
			return err
		}
	}
	return nil
}

// taken looks whether the new names are free, of those who have a home here. free are homes
// without calendars, which give way.
func (r *renamer) taken(from calendar.Store) (free map[calendar.Owner]bool, err error) {
	free = map[calendar.Owner]bool{}
	for _, p := range r.m.Pairs() {
		old, now := calendar.Owner(p.Old), calendar.Owner(p.New)
		if _, leaves := r.m.Owner(now); leaves {
			continue
		}
		is := false
		err := from.View(r.ctx, old, func(tx calendar.ReadTx) (err error) {
			_, is, err = tx.Home()
			return err
		})
		if err == nil && is {
			err = from.View(r.ctx, now, func(tx calendar.ReadTx) error {
				rows, err := tx.Calendars()
				free[now] = len(rows) == 0
				return err
			})
			if !free[now] {
				r.res.Taken = append(r.res.Taken, [2]calendar.Owner{old, now})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return free, nil
}
