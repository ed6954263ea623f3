package service

import (
	"context"
	"net/url"
	"strings"
	"time"

	"factotum/server/calendar"
)

// TakeTelling says what a job of kind calendar.JobPush or JobHook is to send, now.
// ok is false if there is nothing to send any more, and the job is deleted: the
// registration has ended, or who registered may not read the calendar any more,
// which ends it.
func (s *Service) TakeTelling(ctx context.Context, job calendar.Job) (m calendar.Message, ok bool, err error) {
	const op = "tell of a change"
	t, err := calendar.ParseTelling(job)
	if err != nil {
		return m, false, err
	}
	var row calendar.RegistrationRow
	err = s.store.View(ctx, job.Owner, func(tx calendar.ReadTx) (err error) {
		row, _, err = tx.Registration(t.Registration)
		return err
	})
	if err != nil {
		return m, false, wrap(op, string(job.Owner), err)
	}
	var who calendar.Actor
	active := false
	if row.User != "" {
		p, err := s.person(ctx, op, calendar.Owner(row.User))
		if active = err == nil && calendar.SameEntry(row.Entry, p.Entry); active {
			who = p.Actor()
		} else if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return m, false, err
		}
	}
	err = s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, op, job.Owner, func(w *writer) (err error) {
		m, ok, err = w.takeTelling(job, active, who)
		return err
	})
	if err != nil || !ok || !m.Row.Contents || m.Row.Kind != calendar.HookRegistration || m.CalID == "" || m.News.Name == "" {
		return m, ok, err
	}
	o, err := s.Object(ctx, who, calendar.Ref{Calendar: m.CalID, Name: m.News.Name})
	switch calendar.KindOf(err) {
	case calendar.NotFound, calendar.NoCalendar, calendar.Denied: // deleted meanwhile, which is told by itself
		return m, true, nil
	}
	if err == nil {
		m.Object = o
	}
	return m, err == nil, err
}

func (w *writer) takeTelling(job calendar.Job, active bool, who calendar.Actor) (m calendar.Message, ok bool, err error) {
	job, there, err := w.Job(job.Change, job.Seq) // it may tell of more than when it was read
	if err != nil || !there {
		return m, false, err
	}
	t, err := calendar.ParseTelling(job)
	if err != nil {
		return m, false, err
	}
	row, there, err := w.Registration(t.Registration)
	if err != nil {
		return m, false, err
	}
	if !there || row.Off || !w.s.opt.Registrations.enabled(row.Kind) {
		_, err = w.finish(job.JobID)
		return m, false, err
	}
	m = calendar.Message{Owner: w.owner, Row: row, Telling: t}
	if t.News != nil {
		m.News = *t.News
	}
	may, err := w.mayHear(&m, active, who)
	if err != nil {
		return m, false, err
	}
	if !may || ended(&row, w.now) {
		if err := w.dropRegistration(row.ID); err != nil {
			return m, false, err
		}
		_, err = w.finish(job.JobID)
		return m, false, err
	}
	if row.Waiting == job.Change && row.WaitingSeq == job.Seq { // from now on there is another for what happens
		row.Waiting, row.WaitingSeq = 0, 0
		m.Row = row
		return m, true, w.putRegistration(row)
	}
	return m, true, nil
}

// mayHear reports whether who registered may be told, and fills in the calendar as
// it is now.
func (w *writer) mayHear(m *calendar.Message, active bool, who calendar.Actor) (bool, error) {
	if !active {
		return false, nil
	}
	if m.Row.Cal == 0 {
		m.CalID = m.News.CalID
		return w.s.isOwner(who, w.owner), nil
	}
	rows, err := w.Calendars()
	if err != nil {
		return false, err
	}
	row, found := calendar.CalendarRow{}, false
	for i := range rows {
		if placeKey(&rows[i]) == m.Row.Cal {
			row, found = rows[i], true
		}
	}
	if m.Row.Cal <= 0xff { // a collection that every home has
		row.Name = calendar.CollectionKind(m.Row.Cal).Rules().Name
		if found, err = w.box(row.Name, &row, found); err != nil {
			return false, err
		}
	}
	if !found { // deleted: the last that is told of it
		m.Gone = true
		return true, nil
	}
	m.CalID = calendar.NewID(w.owner, row.Name)
	m.SyncToken = (&calendar.Calendar{Incarnation: row.ID, Change: row.Change}).SyncToken()
	return w.s.rights(who, w.owner, strings.Fields(row.CoOwners), row.ACL).CanRead() && (!row.Disabled || w.s.administers(who, w.owner)), nil
}

// SettleTelling notes what became of a message, and deletes its job unless it is
// tried again.
func (s *Service) SettleTelling(ctx context.Context, job calendar.JobID, id string, out calendar.Outcome) error {
	const op = "note what became of a message"
	var whose *calendar.Person // of what is switched off
	if out.Off && s.opt.Notices.Hooks {
		var err error
		if whose, err = s.whoRegistered(ctx, op, job.Owner, id); err != nil {
			return err
		}
	}
	return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, op, job.Owner, func(w *writer) error {
		if !out.Again {
			if first, err := w.finish(job); err != nil || !first {
				return err
			}
		}
		row, ok, err := w.Registration(id)
		if err != nil || !ok {
			return err
		}
		if out.End {
			return w.dropRegistration(id)
		}
		had := row
		switch {
		case out.Problem != "":
			row.Failures++
			if row.Since.IsZero() {
				row.Since = w.now
			}
			row.Problem, row.Off, row.Last = out.Problem, out.Off, w.now
			if row.Off && !had.Off && whose != nil {
				if err := w.hookNotice(&row, whose); err != nil {
					return err
				}
			}
		default:
			row.Failures, row.Since, row.Problem = 0, time.Time{}, ""
			if row.Kind == calendar.HookRegistration || had.Failures > 0 { // else nobody looks at it
				row.Last = w.now
			}
		}
		if row.Last.Equal(had.Last) && row.Failures == had.Failures {
			return nil
		}
		return w.putRegistration(row)
	})
}

// whoRegistered is whose registration it is, nil if there is none any more.
func (s *Service) whoRegistered(ctx context.Context, op string, owner calendar.Owner, id string) (*calendar.Person, error) {
	var user calendar.UserID
	err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		row, _, err := tx.Registration(id)
		user = row.User
		return err
	})
	if err != nil || user == "" {
		return nil, wrap(op, string(owner), err)
	}
	return s.ownerEntry(ctx, op, calendar.Owner(user))
}

// hookNotice has it mailed that a webhook is switched off: to whose it is.
func (w *writer) hookNotice(row *calendar.RegistrationRow, whose *calendar.Person) error {
	to := []string{whose.Mail()}
	if calendar.Owner(whose.ID) == w.owner {
		w.me = whose
		var err error
		if _, to, err = w.noticesTo(); err != nil {
			return err
		}
	}
	host := ""
	if u, err := url.Parse(row.Address); err == nil { // the rest of it may be a secret
		host = u.Host
	}
	var jobs []task
	for _, to := range to {
		if to == "" {
			continue
		}
		m := calendar.Mailing{Kind: calendar.MailHook, To: to, UID: row.ID, Summary: host, Why: row.Problem, Since: row.Since,
			Letter: calendar.Letter{ID: "hook/" + row.ID + "/" + row.Last.UTC().Format(time.RFC3339Nano)}}
		job, err := m.Job()
		if err != nil {
			return err
		}
		jobs = append(jobs, task{Job: job})
	}
	if len(jobs) == 0 {
		return nil
	}
	return w.posted(jobs...)
}
