package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Log is the log of a host. Programs on it add to it at the same time.
type Log struct {
	Dir   string
	Days  int   // for which entries are kept; 0 = all
	Bytes int64 // of all files; 0 = any
	Now   func() time.Time

	mu sync.Mutex
}

const (
	prefix = "audit-"
	suffix = ".jsonl"
	lock   = ".lock"
)

// none is what the first line comes after.
const none = "0000000000000000"

// maxLine is the longest line that is read.
const maxLine = 1 << 20

func digest(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:8])
}

func (l *Log) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// Add adds entries, which are on the disk when it returns.
func (l *Log) Add(entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	l.own(l.Dir)
	guard, err := l.open(lock, os.O_RDWR)
	if err == nil {
		defer guard.Close()
		err = syscall.Flock(int(guard.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("keep the audit: lock it: %w", err)
	}
	files, err := l.files()
	if err != nil {
		return err
	}
	name := prefix + l.now().UTC().Format("20060102") + suffix
	last := none
	if n := len(files); n > 0 {
		if files[n-1].name > name { // the clock went back
			name = files[n-1].name
		}
		if last, err = l.end(files[n-1].name); err != nil {
			return err
		}
	}
	f, err := l.open(name, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	defer f.Close()
	var text bytes.Buffer
	for _, e := range entries {
		if e.When.IsZero() {
			e.When = l.now()
		}
		e.When, e.After = e.When.UTC(), last
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("keep the audit: %w", err)
		}
		last = digest(line)
		text.Write(append(line, '\n'))
	}
	if _, err = f.Write(text.Bytes()); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("keep the audit: %w", err)
	}
	return l.retire(append(files, file{name: name, size: int64(text.Len())}))
}

// open opens a file of the log, or makes it, for who has the directory.
func (l *Log) open(name string, flags int) (*os.File, error) {
	path := filepath.Join(l.Dir, name)
	f, err := os.OpenFile(path, flags|os.O_CREATE, 0o600)
	if err == nil {
		l.own(path)
	}
	return f, err
}

// own gives what root makes to the user of the directory above, whom the server runs as.
func (l *Log) own(path string) {
	if os.Geteuid() != 0 {
		return
	}
	if st, err := os.Stat(filepath.Dir(l.Dir)); err == nil {
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			os.Chown(path, int(sys.Uid), int(sys.Gid))
		}
	}
}

type file struct {
	name string
	size int64
}

// files are those of the log, the oldest first.
func (l *Log) files() (list []file, err error) {
	entries, err := os.ReadDir(l.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit: %w", err)
	}
	for _, e := range entries {
		if _, ok := day(e.Name()); !ok {
			continue
		}
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the audit: %w", err)
		}
		list = append(list, file{e.Name(), st.Size()})
	}
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// day is that of a file.
func day(name string) (time.Time, bool) {
	if !strings.HasPrefix(name, prefix) || !strings.HasSuffix(name, suffix) {
		return time.Time{}, false
	}
	t, err := time.Parse("20060102", strings.TrimSuffix(strings.TrimPrefix(name, prefix), suffix))
	return t, err == nil
}

// end is the digest of the last line of a file. A line that a crash cut off is completed:
// it counts as it is.
func (l *Log) end(name string) (string, error) {
	path := filepath.Join(l.Dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return "", fmt.Errorf("keep the audit: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("keep the audit: %w", err)
	}
	tail := make([]byte, min(st.Size(), maxLine))
	if _, err := f.ReadAt(tail, st.Size()-int64(len(tail))); err != nil && err != io.EOF {
		return "", fmt.Errorf("keep the audit: %w", err)
	}
	if len(tail) > 0 && tail[len(tail)-1] != '\n' {
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return "", fmt.Errorf("keep the audit: %w", err)
		}
		tail = append(tail, '\n')
	}
	tail = bytes.TrimSuffix(tail, []byte{'\n'})
	if len(tail) == 0 {
		return none, nil
	}
	return digest(tail[bytes.LastIndexByte(tail, '\n')+1:]), nil
}

