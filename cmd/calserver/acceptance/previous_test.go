package acceptance

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/migrations"
)

var update = flag.Bool("update", false, "write server/config/previous.txt anew")

// TestPreviousRelease: what this release knows of the one before is what that one says:
// its parameters, and the schema that it makes.
func TestPreviousRelease(t *testing.T) {
	t.Parallel()
	program, dir := hosttest.Previous(t), t.TempDir()
	conf := filepath.Join(dir, "ics.conf")
	hosttest.Write(t, conf, "factotum.data.dir = \"/data\"\n")
	out, err := hosttest.Command("", program, "config", "show", "--json", "-C", conf).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name, Value string
		Effect      bool
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var b strings.Builder
	for _, s := range list {
		if s.Name != "factotum.data.dir" {
			fmt.Fprintf(&b, "%s\t%s\t%s\n", s.Name, map[bool]string{true: "yes", false: "no"}[s.Effect], s.Value)
		}
	}
	known := filepath.Join("..", "..", "..", "server", "config", "previous.txt")
	if *update {
		if err := os.WriteFile(known, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(known); err != nil || string(have) != b.String() {
		t.Errorf("server/config/previous.txt is not what the release before says (%v): run this test with -update", err)
	}

	hosttest.Write(t, conf, "factotum.data.dir = \"data\"\nfactotum.directory.type = \"ldif\"\nservice.defaultdomain = \"example.com\"\n")
	if out, err := hosttest.Command("", program, "csdb", "-C", conf, "create").CombinedOutput(); err != nil {
		t.Fatalf("csdb create: %v\n%s", err, out)
	}
	out, err = hosttest.Command("", program, "csdb", "-C", conf, "--json", "list").Output()
	if want := fmt.Sprintf(`"schema": "%d"`, migrations.Previous); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("the release before says %s (%v), and migrations.Previous is %d", out, err, migrations.Previous)
	}
}
