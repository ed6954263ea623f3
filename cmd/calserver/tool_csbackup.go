package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/archive"
)

func init() {
	register("csbackup", "back up the database, a calendar, or a user's calendar; list backups", runCsbackup)
}

const csbackupUsage = `csbackup copies the calendar database, or a calendar.

  csbackup [-q|-v] [-j] [-f] database target
  csbackup [-q|-v] [-j] [-f] -c calid  calendar target
  csbackup [-q|-v] [-j] [-f] -a userid defcal target
  csbackup [-j] list [directory]
  csbackup version

  -c calid   the calendar, for example jdoe or jdoe:hobbies
  -a userid  whose default calendar
  -b basedn  taken for Sun's scripts' sake: people are found by service.schema2root
  -f         over a backup that is there
  -j, --json print the report as JSON
  -q         print errors only
  -C file    the ics.conf to use

The commands:
  database  copy the whole database into a directory, which is made, and try
            whether it can be restored. Calendars stay in use: what is written
            until the copy is complete is in it
  calendar  write a calendar to a file (.ics, .xml) or a directory, as csexport does
  defcal    the same with the default calendar of a user
  list      tell what backups there are, from which moment on they can be restored,
            and up to which moment they were restored to see that they can be: those
            that csstored makes by itself, or those of a directory; s3: is the bucket
            of factotum.backup.s3.bucket, s3:PREFIX another host's place in it

csstored makes backups by itself where ics.conf says to which directory: see
caldb.berkeleydb.archive.path and caldb.berkeleydb.hotbackup.path.

Exit status: 0 done, 1 it could not be done, 2 wrong call.

  csbackup database /backup/2026-11-29
  csbackup -c tchang:work calendar tchang.ics
`

func runCsbackup(ctx context.Context, args []string, std stdio) int {
	t := newTool("csbackup", csbackupUsage, std)
	var calid, user, base string
	var force bool
	t.FlagLong(&calid, "calid", 'c')
	t.FlagLong(&user, "user", 'a')
	t.FlagLong(&base, "basedn", 'b')
	t.FlagLong(&force, "force", 'f')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		if words[0] == "list" {
			if len(words) > 2 {
				return misuse("csbackup list takes one directory")
			}
			return t.listBackups(ctx, words[1:])
		}
		id, err := calendarOfWords(words[0], calid, user)
		if err != nil {
			return err
		}
		if len(words) != 2 {
			return misuse("csbackup %s needs one target", words[0])
		}
		target, err := filepath.Abs(words[1])
		if err != nil {
			return err
		}
		if words[0] == "database" {
			return t.backupDatabase(ctx, target, force)
		}
		return t.backupCalendar(ctx, id, words[1], force)
	})
}

// calendarOfWords is the calendar that a call of csbackup or csrestore is about; of database
// it is none.
func calendarOfWords(command, calid, user string) (calendar.ID, error) {
	switch command {
	case "database":
		if calid != "" || user != "" {
			return "", misuse("-c and -a do not go with database")
		}
		return "", nil
	case "calendar":
		if calid == "" {
			return "", misuse("-c says which calendar")
		}
		return calendar.ID(calid), nil
	case "defcal":
		if user == "" {
			return "", misuse("-a says whose default calendar")
		}
		return calendar.ID(user), nil
	}
	return "", misuse("%q is not a command", command)
}

