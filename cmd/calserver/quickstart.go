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
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/server/recur"
)

// defaultHTTP is where quickstart serves unless it is told otherwise.
const defaultHTTP = "127.0.0.1:8008"

// quickstart is a server for somebody who has nothing yet: it makes a data
// directory with configuration and people, and serves from it.
type quickstart struct {
	data, http, domain  string
	users, set          []string
	mailRelay, imipLMTP string
	debug               bool
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
		f.StringVar(&q.mailRelay, "mail-relay", "", "HOST:PORT of the SMTP server that takes mail to people outside; none without it")
		f.StringVar(&q.imipLMTP, "imip-lmtp", "", "HOST:PORT where the mail system hands in mail from outside, by LMTP; none without it")
		f.StringArrayVar(&q.set, "set", nil, "NAME=VALUE of a parameter of ics.conf, perhaps more than once; it is written there")
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
	settings, err := q.settings()
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
	if len(settings) > 0 {
		if cfg, err = configure(conf, settings, std.err); err != nil {
			ln.Close()
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

// user is a name with a password, "" if that is not known; made tells that the
// password is ours.
type user struct {
	name, password string
	made           bool
	disabled       bool
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
// found out, as programs find it: by TZ, else by /etc/localtime, which is a link
// to a zone's file as a rule, else by /etc/timezone.
func localZone() string { return zoneOf(os.Getenv("TZ"), "/etc") }

func zoneOf(tz, etc string) string {
	var names []string
	if tz = strings.TrimPrefix(tz, ":"); tz != "" {
		names = append(names, tz)
	}
	if link, err := os.Readlink(filepath.Join(etc, "localtime")); err == nil { // to what need not be there
		names = append(names, link)
	}
	if link, err := filepath.EvalSymlinks(filepath.Join(etc, "localtime")); err == nil {
		names = append(names, link)
	}
	if text, err := os.ReadFile(filepath.Join(etc, "timezone")); err == nil {
		names = append(names, strings.TrimSpace(string(text)))
	}
	for _, name := range names {
		if _, after, ok := strings.Cut(name, "/zoneinfo/"); ok {
			name = strings.TrimPrefix(strings.TrimPrefix(after, "posix/"), "right/")
		}
		if filepath.IsAbs(name) || name == "" {
			continue
		}
		if z, ok := recur.LoadZone(name); ok {
			if strings.HasPrefix(z.Name(), "Etc/") {
				break
			}
			return z.Name()
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
	if !first {
		list, err := ed.List()
		if err != nil {
			return nil, fmt.Errorf("read the users' file: %w", err)
		}
		for _, p := range list {
			if p.Kind == calendar.Individual && !slices.ContainsFunc(users, func(u user) bool { return strings.EqualFold(u.name, p.ID) }) {
				users = append(users, user{name: p.ID, disabled: !p.Active})
			}
		}
	}
	if first {
		if len(users) == 0 {
			users = append(users, user{name: "anna", password: directory.RandomPassword(), made: true},
				user{name: "ben", password: directory.RandomPassword(), made: true})
		}
		users = append(users, user{name: cfg.Admin.User, password: directory.RandomPassword(), made: true})
	}
	for _, u := range users {
		if u.password == "" {
			continue // was there before
		}
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
	port := strconv.Itoa(addr.Port)
	host, others := addr.IP.String(), reachable(net.InterfaceAddrs)
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, port) + "/"
	fmt.Fprintf(w, "Factotum Calendar is running at %s  (Ctrl-C stops it)\n\n", url)
	name := q.greetUsers(w, cfg, users, first)
	far, farHost := url, host // for a device
	if addr.IP.IsUnspecified() && len(others) > 0 {
		farHost = others[0]
		far = "http://" + net.JoinHostPort(farHost, port) + "/"
	}
	fmt.Fprintf(w, `Connect:
  Thunderbird      New calendar > On the network; user name %[1]s, location %[2]s
  Apple Calendar   Add account > Other CalDAV account > Advanced; user name %[1]s,
                   server %[3]s, path /dav/principals/%[1]s/, port %[4]d, no SSL
  DAVx5 (Android)  Add account > Login with URL and user name; base URL %[5]s
  curl             curl -u %[1]s -X PROPFIND -H 'Depth: 1' %[2]sdav/calendars/%[1]s/
  WCAP             curl -d user=%[1]s -d password=... %[2]slogin.wcap
`, name, url, farHost, addr.Port, far)
	const trust = "  Without TLS that is for a network that you trust; docs/admin.md has TLS.\n"
	switch {
	case addr.IP.IsLoopback() && len(others) == 0:
		fmt.Fprint(w, "  Phones and other computers do not reach it: this one is in no network.\n")
	case addr.IP.IsLoopback():
		fmt.Fprintf(w, "  Phones and other computers reach it if it is started with --http 0.0.0.0:%s,\n  at http://%s/.\n%s",
			port, net.JoinHostPort(others[0], port), trust)
	case addr.IP.IsUnspecified() && len(others) > 0:
		for i := range others {
			others[i] = "http://" + net.JoinHostPort(others[i], port) + "/"
		}
		fmt.Fprintf(w, "  Phones and other computers reach it at %s.\n%s", strings.Join(others, ", "), trust)
	}
	fmt.Fprintf(w, "\nEverything is in %s (ics.conf, people.ldif, csdb/).\n", q.data)
	fmt.Fprintf(w, "New calendars have the time zone %s (calstore.default.timezoneID in ics.conf).\n", cfg.Calstore.TimeZone)
	fmt.Fprintf(w, "Tools, in another terminal: %s\n", q.call(cfg, "status"))
}

// greetUsers tells who there is, and returns the first of them.
func (q *quickstart) greetUsers(w io.Writer, cfg *config.Config, users []user, first bool) string {
	const most = 20
	if len(users) == 0 {
		return "USER"
	}
	if first {
		fmt.Fprintln(w, "Users; passwords that were made here are shown this once and kept as hashes:")
	} else {
		fmt.Fprintln(w, "Users:")
	}
	known := true
	for i, u := range users {
		if i == most {
			fmt.Fprintf(w, "  and %d more: %s\n", len(users)-most, q.call(cfg, "csuser list"))
			break
		}
		password := "(the password given)"
		switch {
		case u.made:
			password = u.password
		case u.disabled:
			password = "(disabled)"
		case u.password == "":
			known, password = false, "(as before)"
		}
		note := ""
		if u.name == cfg.Admin.User {
			note = "   the administrator"
		}
		fmt.Fprintf(w, "  %-12s %s%s\n", u.name, password, note)
	}
	if !known {
		again := "quickstart --user " + users[0].name + ":PASSWORD"
		if q.data != defaultDataDir() {
			again += " --data " + shellQuote(q.data)
		}
		fmt.Fprintf(w, "A lost password is replaced in another terminal, or at the next start:\n  %s\n  %s %s\n",
			q.call(cfg, "csuser password "+users[0].name), programName(), again)
	}
	fmt.Fprintln(w)
	return users[0].name
}

// call is how a tool is called for this server, in another terminal.
func (q *quickstart) call(cfg *config.Config, words string) string {
	prefix := configEnv + "=" + shellQuote(cfg.File) + " "
	if _, err := os.Stat(systemConfig); err != nil && cfg.File == filepath.Join(defaultDataDir(), "ics.conf") {
		prefix = "" // it is found
	}
	return prefix + programName() + " " + words
}

// programName is how this program is called again: as it was, or by go run, which
// leaves nothing to be called.
func programName() string {
	exe, err := os.Executable()
	switch {
	case err == nil && strings.Contains(exe, "/go-build"):
		return "go run ./cmd/calserver"
	case filepath.Base(os.Args[0]) == "calserver":
		return shellQuote(os.Args[0])
	case err == nil:
		return shellQuote(exe)
	}
	return "calserver"
}

// reachable are the addresses of this machine that others in its networks can
// reach, those of private networks first.
func reachable(addresses func() ([]net.Addr, error)) []string {
	var private, public []string
	list, _ := addresses()
	for _, a := range list {
		ip, ok := a.(*net.IPNet)
		switch {
		case !ok || !ip.IP.IsGlobalUnicast():
		case ip.IP.To4() == nil: // clients want brackets, and phones have IPv4 too
		case ip.IP.IsPrivate():
			private = append(private, ip.IP.String())
		default:
			public = append(public, ip.IP.String())
		}
	}
	return append(private, public...)
}

func shellQuote(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
