package broker

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSecretDrawnOnce: processes that start together share one secret, which only
// their user can read.
func TestSecretDrawnOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ens")
	got := make([]string, 20)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			var err error
			if got[i], err = Secret(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range got {
		if len(s) < 26 || s != got[0] {
			t.Errorf("secrets %q and %q", s, got[0])
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("files %v, %v", files, err)
	}
	path := filepath.Join(dir, secretFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a secret that others may read: %v", err)
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o600)
	if _, err := Secret(dir); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a short secret: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	if _, err := Start(Options{Dir: t.TempDir()}); err == nil {
		t.Error("a broker without a secret started")
	}
	first, err := Start(Options{Dir: t.TempDir(), Host: "127.0.0.1", Secret: "of this test's own"})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Stop()
	begun := time.Now()
	_, err = Start(Options{Dir: t.TempDir(), Host: "127.0.0.1", Port: first.Addr().(*net.TCPAddr).Port, Secret: "of this test's own"})
	if err == nil || !strings.Contains(err.Error(), "in use") || time.Since(begun) > startTime/2 {
		t.Errorf("a port that another has: %v after %v", err, time.Since(begun))
	}
	if first.Err() != nil || first.Stat().Kept != 0 {
		t.Errorf("%v, %+v", first.Err(), first.Stat())
	}
}
