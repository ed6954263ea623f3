package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/notify/operator"
	"factotum/notify/relay"
	"factotum/server/config"
)

// Alarms to the administrator: of backups (admin.md §9.4), of what csadmind's threads
// watched, the space on disks and whether services respond (admin.md §6.13), and of a full
// disk, a damaged database, slow writes and certificates that expire, which are known anyway.

// What alarms are about, where no parameter has the words.
const (
	aboutBackup      = "calendar backup"
	aboutProof       = "proof of the calendar backup"
	aboutFull        = "calendar disk"
	aboutDatabase    = "calendar database"
	aboutCertificate = "certificate"
	aboutSlow        = "calendar writes"
	aboutStandby     = "calendar standby"
	aboutWitness     = "witness of the calendar standby"
	aboutTakeOver    = "take-over of calendars"
)

// backupsToldAgain is after how long a backup that is missing is told of again.
// admin.md §9.4.
const backupsToldAgain = 24 * time.Hour

// For how long there may be no standby, and no witness, until the administrator is told, as
// while it is started anew.
const (
	standbyAway = 30 * time.Second
	witnessAway = 5 * time.Minute
)

// toldTakeOver is for how long after a take-over a start tells of it.
const toldTakeOver = time.Hour

// tellTakeOver tells the administrator, once, that this host serves since the other one was lost, or
// handed over.
func (p *process) tellTakeOver(which string, since time.Time) {
	if time.Since(since) < toldTakeOver {
		p.alarms.Raise(operator.Alarm{What: aboutTakeOver, About: hostName(p.cfg) + ", " + which, Value: "done",
			Says: fmt.Sprintf("%s has taken over the calendars from %s, and serves them. See \"calserver standby status\", and why the other one was lost; when it runs again it is the standby.",
				hostName(p.cfg), p.cfg.Standby.Peer())})
	}
}

// openAlarms makes who mails the administrator; nil where nobody is to be mailed.
func openAlarms(p *process) *operator.Mailer {
	if !p.cfg.AlertsMailed() {
		return nil
	}
	return newMailer(p.cfg, filepath.Join(p.cfg.Data, "alarms", p.name+".json"), p.log)
}

// newMailer makes who mails the administrator, and keeps in a file what he was told.
func newMailer(cfg *config.Config, file string, log *slog.Logger) *operator.Mailer {
	a := &cfg.Alerts
	sender := relay.New(relay.Options{Hello: cmp.Or(cfg.Mail.Hello, hostName(cfg)), IdleTime: time.Millisecond})
	return operator.New(operator.Options{
		From: a.Sender, To: a.Recipient, Host: hostName(cfg), Template: a.Template, File: file, Log: log,
		Send: func(ctx context.Context, from, to string, data []byte) error {
			route := relay.Route{Host: a.Host, Port: a.Port}
			if cfg.Mails() && !cfg.IsSet("alarm.msgalarmnoticehost") {
				route = mailRoute(&cfg.Mail, relay.Domain(to))
			}
			return sender.Send(ctx, route, relay.Mail{From: from, To: to, Data: data})
		},
	})
}

// set raises or lowers an alarm.
func (p *process) set(on bool, a operator.Alarm) {
	if on {
		p.alarms.Raise(a)
	} else {
		p.alarms.Lower(a.What, a.About)
	}
}

// beyond tells whether a value is on the wrong side of a threshold: above with direction 1,
// below with -1. admin.md §6.13.
func beyond(value, threshold, direction int) bool {
	if direction > 0 {
		return value > threshold
	}
	return value < threshold
}

// watchHost looks at the host until ctx ends, in the process that has the store, or that
// serves HTTP where there is no store.
func (p *process) watchHost(ctx context.Context) {
	every := func(interval time.Duration, look func(context.Context)) {
		for t := time.NewTicker(interval); ; {
			look(ctx)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
		}
	}
	if p.name == "calserver" || p.name == "csstored" || p.name == "cshttpd" && pureFrontEnd(p.cfg) {
		if p.cfg.Admin.DiskUsage {
			go every(p.cfg.Alerts.DiskInterval, p.watchDisks)
		}
		if p.cfg.Admin.ServerResponse {
			go every(p.cfg.Alerts.ResponseInterval, p.watchServices)
		}
	}
	if p.alarms != nil {
		every(healthEvery, p.watchHealth)
	}
}

