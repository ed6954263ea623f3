package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pborman/getopt/v2"

	"factotum/cmd/internal/watcher"
	"factotum/server/config"
)

func init() {
	register("start-cal", "Start the server's enabled roles, or the named ones", startCal)
}

// startCal is start-cal [options...] [components...]. admin.md §4.1.
func startCal(ctx context.Context, args []string, std stdio) int {
	var conf string
	var debug, active, enabled, all, help bool
	t := &tool{name: "start-cal", std: std}
	set := getopt.New()
	set.SetProgram("start-cal")
	set.SetParameters("[component ...]")
	set.FlagLong(&conf, "config", 'C', "the ics.conf", "FILE")
	set.FlagLong(&help, "help", '?', "print this")
	set.FlagLong(&t.json, "json", 'j', "print JSON")
	set.FlagLong(&t.quiet, "quiet", 'q', "print errors only")
	set.Flag(&debug, 'd', "debugging mode")
	set.Flag(&active, 'l', "list active services")
	set.Flag(&enabled, 'L', "list enabled services")
	set.Flag(&all, 'A', "list all services")
	err := set.Getopt(append([]string{"start-cal"}, args...), nil)
	if err != nil && wantsJSON(args) {
		t.json = true
		t.complainOf(err)
		return exitUsage
	}
	if err != nil || help {
		return usage(set, err, std)
	}
	warnings := std.err
	if t.quiet || t.json {
		warnings = nil
	}
	cfg, err := loadConfig(conf, warnings)
	if err != nil {
		return t.failed(err)
	}
	switch {
	case active, enabled, all:
		return listServices(ctx, cfg, active, enabled, t)
	}
	which, err := pickRoles(cfg, slices.DeleteFunc(set.Args(), func(c string) bool { return c == "watcher" }))
	if err != nil {
		return t.failed(err)
	}
	if !cfg.Store.Enable && warnings != nil {
		fmt.Fprintln(warnings, "start-cal: WARNING: csstored is disabled (service.store.enable or local.store.enable is \"no\"); nothing that needs the store will start")
	}
	if err := ensureWatcher(ctx, cfg, debug); err != nil {
		return t.failed(err)
	}
	if slices.Equal(set.Args(), []string{"watcher"}) {
		return 0
	}
	return startComponents(ctx, cfg, which, t)
}

func startComponents(ctx context.Context, cfg *config.Config, which []*role, t *tool) int {
	q := url.Values{}
	for _, r := range which {
		q.Add("component", r.component)
	}
	if len(which) == 0 {
		return t.failed(errors.New("nothing is enabled on this host; see service.*.enable in ics.conf"))
	}
	var results []watcher.Started
	if err := callAdmin(ctx, adminSocket(cfg, "watcher"), "POST", "/start?"+q.Encode(), &results); err != nil {
		return t.failed(err)
	}
	log := startLog(cfg, "start.log")
	defer log.Close()
	code := 0
	for _, res := range results {
		r, _ := findRole(res.Component)
		switch {
		case res.Err != "":
			code = exitFailed
			msg := strings.TrimPrefix(res.Err, r.program+": ")
			t.complain("%s", msg)
			note(log, "start-cal: %s", msg)
		case res.Already:
			t.did(doneComponent{r.component, r.program, "running already", res.PID}, "%s (%s) is running already, pid %d", r.component, r.program, res.PID)
			note(log, "%s (%s) is running already, pid %d", r.component, r.program, res.PID)
		default:
			t.did(doneComponent{r.component, r.program, "started", res.PID}, "%s (%s) started, pid %d", r.component, r.program, res.PID)
			note(log, "%s (%s) started, pid %d", r.component, r.program, res.PID)
		}
	}
	t.many = true
	if err := t.printDone(); err != nil {
		return t.failed(err)
	}
	if code != 0 && !slices.ContainsFunc(results, func(r watcher.Started) bool { return r.Err == "" }) {
		if callAdmin(ctx, adminSocket(cfg, "watcher"), "POST", "/stop", nil) == nil { // nothing to watch
			awaitEnd(cfg, "watcher")
		}
	}
	return code
}

