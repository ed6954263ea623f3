package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/worker"
)

func init() {
	register("csaudit", "tell who changed rights, passwords, configuration and others' calendars", runCsaudit)
	jobKinds[audit.JobKind] = (*storeService).auditKind
}

const csauditUsage = `csaudit reads the audit: who changed rights, subscriptions, passwords and configuration,
and what others than their owner did in calendars.

  csaudit [-q|-v] [options] list [calid[/name]]
  csaudit [-q|-v]           check
  csaudit version

  --who user      what this user did, or an administrator who logged in for others
  --whose user    in whose home, or to whose account
  --what codes    of these kinds, with commas between: rights, owners, switched,
                  subscriptions, proxies, write, delete, calendar, preferences, password,
                  app-password, account, domain, configuration
  --via protocol  by this protocol or tool: caldav, wcap, csuser ...
  -u uid          about this event or task
  -s starttime    from then on: 20260131T103045Z; 0 is the beginning of time
  -e endtime      and before that
  -c count        so many, the newest; 100 without it, 0 is all
  -j, --json      print JSON
  -q              print errors only
  -C file         the ics.conf to use

The commands:
  list            tell what was done, the oldest first; of a calendar with all in it
  check           look whether a line was changed, taken out or put in since it was written

The audit is kept on the host of the calendars, below factotum.audit.path, for
factotum.audit.days and up to factotum.audit.bytes. What events say is not in it:
"cscal history" tells what a change was.

  csaudit --whose jdoe --what rights,write list
  csaudit --who calmaster -s 20261101T000000Z list
`

// auditLog is that of this host, nil if none is kept.
func auditLog(cfg *config.Config) *audit.Log {
	if !cfg.Audit.Enable {
		return nil
	}
	dir := cfg.Audit.Path
	if cfg.File == "" { // the defaults, below wherever the data are
		dir = filepath.Join(cfg.Data, "audit")
	}
	return &audit.Log{Dir: dir, Days: cfg.Audit.Days, Bytes: cfg.Audit.Bytes}
}

// auditKind does jobs that add to the audit. They wait where the disk is full, and are
// never given up.
func (s *storeService) auditKind() worker.Kind {
	return worker.Kind{Attempts: math.MaxInt, Timeout: time.Minute, Run: func(_ context.Context, job calendar.Job) error {
		list, err := audit.Parse(job)
		if err != nil {
			return worker.Permanent(err)
		}
		if s.audit == nil {
			return nil
		}
		return s.audit.Add(list...)
	}}
}

// audited notes what a tool did that is no write of the store. That it could not be noted
// is told, and undoes nothing.
func (t *tool) audited(cfg *config.Config, what, whose, detail string) {
	log := auditLog(cfg)
	if log == nil {
		return
	}
	e := audit.Entry{What: what, Who: t.actor(cfg).User, Admin: true, Via: t.name, Client: loginName(), Whose: strings.ToLower(whose), Detail: detail}
	if err := log.Add(e); err != nil {
		t.warn("it was done, and is not in the audit: %s", plain.Error(err))
	}
}

func runCsaudit(ctx context.Context, args []string, std stdio) int {
	t := newTool("csaudit", csauditUsage, std)
	var f audit.Filter
	var what, start, end string
	f.Limit = 100
	t.FlagLong(&f.Who, "who", 0)
	t.FlagLong(&f.Whose, "whose", 0)
	t.FlagLong(&what, "what", 0)
	t.FlagLong(&f.Via, "via", 0)
	t.FlagLong(&f.UID, "uid", 'u')
	t.FlagLong(&start, "start", 's')
	t.FlagLong(&end, "end", 'e')
	t.FlagLong(&f.Limit, "count", 'c')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		within, err := toolWindow(start, end)
		if err != nil {
			return err
		}
		f.From, f.To = within.From, within.To
		f.What = strings.FieldsFunc(strings.ToLower(what), func(r rune) bool { return r == ',' || r == ' ' })
		for _, w := range f.What {
			if !slices.Contains(audit.Codes(), w) {
				return misuse("--what is one of %s, not %q", strings.Join(audit.Codes(), ", "), w)
			}
		}
		chosen := f.Who+f.Whose+what+f.Via+f.UID+start+end != "" || t.IsSet('c')
		switch {
		case words[0] != "list" && words[0] != "check":
			return misuse("%q is not a command of csaudit", words[0])
		case words[0] == "check" && (len(words) > 1 || chosen):
			return misuse("check looks through all of it")
		case len(words) > 2:
			return misuse("csaudit takes one calid")
		case f.Limit < 0:
			return misuse("-c is 0 or more")
		case len(words) == 2:
			f.Ref = words[1]
		}
		cfg, err := t.load()
		if err != nil {
			return err
		}
		log := auditLog(cfg)
		if log == nil {
			log = &audit.Log{Dir: cfg.Audit.Path}
			t.warn("factotum.audit.enable is \"no\": what is done now is not noted")
		}
		if words[0] == "check" {
			return t.checkAudit(log)
		}
		return t.listAudit(ctx, log, f)
	})
}

