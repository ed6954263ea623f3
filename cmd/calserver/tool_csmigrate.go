package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/migrate"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

func init() {
	register("csmigrate", "pull the calendars of a user from another CalDAV server", runCsmigrate)
}

const csmigrateUsage = `csmigrate pulls all calendars of a user from another CalDAV server, as often
as you like: nothing is doubled, and only what changed is fetched again.

  csmigrate [-q|-v] [-j] [-d] [-n] [-F] -u user [-f file|-y password] -o owner
            [-c calendar] [--plain] server
  csmigrate [-q|-v] [-j] -u user [-f file|-y password] [-o owner] [--plain] list server
  csmigrate version

  server       URL, host name or mail address; the calendars are found from there
  -u user      log-in name there
  -f file      file whose first line is the password there, - is standard input;
               without -f and -y it is asked for
  -o owner     user id here
  -c calendar  this one only: its name, or the last part of its address
  -d           delete here what was pulled before and is deleted there
  -n           show what would be done, and change nothing
  -F           where an object changed there and here, take theirs; without -F
               it is left alone and reported
  -j, --json   print the report as JSON
  --plain      send the password without TLS to another host
  -q           print refused items only; -v print every item
  -C file      the ics.conf to use

"list" shows the calendars there, how many objects they have, and with -o the
calendar that each becomes here.

Objects are kept octet for octet, under their names. Name, description, color and
time zone of the calendars come along. What cannot be stored is reported and left
out. Ctrl-C ends it, and it tells how far it came; the next run goes on from there.

Exit status: 0 all is here, 1 some was refused, 2 wrong call, 3 nothing could be
done, 130 interrupted.

  csmigrate -u jdoe -f secret -o jdoe list https://old.example.com/
  csmigrate -u jdoe -f secret -o jdoe https://old.example.com/
`

func runCsmigrate(ctx context.Context, args []string, std stdio) int {
	t := newTool("csmigrate", csmigrateUsage, std)
	var m migrate.Migration
	var user, file, given, owner string
	var clear bool
	t.FlagLong(&user, "user", 'u')
	t.FlagLong(&file, "password-file", 'f')
	t.FlagLong(&given, "password", 'y')
	t.FlagLong(&owner, "owner", 'o')
	t.FlagLong(&m.Only, "calendar", 'c')
	t.FlagLong(&m.Remove, "delete", 'd')
	t.FlagLong(&m.Dry, "dry-run", 'n')
	t.FlagLong(&m.Force, "force", 'F')
	t.FlagLong(&clear, "plain", 0)
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		list := len(words) == 2 && words[0] == "list"
		if list {
			words = words[1:]
		}
		switch {
		case len(words) != 1:
			return misuse("csmigrate takes one server")
		case user == "":
			return misuse("-u is the user there")
		case owner == "" && !list:
			return misuse("-u is the user there, -o the owner here")
		}
		m.Owner = calendar.Owner(strings.ToLower(owner))
		if list {
			var err error
			if m.Client, err = t.otherServer(ctx, words[0], user, given, file, clear); err != nil {
				return t.nothing(err)
			}
			return t.listThere(ctx, &m)
		}
		if err := t.here(ctx, calendar.Owner(strings.ToLower(owner))); err != nil {
			return t.nothing(err)
		}
		be, err := t.openBackend(ctx)
		if err != nil {
			return t.nothing(err)
		}
		defer be.close()
		if m.Client, err = t.otherServer(ctx, words[0], user, given, file, clear); err != nil {
			return t.nothing(err)
		}
		if _, err := be.calendar(ctx, calendar.ID(m.Owner)); err != nil {
			if errors.Is(err, calendar.NoCalendar) {
				err = fmt.Errorf("%s is not a user here: %s", m.Owner, plain.Error(err))
			}
			return t.nothing(err)
		}
		m.Backend, m.Who, m.Dir = be, be.who, filepath.Join(be.cfg.Data, "migrate")
		return t.migrate(ctx, &m)
	})
}

// otherServer is the server that is migrated from.
func (t *tool) otherServer(ctx context.Context, server, user, given, file string, clear bool) (*davclient.Client, error) {
	secret, err := t.password(ctx, given, file, fmt.Sprintf("Password of %s at %s: ", user, server), false)
	if err != nil {
		return nil, err
	}
	return davclient.New(davclient.Account{Address: davclient.Address(ctx, server), User: user, Password: secret, Plain: clear, Agent: agent()})
}

// listThere shows the calendars of the other server.
func (t *tool) listThere(ctx context.Context, m *migrate.Migration) error {
	there, err := m.There(ctx)
	if err != nil {
		return t.nothing(err)
	}
	list := newArray(t.std.out)
	for _, c := range there {
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
	if t.json {
		if err := list.end(); err != nil {
			return err
		}
	}
	if len(there) == 0 {
		return t.nothing(errors.New("no calendar was found there"))
	}
	return nil
}

// agent is how the tools introduce themselves.
func agent() string { return "Factotum/" + versionString() }

// migrate runs a migration, tells how it goes, and chooses the exit code.
func (t *tool) migrate(ctx context.Context, m *migrate.Migration) error {
	var bar *progressbar.ProgressBar // of a calendar
	m.Progress = func(done, total int) {
		if done == 0 {
			bar = t.bar(int64(total))
		}
		bar.Set(done)
	}
	m.Each = func(it *importer.Item) { // refusals always, the others with -v
		if !t.json && (it.Outcome == importer.Refused || t.verbose) {
			bar.Clear()
			fmt.Fprintln(t.std.err, it)
		}
	}
	refused, would := 0, ""
	if m.Dry {
		would = " (nothing was changed)"
	}
	m.Done = func(r *migrate.Report) {
		if bar != nil {
			bar.Finish()
		}
		refused += r.Refused
		if r.Err != "" && ctx.Err() == nil {
			refused++
			t.complain("%s: %s", r.Calendar, r.Err)
		}
		if !t.json {
			t.say("%s: %d new, %d changed, %d unchanged, %d deleted there, %d refused%s",
				r.Calendar, r.New, r.Changed, r.Unchanged, r.Deleted, r.Refused, would)
		}
	}
	reports, err := m.Run(ctx)
	if err != nil && len(reports) == 0 {
		return t.nothing(err)
	}
	if t.json {
		if err := t.print(reports); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case len(reports) == 0:
		return t.nothing(errors.New("no calendar was found there"))
	case refused > 0:
		return exitError(exitFailed)
	}
	return nil
}
