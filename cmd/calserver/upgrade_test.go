package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/sqlstore"
)

// TestUpgradeWhileHomesMove: a home that is half on another back end is nothing for a
// release that knows of no moves; one that went there is.
func TestUpgradeWhileHomesMove(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "ics.conf")
	text := "factotum.data.dir = \"" + dir + "/data\"\nfactotum.directory.type = \"ldif\"\nservice.defaultdomain = \"example.com\"\nfactotum.admin.listen = \"\"\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(f func(*tool) error) (string, error) {
		var out bytes.Buffer
		err := f(&tool{name: "calserver", std: stdio{in: strings.NewReader(""), out: &out, err: &out}})
		return out.String(), err
	}
	undo := func(dry bool) (string, error) {
		return run(func(t2 *tool) error { return t2.undoUpgrade(t.Context(), conf, migrations.Previous, dry, false) })
	}
	check := func() string {
		out, _ := run(func(t2 *tool) error { return t2.checkUpgrade(t.Context(), conf, "", true) })
		return out
	}
	mark := func(state string) {
		t.Helper()
		s, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(dir, "data", "csdb", "calendar.db"), sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		err = s.Update(t.Context(), "anna", func(tx calendar.Tx) error {
			return tx.PutJob(calendar.Job{JobID: calendar.MoveMark("anna"), Kind: calendar.JobMove, Due: time.Now().Add(time.Hour), Created: time.Now(),
				Payload: fmt.Appendf(nil, `{"move":"x","state":%q,"host":"b.example.com"}`, state)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	marks := func() int {
		t.Helper()
		seen, err := sqlstore.LookSQLite(t.Context(), filepath.Join(dir, "data", "csdb"), migrations.Previous)
		if err != nil {
			t.Fatal(err)
		}
		return len(seen.Marks)
	}
	for _, state := range []string{"leaving", "switching", "arriving", "ready"} {
		mark(state)
		for _, dry := range []bool{true, false} {
			if out, err := undo(dry); err == nil || !strings.Contains(err.Error(), "homes are being moved between back ends (anna)") {
				t.Errorf("%s, dry %t: %s%v", state, dry, out, err)
			}
		}
		if out := check(); !strings.Contains(out, "to do: jobs: 1 home is being moved between back ends (anna)") {
			t.Errorf("%s: %s", state, out)
		}
	}
	for _, state := range []string{"moved", "here"} {
		mark(state)
		if out, err := undo(true); err != nil {
			t.Errorf("%s: %s%v", state, out, err)
		}
		if n := marks(); n != 1 {
			t.Errorf("%s: %d marks after a dry run", state, n)
		}
		if out, err := undo(false); err != nil {
			t.Errorf("%s: %s%v", state, out, err)
		}
		if n := marks(); n != 0 {
			t.Errorf("%s: %d marks, of which an older release knows nothing", state, n)
		}
		if out := check(); strings.Contains(out, "moved") {
			t.Errorf("%s: %s", state, out)
		}
	}
}

// TestUpgradeOfTwo: the host that stands by is not asked for backups, which the other one makes, and neither is
// brought back to a release that knows of no standby.
func TestUpgradeOfTwo(t *testing.T) {
	for name, backups := range map[string]bool{"factotum.standby.host": true, "factotum.standby.of": false} {
		dir := t.TempDir()
		conf := filepath.Join(dir, "ics.conf")
		text := "factotum.data.dir = \"" + dir + "/data\"\nfactotum.directory.type = \"ldif\"\nservice.defaultdomain = \"example.com\"\nfactotum.admin.listen = \"\"\n" +
			"local.hostname = \"a.example.com\"\nservice.dwp.enable = \"yes\"\nservice.dwp.listenaddr = \"127.0.0.1\"\n" + name + " = \"b.example.com\"\n"
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		tool := &tool{name: "calserver", std: stdio{in: strings.NewReader(""), out: &out, err: &out}}
		tool.checkUpgrade(t.Context(), conf, "", true)
		if said := strings.Contains(out.String(), "backups: there is none"); said != backups || !said != strings.Contains(out.String(), "b.example.com makes them") {
			t.Errorf("%s: %s", name, out.String())
		}
		if err := tool.undoUpgrade(t.Context(), conf, migrations.Previous, true, false); err == nil || !strings.Contains(err.Error(), "end that first") {
			t.Errorf("%s: undo: %v", name, err)
		}
	}
}
