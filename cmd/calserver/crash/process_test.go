package crash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/protocol/caldav"
	"factotum/protocol/dwp"
	"factotum/protocol/front"
	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// roleEnv carries a part to the test binary called again: it is that part of a
// server then.
const roleEnv = "FACTOTUM_CRASH_PART"

func TestMain(m *testing.M) {
	if text := os.Getenv(roleEnv); text != "" {
		if err := runPart(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

// part is what one process of a server does: keep a store, serve a back end
// over DWP, serve HTTP.
type part struct {
	Store   string // directory of SQLite, or "postgres " and a connection string
	Backend string // instead of Store: where the back end listens, unix:/path or host:port
	DWP     string // listen there for front ends
	HTTP    string // listen there for clients
	TLS     *dwp.TLS
	Import  bool // with Store: import pairs all the time, and tell each on standard output

	// Hosts are back ends among which people are dealt, by name the address of
	// DWP. With Store, Name is which of them this is; without it, it is their
	// front end.
	Hosts map[string]string
	Name  string
	Dies  death // with Store and Hosts: when it kills itself
}

const backendHost = "calendar1.sesta.com"

// everybody is a directory in which any user id is a person, who logs in with
// his own name as the password.
type everybody struct {
	hosts []string // that have their calendars, by the last letter of the name
}

func (p everybody) Person(_ context.Context, id calendar.UserID) (calendar.Person, error) {
	host := ""
	if n := len(p.hosts); n > 0 && id != "" {
		host = p.hosts[int(id[len(id)-1])%n]
	}
	return calendar.Person{ID: id, Name: string(id), Mails: []string{string(id) + "@example.com"}, Domain: "example.com", Active: true, Host: host}, nil
}

func (p everybody) ByMail(ctx context.Context, address string) (calendar.Person, error) {
	user, domain, _ := strings.Cut(address, "@")
	if domain != "example.com" {
		return calendar.Person{}, calendar.NotFound
	}
	return p.Person(ctx, calendar.UserID(user))
}

func (everybody) Search(context.Context, calendar.PeopleQuery) ([]calendar.Person, bool, error) {
	return nil, false, nil
}

func (everybody) Members(context.Context, calendar.UserID, bool, int) ([]calendar.Person, bool, error) {
	return nil, false, nil
}

func (everybody) Groups(context.Context, calendar.UserID, bool) ([]calendar.Person, error) {
	return nil, nil
}

func (p everybody) login(ctx context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
	if user != password {
		return calendar.Person{}, calendar.LoginFailed
	}
	return p.Person(ctx, calendar.UserID(user))
}

func openStore(ctx context.Context, where string) (*sqlstore.Store, error) {
	opt := sqlstore.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if dsn, ok := strings.CutPrefix(where, "postgres "); ok {
		return sqlstore.OpenPostgres(ctx, dsn, opt)
	}
	return sqlstore.OpenSQLite(ctx, where, opt)
}

// runPart serves until SIGTERM.
func runPart(text string) error {
	var p part
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var be, served calendar.Backend // for HTTP, and over DWP
	mux := http.NewServeMux()
	if p.Store != "" {
		st, err := openStore(ctx, p.Store)
		if err != nil {
			return err
		}
		defer st.Close()
		model := service.New(st, everybody{}, service.Options{Host: backendHost})
		be = model
		if p.Name != "" {
			own, err := attend(ctx, &p, st, mux)
			if err != nil {
				return err
			}
			defer own.leave()
			model, be = own.model, own.router
		}
		mux.HandleFunc("/maintain", func(w http.ResponseWriter, r *http.Request) {
			if err := st.Maintain(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
		if p.Import {
			done := make(chan struct{})
			go func() { defer close(done); importPairs(ctx, model) }()
			defer func() { <-done }()
		}
		served = model
	} else if len(p.Hosts) > 0 {
		router, leave, err := dealt(&p, nil, nil)
		if err != nil {
			return err
		}
		defer leave()
		be = router
	} else {
		opt := dwp.ClientOptions{Host: backendHost, Address: p.Backend, TLS: p.TLS, Logger: log}
		if strings.HasPrefix(p.Backend, "unix:") {
			opt.TLS = nil // within a host
		}
		c, err := dwp.NewClient(opt)
		if err != nil {
			return err
		}
		defer c.Close()
		be, served = c, c
	}
	fail := make(chan error, 2)
	if p.DWP != "" {
		if name, ok := strings.CutPrefix(p.DWP, "unix:"); ok {
			os.Remove(name)
		}
		ln, err := dwp.Listen(p.DWP)
		if err != nil {
			return err
		}
		srv, err := dwp.NewServer(ln, served, dwp.ServerOptions{Names: []string{cmp.Or(p.Name, backendHost)}, TLS: p.TLS, Logger: log})
		if err != nil {
			return err
		}
		go func() { fail <- srv.Serve() }()
		defer srv.Shutdown(context.Background())
	}
	if p.HTTP != "" {
		ln, err := net.Listen("tcp", p.HTTP)
		if err != nil {
			return err
		}
		people := p.people()
		mux.Handle("/", caldav.New(caldav.Options{Backend: be, People: people, Login: people.login, Logger: log}))
		srv := front.New(front.Options{CalDAV: mux, WCAP: mux, Logger: log})
		srv.Serve(ln)
		go func() { fail <- <-srv.Failed() }()
		defer func() {
			drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			srv.Shutdown(drain)
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-fail:
		return err
	}
}

// process is a process of a server. It is started and killed again and again.
type process struct {
	name  string
	argv  []string
	env   []string
	ready func() error // nil: it is ready when it answers
	hosts string       // its /etc/hosts, "" is the system's

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
	out  lines
}

// partProcess is a part in the test binary called again.
func partProcess(t testing.TB, name string, p part) *process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &process{name: name, argv: []string{exe}, env: []string{roleEnv + "=" + string(text)}, ready: func() error { return answers(p) }}
}

// answers asks the part whether it is there.
func answers(p part) error {
	if p.HTTP != "" {
		return httpReady(p.HTTP)
	}
	network, address := "tcp", p.DWP
	if name, ok := strings.CutPrefix(p.DWP, "unix:"); ok {
		network, address = "unix", name
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

func httpReady(address string) error {
	resp, err := http.Get("http://" + address + "/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// start runs the process and waits until it is ready.
func (p *process) start(t testing.TB) {
	t.Helper()
	p.launch(t)
	p.await(t)
}

// launch runs the process.
func (p *process) launch(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := hosttest.Command(p.hosts, p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	p.cmd, p.gone = cmd, make(chan struct{})
	go func(gone chan struct{}) { cmd.Wait(); close(gone) }(p.gone)
}

// await waits until the process answers.
func (p *process) await(t testing.TB) {
	t.Helper()
	eventually(t, p.name+" to be ready", func() error {
		select {
		case <-p.gone:
			t.Fatalf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, p.out.tail())
		default:
		}
		return p.ready()
	})
}

// signal sends a signal and waits for the end.
func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	p.mu.Lock()
	cmd, gone := p.cmd, p.gone
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Process.Signal(sig)
	select {
	case <-gone:
	case <-time.After(hosttest.Patience):
		cmd.Process.Kill()
		t.Fatalf("%s does not end at %v\n%s", p.name, sig, p.out.tail())
	}
}

func (p *process) kill(t testing.TB) { t.Helper(); p.signal(t, syscall.SIGKILL) }

// stop ends the process in order.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if s := p.cmd.ProcessState; !s.Success() {
		t.Errorf("%s ended with %v\n%s", p.name, s, p.out.tail())
	}
}

// lines keeps what a process prints, by line.
type lines struct {
	mu   sync.Mutex
	part []byte
	all  []string
	each func(line string)
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if l.each != nil {
			l.each(string(line))
		}
		if l.all = append(l.all, string(line)); len(l.all) > 200 {
			l.all = l.all[100:]
		}
		l.part = append(l.part[:0], rest...)
	}
}

// tail is the last that was printed.
func (l *lines) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n") + string(l.part)
}

// eventually waits for something that another process does.
func eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(hosttest.Patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("wait for %s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freeport.Take(t, "127.0.0.1"))
}
