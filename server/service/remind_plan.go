package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
)

// replan has the alarms of a calendar planned anew, or with 0 those of all.
func replan(cal int64) ([]task, error) {
	plan := calendar.PlanAlarms{Cal: cal}
	job, err := plan.Job()
	return []task{{Job: job}}, err
}

// plannedAtOnce is how many objects one transaction looks at for their alarms.
const plannedAtOnce = 100

// PlanAlarms does a job of kind calendar.JobPlan, or as much of it as one transaction
// should; then it is due again soon.
func (s *Service) PlanAlarms(ctx context.Context, job calendar.Job) error {
	return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, "plan alarms", job.Owner, func(w *writer) error {
		job, ok, err := w.Job(job.Change, job.Seq)
		if err != nil || !ok {
			return err
		}
		plan, err := calendar.ParsePlanAlarms(job)
		if err != nil {
			return err
		}
		more, err := w.planSome(&plan)
		if err != nil {
			return err
		}
		if !more {
			return w.dropJob(job.JobID)
		}
		again, err := plan.Job()
		if err != nil {
			return err
		}
		again.JobID, again.Created, again.Due = job.JobID, job.Created, w.now.Add(20*time.Millisecond)
		return w.keepJob(again)
	})
}

// planSome plans the alarms of the objects that come next, and says whether there may
// be more.
func (w *writer) planSome(plan *calendar.PlanAlarms) (more bool, err error) {
	wants := w.s.opt.Alarms.wants()
	rows, err := w.Calendars()
	if err != nil || !wants.Any() {
		return false, err
	}
	slices.SortFunc(rows, func(a, b calendar.CalendarRow) int { return cmp.Compare(a.ID, b.ID) })
	for i := range rows {
		row := &rows[i]
		if !row.Kind.Rules().Objects || plan.Cal != 0 && row.ID != plan.Cal || row.ID < plan.At {
			continue
		}
		if row.ID != plan.At {
			plan.At, plan.After = row.ID, ""
		}
		props, err := w.AllProps(row.ID)
		if err != nil {
			return false, err
		}
		var found []*calendar.Version
		seen := 0
		err = w.Objects(row.ID, plan.After, true, func(o *calendar.ObjectRow) error {
			if seen == plannedAtOnce {
				return errEnough
			}
			seen, plan.After = seen+1, o.Name
			kept := *o
			v := calendar.NewVersion(kept, nil, nil)
			if v.Props = props[o.Name]; mayRemind(wants, v) {
				v.Data = bytes.Clone(o.Data)
				found = append(found, v)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return false, err
		}
		for _, v := range found {
			if err := w.planAgain(row, v); err != nil {
				return false, err
			}
		}
		if err != nil {
			return true, nil
		}
	}
	return false, nil
}

// planAgain plans an object's next alarm. What is due by the plan that there was is
// not forgotten.
func (w *writer) planAgain(row *calendar.CalendarRow, v *calendar.Version) error {
	var next calendar.NextAlarm
	id := calendar.AlarmJob(w.owner, v.Change)
	job, had, err := w.Job(id.Change, id.Seq)
	if err != nil {
		return err
	}
	if had {
		if next, err = calendar.ParseNextAlarm(job); err != nil {
			return err
		}
	}
	if more, err := w.planAlarm(row, v, w.carry(next)); err != nil || more || !had {
		return err
	}
	return w.dropJob(id)
}

// PlanAll has the alarms of all owners planned for whom that has not been done as the
// server wants it now: after an upgrade, or another configuration. It goes on until
// ctx ends.
func (s *Service) PlanAll(ctx context.Context) error {
	const op = "plan alarms"
	want := s.planned()
	return s.eachOwner(ctx, func(owner calendar.Owner) error {
		var had string
		err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
			prefs, err := tx.Prefs()
			had = prefs[calendar.PlannedPref]
			return err
		})
		if err != nil || had == want {
			return err
		}
		return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, op, owner, func(w *writer) error {
			if want == "" {
				return w.setPrefs(nil, []string{calendar.PlannedPref})
			}
			if err := w.setPrefs(map[string]string{calendar.PlannedPref: want}, nil); err != nil {
				return err
			}
			jobs, err := replan(0)
			if err != nil {
				return err
			}
			return w.posted(jobs...)
		})
	})
}

// forgetPlanned has the alarms of the owner planned anew at the next start.
func (w *writer) forgetPlanned() error {
	prefs, err := w.Prefs()
	if err != nil || prefs[calendar.PlannedPref] == "" {
		return err
	}
	return w.setPrefs(nil, []string{calendar.PlannedPref})
}

// planned says what alarms are planned for, "" for none.
func (s *Service) planned() string {
	wants := s.opt.Alarms.wants()
	if !wants.Any() {
		return ""
	}
	zones, _ := s.zoneData.Load().(string)
	return strings.TrimSpace(strings.Join([]string{"1", "mail=" + strconv.FormatBool(wants.Mail), "publish=" + strconv.FormatBool(wants.Publish), s.zone.Name(), zones}, " "))
}
