package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/notify/popup"
	"factotum/notify/xmpp"
	"factotum/protocol/dwp"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/config"
)

// notifyService is csnotifyd: it takes reminders from ENS and brings them to the
// screens of those who are logged in to instant messaging. Mail is csstored's.
// notifications.md §9.
type notifyService struct {
	link    *xmpp.Link
	cancel  context.CancelFunc
	work    sync.WaitGroup
	errs    chan error
	remote  []*dwp.Client
	release []func()
}

// popupConsumer is the name of the subscription, which all hosts share: each reminder
// goes to one of them.
const popupConsumer = "popups"

// popupTopic is where reminders are published unless ics.conf says something else.
// notifications.md §9.2.
const popupTopic = "enp:///ics/customalarm"

// popupsAtOnce is how many reminders are brought at a time.
const popupsAtOnce = 8

func openNotifyRole(ctx context.Context, p *process) (svc running, err error) {
	cfg, log := p.cfg, p.logFor("notify")
	if !cfg.PopsUp() {
		return nil, errors.New("there is nothing to do: csstored sends the mail, and pop-ups are off (see factotum.xmpp.enable and service.notify.enable)")
	}
	s := &notifyService{errs: make(chan error, 1)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	opt, err := xmppOptions(cfg, log)
	if err != nil {
		return nil, err
	}
	if s.link, err = xmpp.New(opt); err != nil {
		return nil, fmt.Errorf("set up the agent for pop-ups: %w", err)
	}
	ref, err := calendar.ParseEventRef(cmp.Or(cfg.XMPP.Destination, popupTopic))
	if err != nil {
		return nil, err
	}
	people, err := p.people()
	if err != nil {
		return nil, err
	}
	var local calendar.Backend
	if !pureFrontEnd(cfg) {
		be, closeLocal, err := p.local(ctx, log)
		if err != nil {
			return nil, err
		}
		s.release = append(s.release, closeLocal)
		local = be
	}
	router, _, remote, err := route(cfg, local, people, p.lists, log, nil)
	s.remote = remote
	if err != nil {
		return nil, err
	}
	ens, err := p.bus()
	if err != nil {
		return nil, err
	}
	if ens == nil {
		return nil, errors.New("there is no event notification service that tells of reminders: see service.ens.enable and service.ens.host")
	}
	if err := awaitENS(ctx, cfg, ens.Err); err != nil {
		return nil, err
	}
	counts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_popups_total", Help: "What became of reminders that were to pop up."}, []string{"outcome"})
	for _, o := range popup.Outcomes() {
		counts.WithLabelValues(string(o))
	}
	p.metrics.reg.MustRegister(counts)
	s.release = append(s.release, func() { p.metrics.reg.Unregister(counts) }, p.metrics.gauge("factotum_xmpp_connected", "1 while there is a connection to the XMPP server.", func() float64 {
		if s.link.Err() != nil {
			return 0
		}
		return 1
	}))
	agent := &popup.Agent{People: people, Prefs: countBackend(router, "notify", p.metrics), Link: s.link, JID: popup.Address(cfg.XMPP.Users), XML: wcap.ReadXML,
		ByRule: cfg.XMPP.ByRule, TZID: cfg.Calstore.TimeZone, Most: cfg.XMPP.Most, Now: time.Now, Log: log,
		Count: func(o popup.Outcome) { counts.WithLabelValues(string(o)).Inc() }}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	// Who has no connection leaves reminders to the agents that have one.
	s.work.Go(func() {
		s.link.Run(run, func(up context.Context) {
			var all sync.WaitGroup
			for range popupsAtOnce {
				all.Go(func() {
					if err := ens.Consume(up, popupConsumer, ref, agent.Handle); err != nil && up.Err() == nil {
						s.fail(fmt.Errorf("subscribe to %s: %w", ref, err))
					}
				})
			}
			all.Wait()
		})
	})
	s.work.Go(func() { s.watchENS(run, cfg, ens.Err) })
	notice(log, "subscribed", "topic", ref.String(), "jid", cfg.XMPP.JID)
	return s, nil
}

// xmppOptions are the agent's part of the configuration.
func xmppOptions(cfg *config.Config, log *slog.Logger) (xmpp.Options, error) {
	x := &cfg.XMPP
	opt := xmpp.Options{JID: x.JID, Password: x.Password.Reveal(), Address: x.Server, Security: xmpp.Security(x.Security),
		Domains: x.Domains, Headlines: x.Headlines, Log: log}
	if x.Security == "auto" {
		if opt.Security = xmpp.StartTLS; xmpp.Component(x.JID) {
			opt.Security = xmpp.NoTLS
		}
	}
	if x.CAFile != "" {
		pem, err := os.ReadFile(x.CAFile)
		if err != nil {
			return opt, fmt.Errorf("read factotum.xmpp.cafile: %w", err)
		}
		opt.Roots = x509.NewCertPool()
		if !opt.Roots.AppendCertsFromPEM(pem) {
			return opt, fmt.Errorf("read factotum.xmpp.cafile: %s has no certificate", x.CAFile)
		}
	}
	return opt, nil
}

// awaitENS waits at the start for the event notification service, if there is time for
// that. notifications.md §7.1, service.notify.startupretrytime.
func awaitENS(ctx context.Context, cfg *config.Config, ens func() error) error {
	end := time.Now().Add(cfg.Notify.StartupRetry)
	for cfg.Notify.StartupRetry > 0 {
		err := ens()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w (service.notify.startupretrytime is %d)", err, cfg.Notify.StartupRetry/time.Second)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(cfg.Notify.RetryInterval, 100*time.Millisecond)):
		}
	}
	return nil
}

// watchENS gives the service up when ENS has been away for too long.
func (s *notifyService) watchENS(ctx context.Context, cfg *config.Config, ens func() error) {
	if cfg.Notify.MaxRetries < 0 {
		return
	}
	t := time.NewTicker(cfg.Notify.RetryInterval)
	defer t.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		err := ens()
		if err == nil {
			failures = 0
			continue
		}
		if failures++; failures > cfg.Notify.MaxRetries {
			s.fail(fmt.Errorf("%w (service.notify.maxretrytime is %d)", err, cfg.Notify.MaxRetries))
			return
		}
	}
}

func (s *notifyService) fail(err error) {
	select {
	case s.errs <- err:
	default:
	}
}

func (s *notifyService) failed() <-chan error { return s.errs }

func (s *notifyService) stop(context.Context) {
	s.cancel()
	s.close()
}

// close waits for what is under way.
func (s *notifyService) close() {
	s.work.Wait()
	for _, c := range s.remote {
		c.Close()
	}
	for _, f := range s.release {
		f()
	}
}
