package place

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The place of a directory is the last of the mounts that has it.
func TestPlace(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "my data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	escaped := strings.ReplaceAll(data, " ", `\040`)
	mounts := "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n" +
		"22 21 0:5 / " + dir + " rw - tmpfs tmpfs rw\n" +
		"23 22 0:6 / " + escaped + " rw shared:2 master:1 - overlay over rw\n" +
		"24 23 0:7 / " + escaped + `x rw - xfs /dev/x rw` + "\n" +
		"25 23 0:8 / " + escaped + ` rw - nfs4 nas:/my\040share rw` + "\nnonsense\n"
	for where, want := range map[string]string{
		data: "nfs4 network nas:/my share " + data, link: "nfs4 network nas:/my share " + data, dir: "tmpfs memory tmpfs " + dir, "/": "ext4 local /dev/sda1 /",
	} {
		r, err := locate(where, mounts)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join([]string{r.FileSystem, string(r.Kind), r.Source, r.Mount}, " "); got != want {
			t.Errorf("%s: %s, want %s", where, got, want)
		}
		if r.Size == 0 {
			t.Errorf("%s has no size", where)
		}
	}
	if _, err := locate(filepath.Join(dir, "nothing"), mounts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := locate(file, mounts); err == nil || !strings.Contains(err.Error(), "no directory") {
		t.Errorf("a file: %v", err)
	}
}

// What is refused, and what is told, by what a place is and is for.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		fs      string
		purpose Purpose
		failed  string
		sync    time.Duration
		refused string
		warned  string
	}{
		{"ext4", Database, "", time.Millisecond, "", ""},
		{"xfs", Database, "", 2 * Slow, "", "a synced write takes 60 ms"},
		{"xfs", Backup, "", 2 * Slow, "", ""},
		{"nfs4", Database, "", 0, "a network file system: SQLite's log needs the memory of one host", ""},
		{"nfs", Backup, "", 0, "", ""},
		{"cifs", Database, "", 0, "use PostgreSQL", ""},
		{"cifs", Files, "", 0, "", ""},
		{"fuse.sshfs", Database, "", 0, "network file system", ""},
		{"fuse.mine", Database, "", 0, "", "a file system that a program provides"},
		{"9p", Database, "", 0, "which another host", ""},
		{"virtiofs", Database, "", 0, "", "which another host"},
		{"overlay", Database, "", 0, "", "mount a volume there"},
		{"tmpfs", Backup, "", 0, "", "is in memory"},
		{"strangefs", Database, "", 0, "", "not known here"},
		{"ext4", Database, "lock", 0, "locks do not work", ""},
		{"ext4", Backup, "lock", 0, "", "locks do not work"},
		{"ext4", Database, "sync", 0, "cannot be synced", ""},
		{"ext4", Backup, "rename", 0, "cannot take the place", ""},
		{"ext4", Database, "shared memory", 0, "cannot share memory", ""},
		{"vfat", Database, "permissions", 0, "", "cannot be kept from others"},
		{"ext4", Backup, "write", 0, "cannot be written", ""},
	} {
		r := &Report{Dir: "/data", FileSystem: c.fs, Kind: KindOf(c.fs), Sync: c.sync}
		if c.failed != "" {
			r.Tries = []Try{{What: c.failed, Err: "no"}}
		}
		r.judge(c.purpose)
		refused := ""
		if err := r.Refused(); err != nil {
			refused = err.Error()
		}
		if warned := strings.Join(r.Warnings(), "; "); (refused == "") != (c.refused == "") || !strings.Contains(refused, c.refused) ||
			(warned == "") != (c.warned == "") || !strings.Contains(warned, c.warned) {
			t.Errorf("%s, %d, %s: refused %q, warned %q", c.fs, c.purpose, c.failed, refused, warned)
		}
	}
}

// On a real disk all tries succeed, and nothing is left behind.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	r, err := Look(t.Context(), dir, Database, 3)
	if err != nil {
		t.Fatal(err)
	}
	if r.FileSystem == "" || len(r.Tries) != 6 || r.Sync <= 0 || r.SyncMost < r.Sync {
		t.Errorf("%+v", r)
	}
	for _, try := range r.Tries {
		if !try.OK {
			t.Errorf("%s: %s", try.What, try.Err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Look(ctx, dir, Database, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("cut short: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
