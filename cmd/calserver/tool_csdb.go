package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

func init() {
	register("csdb", "check, recover, rebuild and list the database and its jobs", runCsdb)
}

const csdbUsage = `csdb looks after the database.

  csdb [-q|-v] [-j] [-t caldb] create|delete|list|check|rebuild [dbdir]
  csdb [-q|-v] [-t caldb] [-f] recover                          [dbdir]
  csdb [-q|-v] [--owner who] [--kind kind] [--job id] [--parked] [--json]
                               jobs [list|retry|drop [dbdir]]
  csdb version

  -t caldb  the calendar database; there is no other (sessions are in memory,
            statistics are metrics)
  -f        recover even if nothing is found wrong
  -q, --yes print what is wrong only, and do not ask
  -C file   the ics.conf to use
  --owner who, --kind kind, --parked, --job owner/change/number
            which jobs: someone's, of one kind, those given up, single ones;
            -o, -k, -p, -J for short, and -J may stand several times
  -j, --json  print JSON; of jobs, which may be very many, an object a line

The commands:
  create   make an empty database; start-cal does so by itself if there is none
  delete   delete the database with all calendars; the server must be stopped
  list     tell what the database is and holds
  check    read everything and report what is wrong: the engine, every object's
           text, and the time index and the attachments beside it
  rebuild  write the time index of every object anew from its text, and mend what
           is wrong with attachments and sums
  recover  check, write the database's own indexes anew, remove what belongs to
           nothing, rebuild, and check again; where the file itself is damaged,
           make a new one of all that can be read of it, and keep the damaged one
           beside it; the server must be stopped
  jobs     list what is still to be done because of changes, such as messages to
           be sent: id, kind, what it is about, when it is due or that it is
           parked, failed attempts, and what was wrong. "jobs retry" has those
           that failed tried again, now and as if for the first time; "jobs drop"
           forgets some, after it has asked

While the server runs csstored does the work, and calendars stay in use. While
it is stopped csdb opens the database itself and keeps others out. dbdir is the
directory of another SQLite database than that of ics.conf, such as a copy.

Exit status: 0 nothing wrong, 1 something is, or it could not be done, 2 wrong call.
`

func runCsdb(ctx context.Context, args []string, std stdio) int {
	t := newTool("csdb", csdbUsage, std)
	var group string
	var force bool
	t.FlagLong(&group, "type", 't')
	t.FlagLong(&force, "force", 'f')
	var jobs jobOptions
	jobs.declare(t)
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		switch words[0] {
		case "create", "delete", "list", "check", "rebuild", "recover", "jobs":
		default:
			return misuse("%q is not a command of csdb", words[0])
		}
		switch {
		case len(words) > 2 && words[0] != "jobs":
			return misuse("csdb takes one directory")
		case group == "sessdb" || group == "statdb":
			return misuse("there is no %s: sessions are in memory, statistics are metrics", group)
		case group != "" && group != "caldb":
			return misuse("-t is caldb, not %q", group)
		case force && words[0] != "recover":
			return misuse("-f goes with recover")
		case jobs.chosen() && words[0] != "jobs":
			return misuse("--owner, --kind, --job and --parked go with jobs")
		case words[0] == "jobs":
			return t.jobs(ctx, &jobs, words[1:])
		}
		cfg, err := t.load()
		if err != nil {
			return err
		}
		if err := frontEnd(cfg); err != nil && len(words) == 1 {
			t.complain("%s", err)
		}
		if len(words) == 2 {
			if err := useCopy(cfg, words[1], words[0]); err != nil {
				return err
			}
		}
		switch words[0] {
		case "delete":
			return t.deleteDatabase(ctx, cfg, len(words) == 2)
		case "recover":
			return t.recoverDatabase(ctx, cfg, len(words) == 2, force)
		}
		return t.database(ctx, cfg, words[0], len(words) == 2)
	})
}

// useCopy points the configuration to another SQLite database.
func useCopy(cfg *config.Config, dir, command string) error {
	cfg.Store.Type, cfg.Store.Path = "sqlite", filepath.Join(dir, filepath.Base(cfg.Store.Path))
	_, err := os.Stat(cfg.Store.Path)
	switch {
	case command == "create" && err == nil:
		return fmt.Errorf("%s is there already", cfg.Store.Path)
	case command != "create" && errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no database in %s", dir)
	}
	return nil
}

