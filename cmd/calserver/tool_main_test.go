package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"factotum/cmd/internal/freeport"
	"factotum/server/directory"
	"factotum/store/storetest/pgtest"
)

// TestMain makes the test binary every program of the server, so that scripts
// and processes of their own run what users run.
func TestMain(m *testing.M) {
	commands := map[string]func(){"calserver": main}
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
	if hosts == "" {
		cmd := exec.Command(bin, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	const script = `mount --make-rprivate / && mount --bind "$0" /etc/hosts && exec "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, hosts, bin}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// testSite is a running installation: where its clients and its administrator go.
type testSite struct {
	url  string // of its HTTP service
	conf string // of the host that has the store
}

// lockedBuffer is what a server says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// runServer runs a server until the test ends.
func runServer(t *testing.T, cmd *exec.Cmd) (said *lockedBuffer, ended chan struct{}) {
	t.Helper()
	said, ended = &lockedBuffer{}, make(chan struct{})
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
		case <-time.After(30 * time.Second):
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
func awaitServer(t *testing.T, what string, ended chan struct{}, said *lockedBuffer, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); {
		select {
		case <-ended:
			t.Fatalf("the server ended before it was %s:\n%s", what, said)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not %s:\n%s", what, said)
		}
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
	writeText(t, hosts, "127.0.0.1 localhost "+front+"\n127.0.0.2 "+back+"\n")
	if out, err := testProgram(t, hosts, "calserver", "--version").CombinedOutput(); err != nil {
		t.Skipf("two hosts need mount namespaces: %v %s", err, out)
	}
	testCertificates(t, dir, front, back)
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
			`service.dwp.ssl.keyfile = "../`+name+`.key"`, `service.dwp.ssl.cafile = "../ca.pem"`)
		writeText(t, path, strings.Join(lines, "\n")+"\n")
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

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// testCertificates makes an authority and a certificate for each host.
func testCertificates(t *testing.T, dir string, hosts ...string) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return key
	}
	template := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true}
	}
	ca, caKey := template(1, "authority"), newKey()
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	writeText(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	for i, host := range hosts {
		c, key := template(int64(i+2), host), newKey()
		c.DNSNames, c.KeyUsage = []string{host}, x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
		must(err)
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		must(err)
		writeText(t, filepath.Join(dir, host+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		writeText(t, filepath.Join(dir, host+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	}
}

// eachSite runs a test on one process with SQLite, and on two hosts with
// SQLite and with PostgreSQL.
func eachSite(t *testing.T, test func(t *testing.T, s testSite)) {
	t.Run("one process", func(t *testing.T) { test(t, quickstartSite(t)) })
	t.Run("two hosts", func(t *testing.T) { test(t, splitSite(t)) })
	t.Run("two hosts and PostgreSQL", func(t *testing.T) {
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
