package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"factotum/notify/letter"
	"factotum/notify/letterfile"
	"factotum/notify/mail"
	"factotum/notify/queue"
	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/worker"
)

// noMail leaves mail where it is until there is somebody to send it.
func noMail(context.Context, calendar.Job) error {
	return worker.RetryAt(time.Now().Add(time.Hour), errors.New(queue.ErrUnserved+"see caldb.smtphost, factotum.mail.direct and service.notify.enable"))
}

// mailRoute is the server that the mail of a domain goes to.
func mailRoute(m *config.Mail, domain string) relay.Route {
	r := relay.Route{Host: m.Host, Port: m.Port, Security: relay.Security(m.Security)}
	if own, ok := m.RouteOf(domain); ok {
		r.Host, r.Port = own.Host, own.Port
		return r
	}
	if m.Host == "" {
		r.Host, r.Port, r.MX = domain, 0, true
		return r
	}
	r.User, r.Password = m.User, m.Password.Reveal()
	return r
}

// sendMail has the store's jobs of mail done: csnotifyd.
func (s *storeService) sendMail(p *process, people calendar.People) error {
	cfg := &p.cfg.Mail
	var signer *mail.Signer
	if cfg.DKIMDomain != "" {
		var err error
		if signer, err = mail.NewSigner(cfg.DKIMDomain, cfg.DKIMSelector, cfg.DKIMKey); err != nil {
			return err
		}
	}
	sender := relay.New(relay.Options{Hello: cmp.Or(cfg.Hello, hostName(p.cfg)), ConnectTimeout: cfg.Timeout / 2, CommandTimeout: cfg.Timeout, SubmitTimeout: 5 * cfg.Timeout})
	s.release = append(s.release, sender.Close)
	files := letterfile.Of(p.cfg)
	files.Warn = func(problem letter.Problem) {
		s.log.Error("a template of mails cannot be used as it is", "file", problem.File, "line", problem.Line, "err", problem.Msg)
	}
	composer := &mail.Composer{Templates: letterfile.New(files), People: timedPeople{people}, Model: s.model, Host: hostName(p.cfg), Envelope: cfg.Envelope,
		TZID: p.cfg.Calstore.TimeZone, Raw8: p.cfg.Local.Allow8BitHeaders, Past: cfg.Past, Resources: cfg.ResourceReplies, Outside: p.cfg.Alarms.Outside, Signer: signer, Now: time.Now}
	s.mail = queue.New(s.model, s.jobs, sender, queue.Options{
		Route: func(domain string) relay.Route { return mailRoute(cfg, domain) }, Compose: composer.Compose,
		Backoff: cfg.Backoff, Notices: cfg.Notices, Connections: cfg.Connections, Each: cfg.Each, Attempt: 10 * cfg.Timeout, Log: s.log,
	})
	s.jobs.Handle(calendar.JobMail, s.mail.Kind())
	return nil
}

// timedPeople tells the queue how long the directory takes to answer.
type timedPeople struct{ calendar.People }

// Person implements calendar.People.
func (t timedPeople) Person(ctx context.Context, id calendar.UserID) (calendar.Person, error) {
	defer looked(ctx, time.Now())
	return t.People.Person(ctx, id)
}

// ByMail implements calendar.People.
func (t timedPeople) ByMail(ctx context.Context, address string) (calendar.Person, error) {
	defer looked(ctx, time.Now())
	return t.People.ByMail(ctx, address)
}

func looked(ctx context.Context, since time.Time) { queue.Looked(ctx, time.Since(since)) }
