package front

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// early answers without a look at the body, as who refuses a password does.
func early(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", "Basic")
	w.WriteHeader(http.StatusUnauthorized)
}

// stubborn sends all of a request before it reads the answer.
func stubborn(t *testing.T, c net.Conn, head string, body func(io.Writer) error) (status int, text string) {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatalf("%.40q: %v while it is sent", head, err)
	}
	if body != nil {
		if err := body(c); err != nil {
			t.Fatalf("%.40q: %v while its body is sent", head, err)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%.40q: no answer: %v", head, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%.40q: half an answer: %v", head, err)
	}
	return resp.StatusCode, string(b)
}

// Whoever is refused early can read why, also if he goes on sending.
func TestEarlyAnswersAreRead(t *testing.T) {
	const large = 24 << 20
	plain := func(n int) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Repeat("x", n))
			return err
		}
	}
	chunks := func(w io.Writer) error {
		chunk := strconv.FormatInt(1<<20, 16) + "\r\n" + strings.Repeat("x", 1<<20) + "\r\n"
		_, err := io.WriteString(w, strings.Repeat(chunk, large>>20)+"0\r\n\r\n")
		return err
	}
	sized := "Content-Length: " + strconv.Itoa(large) + "\r\n\r\n"
	for _, c := range []struct {
		name, head string
		body       func(io.Writer) error
		handler    http.HandlerFunc
		want       int // with TLS the first line is not seen: 431
	}{
		{"many conditions", "GET /dav/x HTTP/1.1\r\nHost: x\r\nIf: " + strings.Repeat(`(["aaaaaaaaaaaaaaaa"])`, 10_000) + "\r\n\r\n", nil, echo, 431},
		{"a huge header", "GET /dav/x HTTP/1.1\r\nHost: x\r\nIf: " + strings.Repeat(`(["aaaaaaaaaaaaaaaa"])`, 500_000) + "\r\n\r\n", nil, echo, 431},
		{"many headers", "GET /dav/x HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("If-Match: \"aaaaaaa\"\r\n", 100_000) + "\r\n", nil, echo, 431},
		{"many parameters", "GET /login.wcap?" + strings.Repeat("a=b&", 100_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", nil, echo, 414},
		{"a huge path", "PROPFIND /dav/" + strings.Repeat("a/", large/2) + " HTTP/1.1\r\nHost: x\r\n\r\n", nil, echo, 414},
		{"a body that is too large", "PUT /dav/x HTTP/1.1\r\nHost: x\r\n" + sized, plain(large), echo, 413},
		{"chunks without end", "PUT /dav/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunks, echo, 413},
		{"a wrong password", "PUT /dav/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", plain(1000000), early, 401},
		{"a wrong password in chunks", "PUT /dav/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunks, early, 401},
		{"a compressed body", "PUT /dav/x HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n", plain(1000000), echo, 415},
		{"no such path", "PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", plain(1000000), echo, 404},
		{"two lengths", "PUT /dav/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + sized, plain(large), echo, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Options{BodyBytes: 2 << 20}, c.handler)
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			if got, text := stubborn(t, conn, c.head, c.body); got != c.want {
				t.Errorf("%d %s, want %d", got, text, c.want)
			}
			await(t, "the connection to go", func() bool { return s.Conns() == 0 })

			secure := withTLS(t, s)
			conn, err = tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == 414 {
				want = 431
			}
			if got, text := stubborn(t, conn, c.head, c.body); got != want {
				t.Errorf("TLS: %d %s, want %d", got, text, want)
			}
			await(t, "the connection with TLS to go", func() bool { return s.Conns() == 0 })
		})
	}
}

// Connections that linger give way to newcomers, and keep nobody from leaving.
func TestLingeringGivesWay(t *testing.T) {
	s := serve(t, Options{MaxConns: 3, BodyBytes: 1000}, echo)
	var conns []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(c, "PUT /dav/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 413 {
			t.Fatalf("%v %v", resp, err)
		}
		conns = append(conns, c)
	}
	lingering := func() int {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		return s.conns.linger.Len()
	}
	await(t, "three that linger", func() bool { return lingering() == 3 })
	if resp, body := s.ask(t, "PUT", "/dav/x", strings.NewReader("small")); resp.StatusCode != 200 || body != "small" {
		t.Errorf("a newcomer: %s %q", resp.Status, body)
	}
	for _, c := range conns {
		c.Close()
	}
	await(t, "all to be gone", func() bool { return s.Conns() == 0 && lingering() == 0 })
}

// withTLS opens the site on a port with TLS, too.
func withTLS(t *testing.T, s *site) string {
	t.Helper()
	cert, key := filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
	writeCert(t, cert, key, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeTLS(ln, cert, key); err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String()
}
