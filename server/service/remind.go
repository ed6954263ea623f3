package service

import (
	"slices"
	"time"

	"factotum/server/alarm"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/personal"
)

// AlarmOptions say which alarms the server sends, and how. The zero value sends
// none. notifications.md §7.
type AlarmOptions struct {
	Mail    bool   // those with ACTION:EMAIL, by mail
	MailURL string // topic that tells of each of these; "" tells nobody

	// One more message of each alarm for pop-ups: its topic, and its form; "" is none.
	// Print writes what is not text/calendar.
	URL, ContentType string
	Print            func(contentType string, props []ical.Property, comps []*ical.Component) []byte

	Late       time.Duration // how late one is sent; 0 = a day
	Recipients int           // of one alarm, at most; 0 = 10
}

func (o AlarmOptions) wants() alarm.Wants {
	return alarm.Wants{Mail: o.Mail, Publish: o.URL != "" && o.ContentType != ""}
}

// remind keeps the job of an object's next alarm: that of the version before goes,
// and the one after has its own. What was due of the former, and has not been sent
// yet, is not forgotten.
func (w *writer) remind(row *calendar.CalendarRow, before, after *calendar.Version) error {
	wants := w.s.opt.Alarms.wants()
	if !wants.Any() || !row.Kind.Rules().Objects {
		return nil
	}
	var next calendar.NextAlarm
	if before != nil && mayRemind(wants, before) {
		id := calendar.AlarmJob(w.owner, before.Change)
		job, ok, err := w.Job(id.Change, id.Seq)
		if err != nil {
			return err
		}
		if ok {
			if next, err = calendar.ParseNextAlarm(job); err != nil {
				return err
			}
			if err := w.dropJob(id); err != nil {
				return err
			}
		}
	}
	if after == nil || !mayRemind(wants, after) {
		return nil
	}
	_, err := w.planAlarm(row, after, w.carry(next))
	return err
}

// carry is from when on an object is planned for which next was planned, the zero
// value if nothing was: what is due of that, and has not been sent yet, is not
// forgotten; what has been sent does not fire again after the clock was set back.
func (w *writer) carry(next calendar.NextAlarm) calendar.NextAlarm {
	if next.From.IsZero() || next.From.After(w.now) {
		next.From = w.now
		if next.Fired.After(w.now) && next.Fired.Before(w.now.Add(24*time.Hour)) {
			next.From = next.Fired
		}
	}
	return next
}

// planAlarm stores the job of the first alarm of an object at next.From or after it;
// ok is false if there is none.
func (w *writer) planAlarm(row *calendar.CalendarRow, v *calendar.Version, next calendar.NextAlarm) (ok bool, err error) {
	job, err := w.nextAlarm(row, v, next, w.alarmsOf(row, v))
	if err != nil || job == nil {
		return false, err
	}
	return true, w.keepJob(*job)
}

// nextAlarm is that job, nil if there is none.
func (w *writer) nextAlarm(row *calendar.CalendarRow, v *calendar.Version, next calendar.NextAlarm, all []ownAlarms) (*calendar.Job, error) {
	var first time.Time
	for _, a := range all {
		if at, ok := a.plan.Next(next.From); ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return nil, nil
	}
	next.Cal, next.Name, next.From = row.ID, v.Name, first
	job, err := next.Job(calendar.AlarmJob(w.owner, v.Change))
	return &job, err
}

func mayRemind(wants alarm.Wants, v *calendar.Version) bool {
	return wants.May(v.Data) || slices.ContainsFunc(v.Props, func(p calendar.DeadProp) bool {
		return calendar.IsPersonalProp(p) && wants.May([]byte(p.Value))
	})
}

// ownAlarms are those that somebody has in an object.
type ownAlarms struct {
	user calendar.UserID // "" is the owner
	cal  *ical.Component // as he sees it
	plan *alarm.Plan
}

// alarmsOf are the alarms of an object that the server sends: the owner's, and those
// that others have of their own in a calendar that he shares. What cannot be read has
// none; csdb check tells of it.
func (w *writer) alarmsOf(row *calendar.CalendarRow, v *calendar.Version) (all []ownAlarms) {
	wants := w.s.opt.Alarms.wants()
	base, err := v.Parsed()
	if err != nil {
		return nil
	}
	floating := w.s.floatingOf(nil, cache.NewCalendar(w.owner, *row, nil))
	if wants.May(v.Data) {
		if plan := alarm.New(base, wants, floating); plan != nil {
			all = append(all, ownAlarms{"", base, plan})
		}
	}
	for i := range v.Props {
		p := &v.Props[i]
		if !calendar.IsPersonalProp(*p) || !wants.May([]byte(p.Value)) {
			continue
		}
		cal := personal.View(base, partOf([]byte(p.Value)), floating)
		if plan := alarm.New(cal, wants, floating); plan != nil {
			all = append(all, ownAlarms{calendar.PersonalUser(*p), cal, plan})
		}
	}
	return all
}

// dropAlarms deletes the jobs of a calendar's alarms.
func (w *writer) dropAlarms(row *calendar.CalendarRow) error {
	if !w.s.opt.Alarms.wants().Any() || !row.Kind.Rules().Objects {
		return nil
	}
	jobs, err := w.Jobs()
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if job.Kind != calendar.JobAlarm {
			continue
		}
		if next, err := calendar.ParseNextAlarm(job); err == nil && next.Cal == row.ID {
			if err := w.dropJob(job.JobID); err != nil {
				return err
			}
		}
	}
	return nil
}
