package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/archive"
	"factotum/store/sqlstore"
)

func init() {
	register("csrestore", "restore the database or a calendar from a backup", runCsrestore)
}

const csrestoreUsage = `csrestore brings back the database, or a calendar, from a backup.

  csrestore [-q|-v] [-j] [-f] [-n] [--at time] database [inputdir]
  csrestore [-q|-v] [-j] [-f] [-n] [--at time] [--as calid] -c calid  calendar input
  csrestore [-q|-v] [-j] [-f] [-n] [--at time] [--as calid] -a userid defcal input
  csrestore version

  -c calid   the calendar, for example jdoe or jdoe:hobbies
  -a userid  whose default calendar
  -b basedn  taken for Sun's scripts' sake
  --at time  as it was at that moment, for example "2026-11-29 14:05:00", or 14:05
             for today, in the time zone of this host; else as it was last
  -i, --identity file  identities (age) that open an encrypted backup; else those of
             factotum.backup.identities
  --as calid put it there instead, which is made if there is no such calendar
  -n, --dry-run  restore into a scratch place, tell what would be different, and
             change nothing
  -f         replace a database that has something in it; it is kept beside the
             new one (SQLite). With calendar: --as may be of another user
  -j, --json print the report as JSON
  -q, --yes  do not ask
  -C file    the ics.conf to use

inputdir is a directory of backups as csstored makes them, or a single one that
"csbackup database" made; without one that of ics.conf is taken. s3: is the bucket
of factotum.backup.s3.bucket, s3:PREFIX another host's place in it: what is needed
is copied from there beside the database first. All of a backup is looked through
before anything is replaced.

The commands:
  database  the whole; the server must be stopped
  calendar  one calendar: what is not in the backup is deleted, what is
            different is replaced, and nobody is invited or told. input is such a
            directory, or a file that "csbackup calendar" wrote
  defcal    the same with the default calendar of a user

Exit status: 0 done, 1 it could not be done and nothing was changed, or not all of
it, 2 wrong call.

  csrestore --at "2026-11-29 14:05" database /backup/archive
  csrestore -c tchang calendar backupdir
  csrestore --as tchang:before -c tchang calendar tchang.ics
`

type restoreCall struct {
	at    time.Time
	force bool
	dry   bool
	as    calendar.ID
	keys  *archive.Keys
}

func runCsrestore(ctx context.Context, args []string, std stdio) int {
	t := newTool("csrestore", csrestoreUsage, std)
	var calid, user, base, at, as, identity string
	var call restoreCall
	t.FlagLong(&calid, "calid", 'c')
	t.FlagLong(&user, "user", 'a')
	t.FlagLong(&base, "basedn", 'b')
	t.FlagLong(&at, "at", 0)
	t.FlagLong(&as, "as", 0)
	t.FlagLong(&identity, "identity", 'i')
	t.FlagLong(&call.force, "force", 'f')
	t.FlagLong(&call.dry, "dry-run", 'n')
	return t.run(ctx, args, func(ctx context.Context, words []string) (err error) {
		id, err := calendarOfWords(words[0], calid, user)
		if err != nil {
			return err
		}
		if call.at, err = readMoment(at, time.Now()); err != nil {
			return misuse("%s", err)
		}
		if call.as = calendar.ID(as); call.as == "" {
			call.as = id
		}
		cfg, err := t.load()
		if err != nil {
			return err
		}
		if call.keys, err = archive.ReadKeys("", cmp.Or(identity, cfg.Backup.Identities)); err != nil {
			return err
		}
		if a, b := id.Owner(), call.as.Owner(); !strings.EqualFold(string(a), string(b)) && !call.force {
			return fmt.Errorf("%s is a calendar of %s, and %s of %s: -f gives what is in one's calendar to another", id, a, call.as, b)
		}
		if words[0] != "database" {
			if len(words) != 2 {
				return misuse("csrestore %s needs one file or directory", words[0])
			}
			return t.restoreCalendar(ctx, cfg, id, words[1], &call)
		}
		input := ""
		switch dirs := backupDirs(cfg); {
		case len(words) > 2 || as != "":
			return misuse("csrestore database takes one directory")
		case len(words) == 2:
			input = words[1]
		case len(dirs) == 0:
			return misuse("which directory is the backup in?")
		default:
			input = dirs[0]
		}
		return t.restoreDatabase(ctx, cfg, input, &call)
	})
}

// readMoment reads a time of this host's zone, or one with its offset.
func readMoment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02", "20060102T150405Z"} {
		zone := now.Location()
		if strings.HasSuffix(form, "Z") && form != time.RFC3339Nano {
			zone = time.UTC
		}
		if at, err := time.ParseInLocation(form, s, zone); err == nil {
			return at, nil
		}
	}
	for _, form := range []string{"15:04:05", "15:04"} {
		if at, err := time.Parse(form, s); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q is no time: write 2026-11-29 14:05:00, or 14:05 for today", s)
}

