package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/migrate"
	"factotum/cmd/internal/plain"
	"factotum/server/audit"
	"factotum/server/calendar"
)

func init() {
	register("csmigrate", "bring calendars from another server, or from its files", runCsmigrate)
}

const csmigrateUsage = `csmigrate brings all calendars of a user, or of many, from another CalDAV server
or from files that another program wrote, as often as you like: nothing is
doubled, and only what changed is taken again.

  csmigrate [-q|-v] [-j] [-d] [-n] [-F] [--report file] [-u user]
            [-f file|-y password] [-o owner] [-c calendar] [--plain] source
  csmigrate [options] [-w number] table file [source]
  csmigrate [options] list source
  csmigrate [options] compare source
  csmigrate [options] compare table file [source]
  csmigrate version

  source       a URL, host name or mail address; the calendars are found from
               there. Or a file (.ics, .xml), a directory or a zip: what Sun's
               csbackup and csexport, Google Takeout, Outlook, Nextcloud,
               Radicale and DAViCal write. {user} and {owner} in it stand for those
  -u user      log-in name there
  -f file      file whose first line is the password there, - is standard input;
               without -f and -y it is asked for
  -y password  the password there (others on this host can see it: prefer -f)
  -o owner     user id here. Files without -o belong to whom they are named after:
               owner.ics, owner:calendar.ics, or a directory of each owner
  -c calendar  this one only: its name, or the last part of its address
  -d           delete here what was brought before and is deleted there
  -n           show what would be done, and change nothing
  -F           where an object changed there and here, take theirs; without -F
               it is left alone and reported
  -w number    so many of the users of a table at a time, 4 if not given
  --report file
               afterwards compare all that is there with what is here, and write
               to this file what became of each object: CSV, or a line of JSON for
               each where the name ends in .json
  -j, --json   print the report as JSON
  --plain      send the password without TLS to another host
  -q           print refused items only; -v print every item
  -C file      the ics.conf to use

"table" is for many users: a CSV file whose first line names its columns, which are
owner, and what differs of source, user, password, password-file and calendar.
"list" shows the calendars there, how many objects they have, and with -o the
calendar that each becomes here. "compare" changes nothing: it tells of each object
whether it is equal (the same octets), mended, differs, is missing, was refused, or is
only here.

Objects are kept octet for octet, under their names. Name, description, color and
time zone of the calendars come along. What cannot be stored is reported and left
out. Ctrl-C ends it, and it tells how far it came; the next run goes on from there.

Exit status: 0 all is here, 1 some was refused or is not the same, 2 wrong call, 3
nothing could be done, 130 interrupted.

  csmigrate -u jdoe -f secret -o jdoe list https://old.example.com/
  csmigrate -u jdoe -f secret -o jdoe https://old.example.com/
  csmigrate -o jdoe --report jdoe.csv takeout.zip
  csmigrate --report all.csv table users.csv https://old.example.com/
`

// csmigrate is a call of it.
type csmigrate struct {
	*tool
	common            account
	migrate.Migration // what all accounts have in common
	clear             bool
	table, report     string
	workers           int
	command           string   // "", list or compare
	be                *backend // this server

	mu      sync.Mutex // of what follows, and of the output
	rows    *reportFile
	reports []any
	done    int // calendars
	bad     bool
}

func runCsmigrate(ctx context.Context, args []string, std stdio) int {
	t := &csmigrate{tool: newTool("csmigrate", csmigrateUsage, std), workers: 4}
	t.FlagLong(&t.common.user, "user", 'u')
	t.FlagLong(&t.common.passwordFile, "password-file", 'f')
	t.FlagLong(&t.common.password, "password", 'y')
	t.FlagLong(&t.common.owner, "owner", 'o')
	t.FlagLong(&t.common.calendar, "calendar", 'c')
	t.FlagLong(&t.Remove, "delete", 'd')
	t.FlagLong(&t.Dry, "dry-run", 'n')
	t.FlagLong(&t.Force, "force", 'F')
	t.FlagLong(&t.clear, "plain", 0)
	t.FlagLong(&t.workers, "workers", 'w')
	t.FlagLong(&t.report, "report", 0)
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		if len(words) > 1 && (words[0] == "list" || words[0] == "compare") {
			t.command, words = words[0], words[1:]
		}
		if len(words) > 1 && words[0] == "table" {
			t.table, words = words[1], words[2:]
		}
		switch {
		case len(words) > 1 || len(words) == 0 && t.table == "":
			return misuse("csmigrate takes one source")
		case t.workers < 1:
			return misuse("-w is at least 1")
		case t.report != "" && (t.Dry || t.command == "list"):
			return misuse("--report tells what is here: not with -n or list")
		case t.table != "" && t.common.owner != "":
			return misuse("-o is one owner, and the table has many")
		}
		if len(words) == 1 {
			t.common.source = words[0]
		}
		accounts := []account{t.common}
		if t.table != "" {
			var err error
			if accounts, err = readAccounts(t.table, t.common); err != nil {
				return t.nothing(err)
			}
		}
		for i := range accounts {
			if err := accounts[i].check(t.command); err != nil {
				return err
			}
		}
		return t.all(ctx, accounts)
	})
}

