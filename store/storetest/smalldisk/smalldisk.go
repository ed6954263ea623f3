// Package smalldisk gives tests file systems that are soon full, and says what becomes
// of a test that needs what only root may do.
package smalldisk

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// Lacks ends a test that this machine cannot run: in CI it fails, which has to be able
// to, and elsewhere it is skipped.
func Lacks(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: %v: in CI this test runs as root, where file systems can be mounted", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// Mount mounts a file system in memory on a directory, until the test ends.
func Mount(t testing.TB, dir string, octets int) {
	t.Helper()
	if err := syscall.Mount("smalldisk", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", octets)); err != nil {
		Lacks(t, "mount a small disk", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}
