package dwp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/cld"
	model "factotum/server/service"
)

const testHost = "calendar1.sesta.com"

// link is a server and a client of it; the options may be changed before.
type link struct {
	server ServerOptions
	client ClientOptions
	listen string // "" = a unix socket
}

func newLink() *link {
	quiet := slog.New(slog.DiscardHandler)
	return &link{
		server: ServerOptions{Names: []string{"localhost", testHost}, Logger: quiet},
		client: ClientOptions{Host: testHost, Logger: quiet},
	}
}

// serve starts the server alone and points the client at it.
func (l *link) serve(t testing.TB, be calendar.Backend) *Server {
	t.Helper()
	if l.listen == "" {
		l.listen = "unix:" + filepath.Join(t.TempDir(), "s")
	}
	ln, err := Listen(l.listen)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(ln, be, l.server)
	if err != nil {
		ln.Close()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(gone)
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	if ln.Addr().Network() == "unix" {
		l.client.Address = unixPrefix + ln.Addr().String()
	} else {
		l.client.Address = ln.Addr().String()
	}
	return s
}

func (l *link) connect(t testing.TB) *Client {
	t.Helper()
	c, err := NewClient(l.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (l *link) open(t testing.TB, be calendar.Backend) *Client {
	t.Helper()
	l.serve(t, be)
	return l.connect(t)
}

func newService(people calendar.People) *model.Service {
	return model.New(calendartest.NewStore(), people, model.Options{Host: testHost})
}

func TestContract(t *testing.T) {
	t.Run("Unix", func(t *testing.T) {
		calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
			return newLink().open(t, newService(people))
		})
	})
	t.Run("TLS", func(t *testing.T) {
		ca := newAuthority(t)
		calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
			return tlsLink(t, ca).open(t, newService(people))
		})
	})
}

// TestCopies: what goes to another owner crosses the wire twice.
func TestCopies(t *testing.T) {
	calendartest.RunCopies(t, func(t *testing.T, people calendar.People) calendar.Backend {
		r, err := cld.New(cld.Options{Local: newLink().open(t, newService(people))})
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

// authority signs certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert, a.key = a.make(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.file, "")
	return a
}

var serial int64

func (a *authority) make(t testing.TB, c *x509.Certificate, certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	serial++
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(serial), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, "CERTIFICATE", der)
	if keyFile != "" {
		b, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, keyFile, "PRIVATE KEY", b)
	}
	return cert, key
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files makes a certificate for a name.
func (a *authority) files(t testing.TB, name string) *TLS {
	t.Helper()
	dir := t.TempDir()
	f := &TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: a.file}
	a.sign(t, f, name)
	return f
}

func (a *authority) sign(t testing.TB, f *TLS, name string) {
	t.Helper()
	a.make(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, f.Cert, f.Key)
}

// tlsLink is a link over mutual TLS on a loopback port.
func tlsLink(t testing.TB, ca *authority) *link {
	l := newLink()
	l.listen = "127.0.0.1:0"
	l.server.TLS = ca.files(t, testHost)
	l.client.TLS = ca.files(t, "front1.sesta.com")
	return l
}

// closedPort returns an address where nobody listens: a port that was just closed.
func closedPort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
