package project

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each unit of templates/systemd starts what it is named after, and all of them are shut
// in alike: what guards one role guards each.
func TestUnits(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root(t), "templates", "systemd", "*.service"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d units, %v", len(paths), err)
	}
	var guards []string // of the first
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		program := strings.TrimSuffix(name, ".service")
		if program == "factotum" {
			program = "serve"
		}
		if want := "\nExecStart=/usr/local/sbin/calserver " + program + " --config /etc/factotum/ics.conf\n"; !strings.Contains(string(text), want) {
			t.Errorf("%s has no line %q", name, strings.TrimSpace(want))
		}
		_, service, _ := strings.Cut(string(text), "\n\n[Service]\n")
		service, _, _ = strings.Cut(service, "\n[Install]")
		lines := slices.DeleteFunc(strings.Split(service, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "ExecStart=") || strings.Contains(line, "CapabilityBoundingSet=") || strings.HasPrefix(line, "AmbientCapabilities=")
		})
		if guards == nil {
			guards = lines
		}
		if !slices.Equal(lines, guards) {
			t.Errorf("%s is not shut in as %s is:\n%s\n\n%s", name, filepath.Base(paths[0]), strings.Join(lines, "\n"), strings.Join(guards, "\n"))
		}
	}
}
