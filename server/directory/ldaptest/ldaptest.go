// Package ldaptest starts a throw-away OpenLDAP server with the calendar
// schema for tests.
//
// The server is Debian's slapd, run from a temporary folder on free loopback
// ports. Where slapd is not installed, tests are skipped with that reason, but
// fail if the environment says CI=true.
package ldaptest

import (
	"bytes"
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
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"factotum/templates"
)

// The directory of every Server.
const (
	BaseDN        = "o=usergroup"
	AdminDN       = "cn=Directory Manager,o=usergroup"
	AdminPassword = "manager-secret"
)

// Server is a running slapd.
type Server struct {
	Addr    string         // host:port of ldap://, StartTLS is on offer
	TLSAddr string         // host:port of ldaps://
	CA      *x509.CertPool // that the server's certificate for 127.0.0.1 comes from

	t   testing.TB
	dir string
	cmd *exec.Cmd

	ended chan error
}

// Start runs a server with the entries of an LDIF text below BaseDN, which is
// made by it. The server ends with the test.
func Start(t testing.TB, ldif string) *Server {
	t.Helper()
	slapd, slapadd := need(t, "slapd"), need(t, "slapadd")
	s := &Server{t: t, dir: t.TempDir()}
	s.makeCertificate()
	for name, data := range map[string]string{"ics.schema": templates.LDAPSchema, "data.ldif": base + ldif, "slapd.conf": s.config()} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(slapadd, "-q", "-f", s.path("slapd.conf"), "-l", s.path("data.ldif")).CombinedOutput()
	if err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	for try := 0; ; try++ {
		s.Addr, s.TLSAddr = freeAddr(t), freeAddr(t)
		err := s.run(slapd)
		if err == nil {
			break
		}
		if try == 3 { // another process may take a free port before slapd does
			t.Fatal(err)
		}
	}
	t.Cleanup(s.Stop)
	return s
}

const base = `dn: o=usergroup
objectClass: top
objectClass: organization
o: usergroup

`

// need finds a program of Debian's package slapd.
func need(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/sbin", "/usr/lib/openldap", "/usr/local/libexec"} {
		if p := filepath.Join(dir, name); isFile(p) {
			return p
		}
	}
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (Debian package slapd)", name)
	}
	t.Skipf("%s is not installed (Debian package slapd)", name)
	return ""
}

func isFile(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.Mode().IsRegular()
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) config() string {
	var b strings.Builder
	for _, name := range []string{"core", "cosine", "inetorgperson", "dyngroup"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", name)
	}
	fmt.Fprintf(&b, `include %[1]s/ics.schema
pidfile %[1]s/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
sizelimit unlimited
database mdb
maxsize 268435456
dbnosync
suffix "%[2]s"
rootdn "%[3]s"
rootpw %[4]s
directory %[1]s/db
index objectClass,uid,groupid,mail,mailAlternateAddress,uniqueMember,member eq
index cn eq,sub
access to attrs=userPassword by anonymous auth by * none
access to * by * read
`, s.dir, BaseDN, AdminDN, AdminPassword)
	return b.String()
}

func (s *Server) run(slapd string) error {
	var out bytes.Buffer
	cmd := exec.Command(slapd, "-d", "0", "-f", s.path("slapd.conf"), "-h", "ldap://"+s.Addr+"/ ldaps://"+s.TLSAddr+"/")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start slapd: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("slapd ended: %v\n%s", err, out.String())
		case <-deadline:
			_ = cmd.Process.Kill()
			return fmt.Errorf("slapd does not answer on %s\n%s", s.Addr, out.String())
		case <-tick.C:
			if c, err := ldap.DialURL("ldap://" + s.Addr); err == nil {
				c.Close()
				s.cmd, s.ended = cmd, ended
				return nil
			}
		}
	}
}

// Stop kills the server, as a crash would. Restart brings it back.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Restart starts the stopped server again, on the same ports.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.run(need(s.t, "slapd")); err != nil {
		s.t.Fatal(err)
	}
}

// Modify replaces the values of an attribute; none removes it.
func (s *Server) Modify(dn, attr string, values ...string) {
	s.t.Helper()
	c, err := ldap.DialURL("ldap://" + s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Bind(AdminDN, AdminPassword); err != nil {
		s.t.Fatal(err)
	}
	req := ldap.NewModifyRequest(dn, nil)
	req.Replace(attr, values)
	if err := c.Modify(req); err != nil {
		s.t.Fatal(err)
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// makeCertificate writes a self-signed certificate for 127.0.0.1.
func (s *Server) makeCertificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	s.CA = x509.NewCertPool()
	s.CA.AppendCertsFromPEM(certPEM)
	for name, data := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}