func (t *tool) backupDatabase(ctx context.Context, target string, force bool) error {
	cfg, err := t.load()
	if err != nil {
		return err
	}
	empty, err := emptyDir(target)
	if err != nil {
		return err
	}
	if !empty {
		if !force {
			return fmt.Errorf("%s has something in it: -f replaces a backup", target)
		}
		if list, err := archive.Periods(target); err != nil || len(list) != 1 || list[0].Dir != target {
			return fmt.Errorf("%s is no backup of csbackup's: it is left alone", target)
		}
	}
	to := target
	if !empty { // the old one goes when the new one is there
		to = target + ".new"
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	}
	c, err := t.copyDatabase(ctx, cfg, to)
	if err != nil {
		os.RemoveAll(to)
		return err
	}
	if to != target {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := os.Rename(to, target); err != nil {
			return err
		}
		c.Directory = target
	}
	tried := "it was restored to see that it can be"
	if c.Sealed {
		tried = "it was not restored to see that it can be, for no identity here opens it: try it with csrestore -n --identity"
	}
	t.did(c, "%d homes in %s, %s, as of %s: %s", c.Homes, c.Directory, size(c.Octets), c.Until.Local().Format(time.DateTime), tried)
	return nil
}

func (t *tool) backupCalendar(ctx context.Context, id calendar.ID, target string, force bool) error {
	if _, err := os.Stat(target); err == nil && !force {
		return fmt.Errorf("%s is there: -f replaces it", target)
	}
	if err := t.here(ctx, calendar.Owner(strings.ToLower(string(id.Owner())))); err != nil {
		return err
	}
	be, err := t.openAnyway(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	return t.export(ctx, be, id, target)
}

// backupListed is a period in the answer of "csbackup list".
type backupListed struct {
	Directory string         `json:"directory"`
	From      time.Time      `json:"from,omitzero"` // any moment from then on
	Homes     int            `json:"homes"`
	Octets    int64          `json:"octets"` // of its snapshot
	Proof     *archive.Proof `json:"proof,omitempty"`
}

// periodsIn lists the periods of a directory, or of a bucket.
func periodsIn(ctx context.Context, cfg *config.Config, dir string) ([]archive.Period, error) {
	d, err := depotOf(cfg, dir)
	if d != nil && err == nil {
		return archive.DepotPeriods(ctx, d)
	}
	if err != nil {
		return nil, err
	}
	return archive.Periods(dir)
}

func (t *tool) listBackups(ctx context.Context, dirs []string) error {
	cfg, err := t.load()
	if err != nil {
		return err
	}
	if len(dirs) == 0 {
		if dirs = backupDirs(cfg); cfg.Backup.S3.Endpoint != "" {
			dirs = append(dirs, depotPrefix)
		}
	}
	if len(dirs) == 0 {
		return fmt.Errorf("no backups are made: set caldb.berkeleydb.archive.path or caldb.berkeleydb.hotbackup.path in ics.conf")
	}
	list := []backupListed{}
	for _, dir := range dirs {
		periods, err := periodsIn(ctx, cfg, dir)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, p := range periods {
			list = append(list, backupListed{p.Dir, p.Ended, p.Homes, p.Octets, p.Proof})
		}
	}
	if t.json {
		return t.print(list)
	}
	if len(list) == 0 {
		t.say("no backup yet in %s", strings.Join(dirs, ", "))
		return nil
	}
	w := tabwriter.NewWriter(t.std.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "DIRECTORY\tFROM\tHOMES\tSNAPSHOT\tPROVEN")
	for _, b := range list {
		from, proven := "not complete", "no"
		if !b.From.IsZero() {
			from = b.From.Local().Format(time.DateTime)
		}
		switch {
		case b.Proof != nil && b.Proof.Failed != "":
			proven = "FAILED: " + b.Proof.Failed
		case b.Proof != nil && b.Proof.Sealed:
			proven = "no: no identity here opens it; its files are whole"
		case b.Proof != nil:
			proven = "up to " + b.Proof.Until.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", b.Directory, from, b.Homes, size(b.Octets), proven)
	}
	return w.Flush()
}

// backupDirs are those in which csstored makes backups.
func backupDirs(cfg *config.Config) (dirs []string) {
	for _, c := range []config.Copies{cfg.Backup.Archive, cfg.Backup.Hot} {
		if c.Enable && c.Path != "" {
			dirs = append(dirs, c.Path)
		}
	}
	return dirs
}

func queryOf(name, value string) string { return url.Values{name: {value}}.Encode() }
