package acceptance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// proxies are those that docs/admin.md has an example of. Around the example goes
// what a system's own configuration has, for a directory and a user of ours.
var proxies = []struct {
	name, language string
	around         string // %s is the example; $DIR and $USER
	more           string // in the example before its last line: answers are compressed
	args           []string
}{
	{"nginx", "nginx", `daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
$USER
events { }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
%s
}
`, "    gzip on; gzip_proxied any; gzip_min_length 1; gzip_types text/calendar;\n", []string{"-p", "$DIR", "-e", "stderr", "-c", "$DIR/conf"}},
	{"apache2", "apache", `ServerRoot $DIR
ServerName localhost
DefaultRuntimeDir $DIR
PidFile $DIR/apache.pid
Mutex fcntl:$DIR
ErrorLog /dev/stderr
$USER
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
Listen 127.0.0.1:$PORT
%s
`, "    AddOutputFilterByType DEFLATE text/calendar\n", []string{"-d", "$DIR", "-f", "$DIR/conf", "-DFOREGROUND"}},
	{"caddy", "caddy", `{
    admin off
    auto_https off
    skip_install_trust
    storage file_system $DIR
}
%s
`, "    encode {\n        gzip\n        minimum_length 1\n        match header Content-Type text/calendar*\n    }\n    tls /etc/ssl/cal.pem /etc/ssl/cal.key\n    bind 127.0.0.1\n",
		[]string{"run", "--config", "$DIR/conf", "--adapter", "caddyfile"}},
}

// TestBehindProxies runs the proxies of docs/admin.md as it has them, before a
// server that is configured as it says, and a client that knows the public name
// alone. Ports, files and the compression of calendars are ours.
func TestBehindProxies(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "admin.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "### Behind a proxy\n")
	if !ok {
		t.Fatal("docs/admin.md has no section about proxies")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var conf []string
	for line := range strings.SplitSeq(section, "\n") {
		if line, ok := strings.CutPrefix(line, "    "); ok && strings.Contains(line, "http.") && !strings.Contains(line, "http.port") && strings.Contains(line, " = ") {
			conf = append(conf, line)
		}
	}
	if len(conf) != 3 {
		t.Fatalf("ics.conf has %q", conf)
	}
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			path := tool(t, p.name)
			_, example, ok := strings.Cut(section, "\n```"+p.language+"\n")
			if !ok {
				t.Fatal("docs/admin.md has no example")
			}
			example, _, _ = strings.Cut(example, "```\n")
			h := installed(t, conf...).start(t)
			dir, port := t.TempDir(), freeport.Take(t, "127.0.0.1")
			if err := os.Chmod(dir, 0o755); err != nil { // the proxy may be another user
				t.Fatal(err)
			}
			pool := certify(t, dir, "cal.example.com")

			last := strings.LastIndex(strings.TrimRight(example, "\n"), "\n") + 1
			example = example[:last] + p.more + example[last:]
			for _, r := range [][2]string{
				{"127.0.0.1:8008", strings.TrimPrefix(h.base, "http://")},
				{"/etc/ssl/", dir + "/"},
				{"listen 443 ssl", fmt.Sprintf("listen 127.0.0.1:%d ssl", port)},
				{"*:443", fmt.Sprintf("127.0.0.1:%d", port)},
				{"cal.example.com {", fmt.Sprintf(":%d {", port)},
			} {
				example = strings.ReplaceAll(example, r[0], r[1])
			}
			user := ""
			if os.Getuid() == 0 {
				user = map[string]string{"nginx": "user root;", "apache2": "User www-data\nGroup www-data"}[p.name]
			}
			fill := strings.NewReplacer("$DIR", dir, "$USER", user, "$PORT", strconv.Itoa(port)).Replace
			hosttest.Write(t, filepath.Join(dir, "conf"), fmt.Sprintf(fill(p.around), example))
			args := make([]string, len(p.args))
			for i, a := range p.args {
				args[i] = fill(a)
			}
			cmd, log := hosttest.Command("", path, args...), &hosttest.Buffer{}
			cmd.Stdout, cmd.Stderr = log, log
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() { cmd.Wait(); close(done) }()
			t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); <-done })

			c := &proxied{t: t, log: log, client: &http.Client{
				Timeout:       time.Minute,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				Transport: &http.Transport{
					TLSClientConfig: &tls.Config{RootCAs: pool},
					DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
						if address != "cal.example.com:443" {
							return nil, fmt.Errorf("an address that clients do not know: %s", address)
						}
						return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", port))
					},
				},
			}}
			c.await(done)
			c.drive()
		})
	}
}

