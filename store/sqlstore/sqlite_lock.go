package sqlstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"factotum/server/calendar"
)

// fileLock is an exclusive flock on a file that holds the owner's pid. The
// kernel drops it when the process ends, however it ends.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the store: %w", err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 32)) // only for the message
		pid := strings.TrimSpace(string(holder))
		if pid == "" {
			pid = "unknown"
		}
		return nil, &calendar.Error{Kind: calendar.Unavailable, Op: "lock the store", Msg: fmt.Sprintf(
			"Another csstored (pid %s) serves the store in this directory (lock file %s). Stop it first.", pid, path)}
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return &fileLock{f}, nil
}

// release lets the next process in. The file stays: removing it would let two
// processes lock two files of one name.
func (l *fileLock) release() {
	l.f.Truncate(0)
	l.f.Close()
}
