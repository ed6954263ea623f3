package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

// A change is told in two steps, so that who writes does not pay for those who
// listen. The change's transaction stores one job, the news, and that only where
// the home's row says that somebody is registered. The news are then dealt to the
// registrations, in a transaction of their own: each gets a job, which waits for no
// other's. To push services only that something changed is told, so that news of
// the same that still wait are stored once, and a message that waits takes up what
// happens meanwhile. Webhooks are told of each change, in order.

// news is the job that tells of a change.
func (w *writer) news(ch *calendar.Change) ([]calendar.Job, error) {
	home, _, err := w.Home() // which the change's number was taken from
	if err != nil || home.Registered == 0 {
		return nil, err
	}
	opt := &w.s.opt.Registrations
	push, hooks := !opt.NoPush && home.Registered&calendar.HasPush != 0, !opt.NoHooks && home.Registered&calendar.HasHooks != 0
	n := newsOf(ch)
	if !push && !hooks || n == nil || n.What == "" && !push {
		return nil, nil
	}
	n.Quiet = ch.By.Quiet
	job := calendar.Job{Kind: calendar.JobNews, Key: calendar.JobNews}
	if !hooks || n.What == "" {
		if slices.Contains(n.Quiet, "*") {
			return nil, nil
		}
		job.Key = fmt.Sprintf("%s/%d/%v/%v/%s", calendar.JobNews, n.Cal, n.InCalendar, n.InHome, strings.Join(n.Quiet, ","))
		job.Due = w.now.Add(opt.Delay)
		if o := w.s.opt.Outbox; o != nil && o.Planned(w.owner, job.Key, w.now.Add(time.Millisecond)) {
			return nil, nil // it has not begun, and will tell of this too
		}
	}
	if job.Payload, err = n.Payload(); err != nil {
		return nil, err
	}
	return []calendar.Job{job}, nil
}

// newsOf is what a change is to those who registered, nil if it is nothing to them.
// Its What is empty if it is nothing to webhooks.
func newsOf(ch *calendar.Change) *calendar.News {
	n := &calendar.News{ID: fmt.Sprintf("%s-%d", ch.Owner, ch.Number), When: ch.When, Cal: ch.Incarnation, CalID: ch.Calendar, Name: ch.Name, By: ch.By.User}
	box, isBox := calendar.KindOfName(ch.Calendar.Name())
	if isBox {
		n.Cal = int64(box)
	}
	v := ch.After
	switch ch.Kind {
	case calendar.ObjectStored, calendar.ObjectDeleted:
		n.InCalendar.Content, n.InHome.Content = calendar.DepthMembers, calendar.DepthInfinity
		verb := "modify"
		switch {
		case ch.Kind == calendar.ObjectDeleted:
			v, verb = ch.Before, "delete"
		case ch.Before == nil:
			verb = "create"
		}
		n.UID = v.UID
		n.What = calendar.ComponentNews(v.Component, verb)
	case calendar.ObjectProps:
		n.InCalendar.Properties, n.InHome.Properties = calendar.DepthMembers, calendar.DepthInfinity
		n.UID = v.UID
	case calendar.CalendarCreated:
		n.InHome.Content, n.What = calendar.DepthMembers, "calendarcreate"
	case calendar.CalendarDeleted:
		n.InCalendar.Content, n.InHome.Content, n.What = calendar.DepthSelf, calendar.DepthMembers, "calendardelete"
	case calendar.CalendarChanged:
		n.InCalendar.Properties, n.InHome.Properties, n.What = calendar.DepthSelf, calendar.DepthMembers, "calendarmodify"
		if ch.MovedFrom != nil {
			n.InHome.Content = calendar.DepthMembers
		}
	case calendar.PrefsChanged:
		if ch.PrefsBefore[calendar.SubscribedPref] == ch.PrefsAfter[calendar.SubscribedPref] {
			return nil
		}
		n.Cal, n.CalID, n.InHome.Content = 0, "", calendar.DepthMembers
	default:
		return nil
	}
	if isBox { // what a message does is told of where it does it
		n.What = ""
	}
	return n
}

