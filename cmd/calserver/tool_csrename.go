package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/rename"
	"factotum/store/archive"
)

func init() {
	register("csrename", "change user ids: a new database in which people have other names", runCsrename)
}

const csrenameUsage = `csrename gives people other user ids, in a copy of the database.

  csrename [-q|-v] [-j] [-n] [-t DestinationDB] [-c ConfigFile] [-e ErrorFile]
           -m MappingFile rename [DB|LDAP]
  csrename version

  -m, --mapping file  lines of an old and a new user id with a blank between them;
             "MigrateMapping" if it is not given
  -t, --destination db  where the new database goes: a directory, "MigratedDB" if it is
             not given; of PostgreSQL the connection string of another database, or
             - to read it from standard input
  -e, --errors file  what is said of single lines; "MigrateError" if it is not given
  -n, --dry-run  list what would change, and change nothing
  -c, -C, --config file  the ics.conf to use: its database is the source
  -j, --json print the report as JSON
  -q, --yes  do not ask

DB, which is meant if neither is given, copies the database. LDAP does so too, and then
changes the people's entries in the directory, an LDIF file too: the calendar attributes
that name an old id, those that the old entry has and the new one lacks, and the app
passwords.

Before: stop the server, and make the entries of the new ids in the directory. All of the
mapping is done at once, so that names may be exchanged. If a line is bad nothing is
done. The database that there was stays as it is, in any case; the new one cannot be used
before it is whole. After: set caldb.berkeleydb.homedir.path (or factotum.store.dsn) to
the new database, or move its files, and start the server. Where there are several back
ends, all are stopped, and each does this for its own database with the same mapping:
LDAP on one of them, DB on the others.

Exit status: 0 done, 1 it could not be done and nothing was changed, or not all of
the directory, 2 wrong call.

  csrename -m names -n rename
  csrename -t newcalDB -m DBMapFile rename DB
  csrename -t NewDB -m NewNames rename LDAP
`

// renaming is a call of csrename.
type renaming struct {
	t                   *tool
	cfg                 *config.Config
	to, mapping, errors string
	dry, ldap           bool

	pairs []rename.Pair
	bad   []rename.Bad // what is said of lines
	rep   renamedReport
}

// renamedReport is the report of a call.
type renamedReport struct {
	To        string        `json:"to,omitempty"`
	Homes     int           `json:"homes"`
	Renamed   int           `json:"renamed"`
	Objects   int           `json:"objects"`
	Rewritten int           `json:"rewritten"`
	Entries   int           `json:"entries,omitempty"` // of the directory that were changed
	Apps      int           `json:"app_passwords,omitempty"`
	Changes   []renamedHome `json:"changes,omitempty"` // of a dry run
	Notes     []string      `json:"notes,omitempty"`
	Dry       bool          `json:"dry_run,omitempty"`
}

type renamedHome struct {
	Owner   calendar.Owner `json:"owner,omitempty"`
	Now     calendar.Owner `json:"now,omitempty"`
	Entry   string         `json:"entry,omitempty"`
	Changes map[string]int `json:"changes"`
}

func runCsrename(ctx context.Context, args []string, std stdio) int {
	t := newTool("csrename", csrenameUsage, std)
	r := &renaming{t: t}
	conf := ""
	t.FlagLong(&r.to, "destination", 't')
	t.FlagLong(&r.mapping, "mapping", 'm')
	t.FlagLong(&r.errors, "errors", 'e')
	t.FlagLong(&r.dry, "dry-run", 'n')
	t.Flag(&conf, 'c')
	return t.run(ctx, args, func(ctx context.Context, words []string) (err error) {
		switch {
		case words[0] != "rename":
			return misuse("%q is not a command of csrename", words[0])
		case len(words) > 2 || len(words) == 2 && !strings.EqualFold(words[1], "DB") && !strings.EqualFold(words[1], "LDAP"):
			return misuse("csrename rename takes DB or LDAP")
		case conf != "" && t.conf != "" && conf != t.conf:
			return misuse("-c and -C are two names for one option")
		}
		r.ldap = len(words) == 2 && strings.EqualFold(words[1], "LDAP")
		if conf != "" {
			t.conf = conf
		}
		if r.cfg, err = t.load(); err != nil {
			return err
		}
		if err := frontEnd(r.cfg); err != nil {
			return err
		}
		return r.run(ctx)
	})
}

func (r *renaming) run(ctx context.Context) error {
	if r.mapping == "" {
		r.mapping = "MigrateMapping"
	}
	if r.errors == "" {
		r.errors = "MigrateError"
	}
	if err := r.read(); err != nil {
		return err
	}
	if peer := r.cfg.Standby.Peer(); peer != "" && !r.dry {
		return fmt.Errorf("%s and this host stand by for each other: take factotum.standby.* out of both configurations first, rename on the host that served, and begin the standby anew", peer)
	}
	if err := r.t.needStopped(ctx, r.cfg, false); err != nil {
		return err
	}
	if err := needDatabase(r.cfg); err != nil {
		return err
	}
	err := r.checkDirectory(ctx)
	if err == nil {
		err = r.database(ctx)
	}
	if err != nil {
		return err
	}
	if !r.dry {
		for _, p := range r.pairs {
			r.t.audited(r.cfg, audit.Account, p.New, "renamed from "+p.Old)
		}
	}
	if r.ldap {
		if err := r.directory(ctx); err != nil {
			return err
		}
	}
	return r.report()
}

