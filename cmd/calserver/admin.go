package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"factotum/cmd/internal/place"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/service"
	"factotum/store/standby"
)

// adminServer answers on a unix socket that only the server's user can open
// (status, starting and stopping of roles, checks of the database), and on
// factotum.admin.listen what needs no protection: metrics and health.
type adminServer struct {
	p      *process
	local  *http.Server
	public *http.Server
	addr   net.Addr

	socket, port net.Listener // of local and public
}

// processStatus is what a process says of itself.
type processStatus struct {
	Name     string          `json:"name"`
	PID      int             `json:"pid"`
	Version  string          `json:"version"`
	Started  time.Time       `json:"started"`
	Admin    string          `json:"admin,omitempty"`    // address of metrics
	Starting bool            `json:"starting,omitempty"` // not all of its roles are there yet
	Roles    []roleStatus    `json:"roles"`
	Store    *storeStatus    `json:"store,omitempty"`
	BackEnds []backEndStatus `json:"backends,omitempty"`
	// LockedOut is how many have to wait after failed log-ins.
	LockedOut int          `json:"locked_out,omitempty"`
	Health    []dependency `json:"health,omitempty"`
}

type roleStatus struct {
	Component string    `json:"component"`
	Program   string    `json:"program"`
	Since     time.Time `json:"since"`
	Listen    []string  `json:"listen,omitempty"`
	Err       string    `json:"err,omitempty"`   // why it is not ready
	Older     []string  `json:"older,omitempty"` // of csdwpd: addresses of hosts of an earlier release that ask here
}

type storeStatus struct {
	Engine   string `json:"engine"`
	Schema   string `json:"schema"`
	Owners   int    `json:"owners"`
	Objects  int64  `json:"objects"`
	Bytes    int64  `json:"bytes"`
	Cache    int64  `json:"cache_bytes"`
	ReadOnly bool   `json:"read_only,omitempty"`

	Backups []backupStatus  `json:"backups,omitempty"`
	Disks   []*place.Report `json:"disks,omitempty"`   // as they were at the start
	Standby *standby.Status `json:"standby,omitempty"` // of a host that is one of two
}

type backEndStatus struct {
	Host string `json:"host"`
	OK   bool   `json:"ok"`
	Err  string `json:"err,omitempty"`
}

// dbReport is what /db/check and /db/rebuild answer, again and again: how far
// they are, and at last what was found.
type dbReport struct {
	Done, Of int // owners
	End      bool
	service.CheckReport
	Err string
}

func adminSocket(cfg *config.Config, process string) string {
	return filepath.Join(cfg.Local.PIDDir, process+".admin")
}

// openAdmin takes the socket and the port. Whoever asks there waits until serve: what they
// ask about has to be there first.
func openAdmin(p *process) (*adminServer, error) {
	a := &adminServer{p: p}
	ln, err := listenSocket(adminSocket(p.cfg, p.name))
	if err != nil {
		return nil, fmt.Errorf("open the admin socket: %w", err)
	}
	mux := http.NewServeMux()
	a.health(mux)
	mux.HandleFunc("GET /status", a.status)
	mux.HandleFunc("GET /counters", a.counters)
	mux.HandleFunc("POST /start/{component}", a.startRole)
	mux.HandleFunc("POST /stop/{component}", a.stopRole)
	mux.HandleFunc("POST /db/check", a.database((*service.Service).Check))
	mux.HandleFunc("POST /db/rebuild", a.database((*service.Service).Rebuild))
	mux.HandleFunc("POST /db/purge", a.purge)
	mux.HandleFunc("POST /backup", a.backup)
	mux.HandleFunc("POST /moves/{command}", a.moves)
	mux.HandleFunc("POST /standby/{command}", a.standby)
	mux.HandleFunc("GET /owners", a.owners)
	mux.HandleFunc("POST /owners/inherit", a.inherit)
	mux.HandleFunc("POST /groups/follow", a.followGroup)
	mux.HandleFunc("POST /zones/{command}", a.repairZones)
	a.loginHandlers(mux)
	mux.HandleFunc("GET /jobs", a.listJobs)
	mux.HandleFunc("POST /jobs/{command}", a.changeJobs)
	mux.HandleFunc("GET /mail", a.showMail)
	mux.HandleFunc("GET /mail/facts", a.queueFacts)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	a.local = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	a.socket = ln
	if err := a.listen(); err != nil {
		ln.Close()
		return nil, err
	}
	return a, nil
}

