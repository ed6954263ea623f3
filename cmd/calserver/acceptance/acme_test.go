package acceptance

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// authority is Pebble, Let's Encrypt's own ACME authority for tests.
type authority struct {
	directory string         // its address
	cafile    string         // who signed its own certificate
	roots     *x509.CertPool // of those that it gives
	stop      func()
}

// newAuthority starts one that asks hosts at these ports, for which all names are on this host.
func newAuthority(t *testing.T, httpPort, tlsPort int) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "20") // percent: clients have to try again
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if len(q.Question) == 1 && q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)})
		}
		w.WriteMsg(m)
	})}
	go names.ActivateAndServe()
	t.Cleanup(func() { names.Shutdown() })

	quiet, memory := log.New(io.Discard, "", 0), db.NewMemoryStore()
	gives := ca.New(quiet, memory, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "the only one", ValidityPeriod: 90 * 24 * 3600}})
	front := wfe.New(quiet, memory, va.New(quiet, httpPort, tlsPort, false, ln.Addr().String(), memory), gives, []string{"authority.example"}, false, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	a := &authority{directory: server.URL + wfe.DirectoryPath, cafile: filepath.Join(t.TempDir(), "authority.pem"), roots: x509.NewCertPool(), stop: server.Close}
	hosttest.Write(t, a.cafile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	if !a.roots.AppendCertsFromPEM(gives.GetRootCert(0).PEM()) {
		t.Fatal("the authority has no root")
	}
	return a
}

// TestACME: the server gets its certificates by itself, by either way that an authority
// asks, shows them to who names the host and to who does not, keeps them, and goes on
// while the authority is away. docs/admin.md, "TLS".
func TestACME(t *testing.T) {
	for name, byTLS := range map[string]bool{"asked over TLS": true, "asked over HTTP": false} {
		t.Run(name, func(t *testing.T) {
			tlsPort := freeport.Take(t, "127.0.0.1")
			var asked int // where the authority asks over TLS
			if asked = tlsPort; !byTLS {
				asked = freeport.Take(t, "127.0.0.1") // nobody is there
			}
			h := installed(t)
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(h.base, "http://"))
			var httpPort int
			fmt.Sscan(port, &httpPort)
			a := newAuthority(t, httpPort, asked)
			f, err := os.OpenFile(h.conf, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(f, "factotum.http.acme.hosts = \"cal.example.com dav.example.com\"\nfactotum.http.acme.agree = \"yes\"\nfactotum.http.acme.directory = %q\n"+
				"factotum.http.acme.cafile = %q\nservice.http.ssl.port = \"%d\"\n", a.directory, a.cafile, tlsPort)
			f.Close()
			h.start(t)
			shown := func(server string) (string, error) {
				conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", tlsPort), &tls.Config{ServerName: server, InsecureSkipVerify: server == "", RootCAs: a.roots})
				if err != nil {
					return "", err
				}
				defer conn.Close()
				return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
			}
			await := func(server string) (serial string) {
				t.Helper()
				for end := time.Now().Add(hosttest.Patience); ; time.Sleep(100 * time.Millisecond) {
					serial, err := shown(server)
					if err == nil {
						return serial
					}
					if time.Now().After(end) {
						t.Fatalf("%s: %v\n%s", server, err, h.log)
					}
				}
			}
			serial := await("cal.example.com")
			await("dav.example.com")
			if got, err := shown(""); err != nil || got != serial {
				t.Errorf("who names no host is shown %s, %v; want %s", got, err, serial)
			}
			if _, err := shown("elsewhere.example.com"); err == nil {
				t.Error("a name that is not ours has a certificate")
			}
			a.stop()
			h.stop(t)
			h.start(t)
			if got := await("cal.example.com"); got != serial {
				t.Errorf("after a restart without the authority it shows %s, want %s", got, serial)
			}
			for end := time.Now().Add(hosttest.Patience); ; time.Sleep(100 * time.Millisecond) {
				out, err := calserver(t, "status", "-C", h.conf)
				if err == nil && strings.Contains(out, "certificate cal.example.com: ") && strings.Contains(out, "certificate dav.example.com: ") {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("status says\n%s", out)
				}
			}
		})
	}
}

// TestACMERefused: where there is no certificate the server serves what it can, and says why.
func TestACMERefused(t *testing.T) {
	tlsPort := freeport.Take(t, "127.0.0.1")
	a := newAuthority(t, freeport.Take(t, "127.0.0.1"), freeport.Take(t, "127.0.0.1")) // asks where nobody is
	h := installed(t, `factotum.http.acme.hosts = "cal.example.com"`, `factotum.http.acme.agree = "yes"`, fmt.Sprintf("factotum.http.acme.directory = %q", a.directory),
		fmt.Sprintf("factotum.http.acme.cafile = %q", a.cafile), fmt.Sprintf(`service.http.ssl.port = "%d"`, tlsPort))
	h.expects = "has to reach this host by that name"
	h.start(t)
	for end := time.Now().Add(hosttest.Patience); ; time.Sleep(200 * time.Millisecond) {
		out, err := calserver(t, "status", "-C", h.conf)
		if err == nil && strings.Contains(out, "certificate cal.example.com") && strings.Contains(out, "has to reach this host by that name") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("status does not say why:\n%s\n%s", out, h.log)
		}
	}
	for line, want := range map[string]string{
		`factotum.http.acme.agree = "no"`:                     "factotum.http.acme.agree: expected yes",
		`factotum.http.acme.hosts = "192.0.2.1"`:              "expected the fully qualified name",
		`factotum.http.acme.hosts = "*.example.com"`:          "expected the fully qualified name",
		`factotum.http.acme.directory = "http://example.com"`: "begins with https://",
	} {
		other := installed(t, `factotum.http.acme.hosts = "cal.example.com"`, `factotum.http.acme.agree = "yes"`, line)
		if out, err := calserver(t, "config", "check", "-C", other.conf); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}