// watchHealth tells of what keeps the calendars from being written, and of certificates.
func (p *process) watchHealth(context.Context) {
	for _, d := range p.health.list() {
		a := operator.Alarm{About: d.About, Value: "not well", Says: d.Err, Every: 24 * time.Hour}
		on := !d.OK
		switch d.Name {
		case "disk":
			a.What, a.Value = aboutFull, "full"
		case "database":
			a.What, a.Value = aboutDatabase, "damaged"
			on = on && p.health.hurt.Load()
			p.set(d.Warn != "", operator.Alarm{What: aboutSlow, About: d.About, Value: "slow", Says: "The calendar store: " + d.Warn + ".", Every: 24 * time.Hour})
		case "standby":
			a.What, a.Value, on = aboutStandby, "missing", on && time.Since(d.Since) > standbyAway
		case "witness":
			a.What, a.Value, on = aboutWitness, "not responding", on && time.Since(d.Since) > witnessAway
			a.Says += ". Until it answers nobody goes on by itself when one of the two hosts is lost without a word."
		case "certificate":
			a.What, on = aboutCertificate, on || d.Warn != ""
			a.Says = "The certificate: " + cmp.Or(d.Err, d.Warn) + ". Put a new one in its place; it is taken without a restart."
		default:
			continue
		}
		p.set(on, a)
	}
}

// watchDisks is service.admin.diskusage.
func (p *process) watchDisks(context.Context) {
	a := &p.cfg.Alerts
	for _, d := range disksOf(watchedDirs(p.cfg)...) {
		percent := d.percent()
		p.setWatched("disk", beyond(percent, a.DiskThreshold, a.DiskDirection), diskAlarm(a, &d))
	}
}

// serviceTimeout is for how long an answer is waited for; servicePause lies between attempts.
const (
	serviceTimeout = 10 * time.Second
	servicePause   = 2 * time.Second
)

// watchServices is service.admin.serverresponse: of each service it asks three times
// before that does not respond.
func (p *process) watchServices(ctx context.Context) {
	a := &p.cfg.Alerts
	for i := range roles {
		r := &roles[i]
		if !r.enabled(p.cfg) {
			continue
		}
		begun := time.Now()
		err := responds(ctx, p.cfg, r)
		for range 2 {
			if err == nil || pauseFor(ctx, servicePause) != nil {
				break
			}
			begun = time.Now()
			err = responds(ctx, p.cfg, r)
		}
		if err == nil {
			p.watched.answered(r.program, time.Since(begun))
		}
		if ctx.Err() != nil || p.closing() {
			return
		}
		alarm, answered := responseAlarm(a, r, err)
		p.setWatched("response", beyond(answered, a.ResponseThreshold, a.ResponseDirection), alarm)
	}
}

// diskAlarm is that of a disk.
func diskAlarm(a *config.Alerts, d *disk) operator.Alarm {
	percent := d.percent()
	return operator.Alarm{What: a.DiskText, About: d.dir, Value: strconv.Itoa(percent), Every: a.DiskWarning,
		Says: fmt.Sprintf("%d percent (%s of %s) are free on the disk of %s; the threshold is %d. When it is full, nothing can be written to calendars: make room, or enlarge it.",
			percent, size(d.free), size(d.size), d.dir, a.DiskThreshold)}
}

// responseAlarm is that of a service, with what is compared with the threshold: 100
// where it has answered, 0 where it has not.
func responseAlarm(a *config.Alerts, r *role, err error) (alarm operator.Alarm, answered int) {
	answered, says := 100, ""
	if err != nil {
		answered, says = 0, r.program+": "+plain.Error(err)+". See \"calserver status\" and the log of that service."
	}
	return operator.Alarm{What: a.ResponseText, About: r.program, Value: strconv.Itoa(answered),
		Says: cmp.Or(says, r.program+" responds."), Every: a.ResponseWarning}, answered
}

