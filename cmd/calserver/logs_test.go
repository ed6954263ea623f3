package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/server/config"
)

// admin.md §6.11, §18: files roll over by size and age, are named
// admin.log.8.1083013284, and the oldest go.
func TestLogFileRollsOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs[1]") // not a pattern
	now := time.Unix(1083013284, 0)
	l, err := openLogFile(filepath.Join(dir, "admin.log"), &config.Log{MaxFileSize: 100, MaxFiles: 3, Rollover: time.Hour, Expiry: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	l.now = func() time.Time { return now }
	write := func(n int) {
		t.Helper()
		if _, err := fmt.Fprintln(l, strings.Repeat("x", n-1)); err != nil {
			t.Fatal(err)
		}
	}
	names := func() string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range entries {
			out = append(out, strings.TrimPrefix(e.Name(), "admin.log"))
		}
		return strings.Join(out, " ")
	}
	write(60)
	write(60)
	if got := names(); got != " .1.1083013284" {
		t.Errorf("after two large lines: %q", got)
	}
	now = now.Add(2 * time.Hour)
	write(10)
	if got := names(); got != " .1.1083013284 .2.1083020484" {
		t.Errorf("after two hours: %q", got)
	}
	write(95)
	if got := names(); got != " .2.1083020484 .3.1083020484" {
		t.Errorf("three files at most: %q", got)
	}
	now = now.Add(25 * time.Hour)
	write(10)
	if got := names(); got != " .4.1083110484" {
		t.Errorf("after a day: %q", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("late\n")); err == nil {
		t.Error("a closed log takes lines")
	}
}

// The words of ics.conf are in the log, and its level decides.
func TestLogLevels(t *testing.T) {
	cfg := config.Default()
	var out bytes.Buffer
	lg := openLogs(cfg, &out, false)
	log, err := lg.named("cshttpd", "http.log")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("not at NOTICE")
	notice(log, "started")
	log.Warn("careful")
	got := out.String()
	if strings.Contains(got, "not at") || !strings.Contains(got, "level=NOTICE msg=started program=cshttpd") || !strings.Contains(got, "level=WARNING") {
		t.Errorf("the log: %s", got)
	}
}

// A pid file that a dead process left behind names nobody.
func TestPIDFile(t *testing.T) {
	cfg := config.Default()
	cfg.Local.PIDDir = t.TempDir()
	p, err := takePID(cfg, "calserver")
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := runningPID(cfg, "calserver"); err != nil || pid != os.Getpid() {
		t.Errorf("running: %d, %v", pid, err)
	}
	if _, err := takePID(cfg, "calserver"); err == nil || !strings.Contains(err.Error(), "is running already") {
		t.Errorf("taken twice: %v", err)
	}
	p.release()
	if err := os.WriteFile(pidPath(cfg, "calserver"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if pid, err := runningPID(cfg, "calserver"); err != nil || pid != 0 {
		t.Errorf("left behind: %d, %v", pid, err)
	}
}

// Names of sockets that are longer than the system takes work all the same.
func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	path := filepath.Join(dir, "csstored.sock")
	ln, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", fi, err)
	}
	if again, err := listenSocket(path); err != nil {
		t.Errorf("in the place of an old one: %v", err)
	} else {
		again.Close()
	}
}
