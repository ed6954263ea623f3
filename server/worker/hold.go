package worker

import (
	"context"
	"strings"

	"factotum/server/calendar"
)

// heldMark begins Job.Err of what an administrator holds.
const heldMark = "held by an administrator"

// Held reports whether an administrator has a job wait until he releases it.
func Held(j *calendar.Job) bool { return j.Parked && strings.HasPrefix(j.Err, heldMark) }

// HeldAfter is why a held job's last attempt failed, "" if there was none.
func HeldAfter(err string) string {
	return strings.TrimPrefix(strings.TrimPrefix(err, heldMark), ": ")
}

// Hold has jobs wait until Release. They keep their place: where their kind Blocks,
// none behind them in their line overtakes them. What was given up stays so.
func (w *Worker) Hold(ctx context.Context, f Filter) (Outcome, error) {
	return w.change(ctx, f, func(j *calendar.Job) (meant, keep bool) {
		if j.Parked {
			return false, true
		}
		why := heldMark
		if j.Err != "" {
			why += ": " + j.Err
		}
		j.Parked, j.Err = true, why
		return true, true
	})
}

// Release ends Hold: a job has the time and the attempts that it had.
func (w *Worker) Release(ctx context.Context, f Filter) (Outcome, error) {
	return w.change(ctx, f, func(j *calendar.Job) (meant, keep bool) {
		if !Held(j) {
			return false, true
		}
		j.Parked, j.Err = false, HeldAfter(j.Err)
		return true, true
	})
}

// Finish has jobs brought to their end by other means than their handler, held and
// given up ones too. What end does deletes the job in its own transaction.
func (w *Worker) Finish(ctx context.Context, f Filter, end Handler) (Outcome, error) {
	return w.eachOwner(ctx, f, func(jobs []calendar.Job) (out Outcome, err error) {
		h := w.seize(jobs)
		out.Busy = h.busy
		for i := range h.jobs {
			var did bool
			if did, err = w.finish(ctx, f, h, h.jobs[i].JobID, end); err != nil {
				break
			}
			if did {
				out.Done++
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.letGo(h)
		return out, err
	})
}

// finish ends one that is still as it was chosen.
func (w *Worker) finish(ctx context.Context, f Filter, h *seized, id calendar.JobID, end Handler) (did bool, err error) {
	var job calendar.Job
	var there bool
	err = w.store.View(ctx, id.Owner, func(tx calendar.ReadTx) (err error) {
		job, there, err = tx.Job(id.Change, id.Seq)
		return err
	})
	if err != nil || !there || !f.matches(&job) {
		return false, err
	}
	if err := end(ctx, job); err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := h.entries[id]; e != nil {
		w.queue.remove(e)
		delete(h.entries, id)
	} else if w.reads() && job.Parked && !w.kind(job.Kind).Blocks {
		w.parked--
	}
	return true, nil
}
