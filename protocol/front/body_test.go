package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dialFrom connects from an address of this host.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Skipf("no connection from %s: %v", from, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// await waits for a condition.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (t *connTable) recvOf(host string) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a, h := range t.hosts {
		if a.String() == host {
			n = h.recv
		}
	}
	return n
}

// length answers how much came.
func length(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err == nil {
		err = r.Context().Err()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprint(w, n)
}

func begin(c net.Conn, size int, first string) error {
	_, err := fmt.Fprintf(c, "PUT /dav/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, first)
	return err
}

func answer(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// One address that sends bodies slowly on all connections there are keeps
// neither newcomers out nor a single slow client that was there before.
func TestSlowBodiesGiveWay(t *testing.T) {
	const max = 8
	s := serve(t, Options{MaxConns: max}, length)
	honest := dialFrom(t, "127.0.0.3", s.addr)
	const steps = 10
	if err := begin(honest, steps*100, ""); err != nil {
		t.Fatal(err)
	}
	await(t, "the slow client", func() bool { return s.conns.recvOf("127.0.0.3") == 1 })
	starve := func() {
		for s.conns.recvOf("127.0.0.1") < max-1 {
			c := dialFrom(t, "127.0.0.1", s.addr)
			if err := begin(c, 100_000, "x"); err != nil {
				continue // another one's turn to give way
			}
			before := s.conns.recvOf("127.0.0.1")
			await(t, "a slow body", func() bool { return s.conns.recvOf("127.0.0.1") != before || s.Conns() < max || before == max-1 })
		}
	}
	for i := range steps {
		starve()
		other := dialFrom(t, "127.0.0.2", s.addr)
		if err := begin(other, 5, "hello"); err != nil {
			t.Fatal(err)
		}
		if code, text := answer(t, other); code != 200 || text != "5" {
			t.Fatalf("step %d: a newcomer got %d %s", i, code, text)
		}
		other.Close()
		if _, err := io.WriteString(honest, strings.Repeat("h", 100)); err != nil {
			t.Fatalf("step %d: the slow client was cut off: %v", i, err)
		}
	}
	if code, text := answer(t, honest); code != 200 || text != fmt.Sprint(steps*100) {
		t.Errorf("the slow client got %d %s", code, text)
	}
}

// Among clients that have one connection each, those give way that are behind
// the least rate; 2 KB/s is not, and what began just now is not.
func TestSlowestOfMany(t *testing.T) {
	now := time.Now()
	table := newConnTable(4, 0, nil)
	table.now = func() time.Time { return now }
	add := func(from string, rate int64, seconds int) *trackedConn {
		c, _ := table.admit(&fakeConn{from: from})
		table.state(c, http.StateActive)
		table.receiving(c, now.Add(-time.Duration(seconds)*time.Second))
		c.got.Store(rate * int64(seconds))
		return c
	}
	mobile := add("198.51.100.1:1", 2000, 50)
	fresh := add("198.51.100.2:1", 0, 2)
	slow := add("198.51.100.3:1", 100, 50)
	slowest := add("198.51.100.4:1", 1, 50)
	for _, want := range []*trackedConn{slowest, slow, nil} {
		c, out := table.admit(&fakeConn{from: "203.0.113.1:1"})
		if out != want || (c == nil) != (want == nil) {
			t.Fatalf("%v gave way, want %v", out, want)
		}
		if c != nil { // it stays, and is at work
			table.state(c, http.StateActive)
		}
	}
	table.received(fresh)
	if c, out := table.admit(&fakeConn{from: "203.0.113.2:1"}); c != nil || out != nil {
		t.Errorf("a request that has come gave way: %v", out)
	}
	mobile.Close()
	fresh.Close()
	if len(table.recv) != 0 {
		t.Errorf("%d bodies after the end", len(table.recv))
	}
}

// A body may take longer than the timeouts of reading and of the work, as long
// as it comes at the least rate.
func TestSteadyBodyOutlastsTimeouts(t *testing.T) {
	const timeout = 200 * time.Millisecond
	const work = 2 * time.Second
	s := serve(t, Options{ReadTimeout: timeout, RequestTimeout: work}, length)
	c := dialFrom(t, "127.0.0.1", s.addr)
	if err := begin(c, 64<<10+3, strings.Repeat("x", 64<<10)); err != nil { // what is sent ahead counts: a minute's worth
		t.Fatal(err)
	}
	for range 3 {
		<-time.After(work / 5 * 2) // in all longer than both; a server that is late by less than as much again is in time
		if _, err := io.WriteString(c, "y"); err != nil {
			t.Fatal(err)
		}
	}
	if code, text := answer(t, c); code != 200 || text != fmt.Sprint(64<<10+3) {
		t.Errorf("%d %s", code, text)
	}
	stuck := dialFrom(t, "127.0.0.1", s.addr)
	if err := begin(stuck, 100, "x"); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of a body that does not come", func() bool { return s.conns.recvOf("127.0.0.1") == 0 })
}
