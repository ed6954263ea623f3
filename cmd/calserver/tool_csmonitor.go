package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/notify/operator"
	"factotum/server/config"
)

func init() {
	register("csmonitor", "look whether the server of this host is well, once or again and again", runCsmonitor)
}

const csmonitorUsage = `csmonitor looks at the server of this host from outside: whether its services respond, the
directory answers, there is room on its disks, backups are made, and all that the processes
need is well.

  csmonitor [-q|-v] [--mail] check [subject ...]
  csmonitor [-q|-v] [--mail] [-i seconds] watch [subject ...]
  csmonitor version

  -i, --interval seconds  watch: the time between rounds; service.monitor.loopsdelay
  --mail         mail alarm.msgalarmnoticercpt, or service.monitor.emailaddress.to, when
                 something is the matter, and when it is over; see below
  -k, -c         Sun's, and refused: end it by a signal; it writes no log of its own
  -j, --json     print JSON: one object for each round
  -q             print nothing but errors
  -v             what is well, too
  -C file        the ics.conf to use

The subjects are response, directory, disk, backup and health; without one it looks at all.
The exit status is that of a plug-in for Nagios and its kin: 0 all is well, 1 a warning, 2
critical, 3 it is not known, such as after a wrong call. watch ends with that of its last
round. With service.monitor.continuous = "1" csmonitor without a command is "watch".

The server mails the administrator itself (service.admin.alarm). --mail is for the time in
which it cannot: what a process that runs here tells of is left to it, so that nobody is told
twice. Run from cron, csmonitor remembers below the data directory what it has told.

  csmonitor check
  csmonitor check disk response
  csmonitor --mail -i 60 watch
`

// The states of what is looked at, and the exit statuses of monitoring plug-ins.
const (
	stateOK = iota
	stateWarning
	stateCritical
	stateUnknown
)

var stateWords = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// worse is the state of two together: what is critical counts, whatever else is not
// known.
func worse(a, b int) int {
	if a == stateCritical || b == stateCritical {
		return stateCritical
	}
	return max(a, b)
}

// watchResult is one thing that was looked at.
type watchResult struct {
	Subject string `json:"subject"` // response, directory, disk, backup, health
	About   string `json:"about"`
	State   string `json:"state"`
	Says    string `json:"says"`

	Percent *int     `json:"percent,omitempty"` // free, of a disk
	Seconds *float64 `json:"seconds,omitempty"` // until a service, or the directory, had answered

	state int
	alarm operator.Alarm
}

// monitorRound is one round, for programs.
type monitorRound struct {
	State   string        `json:"state"`
	At      time.Time     `json:"at"`
	Results []watchResult `json:"results"`
}

// monitorSubjects are what csmonitor looks at.
var monitorSubjects = []struct {
	word string
	look func(ctx context.Context, m *monitor) []watchResult
}{
	{"response", lookAtServices}, {"directory", lookAtDirectory}, {"disk", lookAtDisks}, {"backup", lookAtBackups}, {"health", lookAtHealth},
}

// monitor is a run of csmonitor.
type monitor struct {
	*tool
	interval  int
	mail      bool
	kill, log bool

	cfg       *config.Config
	processes []processStatus // that run, in this round
	mailer    *operator.Mailer
	worst     int
}

func runCsmonitor(ctx context.Context, args []string, std stdio) int {
	m := &monitor{tool: newTool("csmonitor", csmonitorUsage, std), worst: stateUnknown}
	m.bare = true
	m.FlagLong(&m.interval, "interval", 'i')
	m.FlagLong(&m.mail, "mail", 0)
	m.FlagLong(&m.kill, "kill", 'k')
	m.FlagLong(&m.log, "newlog", 'c')
	if len(args) == 0 {
		args = m.bareCall()
	}
	known := false
	code := m.run(ctx, args, func(ctx context.Context, words []string) error {
		err := m.do(ctx, words)
		known = err == nil
		return err
	})
	switch {
	case known:
		return m.worst
	case code == exitFailed, code == exitUsage:
		return stateUnknown
	}
	return code
}

// bareCall is what csmonitor without a word is.
func (m *monitor) bareCall() []string {
	if cfg, err := m.load(); err == nil && cfg.Monitor.Continuous {
		return []string{"watch"}
	}
	return nil
}

