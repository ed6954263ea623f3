package hosttest

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Previous is the program of the release before: of the newest tag before HEAD, or of the
// commit that .ci/previous names. Without the history the test is skipped.
func Previous(t testing.TB) string {
	t.Helper()
	return Program(t, PreviousRevision(t))
}

// PreviousRevision is the commit of the release before.
func PreviousRevision(t testing.TB) string {
	t.Helper()
	needHistory(t)
	if tag, err := git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^"); err == nil {
		if rev, err := git("rev-parse", tag+"^{commit}"); err == nil {
			return rev
		}
	}
	top, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(top, ".ci", "previous"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	t.Fatal(".ci/previous names no commit")
	return ""
}

// Before is the commit before the one that added a file, given from the top of the tree.
func Before(t testing.TB, path string) string {
	t.Helper()
	needHistory(t)
	rev, err := git("log", "--diff-filter=A", "--format=%H", "-1", "--", ":/"+path)
	if err == nil && rev == "" {
		t.Skipf("%s is not committed yet", path)
	}
	if err == nil {
		rev, err = git("rev-parse", rev+"^")
	}
	if err != nil {
		t.Fatalf("who had %s not: %v", path, err)
	}
	return rev
}

// needHistory skips a test that builds older commits where only some of them are here.
func needHistory(t testing.TB) {
	t.Helper()
	if shallow, err := git("rev-parse", "--is-shallow-repository"); err != nil || shallow != "false" {
		t.Skipf("older releases are built from the history, which is not here: %s %v", shallow, err)
	}
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	return strings.TrimSpace(string(out)), err
}

var (
	programsMu sync.Mutex
	programs   = map[string]string{}
)

// Program is the program of a commit, built once. Its version is the commit's short name.
func Program(t testing.TB, revision string) string {
	t.Helper()
	programsMu.Lock()
	defer programsMu.Unlock()
	if path := programs[revision]; path != "" {
		return path
	}
	needHistory(t)
	if _, err := git("rev-parse", "--verify", "--quiet", revision+"^{commit}"); err != nil {
		t.Fatalf("commit %s is not in the history: .ci/previous has to name one that is", revision)
	}
	source, err := os.MkdirTemp("", "calserver-source")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(source)
	dir, err := os.MkdirTemp("", "calserver")
	if err != nil {
		t.Fatal(err)
	}
	more = append(more, dir)
	top, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		t.Fatal(err)
	}
	pack, err := exec.Command("git", "-C", top, "archive", revision).Output()
	if err != nil {
		t.Fatalf("read commit %s: %v", revision, err)
	}
	unpack := exec.Command("tar", "-x", "-C", source)
	unpack.Stdin = bytes.NewReader(pack)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpack commit %s: %v\n%s", revision, err, out)
	}
	path := filepath.Join(dir, "calserver")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.version="+revision[:min(9, len(revision))], "-o", path, "./cmd/calserver")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build commit %s: %v\n%s", revision, err, out)
	}
	programs[revision] = path
	return path
}