// restoredDatabase is the report of a restoration.
type restoredDatabase struct {
	From         string        `json:"from"`
	Until        time.Time     `json:"until"` // the moment whose state it is
	Homes        int           `json:"homes"`
	Objects      int64         `json:"objects"`
	Transactions int           `json:"transactions"` // done again
	Differs      []calendar.ID `json:"differs,omitempty"`
	Kept         string        `json:"kept,omitempty"` // where the database is that was there
	Dry          bool          `json:"dry_run,omitempty"`
}

// scratch opens an empty SQLite store in a directory of its own beside the database, or
// where temporary files are.
func scratch(ctx context.Context, cfg *config.Config, log *tool) (s *sqlstore.Store, dir string, err error) {
	base := ""
	if cfg.Store.Type == "sqlite" {
		if base = filepath.Dir(cfg.Store.Path); os.MkdirAll(base, 0o700) != nil {
			base = ""
		}
	}
	if dir, err = os.MkdirTemp(base, "restore-"); err != nil {
		return nil, "", err
	}
	s, err = sqlstore.OpenSQLite(ctx, filepath.Join(dir, "calendar.db"), sqlstore.Options{Relaxed: true, Log: log.toolLog()})
	if err != nil {
		os.RemoveAll(dir)
	}
	return s, dir, err
}

// fromCopy is what a hot backup has applied already, brought up to date in a directory; nil
// where it has nothing, or nothing that serves: then all is restored from the snapshot on.
func (t *tool) fromCopy(ctx context.Context, input, dir string, opt archive.RestoreOptions) (s *sqlstore.Store, res archive.Restored) {
	at, ok := archive.Applied(input)
	if !ok || !opt.At.IsZero() {
		return nil, res
	}
	s, res, err := t.copyApplied(ctx, input, at, filepath.Join(dir, "applied"), opt)
	if err != nil {
		t.tell("the copy in %s does not serve, all is restored from the snapshot on: %s", at, plain.Error(err))
		return nil, res
	}
	t.tell("taken from the copy in %s", at)
	return s, res
}

func (t *tool) copyApplied(ctx context.Context, input, at, to string, opt archive.RestoreOptions) (s *sqlstore.Store, res archive.Restored, err error) {
	// It is locked while it is copied, so that nobody applies anything to it.
	was, err := sqlstore.OpenSQLite(ctx, filepath.Join(at, "calendar.db"), sqlstore.Options{Relaxed: true, Log: t.toolLog()})
	if err != nil {
		return nil, res, err
	}
	err = os.Mkdir(to, 0o700)
	for _, end := range []string{"", "-wal"} {
		if err == nil {
			if err = copyFile(filepath.Join(at, "calendar.db"+end), filepath.Join(to, "calendar.db"+end)); end != "" && errors.Is(err, os.ErrNotExist) {
				err = nil // it was folded
			}
		}
	}
	if err = errors.Join(err, was.Close()); err != nil {
		return nil, res, err
	}
	if s, err = sqlstore.OpenSQLite(ctx, filepath.Join(to, "calendar.db"), sqlstore.Options{Relaxed: true, Log: t.toolLog()}); err != nil {
		return nil, res, err
	}
	if res, err = archive.Resume(ctx, input, at, s, opt); err == nil {
		err = s.Check(ctx)
	}
	if err != nil {
		s.Close()
	}
	return s, res, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// fetched is the directory of a backup: what a bucket has is copied into one below dir.
func (t *tool) fetched(ctx context.Context, cfg *config.Config, input, dir string, at time.Time) (string, error) {
	d, err := depotOf(cfg, input)
	if d == nil || err != nil {
		return input, err
	}
	t.tell("copying what is needed from %s", d)
	input = filepath.Join(dir, "copied")
	return input, archive.Fetch(ctx, d, input, at)
}

// periodName is what people are told of a period's directory, though it is a copy.
func periodName(from, copied, dir string) string {
	if from == copied {
		return dir
	}
	return strings.TrimSuffix(from, "/") + "/" + filepath.Base(dir)
}

// lockRestoring sees to it that one csrestore is at work with a database.
func lockRestoring(cfg *config.Config) (unlock func(), err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cfg.Data, "csrestore.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("another csrestore is at work with this database: wait until it is done")
	}
	return func() { f.Close() }, nil
}