// startLog keeps what start-cal and stop-cal say. admin.md §4.1.
func startLog(cfg *config.Config, name string) io.WriteCloser {
	if f, err := openLogFile(filepath.Join(cfg.Log.Dir, name), &cfg.Log); err == nil {
		return f
	}
	return nopCloser{io.Discard}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// note writes a line of start.log or stop.log.
func note(log io.Writer, format string, args ...any) {
	fmt.Fprintln(log, time.Now().Format(time.RFC3339), fmt.Sprintf(format, args...))
}

// doneComponent is what became of a role, for programs.
type doneComponent struct {
	Component string `json:"component"`
	Program   string `json:"program"`
	Done      string `json:"done"`
	PID       int    `json:"pid,omitempty"`
}

func usage(set *getopt.Set, err error, std stdio) int {
	if err != nil {
		fmt.Fprintln(std.err, err)
		set.PrintUsage(std.err)
		return exitUsage
	}
	set.PrintUsage(std.out)
	fmt.Fprintf(std.out, "components: watcher %s\n", strings.Join(components(), " "))
	return 0
}

// failed is the end of a program that could not do what it was asked.
func (t *tool) failed(err error) int {
	t.complainOf(err)
	return exitFailed
}

// ensureWatcher starts the watcher in the background unless it runs.
func ensureWatcher(ctx context.Context, cfg *config.Config, debug bool) error {
	var units []watcher.Unit
	socket := adminSocket(cfg, "watcher")
	if err := callAdmin(ctx, socket, "GET", "/units", &units); !errors.Is(err, errNotRunning) {
		return err
	}
	for _, name := range []string{"calserver", "csstored", "csdwpd", "cshttpd", "csnotifyd"} {
		if pid, err := runningPID(cfg, name); err == nil && pid != 0 && name == "calserver" {
			return fmt.Errorf("the server runs in the foreground already (calserver, pid %d)", pid)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	if err := os.MkdirAll(cfg.Log.Dir, 0o750); err != nil {
		return fmt.Errorf("make the log directory: %w", err)
	}
	out, err := os.OpenFile(filepath.Join(cfg.Log.Dir, "start.log"), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return fmt.Errorf("open start.log: %w", err)
	}
	defer out.Close()
	from, _ := out.Seek(0, io.SeekEnd)
	args := []string{"watcher", "--config", cfg.File}
	if debug {
		args = append(args, "-d")
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "calserver" // whatever the file is called
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the watcher: %w", err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(cfg.Admin.StartTime)
	for {
		select {
		case <-ended:
			b := make([]byte, 4<<10)
			n, _ := out.ReadAt(b, from)
			return fmt.Errorf("the watcher did not start: %s", strings.TrimPrefix(strings.TrimSpace(string(b[:n])), "watcher: "))
		case <-deadline:
			return errors.New("the watcher does not answer")
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if callAdmin(ctx, socket, "GET", "/units", &units) == nil {
				return nil
			}
		}
	}
}

// listServices is start-cal -l, -L and -A.
func listServices(ctx context.Context, cfg *config.Config, active, enabled bool, t *tool) int {
	pids := map[string]int{}
	for _, st := range processes(ctx, cfg) {
		for _, r := range st.Roles {
			pids[r.Component] = st.PID
		}
	}
	watching, _ := runningPID(cfg, "watcher")
	list := newArray(t.std.out)
	line := func(component, program string, pid int, on bool) error {
		state := "stopped"
		if pid != 0 {
			state = fmt.Sprintf("running, pid %d", pid)
		}
		if !on {
			state += ", disabled"
		}
		var err error
		switch {
		case active && pid == 0, enabled && !on, t.quiet && !t.json:
		case t.json:
			err = list.add(serviceInfo{component, program, on, pid != 0, pid})
		case active, enabled:
			_, err = fmt.Fprintln(t.std.out, component)
		default:
			_, err = fmt.Fprintf(t.std.out, "%-8s %-10s %s\n", component, program, state)
		}
		return err
	}
	err := line("watcher", "watcher", watching, cfg.Watcher.Enable)
	for i := range roles {
		r := &roles[i]
		err = cmp.Or(err, line(r.component, r.program, pids[r.component], r.enabled(cfg)))
	}
	if !active && !enabled && t.shows() && !t.json {
		for _, c := range []string{"admin"} {
			fmt.Fprintf(t.std.out, "%-8s %-10s not part of this release\n", c, absentRoles[c])
		}
	}
	if t.json {
		err = cmp.Or(err, list.end())
	}
	if err != nil {
		return t.failed(err)
	}
	return 0
}

// serviceInfo is a component, for programs.
type serviceInfo struct {
	Component string `json:"component"`
	Program   string `json:"program"`
	Enabled   bool   `json:"enabled"`
	Running   bool   `json:"running"`
	PID       int    `json:"pid,omitempty"`
}
