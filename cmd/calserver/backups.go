package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/archive"
	"factotum/store/archive/s3"
	"factotum/store/sqlstore"
)

// logFileOctets is after how much a file of the log of transactions is packed, and
// another begun.
const logFileOctets = 32 << 20

// snapshotPause is the pause after each home of a snapshot.
const snapshotPause = time.Millisecond

// backupOptions are the backups' part of the configuration.
func backupOptions(cfg *config.Config, log *slog.Logger) (archive.Options, error) {
	opt := archive.Options{Host: hostName(cfg), Release: versionString(), Engine: cfg.Store.Type, LogSize: logFileOctets, Pause: snapshotPause, Log: log,
		Scratch: func(ctx context.Context, dir string) (calendar.Store, error) {
			return sqlstore.OpenSQLite(ctx, filepath.Join(dir, "calendar.db"), sqlstore.Options{Relaxed: true, Log: log})
		}}
	b := &cfg.Backup
	var err error
	if opt.Keys, err = archive.ReadKeys(b.Recipients, b.Identities); err != nil {
		return opt, fmt.Errorf("read factotum.backup.recipients and factotum.backup.identities: %w", err)
	}
	if b.Recipients != "" { // what is tried is as readable as the database, and lies where that does
		if opt.ScratchDir = cfg.Data; cfg.Store.Type == "sqlite" {
			opt.ScratchDir = filepath.Dir(cfg.Store.Path)
		}
	}
	for _, t := range []struct {
		name string
		of   *config.Copies
	}{{"archive", &b.Archive}, {"hotbackup", &b.Hot}} {
		if !t.of.Enable || t.of.Path == "" || cfg.Store.ReadOnly {
			continue
		}
		opt.Targets = append(opt.Targets, archive.Target{Name: t.name, Path: t.of.Path, Interval: b.Interval, Min: t.of.Min, Max: t.of.Max, Percent: t.of.Threshold,
			Apply: t.name == "hotbackup" && cfg.Store.Type == "sqlite"})
	}
	if err := separate(cfg, opt.Targets); err != nil || len(opt.Targets) == 0 {
		return opt, err
	}
	d, err := openDepot(cfg, "")
	if err == nil && d != nil {
		opt.Mirror = &archive.Mirror{Name: "s3", Of: opt.Targets[0].Name, To: d, Every: b.S3.Every, Max: b.S3.Max}
	}
	return opt, err
}

// depotPrefix begins the name of a place in the bucket of ics.conf, where a tool takes a
// directory: what follows is another prefix than that of ics.conf.
const depotPrefix = "s3:"

// openDepot opens the bucket of the backups; nil where ics.conf names none.
func openDepot(cfg *config.Config, prefix string) (archive.Depot, error) {
	s := &cfg.Backup.S3
	if s.Endpoint == "" {
		return nil, nil
	}
	b, err := s3.Open(s3.Options{Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: cmp.Or(prefix, s.Prefix, hostName(cfg)), Credentials: s.Credentials})
	if err != nil {
		return nil, fmt.Errorf("factotum.backup.s3: %w", err)
	}
	return b, nil
}

// depotOf opens the place that a word of a command names; nil where that is a directory.
func depotOf(cfg *config.Config, word string) (archive.Depot, error) {
	prefix, is := strings.CutPrefix(word, depotPrefix)
	if !is {
		return nil, nil
	}
	d, err := openDepot(cfg, prefix)
	if err == nil && d == nil {
		err = errors.New("which bucket? factotum.backup.s3.endpoint and factotum.backup.s3.bucket of ics.conf name it")
	}
	return d, err
}

// separate refuses backups that lie where what they are of does, or in each other.
func separate(cfg *config.Config, targets []archive.Target) error {
	type place struct{ param, path string }
	var places []place
	if cfg.Store.Type == "sqlite" {
		places = append(places, place{"the database", filepath.Dir(cfg.Store.Path)})
	}
	for _, t := range targets {
		places = append(places, place{"caldb.berkeleydb." + t.Name + ".path", t.Path})
	}
	for i, a := range places {
		for _, b := range places[:i] {
			if within(a.path, b.path) || within(b.path, a.path) {
				return fmt.Errorf("%s is %s, and %s is %s: a backup needs a directory of its own, on another disk if possible", a.param, a.path, b.param, b.path)
			}
		}
	}
	return nil
}

