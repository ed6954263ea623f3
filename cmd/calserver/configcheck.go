package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/plain"
	"factotum/notify/xmpp"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/store/sqlstore"
)

// hostCheck finds what would stop a start on this host, or make it another one
// than was meant, beyond what ics.conf alone tells. It changes nothing.
type hostCheck struct {
	cfg     *config.Config
	network bool // names are looked up, servers are asked
	running bool // a server of this configuration runs: it has the ports

	mu    sync.Mutex
	found []config.Problem
}

func (h *hostCheck) add(s config.Severity, param, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found = append(h.found, h.cfg.Problem(s, param, fmt.Sprintf(format, args...)))
}

// patience is how long a host of the network may take.
const checkPatience = 3 * time.Second

func checkHost(ctx context.Context, cfg *config.Config, network bool) []config.Problem {
	h := &hostCheck{cfg: cfg, network: network}
	for _, name := range []string{"calserver", "csstored", "csdwpd", "cshttpd", "csnotifyd"} {
		if pid, err := runningPID(cfg, name); err == nil && pid != 0 {
			h.running = true
		}
	}
	if which, err := pickRoles(cfg, nil); err == nil && len(which) == 0 {
		h.add(config.Error, "service.store.enable", "nothing is enabled on this host: see service.http.enable, service.dwp.enable and service.store.enable")
	}
	h.folders()
	h.ports()
	h.certificates()
	h.store(ctx)
	h.people(ctx)
	h.popups()
	if _, err := modelOptions(cfg, slog.New(slog.DiscardHandler)); err != nil {
		h.add(config.Error, "", "%s", plain.Error(err))
	}
	if network {
		h.names(ctx)
	}
	if user := cfg.Effective("local.serveruid"); os.Geteuid() == 0 && cfg.Source("local.serveruid") != "" && user != "root" && user != "" {
		h.add(config.Serious, "local.serveruid", "the server runs as whoever starts it, here root: start it as %s, by the service manager", user)
	}
	if why := directory.WeakPassword("", cfg.DWP.Cred.Reveal()); cfg.DWP.Enable && cfg.DWP.Cred != "" && why != "" {
		h.add(config.Warning, "service.dwp.admin.cred", "%s: whoever knows it and has a certificate acts for any user", why)
	}
	return h.found
}

// popups looks whether the agent for pop-ups can be what it is told to be.
func (h *hostCheck) popups() {
	x := &h.cfg.XMPP
	if !h.cfg.PopsUp() || x.JID == "" {
		return
	}
	opt, err := xmppOptions(h.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		h.add(config.Error, "factotum.xmpp.cafile", "%s", plain.Error(err))
		return
	}
	if _, err := xmpp.New(opt); err != nil {
		h.add(config.Error, "factotum.xmpp.jid", "%s", plain.Error(err))
	}
	if xmpp.Component(x.JID) && opt.Security == xmpp.NoTLS && !xmpp.Loopback(x.Server) {
		h.add(config.Serious, "factotum.xmpp.server", "is another host, and reminders go there in clear: take an account of the server for the agent, or set factotum.xmpp.security = \"tls\"")
	}
	if _, err := calendar.ParseEventRef(cmp.Or(x.Destination, popupTopic)); err != nil {
		h.add(config.Error, "jms.consumer.cal_reminder.destination", "%s", plain.Error(err))
	}
}

// folders are where the server writes.
func (h *hostCheck) folders() {
	c := h.cfg
	seen := map[string]bool{}
	for _, f := range []struct{ param, dir string }{
		{"factotum.data.dir", c.Data}, {"local.instance.pidfile.path", c.Local.PIDDir}, {"logfile.logdir", c.Log.Dir},
		{"service.http.sessiondir.path", c.HTTP.SessionDir}, {"factotum.store.path", filepath.Dir(c.Store.Path)},
		{"factotum.store.socket", filepath.Dir(c.Store.Socket)}, {"factotum.directory.ldif.path", filepath.Dir(c.Directory.LDIF)},
		{"factotum.apppasswords.path", filepath.Dir(c.Auth.PasswordFile)},
	} {
		if seen[f.dir] || f.param == "factotum.directory.ldif.path" && c.Directory.Type != "ldif" || f.param == "factotum.store.path" && c.Store.Type != "sqlite" {
			continue
		}
		seen[f.dir] = true
		if why := notWritable(f.dir); why != "" {
			h.add(config.Error, f.param, "%s", why)
		}
	}
}

// notWritable says why nothing can be written in a directory, or why it cannot
// be made.
func notWritable(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return plain.Error(err)
		case !info.IsDir():
			return at + " is no directory"
		}
		f, err := os.CreateTemp(at, ".check-*") // what the system allows, nobody else knows
		if err == nil {
			_, err = f.WriteString("x")
			f.Close()
			os.Remove(f.Name())
		}
		if err != nil {
			var n syscall.Errno
			if errors.As(err, &n) {
				err = &fs.PathError{Op: "write in", Path: filepath.Join(at, "."), Err: n}
			}
			return "nothing can be written in " + at + ": " + plain.Error(err)
		}
		return ""
	}
}

