package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"factotum/server/config"
)

// Levels of ics.conf between slog's own.
const (
	levelNotice   = slog.LevelInfo + 2
	levelAlert    = slog.LevelError + 2
	levelCritical = slog.LevelError + 4
)

var logLevels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFORMATION": slog.LevelInfo, "NOTICE": levelNotice, "WARNING": slog.LevelWarn,
	"ERROR": slog.LevelError, "ALERT": levelAlert, "CRITICAL": levelCritical,
}

// notice logs what an administrator should see of the normal course of things.
func notice(log *slog.Logger, msg string, args ...any) {
	log.Log(context.Background(), levelNotice, msg, args...)
}

// logs are the log files of a process, or its standard error.
type logs struct {
	cfg    *config.Config
	stderr io.Writer // nil: files
	level  slog.Level

	mu    sync.Mutex
	files map[string]*logFile
}

func openLogs(cfg *config.Config, stderr io.Writer, debug bool) *logs {
	l := &logs{cfg: cfg, level: logLevels[cfg.Log.Level], files: map[string]*logFile{}}
	if debug {
		l.level = slog.LevelDebug
	}
	if cfg.Log.Target == "stderr" {
		l.stderr = stderr
	}
	return l
}

// named returns the logger of one file, or of standard error with the
// program's name in each line.
func (l *logs) named(program, file string) (*slog.Logger, error) {
	return l.leveled(program, file, l.level)
}

func (l *logs) leveled(program, file string, level slog.Level) (*slog.Logger, error) {
	w := l.stderr
	if w == nil {
		f, err := l.open(file)
		if err != nil {
			return nil, err
		}
		w = f
	}
	opt := &slog.HandlerOptions{Level: level, ReplaceAttr: levelNames}
	var h slog.Handler = slog.NewTextHandler(w, opt)
	if l.cfg.Log.Format == "json" {
		h = slog.NewJSONHandler(w, opt)
	}
	log := slog.New(h)
	if l.stderr != nil {
		log = log.With("program", program)
	}
	return log, nil
}

// levelNames writes Sun's words for the levels.
func levelNames(_ []string, a slog.Attr) slog.Attr {
	if a.Key != slog.LevelKey {
		return a
	}
	lv, ok := a.Value.Any().(slog.Level)
	if !ok {
		return a
	}
	for name, v := range logLevels {
		if v == lv {
			return slog.String(slog.LevelKey, name)
		}
	}
	return a
}

func (l *logs) open(name string) (*logFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.files[name]; f != nil {
		return f, nil
	}
	f, err := openLogFile(filepath.Join(l.cfg.Log.Dir, name), &l.cfg.Log)
	if err != nil {
		return nil, err
	}
	l.files[name] = f
	return f, nil
}

func (l *logs) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		f.Close()
	}
}

// logFile rolls over by size and age. Old files get a sequence and a time,
// admin.log.8.1083013284, and go when they are too many, too old or too large
// together. admin.md §6.11, §18.
type logFile struct {
	path string
	opt  *config.Log
	now  func() time.Time

	mu    sync.Mutex
	f     *os.File
	size  int64
	begun time.Time
}

func openLogFile(path string, opt *config.Log) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &logFile{path: path, opt: opt, now: time.Now}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.f, l.size, l.begun = f, fi.Size(), l.now()
	if l.size > 0 {
		l.begun = fi.ModTime()
	}
	return nil
}

// Write implements io.Writer. Each call is a line.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return 0, os.ErrClosed
	}
	full := l.opt.MaxFileSize > 0 && l.size > 0 && l.size+int64(len(p)) > l.opt.MaxFileSize
	old := l.opt.Rollover > 0 && l.size > 0 && l.now().Sub(l.begun) > l.opt.Rollover
	if full || old {
		l.roll() // where that is not possible the file grows on
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// roll renames the file, opens a new one and removes what is too much.
func (l *logFile) roll() {
	rolled := l.rolled()
	seq := 1
	if len(rolled) > 0 {
		seq = rolled[len(rolled)-1].seq + 1
	}
	if os.Rename(l.path, fmt.Sprintf("%s.%d.%d", l.path, seq, l.now().Unix())) != nil {
		return
	}
	old := l.f
	if l.open() != nil {
		l.f = old
		return
	}
	old.Close()
	l.begun = l.now()
	l.trim(l.rolled())
}

type rolledLog struct {
	path string
	seq  int
	at   time.Time
	size int64
}

// rolled lists the files that were rolled over, oldest first.
func (l *logFile) rolled() []rolledLog {
	names, err := filepath.Glob(globQuote(l.path) + ".*.*")
	if err != nil {
		return nil
	}
	var out []rolledLog
	for _, name := range names {
		seq, at, ok := strings.Cut(strings.TrimPrefix(name, l.path+"."), ".")
		n, err1 := strconv.Atoi(seq)
		t, err2 := strconv.ParseInt(at, 10, 64)
		fi, err3 := os.Stat(name)
		if ok && err1 == nil && err2 == nil && err3 == nil {
			out = append(out, rolledLog{name, n, time.Unix(t, 0), fi.Size()})
		}
	}
	slices.SortFunc(out, func(a, b rolledLog) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func (l *logFile) trim(files []rolledLog) {
	total := l.size
	for _, f := range files {
		total += f.size
	}
	var fs syscall.Statfs_t
	low := l.opt.MinFreeDisk > 0 && syscall.Statfs(filepath.Dir(l.path), &fs) == nil &&
		int64(fs.Bavail)*int64(fs.Bsize) < l.opt.MinFreeDisk
	for i, f := range files {
		many := l.opt.MaxFiles > 0 && len(files)-i >= l.opt.MaxFiles
		large := l.opt.MaxSize > 0 && total > l.opt.MaxSize
		old := l.opt.Expiry > 0 && l.now().Sub(f.at) > l.opt.Expiry
		if many || large || old || low {
			if os.Remove(f.path) == nil {
				total -= f.size
			}
		}
	}
}

// Close ends the file; later lines are lost.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
