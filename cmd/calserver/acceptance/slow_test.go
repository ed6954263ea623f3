package acceptance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// ended waits until the server closes a connection, and returns what came
// before.
func ended(t testing.TB, c net.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the server keeps the connection")
	}
	return string(b)
}

// Clients that dawdle at every place of a request are ended, and keep nobody
// else waiting: there are ten times as many as the server has connections for.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	x := newTarget(t, `factotum.http.maxconns = "40"`, `factotum.http.writetimeout = "2"`)
	auth := "Authorization: " + basic("anna", password("anna")) + "\r\n"
	get := "GET " + cal("anna") + "witness.ics HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n"
	for name, begin := range map[string]string{
		"nothing":         "",
		"a request line":  "GET / HT",
		"half a header":   "GET / HTTP/1.1\r\nHost: x\r\nX: ",
		"no end":          "GET / HTTP/1.1\r\nHost: x\r\n",
		"half a body":     "PUT " + cal("anna") + "slow.ics HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 1000\r\n\r\nBEGIN:VCALENDAR\r\n",
		"half a chunk":    "PUT " + cal("anna") + "slow.ics HTTP/1.1\r\nHost: x\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n400\r\nBEGIN",
		"half a document": "REPORT " + cal("anna") + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 1000\r\nContent-Type: text/xml\r\n\r\n<a>",
		"an idle one":     get,
	} {
		var conns []net.Conn
		for range 400 {
			c := x.dial(t)
			defer c.Close()
			io.WriteString(c, begin) // those that were turned away fail
			conns = append(conns, c)
		}
		// Others are served meanwhile, perhaps at the second try. Requests
		// under way give way to nobody: there the limit of connections of one
		// address, which does not hold for loopback, keeps room for others.
		for range 5 {
			if !strings.HasPrefix(begin, "PUT") && !strings.HasPrefix(begin, "REPORT") {
				x.persist(t)
			}
		}
		for _, c := range conns {
			if said := ended(t, c); name != "an idle one" && strings.HasPrefix(said, "HTTP/1.1 2") {
				t.Errorf("%s: the server answers %.100s", name, said)
			}
		}
		client.CloseIdleConnections() // ours may be among those that gave way
		x.survived(t)
	}
	x.do(t, "anna", "GET", cal("anna")+"slow.ics", "").is(404)
}

// persist asks until there is an answer, as clients do whose connection was
// closed before they used it.
func (x *target) persist(t testing.TB) {
	t.Helper()
	var err error
	for range 10 {
		var r *reply
		if r, err = send(t, x.request(t, "anna", "GET", cal("anna")+"witness.ics", nil)); err == nil {
			r.is(200)
			return
		}
	}
	t.Errorf("nobody else is served: %v", err)
}

// Clients that send a byte now and then do not get more time by that.
func TestDribble(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	for name, begin := range map[string]string{
		"a header": "GET / HTTP/1.1\r\nHost: x\r\nX: ",
		"a body": "PUT " + cal("anna") + "slow.ics HTTP/1.1\r\nHost: x\r\nAuthorization: " + basic("anna", password("anna")) +
			"\r\nContent-Length: 100000\r\n\r\n",
	} {
		c := x.dial(t)
		defer c.Close()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			io.WriteString(c, begin)
			drip := time.NewTicker(50 * time.Millisecond)
			defer drip.Stop()
			for {
				select {
				case <-stop:
					return
				case <-drip.C:
					if _, err := io.WriteString(c, "x"); err != nil {
						return
					}
				}
			}
		})
		if said := ended(t, c); strings.HasPrefix(said, "HTTP/1.1 2") {
			t.Errorf("%s: the server answers %.100s", name, said)
		}
		close(stop)
		wg.Wait()
		x.survived(t)
	}
}

// Clients that do not take their answers in are ended, whatever the answer
// would have been.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	x := newTarget(t, `factotum.http.writetimeout = "2"`)
	long := strings.Repeat("All work and no play. ", 30_000)
	for i := range 24 {
		x.do(t, "anna", "PUT", fmt.Sprintf("%sbig%d.ics", cal("anna"), i), event(fmt.Sprint("big", i), "20260301T100000Z", long)).is(201)
	}
	x.before = x.look(t)
	for _, req := range []string{
		"GET " + cal("anna") + " HTTP/1.1\r\nHost: x\r\n%s\r\n",
		"REPORT " + cal("anna") + " HTTP/1.1\r\nHost: x\r\n%sContent-Type: text/xml\r\nContent-Length: " + fmt.Sprint(len(query("", "", ""))) + "\r\n\r\n" + query("", "", ""),
	} {
		const readers = 8
		client.CloseIdleConnections()
		before := x.established(t)
		var conns []net.Conn
		for range readers {
			c := x.dial(t)
			defer c.Close()
			c.(*net.TCPConn).SetReadBuffer(64 << 10)
			fmt.Fprintf(c, req, "Authorization: "+basic("anna", password("anna"))+"\r\n")
			conns = append(conns, c)
		}
		x.do(t, "anna", "GET", cal("anna")+"witness.ics", "").is(200)
		if x.established(t) < before+readers {
			t.Fatal("the answer fitted into the buffers")
		}
		for deadline := time.Now().Add(hosttest.Patience); x.established(t) > before+1; {
			if time.Now().After(deadline) {
				t.Fatal("the server still waits for its readers")
			}
			time.Sleep(20 * time.Millisecond) // the state of the system can only be polled
		}
		for _, c := range conns {
			c.Close()
		}
		x.survived(t)
	}
}

// established counts the sockets of the server.
func (h *host) established(t testing.TB) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", h.cmd.Process.Pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
