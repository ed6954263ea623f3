package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/cmd/internal/cluster"
	"factotum/cmd/internal/place"
	"factotum/cmd/internal/plain"
	"factotum/cmd/internal/upgrade"
	"factotum/migrations"
	"factotum/server/config"
	"factotum/server/recur"
	"factotum/store/archive"
)

// upgradeReport is what "upgrade check" has found, for programs.
type upgradeReport struct {
	Host     string           `json:"host"`
	Release  string           `json:"release"` // this one
	Running  []string         `json:"running"` // releases of the processes of this host
	Schema   *upgrade.Schema  `json:"schema,omitempty"`
	Proven   time.Time        `json:"proven,omitzero"`     // the moment up to which the best backup was restored
	BackEnds []cluster.Answer `json:"back_ends,omitempty"` // of the cluster
	Findings upgrade.Findings `json:"findings"`
}

// checkUpgrade looks at everything, tells of it, and fails where something is to be done.
func (t *tool) checkUpgrade(ctx context.Context, given, backup string, offline bool) error {
	path, err := findConfig(given)
	if err != nil {
		return err
	}
	cfg, rep, err := config.Load(path)
	if err != nil && (cfg == nil || len(rep.Problems) == 0) {
		return err
	}
	r := &upgradeReport{Release: versionString(), Running: []string{}, Findings: upgrade.Findings{}}
	r.config(ctx, cfg, rep.Problems, offline)
	if err := useZones(cfg); err != nil {
		r.Findings.Act("zone data", "%s", plain.Error(err))
	}
	r.Host = hostName(cfg)
	for _, p := range processes(ctx, cfg) {
		if !slices.Contains(r.Running, p.Version) {
			r.Running = append(r.Running, p.Version)
		}
	}
	if cfg.Store.Enable && frontEnd(cfg) == nil {
		if err := r.store(ctx, cfg); err != nil {
			return err
		}
		if waits, err := standsBy(cfg); err != nil {
			r.Findings.Act("standby", "%s", plain.Error(err))
		} else if waits {
			r.Findings.Note("backups", "this host stands by: %s makes them, look there", cfg.Standby.Peer())
			cfg.DWP.BackEnds = slices.DeleteFunc(cfg.DWP.BackEnds, func(b config.BackEnd) bool { return strings.EqualFold(b.Host, hostName(cfg)) }) // nobody asks here
		} else if err := r.backups(ctx, cfg, backup, offline); err != nil {
			return err
		}
	}
	if !offline {
		r.cluster(ctx, cfg)
	}
	return t.tellUpgrade(r)
}

// config judges ics.conf, and what the host has for it: folders, ports, certificates.
func (r *upgradeReport) config(ctx context.Context, cfg *config.Config, problems []config.Problem, offline bool) {
	for _, p := range append(problems, checkHost(ctx, cfg, !offline)...) {
		about := "ics.conf"
		if p.Param != "" {
			about = p.Param
		}
		if p.Severity == config.Warning {
			r.Findings.Note(about, "%s", p.Message)
		} else {
			r.Findings.Act(about, "%s", p.Message)
		}
	}
	for _, c := range cfg.SincePrevious() {
		r.Findings.Note(c.Param, "%s", c.What)
	}
}

// store judges the database, its disk, what waits in it, and its zone data.
func (r *upgradeReport) store(ctx context.Context, cfg *config.Config) error {
	seen, there, err := lookAtStore(ctx, cfg, migrations.Previous)
	if err != nil {
		r.Findings.Act("database", "it cannot be read: %s", plain.Error(err))
		return nil
	}
	know, err := migrations.Steps(seen.Engine)
	if err != nil {
		return err
	}
	s := upgrade.Plan(&seen, know, &r.Findings)
	r.Schema = &s
	if dir := storeDir(cfg); dir != "" && there {
		p, err := place.Look(ctx, dir, place.Database, 5)
		if err != nil {
			r.Findings.Act("disk", "%s: %s", dir, plain.Error(err))
		} else {
			s.RoomOn(dir, int64(p.Free), &r.Findings)
			for _, f := range p.Findings {
				if f.Refuse {
					r.Findings.Act("disk", "%s", f)
				} else {
					r.Findings.Note("disk", "%s", f)
				}
			}
		}
	}
	moving, err := movingHomes(&seen)
	if err != nil {
		return err
	}
	upgrade.Jobs(&seen, moving, time.Now(), &r.Findings)
	rules, err := recur.RulesOf(dataInUse())
	if err != nil {
		return fmt.Errorf("read the zone data: %w", err)
	}
	upgrade.Zones(seen.Zones, rules.ID(), rules.Version, &r.Findings)
	return nil
}

