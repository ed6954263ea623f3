package front

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
)

// site is a front end on a loopback port, over a handler that tests give.
type site struct {
	*Server
	addr, url   string
	log, access *syncBuffer
	seen        chan Seen
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func serve(t *testing.T, opt Options, dav http.HandlerFunc) *site {
	t.Helper()
	s := &site{log: &syncBuffer{}, access: &syncBuffer{}, seen: make(chan Seen, 1000)}
	if dav != nil {
		opt.CalDAV = dav
	}
	opt.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	opt.Access = slog.New(slog.NewTextHandler(s.access, nil))
	opt.Observe = func(x Seen) { s.seen <- x }
	s.Server = New(opt)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.url = "http://" + s.addr
	s.Serve(ln)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return s
}

// ask sends a request and waits until the server is done with it.
func (s *site) ask(t *testing.T, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	tr := &http.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	<-s.seen
	return resp, string(b)
}

// raw sends octets as they are, and reads one answer.
func (s *site) raw(t *testing.T, text string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "body", http.StatusRequestEntityTooLarge)
		return
	}
	w.Write(b)
}

func TestRoutes(t *testing.T) {
	name := func(n string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, n+" "+r.Method) }
	}
	s := serve(t, Options{WCAP: name("wcap")}, name("dav"))
	for _, c := range []struct{ method, path, want string }{
		{"PROPFIND", "/dav/", "dav PROPFIND"}, {"REPORT", "/dav/calendars/a/b/", "dav REPORT"}, {"MKCALENDAR", "/dav/x", "dav MKCALENDAR"}, {"MKCALENDAR", "/x/", "dav MKCALENDAR"}, {"MKCOL", "/x/y/", "dav MKCOL"},
		{"PROPFIND", "/", "dav PROPFIND"}, {"OPTIONS", "/", "dav OPTIONS"}, {"PROPFIND", "/principals/", "dav PROPFIND"},
		{"GET", "/.well-known/caldav", "dav GET"}, {"PROPFIND", "/.well-known/caldav", "dav PROPFIND"},
		{"GET", "/login.wcap", "wcap GET"}, {"POST", "/", "wcap POST"}, {"POST", "/wcap/login.wcap", "wcap POST"},
		{"GET", "/iwc/svc/wcap/login.wcap", "wcap GET"},
		{"PROPFIND", "//", "dav PROPFIND"}, {"PROPFIND", "//dav//x", "dav PROPFIND"}, {"GET", "/.well-known//caldav", "dav GET"}, {"POST", "/wcap//login.wcap", "wcap POST"},
		{"GET", "/healthz", "ok\n"}, {"GET", "/readyz", "ready\n"},
	} {
		if _, got := s.ask(t, c.method, c.path, nil); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
	}
	if _, page := s.ask(t, "GET", "//", nil); !strings.Contains(page, "Thunderbird") {
		t.Errorf("the page at //: %s", page)
	}
	resp, page := s.ask(t, "GET", "/", nil)
	if resp.StatusCode != 200 || !strings.Contains(page, s.url+"/") || !strings.Contains(page, "Thunderbird") {
		t.Errorf("the page at /: %s %s", resp.Status, page)
	}
	if h := resp.Header; h.Get("Server") != "" || h.Get("X-Request-Id") == "" || h.Get("Content-Security-Policy") == "" {
		t.Errorf("headers of the page: %v", h)
	}
}

func TestWithoutWCAP(t *testing.T) {
	s := serve(t, Options{}, echo)
	if resp, _ := s.ask(t, "GET", "/login.wcap", nil); resp.StatusCode != 404 {
		t.Errorf("/login.wcap: %s", resp.Status)
	}
	if resp, _ := s.ask(t, "BREW", "/dav/", nil); resp.StatusCode != 405 {
		t.Errorf("an unknown method: %s", resp.Status)
	}
}

func TestPageEscapesHost(t *testing.T) {
	s := serve(t, Options{}, echo)
	resp := s.raw(t, "GET / HTTP/1.1\r\nHost: a\"><script>\r\nConnection: close\r\n\r\n")
	if resp.StatusCode == 200 {
		b, _ := io.ReadAll(resp.Body)
		if bytes.Contains(b, []byte("<script>")) {
			t.Errorf("the page has the Host as it came: %s", b)
		}
	}
}