// serve begins to answer.
func (a *adminServer) serve() {
	go a.local.Serve(a.socket)
	if a.public != nil {
		go a.public.Serve(a.port)
	}
}

// listen serves metrics and health over TCP. Where each role has a process,
// they take the configured port and those after it.
func (a *adminServer) listen() error {
	address := a.p.cfg.Admin.Listen
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read factotum.admin.listen: %w", err)
	}
	for i := range roles {
		if n, err := strconv.Atoi(port); err == nil && n != 0 && roles[i].program == a.p.name {
			port = strconv.Itoa(n + i)
			break
		}
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("read factotum.admin.listen: %q is no port", port)
	}
	ln, err := listenTCP(host, n, "factotum.admin.listen", "factotum.admin.listen")
	if err != nil {
		return err
	}
	a.addr, a.port = ln.Addr(), ln
	mux := http.NewServeMux()
	a.health(mux)
	a.public = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	return nil
}

func (a *adminServer) health(mux *http.ServeMux) {
	mux.Handle("GET /metrics", a.p.metrics.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.p.ready(r.Context()); err != nil {
			http.Error(w, "not ready: "+reason(err), http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ready\n")
		for _, line := range a.p.health.warnings() {
			fmt.Fprintln(w, "warning:", line)
		}
	})
}

func (a *adminServer) close(ctx context.Context) {
	if a.public != nil {
		a.public.Close()
	}
	a.local.Shutdown(ctx)
	os.Remove(adminSocket(a.p.cfg, a.p.name))
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (a *adminServer) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	answerJSON(w, a.p.status(ctx))
}

// status describes the process and what runs in it.
func (p *process) status(ctx context.Context) processStatus {
	p.health.look(ctx)
	st := processStatus{Name: p.name, PID: os.Getpid(), Version: versionString(), Started: p.started, Starting: !p.up.Load(), Health: p.health.list()}
	if p.admin.addr != nil {
		st.Admin = p.admin.addr.String()
	}
	p.mu.Lock()
	run := make(map[string]*runningRole, len(p.running))
	for k, v := range p.running {
		run[k] = v
	}
	p.mu.Unlock()
	for i := range roles {
		r := run[roles[i].component]
		if r == nil {
			continue
		}
		rs := roleStatus{Component: r.component, Program: r.program, Since: r.since}
		if c, ok := r.running.(interface{ check(context.Context) error }); ok {
			if err := c.check(ctx); err != nil {
				rs.Err = plain.Error(err)
			}
		}
		if err := p.health.ready(); err != nil && r.component == "http" && rs.Err == "" {
			rs.Err = reason(err)
		}
		switch s := r.running.(type) {
		case *storeService:
			st.Store = s.status(ctx, p.cfg)
		case *dwpService:
			for _, srv := range s.servers {
				rs.Listen = append(rs.Listen, srv.Addr().String())
				rs.Older = append(rs.Older, srv.Older()...)
			}
		case *httpService:
			st.LockedOut = s.logins.Stat().LockedOut
			for _, addr := range s.addrs {
				rs.Listen = append(rs.Listen, addr.String())
			}
			for _, c := range s.remote {
				b := backEndStatus{Host: c.Host(), OK: true}
				if _, err := c.Hello(ctx); err != nil {
					b.OK, b.Err = false, plain.Error(err)
				} else if _, err := c.Ping(ctx); err != nil {
					b.OK, b.Err = false, plain.Error(err)
				}
				st.BackEnds = append(st.BackEnds, b)
			}
		}
		st.Roles = append(st.Roles, rs)
	}
	return st
}

func (s *storeService) status(ctx context.Context, cfg *config.Config) *storeStatus {
	out := &storeStatus{Engine: cfg.Store.Type, Cache: s.model.Cache().Size(), ReadOnly: cfg.Store.ReadOnly, Backups: s.backups(), Disks: s.disk, Standby: s.standbyStatus()}
	if st, err := s.store.Stat(ctx); err == nil {
		out.Engine, out.Schema, out.Owners, out.Objects, out.Bytes = st.Engine, st.Version, st.Owners, st.Objects, st.Bytes
	}
	return out
}

func (a *adminServer) startRole(w http.ResponseWriter, r *http.Request) {
	ro, ok := findRole(r.PathValue("component"))
	if !ok {
		http.Error(w, "there is no such component", http.StatusNotFound)
		return
	}
	// The role outlives the request.
	if err := a.p.start(context.WithoutCancel(r.Context()), ro); err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *adminServer) stopRole(w http.ResponseWriter, r *http.Request) {
	ro, ok := findRole(r.PathValue("component"))
	if !ok {
		http.Error(w, "there is no such component", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.p.cfg.HTTP.DrainTimeout)
	defer cancel()
	a.p.stop(ctx, []*role{ro})
	w.WriteHeader(http.StatusNoContent)
}

func (a *adminServer) storeService() *storeService {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	if r := a.p.running["store"]; r != nil {
		return r.running.(*storeService)
	}
	return nil
}

// database runs csdb check or rebuild.
func (a *adminServer) database(do func(*service.Service, context.Context, func(calendar.Owner)) (service.CheckReport, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := a.storeService()
		if s == nil {
			http.Error(w, "csstored does not run in this process", http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		enc, flush := json.NewEncoder(w), http.NewResponseController(w)
		rep := dbReport{}
		if st, err := s.store.Stat(r.Context()); err == nil {
			rep.Of = st.Owners
		}
		told := time.Now()
		found, err := do(s.model, r.Context(), func(calendar.Owner) {
			if time.Since(told) > 100*time.Millisecond {
				told = time.Now()
				enc.Encode(rep)
				flush.Flush()
			}
			rep.Done++ // when the next one begins
		})
		if err != nil {
			rep.Err = plain.Error(err)
		}
		rep.CheckReport, rep.End = found, true
		enc.Encode(rep)
	}
}

// purge forgets the deletions of a time.
func (a *adminServer) purge(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	within, err := purgeWindow(r.URL.Query())
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusBadRequest)
		return
	}
	n, err := s.model.PurgeGone(r.Context(), within)
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusInternalServerError)
		return
	}
	answerJSON(w, n)
}

