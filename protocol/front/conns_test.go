package front

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func (c *fakeConn) Close() error { c.closed = true; return nil }

func TestConnTable(t *testing.T) {
	table := newConnTable(4, 2, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	admit := func(from string) (*trackedConn, *trackedConn) { return table.admit(&fakeConn{from: from}) }
	a1, _ := admit("198.51.100.1:1")
	a2, _ := admit("198.51.100.1:2")
	table.state(a1, http.StateActive)
	table.state(a2, http.StateActive)
	if c, _ := admit("198.51.100.1:3"); c != nil {
		t.Error("a third busy connection of one address was admitted")
	}
	table.state(a2, http.StateIdle)
	a3, out := admit("198.51.100.1:4")
	if a3 == nil || out != a2 {
		t.Errorf("an idle connection of the address did not give way: %v %v", a3, out)
	}
	p1, _ := admit("192.0.2.1:1") // a proxy is many clients
	p2, _ := admit("192.0.2.1:2")
	if p1 == nil || p2 == nil {
		t.Fatal("a proxy has no third connection")
	}
	if table.len() != 4 {
		t.Fatalf("%d connections, want 4", table.len())
	}
	table.state(p1, http.StateActive)
	if c, out := admit("203.0.113.5:1"); c == nil || out != a3 { // the longest idle
		t.Errorf("in a full table: %v, evicted %v", c, out)
	}
	for _, c := range []*trackedConn{a1, a3, p1, p2} {
		c.Close()
		c.Close() // twice does no harm
	}
	if table.len() != 1 || len(table.hosts) != 1 || table.idle.Len() != 1 {
		t.Errorf("after closing: %d connections, %d hosts, %d idle", table.len(), len(table.hosts), table.idle.Len())
	}
}

// All of one IPv6 network counts as one address.
func TestHostOf(t *testing.T) {
	a, b := hostOf(&fakeConn{from: "[2001:db8:1:2::1]:1"}), hostOf(&fakeConn{from: "[2001:db8:1:2:ffff::9]:1"})
	if a != b {
		t.Errorf("%v and %v", a, b)
	}
	if got := hostOf(&fakeConn{from: "[::ffff:192.0.2.1]:1"}); got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("mapped: %v", got)
	}
}

// Clients that hold all connections without sending a request do not keep
// another one out.
func TestSlowClientsGiveWay(t *testing.T) {
	s := serve(t, Options{MaxConns: 8}, echo)
	for range 8 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /dav/ HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
	}
	for s.Conns() < 8 {
		time.Sleep(time.Millisecond)
	}
	if resp, _ := s.ask(t, "PUT", "/dav/", nil); resp.StatusCode != 200 {
		t.Errorf("behind slow clients: %s", resp.Status)
	}
}

// A header that never ends ends its connection.
func TestHeaderTimeout(t *testing.T) {
	s := serve(t, Options{HeaderTimeout: 30 * time.Millisecond}, echo)
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /dav/ HTTP/1.1\r\nHost: x\r\nX: ")
	c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection stays: %v", err)
	}
}
