package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"factotum/server/calendar"
)

// Permanent says of a failure that no other attempt would do better: the job
// is parked at once.
func Permanent(err error) error { return &verdict{err: err, permanent: true} }

// RetryAt says when the next attempt makes sense, as a server does that asks
// for a pause. It is one of the kind's attempts all the same.
func RetryAt(when time.Time, err error) error { return &verdict{err: err, when: when} }

// Again is RetryAt that has the job's payload replaced, by what the handler has
// learned at this attempt.
func Again(when time.Time, payload []byte, err error) error {
	return &verdict{err: err, when: when, payload: payload}
}

// verdict is what a handler knows about the next attempt.
type verdict struct {
	err       error
	permanent bool
	when      time.Time
	payload   []byte // nil: as it was
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// attempt is a job that was run, as it was read, and what is to be stored of
// it: nothing if it is done.
type attempt struct {
	job  calendar.Job
	next *calendar.Job
}

// patience bounds the store's part of a job.
const patience = 30 * time.Second

// work runs a job, and then those that are ready: the stack that one needs is
// there for the next.
func (w *Worker) work(e *entry, at *turns) {
	for e != nil {
		w.run(e, at)
		w.mu.Lock()
		if e = nil; w.phase == working {
			e, at = w.queue.pick()
		}
		w.mu.Unlock()
	}
}

// run makes one attempt at a job and stores what came of it. at is the place that
// the job has.
func (w *Worker) run(e *entry, at *turns) {
	t, over := e.party, false
	if p := t.pool; p.patience > 0 {
		timer := time.AfterFunc(p.patience, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if over {
				return
			}
			if t.slow = true; at == &p.brisk && p.slow.running < p.slow.room {
				at.running--
				at = &p.slow
				at.running++
				w.nudge()
			}
		})
		defer timer.Stop()
	}
	begun, done := time.Now(), false
	defer func() {
		w.mu.Lock()
		over = true
		at.running--
		if done && time.Since(begun) < t.pool.patience {
			t.slow = false
		}
		w.nudge()
		w.mu.Unlock()
	}()
	w.mu.Lock()
	a, known := w.unsettled[e]
	w.mu.Unlock()
	if !known {
		var ok bool
		if a, ok = w.attempt(e); !ok {
			return
		}
		done = a.next == nil
	}
	w.settle(w.ctx, e, a)
}

// attempt reads the job and runs its handler; false if nothing has to be stored.
func (w *Worker) attempt(e *entry) (a attempt, ok bool) {
	id := e.id()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	var k *kind
	var run Handler
	var look error
	err := w.store.View(ctx, id.Owner, func(tx calendar.ReadTx) (err error) {
		if a.job, ok, err = tx.Job(id.Change, id.Seq); err != nil || !ok || a.job.Parked {
			return err
		}
		if k = w.kind(a.job.Kind); k.Look == nil {
			run = k.Run
			return nil
		}
		run, look = k.Look(tx, a.job)
		return nil
	})
	cancel()
	if err != nil && look == nil || !ok || a.job.Parked {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case err != nil: // which is no fault of the job
			w.opt.Log.Error("read a job", "job", id.String(), "err", err)
			w.queue.again(e, w.pause(w.opt.First, w.opt.Max, 1))
		case !ok:
			w.queue.remove(e)
		default:
			w.shelve(e, w.kind(a.job.Kind))
		}
		return a, false
	}
	if err = look; err == nil {
		if run == nil {
			return w.refuse(a.job), true
		}
		ctx, cancel = context.WithTimeout(w.ctx, k.Timeout)
		err = guarded(ctx, run, a.job)
		cancel()
	}
	if err == nil {
		return a, true
	}
	if w.ctx.Err() != nil { // cut short by Stop
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queue.again(e, a.job.Due)
		return a, false
	}
	a.next = w.after(k, a.job, err)
	return a, true
}

// kind finds how jobs are done.
func (w *Worker) kind(name string) *kind {
	if k := w.kinds[name]; k != nil {
		return k
	}
	return &w.unknown
}

// guarded makes a failure of a panic.
func guarded(ctx context.Context, run Handler, job calendar.Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return run(ctx, job)
}

type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// after is a job after a failed attempt.
func (w *Worker) after(k *kind, job calendar.Job, err error) *calendar.Job {
	next := job
	next.Attempts++
	next.Err = printable(err.Error())
	var v *verdict
	errors.As(err, &v)
	next.Parked = v != nil && v.permanent || next.Attempts >= k.Attempts
	if v != nil && v.payload != nil {
		next.Payload = v.payload
	}
	switch {
	case next.Parked:
		next.Due = w.opt.Now()
	case v != nil && !v.when.IsZero():
		next.Due = v.when
	default:
		next.Due = w.pause(k.First, k.Max, next.Attempts)
	}
	facts := []any{"kind", job.Kind, "job", job.JobID.String(), "attempt", next.Attempts, "err", next.Err}
	var p *panicError
	if errors.As(err, &p) {
		facts = append(facts, "stack", string(p.stack))
	}
	switch {
	case next.Parked:
		w.opt.Log.Error("a job is given up", facts...)
	case p != nil:
		w.opt.Log.Error("a job fails", facts...)
	default:
		w.opt.Log.Info("a job fails", facts...)
	}
	return &next
}

