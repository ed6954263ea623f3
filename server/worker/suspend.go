package worker

import (
	"container/heap"
	"context"
	"time"

	"factotum/server/calendar"
)

// Suspend keeps the jobs of an owner from beginning, and returns when none runs: what
// is in the table is all that is still to be done. It fails when ctx ends before; the
// jobs go on then.
func (w *Worker) Suspend(ctx context.Context, owner calendar.Owner) error {
	w.mu.Lock()
	w.queue.stopped[owner] = true
	w.mu.Unlock()
	for {
		w.mu.Lock()
		busy := 0
		w.queue.each(owner, func(e *entry) {
			if _, run := w.unsettled[e]; run || e.state == stateRunning {
				busy++
			}
		})
		w.mu.Unlock()
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			w.mu.Lock()
			w.resume(owner)
			w.mu.Unlock()
			return &calendar.Error{Kind: calendar.Unavailable, Op: "suspend jobs", Ref: string(owner), Msg: "jobs of this user take too long", Err: ctx.Err()}
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Resume ends Suspend. Jobs of the owner that are in the table and not known come in:
// his home may have come from another store.
func (w *Worker) Resume(ctx context.Context, owner calendar.Owner) error {
	w.mu.Lock()
	reads := w.reads()
	w.mu.Unlock()
	var err error
	for after := (calendar.JobID{}); reads && err == nil; {
		var page []calendar.Job
		if page, err = List(ctx, w.store, Filter{Owner: owner}, after, pageOfJobs); len(page) == 0 {
			break
		}
		after = page[len(page)-1].JobID
		w.mu.Lock()
		for i := range page {
			if e, _ := w.queue.find(&page[i]); e == nil {
				w.take(&page[i])
			}
		}
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resume(owner)
	return err
}

func (w *Worker) resume(owner calendar.Owner) {
	delete(w.queue.stopped, owner)
	if w.queue.held[owner] == 0 {
		w.queue.letGo(owner)
	}
	w.nudge()
}

// Forget drops the jobs of a suspended owner from memory, whose home is somewhere else
// now; of those that were in the table so many are given up.
func (w *Worker) Forget(owner calendar.Owner, parked int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*entry
	w.queue.each(owner, func(e *entry) {
		all = append(all, e)
		if e.due == parkedDue { // it was never counted among those in the table only
			parked--
		}
	})
	for _, e := range all {
		delete(w.unsettled, e)
		w.queue.drop(e)
	}
	w.parked = max(w.parked-max(parked, 0), 0)
	delete(w.queue.stopped, owner)
	delete(w.queue.held, owner)
}

// each calls fn for the entries of an owner.
func (q *queue) each(name calendar.Owner, fn func(*entry)) {
	o := q.owners[name]
	if o == nil {
		return
	}
	for key, e := range q.lines {
		for ; key.owner == o && e != nil; e = e.next {
			fn(e)
		}
	}
}

// drop forgets an entry wherever it is.
func (q *queue) drop(e *entry) {
	if e.state == stateWaiting {
		heap.Remove(&q.waiting, int(e.at))
	}
	q.set(e, stateRunning)
	e.party.running++
	q.remove(e)
}
