// Package hosttest has what tests of the whole program share: its binary,
// hosts of different names on one machine, and what a server says.
package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long tests wait for what is to come. It costs nothing where it comes, and
// a machine that has much else to do may take long.
const Patience = 2 * time.Minute

// Promised is how long something may take of which it is said how long it takes: so long by
// itself, as in make long, and four times as long beside all else that is tested.
func Promised(d time.Duration) time.Duration {
	if os.Getenv("FACTOTUM_LONG") != "" {
		return d
	}
	return 4 * d
}

var (
	built string   // the directory with the program, if it was built here
	more  []string // those with older programs
)

var executable = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CALSERVER_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "calserver")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "calserver")
	cmd := exec.Command("go", "build", "-o", path, "factotum/cmd/calserver")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build calserver: %w\n%s", err, out)
	}
	return path, nil
})

// Executable is the program: the one that $CALSERVER_BINARY names, such as a
// release, or one that is built at its first use.
func Executable(t testing.TB) string {
	t.Helper()
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Remove removes what Executable and Program built, after all tests.
func Remove() {
	for _, dir := range append(more, built) {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
}

// Buffer collects what a server says.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is what it said so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Command is a process that dies with the test, however that ends. With a
// file of hosts it runs in a mount namespace of its own, where that is
// /etc/hosts.
func Command(hosts, name string, args ...string) *exec.Cmd {
	if hosts == "" {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	const script = `mount --make-rprivate / && mount --bind "$0" /etc/hosts && exec "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, hosts, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// Write writes a file, in a directory that is made if needed.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Freeze stops a process where it is, as a machine that hangs, and returns when all its
// threads stand still: the signal is sent before they do.
func Freeze(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if still, err := still(p.Pid); still || err != nil {
			return err
		}
	}
	return fmt.Errorf("process %d does not stop", p.Pid)
}

// still tells whether all threads of a process are stopped.
func still(pid int) (bool, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(tasks) == 0 {
		return false, fmt.Errorf("process %d is not there", pid)
	}
	for _, path := range tasks {
		stat, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // a thread that has ended meanwhile
		} else if err != nil {
			return false, err
		}
		// The state follows the name, which is in parentheses and may be anything.
		if _, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" ")); !bytes.HasPrefix(rest, []byte("T")) {
			return false, nil
		}
	}
	return true, nil
}

// Thaw lets a frozen process go on.
func Thaw(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
