// Package pgtest runs a PostgreSQL server of its own for the tests of one
// binary: Debian's packages, a cluster in a temporary directory, a socket
// there and no port. The server ends with the test process, however that ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Patience is how long tests bear with a server that is silent: the whole machine may have
// next to no processor for a while.
const Patience = 2 * time.Minute

var errAbsent = errors.New("no PostgreSQL in /usr/lib/postgresql")

// server is what tests use: a database is made and dropped for each, and to sync
// all its files to the disk takes longer than the test. Nothing shows in it
// but after a power failure. What benchmarks measure is a server that does.
var (
	server  = sync.OnceValues(func() (string, error) { return start("-c", "fsync=off", "-c", "full_page_writes=off") })
	durable = sync.OnceValues(func() (string, error) { return start() })
)

var databases atomic.Int64

// held is the pipe that keeps the server alive. It is a variable so that the
// collector does not close it.
var held []io.WriteCloser

// Start gives the DSN of a fresh, empty database, which goes with the test.
// Without PostgreSQL the test is skipped, in CI it fails.
func Start(t testing.TB) (dsn string) {
	t.Helper()
	dir := running(t)
	name := create(t, dir, "template0")
	t.Cleanup(func() { admin(t, dir, "DROP DATABASE "+name+" WITH (FORCE)") })
	return dsnOf(dir, name)
}

// running is where the server is that the test uses.
func running(t testing.TB) (dir string) {
	t.Helper()
	which := server
	if _, ok := t.(*testing.B); ok {
		which = durable
	}
	dir, err := which()
	if errors.Is(err, errAbsent) && os.Getenv("CI") != "true" {
		t.Skipf("%v: install the package postgresql", err)
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return dir
}

// create makes a copy of a database.
func create(t testing.TB, dir, template string) (name string) {
	t.Helper()
	name = fmt.Sprintf("test%d", databases.Add(1))
	admin(t, dir, "CREATE DATABASE "+name+" TEMPLATE "+template)
	return name
}

func dsnOf(dir, database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s", dir, database)
}

func admin(t testing.TB, dir, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := pgx.Connect(ctx, dsnOf(dir, "postgres"))
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, command); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// start makes a cluster and runs its server under a shell that ends it, and
// removes the directory, when the pipe to this process closes.
func start(more ...string) (dir string, err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		return "", errAbsent
	}
	bin := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	if dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return "", err
	}
	var as []string
	if os.Getuid() == 0 { // the server refuses to run as root
		if as, err = become(dir); err != nil {
			os.RemoveAll(dir)
			return "", err
		}
	}
	data := filepath.Join(dir, "data")
	args := append(as, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	initdb := exec.Command(args[0], args[1:]...)
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	args = append(as, filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200",
		"-c", "logging_collector=off")
	args = append(args, more...)
	script := `"$@" </dev/null >"$PGTEST_LOG" 2>&1 & p=$!; cat >/dev/null; kill -QUIT $p; wait $p; rm -rf "$PGTEST_DIR"`
	shell := exec.Command("/bin/sh", append([]string{"-c", script, "pgtest"}, args...)...)
	shell.Dir = "/"
	shell.Env = append(os.Environ(), "PGTEST_LOG="+filepath.Join(dir, "log"), "PGTEST_DIR="+dir)
	pipe, err := shell.StdinPipe()
	if err != nil {
		return "", err
	}
	held = append(held, pipe)
	if err := shell.Start(); err != nil {
		return "", err
	}
	return dir, ready(dir)
}

// become hands dir to the user postgres and gives the command prefix that
// runs a program as that user.
func become(dir string) ([]string, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return []string{"setpriv", "--reuid=" + u.Uid, "--regid=" + u.Gid, "--clear-groups"}, nil
}

func version(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// ready waits until the server answers.
func ready(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, dsnOf(dir, "postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return fmt.Errorf("the server does not answer: %w: %s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
