package outward_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/notify/outward"

	"golang.org/x/net/dns/dnsmessage"
)

func TestInward(t *testing.T) {
	for _, a := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
		"169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255", "192.0.0.192", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.9", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.1.2.3",
		"fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "ff0e::1",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::7f00:1",
		"2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::1", "2002:a9fe:a9fe::1", "2001:0:1::1", "2001:db8::1", "3fff::1", "100::1",
		"2a00::5efe:10.0.0.1", "2a00::200:5efe:7f00:1", "4000::1", "64:ff9a::1", "5f00::1",
	} {
		if outward.Inward(netip.MustParseAddr(a)) == "" {
			t.Errorf("%s counts as public", a)
		}
	}
	for _, a := range []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::1.1.1.1", "2002:101:101::1", "::ffff:1.1.1.1",
	} {
		if why := outward.Inward(netip.MustParseAddr(a)); why != "" {
			t.Errorf("%s: %s", a, why)
		}
	}
	if outward.Inward(netip.Addr{}) == "" {
		t.Error("no address counts as public")
	}
}

func TestCheck(t *testing.T) {
	outside := outward.New(outward.Options{})
	inside := outward.New(outward.Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for _, c := range []struct {
		address         string
		outside, inside bool
	}{
		{"https://push.example.com/a?b=c", true, true},
		{"https://push.example.com:8443/", true, true},
		{"https://1.1.1.1/", true, true},
		{"https://[2606:4700:4700::1111]/", true, true},
		{"http://push.example.com/", false, true}, // what the name means decides
		{"http://1.1.1.1/", false, false},
		{"https://10.1.2.3/", false, true},
		{"http://10.1.2.3/", false, true},
		{"https://10.2.0.1/", false, false},
		{"https://[::ffff:10.1.2.3]/", false, true},
		{"https://127.0.0.1/", false, false},
		{"https://[::1]/", false, false},
		{"https://[fe80::1%25eth0]/", false, false},
		{"https://localhost/", false, true},
		{"https://A.LOCALHOST./", false, true},
		{"https://user:secret@push.example.com/", false, false},
		{"https://user@push.example.com/", false, false},
		{"https://push.example.com/#a", false, false},
		{"https://push.example.com/#", false, false},
		{"https://push.example.com:0/", false, false},
		{"https://push.example.com:65536/", false, false},
		{"https://push.example.com:/", false, false},
		{"https:///path", false, false},
		{"https:push.example.com", false, false},
		{"ftp://push.example.com/", false, false},
		{"file:///etc/passwd", false, false},
		{"gopher://push.example.com/", false, false},
		{"//push.example.com/", false, false},
		{"push.example.com", false, false},
		{"", false, false},
		{"https://push.example.com/a b", false, false},
		{"https://push.example.com/\r\nX: y", false, false},
		{"https://push.example.com/ü", false, false},
		{"https://push.example.com/" + strings.Repeat("a", 2000), false, false},
	} {
		for client, want := range map[*outward.Client]bool{outside: c.outside, inside: c.inside} {
			if _, err := client.Check(c.address); (err == nil) != want {
				t.Errorf("%s (inside: %t): %v", c.address, client == inside, err)
			}
		}
	}
}

// resolver answers every name with what it says in addresses, another one each
// time.
func resolver(t *testing.T, addresses ...string) *net.Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var asked atomic.Int64
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Additionals = true, nil
			q := m.Questions[0]
			a := netip.MustParseAddr(addresses[int(asked.Load())%len(addresses)])
			head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}
			switch {
			case q.Type == dnsmessage.TypeA && a.Is4():
				asked.Add(1)
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: a.As4()}}}
			case q.Type == dnsmessage.TypeAAAA && a.Is6():
				asked.Add(1)
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}}
			}
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// A name decides nothing: what it means is looked at when the connection is made.
func TestNames(t *testing.T) {
	var hits atomic.Int64
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())
	for _, meaning := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::", "100.64.0.1"} {
		c := outward.New(outward.Options{Resolver: resolver(t, meaning), Timeout: time.Minute, Transport: trustAll})
		_, err := c.Post(t.Context(), "https://rebind.example.com:"+port+"/", nil, nil)
		var refused *outward.Refused
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", meaning, err)
		}
		if !strings.HasPrefix(fmt.Sprint(err), "rebind.example.com stands for ") || strings.Contains(fmt.Sprint(err), netip.MustParseAddr(meaning).Unmap().String()) {
			t.Errorf("who asks is told what a name means inside: %v", err)
		}
	}
	if hits.Load() != 0 {
		t.Fatalf("%d requests came in", hits.Load())
	}
	c := outward.New(outward.Options{Resolver: resolver(t, "127.0.0.1"), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Transport: trustAll})
	if a, err := c.Post(t.Context(), "https://push.example.com:"+port+"/", nil, nil); err != nil || !a.OK() || hits.Load() != 1 {
		t.Errorf("what is allowed: %v %v", a, err)
	}
}

func trustAll(t *http.Transport) { t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} }

func loopback() outward.Options {
	return outward.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Agent: "Factotum"}
}

func TestPost(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	var other atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case "/busy":
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		case "/long":
			w.Write(bytes.Repeat([]byte("x"), 1<<20))
		default:
			if r.Method != http.MethodPost || r.Header.Get("User-Agent") != "Factotum" || r.Header.Get("X-A") != "b" {
				w.WriteHeader(http.StatusTeapot)
			}
		}
	}))
	defer server.Close()
	c := outward.New(loopback())
	defer c.Close()
	post := func(path string) *outward.Answer {
		t.Helper()
		a, err := c.Post(t.Context(), server.URL+path, http.Header{"X-A": {"b"}}, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := post("/"); a.Status != 200 {
		t.Errorf("a POST: %v", a)
	}
	if a := post("/redirect"); a.Status != 307 || a.OK() || other.Load() != 0 || !strings.Contains(a.String(), "redirects are not followed") {
		t.Errorf("a redirect: %v, %d requests followed it", a, other.Load())
	}
	if a := post("/busy"); a.RetryAfter(time.Now()) != 2*time.Minute {
		t.Errorf("a pause: %v", a.RetryAfter(time.Now()))
	}
	if a := post("/long"); len(a.Body) != 64<<10 {
		t.Errorf("a long answer: %d octets", len(a.Body))
	}
	when := outward.Answer{Header: http.Header{"Retry-After": {"Wed, 02 Oct 2024 07:28:00 GMT"}}}
	if d := when.RetryAfter(time.Date(2024, 10, 2, 7, 0, 0, 0, time.UTC)); d != 28*time.Minute {
		t.Errorf("a moment: %v", d)
	}
	if d := when.RetryAfter(time.Date(2025, 10, 2, 7, 0, 0, 0, time.UTC)); d != 0 {
		t.Errorf("a moment that is past: %v", d)
	}
}

// A receiver that never answers, or not to an end, is not waited for.
func TestPatience(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
		}
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	opt := loopback()
	opt.Timeout = 50 * time.Millisecond
	c := outward.New(opt)
	for _, path := range []string{"/", "/half"} {
		a, err := c.Post(t.Context(), server.URL+path, nil, nil)
		if path == "/" && (err == nil || !strings.Contains(err.Error(), "in time")) {
			t.Errorf("%s: %v %v", path, a, err)
		}
	}
	u, _ := url.Parse(server.URL)
	server.Listener.Close()
	if _, err := c.Post(t.Context(), "http://"+u.Host+"/secret-token", nil, nil); err != nil && strings.Contains(err.Error(), "secret-token") {
		t.Errorf("an error shows the address: %v", err)
	}
}
