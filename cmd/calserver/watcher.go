package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"factotum/server/config"
)

func init() {
	register("watcher", "Start the roles and restart those that crash (start-cal starts it)", runWatcher)
}

// watcher starts the server's processes, restarts one that dies without having
// been told to, and takes orders from start-cal and stop-cal on a socket.
// admin.md §4.4.
type watcher struct {
	cfg   *config.Config
	file  string // the ics.conf, for the processes
	debug bool
	log   *slog.Logger
	quit  context.CancelFunc

	mu    sync.Mutex
	units []*unit // in starting order
}

// unit is one process and its roles.
type unit struct {
	name  string
	roles []string // components that were asked for
	w     *watcher

	starting sync.Mutex // held by launch

	mu       sync.Mutex
	cmd      *exec.Cmd
	leash    io.Closer // the process's standard input
	wanted   bool
	since    time.Time
	restarts int
	given    string        // why it was given up
	gone     chan struct{} // closed when the process has ended
}

// Back-off between restarts, and when a process counts as settled.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
	settled      = 10 * time.Second
	maxFailures  = 5 // starts that fail in a row before it is given up
)

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
	w := &watcher{cfg: cfg, file: cfg.File, debug: o.debug, log: log, quit: cancel}
	ln, err := listenSocket(adminSocket(cfg, "watcher"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /units", w.serveUnits)
	mux.HandleFunc("POST /start", w.serveStart)
	mux.HandleFunc("POST /stop", w.serveStop)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln)
	log.Info("watcher started", "restart", cfg.Watcher.Restart)
	<-ctx.Done()
	w.stopAll(false)
	drain, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	srv.Shutdown(drain)
	os.Remove(adminSocket(cfg, "watcher"))
	log.Info("watcher stopped")
	return nil
}

