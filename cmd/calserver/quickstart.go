package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"factotum/server/config"
	"factotum/server/directory"
)

// defaultHTTP is where quickstart serves unless it is told otherwise.
const defaultHTTP = "127.0.0.1:8008"

// quickstart is a server for somebody who has nothing yet: it makes a data
// directory with configuration and people, and serves from it.
type quickstart struct {
	data, http, domain string
	users              []string
	debug              bool
}

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		var q quickstart
		c := &cobra.Command{
			Use: "quickstart", Short: "Make a server with users and run it: nothing else is needed", Args: cobra.NoArgs,
			Long: "Makes a data directory with a configuration, users and an embedded database at the first start,\n" +
				"and runs the server in the foreground. Later starts use what is there.",
			Example: "  calserver quickstart\n  calserver quickstart --data /srv/cal --http 127.0.0.1:8080 --user anna:secret --user ben:secret",
			RunE: func(cmd *cobra.Command, _ []string) error {
				q.httpGiven(cmd.Flags().Changed("http"))
				return q.run(cmd.Context(), std)
			},
		}
		f := c.Flags()
		f.StringVar(&q.data, "data", defaultDataDir(), "directory of everything the server keeps")
		f.StringVar(&q.http, "http", defaultHTTP, "address and port to serve on; port 0 takes any that is free")
		f.StringArrayVar(&q.users, "user", nil, "NAME:PASSWORD of a user, perhaps more than once; an existing user gets the password")
		f.StringVar(&q.domain, "domain", "example.com", "domain of the users' mail addresses, at the first start")
		f.BoolVar(&q.debug, "debug", false, "log everything")
		return c
	})
}

// httpGiven forgets the default address where the flag was not given, so that
// a later start serves where the first did.
func (q *quickstart) httpGiven(given bool) {
	if !given {
		q.http = ""
	}
}

func (q *quickstart) run(ctx context.Context, std stdio) error {
	given, err := q.parseUsers()
	if err != nil {
		return err
	}
	if q.data, err = filepath.Abs(q.data); err != nil {
		return fmt.Errorf("find the data directory: %w", err)
	}
	conf := filepath.Join(q.data, "ics.conf")
	_, err = os.Stat(conf)
	first := errors.Is(err, fs.ErrNotExist)
	if err != nil && !first {
		return fmt.Errorf("look for the configuration: %w", err)
	}
	var cfg *config.Config
	var ln net.Listener
	if first {
		if ln, err = q.listen(q.http, defaultHTTP); err != nil {
			return err
		}
		if cfg, err = q.create(conf, ln.Addr().(*net.TCPAddr)); err != nil {
			ln.Close()
			return err
		}
	} else {
		if cfg, err = loadConfig(conf, std.err); err != nil {
			return err
		}
		if ln, err = q.listen(q.http, net.JoinHostPort(cfg.HTTP.Listen, strconv.Itoa(cfg.HTTP.Port))); err != nil {
			return err
		}
	}
	shown, err := q.people(cfg, given, first)
	if err != nil {
		ln.Close()
		return err
	}
	for _, u := range given {
		if why := directory.WeakPassword(u.name, u.password); why != "" {
			fmt.Fprintf(std.err, "warning: %s: %s\n", u.name, why)
		}
	}
	ctx, cancel := signals(ctx)
	defer cancel()
	lg := openLogs(cfg, std.err, q.debug)
	if !q.debug && cfg.Source("logfile.loglevel") == "" {
		lg.level = slog.LevelWarn // the terminal is for what the user needs to know
	}
	p, err := newProcess(cfg, "calserver", lg)
	if err != nil {
		ln.Close()
		var running *runningError
		if errors.As(err, &running) {
			return fmt.Errorf("a server runs with %s already (pid %d); give another directory with --data", q.data, running.pid)
		}
		return err
	}
	p.httpListener = ln
	which, err := pickRoles(cfg, nil)
	if err != nil {
		return err
	}
	err = p.run(ctx, which, func() { q.greet(std.out, cfg, ln.Addr().(*net.TCPAddr), shown, first) })
	if err == nil {
		fmt.Fprintln(std.out, "\nStopped.")
	}
	return err
}

// user is a name with a password; made tells that the password is ours.
type user struct {
	name, password string
	made           bool
}

func (q *quickstart) parseUsers() ([]user, error) {
	var out []user
	for _, u := range q.users {
		name, password, ok := strings.Cut(u, ":")
		if !ok || name == "" || password == "" {
			return nil, errors.New("--user wants NAME:PASSWORD")
		}
		if err := directory.CheckPassword(password); err != nil {
			return nil, fmt.Errorf("--user %s: %w", name, err)
		}
		if err := directory.CheckUserID(name); err != nil {
			return nil, fmt.Errorf("--user %s: %w", name, err)
		}
		out = append(out, user{name: name, password: password})
	}
	return out, nil
}

// listen opens the address; the error says how to choose another.
func (q *quickstart) listen(address, otherwise string) (net.Listener, error) {
	if address == "" {
		address = otherwise
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--http wants ADDRESS:PORT, such as %s", defaultHTTP)
	}
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		next := "8009"
		if n, err := strconv.Atoi(port); err == nil && n < 65535 {
			next = strconv.Itoa(n + 1)
		}
		return nil, fmt.Errorf("another program listens on %s already; choose another port, for example: --http %s", address, net.JoinHostPort(host, next))
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (--http): %w", address, err)
	}
	return ln, nil
}