// ports are tried, unless a server of ours has them.
func (h *hostCheck) ports() {
	c := h.cfg
	if h.running {
		return
	}
	try := func(host string, port int, param, addrParam string) {
		ln, err := listenTCP(host, port, param, addrParam)
		if err != nil {
			h.add(config.Error, param, "%s", plain.Error(err))
			return
		}
		ln.Close()
	}
	if c.HTTP.Enable {
		try(c.HTTP.Listen, c.HTTP.Port, "service.http.port", "service.http.listenaddr")
		if c.TLSServed() && c.HTTP.TLSPort != c.HTTP.Port {
			try(c.HTTP.Listen, c.HTTP.TLSPort, "service.http.ssl.port", "service.http.listenaddr")
		}
	}
	if c.DWP.Enable {
		try(c.DWP.Listen, c.DWP.Port, "service.dwp.port", "service.dwp.listenaddr")
	}
	if host, port, err := net.SplitHostPort(c.Admin.Listen); err == nil {
		if n, err := strconv.Atoi(port); err == nil {
			try(host, n, "factotum.admin.listen", "factotum.admin.listen")
		}
	}
}

// certificates must belong to their keys, be valid, and be of this host.
func (h *hostCheck) certificates() {
	c := h.cfg
	look := func(cert, key, certParam, keyParam string) *x509.Certificate {
		leaf, err := certificates.Read(cert, key)
		if err != nil {
			param := certParam
			if strings.Contains(err.Error(), key) && !strings.Contains(err.Error(), "certificate in") {
				param = keyParam
			}
			h.add(config.Error, param, "%s", plain.Error(err))
			return nil
		}
		if why := certificates.Life(leaf, time.Now()); why != "" {
			h.add(config.Serious, certParam, "%s", why)
		}
		return leaf
	}
	if c.HTTP.Enable && c.TLSServed() && c.HTTP.KeyFile != "" {
		leaf := look(c.HTTP.CertFile, c.HTTP.KeyFile, "service.http.ssl.certfile", "service.http.ssl.keyfile")
		name := c.Local.Hostname
		if u, err := url.Parse("https://" + c.HTTP.TLSSourceURL); err == nil && c.HTTP.TLSSourceURL != "" {
			name = u.Hostname()
		}
		if leaf != nil && name != "" && leaf.VerifyHostname(name) != nil {
			h.add(config.Warning, "service.http.ssl.certfile", "the certificate is not of %s: clients that look for that name refuse it", name)
		}
	}
	files := dwpFiles(c)
	if files == nil || !c.DWP.Enable && len(c.DWP.BackEnds) == 0 {
		return
	}
	leaf := look(files.Cert, files.Key, "service.dwp.ssl.certfile", "service.dwp.ssl.keyfile")
	pem, err := os.ReadFile(files.CA)
	roots := x509.NewCertPool()
	switch {
	case err != nil:
		h.add(config.Error, "service.dwp.ssl.cafile", "%s", plain.Error(err))
	case !roots.AppendCertsFromPEM(pem):
		h.add(config.Error, "service.dwp.ssl.cafile", "%s has no certificate in PEM form", files.CA)
	case leaf != nil:
		usage := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: usage, CurrentTime: leaf.NotBefore.Add(time.Second)}); err != nil {
			h.add(config.Serious, "service.dwp.ssl.certfile", "the certificate is not signed by the authority in %s: other hosts refuse it", files.CA)
		}
		if c.DWP.Enable && leaf.VerifyHostname(hostName(c)) != nil {
			h.add(config.Serious, "service.dwp.ssl.certfile", "the certificate is not of this host, %s: front ends refuse it", hostName(c))
		}
	}
}