// ownersPage is how many owners are listed at once.
const ownersPage = 10_000

// owners lists those who have a home, after the one named.
func (a *adminServer) owners(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	list, err := s.gate.Owners(r.Context(), calendar.Owner(r.URL.Query().Get("after")), ownersPage)
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusInternalServerError)
		return
	}
	answerJSON(w, list)
}

// inherit hands the calendars of an owner, or of all, to whom the directory
// has under that name now.
func (a *adminServer) inherit(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	n, err := handOver(r.Context(), s.model, calendar.Owner(r.URL.Query().Get("owner")))
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	answerJSON(w, n)
}

// handOver does so; "" is everybody.
func handOver(ctx context.Context, model *service.Service, owner calendar.Owner) (n int, err error) {
	if owner == "" {
		return model.HandOverAll(ctx)
	}
	return 1, model.HandOver(ctx, owner)
}

// errNotRunning says that nobody answers at an admin socket.
var errNotRunning = errors.New("is not running")

// callAdmin asks a process over its admin socket; out may be nil.
func callAdmin(ctx context.Context, socket, method, path string, out any) error {
	return callAdminFor(ctx, socket, method, path, func(dec *json.Decoder) error {
		if out == nil {
			return nil
		}
		return dec.Decode(out)
	})
}

// callAdminFor is callAdmin for an answer of several values, which read takes.
func callAdminFor(ctx context.Context, socket, method, path string, read func(*json.Decoder) error) error {
	name, err := socketPath(socket)
	if err != nil {
		return errNotRunning
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", name)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return errNotRunning
		}
		return fmt.Errorf("ask %s: %w", socket, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		msg, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
		return errors.New(string(trimNewline(msg)))
	}
	if err := read(json.NewDecoder(io.LimitReader(resp.Body, 64<<20))); err != nil {
		return fmt.Errorf("read the answer of %s: %w", socket, err)
	}
	return nil
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return b
}

// callStore asks the process in which csstored runs: a process of its own, or
// the one with all roles.
func callStore(ctx context.Context, cfg *config.Config, method, path string, out any) error {
	return onStore(func(process string) error { return callAdmin(ctx, adminSocket(cfg, process), method, path, out) })
}

func onStore(call func(process string) error) error {
	for _, name := range []string{"csstored", "calserver"} {
		if err := call(name); !errors.Is(err, errNotRunning) {
			return err
		}
	}
	return fmt.Errorf("csstored %w: start it with \"start-cal store\", or everything with \"start-cal\"", errNotRunning)
}
