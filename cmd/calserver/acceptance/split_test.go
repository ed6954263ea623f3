package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"strconv"
	"testing"
	"time"
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

// split starts a front end without a store, and a back end without HTTP, in
// two processes that speak DWP over mutual TLS.
func split(t testing.TB, lines ...string) (front, back *host) {
	t.Helper()
	const backName, frontName = "localhost", "front.example.com"
	dwpPort, admin := strconv.Itoa(freePort(t)), strconv.Itoa(freePort(t))
	files := []string{`service.dwp.ssl.certfile = "cert.pem"`, `service.dwp.ssl.keyfile = "key.pem"`, `service.dwp.ssl.cafile = "ca.pem"`}
	back = installed(t, append(append([]string{
		`service.http.enable = "no"`,
		`service.dwp.enable = "yes"`,
		`service.dwp.listenaddr = "127.0.0.1"`,
		fmt.Sprintf(`service.dwp.port = "%s"`, dwpPort),
		fmt.Sprintf(`factotum.admin.listen = "127.0.0.1:%s"`, admin),
	}, files...), lines...)...)
	back.ready = "http://127.0.0.1:" + admin + "/readyz"
	front = installed(t, append(append([]string{
		fmt.Sprintf(`local.hostname = "%s"`, frontName),
		`service.store.enable = "no"`,
		`csapi.plugin.calendarlookup = "yes"`,
		`caldb.cld.type = "directory"`,
		fmt.Sprintf(`caldb.dwp.server.default = "%s"`, backName),
		fmt.Sprintf(`caldb.dwp.server.%[1]s.ip = "%[1]s"`, backName),
		fmt.Sprintf(`caldb.dwp.server.%s.port = "%s"`, backName, dwpPort),
	}, files...), lines...)...)
	ca := newAuthority(t)
	ca.issue(t, back.dir, backName)
	ca.issue(t, front.dir, frontName)
	back.start(t)
	front.start(t)
	front.store = back
	return front, back
}

// deployments are the ways to run the server: everything in one process, and a
// front end with a back end on another host. The host is the one clients see.
var deployments = map[string]func(t testing.TB, lines ...string) *host{
	"one process": func(t testing.TB, lines ...string) *host { return installed(t, lines...).start(t) },
	"front and back end": func(t testing.TB, lines ...string) *host {
		front, _ := split(t, lines...)
		return front
	},
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