// backups judges those of ics.conf, also in a bucket, and the one that was made for the upgrade.
func (r *upgradeReport) backups(ctx context.Context, cfg *config.Config, named string, offline bool) error {
	var all []archive.Period
	if named != "" {
		periods, err := periodsIn(ctx, cfg, named)
		if err != nil {
			return fmt.Errorf("read the backup in %s: %s", named, plain.Error(err))
		}
		all = periods
	}
	for _, c := range []*config.Copies{&cfg.Backup.Archive, &cfg.Backup.Hot} {
		if !c.Enable || c.Path == "" {
			continue
		}
		periods, err := archive.Periods(c.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Findings.Act("backups", "%s cannot be read: %s", c.Path, plain.Error(err))
		}
		all = append(all, periods...)
	}
	if cfg.Backup.S3.Endpoint != "" && !offline {
		periods, err := periodsIn(ctx, cfg, depotPrefix)
		if err != nil {
			r.Findings.Act("backups", "those in the bucket cannot be read: %s", plain.Error(err))
		}
		all = append(all, periods...)
	}
	r.Proven = upgrade.Backups(all, time.Now(), &r.Findings)
	return nil
}

// cluster asks the other hosts, of which each has its own release meanwhile.
func (r *upgradeReport) cluster(ctx context.Context, cfg *config.Config) {
	if len(cfg.DWP.BackEnds) == 0 {
		return
	}
	r.BackEnds = make([]cluster.Answer, len(cfg.DWP.BackEnds))
	var all sync.WaitGroup
	for i, b := range cfg.DWP.BackEnds {
		all.Go(func() {
			r.BackEnds[i].Host = b.Host
			f, err := askBackEnd(ctx, cfg, b)
			if err != nil {
				r.BackEnds[i].Err = plain.Error(err)
			}
			r.BackEnds[i].Facts = f
		})
	}
	all.Wait()
	older := false
	for i := range r.BackEnds {
		a := &r.BackEnds[i]
		older = older || a.Err == "" && !strings.EqualFold(a.Host, r.Host) && a.Facts.Release != r.Release
	}
	for _, f := range cluster.Judge(r.Host, "", cfg.DWP.Fronts, r.BackEnds, time.Now()) {
		if strings.EqualFold(f.Host, r.Host) && strings.HasPrefix(f.What, r.Host+" does not reach it") && len(r.Running) == 0 {
			continue // it is stopped
		}
		r.Findings.Act(f.Host, "%s", f.What)
	}
	if older && pureFrontEnd(cfg) {
		r.Findings.Note("cluster", "back ends have another release still: upgrade them first, one after another; a front end may be first, and then does without what they do not know")
	}
}

func (t *tool) tellUpgrade(r *upgradeReport) error {
	if t.json {
		if err := t.print(r); err != nil {
			return err
		}
	} else {
		running := "nothing runs"
		if len(r.Running) > 0 {
			running = strings.Join(r.Running, " and ") + " runs"
		}
		t.say("%s: %s, this is %s", r.Host, running, r.Release)
		r.sayStore(t)
		for i := range r.BackEnds {
			t.say("%s", wordsOf(&r.BackEnds[i]))
		}
		for _, f := range r.Findings {
			if f.Act {
				fmt.Fprintf(t.std.out, "to do: %s: %s\n", f.About, f.What)
			} else {
				t.say("note: %s: %s", f.About, f.What)
			}
		}
		if !r.Findings.Wrong() {
			t.say("nothing is to be done first")
		}
	}
	if r.Findings.Wrong() {
		return exitError(exitFailed)
	}
	return nil
}

func (r *upgradeReport) sayStore(t *tool) {
	s := r.Schema
	switch {
	case s == nil:
		return
	case s.Have == 0:
		t.say("database: there is none yet; the first start makes it")
	case len(s.Steps) == 0:
		t.say("database: schema %d stays as it is", s.Have)
	default:
		t.say("database: schema %d becomes %d at the first start, in about %s", s.Have, s.Want, time.Duration(s.Seconds()*float64(time.Second)).Round(100*time.Millisecond))
		for i := range s.Steps {
			back := "can be undone"
			if !s.Steps[i].Undone {
				back = "cannot be undone"
			}
			t.say("  migration %d (%s): %.1f s, %s", s.Steps[i].Version, s.Steps[i].Name, s.Steps[i].Seconds, back)
		}
	}
	if !r.Proven.IsZero() {
		t.say("backups: proven up to %s", r.Proven.Local().Format(time.DateTime))
	}
}
