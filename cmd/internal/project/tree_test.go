package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"factotum/server/config"
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
	want := []string{"cmd", "docs", "migrations", "notify", "protocol", "server", "store", "templates", "bin", ".ci", ".git"}
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

// TestCompose asks compose, in whichever form it is installed, whether
// docker-compose.yml is well-formed.
func TestCompose(t *testing.T) {
	args := []string{"docker", "compose"}
	if exec.Command("docker", "compose", "version").Run() != nil {
		args = []string{"docker-compose"}
	}
	if out, err := exec.Command(args[0], append(args[1:], "version")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("compose is not installed: %s %v", out, err)
		}
		t.Skipf("compose is not installed: %s %v", out, err)
	}
	cmd := exec.Command(args[0], append(args[1:], "-f", "docker-compose.yml", "config", "--quiet")...)
	cmd.Dir = root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("compose config: %v\n%s", err, out)
	}
}

// The configurations of the containers name only parameters that exist, with
// values that they can have.
func TestComposeConfigurations(t *testing.T) {
	for _, name := range []string{"back.conf", "front.conf"} {
		cfg, report, err := config.Load(filepath.Join(root(t), "docs", "docker", name))
		if err != nil || cfg == nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, p := range report.Problems {
			switch p.Param {
			case "service.store.enable": // a front end has no store, and is told so
				continue
			case "factotum.ldap.tls": // the containers share a network that nobody else is in
				continue
			}
			t.Errorf("%s: %v", name, p)
		}
	}
}