// database does a command, in the running server or on the stopped one's store.
func (t *tool) database(ctx context.Context, cfg *config.Config, command string, other bool) error {
	if !other {
		done, err := t.askServer(ctx, cfg, command)
		if done || err != nil {
			return err
		}
		t.tell("csstored does not run: the database is opened directly")
	}
	if err := needDatabase(cfg); command != "create" && err != nil {
		return err
	}
	if found, err := damage(cfg); err != nil {
		return err
	} else if found != "" && command != "create" { // SQLite would not say so, and lose more
		return t.damaged(command, found)
	}
	be, err := openStopped(ctx, cfg, t)
	if calendar.ReasonOf(err) == calendar.Damaged && command == "check" {
		return t.damaged(command, inspected(cfg, err))
	}
	if err != nil {
		return err
	}
	defer be.close()
	model := be.Backend.(*service.Service)
	switch command {
	case "create":
		if s, ok := be.store.(*sqlstore.Store); ok && s.Advice() != "" {
			t.tell("%s", s.Advice())
		}
		t.did(doneDatabase{databaseOf(cfg), "created"}, "the database is there")
		return nil
	case "list":
		st, err := be.store.Stat(ctx)
		if err != nil {
			return err
		}
		return t.listDatabase(cfg, &storeStatus{Engine: st.Engine, Schema: st.Version, Owners: st.Owners, Objects: st.Objects, Bytes: st.Bytes, ReadOnly: cfg.Store.ReadOnly}, false)
	}
	do := model.Check
	if command == "rebuild" {
		do = model.Rebuild
	}
	far := t.far(command)
	if st, err := be.store.Stat(ctx); err == nil {
		far.of = st.Owners
	}
	rep, err := do(ctx, far.next)
	if err = far.end(ctx, err); err != nil {
		return err
	}
	return t.findings(command, rep, false)
}

// doneDatabase is what became of a database, for programs.
type doneDatabase struct {
	Database string `json:"database"`
	Done     string `json:"done"`
}

func databaseOf(cfg *config.Config) string {
	if cfg.Store.Type == "postgres" {
		return "PostgreSQL"
	}
	return cfg.Store.Path
}

func needDatabase(cfg *config.Config) error {
	if _, err := os.Stat(cfg.Store.Path); cfg.Store.Type == "sqlite" && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database at %s; start-cal or \"csdb create\" makes it", cfg.Store.Path)
	}
	return nil
}

// needStopped refuses what cannot be done while csstored has the database.
func (t *tool) needStopped(ctx context.Context, cfg *config.Config, other bool) error {
	if other {
		return nil // its lock tells
	}
	var st processStatus
	switch err := callStore(ctx, cfg, "GET", "/status", &st); {
	case errors.Is(err, errNotRunning) || err == nil && st.Store == nil:
		return nil
	case err != nil:
		return err
	}
	return errors.New("the database is in use; \"stop-cal\" first")
}

// deleteDatabase removes the database of a server that is stopped.
func (t *tool) deleteDatabase(ctx context.Context, cfg *config.Config, other bool) error {
	if err := t.needStopped(ctx, cfg, other); err != nil {
		return err
	}
	if err := needDatabase(cfg); err != nil {
		return err
	}
	if err := t.confirm(ctx, "Delete the database (%s) with all calendars of all users?", databaseOf(cfg)); err != nil {
		return err
	}
	var err error
	if cfg.Store.Type == "postgres" {
		err = sqlstore.RemovePostgres(ctx, cfg.Store.DSN.Reveal(), sqlstore.Options{Log: t.toolLog()})
	} else {
		err = sqlstore.RemoveSQLite(cfg.Store.Path)
	}
	if err != nil {
		return err
	}
	t.did(doneDatabase{databaseOf(cfg), "deleted"}, "the database is deleted")
	return nil
}

// askServer has csstored do it; done is false if it does not run.
func (t *tool) askServer(ctx context.Context, cfg *config.Config, command string) (done bool, err error) {
	if command == "list" || command == "create" {
		var st processStatus
		err := callStore(ctx, cfg, "GET", "/status", &st)
		switch {
		case errors.Is(err, errNotRunning) || err == nil && st.Store == nil:
			return false, nil
		case err != nil:
			return false, err
		case command == "create":
			t.did(doneDatabase{databaseOf(cfg), "found"}, "the database is there, and in use")
		default:
			return true, t.listDatabase(cfg, st.Store, true)
		}
		return true, nil
	}
	far := t.far(command)
	var rep dbReport
	err = onStore(func(process string) error {
		return callAdminFor(ctx, adminSocket(cfg, process), "POST", "/db/"+command, func(dec *json.Decoder) error {
			for !rep.End {
				if err := dec.Decode(&rep); err != nil {
					return err
				}
				far.of = rep.Of
				far.at(rep.Done)
			}
			return nil
		})
	})
	err = far.end(ctx, err)
	switch {
	case errors.Is(err, errNotRunning):
		return false, nil
	case err != nil:
		return false, err
	case rep.Err != "":
		return true, errors.New(rep.Err)
	}
	return true, t.findings(command, rep.CheckReport, true)
}

// far is how far a walk over all owners is.
type far struct {
	t        *tool
	command  string
	bar      *progressbar.ProgressBar
	done, of int
	begun    int
}

func (t *tool) far(command string) *far { return &far{t: t, command: command} }

