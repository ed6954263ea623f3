// Package xmpptest runs Debian's prosody for tests, and people's clients at it.
package xmpptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Domain is that of the accounts, and Component a component of the server.
const (
	Domain    = "example.com"
	Component = "reminders.example.com"
)

// Prosody is a server.
type Prosody struct {
	Address   string // of clients: STARTTLS
	TLS       string // of clients: TLS from the first octet
	Component string // of components
	CA        string // file of the authority of its certificate
	Dir       string
	conf      string
	cmd       *exec.Cmd
}

// Password is that of an account, and of a component.
func Password(name string) string { return name + "-xmpp" }

// Start runs a server with accounts and the component, until the test ends.
func Start(t testing.TB, accounts ...string) *Prosody {
	t.Helper()
	return StartWith(t, fmt.Sprintf("Component %q\n\tcomponent_secret = %q\n", Component, Password(Component)), accounts...)
}

// StartWith runs one with other components.
func StartWith(t testing.TB, components string, accounts ...string) *Prosody {
	t.Helper()
	if _, err := exec.LookPath("prosody"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("prosody is not installed")
		}
		t.Skip("prosody is not installed")
	}
	p := &Prosody{Dir: t.TempDir()}
	ports := [3]int{freePort(t), freePort(t), freePort(t)}
	for i, a := range []*string{&p.Address, &p.TLS, &p.Component} {
		*a = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i]))
	}
	p.CA = certificate(t, p.Dir, Domain)
	for _, name := range accounts {
		p.Account(t, name)
	}
	p.conf = filepath.Join(p.Dir, "prosody.cfg.lua")
	write(t, p.conf, fmt.Sprintf(`
run_as_root = true
pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s/data"
interfaces = { "127.0.0.1" }
c2s_ports = { %[2]d }
c2s_direct_tls_ports = { %[3]d }
component_ports = { %[4]d }
component_interfaces = { "127.0.0.1" }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "carbons", "offline" }
modules_disabled = { "s2s" }
authentication = "internal_plain"
c2s_require_encryption = true
certificates = "%[1]s"
ssl = { certificate = "%[1]s/%[5]s.crt", key = "%[1]s/%[5]s.key" }
log = { debug = "%[1]s/prosody.log" }
VirtualHost "%[5]s"
%[6]s`, p.Dir, ports[0], ports[1], ports[2], Domain, components))
	p.Run(t)
	t.Cleanup(p.Stop)
	return p
}

// Account makes one, before the server starts or while it runs.
func (p *Prosody) Account(t testing.TB, name string) {
	t.Helper()
	dir := filepath.Join(p.Dir, "data", strings.ReplaceAll(Domain, ".", "%2e"), "accounts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".dat"), fmt.Sprintf("return { [\"password\"] = %q };\n", Password(name)))
}

// Run starts the server, again after Stop.
func (p *Prosody) Run(t testing.TB) {
	t.Helper()
	p.cmd = exec.Command("prosody", "-F", "--config", p.conf)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		up := 0
		for _, a := range []string{p.Address, p.TLS, p.Component} {
			if c, err := net.Dial("tcp", a); err == nil {
				c.Close()
				up++
			}
		}
		if up == 3 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("prosody does not listen:\n%s", p.Log())
		}
	}
}

// Stop ends the server; nothing of what it keeps is lost.
func (p *Prosody) Stop() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() })
	p.cmd.Wait()
	late.Stop()
	p.cmd = nil
}

// Log is what the server has written.
func (p *Prosody) Log() string {
	b, _ := os.ReadFile(filepath.Join(p.Dir, "prosody.log"))
	return string(b)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// certificate makes one of a name, which is its own authority.
func certificate(t testing.TB, dir, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	crt := filepath.Join(dir, name+".crt")
	write(t, crt, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return crt
}
