package acceptance

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// tool finds a client's program.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name)
	}
	return path
}

// missing skips the test on a laptop, and fails it in CI.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed", what)
}

// program is a client with a home directory of its own.
type program struct {
	t    testing.TB
	path string
	home string
	args []string // of every call
}

func newProgram(t testing.TB, path string, args ...string) *program {
	return &program{t, path, t.TempDir(), args}
}

// run calls the program and returns all that it printed.
func (p *program) run(stdin string, args ...string) (string, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, append(append([]string{}, p.args...), args...)...)
	cmd.Dir = p.home
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"HOME=" + p.home, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb", "COLUMNS=200"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ok is run where failing fails the test.
func (p *program) ok(stdin string, args ...string) string {
	p.t.Helper()
	out, err := p.run(stdin, args...)
	if err != nil {
		p.t.Fatalf("%s %q: %v\n%s", p.path, args, err, out)
	}
	return out
}
