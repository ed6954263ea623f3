package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/server/directory"
	"factotum/store/storetest/pgtest"
	"factotum/store/storetest/smalldisk"
)

// TestMain makes the test binary every program of the server, so that scripts
// and processes of their own run what users run.
func TestMain(m *testing.M) {
	commands := map[string]func(){"calserver": main, "job": putJob, "traces": putTraces, "post": putPost}
	for _, name := range programNames() {
		commands[name] = main
	}
	testscript.Main(m, commands)
}

// testProgram prepares a call of the program by one of its names. With a hosts file
// it runs in a mount namespace of its own, where that is /etc/hosts.
func testProgram(t *testing.T, hosts, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(exe, bin); err != nil {
		t.Fatal(err)
	}
	return hosttest.Command(hosts, bin, args...)
}

// testSite is a running installation: where its clients and its administrator go.
type testSite struct {
	url  string // of its HTTP service
	conf string // of the host that has the store
}

// runServer runs a server until the test ends.
func runServer(t *testing.T, cmd *exec.Cmd) (said *hosttest.Buffer, ended chan struct{}) {
	t.Helper()
	said, ended = &hosttest.Buffer{}, make(chan struct{})
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the server does not stop")
			cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("the server says:\n%s", said)
		}
	})
	return said, ended
}

// awaitServer waits for a condition of a server.
func awaitServer(t *testing.T, what string, ended chan struct{}, said *hosttest.Buffer, cond func() bool) {
	t.Helper()
	gone := false
	if !poll(func() bool {
		select {
		case <-ended:
			gone = true
		default:
		}
		return gone || cond()
	}) {
		t.Fatalf("the server is not %s:\n%s", what, said)
	}
	if gone {
		t.Fatalf("the server ended before it was %s:\n%s", what, said)
	}
}

func answers(url string) func() bool {
	return func() bool {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
}

func freePort(t *testing.T, host string) string {
	t.Helper()
	return strconv.Itoa(freeport.Take(t, host))
}

// quickstartSite is what the README's first command gives.
func quickstartSite(t *testing.T) testSite {
	dir := filepath.Join(t.TempDir(), "data")
	port := freePort(t, "127.0.0.1")
	site := testSite{"http://127.0.0.1:" + port, filepath.Join(dir, "ics.conf")}
	cmd := testProgram(t, "", "calserver", "quickstart", "--data", dir, "--http", "127.0.0.1:"+port, "--user", "anna:anna-pw")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	said, ended := runServer(t, cmd)
	awaitServer(t, "ready", ended, said, answers(site.url))
	return site
}

// splitSite is a front end and a back end, as two hosts of different names in
// two processes, with mutual TLS between them.
func splitSite(t *testing.T, store ...string) testSite {
	const front, back = "front1.sesta.com", "calendar1.sesta.com"
	dir := t.TempDir()
	hosts := filepath.Join(dir, "hosts")
	hosttest.Write(t, hosts, "127.0.0.1 localhost "+front+"\n127.0.0.2 "+back+"\n")
	if out, err := testProgram(t, hosts, "calserver", "--version").CombinedOutput(); err != nil {
		smalldisk.Lacks(t, fmt.Sprintf("two hosts need mount namespaces: %s", out), err)
	}
	if _, err := certificates.Make(dir, []string{front, back}, 1); err != nil {
		t.Fatal(err)
	}
	httpPort, dwpPort := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.2")
	people := filepath.Join(dir, "people.ldif")
	if err := directory.NewLDIF(people, "sesta.com"); err != nil {
		t.Fatal(err)
	}
	ed, err := directory.NewEditor(directory.Options{LDIF: people})
	if err != nil {
		t.Fatal(err)
	}
	if err := ed.Create(directory.NewPerson{ID: "anna", Password: "anna-pw", Host: back}); err != nil {
		t.Fatal(err)
	}
	conf := func(name string, lines ...string) string {
		path := filepath.Join(dir, name, "ics.conf")
		lines = append(lines, `factotum.data.dir = "data"`, `factotum.directory.type = "ldif"`, `factotum.directory.ldif.path = "`+people+`"`,
			`factotum.admin.listen = ""`, `local.hostname = "`+name+`"`, `service.defaultdomain = "sesta.com"`,
			`service.dwp.port = "`+dwpPort+`"`, `service.dwp.ssl.certfile = "../`+name+`.pem"`,
			`service.dwp.ssl.keyfile = "../`+name+`.key"`, `service.dwp.ssl.cafile = "../dwp-ca.pem"`)
		hosttest.Write(t, path, strings.Join(lines, "\n")+"\n")
		return path
	}
	site := testSite{url: "http://127.0.0.1:" + httpPort}
	site.conf = conf(back, append(store, `service.http.enable = "no"`, `service.dwp.enable = "yes"`, `service.dwp.listenaddr = "127.0.0.2"`)...)
	frontConf := conf(front, `service.http.listenaddr = "127.0.0.1"`, `service.http.port = "`+httpPort+`"`,
		`csapi.plugin.calendarlookup = "yes"`, `caldb.cld.type = "directory"`, `caldb.dwp.server.default = "`+back+`"`,
		`caldb.dwp.server.`+back+`.ip = "`+back+`"`, `service.store.enable = "no"`)
	said, ended := runServer(t, testProgram(t, hosts, "calserver", "serve", "--config", site.conf))
	awaitServer(t, "serving front ends", ended, said, func() bool {
		c, err := net.Dial("tcp", "127.0.0.2:"+dwpPort)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	said, ended = runServer(t, testProgram(t, hosts, "calserver", "serve", "--config", frontConf))
	awaitServer(t, "ready", ended, said, answers(site.url))
	return site
}

// eachSite runs a test on one process with SQLite, and on two hosts with
// SQLite and with PostgreSQL.
func eachSite(t *testing.T, test func(t *testing.T, s testSite)) {
	t.Run("one process", func(t *testing.T) {
		t.Parallel()
		test(t, quickstartSite(t))
	})
	t.Run("two hosts", func(t *testing.T) {
		t.Parallel()
		test(t, splitSite(t))
	})
	t.Run("two hosts and PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.Start(t)
		test(t, splitSite(t, `factotum.store.type = "postgres"`, fmt.Sprintf("factotum.store.dsn = %q", dsn)))
	})
}

// tool runs one of the tools against the site's store.
func (s testSite) tool(t *testing.T, name string, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	cmd := testProgram(t, "", name, append([]string{"-C", s.conf}, args...)...)
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	cmd.Wait()
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}
