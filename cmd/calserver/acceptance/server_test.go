package acceptance

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

// calserver is a command of the program, run to its end.
func calserver(t testing.TB, args ...string) (string, error) {
	t.Helper()
	program := hosttest.Executable(t) // built once, which takes its time
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// The people of every installation: example.com's, and one of another domain.
// A password is the name and "-pw".
var people = append([]string{"anna", "ben", "carl", "dora", "eve", "fred", "olga@other.example"}, clientUsers()...)

func password(user string) string { return user + "-pw" }

// host is one host's installation: an ics.conf and what the server writes.
type host struct {
	dir     string
	conf    string
	base    string // of its HTTP service, without a slash
	ready   string // where it tells whether it is ready
	store   *host  // who keeps the calendars, nil: itself
	hosts   string // its /etc/hosts, "" is the system's
	program string // "" is ours
	cmd     *exec.Cmd
	log     *hosttest.Buffer
	done    chan struct{} // closed when the process has ended

	expects string // what an error in its log may say, "" is none
}

// installed makes a host with people in an LDIF file and SQLite, and with the
// given lines in its ics.conf after the usual ones.
func installed(t testing.TB, lines ...string) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{dir: dir, conf: filepath.Join(dir, "ics.conf")}
	port := freeport.Take(t, "127.0.0.1")
	h.base = "http://127.0.0.1:" + strconv.Itoa(port)
	h.ready = h.base + "/readyz"
	conf := append([]string{
		`factotum.data.dir = "data"`,
		`factotum.directory.type = "ldif"`,
		`factotum.admin.listen = ""`,
		`local.hostname = "localhost"`,
		`service.defaultdomain = "example.com"`,
		`service.http.listenaddr = "127.0.0.1"`,
		fmt.Sprintf(`service.http.port = "%d"`, port),
		// The tests' wrong log-ins must not slow down the right ones.
		`factotum.login.maxfailures = "0"`,
		`factotum.login.maxdelay = "0"`,
		// The machine may have next to no processor for a while.
		`factotum.dwp.silence = "60"`,
		`factotum.store.patience = "60"`,
	}, lines...)
	hosttest.Write(t, h.conf, strings.Join(conf, "\n")+"\n")
	hosttest.Write(t, filepath.Join(dir, "data", "people.ldif"), ldif(t))
	return h
}

var hashes = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for _, p := range people {
		hash, err := bcrypt.GenerateFromPassword([]byte(password(p)), bcrypt.MinCost)
		if err != nil {
			panic(err) // of passwords longer than 72 octets only
		}
		m[p] = "{BCRYPT}" + string(hash)
	}
	return m
})

func ldif(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\n\n")
	for _, d := range []string{"example.com", "other.example"} {
		fmt.Fprintf(&b, "dn: o=%[1]s\nobjectClass: organization\nobjectClass: inetDomain\nobjectClass: icsCalendarDomain\no: %[1]s\nsunPreferredDomain: %[1]s\nicsStatus: active\n\n", d)
	}
	for _, p := range people {
		uid, domain, ok := strings.Cut(p, "@")
		if !ok {
			domain = "example.com"
		}
		fmt.Fprintf(&b, "dn: uid=%[1]s,o=%[2]s\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: %[1]s\ncn: %[1]s Tester\nsn: Tester\nmail: %[1]s@%[2]s\nicsStatus: active\nuserPassword: %[3]s\n\n",
			uid, domain, hashes()[p])
	}
	return b.String()
}

// start runs the host's daemons in one process until the test ends.
func (h *host) start(t testing.TB) *host {
	t.Helper()
	h.log, h.done = &hosttest.Buffer{}, make(chan struct{})
	h.cmd = hosttest.Command(h.hosts, cmp.Or(h.program, hosttest.Executable(t)), "serve", "-C", h.conf)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		h.cmd.Wait()
		close(h.done)
	}()
	t.Cleanup(func() { h.stop(t) })
	h.await(t)
	return h
}

// await waits until the host is ready.
func (h *host) await(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(hosttest.Patience); ; {
		select {
		case <-h.done:
			t.Fatalf("the server ended:\n%s", h.log)
		case <-time.After(10 * time.Millisecond):
		}
		if h.isReady() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not ready:\n%s", h.log)
		}
	}
}

func (h *host) isReady() bool {
	resp, err := http.Get(h.ready)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// stop ends the server as an administrator does, and reports what it found
// worth an error in its log.
func (h *host) stop(t testing.TB) {
	t.Helper()
	h.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-h.done:
	case <-time.After(hosttest.Patience):
		t.Errorf("the server does not stop")
		h.cmd.Process.Kill()
		<-h.done
	}
	said := h.log.String()
	for line := range strings.SplitSeq(said, "\n") {
		if h.expects != "" && strings.Contains(line, h.expects) {
			continue
		}
		if strings.Contains(line, "panic") || strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=CRITICAL") {
			t.Errorf("the server says: %s", line)
		}
	}
	if t.Failed() && len(said) > 0 {
		t.Logf("the server's log:\n%.4000s", said)
	}
}

// healthy checks that the server answers and that its database is as it
// should be.
func (h *host) healthy(t testing.TB) {
	t.Helper()
	if !h.isReady() {
		t.Fatalf("the server is not ready any more:\n%s", h.log)
	}
	if out, err := calserver(t, "csdb", "-C", h.keeper().conf, "check"); err != nil {
		t.Fatalf("csdb check: %v\n%s", err, out)
	}
}

// keeper is the host that has the database.
func (h *host) keeper() *host {
	if h.store != nil {
		return h.store
	}
	return h
}

// tick is the unit of CPU times in /proc: 100 Hz on every Linux.
const tick = 10 * time.Millisecond

// cpu is the processor time that the server has used.
func (h *host) cpu(t testing.TB) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * tick
}

// idle waits until the server has nothing to do, after its start for instance, so that
// what is measured is not that; not for long, since somebody always wants something.
func (h *host) idle(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		before := h.cpu(t)
		time.Sleep(50 * time.Millisecond)
		if h.cpu(t)-before < 10*time.Millisecond {
			return
		}
	}
}

// memory reads a line of /proc/<pid>/status: VmRSS, or VmHWM, the peak.
func (h *host) memory(t testing.TB, line string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, line+":"); ok {
			n, err := strconv.Atoi(strings.Fields(v)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Skip("the system does not tell the memory of processes")
	return 0
}

// forgetPeak sets VmHWM to what is in use now.
func (h *host) forgetPeak(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", h.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Skipf("the peak of memory cannot be measured: %v", err)
	}
}