func TestPanicIsOneRequest(t *testing.T) {
	s := serve(t, Options{Gzip: true}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/dav/early":
			w.Header().Set("ETag", `"x"`)
			panic("a secret of the program")
		case "/dav/buffered": // still in the buffer of compression
			w.Header().Set("Content-Type", "application/xml")
			io.WriteString(w, "<half")
			panic("late")
		case "/dav/late":
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic("late")
		}
		io.WriteString(w, "fine")
	})
	for _, path := range []string{"/dav/early", "/dav/buffered"} {
		resp, body := s.ask(t, "GET", path, nil, "Accept-Encoding", "gzip")
		if resp.StatusCode != 500 || strings.Contains(body, "secret") || strings.Contains(body, "half") || resp.Header.Get("Etag") != "" {
			t.Errorf("%s: %s %v %q", path, resp.Status, resp.Header, body)
		}
	}
	resp, err := http.Get(s.url + "/dav/late")
	if err == nil {
		if _, err = io.ReadAll(resp.Body); err == nil {
			t.Error("/dav/late: half an answer looked whole")
		}
		resp.Body.Close()
	}
	<-s.seen
	if _, body := s.ask(t, "GET", "/dav/", nil); body != "fine" {
		t.Errorf("after the panics: %q", body)
	}
	if !strings.Contains(s.log.String(), "HTTP request panicked") || !strings.Contains(s.log.String(), "front_test.go") {
		t.Errorf("the log has no stack: %s", s.log)
	}
}

func TestLimits(t *testing.T) {
	s := serve(t, Options{BodyBytes: 1000, HeaderBytes: 8 << 10, Gzip: true}, echo)
	if resp, _ := s.ask(t, "PUT", "/dav/x", strings.NewReader(strings.Repeat("x", 1001))); resp.StatusCode != 413 {
		t.Errorf("a body that says it is too large: %s", resp.Status)
	}
	// Without a length it is cut off on the way.
	if resp, _ := s.ask(t, "PUT", "/dav/x", io.MultiReader(strings.NewReader(strings.Repeat("x", 5000)))); resp.StatusCode != 413 {
		t.Errorf("a body without end: %s", resp.Status)
	}
	if resp, body := s.ask(t, "PUT", "/dav/x", strings.NewReader("small")); resp.StatusCode != 200 || body != "small" {
		t.Errorf("a small body: %s %q", resp.Status, body)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 500))
	z.Close()
	resp, _ := s.ask(t, "PUT", "/dav/x", &bomb, "Content-Encoding", "gzip")
	if resp.StatusCode != 415 || resp.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("a compressed body: %s %v", resp.Status, resp.Header)
	}
	if resp := s.raw(t, "GET /dav/ HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 20<<10)+"\r\n\r\n"); resp.StatusCode != 431 {
		t.Errorf("a large header: %s", resp.Status)
	}
}