// all does what is asked for to all accounts.
func (t *csmigrate) all(ctx context.Context, accounts []account) (err error) {
	if t.command != "list" {
		be, err := t.openBackend(ctx)
		if err != nil {
			return t.nothing(err)
		}
		defer be.close()
		opt, err := modelOptions(be.cfg, t.toolLog())
		if err != nil {
			return t.nothing(err)
		}
		if !t.Dry && t.command != "compare" {
			for i := range accounts {
				t.audited(be.cfg, audit.Write, accounts[i].owner, "migration")
			}
		}
		t.be, t.Backend, t.Who, t.Dir, t.Limits = be, be, be.who, filepath.Join(be.cfg.Data, "migrate"), opt.Limits
	}
	if t.report != "" {
		if t.rows, err = createReport(t.report); err != nil {
			return t.nothing(err)
		}
		defer func() {
			if failed := t.rows.close(ctx.Err() == nil); err == nil {
				err = failed
			}
		}()
	}
	var jobs []*migrate.Migration
	defer func() {
		for _, m := range jobs {
			m.Source.Close()
		}
	}()
	for _, a := range accounts {
		list, err := t.jobs(ctx, a)
		switch {
		case err != nil && len(accounts) == 1:
			return t.nothing(err)
		case err != nil:
			t.failed(a.owner, err)
		}
		jobs = append(jobs, list...)
	}
	if t.command == "list" {
		return t.listThere(ctx, jobs)
	}
	return t.work(ctx, jobs)
}

// failed takes down why nothing was done for an owner.
func (t *csmigrate) failed(owner string, err error) {
	if t.bad = true; t.json {
		t.reports = append(t.reports, migrate.Report{Calendar: calendar.ID(owner), Err: plain.Error(err)})
	} else {
		t.complain("%s: %s", owner, plain.Error(err))
	}
}

// work does the jobs, some at a time, and chooses the exit code.
func (t *csmigrate) work(ctx context.Context, jobs []*migrate.Migration) error {
	var group errgroup.Group
	group.SetLimit(t.workers)
	for _, m := range jobs {
		group.Go(func() error {
			list, err := t.one(ctx, m, len(jobs) == 1)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.reports = append(t.reports, list...)
			t.done += len(list)
			if err != nil && (len(jobs) > 1 || len(list) > 0) && ctx.Err() == nil {
				t.failed(string(m.Owner), err)
				return nil
			}
			return err
		})
	}
	err := group.Wait()
	if err != nil && t.done == 0 {
		return t.nothing(err)
	}
	if t.json {
		if err := t.print(t.reports); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case t.done == 0 && !t.bad:
		return t.nothing(errors.New("no calendar was found there"))
	case t.done == 0:
		return exitError(exitNothing)
	case t.bad:
		return exitError(exitFailed)
	}
	return nil
}

// jobs are what is to be done of an account: one, or one of each owner that files
// are of.
func (t *csmigrate) jobs(ctx context.Context, a account) ([]*migrate.Migration, error) {
	one := func(owner calendar.Owner, src migrate.Source) *migrate.Migration {
		m := t.Migration
		m.Owner, m.Source, m.Only = owner, src, a.calendar
		return &m
	}
	owner := calendar.Owner(strings.ToLower(a.owner))
	if owner != "" && t.command != "list" {
		if err := t.known(ctx, owner); err != nil {
			return nil, err
		}
	}
	if a.files() {
		files, err := migrate.OpenFiles(ctx, a.where())
		if err != nil {
			return nil, err
		}
		if owner != "" || t.command == "list" {
			return []*migrate.Migration{one(owner, files)}, nil
		}
		var list []*migrate.Migration
		for owner, part := range files.Owners() {
			if err := t.known(ctx, owner); err != nil {
				t.bad = true
				t.complainOf(err)
				continue
			}
			list = append(list, one(owner, part))
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("none of the files of %s is named after a user here; -o says whose they are", a.where())
		}
		return list, nil
	}
	secret, err := t.password(ctx, a.password, a.passwordFile, fmt.Sprintf("Password of %s at %s: ", a.user, a.where()), false)
	if err != nil {
		return nil, err
	}
	c, err := davclient.New(davclient.Account{Address: davclient.Address(ctx, a.where()), User: a.user, Password: secret, Plain: t.clear, Agent: agent()})
	if err != nil {
		return nil, err
	}
	return []*migrate.Migration{one(owner, migrate.Server{Client: c})}, nil
}