// read reads the mapping.
func (r *renaming) read() error {
	f, err := os.Open(r.mapping)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no mapping %s: -m names a file of lines with an old and a new user id", r.mapping)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var bad []rename.Bad
	if r.pairs, bad, err = rename.Read(f, r.cfg.Domain.Default); err != nil {
		return fmt.Errorf("%s: %w", r.mapping, err)
	}
	if len(bad) > 0 {
		return r.refuse(bad)
	}
	if len(r.pairs) == 0 {
		return fmt.Errorf("%s renames nobody", r.mapping)
	}
	return nil
}

// mostTold is how many lines are told on the terminal; all are in the file.
const mostTold = 20

// refuse refuses all for what is wrong with lines.
func (r *renaming) refuse(bad []rename.Bad) error {
	for i, b := range bad {
		if i == mostTold {
			r.t.complain("… and %d others", len(bad)-i)
			break
		}
		r.t.complain("%s: %s", r.mapping, b)
	}
	if err := r.writeErrors(append(r.bad, bad...)); err != nil {
		return err
	}
	return fmt.Errorf("nothing was changed: %d %s of %s cannot be done (%s has them)", len(bad), plain.Plural(len(bad), "line", "lines"), r.mapping, r.errors)
}

// note says something of a line that does not hinder.
func (r *renaming) note(p rename.Pair, format string, args ...any) {
	r.bad = append(r.bad, rename.Bad{Line: p.Line, Text: p.Old + " " + p.New, Why: fmt.Sprintf(format, args...)})
}

// writeErrors writes the file of what is said of lines; where there is nothing, one
// that is there is emptied.
func (r *renaming) writeErrors(list []rename.Bad) error {
	slices.SortStableFunc(list, func(a, b rename.Bad) int { return a.Line - b.Line })
	var text strings.Builder
	for _, b := range list {
		fmt.Fprintln(&text, b)
	}
	if _, err := os.Stat(r.errors); text.Len() == 0 && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.WriteFile(r.errors, []byte(text.String()), 0o600)
}

// lineOf is the line that renames somebody.
func (r *renaming) lineOf(old calendar.Owner) rename.Pair {
	for _, p := range r.pairs {
		if p.Old == string(old) {
			return p
		}
	}
	return rename.Pair{Old: string(old)}
}

// taken makes refusals of what stands in the way in the store.
func (r *renaming) standing(res *archive.Renamed) error {
	if len(res.Unmoved) > 0 {
		return fmt.Errorf("the calendars of %s are being moved: start the server, and let csmove end or cancel it", res.Unmoved[0])
	}
	var bad []rename.Bad
	for _, t := range res.Taken {
		p := r.lineOf(t[0])
		bad = append(bad, rename.Bad{Line: p.Line, Text: p.Old + " " + p.New,
			Why: fmt.Sprintf("%s has calendars here already, and no line gives them another name", t[1])})
	}
	if len(bad) > 0 {
		return r.refuse(bad)
	}
	return nil
}

// report tells what was done.
func (r *renaming) report() error {
	if err := r.writeErrors(r.bad); err != nil {
		return err
	}
	for _, b := range r.bad {
		r.rep.Notes = append(r.rep.Notes, b.String())
	}
	r.rep.Dry = r.dry
	if r.t.json {
		return r.t.print(&r.rep)
	}
	for i, n := range r.rep.Notes {
		if i == mostTold {
			r.t.warn("… and %d other lines: %s has all", len(r.rep.Notes)-i, r.errors)
			break
		}
		r.t.warn("%s: %s", r.mapping, n)
	}
	what := "have"
	if r.dry {
		what = "would have"
	}
	for _, c := range r.rep.Changes {
		r.t.say("%s", c)
	}
	r.t.say("%d of %d homes %s other names; %d objects, %d of them with another text", r.rep.Renamed, r.rep.Homes, what, r.rep.Objects, r.rep.Rewritten)
	if r.ldap {
		r.t.say("%d entries of the directory and %d app passwords %s other names", r.rep.Entries, r.rep.Apps, what)
	}
	if r.dry {
		return nil
	}
	next := "set caldb.berkeleydb.homedir.path to " + r.rep.To + ", or move its files to where the old ones are"
	if r.cfg.Store.Type == "postgres" {
		next = "set factotum.store.dsn to the new database"
	}
	r.t.say("the database that was there is as it was; %s, and start the server", next)
	return nil
}

// String is a line of a dry run.
func (c renamedHome) String() string {
	var words []string
	for _, what := range slices.Sorted(maps.Keys(c.Changes)) {
		if n := c.Changes[what]; n > 1 {
			what = fmt.Sprintf("%s (%d)", what, n)
		}
		words = append(words, what)
	}
	name := string(c.Owner)
	switch {
	case c.Entry != "":
		name = c.Entry
	case c.Owner != c.Now:
		name += " becomes " + string(c.Now)
		if len(words) == 0 {
			return plain.Text(name)
		}
	}
	return plain.Text(name) + ": " + strings.Join(words, ", ")
}
