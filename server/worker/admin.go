package worker

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

// Filter chooses jobs; what is empty chooses all.
type Filter struct {
	Owner  calendar.Owner
	Kinds  []string
	UID    string           // of what they are about: calendar.PostUID of the key
	Lanes  []string         // that they go by: calendar.PostLane of the key
	Ending string           // of their lane
	Parked bool             // parked ones only
	Held   bool             // those that Hold keeps only
	Failed string           // those whose last attempt failed with words that begin so
	IDs    []calendar.JobID // these only

	From, To time.Time // stored from then on, and before that
}

func (f *Filter) matches(j *calendar.Job) bool {
	return strings.HasPrefix(j.Err, f.Failed) && (f.Owner == "" || j.Owner == f.Owner) && (len(f.Kinds) == 0 || slices.Contains(f.Kinds, j.Kind)) && (!f.Parked || j.Parked) && (!f.Held || Held(j)) &&
		(f.Ending == "" || strings.HasSuffix(calendar.PostLane(j.Key), f.Ending)) &&
		(f.UID == "" || calendar.PostUID(j.Key) == f.UID) && (len(f.Lanes) == 0 || slices.Contains(f.Lanes, calendar.PostLane(j.Key))) &&
		!j.Created.Before(f.From) && (f.To.IsZero() || j.Created.Before(f.To)) &&
		(len(f.IDs) == 0 || slices.Contains(f.IDs, j.JobID))
}

// owners are the first and the last owner whose jobs may be meant; "" is no
// bound.
func (f *Filter) owners() (first, last calendar.Owner) {
	if f.Owner != "" || len(f.IDs) == 0 {
		return f.Owner, f.Owner
	}
	return slices.MinFunc(f.IDs, calendar.JobID.Compare).Owner, slices.MaxFunc(f.IDs, calendar.JobID.Compare).Owner
}

// List returns the jobs that a filter chooses, without their payload, by id,
// after the given one, at most limit of them: none when there are no more.
func List(ctx context.Context, store calendar.Store, f Filter, after calendar.JobID, limit int) (jobs []calendar.Job, err error) {
	first, last := f.owners()
	if after.Owner < first {
		after = calendar.JobID{Owner: first, Change: math.MinInt64}
	}
	for len(jobs) < limit {
		page, err := store.Jobs(ctx, after, pageOfJobs)
		if err != nil || len(page) == 0 {
			return jobs, err
		}
		for i := range page {
			after = page[i].JobID
			if last != "" && after.Owner > last || len(jobs) == limit {
				return jobs, nil
			}
			if f.matches(&page[i]) {
				jobs = append(jobs, page[i])
			}
		}
	}
	return jobs, nil
}

// Behind are the jobs of the same owner and key that come later, in their order.
func (w *Worker) Behind(ctx context.Context, job calendar.Job) ([]calendar.Job, error) {
	if w.isLast(&job) { // as a rule: the table is not asked
		return nil, nil
	}
	list, err := List(ctx, w.store, Filter{Owner: job.Owner, Kinds: []string{job.Kind}, UID: calendar.PostUID(job.Key), Lanes: []string{calendar.PostLane(job.Key)}}, job.JobID, math.MaxInt)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var full []calendar.Job
	err = w.store.View(ctx, job.Owner, func(tx calendar.ReadTx) error {
		full = full[:0]
		for i := range list {
			j, ok, err := tx.Job(list[i].Change, list[i].Seq)
			if err != nil {
				return err
			}
			if ok {
				full = append(full, j)
			}
		}
		return nil
	})
	return full, err
}

// isLast reports whether a job is known, and nothing behind it.
func (w *Worker) isLast(job *calendar.Job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, _ := w.queue.find(job)
	return e != nil && e.next == nil
}

// Outcome is what a command did to jobs.
type Outcome struct {
	Done int
	Busy int // left alone, since they run at the moment, or are about to be deleted
}

// Retry has failed jobs tried again, parked or not: now, and with all attempts
// before them. What has not failed keeps its time, and what is held waits on.
func (w *Worker) Retry(ctx context.Context, f Filter) (Outcome, error) {
	return w.change(ctx, f, func(j *calendar.Job) (meant, keep bool) {
		if !j.Parked && j.Attempts == 0 || Held(j) {
			return false, true
		}
		j.Parked, j.Attempts, j.Due = false, 0, w.opt.Now()
		return true, true
	})
}

// Hasten has failed jobs tried again now that what they failed for may be mended.
// They keep their attempts, and what was given up stays so.
func (w *Worker) Hasten(ctx context.Context, f Filter) (Outcome, error) {
	now := w.opt.Now()
	return w.change(ctx, f, func(j *calendar.Job) (meant, keep bool) {
		if j.Parked || j.Attempts == 0 || !j.Due.After(now) {
			return false, true
		}
		j.Due = now
		return true, true
	})
}

// Drop forgets jobs without doing them.
func (w *Worker) Drop(ctx context.Context, f Filter) (Outcome, error) {
	return w.change(ctx, f, func(*calendar.Job) (meant, keep bool) { return true, false })
}