// known says no to who is not a user here.
func (t *csmigrate) known(ctx context.Context, owner calendar.Owner) error {
	if err := t.here(ctx, owner); err != nil {
		return err
	}
	_, err := t.be.calendar(ctx, calendar.ID(owner))
	if errors.Is(err, calendar.NoCalendar) {
		err = fmt.Errorf("%s is not a user here: %s", owner, plain.Error(err))
	}
	return err
}

// one does what is asked for to one owner.
func (t *csmigrate) one(ctx context.Context, m *migrate.Migration, alone bool) (list []any, err error) {
	if t.command != "compare" {
		reports, err := t.migrate(ctx, m, alone)
		for i := range reports {
			list = append(list, reports[i])
		}
		if err != nil || t.rows == nil {
			return list, err
		}
	}
	compared, err := m.Compare(ctx, t.verdict)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range compared {
		c := &compared[i]
		if t.command == "compare" {
			list = append(list, c)
		}
		t.bad = t.bad || !c.Same()
		if c.Err != "" && !t.json {
			t.complain("%s: %s", c.Calendar, c.Err)
		}
		if !t.json {
			t.say("%s: %d equal, %d mended, %d different, %d missing, %d refused; %d only here", c.Calendar, c.Count[migrate.Equal], c.Count[migrate.Mended],
				c.Count[migrate.Differs], c.Count[migrate.Missing], c.Count[migrate.Refused], c.Count[migrate.OnlyHere])
		}
	}
	return list, err
}

// verdict takes down what a comparison says of an object.
func (t *csmigrate) verdict(v migrate.Verdict) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	wrong := v.Verdict == migrate.Differs || v.Verdict == migrate.Missing || v.Verdict == migrate.Refused
	if t.command == "compare" && !t.json && (wrong || t.verbose) {
		fmt.Fprintln(t.std.err, plain.Text(v.String()))
	}
	return t.rows.add(v)
}

// listThere shows the calendars of the other server.
func (t *csmigrate) listThere(ctx context.Context, jobs []*migrate.Migration) error {
	list, n := newArray(t.std.out), 0
	for _, m := range jobs {
		there, err := m.There(ctx)
		if err != nil {
			return t.nothing(err)
		}
		for _, c := range there {
			n++
			switch {
			case t.json:
				err = list.add(c)
			case !t.quiet:
				line := []string{c.Source, c.Name, fmt.Sprintf("%d %s", c.Objects, plain.Plural(c.Objects, "object", "objects"))}
				if c.Calendar != "" {
					line = append(line, string(c.Calendar))
				}
				for i := range line {
					line[i] = plain.Text(line[i])
				}
				_, err = fmt.Fprintln(t.std.out, strings.Join(line, "\t"))
			}
			if err != nil {
				return err
			}
		}
	}
	if t.json {
		if err := list.end(); err != nil {
			return err
		}
	}
	if n == 0 {
		return t.nothing(errors.New("no calendar was found there"))
	}
	return nil
}

// agent is how the tools introduce themselves.
func agent() string { return "Factotum/" + versionString() }

// migrate runs a migration, and tells how it goes.
func (t *csmigrate) migrate(ctx context.Context, m *migrate.Migration, alone bool) ([]migrate.Report, error) {
	var bar *progressbar.ProgressBar // of a calendar
	m.Progress = func(done, total int) {
		if !alone {
			return
		}
		if done == 0 {
			bar = t.bar(int64(total))
		}
		bar.Set(done)
	}
	m.Each = func(it *importer.Item) { // refusals always, the others with -v
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.json && (it.Outcome == importer.Refused || t.verbose) {
			if bar != nil {
				bar.Clear()
			}
			fmt.Fprintln(t.std.err, it)
		}
	}
	would := ""
	if m.Dry {
		would = " (nothing was changed)"
	}
	m.Done = func(r *migrate.Report) {
		if bar != nil {
			bar.Finish()
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.bad = t.bad || r.Refused > 0
		if r.Err != "" && ctx.Err() == nil {
			t.bad = true
			if !t.json {
				t.complain("%s: %s", r.Calendar, r.Err)
			}
		}
		if !t.json {
			t.say("%s: %d new, %d changed, %d unchanged, %d deleted there, %d refused%s",
				r.Calendar, r.New, r.Changed, r.Unchanged, r.Deleted, r.Refused, would)
		}
	}
	return m.Run(ctx)
}
