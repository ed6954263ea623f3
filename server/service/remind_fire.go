package service

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"factotum/server/alarm"
	"factotum/server/calendar"
)

// LookAtAlarm reads what a job of kind calendar.JobAlarm is about, in the snapshot
// that has the job, and returns what does it: in one transaction that stores the
// mails and publications of all that is due of an object, and the job of the next
// alarm instead of this one. What these are is found out before, without keeping
// anybody waiting: while the job is there, the object is as it was when it was made.
func (s *Service) LookAtAlarm(tx calendar.ReadTx, job calendar.Job) (func(context.Context, calendar.Job) error, error) {
	l := &alarmLook{s: s}
	if l.next, l.unread = calendar.ParseNextAlarm(job); l.unread != nil {
		return l.fire, nil
	}
	rows, err := tx.Calendars()
	i := slices.IndexFunc(rows, func(r calendar.CalendarRow) bool { return r.ID == l.next.Cal })
	if err != nil || i < 0 {
		return l.fire, err
	}
	o, ok, err := tx.Object(l.next.Cal, l.next.Name, true)
	if err != nil || !ok || o.Change != job.Change {
		return l.fire, err
	}
	l.row, l.v = &rows[i], calendar.NewVersion(o, nil, nil)
	if l.v.Props, err = tx.Props(l.next.Cal, l.next.Name); err == nil && s.opt.Alarms.Mail {
		l.prefs, err = tx.Prefs()
	}
	return l.fire, err
}

// alarmLook is what one snapshot tells of a job.
type alarmLook struct {
	s      *Service
	next   calendar.NextAlarm
	unread error
	row    *calendar.CalendarRow
	v      *calendar.Version // nil: there is nothing that fires
	prefs  map[string]string
}

// fire does the job.
func (l *alarmLook) fire(ctx context.Context, job calendar.Job) error {
	const op = "remind"
	if l.unread != nil {
		return l.unread
	}
	s := l.s
	me, err := s.ownerEntry(ctx, op, job.Owner)
	if err != nil {
		return err
	}
	f, err := l.firing(ctx, op, job, me)
	if err != nil {
		return wrap(op, string(job.Owner), err)
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

// firing finds out what is due.
func (l *alarmLook) firing(ctx context.Context, op string, job calendar.Job, me *calendar.Person) (f firing, err error) {
	w := &writer{s: l.s, owner: job.Owner, op: op, now: l.s.now().UTC().Truncate(time.Microsecond)} // without a transaction: all is read
	if job.Due.After(w.now) {                                                                       // the clock was set back; the worker has to learn of it by another Due
		again := job
		again.Due = job.Due.Add(time.Microsecond)
		return firing{next: &again}, nil
	}
	if l.v == nil {
		return f, nil
	}
	next := l.next // this may be tried again
	all := w.alarmsOf(l.row, l.v)
	for _, a := range all {
		due := a.plan.Due(next.From, w.now, cmp.Or(l.s.opt.Alarms.Late, 24*time.Hour))
		who := me
		if len(due) > 0 && a.user != "" {
			if who, err = l.s.ownerEntry(ctx, op, calendar.Owner(a.user)); err != nil {
				return f, err
			}
		}
		for _, g := range due {
			r := reminder{l, a, g, who}
			if !w.wantsReminder(&r) {
				continue
			}
			more, err := w.send(&r, &next)
			if err != nil {
				return f, err
			}
			f.jobs = append(f.jobs, more...)
			f.sent.note(&g, w.now)
		}
	}
	next.From = alarm.After(w.now)
	next.Fired = next.From
	f.next, err = w.nextAlarm(l.row, l.v, next, all)
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
