package service

import (
	"context"

	"factotum/server/calendar"
)

// Settle notes in the owner's object what became of messages about it, and in
// his journal, and has those that could not be brought tried again by their own
// way, or mailed. The Schedule-Tag stays: who wrote the object knows what he wrote. The job
// that brought them is done with that, in the same transaction.
func (s *Service) Settle(ctx context.Context, owner calendar.Owner, st calendar.Settlement) error {
	const op = "note what became of a message"
	return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, op, owner, func(w *writer) error {
		if first, err := w.finish(st.Job); err != nil || !first {
			return err
		}
		later := make([]*calendar.Post, len(st.Later))
		for i := range st.Later {
			later[i] = &st.Later[i]
		}
		jobs, err := posts(later...)
		if err != nil {
			return err
		}
		for i := range st.Mail {
			job, err := st.Mail[i].Job()
			if err != nil {
				return err
			}
			jobs = append(jobs, task{Job: job})
		}
		for _, t := range st.Traces {
			if err := w.trace(t); err != nil {
				return err
			}
		}
		p, old, err := w.holder(st.UID, 0)
		if err != nil {
			return err
		}
		if old != nil {
			if next := withStatuses(old.Data, st.Statuses, calendar.StatusPending); next != nil {
				obj, err := w.again(p.row.ID, old)
				if err != nil {
					return err
				}
				obj.Data = next
				_, err = w.store(p, old.Name, obj, old, storing{received: true, quiet: true, settles: true, jobs: jobs})
				return err
			}
		}
		if len(jobs) > 0 {
			return w.posted(jobs...)
		}
		return nil
	})
}

// TellAnswers has all attendees of a meeting learn what the others have answered.
// The job that does so is done with that, in the same transaction.
func (s *Service) TellAnswers(ctx context.Context, job calendar.JobID, uid string) error {
	const op = "tell answers"
	me, err := s.ownerEntry(ctx, op, job.Owner)
	if err != nil {
		return err
	}
	return s.transact(withPerson(calendar.WithToken(ctx, ""), me), calendar.Actor{}, op, job.Owner, func(w *writer) error {
		if first, err := w.finish(job); err != nil || !first {
			return err
		}
		p, old, err := w.holder(uid, 0)
		if err != nil || old == nil {
			return err
		}
		cal, err := textOf(old)
		if err != nil {
			return nil
		}
		party, ok, err := w.party(p, telling{})
		if err != nil || !ok {
			return err
		}
		if o := organizerOf(cal); o == nil || !me.HasAddress(o.Value) {
			return nil
		}
		messages, err := party.Answers(cal)
		if err != nil || len(messages) == 0 {
			return nil
		}
		jobs, err := posts(postOf(uid, cal, messages))
		if err != nil {
			return err
		}
		return w.posted(jobs...)
	})
}