// RFC 9112 §6: what could be read in two ways is refused, or is the last
// request of its connection.
func TestRFC9112_6_Framing(t *testing.T) {
	s := serve(t, Options{}, echo)
	for _, c := range []struct{ name, head string }{
		{"two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"},
		{"a signed length", "Content-Length: +3\r\n\r\nabc"},
		{"an unknown coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"a blank before the colon", "Content-Length : 3\r\n\r\nabc"},
		{"NUL in a header", "X: a\x00b\r\n\r\n"},
		{"a coding twice", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
	} {
		resp := s.raw(t, "PUT /dav/x HTTP/1.1\r\nHost: x\r\n"+c.head)
		if resp.StatusCode != 400 && resp.StatusCode != 501 {
			t.Errorf("%s: %s", c.name, resp.Status)
		}
	}
	resp := s.raw(t, "PUT /dav/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /dav/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
	if !resp.Close {
		t.Errorf("length and chunks: %s, and the connection stays", resp.Status)
	}
	if strings.Contains(s.access.String(), "op=GET") {
		t.Error("a second request was found in the first")
	}
}

func TestGzip(t *testing.T) {
	large := "<x>" + strings.Repeat("calendar ", 1000) + "</x>"
	s := serve(t, Options{Gzip: true}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		w.Header().Set("ETag", `"tag-1"`)
		if r.URL.Query().Get("small") != "" {
			io.WriteString(w, "<x/>")
			return
		}
		io.WriteString(w, large)
	})
	for _, c := range []struct {
		path, accept string
		packed       bool
	}{
		{"/dav/?type=application/xml", "gzip", true},
		{"/dav/?type=application/xml", "", false},
		{"/dav/?type=application/xml&small=1", "gzip", false},
		{"/dav/?type=text/calendar", "gzip", false},
		{"/dav/?type=application/xml", "gzip;q=0", false},
	} {
		resp, body := s.ask(t, "GET", c.path, nil, "Accept-Encoding", c.accept)
		if packed := resp.Header.Get("Content-Encoding") == "gzip"; packed != c.packed {
			t.Errorf("%s, Accept-Encoding %q: packed %v", c.path, c.accept, packed)
		}
		if resp.Header.Get("ETag") != `"tag-1"` {
			t.Errorf("%s: the ETag is %s", c.path, resp.Header.Get("ETag"))
		}
		if c.packed {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(z); err != nil || string(b) != large {
				t.Errorf("%s: unpacked to %d octets, %v", c.path, len(b), err)
			}
			if !strings.Contains(resp.Header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("%s: Vary is %q", c.path, resp.Header.Get("Vary"))
			}
		}
	}
}

func TestAccessLogKeepsSecrets(t *testing.T) {
	s := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		NoteUser(r.Context(), "anna")
		io.WriteString(w, "four")
	})
	s.ask(t, "GET", "/dav/calendars/anna/private-name.ics?password=hunter2&id=session1", nil, "Authorization", "Basic aHVudGVyMg==", "Cookie", "id=session2")
	s.ask(t, "PASSWORD", "/x", nil)
	log := s.access.String()
	for _, secret := range []string{"hunter2", "session1", "session2", "aHVudGVyMg", "private-name", "PASSWORD"} {
		if strings.Contains(log, secret) {
			t.Errorf("the access log has %s: %s", secret, log)
		}
	}
	for _, want := range []string{"user=anna", "op=GET", "route=dav", "status=200", "bytes=4", "dur=", "req=", "remote=127.0.0.1", "agent=Go-http-client"} {
		if !strings.Contains(log, want) {
			t.Errorf("the access log has no %s: %s", want, log)
		}
	}
}

func TestTrustedProxies(t *testing.T) {
	type saw struct{ remote, id string }
	var got saw
	handler := func(w http.ResponseWriter, r *http.Request) {
		got = saw{r.RemoteAddr, calendar.RequestID(r.Context())}
	}
	trusting := serve(t, Options{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}, handler)
	wary := serve(t, Options{}, handler)
	for _, c := range []struct {
		s         *site
		forwarded string
		want      string
	}{
		{trusting, "192.0.2.7", "192.0.2.7:0"},
		{trusting, "203.0.113.9, 192.0.2.7, 10.1.1.1", "192.0.2.7:0"}, // what the client said of itself does not count
		{trusting, "2001:db8::1", "[2001:db8::1]:0"},
		{trusting, "10.1.1.1, 10.2.2.2", "10.1.1.1:0"},
		{trusting, "nonsense", "127.0.0.1"},
		{wary, "192.0.2.7", "127.0.0.1"},
	} {
		c.s.ask(t, "GET", "/dav/", nil, "X-Forwarded-For", c.forwarded, "X-Request-Id", "given-1")
		if !strings.HasPrefix(got.remote, c.want) {
			t.Errorf("X-Forwarded-For: %s: the client is %s, want %s", c.forwarded, got.remote, c.want)
		}
		if (got.id == "given-1") != (c.s == trusting) {
			t.Errorf("X-Request-Id of a proxy: %s", got.id)
		}
	}
}