// store looks at the database.
func (h *hostCheck) store(ctx context.Context) {
	c := h.cfg
	if !c.Store.Enable {
		return
	}
	if c.Store.Type == "postgres" {
		if c.Store.DSN == "" || !h.network {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		if err := sqlstore.TryPostgres(ctx, c.Store.DSN.Reveal()); err != nil {
			h.add(config.Error, "factotum.store.dsn", "%s", plain.Error(err))
		}
		return
	}
	if h.running {
		return
	}
	if _, err := os.Stat(c.Store.Path); err != nil {
		return // made at the start
	}
	if found, err := damage(c); err != nil {
		h.add(config.Error, "factotum.store.path", "%s", plain.Error(err))
	} else if found != "" {
		h.add(config.Error, "factotum.store.path", "%s; see \"csdb check\"", found)
	}
}

// people opens the directory, and looks for those who are named.
func (h *hostCheck) people(ctx context.Context) {
	c := h.cfg
	opt, err := directoryOptions(c, slog.New(slog.DiscardHandler))
	if err != nil {
		h.add(config.Error, "factotum.ldap.cafile", "%s", plain.Error(err))
		return
	}
	_, missing := os.Stat(opt.LDIF)
	switch {
	case opt.LDIF != "" && errors.Is(missing, fs.ErrNotExist):
		if err := directory.CheckDomain(c.Domain.Default); err != nil {
			h.add(config.Error, "service.defaultdomain", "expected the domain of the users, such as example.com: %s", plain.Error(err))
		}
		return // it is made at the start, empty
	case opt.LDIF == "" && c.LDAP.UserGroup.BaseDN == "":
		h.add(config.Error, "local.ugldapbasedn", "expected the base DN of people, since they are in LDAP; or set factotum.directory.type = \"ldif\" for a file of people")
		return
	}
	people, err := directory.Open(opt)
	if err != nil {
		param := "factotum.directory.ldif.path"
		switch {
		case strings.Contains(err.Error(), "authfilter"):
			param = "local.user.authfilter"
		case opt.LDIF == "":
			param = "local.ugldaphost"
		}
		h.add(config.Error, param, "%s", plain.Error(err))
		return
	}
	defer people.Close()
	if opt.LDIF == "" {
		if !h.network {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		if err := people.Ping(ctx); err != nil {
			h.add(config.Serious, "local.ugldaphost", "%s", plain.Error(err))
			return
		}
	}
	if opt.LDIF != "" {
		h.entries(ctx, people)
	}
	for _, l := range []struct{ param, text string }{
		{"calstore.calendar.default.acl", c.Calstore.DefaultACL}, {"calstore.calendar.owner.acl", c.Calstore.OwnerACL},
		{"resource.default.acl", c.Resource.DefaultACL}, {"group.default.acl", c.Group.DefaultACL},
	} {
		list, err := acl.Parse(l.text)
		if err != nil {
			continue // told by modelOptions
		}
		for _, name := range unknownPeople(ctx, people, list, nil) {
			h.add(config.Warning, l.param, "%s is not in the directory; whoever gets this name has the rights", name)
		}
	}
	for _, name := range unknownPeople(ctx, people, nil, c.HTTP.Admins) {
		if !c.IsSet("service.http.admins") {
			break
		}
		h.add(config.Warning, "service.http.admins", "%s is not in the directory: nobody can log in by that name until somebody gets it", name)
	}
}

// entries looks at the file of people by the rules of those who write it.
func (h *hostCheck) entries(ctx context.Context, people *directory.Directory) {
	found, _, err := people.Search(ctx, calendar.PeopleQuery{})
	if err != nil {
		return // told by Open
	}
	bad := map[string][]string{}
	for _, p := range found {
		id, _, _ := strings.Cut(p.ID, "@")
		if err := directory.CheckUserID(id); err != nil && p.Kind == calendar.Individual {
			bad[err.Error()] = append(bad[err.Error()], p.ID)
		}
		if err := checkZone(p.TZID); err != nil {
			bad[err.Error()] = append(bad[err.Error()], p.ID)
		}
		list, err := acl.Parse(p.ACL)
		if err != nil {
			bad["the access list of new calendars cannot be read"] = append(bad["the access list of new calendars cannot be read"], p.ID)
		}
		for _, name := range unknownPeople(ctx, people, list, nil) {
			why := name + " in the access list of new calendars is not in the directory"
			bad[why] = append(bad[why], p.ID)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(bad)) {
		ids := bad[why]
		const most = 10
		text := strings.Join(ids[:min(len(ids), most)], ", ")
		if n := len(ids) - most; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		h.add(config.Warning, "factotum.directory.ldif.path", "%s: %s", text, why)
	}
}

// names asks the resolver, and servers whether they answer.
func (h *hostCheck) names(ctx context.Context) {
	c := h.cfg
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		rep := c.CheckNames(ctx, net.DefaultResolver.LookupHost)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.found = append(h.found, rep.Problems...)
	})
	if c.Local.Hostname != "" {
		all.Go(func() {
			if _, err := net.DefaultResolver.LookupHost(ctx, c.Local.Hostname); err != nil {
				h.add(config.Warning, "local.hostname", "the resolver does not know %s: other hosts may not either", c.Local.Hostname)
			}
		})
	}
	if c.Directory.Type != "ldap" || !c.IsSet("local.ugldaphost") {
		return
	}
	for _, host := range c.LDAP.UserGroup.Hosts {
		name := host
		if n, _, err := net.SplitHostPort(host); err == nil {
			name = n
		}
		all.Go(func() {
			if _, err := net.DefaultResolver.LookupHost(ctx, strings.Trim(name, "[]")); err != nil {
				h.add(config.Serious, "local.ugldaphost", "the resolver does not know %s", name)
			}
		})
	}
}