func (m *monitor) do(ctx context.Context, words []string) (err error) {
	if m.kill || m.log {
		return misuse("-k and -c are Sun's: a csmonitor that watches is ended by a signal, and writes to its standard output")
	}
	if len(words) == 0 {
		return misuse("check, or watch?")
	}
	command, subjects := words[0], words[1:]
	switch {
	case command != "check" && command != "watch":
		return misuse("%q is not a command of csmonitor", command)
	case m.IsSet('i') && (command != "watch" || m.interval < 1):
		return misuse("-i is the seconds between the rounds of watch")
	}
	for _, s := range subjects {
		if !slices.ContainsFunc(monitorSubjects, func(o struct {
			word string
			look func(ctx context.Context, m *monitor) []watchResult
		}) bool {
			return o.word == s
		}) {
			return misuse("%q is none of response, directory, disk, backup, health", s)
		}
	}
	if m.cfg, err = m.load(); err != nil {
		return err
	}
	if m.mail {
		if err := m.openMailer(); err != nil {
			return err
		}
	}
	pause := m.cfg.Monitor.Delay
	if m.IsSet('i') {
		pause = time.Duration(m.interval) * time.Second
	}
	for {
		if err := m.round(ctx, subjects); err != nil {
			return err
		}
		if command == "check" {
			return nil
		}
		if pauseFor(ctx, pause) != nil {
			return nil // ended by a signal, with what the last round found
		}
	}
}

// openMailer makes who mails the administrator.
func (m *monitor) openMailer() error {
	cfg := *m.cfg
	if to := cfg.Monitor.To; to != "" {
		cfg.Alerts.Recipient = to
	} else if !cfg.AlertsMailed() {
		return errors.New("--mail: nobody is to be mailed: set alarm.msgalarmnoticercpt, or service.monitor.emailaddress.to")
	}
	cfg.Alerts.Sender = cmp.Or(cfg.Monitor.From, cfg.Alerts.Sender)
	m.mailer = newMailer(&cfg, filepath.Join(cfg.Data, "alarms", "csmonitor.json"), m.toolLog())
	return nil
}

