package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/cmd/internal/upgrade"
	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/archive"
	"factotum/store/move"
	"factotum/store/sqlstore"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		c := &cobra.Command{Use: "upgrade", Short: "Look before an upgrade, and undo one", Args: cobra.NoArgs}
		c.AddCommand(newUpgradeCheck(std), newUpgradeUndo(std))
		return c
	})
}

func newUpgradeCheck(std stdio) *cobra.Command {
	var conf, backup string
	var offline bool
	t := &tool{name: "calserver", std: std}
	c := &cobra.Command{
		Use: "check", Short: "Tell what is to be done before this release takes over", Args: cobra.NoArgs,
		Long: "Run with the program of the new release, while the old one serves or is stopped; nothing is\n" +
			"changed. It reads ics.conf (what this release does not know, or understands in another way), the\n" +
			"database (which migrations the first start does, about how long they take, whether they can be\n" +
			"undone), the disk, the backups (one that was proven within a day), the other hosts, the zone\n" +
			"data, certificates and jobs that wait. Exits with 1 when something is to be done first.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return t.checkUpgrade(ctx, conf, backup, offline)
		},
	}
	c.Flags().StringVarP(&conf, "config", "C", "", "the ics.conf")
	c.Flags().StringVar(&backup, "backup", "", "directory of a backup that \"csbackup database\" has made for the upgrade, or s3:PREFIX")
	c.Flags().BoolVar(&offline, "offline", false, "look up no names, and ask no server of the network but the database")
	return t.reportFlags(c)
}

func newUpgradeUndo(std stdio) *cobra.Command {
	var conf string
	var dry, force bool
	to := int64(migrations.Previous)
	t := &tool{name: "calserver", std: std}
	c := &cobra.Command{
		Use: "undo", Short: "Bring the database back to the release before", Args: cobra.NoArgs,
		Long: "With the server stopped, and the program of the newer release: undoes the migrations that the\n" +
			"release before does not know, so that its program opens the database with all that was written\n" +
			"since. What that release has no place for would be lost: then nothing is done, and it says what;\n" +
			"--force loses it. Where a migration cannot be undone the way back is a backup.",
		Example: "  stop-cal\n  calserver upgrade undo --dry-run\n  calserver upgrade undo     # then install the release before, and start it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return t.undoUpgrade(ctx, conf, to, dry, force)
		},
	}
	c.Flags().StringVarP(&conf, "config", "C", "", "the ics.conf")
	c.Flags().BoolVarP(&dry, "dry-run", "n", false, "tell what would be done and lost, and change nothing")
	c.Flags().BoolVarP(&force, "force", "f", false, "do it even if something is lost")
	c.Flags().Int64Var(&to, "to", to, "schema version of an older release, as far as there is a way")
	return t.reportFlags(c)
}

// lookAtStore looks at the database of this host, in use or not. there is false where
// there is none yet.
func lookAtStore(ctx context.Context, cfg *config.Config, to int64) (seen sqlstore.Seen, there bool, err error) {
	if cfg.Store.Type == "postgres" {
		seen, err = sqlstore.LookPostgres(ctx, cfg.Store.DSN.Reveal(), to)
	} else if seen, err = sqlstore.LookSQLite(ctx, cfg.Store.Path, to); errors.Is(err, fs.ErrNotExist) {
		return seen, false, nil
	}
	return seen, seen.Version != 0, err
}

// movingHomes are those whose move has begun and has not ended.
func movingHomes(seen *sqlstore.Seen) (list []calendar.Owner, err error) {
	for i := range seen.Marks {
		_, underway, err := move.Underway(seen.Marks[i])
		if err != nil {
			return nil, err
		}
		if underway {
			list = append(list, seen.Marks[i].Owner)
		}
	}
	return list, nil
}

// undone is what "upgrade undo" did, or would, for programs.
type undone struct {
	Have   int64    `json:"have"`
	To     int64    `json:"to"`
	Steps  []string `json:"migrations"`
	Losses []string `json:"losses"`
	Done   bool     `json:"done"`
}

