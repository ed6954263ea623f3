package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"factotum/server/alarm"
	"factotum/server/calendar"
)

// lackOf says whom a firing has to know of.
type lackOf struct{ users []calendar.UserID }

func (*lackOf) Error() string { return "the directory has to be asked whose alarms these are" }

// FireAlarms does a job of kind calendar.JobAlarm: in one transaction it stores the
// mails and publications of all that is due of an object, and the job of the next
// alarm instead of this one. What these are it finds out before, without keeping
// writers waiting: while the job is there, the object is as it was when it was made.
func (s *Service) FireAlarms(ctx context.Context, job calendar.Job) error {
	const op = "remind"
	me, err := s.ownerEntry(ctx, op, job.Owner)
	if err != nil {
		return err
	}
	people := map[calendar.UserID]*calendar.Person{"": me}
	var f firing
	for {
		err := s.store.View(ctx, job.Owner, func(tx calendar.ReadTx) (err error) {
			w := &writer{ReadTx: tx, s: s, owner: job.Owner, op: op, now: s.now().UTC().Truncate(time.Microsecond)}
			f, err = w.fire(job, people)
			return err
		})
		var l *lackOf
		if !errors.As(err, &l) {
			if err != nil {
				return wrap(op, string(job.Owner), err)
			}
			break
		}
		for _, user := range l.users {
			if people[user], err = s.ownerEntry(ctx, op, calendar.Owner(user)); err != nil {
				return err
			}
		}
	}
	done := false
	err = s.transact(withPerson(calendar.WithToken(ctx, ""), me), calendar.Actor{}, op, job.Owner, func(w *writer) error {
		now, ok, err := w.Job(job.Change, job.Seq)
		if done = err == nil && ok && now.Due.Equal(job.Due) && bytes.Equal(now.Payload, job.Payload); !done {
			return err // another has done it, or it is planned for another time
		}
		if len(f.jobs) > 0 {
			if err := w.posted(f.jobs...); err != nil {
				return err
			}
		}
		if f.next == nil {
			return w.dropJob(job.JobID)
		}
		return w.keepJob(*f.next)
	})
	if done && err == nil {
		s.reminded.add(f.sent)
	}
	return err
}

// firing is what comes of a job: those that follow from it, and the one that takes its
// place.
type firing struct {
	jobs []task
	next *calendar.Job // nil: nothing fires any more
	sent AlarmCounts
}

// fire finds out what is due. It only reads.
func (w *writer) fire(job calendar.Job, people map[calendar.UserID]*calendar.Person) (f firing, err error) {
	if job.Due.After(w.now) { // the clock was set back; the worker has to learn of it by another Due
		again := job
		again.Due = job.Due.Add(time.Microsecond)
		return firing{next: &again}, nil
	}
	next, err := calendar.ParseNextAlarm(job)
	if err != nil {
		return f, err
	}
	row, v, err := w.versionOf(next.Cal, next.Name)
	if err != nil || v == nil || v.Change != job.Change {
		return f, err
	}
	all := w.alarmsOf(row, v)
	var due []reminder
	var lack lackOf
	for _, a := range all {
		for _, g := range a.plan.Due(next.From, w.now, cmp.Or(w.s.opt.Alarms.Late, 24*time.Hour)) {
			if people[a.user] == nil {
				lack.users = append(lack.users, a.user)
				break
			}
			due = append(due, reminder{row, v, a, g, people[a.user]})
		}
	}
	if len(lack.users) > 0 {
		return f, &lack
	}
	for i := range due {
		if !w.wantsReminder(&due[i]) {
			continue
		}
		more, err := w.send(&due[i], &next)
		if err != nil {
			return f, err
		}
		f.jobs = append(f.jobs, more...)
		f.sent.note(&due[i].Firing, w.now)
	}
	next.From = alarm.After(w.now)
	next.Fired = next.From
	f.next, err = w.nextAlarm(row, v, next, all)
	return f, err
}

// AlarmCounts count alarms that were sent since the start.
type AlarmCounts struct {
	Mailed, Published int64
	Late              int64 // of both, by more than a minute
}

func (c *AlarmCounts) note(f *alarm.Firing, now time.Time) {
	for _, k := range []struct {
		to *int64
		is bool
	}{{&c.Mailed, f.Mail}, {&c.Published, f.Publish}, {&c.Late, now.Sub(f.At) > alarm.Punctual}} {
		if k.is {
			*k.to++
		}
	}
}

// reminded are the AlarmCounts of a Service.
type reminded struct{ mailed, published, late atomic.Int64 }

func (r *reminded) add(c AlarmCounts) {
	r.mailed.Add(c.Mailed)
	r.published.Add(c.Published)
	r.late.Add(c.Late)
}

// Reminded tells how many alarms were sent.
func (s *Service) Reminded() AlarmCounts {
	return AlarmCounts{s.reminded.mailed.Load(), s.reminded.published.Load(), s.reminded.late.Load()}
}

// versionOf is an object with what others have of their own in it, nil if there is
// none.
func (w *writer) versionOf(cal int64, name string) (*calendar.CalendarRow, *calendar.Version, error) {
	rows, err := w.Calendars()
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(rows, func(r calendar.CalendarRow) bool { return r.ID == cal })
	if i < 0 {
		return nil, nil, nil
	}
	o, ok, err := w.Object(cal, name, true)
	if err != nil || !ok {
		return nil, nil, err
	}
	v := calendar.NewVersion(o, nil, nil)
	v.Props, err = w.Props(cal, name)
	return &rows[i], v, err
}