func (t *tool) checkAudit(log *audit.Log) error {
	found := []string{}
	n, err := log.Check(func(text string) {
		found = append(found, text)
		if !t.json {
			t.complain("%s", text)
		}
	})
	if err != nil {
		return err
	}
	if t.json {
		if err := t.print(map[string]any{"entries": n, "found": found}); err != nil {
			return err
		}
	} else {
		t.say("%d %s, %d found wrong", n, plain.Plural(n, "entry", "entries"), len(found))
	}
	if len(found) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// auditInfo is an entry, for programs.
type auditInfo struct {
	When   time.Time `json:"when"`
	What   string    `json:"what"`
	Who    string    `json:"who,omitempty"`
	Admin  bool      `json:"admin"`
	For    string    `json:"logged_in_by,omitempty"`
	Via    string    `json:"via,omitempty"`
	Client string    `json:"client,omitempty"`
	Whose  string    `json:"owner,omitempty"`
	Ref    string    `json:"calendar,omitempty"`
	UID    string    `json:"uid,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

func (t *tool) listAudit(ctx context.Context, log *audit.Log, f audit.Filter) error {
	list := newArray(t.std.out)
	err := log.Read(f, func(e *audit.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case t.json:
			return list.add(auditInfo{e.When, e.What, e.Who, e.Admin, e.As, e.Via, e.Client, e.Whose, e.Ref, e.UID, e.Detail})
		case t.quiet:
			return nil
		}
		who := e.Who
		if who == "" {
			who = "nobody"
		}
		if e.As != "" {
			who += " (logged in by " + e.As + ")"
		} else if e.Admin {
			who += " (administrator)"
		}
		how := strings.TrimSpace(e.Via + " " + e.Client)
		about := e.Ref
		if about == "" {
			about = e.Whose
		}
		_, err := fmt.Fprintf(t.std.out, "%s\t%s\t%s\t%s\t%s\t%s\n", e.When.UTC().Format("2006-01-02T15:04:05Z"), e.What, plain.Text(who), plain.Text(about), plain.Text(how),
			plain.Text(strings.TrimSpace(e.UID+" "+e.Detail)))
		return err
	})
	if t.json {
		if ended := list.end(); err == nil {
			err = ended
		}
	}
	return err
}

// auditConfiguration notes with which configuration csstored starts, if it is another than
// the last time: the names of the parameters that were set, changed or left out, and a
// digest. The values of secrets are in neither.
func (s *storeService) auditConfiguration(cfg *config.Config) error {
	sums := map[string]string{}
	var all strings.Builder
	for p := range cfg.Settings(true) {
		sum := sha256.Sum256([]byte(p.Value))
		sums[p.Name] = hex.EncodeToString(sum[:8])
		fmt.Fprintf(&all, "%s=%q\n", p.Name, p.Value)
	}
	file := filepath.Join(s.audit.Dir, "configuration.json")
	before := map[string]string{}
	data, err := os.ReadFile(file)
	first := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	if err != nil && !first {
		return fmt.Errorf("read which configuration the audit knows (%s; without it all counts as new): %w", file, err)
	}
	var names []string
	for name, sum := range sums {
		switch old, had := before[name]; {
		case !had:
			names = append(names, "+"+name)
		case old != sum:
			names = append(names, name)
		}
	}
	for name := range before {
		if _, is := sums[name]; !is {
			names = append(names, "-"+name)
		}
	}
	if len(names) == 0 && !first {
		return nil
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.TrimLeft(a, "+-"), strings.TrimLeft(b, "+-")) })
	sum := sha256.Sum256([]byte(all.String()))
	if err := s.audit.Add(audit.Entry{What: audit.Configuration, Via: "csstored", Detail: "digest " + hex.EncodeToString(sum[:8]) + " " + strings.Join(names, " ")}); err != nil {
		return err
	}
	if data, err = json.Marshal(sums); err == nil {
		err = replaceFile(file, data)
	}
	if err != nil {
		return fmt.Errorf("note the configuration: %w", err)
	}
	return nil
}

// loginName is who called a tool, as this host knows him.
func loginName() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := osuser.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
