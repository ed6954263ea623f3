package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"factotum/cmd/internal/watcher"
	"factotum/server/config"
)

func init() {
	register("watcher", "Start the roles and restart those that crash (start-cal starts it)", runWatcher)
}

func runWatcher(ctx context.Context, args []string, std stdio) int {
	o, code := parseServer("watcher", "", args, std)
	if o == nil {
		return code
	}
	if err := watch(ctx, o, std); err != nil {
		fmt.Fprintln(std.err, "watcher:", err)
		return exitFailed
	}
	return 0
}

// watch runs the watcher, which takes orders on a socket, until a signal comes
// or nothing is left to watch.
func watch(ctx context.Context, o *serverOptions, std stdio) error {
	cfg, err := loadConfig(o.config, nil)
	if err != nil {
		return err
	}
	pid, err := takePID(cfg, "watcher")
	if err != nil {
		return err
	}
	defer pid.release()
	lg := openLogs(cfg, std.err, o.debug)
	if cfg.Source("factotum.log.target") == "" {
		lg.stderr = nil
	}
	log, err := lg.leveled("watcher", "watcher.log", slog.LevelInfo)
	if err != nil {
		return err
	}
	defer lg.close()
	ctx, cancel := signals(ctx)
	defer cancel()
	w := watcher.New(&watchedHost{cfg, o.debug}, watcherOptions(cfg, log))
	ln, err := listenSocket(adminSocket(cfg, "watcher"))
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: w.Handler(cancel), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln)
	log.Info("watcher started", "restart", cfg.Watcher.Restart)
	<-ctx.Done()
	w.StopAll(false)
	drain, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	srv.Shutdown(drain)
	os.Remove(adminSocket(cfg, "watcher"))
	log.Info("watcher stopped")
	return nil
}

func watcherOptions(cfg *config.Config, log *slog.Logger) watcher.Options {
	opt := watcher.Options{
		Restart: cfg.Watcher.Enable && cfg.Watcher.Restart, GiveUp: cfg.Watcher.Timeout,
		StartTime: cfg.Admin.StartTime, StopTime: stopTime(cfg), Log: log,
	}
	if cfg.Local.Processes != "each" {
		opt.All = "calserver"
	}
	for i := range roles {
		r := &roles[i]
		opt.Components = append(opt.Components, watcher.Component{Name: r.component, Program: r.program, NeedsStore: r.usesStore(cfg)})
	}
	return opt
}

// watchedHost is this one, where the processes are calls of this program.
type watchedHost struct {
	cfg   *config.Config
	debug bool
}

// Start implements watcher.Host.
func (h *watchedHost) Start(process string, components []string) (watcher.Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	args := []string{process}
	if process == "calserver" {
		args = []string{"serve"}
	}
	if h.debug {
		args = append(args, "-d")
	}
	args = append(args, "--config", h.cfg.File)
	if process == "calserver" {
		args = append(args, components...)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "calserver" // whatever the file is called
	out, err := os.OpenFile(filepath.Join(h.cfg.Log.Dir, "start.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err == nil {
		defer out.Close()
	}
	return watcher.Exec(cmd, process, out)
}

// Tell implements watcher.Host.
func (h *watchedHost) Tell(ctx context.Context, process, order, component string) error {
	return callAdmin(ctx, adminSocket(h.cfg, process), "POST", "/"+order+"/"+component, nil)
}

// StoreRuns implements watcher.Host.
func (h *watchedHost) StoreRuns() bool {
	pid, err := runningPID(h.cfg, "csstored")
	return err == nil && pid != 0
}
