package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"factotum/server/config"
)

// pidFile holds the process id of a running process and is locked by it, so
// that a number left behind by a crash is never taken for a process.
type pidFile struct{ f *os.File }

func pidPath(cfg *config.Config, process string) string {
	return filepath.Join(cfg.Local.PIDDir, process+".pid")
}

// runningError says that a process of that name is there already.
type runningError struct {
	name string
	pid  int
}

func (e *runningError) Error() string {
	return fmt.Sprintf("%s is running already (pid %d)", e.name, e.pid)
}

func takePID(cfg *config.Config, process string) (*pidFile, error) {
	path := pidPath(cfg, process)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("write pid file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write pid file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid := readPID(f)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &runningError{process, pid}
		}
		return nil, fmt.Errorf("lock pid file %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write pid file: %w", err)
	}
	return &pidFile{f}, nil
}

// release empties the file and lets the lock go. It stays, since removing it
// would let two processes lock two files of one name.
func (p *pidFile) release() {
	p.f.Truncate(0)
	p.f.Close()
}

func readPID(f *os.File) int {
	var b [24]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

// runningPID tells the pid of a process, 0 if it does not run.
func runningPID(cfg *config.Config, process string) (int, error) {
	f, err := os.Open(pidPath(cfg, process))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read pid file: %w", err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return readPID(f), nil
	}
	if err != nil {
		return 0, fmt.Errorf("read pid file: %w", err)
	}
	return 0, nil
}