// wants reports which updates of the news a registration is for.
func wants(r *calendar.RegistrationRow, n *calendar.News) (content, properties bool) {
	at := n.Of(r)
	reaches := func(asked, happened calendar.Depth) bool { return happened != calendar.NoDepth && asked >= happened }
	return reaches(r.Triggers.Content, at.Content), reaches(r.Triggers.Properties, at.Properties)
}

// TellNews does a job of kind calendar.JobNews: each registration that the news are
// for gets a job of its own.
func (s *Service) TellNews(ctx context.Context, job calendar.Job) error {
	const op = "tell of a change"
	n, err := calendar.ParseNews(job)
	if err != nil {
		return err
	}
	return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, op, job.Owner, func(w *writer) error {
		if first, err := w.finish(job.JobID); err != nil || !first {
			return err
		}
		rows, err := w.Registrations()
		if err != nil {
			return err
		}
		var jobs []calendar.Job
		for i := range rows {
			r := &rows[i]
			content, properties := wants(r, &n)
			if !content && !properties || !s.opt.Registrations.enabled(r.Kind) || r.Off || ended(r, w.now) {
				continue
			}
			var next *calendar.Job
			if r.Kind == calendar.HookRegistration {
				next, err = w.hookNews(r, &n)
			} else {
				next, err = w.pushNews(r, &n, followingID(job.JobID, len(jobs)), calendar.Telling{Registration: r.ID, Content: content, Properties: properties})
			}
			if err != nil {
				return err
			}
			if next != nil {
				jobs = append(jobs, *next)
			}
		}
		return w.followUp(job.JobID, jobs)
	})
}

func (w *writer) hookNews(r *calendar.RegistrationRow, n *calendar.News) (*calendar.Job, error) {
	if n.What == "" || r.Created.After(n.When) {
		return nil, nil
	}
	told := *n
	told.Quiet, told.InCalendar, told.InHome = nil, calendar.Triggers{}, calendar.Triggers{}
	job, err := hookJob(r.ID, &told)
	return &job, err
}

func hookJob(id string, n *calendar.News) (calendar.Job, error) {
	payload, err := (&calendar.Telling{Registration: id, News: n}).Payload()
	return calendar.Job{Kind: calendar.JobHook, Key: calendar.TellingKey(calendar.HookRegistration, id), Payload: payload}, err
}

// pushNews is the job of a message, unless one waits: that will tell of this too.
func (w *writer) pushNews(r *calendar.RegistrationRow, n *calendar.News, id calendar.JobID, t calendar.Telling) (*calendar.Job, error) {
	if slices.Contains(n.Quiet, "*") || slices.Contains(n.Quiet, r.ID) && strings.EqualFold(n.By, r.User) {
		return nil, nil
	}
	if r.Waiting != 0 {
		waiting, ok, err := w.Job(r.Waiting, r.WaitingSeq)
		if err != nil {
			return nil, err
		}
		if ok && waiting.Kind == calendar.JobPush && !waiting.Parked {
			have, err := calendar.ParseTelling(waiting)
			if err != nil {
				return nil, err
			}
			if (have.Content || !t.Content) && (have.Properties || !t.Properties) {
				return nil, nil
			}
			have.Content, have.Properties = have.Content || t.Content, have.Properties || t.Properties
			if waiting.Payload, err = have.Payload(); err != nil {
				return nil, err
			}
			return nil, w.keepJob(waiting)
		}
	}
	payload, err := t.Payload()
	if err != nil {
		return nil, err
	}
	r.Waiting, r.WaitingSeq = id.Change, id.Seq
	job := calendar.Job{Kind: calendar.JobPush, Key: calendar.TellingKey(r.Kind, r.ID), Payload: payload}
	if due := n.When.Add(w.s.opt.Registrations.Delay); due.After(w.now) {
		job.Due = due
	}
	return &job, w.putRegistration(*r)
}
