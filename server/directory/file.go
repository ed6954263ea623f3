package directory

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// watched remembers when a file was looked at last: to ask the system for its
// date costs as much as a tenth of a small request.
type watched struct {
	fresh time.Duration // so long a look is good
	last  atomic.Int64  // Unix time in ns
}

// freshly is how long a look is good for those who are remembered. csuser takes
// longer to end after it has changed a file.
const freshly = 2 * time.Millisecond

// due tells whether it is time to look again; by another clock than ours, as
// tests have, it always is.
func (w *watched) due(now time.Time) bool {
	since := time.Duration(now.UnixNano() - w.last.Load())
	return since < 0 || since >= w.fresh
}

// looked notes a look that was begun then.
func (w *watched) looked(begun time.Time) { w.last.Store(begun.UnixNano()) }

// replaceFile writes a file so that it is there whole or not at all, also
// after a power cut: temporary file, sync, rename, sync of the folder. Mode
// and owner of an existing file are kept.
func replaceFile(path string, data []byte, mode os.FileMode) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("make temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if old, err := os.Stat(path); err == nil {
		mode = old.Mode().Perm()
		keepOwner(f, old)
	}
	if err = f.Chmod(mode); err != nil {
		return fmt.Errorf("set mode of %s: %w", f.Name(), err)
	}
	if _, err = f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	if err = f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", f.Name(), err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("put %s in place: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer d.Close()
	if err = d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
