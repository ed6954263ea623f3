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
	t := &tool{name: "stop-cal", std: std}
	set := getopt.New()
	set.SetProgram("stop-cal")
	set.SetParameters("[component ...]")
	set.FlagLong(&conf, "config", 'C', "the ics.conf", "FILE")
	set.FlagLong(&help, "help", '?', "print this")
	set.FlagLong(&t.json, "json", 'j', "print JSON")
	set.FlagLong(&t.quiet, "quiet", 'q', "print errors only")
	set.Flag(&debug, 'd', "debugging mode")
	set.Flag(&force, 'f', "force: kill instead of asking")
	err := set.Getopt(append([]string{"stop-cal"}, args...), nil)
	if err != nil && wantsJSON(args) {
		t.json = true
		t.complainOf(err)
		return exitUsage
	}
	if err != nil || help {
		return usage(set, err, std)
	}
	cfg, err := loadConfig(conf, nil)
	if err != nil {
		return t.failed(err)
	}
	words := set.Args()
	if len(words) > 0 {
		if _, err := pickRoles(cfg, words); err != nil {
			return t.failed(err)
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
		return stopByPID(cfg, words, force, log, t)
	case err != nil:
		return t.failed(err)
	case len(words) == 0:
		note(log, "stopped")
		t.say("stopped")
	default:
		note(log, "stopped: %s", strings.Join(res.Stopped, " "))
		t.say("stopped: %s", strings.Join(res.Stopped, " "))
	}
	return t.stopped(res.Stopped)
}

// stopByPID stops what runs without a watcher.
func stopByPID(cfg *config.Config, words []string, force bool, log io.Writer, t *tool) int {
	names := []string{"calserver"}
	for i := range slices.Backward(roles) {
		if len(words) == 0 || slices.Contains(words, roles[i].component) {
			names = append(names, roles[i].program)
		}
	}
	var ended []string
	for _, name := range names {
		pid, err := runningPID(cfg, name)
		if err != nil || pid == 0 || name == "calserver" && len(words) > 0 {
			continue
		}
		sig := syscall.SIGTERM
		if force {
			sig = syscall.SIGKILL
		}
		if err := syscall.Kill(pid, sig); err != nil {
			return t.failed(fmt.Errorf("stop %s, pid %d: %w", name, pid, err))
		}
		if err := awaitEnd(cfg, name); err != nil {
			return t.failed(err)
		}
		note(log, "stopped: %s", name)
		t.say("stopped: %s", name)
		ended = append(ended, name)
	}
	if len(ended) == 0 {
		t.say("nothing is running")
	}
	return t.stopped(ended)
}

// stopped tells programs what was stopped.
func (t *tool) stopped(names []string) int {
	t.many = true
	for _, name := range names {
		if r, ok := findRole(name); ok {
			t.done = append(t.done, doneComponent{r.component, r.program, "stopped", 0})
		} else {
			t.done = append(t.done, doneComponent{name, name, "stopped", 0})
		}
	}
	if err := t.printDone(); err != nil {
		return t.failed(err)
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