// refuse parks a job that nobody here knows how to do, and tells of each kind
// once.
func (w *Worker) refuse(job calendar.Job) attempt {
	next := job
	next.Parked, next.Due, next.Err = true, w.opt.Now(), printable(fmt.Sprintf("no handler for jobs of kind %q in this release", job.Kind))
	w.mu.Lock()
	told := w.strangers[job.Kind]
	w.strangers[job.Kind] = true
	w.mu.Unlock()
	if !told {
		w.opt.Log.Error("jobs of an unknown kind are given up", "kind", job.Kind)
	}
	return attempt{job, &next}
}

// pause is the time of the attempt after so many failed ones, between which are the
// first pause, doubled each time, and the longest. Its second half is random, so that what failed
// at once is not tried again at once.
func (w *Worker) pause(d, longest time.Duration, failed int) time.Time {
	for ; failed > 1 && d < longest; failed-- {
		d *= 2
	}
	d = min(d, longest)
	return w.opt.Now().Add(d/2 + time.Duration(w.opt.Jitter()*float64(d/2)))
}

// longestErr is how much of a failure is kept.
const longestErr = 500

// printable makes one line of text that a terminal and every engine takes.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > longestErr {
		s = strings.ToValidUTF8(s[:longestErr], "") + "…"
	}
	return s
}

// settle stores what came of a job. A store that does not take it is asked
// again later; the handler has done its work, and does not run again for that.
func (w *Worker) settle(ctx context.Context, e *entry, a attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	k := w.kind(a.job.Kind)
	var there bool
	var other *calendar.Job
	var err error
	if a.next != nil || !k.Deletes {
		there, other, err = w.note(ctx, &a)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, before := w.unsettled[e]; !before {
		if a.next == nil {
			k.done++
			w.ended = w.opt.Now()
		} else if a.next.Attempts > a.job.Attempts {
			k.failed++
		}
	}
	if err != nil {
		w.opt.Log.Error("store what came of a job", "job", a.job.JobID.String(), "err", err)
		w.unsettled[e] = a
		w.queue.again(e, w.pause(w.opt.First, w.opt.Max, 1))
		return
	}
	delete(w.unsettled, e)
	switch {
	case other != nil:
		w.queue.remove(e)
		w.take(other)
	case a.next == nil && k.Deletes && e.due != dueOf(&a.job): // it was stored again, and added
		w.queue.back(e, e.due)
	case !there || a.next == nil:
		w.queue.remove(e)
	case a.next.Parked:
		k.parked++
		w.shelve(e, k)
	default:
		w.queue.again(e, a.next.Due)
	}
}

// note deletes a job, or stores it for the next attempt. There may be none any
// more, or another in its place.
func (w *Worker) note(ctx context.Context, a *attempt) (there bool, other *calendar.Job, err error) {
	err = w.store.Update(ctx, a.job.Owner, func(tx calendar.Tx) error {
		there, other = false, nil
		now, ok, err := tx.Job(a.job.Change, a.job.Seq)
		if err != nil || !ok {
			return err
		}
		if there = true; !same(&now, &a.job) {
			other = &now
			return nil
		}
		if a.next == nil {
			return tx.DeleteJob(now.Change, now.Seq)
		}
		return tx.PutJob(*a.next)
	})
	return there, other, err
}

// shelve keeps a parked job in memory only where it blocks others.
func (w *Worker) shelve(e *entry, k *kind) {
	if k.Blocks {
		w.queue.park(e)
		return
	}
	w.queue.remove(e)
	w.parked++
}

// settleRest tries once more to store what the store did not take, before the
// daemon ends and would do those jobs again.
func (w *Worker) settleRest(ctx context.Context) {
	w.mu.Lock()
	rest := make(map[*entry]attempt, len(w.unsettled))
	for e, a := range w.unsettled {
		rest[e] = a
		w.queue.hold(e)
	}
	w.mu.Unlock()
	for e, a := range rest {
		w.settle(ctx, e, a)
	}
}

// same tells that a stored job is as it was.
func same(a, b *calendar.Job) bool {
	return a.JobID == b.JobID && a.Kind == b.Kind && a.Key == b.Key && a.Due.Equal(b.Due) && a.Created.Equal(b.Created) &&
		a.Attempts == b.Attempts && a.Parked == b.Parked && a.Err == b.Err && bytes.Equal(a.Payload, b.Payload)
}
