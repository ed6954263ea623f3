package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pborman/getopt/v2"

	"factotum/cmd/internal/watcher"
	"factotum/server/config"
)

func init() {
	register("stop-cal", "Stop the server's roles, or the named ones", stopCal)
}

// stopCal is stop-cal [options...] [components...]. admin.md §4.2.
func stopCal(ctx context.Context, args []string, std stdio) int {
	var conf string
	var debug, force, help bool
	set := getopt.New()
	set.SetProgram("stop-cal")
	set.SetParameters("[component ...]")
	set.FlagLong(&conf, "config", 'C', "the ics.conf", "FILE")
	set.FlagLong(&help, "help", '?', "print this")
	set.Flag(&debug, 'd', "debugging mode")
	set.Flag(&force, 'f', "force: kill instead of asking")
	if err := set.Getopt(append([]string{"stop-cal"}, args...), nil); err != nil || help {
		return usage(set, err, std)
	}
	cfg, err := loadConfig(conf, nil)
	if err != nil {
		return failWith("stop-cal", err, std)
	}
	words := set.Args()
	if len(words) > 0 {
		if _, err := pickRoles(cfg, words); err != nil {
			return failWith("stop-cal", err, std)
		}
	}
	log := startLog(cfg, "stop.log")
	defer log.Close()
	q := url.Values{"component": words}
	if force {
		q.Set("force", "1")
	}
	var res watcher.Stopped
	err = callAdmin(ctx, adminSocket(cfg, "watcher"), "POST", "/stop?"+q.Encode(), &res)
	if err == nil && res.Quit {
		err = awaitEnd(cfg, "watcher")
	}
	switch {
	case errors.Is(err, errNotRunning):
		return stopByPID(cfg, words, force, log, std)
	case err != nil:
		return failWith("stop-cal", err, std)
	case len(words) == 0:
		say(std.out, log, "stopped")
	default:
		say(std.out, log, "stopped: %s", strings.Join(res.Stopped, " "))
	}
	return 0
}

// stopByPID stops what runs without a watcher.
func stopByPID(cfg *config.Config, words []string, force bool, log io.Writer, std stdio) int {
	names := []string{"calserver"}
	for i := range slices.Backward(roles) {
		if len(words) == 0 || slices.Contains(words, roles[i].component) {
			names = append(names, roles[i].program)
		}
	}
	found := false
	for _, name := range names {
		pid, err := runningPID(cfg, name)
		if err != nil || pid == 0 || name == "calserver" && len(words) > 0 {
			continue
		}
		found = true
		sig := syscall.SIGTERM
		if force {
			sig = syscall.SIGKILL
		}
		if err := syscall.Kill(pid, sig); err != nil {
			return failWith("stop-cal", fmt.Errorf("stop %s, pid %d: %w", name, pid, err), std)
		}
		if err := awaitEnd(cfg, name); err != nil {
			return failWith("stop-cal", err, std)
		}
		say(std.out, log, "stopped: %s", name)
	}
	if !found {
		fmt.Fprintln(std.out, "nothing is running")
	}
	return 0
}

// stopTime is how long a process may take to end: what draining may take and
// some more, but no longer than service.admin.stoptime.
func stopTime(cfg *config.Config) time.Duration {
	return min(cfg.HTTP.DrainTimeout+10*time.Second, cfg.Admin.StopTime)
}

// awaitEnd waits until a process is gone.
func awaitEnd(cfg *config.Config, name string) error {
	deadline := time.Now().Add(stopTime(cfg))
	for {
		pid, err := runningPID(cfg, name)
		if err == nil && pid == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s, pid %d, does not end; try stop-cal -f", name, pid)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
