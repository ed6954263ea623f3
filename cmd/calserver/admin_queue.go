package main

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/notify/queue"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/worker"
)

// queueFacts answers with what csqueue diagnose judges.
func (a *adminServer) queueFacts(w http.ResponseWriter, r *http.Request) {
	a.jobs(w, r, func(s *storeService, _ worker.Filter) (any, error) { return s.facts(r.Context(), a.p.cfg) })
}

// configuredFacts are those of ics.conf.
func configuredFacts(cfg *config.Config) queue.Facts {
	f := queue.Facts{Now: time.Now(), Enabled: cfg.Notify.Enable, ReadOnly: cfg.Store.ReadOnly, Connections: cfg.Mail.Connections, Each: cfg.Mail.Each, Timeout: cfg.Mail.Timeout, Load: load()}
	f.Direct = cfg.Mail.Direct
	if cfg.Mail.Host != "" {
		f.Relay = mailRoute(&cfg.Mail, "").Address()
	}
	for domain := range cfg.Mail.Routes {
		f.Routes = append(f.Routes, mailRoute(&cfg.Mail, domain).Address())
	}
	slices.Sort(f.Routes)
	f.Routes = slices.Compact(f.Routes)
	return f
}

// facts are what is known of the queue where it is served.
func (s *storeService) facts(ctx context.Context, cfg *config.Config) (queue.Facts, error) {
	f := configuredFacts(cfg)
	st := s.jobs.Stats()
	f.Up, f.Works, f.Doubts = true, st.Works, st.Doubts
	if s.mail != nil {
		c := s.mail.Counts()
		f.Composing, f.Looking, f.Sending, f.Active, f.Longest, f.Hosts = c.Composing, c.Looking, c.Sending, c.Active, c.Longest, s.mail.Hosts()
	}
	err := eachMail(ctx, s.store, func(jobs []calendar.Job) error {
		places := s.jobs.Places(jobs)
		for i := range jobs {
			j := &jobs[i]
			if places[i] == worker.Unknown {
				there, err := stillStored(ctx, s.store, j.JobID)
				if err != nil {
					return err
				}
				if !there { // it was done meanwhile
					continue
				}
			}
			if places[i] == worker.Ready {
				f.Overdue = max(f.Overdue, queue.Overdue(j, f.Now))
			}
			f.Count(j, places[i])
		}
		return nil
	})
	return f, err
}

// eachMail walks over the mails of a store.
func eachMail(ctx context.Context, store calendar.Store, fn func([]calendar.Job) error) error {
	for after := (calendar.JobID{}); ; {
		jobs, err := worker.List(ctx, store, worker.Filter{Kinds: []string{calendar.JobMail}}, after, jobsAtOnce)
		if err != nil || len(jobs) == 0 {
			return err
		}
		after = jobs[len(jobs)-1].JobID
		if err := fn(jobs); err != nil {
			return err
		}
	}
}

func stillStored(ctx context.Context, store calendar.Store, id calendar.JobID) (there bool, err error) {
	err = store.View(ctx, id.Owner, func(tx calendar.ReadTx) (err error) {
		_, there, err = tx.Job(id.Change, id.Seq)
		return err
	})
	return there, err
}

func (r runningJobs) facts(ctx context.Context) (f queue.Facts, err error) {
	return f, callStore(ctx, r.cfg, "GET", "/mail/facts", &f)
}

func (s stoppedJobs) facts(ctx context.Context) (queue.Facts, error) {
	f := configuredFacts(s.cfg)
	err := eachMail(ctx, s.store, func(jobs []calendar.Job) error {
		for i := range jobs {
			f.Count(&jobs[i], worker.Unknown)
		}
		return nil
	})
	return f, err
}

// load is how much of this machine's processors is in use, averaged over a minute;
// negative where the system does not tell.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return n / float64(runtime.NumCPU())
}
