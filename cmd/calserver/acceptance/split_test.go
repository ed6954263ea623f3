package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/store/storetest/pgtest"
)

// authority signs the certificates of the hosts of one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = block("CERTIFICATE", der)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// issue writes the three files of a host into its directory.
func (a *authority) issue(t testing.TB, dir, name string) {
	t.Helper()
	key := newKey(t)
	cert := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ca.pem"), a.pem)
	write(t, filepath.Join(dir, "cert.pem"), block("CERTIFICATE", der))
	write(t, filepath.Join(dir, "key.pem"), block("PRIVATE KEY", secret))
}

// Two hosts, each with a name and an address. Where mount namespaces cannot be
// made, the back end has the only other name that every system knows.
const (
	frontName, frontAddress = "front.example.com", "127.0.0.1"
	backName, backAddress   = "back.example.com", "127.0.0.2"
)

// named is whether processes can have a hosts file of their own.
var named = sync.OnceValue(func() bool {
	probe := exec.Command("/bin/sh", "-c", "mount --make-rprivate / && mount --bind /dev/null /etc/hosts")
	probe.SysProcAttr = namespace()
	ln, err := net.Listen("tcp", backAddress+":0")
	if err != nil {
		return false
	}
	ln.Close()
	return probe.Run() == nil
})

// namespace has a process see mounts of its own, and die with the test.
func namespace() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// split starts a front end without a store, and a back end without HTTP, as
// two hosts of different names in two processes that speak DWP over mutual TLS.
func split(t testing.TB, lines ...string) (front, back *host) {
	t.Helper()
	name, address, hosts := backName, backAddress, ""
	if named() {
		hosts = filepath.Join(t.TempDir(), "hosts")
		write(t, hosts, "127.0.0.1 localhost\n"+frontAddress+" "+frontName+"\n"+backAddress+" "+backName+"\n")
	} else {
		name, address = "localhost", "127.0.0.1"
	}
	dwpPort, admin := strconv.Itoa(freeport.Take(t, address)), strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	files := []string{`service.dwp.ssl.certfile = "cert.pem"`, `service.dwp.ssl.keyfile = "key.pem"`, `service.dwp.ssl.cafile = "ca.pem"`}
	back = installed(t, append(append([]string{
		fmt.Sprintf(`local.hostname = "%s"`, name),
		`service.http.enable = "no"`,
		`service.dwp.enable = "yes"`,
		fmt.Sprintf(`service.dwp.listenaddr = "%s"`, address),
		fmt.Sprintf(`service.dwp.port = "%s"`, dwpPort),
		fmt.Sprintf(`factotum.admin.listen = "127.0.0.1:%s"`, admin),
	}, files...), lines...)...)
	back.hosts = hosts
	back.ready = "http://127.0.0.1:" + admin + "/readyz"
	front = installed(t, append(append([]string{
		fmt.Sprintf(`local.hostname = "%s"`, frontName),
		`service.store.enable = "no"`,
		`csapi.plugin.calendarlookup = "yes"`,
		`caldb.cld.type = "directory"`,
		fmt.Sprintf(`caldb.dwp.server.default = "%s"`, name),
		fmt.Sprintf(`caldb.dwp.server.%[1]s.ip = "%[1]s"`, name),
		fmt.Sprintf(`caldb.dwp.server.%s.port = "%s"`, name, dwpPort),
	}, files...), lines...)...)
	front.hosts = hosts
	ca := newAuthority(t)
	ca.issue(t, back.dir, name)
	ca.issue(t, front.dir, frontName)
	back.start(t)
	front.start(t)
	front.store = back
	return front, back
}

// deployments are the ways to run the server: everything in one process, and a
// front end with a back end on another host, whose database is SQLite or
// PostgreSQL. The host is the one clients see.
var deployments = map[string]func(t testing.TB, lines ...string) *host{
	"one process": func(t testing.TB, lines ...string) *host { return installed(t, lines...).start(t) },
	"front and back end": func(t testing.TB, lines ...string) *host {
		front, _ := split(t, lines...)
		return front
	},
	"front and back end with PostgreSQL": splitPostgres,
}

func splitPostgres(t testing.TB, lines ...string) *host {
	t.Helper()
	front, _ := split(t, append(lines, `factotum.store.type = "postgres"`, fmt.Sprintf("factotum.store.dsn = %q", pgtest.Start(t)))...)
	return front
}

// everywhere runs a test in all deployments.
func everywhere(t *testing.T, test func(t *testing.T, h *host)) {
	for name, deploy := range deployments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, deploy(t))
		})
	}
}

// outermost are the two deployments that have the least in common, for tests
// that take long.
func outermost() map[string]func(t testing.TB, lines ...string) *host {
	out := maps.Clone(deployments)
	delete(out, "front and back end")
	return out
}
