package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Own is a cluster of a test's own, that it may stop, lose and put back.
type Own struct {
	Dir  string // the socket's, which belongs to the server's user
	Data string
	bin  string
	as   []string
}

// NewOwn makes one that does not run yet. Without PostgreSQL the test is skipped, in CI
// it fails.
func NewOwn(t testing.TB) *Own {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal(errAbsent)
		}
		t.Skipf("%v: install the package postgresql", errAbsent)
	}
	dir, err := os.MkdirTemp("", "pgown")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	o := &Own{Dir: dir, Data: filepath.Join(dir, "data"), bin: slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })}
	if os.Getuid() == 0 {
		if o.as, err = become(dir); err != nil {
			t.Fatal(err)
		}
	}
	o.Shell(t, "initdb -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N")
	return o
}

// Shell runs commands as the server's user, with PostgreSQL's programs at hand.
func (o *Own) Shell(t testing.TB, script string) string {
	t.Helper()
	args := append(slices.Clone(o.as), "/bin/sh", "-ec", script)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = o.Dir
	cmd.Env = append(os.Environ(), "PATH="+o.bin+":"+os.Getenv("PATH"), "PGDATA="+o.Data, "PGHOST="+o.Dir, "PGUSER=postgres")
	out, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(o.Dir, "log"))
		t.Fatalf("%s: %v: %s\n%s", script, err, out, log)
	}
	return string(out)
}

// Start runs the server, until Stop or the test's end.
func (o *Own) Start(t testing.TB) (dsn string) {
	t.Helper()
	o.Shell(t, `pg_ctl -w -t 60 -l "$PGHOST/log" -o "-k $PGHOST -c listen_addresses=" start >/dev/null </dev/null`)
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(o.Data, "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
			o.Stop(t)
		}
	})
	return dsnOf(o.Dir, "postgres")
}

// Stop ends the server as a power failure would.
func (o *Own) Stop(t testing.TB) {
	t.Helper()
	o.Shell(t, "pg_ctl -w -m immediate stop >/dev/null")
}
