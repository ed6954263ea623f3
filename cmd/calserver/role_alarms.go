package main

import (
	"context"
	"math"
	"time"

	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/service"
	"factotum/server/worker"
)

// alarmOptions are which alarms the server sends: csadmind's part of
// notifications.md §7.
func alarmOptions(cfg *config.Config) service.AlarmOptions {
	a := &cfg.Alarms
	opt := service.AlarmOptions{Late: a.Late, Recipients: a.Recipients}
	if !a.Enable || !a.Dispatch {
		return opt
	}
	opt.Mail = a.Mail && cfg.Mails()
	if ensUsed(cfg) && a.DispatchType == "ens" {
		opt.MailURL, opt.URL, opt.ContentType = a.MailURL, a.URL, a.ContentType
		opt.Print = wcap.Print
	}
	return opt
}

// sendAlarms has the store's jobs of alarms done. They are there, and end, also where
// none is sent any more.
func (s *storeService) sendAlarms(cfg *config.Config) {
	a := &cfg.Alarms
	fire := worker.Kind{Look: s.model.LookAtAlarm, Deletes: true, First: a.RetryInterval, Max: max(a.Retry, a.RetryInterval), Timeout: a.AckTimeout,
		Attempts: a.MaxRetries, Pool: &worker.Pool{Concurrency: a.Threads, Each: a.Threads}}
	switch {
	case a.Retry == 0:
		fire.Attempts = 1
	case a.MaxRetries < 0:
		fire.Attempts = math.MaxInt
	case a.MaxRetries == 0:
		fire.Attempts = 1
	}
	s.jobs.Handle(calendar.JobAlarm, fire)
	s.jobs.Handle(calendar.JobPlan, worker.Kind{Run: s.model.PlanAlarms, Deletes: true, Attempts: math.MaxInt})
}

// planAlarms has alarms planned that no write has planned, until all are.
func (s *storeService) planAlarms(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.model.PlanAll(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.Error("plan alarms", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}
