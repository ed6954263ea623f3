package acceptance

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// wire is the way to a host, which may be cut.
type wire struct {
	mu   sync.Mutex
	cut  bool
	open []net.Conn
}

// lay has what comes to an address go on to another one, until the test ends.
func (w *wire) lay(t *testing.T, from, to string) {
	ln, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close(); w.set(true) })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil || !w.hold(conn, far) {
				conn.Close()
				continue
			}
			for _, p := range [][2]net.Conn{{conn, far}, {far, conn}} {
				go func() {
					io.Copy(p[0], p[1])
					p[0].Close()
				}()
			}
		}
	}()
}

// hold keeps connections until the way is cut.
func (w *wire) hold(list ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		for _, c := range list {
			c.Close()
		}
		return false
	}
	w.open = append(w.open, list...)
	return true
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.Close()
	}
	w.cut, w.open = cut, nil
}

// witnessed waits until one back end serves, the other would take over, and the witness decides; and tells which one serves.
func (s *movingSite) witnessed() string {
	s.t.Helper()
	last, began := "", time.Now()
	defer func() { s.t.Logf("the two find each other after %s", time.Since(began).Round(10*time.Millisecond)) }()
	for end := began.Add(hosttest.Patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, b := range movingBacks {
			out, err := s.tool("standby", "status", "-C", s.conf(b))
			if last = b + ": " + out; err == nil && strings.Contains(out, "this host serves") && strings.Contains(out, "paired") && strings.Contains(out, "decides who goes on") {
				return b
			}
		}
	}
	s.t.Fatalf("there is no pairing in which the witness decides: %s\n%s\n%s", last, s.said[movingBacks[0]], s.said[movingBacks[1]])
	return ""
}

// serving are those of the two that say that they serve.
func (s *movingSite) serving() (list []string) {
	for _, b := range movingBacks {
		if out, _ := s.tool("standby", "status", "-C", s.conf(b)); strings.Contains(out, "this host serves") {
			list = append(list, b)
		}
	}
	return list
}

// TestStandbyWithWitness: with a third host as the witness the one that is left goes on by itself, whether the standby is killed,
// the link between the two is cut, or the host that serves is killed, and never both serve; nothing that was
// acknowledged is lost. Without the witness, which then is stopped, all goes on as it was.
func TestStandbyWithWitness(t *testing.T) {
	t.Parallel()
	needNames(t)
	const third = "c.example.com"
	s := laySiteOfThree(t, func(host, conf string) string {
		if conf = standbyConf("yes")(host, conf); host == movingBacks[0] || host == movingBacks[1] {
			conf += fmt.Sprintf("factotum.standby.witness = %q\n", third)
		}
		return conf
	}, third)
	conf, err := os.ReadFile(s.conf(movingFront))
	if err != nil {
		t.Fatal(err)
	}
	port := regexp.MustCompile(`service\.dwp\.port\s*=\s*"(\d+)"`).FindStringSubmatch(string(conf))[1]
	names, err := os.ReadFile(s.hostsFile)
	if err != nil {
		t.Fatal(err)
	}
	var between wire
	for i, b := range movingBacks { // each reaches the other one by a way of its own
		other, at := movingBacks[1-i], fmt.Sprintf("127.0.0.%d", 3-i)
		s.names[b] = filepath.Join(s.dir, "hosts-"+b)
		hosttest.Write(t, s.names[b], strings.Replace(string(names), at+" "+other, "127.0.1."+at[len("127.0.0."):]+" "+other, 1))
		between.lay(t, "127.0.1."+at[len("127.0.0."):]+":"+port, at+":"+port)
	}
	for _, host := range append(s.backs, movingFront) {
		s.start(host)
	}
	u := &mover{t: t, site: s, user: "anna", acked: map[string]string{}, seen: map[string]string{}, client: s.client("anna")}
	u.write(0)
	u.sync(t.Context())
	n := 0
	goesOn := func(what string) {
		t.Helper()
		began := time.Now()
		n++
		u.write(n)
		took := time.Since(began)
		t.Logf("%s: a write is taken after %s", what, took.Round(10*time.Millisecond))
		if took > hosttest.Promised(15*time.Second) {
			t.Errorf("%s: a write is taken only after %s", what, took)
		}
		if !u.sync(t.Context()) {
			t.Errorf("%s: nothing can be synchronized", what)
		}
	}
	other := map[string]string{movingBacks[0]: movingBacks[1], movingBacks[1]: movingBacks[0]}

	active := s.witnessed()
	s.end(other[active], syscall.SIGKILL)
	goesOn("the standby is killed")
	if got := s.serving(); len(got) != 1 || got[0] != active {
		t.Errorf("%s served, its standby was killed, and now %v serve", active, got)
	}
	s.run(other[active])
	if got := s.witnessed(); got != active {
		t.Fatalf("%s serves after the standby was started again", got)
	}

	between.set(true)
	goesOn("the link is cut")
	alone := func() bool {
		out, _ := s.tool("standby", "status", "-C", s.conf(other[active]))
		return strings.Contains(out, "goes on alone")
	}
	for end := time.Now().Add(hosttest.Patience); !alone(); time.Sleep(100 * time.Millisecond) { // it has asked, in its turn
		if got := s.serving(); len(got) > 1 || time.Now().After(end) {
			t.Fatalf("the link was cut, and %v serve\n%s", got, s.said[other[active]])
		}
	}
	if got := s.serving(); len(got) != 1 || got[0] != active {
		t.Errorf("the link was cut, and %v serve", got)
	}
	goesOn("the link is still cut")
	between.set(false)
	if got := s.witnessed(); got != active {
		t.Errorf("%s served without a link, and %s does with it", active, got)
	}

	s.end(active, syscall.SIGKILL)
	goesOn("the host that serves is killed")
	s.run(active)
	if got := s.witnessed(); got == active {
		t.Fatalf("%s serves again, though the other has taken over", active)
	}
	active = other[active]

	s.end(third, syscall.SIGKILL)
	for end := time.Now().Add(hosttest.Patience); ; time.Sleep(100 * time.Millisecond) {
		out, err := s.tool("standby", "status", "-C", s.conf(active))
		if strings.Contains(out, "does NOT decide") && err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the witness was killed: %v\n%s", err, out)
		}
	}
	goesOn("the witness is killed")
	if out, err := s.tool("cluster", "check", "-C", s.conf(movingFront)); err == nil || !strings.Contains(out, "witness "+third) {
		t.Errorf("cluster check without the witness: %v\n%s", err, out)
	}
	s.run(third)
	if got := s.witnessed(); got != active {
		t.Errorf("%s serves when the witness is back", got)
	}
	u.check()
}
