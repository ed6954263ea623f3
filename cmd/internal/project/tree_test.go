package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// root is the directory with go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this directory")
		}
		dir = filepath.Dir(dir)
	}
}

// TestTopLevel keeps the top of the tree to Sun's subsystems and what builds
// them.
func TestTopLevel(t *testing.T) {
	want := []string{"cmd", "docs", "migrations", "notify", "protocol", "server", "store", "templates", ".ci", ".git"}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(want, e.Name()) {
			t.Errorf("%s/ is no folder of the project: %v", e.Name(), want)
		}
	}
}

// TestCompose asks docker whether docker-compose.yml is well-formed.
func TestCompose(t *testing.T) {
	if out, err := exec.Command("docker", "compose", "version").CombinedOutput(); err != nil {
		t.Skipf("docker compose is not installed: %s", out)
	}
	cmd := exec.Command("docker", "compose", "config", "--quiet")
	cmd.Dir = root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("docker compose config: %v\n%s", err, out)
	}
}
