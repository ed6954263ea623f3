package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/hosttest"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory/ldaptest"
	"factotum/store/storetest/pgtest"
)

// get is the status and text of an answer.
func getText(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, b)
}

// LDAP goes away and comes back: log, /readyz on both ports, status and metrics
// tell, each time.
func TestDirectoryGoesAndComes(t *testing.T) {
	t.Parallel()
	slapd := ldaptest.Start(t, "")
	dir := t.TempDir()
	port, admin := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	conf := filepath.Join(dir, "ics.conf")
	hosttest.Write(t, conf, fmt.Sprintf(`factotum.data.dir = "data"
factotum.directory.type = "ldap"
local.ugldaphost = %q
local.ugldapbasedn = %q
local.ugldapbinddn = %q
local.ugldapbindcred = %q
service.defaultdomain = "example.com"
service.http.listenaddr = "127.0.0.1"
service.http.port = %q
factotum.admin.listen = "127.0.0.1:%s"
`, slapd.Addr, ldaptest.BaseDN, ldaptest.AdminDN, ldaptest.AdminPassword, port, admin))
	said, ended := runServer(t, testProgram(t, "", "calserver", "serve", "-C", conf))
	url, ops := "http://127.0.0.1:"+port, "http://127.0.0.1:"+admin
	wait := func(what, of, want string) {
		t.Helper()
		awaitServer(t, what, ended, said, func() bool { return strings.Contains(getText(of), want) })
	}
	status := func(want string) {
		t.Helper()
		awaitServer(t, want, ended, said, func() bool {
			out, _ := testProgram(t, "", "calserver", "status", "-C", conf).CombinedOutput()
			return strings.Contains(string(out), want)
		})
	}
	up := fmt.Sprintf("factotum_dependency_up{about=%q,dependency=\"directory\"}", slapd.Addr)
	wait("ready", url+"/readyz", "200 ready")
	wait("up", ops+"/metrics", up+" 1")
	status("directory " + slapd.Addr + ": well")
	for range 2 {
		slapd.Stop()
		wait("not ready", url+"/readyz", "503 not ready: the directory does not answer\n")
		wait("not ready", ops+"/readyz", "503 not ready: the directory ("+slapd.Addr+") is not well: the directory does not answer: nothing answers at "+slapd.Addr)
		wait("down", ops+"/metrics", up+" 0")
		status("directory " + slapd.Addr + ": not well since ")
		status("cshttpd")
		slapd.Restart()
		wait("ready again", url+"/readyz", "200 ready")
		wait("up again", ops+"/metrics", up+" 1")
		status("directory " + slapd.Addr + ": well")
	}
	for _, want := range []string{"directory is not well", "directory is well again"} {
		if n := strings.Count(said.String(), want); n != 2 {
			t.Errorf("%q is logged %d times:\n%s", want, n, said)
		}
	}
}

// testHealth is one without a process around it.
func testHealth(t *testing.T, cfg *config.Config) (*health, *bytes.Buffer) {
	t.Helper()
	var said bytes.Buffer
	p := &process{cfg: cfg, metrics: newMetrics("calserver"), log: slog.New(slog.NewTextHandler(&said, nil)), running: map[string]*runningRole{}}
	h := newHealth(p)
	p.health = h
	return h, &said
}

func TestHealthIsLoggedOnce(t *testing.T) {
	h, said := testHealth(t, config.Default())
	away := &calendar.Error{Kind: calendar.Unavailable, Op: "ask", Msg: "the directory does not answer", Err: errors.New("refused")}
	for _, err := range []error{nil, away, away, away, nil, nil} {
		h.note(dependency{Name: "directory", About: "ldap", needed: true}, err)
		if got := h.ready(); (got == nil) != (err == nil) {
			t.Errorf("%v: ready %v", err, got)
		}
	}
	if n := strings.Count(said.String(), "directory is not well"); n != 1 {
		t.Errorf("gone %d times: %s", n, said)
	}
	if n := strings.Count(said.String(), "directory is well again"); n != 1 {
		t.Errorf("back %d times: %s", n, said)
	}
	for _, warn := range []string{"", "soon", "soon", ""} {
		h.note(dependency{Name: "certificate", About: "a.pem", Warn: warn}, nil)
	}
	if n := strings.Count(said.String(), "soon"); n != 1 {
		t.Errorf("warned %d times: %s", n, said)
	}
}

