package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/place"
	"factotum/server/config"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		t := &tool{name: "calserver", std: std}
		c := &cobra.Command{Use: "disk", Short: "Look whether a place is fit for calendars"}
		use := "database"
		check := &cobra.Command{
			Use: "check DIR", Short: "Try the file system of a directory, and measure a synced write", Args: cobra.ExactArgs(1),
			Long: "Tells the file system of a directory (local, of a network, in memory, a container's),\n" +
				"tries locks, syncs, renames and shared memory there, and measures how long a write\n" +
				"takes that is on the disk. Exit status 1: the place must not be used for that. What it\n" +
				"writes it removes.",
			RunE: func(cmd *cobra.Command, args []string) error {
				purpose, ok := map[string]place.Purpose{"database": place.Database, "backup": place.Backup, "files": place.Files}[use]
				if !ok {
					return fmt.Errorf("--for is database, backup or files, not %q", use)
				}
				ctx, stop := interruptible(cmd.Context())
				defer stop()
				return t.checkDisk(ctx, args[0], purpose)
			},
		}
		check.Flags().StringVar(&use, "for", use, "what is to be kept there: database (SQLite), backup, or files (logs, PostgreSQL elsewhere)")
		c.AddCommand(t.reportFlags(check))
		return c
	})
}

func (t *tool) checkDisk(ctx context.Context, dir string, purpose place.Purpose) error {
	r, err := place.Look(ctx, dir, purpose, 20)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there: make it, or name a directory that is", dir)
	}
	if err != nil {
		return err
	}
	refused := r.Refused()
	if t.json {
		if err := t.print(r); err != nil {
			return err
		}
	} else {
		t.showDisk(r, refused != nil)
	}
	if refused != nil {
		return exitError(exitFailed)
	}
	return nil
}

// showDisk prints what was found. With -q only what is wrong is told.
func (t *tool) showDisk(r *place.Report, refused bool) {
	row := func(name, format string, args ...any) { t.say("  %-14s %s", name, fmt.Sprintf(format, args...)) }
	t.say("%s", r.Dir)
	row("file system", "%s (%s), %s at %s", r.FileSystem, r.Kind, r.Source, r.Mount)
	row("room", "%s of %s are free", size(int64(r.Free)), size(int64(r.Size)))
	for _, try := range r.Tries {
		if try.OK {
			row(try.What, "works")
		} else {
			row(try.What, "fails: %s", try.Err)
		}
	}
	if r.Sync > 0 {
		row("synced write", "%.2f ms, at most %.2f ms", r.SyncMS, r.MostMS)
	}
	for _, f := range r.Findings {
		if f.Refuse {
			t.complain("refused: %s", f)
		} else {
			t.warn("%s", f)
		}
	}
	if !refused {
		t.say("%s can be used", r.Dir)
	}
}

// lookBelow looks at the disks of the database and of backups before they are used. What
// SQLite cannot stand on is refused, unless factotum.store.anydisk says otherwise; a
// backup may be anywhere.
func lookBelow(ctx context.Context, cfg *config.Config, log *slog.Logger) (list []*place.Report, err error) {
	if cfg.Store.ReadOnly { // nothing is written
		return nil, nil
	}
	note := func(r *place.Report) {
		list = append(list, r)
		for _, line := range r.Warnings() {
			log.Warn("the disk", "problem", line)
		}
	}
	const writes = 5
	if cfg.Store.Type != "postgres" {
		dir := filepath.Dir(cfg.Store.Path)
		err := os.MkdirAll(dir, 0o700)
		var r *place.Report
		if err == nil {
			r, err = place.Look(ctx, dir, place.Database, writes)
		}
		if err != nil {
			return nil, fmt.Errorf("look at the disk of %s: %w", dir, err)
		}
		note(r)
		switch refused := r.Refused(); {
		case refused == nil:
		case cfg.Store.AnyDisk:
			log.Warn("the disk was refused, and is used since factotum.store.anydisk says so", "problem", refused.Error())
		default:
			return nil, fmt.Errorf("%w (factotum.store.anydisk = \"yes\" takes it all the same)", refused)
		}
	}
	for _, c := range []*config.Copies{&cfg.Backup.Archive, &cfg.Backup.Hot} {
		if !c.Enable || c.Path == "" {
			continue
		}
		// What is wrong is told, and csstored serves calendars all the same: also where a
		// share does not answer.
		soon, cancel := context.WithTimeout(ctx, 5*time.Second)
		r, err := await(soon, func() (*place.Report, error) { return place.Look(soon, c.Path, place.Backup, writes) })
		cancel()
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is made with the first backup
		case err != nil:
			log.Warn("look at the disk of a backup", "path", c.Path, "err", err)
		default:
			note(r)
			if refused := r.Refused(); refused != nil {
				log.Warn("the disk of a backup", "path", c.Path, "problem", refused.Error())
			}
		}
	}
	return list, nil
}