// unitStatus is what the watcher knows of a process.
type unitStatus struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid"`
	Roles    []string  `json:"roles"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	Given    string    `json:"given_up,omitempty"`
}

// startResult tells how the start of one component went.
type startResult struct {
	Component string `json:"component"`
	PID       int    `json:"pid"`
	Already   bool   `json:"already,omitempty"`
	Err       string `json:"err,omitempty"`
}

// stopResult tells what was stopped, and whether the watcher ends as well.
type stopResult struct {
	Stopped []string `json:"stopped"`
	Quit    bool     `json:"quit"`
}

func (w *watcher) serveUnits(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []unitStatus{}
	for _, u := range w.units {
		list = append(list, u.status())
	}
	answerJSON(rw, list)
}

func (u *unit) status() unitStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := unitStatus{Name: u.name, Roles: slices.Clone(u.roles), Since: u.since, Restarts: u.restarts, Given: u.given}
	if u.cmd != nil {
		st.PID = u.cmd.Process.Pid
	}
	return st
}

// serveStart starts components in order and tells each one's fate.
func (w *watcher) serveStart(rw http.ResponseWriter, r *http.Request) {
	which, err := pickRoles(w.cfg, r.URL.Query()["component"])
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	answerJSON(rw, w.start(r.Context(), which))
}

func (w *watcher) start(ctx context.Context, which []*role) []startResult {
	var out []startResult
	for _, r := range which {
		res := startResult{Component: r.component}
		pid, already, err := w.startOne(ctx, r)
		if res.PID, res.Already = pid, already; err != nil {
			res.Err = err.Error()
			w.log.Error("not started", "program", r.program, "err", err)
		} else if !already {
			w.log.Info("started", "program", r.program, "pid", pid)
		}
		out = append(out, res)
	}
	return out
}

// startOne starts a component: its process, or within the process of all.
func (w *watcher) startOne(ctx context.Context, r *role) (pid int, already bool, err error) {
	name := "calserver"
	if w.cfg.Local.Processes == "each" {
		name = r.program
	}
	u := w.unit(name)
	st := u.status()
	if st.PID != 0 && slices.Contains(st.Roles, r.component) {
		return st.PID, true, nil
	}
	if r.usesStore(w.cfg) && !w.runs("store") {
		return 0, false, missingStore(r.program)
	}
	if st.PID == 0 {
		u.mu.Lock()
		u.roles, u.given, u.wanted = []string{r.component}, "", true
		u.mu.Unlock()
		if err := u.launch(); err != nil {
			u.mu.Lock()
			u.wanted = false
			u.mu.Unlock()
			return 0, false, err
		}
		return u.status().PID, false, nil
	}
	if err := callAdmin(ctx, adminSocket(w.cfg, name), "POST", "/start/"+r.component, nil); err != nil {
		return 0, false, err
	}
	u.mu.Lock()
	u.roles = append(u.roles, r.component)
	u.mu.Unlock()
	return st.PID, false, nil
}

func (w *watcher) unit(name string) *unit {
	for _, u := range w.units {
		if u.name == name {
			return u
		}
	}
	u := &unit{name: name, w: w}
	w.units = append(w.units, u)
	return u
}

// runs tells whether a component is up in one of the processes.
func (w *watcher) runs(component string) bool {
	for _, u := range w.units {
		if st := u.status(); st.PID != 0 && slices.Contains(st.Roles, component) {
			return true
		}
	}
	pid, err := runningPID(w.cfg, "csstored") // started apart, by hand
	return component == "store" && err == nil && pid != 0
}

// launch starts the unit's process and waits until it is ready.
func (u *unit) launch() error {
	u.starting.Lock()
	defer u.starting.Unlock()
	u.mu.Lock()
	roles, there := slices.Clone(u.roles), u.cmd != nil
	u.mu.Unlock()
	if there {
		return nil // somebody else was faster
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	args := []string{u.name, "--config", u.w.file}
	if u.name == "calserver" {
		args = append([]string{"serve", "--config", u.w.file}, roles...)
	}
	cmd := exec.Command(exe, args...)
	cmd.Args[0] = "calserver" // whatever the file is called
	if u.w.debug {
		cmd.Args = append(cmd.Args[:2], append([]string{"-d"}, cmd.Args[2:]...)...)
	}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "NOTIFY_SOCKET=") || strings.HasPrefix(e, "WATCHDOG_")
	})
	cmd.Env = append(cmd.Env, superviseEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is the watcher's to pass on
	report, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", u.name, err)
	}
	defer report.Close()
	cmd.ExtraFiles = []*os.File{write}
	leash, err := cmd.StdinPipe()
	if err != nil {
		write.Close()
		return fmt.Errorf("start %s: %w", u.name, err)
	}
	out, err := os.OpenFile(filepath.Join(u.w.cfg.Log.Dir, "start.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err == nil {
		cmd.Stdout, cmd.Stderr = out, out
		defer out.Close()
	}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", u.name, err)
	}
	gone := make(chan struct{})
	u.mu.Lock()
	u.cmd, u.leash, u.since, u.gone = cmd, leash, time.Now(), gone
	u.mu.Unlock()

	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(report).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	var failure error
	select {
	case line := <-said:
		if line != "ready" {
			if failure = errors.New(strings.TrimPrefix(line, "failed: ")); line == "" {
				failure = fmt.Errorf("%s ended before it was ready; see start.log", u.name)
			}
		}
	case <-time.After(u.w.cfg.Admin.StartTime):
		failure = fmt.Errorf("%s was not ready after %v (service.admin.starttime)", u.name, u.w.cfg.Admin.StartTime)
		cmd.Process.Kill()
	}
	if failure != nil {
		leash.Close()
		cmd.Wait()
		u.mu.Lock()
		u.cmd = nil
		u.mu.Unlock()
		close(gone)
		return failure
	}
	go u.await(cmd, gone)
	return nil
}

// await waits for the end of a process that was ready, and starts another one
// if that was not what was wanted.
func (u *unit) await(cmd *exec.Cmd, gone chan struct{}) {
	err := cmd.Wait()
	u.mu.Lock()
	u.cmd = nil
	wanted, lived := u.wanted, time.Since(u.since)
	u.mu.Unlock()
	close(gone)
	if !wanted {
		return
	}
	u.w.log.Error("a process failed", "program", u.name, "err", fmt.Sprint(err), "lived", lived.Round(time.Millisecond))
	if !u.w.cfg.Watcher.Enable || !u.w.cfg.Watcher.Restart {
		u.giveUp("crashed; service.autorestart or local.watcher.enable is off")
		return
	}
	u.restart(lived)
}

// restart tries with back-off until the process is ready. One that fails
// before it is ready, again and again, is given up: admin.md §4.4.
func (u *unit) restart(lived time.Duration) {
	u.mu.Lock()
	u.restarts++
	n := u.restarts
	u.mu.Unlock()
	pause := firstBackoff
	begun := time.Now()
	for failures := 0; ; {
		time.Sleep(pause)
		if lived > settled {
			pause = firstBackoff
		}
		u.mu.Lock()
		wanted := u.wanted
		u.mu.Unlock()
		if !wanted {
			return
		}
		err := u.launch()
		if err == nil {
			u.w.log.Warn("a process was restarted", "program", u.name, "pid", u.status().PID, "restarts", n)
			return
		}
		failures++
		u.w.log.Error("a process could not be restarted", "program", u.name, "err", err, "next", min(2*pause, lastBackoff))
		if failures >= maxFailures && time.Since(begun) > u.w.cfg.Watcher.Timeout {
			u.giveUp(err.Error())
			return
		}
		pause = min(2*pause, lastBackoff)
	}
}

func (u *unit) giveUp(why string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wanted, u.given = false, why
	u.w.log.Error("a process is given up", "program", u.name, "err", why)
}

// stop ends the unit's process: politely, and after the drain time by force.
func (u *unit) stop(force bool) {
	u.mu.Lock()
	u.wanted = false
	cmd, gone := u.cmd, u.gone
	u.mu.Unlock()
	if cmd == nil {
		return
	}
	if force {
		cmd.Process.Kill()
	} else {
		cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-gone:
	case <-time.After(stopTime(u.w.cfg)):
		u.w.log.Error("a process did not end and was killed", "program", u.name)
		cmd.Process.Kill()
		<-gone
	}
	u.w.log.Info("stopped", "program", u.name)
}

func (w *watcher) stopAll(force bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range slices.Backward(w.units) {
		u.stop(force)
	}
}

// serveStop stops components; with csstored those that need it, and with the
// last one the watcher itself.
func (w *watcher) serveStop(rw http.ResponseWriter, r *http.Request) {
	force := r.URL.Query().Get("force") != ""
	words := r.URL.Query()["component"]
	if len(words) == 0 {
		w.stopAll(force)
		answerJSON(rw, stopResult{Quit: true})
		w.quit()
		return
	}
	which, err := pickRoles(w.cfg, words)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stopped, err := w.stop(r.Context(), which, force)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	quit := !slices.ContainsFunc(w.units, func(u *unit) bool { return len(u.status().Roles) > 0 })
	answerJSON(rw, stopResult{stopped, quit})
	if quit {
		w.quit()
	}
}

func (w *watcher) stop(ctx context.Context, which []*role, force bool) (stopped []string, err error) {
	names := map[string]bool{}
	for _, r := range which {
		names[r.component] = true
	}
	for i := range roles {
		if names["store"] && roles[i].usesStore(w.cfg) {
			names[roles[i].component] = true
		}
	}
	for i := len(roles) - 1; i >= 0; i-- {
		r := &roles[i]
		for _, u := range w.units {
			st := u.status()
			if !names[r.component] || !slices.Contains(st.Roles, r.component) {
				continue
			}
			last := len(st.Roles) == 1
			if last || st.PID == 0 {
				u.stop(force)
			} else if err := callAdmin(ctx, adminSocket(w.cfg, u.name), "POST", "/stop/"+r.component, nil); err != nil {
				return stopped, fmt.Errorf("stop %s: %w", r.program, err)
			}
			u.mu.Lock()
			u.roles = slices.DeleteFunc(u.roles, func(c string) bool { return c == r.component })
			u.mu.Unlock()
			stopped = append(stopped, r.component)
		}
	}
	return stopped, nil
}