func (t *tool) undoUpgrade(ctx context.Context, conf string, to int64, dry, force bool) error {
	t.conf = conf
	cfg, err := t.load()
	if err != nil {
		return err
	}
	if err := frontEnd(cfg); err != nil {
		t.say("this is a front end and has no database: install the release before, and start it")
		return nil
	}
	if peer := cfg.Standby.Peer(); peer != "" {
		return fmt.Errorf("this host and %s stand by for each other, of which the release before knows nothing: end that first (docs/operations.md, \"Standby\"), then undo the upgrade on the host that served last; the other one has nothing of its own", peer)
	}
	if err := t.needStopped(ctx, cfg, false); err != nil && !dry {
		return err
	}
	seen, there, err := lookAtStore(ctx, cfg, to)
	switch {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("there is no database (%s): nothing to undo", databaseOf(cfg))
	case seen.NoBack != nil:
		return seen.NoBack
	}
	moving, err := movingHomes(&seen)
	if err != nil {
		return err
	}
	if len(moving) > 0 {
		return fmt.Errorf("homes are being moved between back ends (%s), of which an older release knows nothing: start this release again, wait until \"csmove status\" tells of none, or cancel them", upgrade.Names(moving))
	}
	u := undone{Have: seen.Version, To: to, Steps: []string{}, Losses: []string{}}
	for _, s := range seen.Back.Steps {
		u.Steps = append(u.Steps, fmt.Sprintf("%d (%s)", s.Version, s.Name))
	}
	for _, l := range seen.Back.Losses {
		u.Losses = append(u.Losses, fmt.Sprintf("%d %s", l.Rows, l.What))
	}
	for _, s := range u.Steps {
		t.say("migration %s is undone", s)
	}
	for _, l := range u.Losses {
		t.say("lost: %s", l)
	}
	switch {
	case dry:
		t.did(u, "%s", dryWords(&u))
		return t.printDone()
	case len(u.Losses) > 0 && !force:
		t.did(u, "nothing was changed")
		if err := t.printDone(); err != nil {
			return err
		}
		return errors.New("something would be lost: see what, make a backup (\"csbackup database DIR\", with the server running) if it matters, and call it with --force; or restore a backup from before the upgrade")
	}
	if len(seen.Marks) > 0 {
		if err := t.forgetMoves(ctx, cfg, seen.Marks); err != nil {
			return err
		}
	}
	each := func(s migrations.Step) { t.tell("undo migration %d", s.Version) }
	if cfg.Store.Type == "postgres" {
		err = sqlstore.UndoPostgres(ctx, cfg.Store.DSN.Reveal(), sqlstore.Options{Log: t.toolLog(), MaxConns: cfg.Store.MaxConns, Patience: cfg.Store.Patience}, to, each)
	} else {
		err = sqlstore.UndoSQLite(ctx, cfg.Store.Path, to, each)
	}
	if err != nil {
		return fmt.Errorf("undo the upgrade of %s: %s", databaseOf(cfg), plain.Error(err))
	}
	u.Done = true
	words := "the schema is %d, as the release before has it: install that one, and start it"
	if u.Have <= u.To {
		words = "the schema is %d, which the release before knows: there is nothing to undo; install that one, and start it"
	}
	t.did(u, words, min(u.Have, u.To))
	return t.printDone()
}

// forgetMoves removes the marks of homes that were moved, which an older release takes for
// jobs of changes that never were.
func (t *tool) forgetMoves(ctx context.Context, cfg *config.Config, marks []calendar.Job) error {
	be, err := openStopped(ctx, cfg, t)
	if err != nil {
		return err
	}
	defer be.close()
	t.tell("the marks of %d homes that were moved are removed", len(marks))
	return move.Forget(ctx, archive.Noted(be.store, backupDirs(cfg)...), marks)
}

func dryWords(u *undone) string {
	switch {
	case u.Have <= u.To:
		return fmt.Sprintf("the schema is %d, which the release before knows: there is nothing to undo", u.Have)
	case len(u.Losses) > 0:
		return "nothing was changed; it would be refused, since something is lost"
	}
	return "nothing was changed; nothing would be lost"
}

// storeDir is where the disk of the database is; "" where that is another host's.
func storeDir(cfg *config.Config) string {
	if cfg.Store.Type == "postgres" {
		return ""
	}
	return filepath.Dir(cfg.Store.Path)
}