func (f *far) at(done int) {
	if f.bar == nil {
		f.bar = f.t.bar(int64(max(f.of, 1)))
	}
	f.done = done
	f.bar.Set(min(done, max(f.of, 1)))
}

// next is called when an owner's turn comes.
func (f *far) next(calendar.Owner) {
	f.at(f.begun)
	f.begun++
}

// end tells how far it came where it was interrupted.
func (f *far) end(ctx context.Context, err error) error {
	if f.bar != nil {
		f.bar.Finish()
	}
	if err == nil || ctx.Err() == nil {
		return err
	}
	info := struct {
		Command string `json:"command"`
		Done    int    `json:"owners_done"`
		Of      int    `json:"owners"`
	}{f.command, f.done, f.of}
	f.t.did(info, "%s: %d of %d owners were done", f.command, f.done, f.of)
	return ctx.Err()
}

// findings prints what a check or rebuild found.
func (t *tool) findings(command string, rep service.CheckReport, running bool) error {
	if t.json {
		return t.findingsJSON(command, rep, running)
	}
	wrong := 0
	for _, f := range rep.Findings {
		if !f.Mended {
			wrong++
		}
		if f.Ref != "" {
			fmt.Fprintf(t.std.out, "%s: ", plain.Text(f.Ref))
		}
		fmt.Fprintln(t.std.out, f.Msg)
	}
	where := "server stopped"
	if running {
		where = "server running"
	}
	what := fmt.Sprintf("%d found wrong", wrong)
	if mended := len(rep.Findings) - wrong; mended > 0 {
		what = fmt.Sprintf("%d mended, %s", mended, what)
	}
	if rep.Rebuilt > 0 || command == "rebuild" {
		what = fmt.Sprintf("%d rebuilt, %s", rep.Rebuilt, what)
	}
	switch {
	case rep.Damaged && command != "recover":
		t.say("The database's own file is damaged: \"stop-cal\", then \"csdb recover\" saves all that can be read and keeps the damaged file; or restore a backup.")
	case wrong > 0 && command == "check":
		t.say("\"csdb rebuild\" mends what it says so of; \"csdb recover\", with the server stopped, does all that can be done; or restore a backup.")
	}
	t.say("%s (%s): %d owners, %d calendars, %d objects; %s", command, where, rep.Owners, rep.Calendars, rep.Objects, what)
	if wrong > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// found tells of something that is wrong, besides what a check finds.
func (t *tool) found(format string, args ...any) {
	if t.json {
		t.wrong = append(t.wrong, findingInfo{Msg: fmt.Sprintf(format, args...)})
		return
	}
	fmt.Fprintf(t.std.out, format+"\n", args...)
}

// checkInfo is the report of a check, rebuild or recovery, for programs.
type checkInfo struct {
	Command   string        `json:"command"`
	Running   bool          `json:"server_running"`
	Owners    int           `json:"owners"`
	Calendars int           `json:"calendars"`
	Objects   int           `json:"objects"`
	Rebuilt   int           `json:"rebuilt"`
	Mended    int           `json:"mended"`
	Wrong     int           `json:"wrong"`
	Findings  []findingInfo `json:"findings"`
}

type findingInfo struct {
	Ref    string `json:"ref,omitempty"`
	Msg    string `json:"message"`
	Mended bool   `json:"mended"`
}

func (t *tool) findingsJSON(command string, rep service.CheckReport, running bool) error {
	info := checkInfo{Command: command, Running: running, Owners: rep.Owners, Calendars: rep.Calendars, Objects: int(rep.Objects),
		Rebuilt: rep.Rebuilt, Wrong: len(t.wrong), Findings: append([]findingInfo{}, t.wrong...)}
	for _, f := range rep.Findings {
		if info.Findings = append(info.Findings, findingInfo{f.Ref, f.Msg, f.Mended}); f.Mended {
			info.Mended++
		} else {
			info.Wrong++
		}
	}
	if err := t.print(info); err != nil {
		return err
	}
	if info.Wrong > len(t.wrong) {
		return exitError(exitFailed)
	}
	return nil
}

func (t *tool) listDatabase(cfg *config.Config, s *storeStatus, running bool) error {
	path := ""
	if cfg.Store.Type == "sqlite" {
		path = cfg.Store.Path
	}
	switch {
	case t.json:
		return t.print(struct {
			*storeStatus
			Path    string `json:"path,omitempty"`
			Running bool   `json:"server_running"`
		}{s, path, running})
	case t.quiet:
		return nil
	}
	row := func(name string, value any) { fmt.Fprintf(t.std.out, "%-10s %v\n", name, value) }
	row("engine", s.Engine)
	if path != "" {
		row("path", path)
	}
	row("schema", s.Schema)
	row("owners", s.Owners)
	row("objects", s.Objects)
	row("octets", s.Bytes)
	row("server", map[bool]string{true: "running", false: "stopped"}[running])
	if s.ReadOnly {
		row("read only", "yes")
	}
	return nil
}