// setWatched raises or lowers an alarm of a value that is watched.
func (p *process) setWatched(alarm string, on bool, a operator.Alarm) {
	p.watched.note(alarm, &a, on)
	p.set(on, a)
}

// watchedDirs are the directories of whose disks the administrator is told.
func watchedDirs(cfg *config.Config) []string {
	return append([]string{filepath.Dir(cfg.Store.Path), cfg.Data, cfg.Log.Dir}, backupDirs(cfg)...)
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// responds asks a service of this host, whichever process it is in.
func responds(ctx context.Context, cfg *config.Config, r *role) error {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	for _, process := range []string{r.program, "calserver"} {
		var st processStatus
		err := callAdmin(ctx, adminSocket(cfg, process), "GET", "/status", &st)
		if errors.Is(err, errNotRunning) {
			continue
		}
		if err != nil {
			return err
		}
		for _, is := range st.Roles {
			if is.Component != r.component {
				continue
			}
			if is.Err != "" {
				return errors.New(is.Err)
			}
			if r.component == "http" {
				return answersHTTP(ctx, is.Listen)
			}
			return nil
		}
	}
	return errors.New("it does not run")
}

// answersHTTP tells whether anything is answered at some addresses; to who asks without TLS
// where it is served, that it should be.
func answersHTTP(ctx context.Context, addrs []string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, addr := range addrs {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
	}
	return nil
}

// watchBackups tells of backups until ctx ends.
func (s *storeService) watchBackups(ctx context.Context, p *process) {
	begun := time.Now()
	for t := time.NewTicker(healthEvery); ; {
		for _, a := range backupAlarms(p.cfg, s.backups(), begun, time.Now()) {
			p.set(a.on, a.Alarm)
		}
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// judged is an alarm that is to be raised, or lowered.
type judged struct {
	on bool
	operator.Alarm
}

// backupAlarms judges backups: that none are made, that they fail, or that none was proven
// for longer than two of their intervals.
func backupAlarms(cfg *config.Config, list []backupStatus, begun, now time.Time) (out []judged) {
	add := func(on bool, what, about, value, says string) {
		out = append(out, judged{on, operator.Alarm{What: what, About: about, Value: value, Says: says, To: cfg.Alerts.CalMaster, Every: backupsToldAgain}})
	}
	add(len(list) == 0 && !cfg.Store.ReadOnly, aboutBackup, hostName(cfg), "not configured",
		"No backups of the calendars are made. Set caldb.berkeleydb.archive.path in ics.conf to a directory on another disk, and start csstored again.")
	expected := max(2*cfg.Backup.Interval, time.Hour)
	for _, b := range list {
		add(b.Failure != "", aboutBackup, b.Directory, "failing", "The backup in "+b.Directory+" is not made, or cannot be restored: "+b.Failure+
			".\nCalendars are served all the same. \"csbackup list\" tells which moments can be restored.")
		if b.Sealed {
			add(true, aboutProof, b.Directory, "not possible", "The backup in "+b.Directory+" is encrypted, and factotum.backup.identities names no identity that opens it. So it is looked at whether its "+
				"files are there and are what was written, and not whether the calendars come back from them. Try that yourself now and then, where the identity is: "+
				"csrestore --dry-run --identity FILE database "+b.Directory+". This is told once.")
			out[len(out)-1].Every = 0
			continue
		}
		grace := expected // of a process that has just begun
		if !b.Proven.IsZero() {
			grace = min(grace, time.Hour)
		}
		says := "No backup in " + b.Directory + " was restored yet to see that it can be."
		if !b.Proven.IsZero() {
			says = "The last backup in " + b.Directory + " that was restored to see that it can be is of " + b.Proven.Local().Format(time.DateTime) + "."
		}
		add(now.Sub(b.Proven) > expected && now.Sub(begun) > grace, aboutProof, b.Directory, "overdue", says+" Another was expected by now: see store.log and \"csbackup list\".")
	}
	return out
}
