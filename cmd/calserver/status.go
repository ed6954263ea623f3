package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"factotum/server/config"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		var conf string
		t := &tool{name: "calserver", std: std}
		var ready bool
		c := &cobra.Command{
			Use: "status", Short: "Show what runs on this host", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := loadConfig(conf, nil)
				if err != nil {
					return err
				}
				list := processes(cmd.Context(), cfg)
				if t.json {
					if err := json.NewEncoder(std.out).Encode(list); err != nil {
						return err
					}
				} else if !t.quiet {
					printStatus(std.out, list)
				}
				if ready && !allReady(list) || len(list) == 0 && !t.json {
					return exitError(exitFailed)
				}
				return nil
			},
		}
		c.Flags().StringVarP(&conf, "config", "C", "", "the ics.conf")
		c.Flags().BoolVar(&ready, "ready", false, "exit with 1 unless something runs and every role of it can work")
		return t.reportFlags(c)
	})
}

// processes asks every process of this host that runs.
func processes(ctx context.Context, cfg *config.Config) []processStatus {
	names := []string{"calserver"}
	for i := range roles {
		names = append(names, roles[i].program)
	}
	list := []processStatus{}
	for _, name := range names {
		var st processStatus
		if callAdmin(ctx, adminSocket(cfg, name), "GET", "/status", &st) == nil {
			list = append(list, st)
		}
	}
	return list
}

// allReady is what a health check asks: something runs, and all of it works.
func allReady(list []processStatus) bool {
	roles := 0
	for _, p := range list {
		if p.Starting {
			return false
		}
		for _, r := range p.Roles {
			if r.Err != "" {
				return false
			}
			roles++
		}
	}
	return roles > 0
}

func printStatus(w io.Writer, list []processStatus) {
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing is running")
		return
	}
	for _, p := range list {
		if p.Starting {
			fmt.Fprintf(w, "%s, pid %d, is starting: not all of it is there yet\n", p.Name, p.PID)
		}
		for _, r := range p.Roles {
			state := "ready"
			if r.Err != "" {
				state = "not ready: " + r.Err
			}
			fmt.Fprintf(w, "%-6s %-9s pid %-7d up %-10s %s", r.Component, r.Program, p.PID, uptime(time.Since(r.Since)), state)
			if len(r.Listen) > 0 {
				fmt.Fprintf(w, "  %s", strings.Join(r.Listen, " "))
			}
			fmt.Fprintln(w)
		}
	}
	for _, p := range list {
		if s := p.Store; s != nil {
			fmt.Fprintf(w, "database %s, schema %s: %d users, %d objects, %s", s.Engine, s.Schema, s.Owners, s.Objects, size(s.Bytes))
			if s.ReadOnly {
				fmt.Fprint(w, ", read-only")
			}
			fmt.Fprintf(w, "; cache %s\n", size(s.Cache))
			for _, d := range s.Disks {
				for _, line := range d.Warnings() {
					fmt.Fprintln(w, "disk: "+line)
				}
			}
			for i := range s.Backups {
				fmt.Fprintln(w, s.Backups[i].words(time.Now()))
			}
			if s.Standby != nil {
				fmt.Fprintln(w, "standby: "+s.Standby.Words(time.Now()))
			}
			if len(s.Backups) == 0 && (s.Standby == nil || s.Standby.Active) {
				fmt.Fprintln(w, "no backups are made: see caldb.berkeleydb.archive.path")
			}
		}
		for _, b := range p.BackEnds {
			state := "reachable"
			if !b.OK {
				state = "not reachable: " + b.Err
			}
			fmt.Fprintf(w, "back end %s: %s\n", b.Host, state)
		}
		if p.LockedOut > 0 {
			fmt.Fprintf(w, "after failed log-ins %d have to wait: see \"csuser locked\"\n", p.LockedOut)
		}
		for i := range p.Health {
			if d := &p.Health[i]; d.Name != "back end" && d.Name != "database" || (!d.OK || d.Warn != "") && d.Name == "database" {
				fmt.Fprintln(w, d)
			}
		}
		if p.Admin != "" {
			fmt.Fprintf(w, "metrics of %s: http://%s/metrics\n", p.Name, p.Admin)
		}
	}
	fmt.Fprintf(w, "version %s\n", list[0].Version)
}

func uptime(d time.Duration) string {
	if d < time.Hour {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dd%02dh%02dm", int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60)
}

func size(n int64) string {
	if n < 10_000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 1000 && unit < 4 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", f, [...]string{"B", "KiB", "MiB", "GiB", "TiB"}[unit])
}
