package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/notify/hook"
	"factotum/notify/outward"
	"factotum/notify/push"
	"factotum/notify/webpush"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/service"
	"factotum/server/worker"
)

// pushIdentity is the key by which push services know the site; nil where nothing
// is pushed. Of a site with several hosts it is one that all of them were given.
func pushIdentity(cfg *config.Config) (*webpush.Identity, error) {
	switch {
	case !cfg.Push.Enable:
		return nil, nil
	case cfg.Push.VAPID != "":
		return webpush.ReadIdentity(cfg.Push.VAPID, pushContact(cfg))
	case cfg.CLD.Type != "local":
		return nil, nil
	}
	return webpush.MakeIdentity(filepath.Join(cfg.Data, "vapid.pem"), pushContact(cfg))
}

// pushContact is how operators of push services reach the administrator. RFC 8292 §2.1.
func pushContact(cfg *config.Config) string {
	if cfg.Push.Contact != "" {
		return cfg.Push.Contact
	}
	if u := publicURL(cfg); strings.HasPrefix(u, "https://") {
		return u
	}
	return "mailto:postmaster@" + hostName(cfg)
}

// tellers send to push services and webhooks.
type tellers struct {
	identity    *webpush.Identity
	push, hooks *outward.Client
}

func newTellers(cfg *config.Config) (*tellers, error) {
	t := &tellers{}
	var err error
	if t.identity, err = pushIdentity(cfg); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		param string
		allow []string
		to    **outward.Client
	}{{"factotum.push.allow", cfg.Push.Allow, &t.push}, {"factotum.hooks.allow", cfg.Hooks.Allow, &t.hooks}} {
		var allow []netip.Prefix
		if allow, err = networks(c.allow); err != nil {
			return nil, fmt.Errorf("read %s: %w", c.param, err)
		}
		*c.to = outward.New(outward.Options{Allow: allow, Agent: "FactotumCalendar/" + versionString()})
	}
	return t, nil
}

// options are the model's part.
func (t *tellers) options(cfg *config.Config) service.RegistrationOptions {
	opt := service.RegistrationOptions{NoPush: t.identity == nil, NoHooks: !cfg.Hooks.Enable, Life: cfg.Push.Life, PushLimit: cfg.Push.Limit, HookLimit: cfg.Hooks.Limit, Delay: cfg.Push.Delay,
		Check: func(kind calendar.RegistrationKind, address string) error {
			client := t.push
			if kind == calendar.HookRegistration {
				client = t.hooks
			}
			_, err := client.Check(address)
			return err
		}}
	if t.identity != nil {
		opt.ServerKey = t.identity.PublicKey()
	}
	return opt
}

// tell has the store's jobs of telling done.
func (t *tellers) tell(s *storeService, p *process) {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "factotum_tellings_total",
		Help: "What became of messages to push services and webhooks: sent, failed (an attempt), ended (the registration with it)."}, []string{"kind", "outcome"})
	p.metrics.reg.MustRegister(count)
	seen := func(kind calendar.RegistrationKind) func(string) {
		return func(outcome string) { count.WithLabelValues(string(kind), outcome).Inc() }
	}
	s.release = append(s.release, func() { p.metrics.reg.Unregister(count) }, t.push.Close, t.hooks.Close)
	pusher := &push.Sender{Model: s.model, Client: t.push, Identity: t.identity, Now: time.Now, Sent: seen(calendar.PushRegistration)}
	hooks := &hook.Sender{Model: s.model, Client: t.hooks, Now: time.Now, Log: s.log, PublicURL: publicURL(p.cfg), GiveUp: p.cfg.Hooks.GiveUp, Sent: seen(calendar.HookRegistration)}
	s.jobs.Handle(calendar.JobNews, worker.Kind{Run: s.model.TellNews, Deletes: true})
	s.jobs.Handle(calendar.JobPush, pusher.Kind())
	s.jobs.Handle(calendar.JobHook, hooks.Kind())
}