// round looks once at the subjects, and tells.
func (m *monitor) round(ctx context.Context, subjects []string) error {
	m.processes = processes(ctx, m.cfg)
	out := monitorRound{At: time.Now().UTC(), Results: []watchResult{}}
	m.worst = stateOK
	for _, s := range monitorSubjects {
		if len(subjects) > 0 && !slices.Contains(subjects, s.word) {
			continue
		}
		for _, r := range s.look(ctx, m) {
			r.Subject, r.State = s.word, stateWords[r.state]
			m.worst = worse(m.worst, r.state)
			m.raise(&r)
			out.Results = append(out.Results, r)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.mailer.TellNow(ctx)
	out.State = stateWords[m.worst]
	if m.json {
		return m.print(out)
	}
	m.show(&out)
	return nil
}

// raise has the administrator mailed of what no process here tells him.
func (m *monitor) raise(r *watchResult) {
	if m.mailer == nil || m.told() {
		return
	}
	a := r.alarm
	if a.What == "" {
		a = operator.Alarm{What: "calendar " + r.Subject, About: r.About, Value: strings.ToLower(r.State), Says: r.Says, Every: 24 * time.Hour}
	}
	if r.state == stateOK {
		m.mailer.Lower(a.What, a.About)
	} else {
		m.mailer.Raise(a)
	}
}

// told reports whether a process that runs here mails the administrator itself.
func (m *monitor) told() bool {
	return m.cfg.AlertsMailed() && slices.ContainsFunc(m.processes, func(p processStatus) bool {
		return p.Name == "calserver" || p.Name == "csstored" || p.Name == "cshttpd" && pureFrontEnd(m.cfg)
	})
}

// show prints a round: a line with the state of all, and one for what is not well.
func (m *monitor) show(r *monitorRound) {
	if m.quiet {
		return
	}
	bad := 0
	for i := range r.Results {
		if r.Results[i].state != stateOK {
			bad++
		}
	}
	fmt.Fprintf(m.std.out, "%s: %d of %d are well\n", r.State, len(r.Results)-bad, len(r.Results))
	for i := range r.Results {
		if w := &r.Results[i]; w.state != stateOK || m.verbose {
			fmt.Fprintf(m.std.out, "%-8s %-9s %s: %s\n", w.State, w.Subject, plain.Text(w.About), plain.Text(w.Says))
		}
	}
}

// lookAtServices asks the services of this host.
func lookAtServices(ctx context.Context, m *monitor) (list []watchResult) {
	a := &m.cfg.Alerts
	for i := range roles {
		r := &roles[i]
		if !r.enabled(m.cfg) {
			continue
		}
		begun := time.Now()
		err := responds(ctx, m.cfg, r)
		took := time.Since(begun).Seconds()
		alarm, answered := responseAlarm(a, r, err)
		w := watchResult{About: r.program, alarm: alarm, Says: fmt.Sprintf("it responds in %.3f s", took), Seconds: &took}
		if err != nil {
			w.Says, w.Seconds = plain.Error(err), nil
		}
		if beyond(answered, a.ResponseThreshold, a.ResponseDirection) {
			w.state = stateCritical
		}
		list = append(list, w)
	}
	return list
}

// lookAtDirectory asks the directory itself.
func lookAtDirectory(ctx context.Context, m *monitor) []watchResult {
	w := watchResult{About: "the file " + m.cfg.Directory.LDIF}
	if m.cfg.Directory.Type == "ldap" {
		w.About = "LDAP at " + strings.Join(m.cfg.LDAP.UserGroup.Hosts, " ")
	}
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	begun := time.Now()
	dir, _, err := m.directory(m.cfg)
	if err == nil {
		err = dir.Ping(ctx)
		dir.Close()
	}
	took := time.Since(begun).Seconds()
	if w.Says, w.Seconds = fmt.Sprintf("it answers in %.3f s", took), &took; err != nil {
		w.state, w.Says, w.Seconds = stateCritical, plain.Error(err), nil
	}
	return []watchResult{w}
}

// lookAtDisks compares disks with the threshold of alarm.diskstat.
func lookAtDisks(_ context.Context, m *monitor) (list []watchResult) {
	a := &m.cfg.Alerts
	disks := disksOf(watchedDirs(m.cfg)...)
	for i := range disks {
		d := &disks[i]
		percent := d.percent()
		w := watchResult{About: d.dir, alarm: diskAlarm(a, d), Percent: &percent, Says: fmt.Sprintf("%d %% free, %s of %s", percent, size(d.free), size(d.size))}
		switch {
		case d.free < fullBelow:
			w.state, w.Says = stateCritical, "the disk is full: nothing can be written"
		case beyond(percent, a.DiskThreshold, a.DiskDirection):
			w.state = stateWarning
		}
		list = append(list, w)
	}
	if len(list) == 0 {
		list = append(list, watchResult{About: m.cfg.Data, state: stateUnknown, Says: "there is no such directory"})
	}
	return list
}

// lookAtBackups judges what the process that has the store says of its backups.
func lookAtBackups(_ context.Context, m *monitor) (list []watchResult) {
	for i := range m.processes {
		p := &m.processes[i]
		if p.Store == nil {
			continue
		}
		for _, j := range backupAlarms(m.cfg, p.Store.Backups, p.Started, time.Now()) {
			w := watchResult{About: j.About, alarm: j.Alarm, Says: j.What + " is made"}
			if j.on {
				w.state, w.Says = stateWarning, j.Value+": "+j.Says
			}
			list = append(list, w)
		}
	}
	return list
}

// lookAtHealth has what the processes say of what they need.
func lookAtHealth(_ context.Context, m *monitor) (list []watchResult) {
	for i := range m.processes {
		for _, d := range m.processes[i].Health {
			w := watchResult{About: d.Name + " " + d.About, Says: "well"}
			switch {
			case !d.OK:
				w.state, w.Says = stateCritical, d.Err
			case d.Warn != "":
				w.state, w.Says = stateWarning, d.Warn
			}
			if !slices.ContainsFunc(list, func(o watchResult) bool { return o.About == w.About && o.state >= w.state }) {
				list = append(list, w)
			}
		}
	}
	return list
}