// retire removes the oldest files, but never the last.
func (l *Log) retire(files []file) error {
	var all int64
	for _, f := range files {
		all += f.size
	}
	oldest := l.now().UTC().AddDate(0, 0, -l.Days).Truncate(24 * time.Hour)
	newest := files[len(files)-1].name
	for _, f := range files {
		at, _ := day(f.name)
		if f.name == newest || (l.Days <= 0 || !at.Before(oldest)) && (l.Bytes <= 0 || all <= l.Bytes) {
			continue
		}
		if err := os.Remove(filepath.Join(l.Dir, f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what is old of the audit: %w", err)
		}
		all -= f.size
	}
	return nil
}

// Filter says which entries are asked for; what is empty asks for nothing.
type Filter struct {
	Who, Whose string
	What       []string
	Ref, UID   string // a calid has all that is in it
	Via        string
	From, To   time.Time // [From, To)
	Limit      int       // the newest; 0 = all
}

func (f *Filter) wants(e *Entry) bool {
	return (f.Who == "" || strings.EqualFold(e.Who, f.Who) || strings.EqualFold(e.As, f.Who)) &&
		(f.Whose == "" || strings.EqualFold(e.Whose, f.Whose)) &&
		(len(f.What) == 0 || slices.Contains(f.What, e.What)) &&
		(f.Ref == "" || e.Ref == f.Ref || strings.HasPrefix(e.Ref, f.Ref+"/")) &&
		(f.UID == "" || e.UID == f.UID) &&
		(f.Via == "" || strings.EqualFold(e.Via, f.Via)) &&
		(f.From.IsZero() || !e.When.Before(f.From)) &&
		(f.To.IsZero() || e.When.Before(f.To))
}

// Read tells of entries, the oldest first. An entry that is there twice, since the server
// died between adding it and noting that, is told of once.
func (l *Log) Read(f Filter, fn func(*Entry) error) error {
	var kept []Entry
	seen := map[string]bool{}
	err := l.lines(func(name string, n int, line []byte) error {
		var e Entry
		if json.Unmarshal(line, &e) != nil || !f.wants(&e) {
			return nil // Check tells of those
		}
		if e.ID != "" {
			if seen[e.ID] {
				return nil
			}
			seen[e.ID] = true
		}
		if f.Limit == 0 {
			return fn(&e)
		}
		if kept = append(kept, e); len(kept) > 2*f.Limit {
			kept = slices.Delete(kept, 0, len(kept)-f.Limit)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := max(0, len(kept)-f.Limit); i < len(kept); i++ {
		if err := fn(&kept[i]); err != nil {
			return err
		}
	}
	return nil
}

// Check counts the entries, and tells of lines that were changed, taken out or put in
// since they were written. Of files that went since they were old it knows nothing.
func (l *Log) Check(bad func(text string)) (n int, err error) {
	last := ""
	err = l.lines(func(name string, at int, line []byte) error {
		n++
		var e Entry
		switch err := json.Unmarshal(line, &e); {
		case err != nil:
			bad(fmt.Sprintf("%s:%d: the line cannot be read (%v)", name, at, err))
		case last != "" && e.After != last:
			bad(fmt.Sprintf("%s:%d: the line does not follow the one before it: something was changed, taken out or put in", name, at))
		}
		last = digest(line)
		return nil
	})
	return n, err
}

func (l *Log) lines(fn func(name string, n int, line []byte) error) error {
	files, err := l.files()
	if err != nil {
		return err
	}
	for _, one := range files {
		if err := l.read(one.name, fn); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *Log) read(name string, fn func(name string, n int, line []byte) error) error {
	f, err := os.Open(filepath.Join(l.Dir, name))
	if err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; in.Scan(); n++ {
		if len(in.Bytes()) == 0 {
			continue
		}
		if err := fn(name, n, in.Bytes()); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read the audit: %s: %w", name, err)
	}
	return nil
}