// certify makes a certificate of its own for a name, cal.pem and cal.key.
func certify(t *testing.T, dir, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	hosttest.Write(t, filepath.Join(dir, "cal.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	hosttest.Write(t, filepath.Join(dir, "cal.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

// proxied is a client of the public name.
type proxied struct {
	t      *testing.T
	client *http.Client
	log    *hosttest.Buffer
}

const public = "https://cal.example.com"

func (c *proxied) await(done <-chan struct{}) {
	c.t.Helper()
	for deadline := time.Now().Add(hosttest.Patience); ; {
		select {
		case <-done:
			c.t.Fatalf("the proxy ended:\n%s", c.log)
		case <-time.After(10 * time.Millisecond):
		}
		resp, err := c.client.Get(public + "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the proxy is not ready: %v\n%s", err, c.log)
		}
	}
}

func (c *proxied) do(method, path, body string, want int, headers ...string) (http.Header, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, public+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth("anna", password("anna"))
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", method, path, err, c.log)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		c.t.Errorf("%s %s %q: %s, want %d, %v\n%.500s\n%s", method, path, headers, resp.Status, want, err, b, c.log)
	}
	return resp.Header, string(b)
}

// drive does what clients do, with absolute addresses.
func (c *proxied) drive() {
	const cal = "/dav/calendars/anna/calendar/"
	event := func(uid, more string) string {
		return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260310T090000Z\r\nSUMMARY:Behind a proxy\r\n" +
			more + "END:VEVENT\r\nEND:VCALENDAR\r\n"
	}
	t := c.t
	if h, _ := c.do("PROPFIND", "/.well-known/caldav", "", 301, "Depth: 0"); !regexp.MustCompile(`^(` + public + `)?/dav/$`).MatchString(h.Get("Location")) {
		t.Errorf("well-known leads to %q", h.Get("Location"))
	}
	c.do("MKCALENDAR", "/dav/calendars/anna/other/", "", 201)
	c.do("PUT", cal+"a%20b.ics", event("a", ""), 201)
	c.do("MOVE", cal+"a%20b.ics", "", 201, "Destination: "+public+cal+"a%25%C3%A4.ics")
	c.do("COPY", cal+"a%25%C3%A4.ics", "", 201, "Destination: "+public+"/dav/calendars/anna/other/a.ics")
	c.do("COPY", cal+"a%25%C3%A4.ics", "", 502, "Destination: https://elsewhere.example.org/dav/calendars/anna/other/b.ics")
	c.do("MOVE", cal+"a%25%C3%A4.ics", "", 201, "Destination: "+public+cal+"a.ics")
	_, found := c.do("REPORT", cal, `<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop><D:href>`+
		public+cal+`a.ics</D:href></C:calendar-multiget>`, 207, "Content-Type: application/xml", "Depth: 1")
	if !strings.Contains(found, "UID:a") {
		t.Errorf("a multiget of an absolute href: %s", found)
	}
	// A tag as it comes goes back, compressed or not.
	changed := 0
	for _, coding := range []string{"identity", "gzip"} {
		h, _ := c.do("GET", cal+"a.ics", "", 200, "Accept-Encoding: "+coding)
		tag := h.Get("Etag")
		plain, _ := c.do("GET", cal+"a.ics", "", 200, "Accept-Encoding: identity")
		if plain.Get("Etag") != tag {
			changed++
		}
		c.do("GET", cal+"a.ics", "", 304, "Accept-Encoding: "+coding, "If-None-Match: "+tag)
		c.do("PUT", cal+"a.ics", event("a", ""), 204, "If-Match: "+tag)
		c.do("PUT", cal+"a.ics", event("a", ""), 412, "If-Match: "+tag)
		h, _ = c.do("GET", cal+"a.ics", "", 200, "Accept-Encoding: "+coding)
		c.do("PUT", cal+"a.ics", event("a", ""), 204, `If: <`+public+cal+`a.ics> ([`+h.Get("Etag")+`])`)
	}
	t.Logf("%d of 2 codings changed the tag", changed)
	// Large objects pass, what is too large is told, and so is a wrong password.
	c.do("PUT", cal+"large.ics", event("large", "ATTACH;VALUE=BINARY;ENCODING=BASE64:"+strings.Repeat("QUFB", 2_200_000)+"\r\n"), 201)
	c.do("PUT", cal+"larger.ics", event("larger", "DESCRIPTION:"+strings.Repeat("x", 11<<20)+"\r\n"), 403)
	r, err := http.NewRequest("PUT", public+cal+"b.ics", bytes.NewReader(make([]byte, 5<<20)))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("anna", "wrong")
	if resp, err := c.client.Do(r); err != nil || resp.StatusCode != 401 {
		t.Errorf("a wrong password with 5 MB: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	// The page tells the public address.
	if _, page := c.do("GET", "/", "", 200); !strings.Contains(page, public+"/") {
		t.Errorf("the page does not tell %s:\n%s", public, page)
	}
}
