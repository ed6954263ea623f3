package service

import (
	"fmt"

	"factotum/server/calendar"
)

// task is a job that a use case adds to a change itself, with the post that it is
// made of, if it is of kind calendar.JobDeliver.
type task struct {
	calendar.Job
	post *calendar.Post
}

// posts makes jobs of posts; those that are nil are none.
func posts(all ...*calendar.Post) (jobs []task, err error) {
	for _, p := range all {
		if p == nil {
			continue
		}
		job, err := p.Job()
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, task{job, p})
	}
	return jobs, nil
}

// posted records that messages went out, and nothing else.
func (w *writer) posted(jobs ...task) error {
	ch, err := w.begin(calendar.Posted, nil)
	if err != nil {
		return err
	}
	return w.end(ch, jobs...)
}

// finish deletes a job together with what it did, so that this is not done again
// when the process ends before the worker hears of it. false: it was done before.
func (w *writer) finish(job calendar.JobID) (first bool, err error) {
	if job == (calendar.JobID{}) {
		return true, nil // no job's doing
	}
	if _, first, err = w.Job(job.Change, job.Seq); err != nil || !first {
		return false, err
	}
	return true, w.tx.DeleteJob(job.Change, job.Seq)
}

// keepJob stores a job beside those that follow from a change, or again.
func (w *writer) keepJob(job calendar.Job) error {
	if job.Created.IsZero() {
		job.Created = w.now
	}
	if err := w.tx.PutJob(job); err != nil {
		return fmt.Errorf("store a job: %w", err)
	}
	w.jobs = append(w.jobs, job)
	return nil
}

// dropJob deletes a job without a key.
func (w *writer) dropJob(id calendar.JobID) error {
	if err := w.tx.DeleteJob(id.Change, id.Seq); err != nil {
		return fmt.Errorf("delete a job: %w", err)
	}
	w.gone = append(w.gone, id)
	return nil
}

// mostFollowing is how many jobs one job may leave behind.
const mostFollowing = 1 << 12

// followUp stores the jobs that a job leaves behind when it is done: they follow
// from the same change, which has no other of their places.
func (w *writer) followUp(done calendar.JobID, jobs []calendar.Job) error {
	if len(jobs) > mostFollowing {
		return &calendar.Error{Kind: calendar.Internal, Op: w.op, Msg: "too many jobs follow from one"}
	}
	for i := range jobs {
		jobs[i].JobID = followingID(done, i)
		if err := w.keepJob(jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// followingID is the id of the i-th job that a job leaves behind.
func followingID(done calendar.JobID, i int) calendar.JobID {
	return calendar.JobID{Owner: done.Owner, Change: done.Change, Seq: (done.Seq+1)*mostFollowing + i}
}