// A certificate is told of before its end and after it, and its time is a
// metric.
func TestHealthOfCertificates(t *testing.T) {
	dir := t.TempDir()
	for days, want := range map[int]struct {
		ok   bool
		text string
	}{100: {true, ""}, 5: {true, "expires on"}, -1: {false, "the certificate"}} {
		sub := filepath.Join(dir, fmt.Sprint(days))
		if _, err := certificates.Make(sub, []string{"a.example.com"}, days); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := config.Parse(strings.NewReader("service.http.ssl.certfile = \"a.example.com.pem\"\nservice.http.ssl.keyfile = \"a.example.com.key\"\n"), filepath.Join(sub, "ics.conf"))
		if err != nil {
			t.Fatal(err)
		}
		h, said := testHealth(t, cfg)
		h.certificates(cfg)
		list := h.list()
		if len(list) != 1 || list[0].OK != want.ok || !strings.Contains(list[0].Err+list[0].Warn, want.text) || list[0].Expires == nil {
			t.Errorf("%d days: %+v", days, list)
		}
		if (said.Len() > 0) != (want.text != "") {
			t.Errorf("%d days: the log says %q", days, said)
		}
		found, err := h.p.metrics.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		seen := false
		for _, f := range found {
			if f.GetName() == "factotum_certificate_expiry_timestamp_seconds" {
				left := time.Until(time.Unix(int64(f.GetMetric()[0].GetGauge().GetValue()), 0))
				seen = left > time.Duration(days)*24*time.Hour-time.Hour && left < time.Duration(days)*24*time.Hour+time.Hour
			}
		}
		if !seen {
			t.Errorf("%d days: no metric", days)
		}
	}
}

// PostgreSQL stops answering and goes on: the same places tell.
func TestDatabaseGoesAndComes(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Start(t))
	dir := t.TempDir()
	port, admin := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	conf := filepath.Join(dir, "ics.conf")
	hosttest.Write(t, conf, fmt.Sprintf(`factotum.data.dir = "data"
factotum.directory.type = "ldif"
service.defaultdomain = "example.com"
factotum.store.type = "postgres"
factotum.store.dsn = "%s"
service.http.listenaddr = "127.0.0.1"
service.http.port = %q
factotum.admin.listen = "127.0.0.1:%s"
`, proxy.DSN, port, admin))
	said, ended := runServer(t, testProgram(t, "", "calserver", "serve", "-C", conf))
	url, ops := "http://127.0.0.1:"+port, "http://127.0.0.1:"+admin
	wait := func(what, of, want string) {
		t.Helper()
		awaitServer(t, what, ended, said, func() bool { return strings.Contains(getText(of), want) })
	}
	const up = `factotum_dependency_up{about="PostgreSQL",dependency="database"}`
	wait("ready", url+"/readyz", "200 ready")
	wait("up", ops+"/metrics", up+" 1")
	proxy.Freeze()
	wait("not ready", url+"/readyz", "503 not ready")
	wait("not ready", ops+"/readyz", "503 not ready: csstored: ")
	wait("down", ops+"/metrics", up+" 0")
	awaitServer(t, "status", ended, said, func() bool {
		out, _ := testProgram(t, "", "calserver", "status", "-C", conf).CombinedOutput()
		return strings.Contains(string(out), "not ready: ") && strings.Contains(string(out), "database PostgreSQL: not well since ")
	})
	proxy.Thaw()
	wait("ready again", url+"/readyz", "200 ready")
	wait("up again", ops+"/metrics", up+" 1")
	for _, want := range []string{`msg="PostgreSQL does not answer"`, `msg="PostgreSQL answers again"`} {
		if n := strings.Count(said.String(), want); n != 1 {
			t.Errorf("%q is logged %d times:\n%s", want, n, said)
		}
	}
}

// What the store says of a transaction is known at once: a full disk until a
// write is taken again, damage for good.
func TestHealthHearsOfTransactions(t *testing.T) {
	h, _ := testHealth(t, config.Default())
	full := &calendar.Error{Kind: calendar.OverQuota, Reason: calendar.DiskFull}
	for _, c := range []struct {
		err        error
		full, hurt bool
		woken      bool
	}{
		{nil, false, false, false},
		{&calendar.Error{Kind: calendar.OverQuota}, false, false, false}, // a quota
		{full, true, false, true},
		{full, true, false, false},
		{&calendar.Error{Kind: calendar.Stale}, true, false, false},
		{nil, false, false, true},
		{&calendar.Error{Kind: calendar.Internal, Reason: calendar.Damaged}, false, true, true},
		{nil, false, true, false},
	} {
		h.wrote(c.err)
		woken := len(h.wake) > 0
		if woken {
			<-h.wake
		}
		if h.full.Load() != c.full || h.hurt.Load() != c.hurt || woken != c.woken {
			t.Errorf("%v: full %v, damaged %v, woken %v", c.err, h.full.Load(), h.hurt.Load(), woken)
		}
	}
}