func TestSecureLogin(t *testing.T) {
	s := serve(t, Options{SecureLogin: true, SecurePort: 8443, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, echo)
	// Loopback itself is exempt: the client is behind a proxy, without TLS.
	resp, _ := s.ask(t, "PROPFIND", "/dav/a%20b/?x=1", nil, "X-Forwarded-For", "192.0.2.7")
	if got := resp.Header.Get("Location"); resp.StatusCode != 308 || got != "https://127.0.0.1:8443/dav/a%20b/" {
		t.Errorf("without TLS: %s to %s", resp.Status, got)
	}
	if resp, _ := s.ask(t, "PROPFIND", "/dav/", nil, "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https"); resp.StatusCode != 200 {
		t.Errorf("a proxy with TLS: %s", resp.Status)
	}
	if resp, _ := s.ask(t, "PROPFIND", "/dav/", nil); resp.StatusCode != 200 {
		t.Errorf("from this host: %s", resp.Status)
	}
}

func TestReady(t *testing.T) {
	var fail error
	s := serve(t, Options{Ready: func(context.Context) error { return fail }}, echo)
	if resp, _ := s.ask(t, "GET", "/readyz", nil); resp.StatusCode != 200 {
		t.Errorf("ready: %s", resp.Status)
	}
	fail = errors.New("dsn=secret")
	resp, body := s.ask(t, "GET", "/readyz", nil)
	if resp.StatusCode != 503 || strings.Contains(body, "secret") {
		t.Errorf("not ready: %s %s", resp.Status, body)
	}
	if resp, _ := s.ask(t, "GET", "/healthz", nil); resp.StatusCode != 200 {
		t.Errorf("alive all the same: %s", resp.Status)
	}
}

func TestDeadlineOfWork(t *testing.T) {
	s := serve(t, Options{RequestTimeout: 20 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dav/answering" { // the clock stops when the answer begins
			w.WriteHeader(200)
			select {
			case <-r.Context().Done():
				io.WriteString(w, "cut")
			case <-time.After(100 * time.Millisecond):
				io.WriteString(w, "whole")
			}
			return
		}
		<-r.Context().Done()
		http.Error(w, fmt.Sprint(context.Cause(r.Context())), http.StatusServiceUnavailable)
	})
	if resp, body := s.ask(t, "GET", "/dav/stuck", nil); resp.StatusCode != 503 || !strings.Contains(body, "deadline") {
		t.Errorf("work without end: %s %s", resp.Status, body)
	}
	if _, body := s.ask(t, "GET", "/dav/answering", nil); body != "whole" {
		t.Errorf("an answer under way: %s", body)
	}
}

func TestDrain(t *testing.T) {
	begun, release := make(chan bool), make(chan bool)
	s := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-release
		io.WriteString(w, "done")
	})
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.url + "/dav/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-begun
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for { // until nobody listens
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("the request under way: %s", got)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// service.http.domainallowed and domainnotallowed: an allowed address counts
// before a denied one, and a list of allowed ones alone shuts the rest out.
func TestAddressesThatAreServed(t *testing.T) {
	nets := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	proxy := nets("127.0.0.1/32")
	for _, c := range []struct {
		allowed, denied []netip.Prefix
		from            string
		want            int
	}{
		{nil, nil, "192.0.2.7", 200},
		{nets("192.0.2.0/24"), nil, "192.0.2.7", 200},
		{nets("192.0.2.0/24"), nil, "198.51.100.7", 403},
		{nets("2001:db8::/32"), nil, "2001:db8::7", 200},
		{nil, nets("192.0.2.0/24"), "192.0.2.7", 403},
		{nil, nets("192.0.2.0/24"), "198.51.100.7", 200},
		{nets("192.0.2.7/32"), nets("192.0.2.0/24"), "192.0.2.7", 200},
		{nets("192.0.2.7/32"), nets("192.0.2.0/24"), "192.0.2.8", 403},
		{nets("192.0.2.7/32"), nets("192.0.2.0/24"), "198.51.100.7", 200},
	} {
		s := serve(t, Options{Proxies: proxy, Allowed: c.allowed, Denied: c.denied}, echo)
		if resp, _ := s.ask(t, "GET", "/dav/", nil, "X-Forwarded-For", c.from); resp.StatusCode != c.want {
			t.Errorf("%v, %v: %s gets %d, want %d", c.allowed, c.denied, c.from, resp.StatusCode, c.want)
		}
		if resp, _ := s.ask(t, "GET", "/healthz", nil); resp.StatusCode != 200 {
			t.Errorf("%v, %v: health for this host: %d", c.allowed, c.denied, resp.StatusCode)
		}
	}
}

// TestSlashes: several are one for whoever answers; what is encoded stays so.
func TestSlashes(t *testing.T) {
	s := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.EscapedPath()) })
	for path, want := range map[string]string{
		"/dav//calendars///anna/": "/dav/calendars/anna/", "/dav//a%20b//": "/dav/a%20b/", "/dav/a%2F/b": "/dav/a%2F/b", "/dav//a%2Fb": "/dav/a%2Fb", "/dav/%2F%2Fb": "/dav/%2F%2Fb",
	} {
		if _, got := s.ask(t, "PROPFIND", path, nil); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}