func (t *tool) restoreDatabase(ctx context.Context, cfg *config.Config, input string, call *restoreCall) error {
	if !call.dry {
		if err := t.needStopped(ctx, cfg, false); err != nil {
			return err
		}
	}
	unlock, err := lockRestoring(cfg)
	if err != nil {
		return err
	}
	defer unlock()
	s, dir, err := scratch(ctx, cfg, t)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	from := input
	if input, err = t.fetched(ctx, cfg, input, dir, call.at); err != nil {
		s.Close()
		return err
	}
	opt, file := archive.RestoreOptions{At: call.at, Keys: call.keys}, filepath.Join(dir, "calendar.db")
	var res archive.Restored
	if c, is := t.fromCopy(ctx, input, dir, opt); c != nil {
		err = s.Close()
		s, res, file = c, is, filepath.Join(dir, "applied", "calendar.db")
	} else if res, err = archive.Restore(ctx, input, s, opt); err == nil {
		err = s.Check(ctx)
	}
	st, statErr := s.Stat(ctx)
	if err = errors.Join(err, statErr); err != nil {
		s.Close()
		return err
	}
	rep := restoredDatabase{From: periodName(from, input, res.Period.Dir), Until: res.Until, Homes: st.Owners, Objects: st.Objects, Transactions: res.Transactions, Dry: call.dry}
	present, err := t.present(ctx, cfg, s, &rep, call)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if call.dry {
		return t.toldRestored(&rep)
	}
	if present && !call.force {
		return fmt.Errorf("%s has calendars in it: -f replaces it (--dry-run tells what would be different)", databaseOf(cfg))
	}
	if present {
		if err := t.confirm(ctx, "Replace %s by what was there at %s?", databaseOf(cfg), res.Until.Local().Format(time.DateTime)); err != nil {
			return err
		}
	}
	if err := t.needStopped(ctx, cfg, false); err != nil { // somebody may have started it meanwhile
		return err
	}
	if cfg.Store.Type == "sqlite" {
		rep.Kept, err = replaceSQLite(cfg.Store.Path, file, time.Now())
	} else {
		err = t.replacePostgres(ctx, cfg, input, res.Until, present, call.keys)
	}
	if err != nil {
		return err
	}
	return t.toldRestored(&rep)
}

func (t *tool) toldRestored(r *restoredDatabase) error {
	if t.json {
		return t.print(r)
	}
	what := "restored"
	if r.Dry {
		what = "would be restored"
	}
	t.say("%d homes with %d objects as of %s %s from %s", r.Homes, r.Objects, r.Until.Local().Format("2006-01-02 15:04:05"), what, r.From)
	for _, id := range r.Differs {
		t.say("different: %s", id)
	}
	if r.Kept != "" {
		t.say("what was there is kept as %s", r.Kept)
	}
	return nil
}

// present tells whether the database has something in it, and for a dry run what is
// different from what was restored.
func (t *tool) present(ctx context.Context, cfg *config.Config, restored calendar.Store, rep *restoredDatabase, call *restoreCall) (bool, error) {
	if cfg.Store.Type == "sqlite" {
		if _, err := os.Stat(cfg.Store.Path); errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
	}
	now, err := openDatabase(ctx, cfg, t.toolLog(), nil)
	switch {
	case err != nil && call.dry:
		t.warn("what is there now cannot be compared: %s", plain.Error(err))
		return true, nil
	case err != nil && cfg.Store.Type == "sqlite":
		return true, nil // damaged, perhaps: it is kept
	case err != nil:
		return false, err
	}
	defer now.Close()
	if call.dry {
		if rep.Differs, err = archive.Differences(ctx, now, restored); err != nil {
			return true, err
		}
	}
	owners, err := now.Owners(ctx, "", 1)
	return len(owners) > 0, err
}

// replaceSQLite puts a database in place of another, which is kept under another name.
func replaceSQLite(path, by string, now time.Time) (kept string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		kept = path + now.Format(".before-20060102-150405")
		for _, end := range []string{"", "-wal", "-shm"} {
			if err := os.Rename(path+end, kept+end); err != nil && !errors.Is(err, os.ErrNotExist) {
				return "", err
			}
		}
	}
	return kept, os.Rename(by, path)
}

// replacePostgres restores once more, into the database itself: that all can be restored
// is known by then.
func (t *tool) replacePostgres(ctx context.Context, cfg *config.Config, input string, until time.Time, present bool, keys *archive.Keys) error {
	opt := sqlstore.Options{Log: t.toolLog()}
	if present {
		if err := sqlstore.RemovePostgres(ctx, cfg.Store.DSN.Reveal(), opt); err != nil {
			return err
		}
	}
	s, err := sqlstore.OpenPostgres(ctx, cfg.Store.DSN.Reveal(), opt)
	if err != nil {
		return err
	}
	_, err = archive.Restore(ctx, input, s, archive.RestoreOptions{At: until, Keys: keys})
	return errors.Join(err, s.Close())
}