// changeAtOnce is how many jobs of one owner are changed in a transaction.
const changeAtOnce = 200

// change edits or deletes the jobs that a filter chooses. It works before Start
// too, on the table alone.
func (w *Worker) change(ctx context.Context, f Filter, edit func(*calendar.Job) (meant, keep bool)) (Outcome, error) {
	return w.eachOwner(ctx, f, func(jobs []calendar.Job) (Outcome, error) { return w.changeOwners(ctx, f, jobs, edit) })
}

// eachOwner walks over the jobs that a filter chooses, of one owner at a time.
func (w *Worker) eachOwner(ctx context.Context, f Filter, do func([]calendar.Job) (Outcome, error)) (all Outcome, err error) {
	for after := (calendar.JobID{}); ; {
		page, err := List(ctx, w.store, f, after, changeAtOnce)
		if err != nil || len(page) == 0 {
			return all, err
		}
		after = page[len(page)-1].JobID
		for len(page) > 0 {
			n := slices.IndexFunc(page, func(j calendar.Job) bool { return j.Owner != page[0].Owner })
			if n < 0 {
				n = len(page)
			}
			one, err := do(page[:n])
			all.Done += one.Done
			all.Busy += one.Busy
			if err != nil {
				return all, err
			}
			page = page[n:]
		}
	}
}

// changeOwners edits jobs of one owner.
func (w *Worker) changeOwners(ctx context.Context, f Filter, jobs []calendar.Job, edit func(*calendar.Job) (meant, keep bool)) (out Outcome, err error) {
	h := w.seize(jobs)
	out.Busy = h.busy
	if len(h.jobs) == 0 {
		return out, nil
	}
	var seen []edited
	err = w.store.Update(ctx, h.jobs[0].Owner, func(tx calendar.Tx) (err error) {
		seen, err = w.editJobs(tx, h.jobs, f, edit)
		return err
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		for i := range seen {
			c := &seen[i]
			if c.meant {
				out.Done++
			}
			if w.reads() {
				w.edited(c, h.entries[c.was.JobID])
				delete(h.entries, c.was.JobID)
			}
		}
	}
	w.letGo(h)
	return out, err
}

// seized are jobs of which none begins to run: those in memory are held.
type seized struct {
	jobs    []calendar.Job
	busy    int // that run, and are not among them
	entries map[calendar.JobID]*entry
	dues    map[*entry]int64
}

// seize keeps jobs of one owner from running until letGo.
func (w *Worker) seize(jobs []calendar.Job) *seized {
	h := &seized{entries: map[calendar.JobID]*entry{}, dues: map[*entry]int64{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	h.jobs = slices.DeleteFunc(slices.Clone(jobs), func(j calendar.Job) bool {
		e, _ := w.queue.find(&j)
		if e == nil {
			return false
		}
		if _, run := w.unsettled[e]; run || e.state == stateRunning {
			h.busy++
			return true
		}
		h.entries[j.JobID], h.dues[e] = e, e.due
		w.queue.hold(e)
		return false
	})
	return h
}

// letGo puts back what is still there of them; its caller has the lock.
func (w *Worker) letGo(h *seized) {
	for _, e := range h.entries {
		w.queue.back(e, h.dues[e])
	}
	w.nudge()
}

// edited is a job before and after a command.
type edited struct {
	was, is     calendar.Job
	meant, keep bool
}

// editJobs edits those of the jobs that are still as they were chosen.
func (w *Worker) editJobs(tx calendar.Tx, jobs []calendar.Job, f Filter, edit func(*calendar.Job) (meant, keep bool)) (seen []edited, err error) {
	for i := range jobs {
		now, ok, err := tx.Job(jobs[i].Change, jobs[i].Seq)
		if err != nil {
			return nil, err
		}
		if !ok || !f.matches(&now) {
			continue
		}
		c := edited{was: now, is: now}
		c.meant, c.keep = edit(&c.is)
		switch {
		case !c.meant:
		case c.keep:
			err = tx.PutJob(c.is)
		default:
			if err = w.opt.Dropped(tx, now); err == nil {
				err = tx.DeleteJob(now.Change, now.Seq)
			}
		}
		if err != nil {
			return nil, err
		}
		seen = append(seen, c)
	}
	return seen, nil
}

// edited brings memory up to date with a job; e is its entry, held, or nil.
func (w *Worker) edited(c *edited, e *entry) {
	switch {
	case e != nil && !c.meant:
		w.queue.back(e, dueOf(&c.is))
		return
	case e != nil:
		w.queue.remove(e)
	case c.was.Parked && !w.kind(c.was.Kind).Blocks:
		w.parked--
	}
	// One that was not meant may be here because nobody knew that it is stored.
	if c.keep {
		w.take(&c.is)
	}
}

// reads tells whether memory knows what is in the table.
func (w *Worker) reads() bool { return w.phase == loading || w.phase == working }
