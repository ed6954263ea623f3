package main

import (
	"context"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/delivery"
	"factotum/server/worker"
)

// returns tells of each back end that it answers, at first and again after it was
// away.
type returns map[string]chan struct{}

func newReturns(cfg *config.Config) returns {
	r := returns{}
	for _, b := range cfg.DWP.BackEnds {
		r[strings.ToLower(b.Host)] = make(chan struct{}, 1)
	}
	return r
}

// note returns at once; what was noted twice is told once.
func (r returns) note(host string) {
	select {
	case r[strings.ToLower(host)] <- struct{}{}:
	default:
	}
}

func (r returns) each(fn func(host string, again <-chan struct{})) {
	for host, again := range r {
		fn(host, again)
	}
}

// bringAgain has messages brought as soon as the back end that they wait for is
// there again, whenever they would be tried next. One that comes and goes has a
// twentieth of the time, in which all jobs may have to be looked through.
func (s *storeService) bringAgain(ctx context.Context, host string, again <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		n, began := 0, time.Now()
		for _, f := range []worker.Filter{
			{Kinds: []string{calendar.JobDeliver}, Lanes: []string{delivery.Lane(host), delivery.Lane("")}},
			{Kinds: []string{calendar.JobShare}},
		} {
			out, err := s.jobs.Hasten(ctx, f)
			if err != nil && ctx.Err() == nil {
				s.log.Error("bring messages to a back end that is there again", "backend", host, "err", err)
			}
			n += out.Done
		}
		if n > 0 {
			s.log.Info("messages are brought to a back end that is there again", "backend", host, "n", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Since(began)):
		}
	}
}