// within tells whether a path is another, or below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// keepBackups opens the backups of the store. All that is written goes by what it returns.
func (s *storeService) keepBackups(ctx context.Context, p *process) (calendar.Store, error) {
	opt, err := backupOptions(p.cfg, s.log)
	if err != nil {
		return nil, err
	}
	opt.Told = func(target string, err error) {
		for _, t := range opt.Targets {
			if t.Name == target {
				p.health.note(dependency{Name: "backup", About: t.Path}, err)
			}
		}
		if m := opt.Mirror; m != nil && m.Name == target {
			p.health.note(dependency{Name: "backup", About: m.To.String()}, err)
		}
	}
	if s.keeper, err = archive.Open(ctx, s.store, opt); err != nil {
		return nil, fmt.Errorf("open the backups: %w", err)
	}
	return s.keeper.Store(), nil
}

// backupStatus is a directory of backups in an answer to "status".
type backupStatus struct {
	Name      string    `json:"name"`
	Directory string    `json:"directory"`
	Latest    time.Time `json:"latest,omitzero"`  // when its last snapshot was complete
	Proven    time.Time `json:"proven,omitzero"`  // the moment up to which it was restored, to see that it can be
	Shipped   time.Time `json:"shipped,omitzero"` // of a bucket: what was committed until then is there
	Sealed    bool      `json:"sealed,omitempty"` // nobody here can open it, so that it is never proven
	Applied   time.Time `json:"applied,omitzero"` // of a hot backup: what was committed until then is in its copy
	Failure   string    `json:"failure,omitempty"`
	Since     time.Time `json:"since,omitzero"` // of the failure
}

func (s *storeService) backups() (list []backupStatus) {
	if s.keeper == nil {
		return nil
	}
	for _, st := range s.keeper.Status() {
		list = append(list, backupStatus{st.Name, st.Path, st.Latest.Ended, st.Proven, st.Shipped, st.Sealed, st.Applied, st.Failure, st.Since})
	}
	return list
}

// words tells it in a line.
func (b *backupStatus) words(now time.Time) string {
	switch {
	case b.Failure != "":
		return fmt.Sprintf("%s in %s: FAILS since %s: %s", b.Name, b.Directory, b.Since.Local().Format(time.DateTime), b.Failure)
	case b.Sealed && !b.Latest.IsZero():
		return fmt.Sprintf("%s in %s: made, the last snapshot at %s; not proven, for no identity here opens it", b.Name, b.Directory, b.Latest.Local().Format(time.DateTime))
	case b.Proven.IsZero():
		return fmt.Sprintf("%s in %s: the first is being made", b.Name, b.Directory)
	}
	also := ""
	for what, until := range map[string]time.Time{"; applied up to ": b.Applied, "; brought up to ": b.Shipped} {
		if !until.IsZero() {
			also = what + until.Local().Format(time.DateTime)
		}
	}
	return fmt.Sprintf("%s in %s: proven up to %s, %s ago%s", b.Name, b.Directory, b.Proven.Local().Format(time.DateTime), now.Sub(b.Proven).Round(time.Minute), also)
}

// backup makes a copy of the whole database in a directory: csbackup database.
func (a *adminServer) backup(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	per, err := s.keeper.Copy(r.Context(), r.URL.Query().Get("dir"))
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	answerJSON(w, copied{Directory: per.Dir, Homes: per.Homes, Octets: per.Octets, Until: per.Proof.Until, Sealed: per.Proof.Sealed})
}

// copied is the report of a copy of the database.
type copied struct {
	Directory string    `json:"directory"`
	Homes     int       `json:"homes"`
	Octets    int64     `json:"octets"`
	Until     time.Time `json:"until"`            // what was written up to then is in it
	Sealed    bool      `json:"sealed,omitempty"` // it could not be tried: no identity here opens it
}

// copyDatabase makes a copy of the database: csstored does while it runs, else the tool.
func (t *tool) copyDatabase(ctx context.Context, cfg *config.Config, dir string) (c copied, err error) {
	be, err := t.openAnyway(ctx)
	if err != nil {
		return c, err
	}
	defer be.close()
	if be.store == nil {
		return c, callStore(ctx, cfg, "POST", "/backup?"+queryOf("dir", dir), &c)
	}
	opt, err := backupOptions(cfg, t.toolLog())
	if err != nil {
		return c, err
	}
	opt.Targets, opt.Mirror, opt.Pause = nil, nil, 0
	k, err := archive.Open(ctx, be.store, opt)
	if err != nil {
		return c, err
	}
	defer k.Close()
	per, err := k.Copy(ctx, dir)
	if err != nil {
		return c, err
	}
	return copied{Directory: per.Dir, Homes: per.Homes, Octets: per.Octets, Until: per.Proof.Until, Sealed: per.Proof.Sealed}, nil
}

// emptyDir tells whether there is nothing in a directory, or no directory.
func emptyDir(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}