// create makes the data directory and its ics.conf.
func (q *quickstart) create(conf string, addr *net.TCPAddr) (*config.Config, error) {
	if err := os.MkdirAll(q.data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	f, err := os.OpenFile(conf, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	err = config.WriteSample(f, map[string]string{
		"factotum.data.dir":           ".",
		"service.http.port":           strconv.Itoa(addr.Port),
		"service.http.listenaddr":     addr.IP.String(),
		"factotum.admin.listen":       "",
		"factotum.directory.type":     "ldif",
		"service.defaultdomain":       q.domain,
		"calstore.default.timezoneID": localZone(),
	})
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(conf)
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return loadConfig(conf, nil)
}

// localZone is the IANA name of this machine's time zone, where it can be
// found out.
func localZone() string {
	if link, err := filepath.EvalSymlinks("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(link, "/zoneinfo/"); ok && !strings.HasPrefix(name, "Etc/") {
			return name
		}
	}
	return "UTC"
}

// people makes the users: those given, or two to try things with, and the
// administrator. It returns those whose passwords are to be shown.
func (q *quickstart) people(cfg *config.Config, given []user, first bool) ([]user, error) {
	if cfg.Directory.Type != "ldif" {
		if len(given) > 0 {
			return nil, errors.New("--user: the people of this server are in LDAP; make users there")
		}
		return nil, nil
	}
	if _, err := os.Stat(cfg.Directory.LDIF); errors.Is(err, fs.ErrNotExist) {
		first = true
		if err := directory.NewLDIF(cfg.Directory.LDIF, cfg.Domain.Default); err != nil {
			return nil, fmt.Errorf("make the users' file: %w", err)
		}
	}
	opt, err := directoryOptions(cfg, nil)
	if err != nil {
		return nil, err
	}
	ed, err := directory.NewEditor(opt)
	if err != nil {
		return nil, fmt.Errorf("open the users' file: %w", err)
	}
	users := given
	if first {
		if len(users) == 0 {
			users = append(users, user{name: "anna", password: directory.RandomPassword(), made: true},
				user{name: "ben", password: directory.RandomPassword(), made: true})
		}
		users = append(users, user{name: cfg.Admin.User, password: directory.RandomPassword(), made: true})
	}
	for _, u := range users {
		err := ed.Create(directory.NewPerson{ID: u.name, Name: fullName(u.name), Password: u.password})
		if err != nil {
			if _, missing := ed.Get(u.name); missing != nil {
				return nil, fmt.Errorf("make the user %s: %w", u.name, err)
			}
			if u.made {
				continue // the administrator was given with --user
			}
			if err := ed.SetPassword(u.name, u.password); err != nil {
				return nil, fmt.Errorf("set the password of %s: %w", u.name, err)
			}
		}
	}
	return users, nil
}

func fullName(id string) string {
	if id == "" {
		return id
	}
	return strings.ToUpper(id[:1]) + id[1:]
}

// greet tells everything that a person needs to begin.
func (q *quickstart) greet(w io.Writer, cfg *config.Config, addr *net.TCPAddr, users []user, first bool) {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = hostName(cfg)
	}
	at := net.JoinHostPort(host, strconv.Itoa(addr.Port))
	url := "http://" + at + "/"
	name := "USER"
	fmt.Fprintf(w, "Factotum Calendar is running at %s  (Ctrl-C stops it)\n\n", url)
	if len(users) > 0 {
		name = users[0].name
		if first {
			fmt.Fprintln(w, "Users; passwords that were made here are shown this once and kept as hashes:")
		} else {
			fmt.Fprintln(w, "Users:")
		}
		for _, u := range users {
			password := "(the password given)"
			if u.made {
				password = u.password
			}
			note := ""
			if u.name == cfg.Admin.User {
				note = "   the administrator"
			}
			fmt.Fprintf(w, "  %-12s %s%s\n", u.name, password, note)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, `Connect:
  Thunderbird      New calendar > On the network; user name %[1]s, location %[2]s
  Apple Calendar   Add account > Other CalDAV account > Advanced; user name %[1]s,
                   server %[3]s, path /dav/principals/%[1]s/, port %[4]d, no SSL
  DAVx5 (Android)  Add account > Login with URL and user name; base URL %[2]s
  curl             curl -u %[1]s -X PROPFIND -H 'Depth: 1' %[2]sdav/calendars/%[1]s/
  WCAP             curl -d user=%[1]s -d password=... %[2]slogin.wcap
`, name, url, host, addr.Port)
	if addr.IP.IsLoopback() {
		fmt.Fprintf(w, "  Other devices reach it when started with --http 0.0.0.0:%d; without TLS use that in\n"+
			"  a network that you trust, and see docs/admin.md for TLS.\n", addr.Port)
	}
	fmt.Fprintf(w, "\nEverything is in %s (ics.conf, people.ldif, csdb/).\n", q.data)
	fmt.Fprintf(w, "Tools, in another terminal: %s=%s calserver status\n", configEnv, shellQuote(cfg.File))
}

func shellQuote(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
