package directory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// stamp tells versions of a file apart.
type stamp struct {
	mtime time.Time
	size  int64
	inode uint64
}

// watch polls: it works on every file system and misses no rename.
func (s *ldifSource) watch(every time.Duration) {
	defer close(s.done)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.poll()
		}
	}
}

// look re-reads a file that was replaced: csuser's change counts at once for
// whoever asks. Who comes while it is read waits. It costs one look at the
// file's date.
func (s *ldifSource) look() { s.changed(false, "") }

// glance is look for those who ask about somebody who is remembered, unless it
// was done just now. They do not wait while the file is read if the difference
// is none of his: a hundred thousand entries take a second.
func (s *ldifSource) glance(now time.Time, id string) {
	if s.watched.due(now) {
		s.changed(false, id)
	}
}

// poll is look, and takes a file that was written in place (same inode) when it
// looks the same twice, lest half of it be taken.
func (s *ldifSource) poll() { s.changed(true, "") }

// changed looks for a change that somebody who asks about a user, or about
// whomever, has to know of, and waits until it is known.
func (s *ldifSource) changed(inPlace bool, id string) {
	for {
		begun := time.Now()
		s.mu.Lock()
		now, err := stampOf(s.path)
		if err != nil {
			now = stamp{size: -1}
		}
		if r := s.reading; r != nil {
			other := id != "" && r.of == now && !r.touches(s.snap.Load().byID[id])
			s.mu.Unlock()
			if other {
				return
			}
			<-r.done
			continue
		}
		switch {
		case now == s.taken:
			s.refused, s.lastErr = stamp{}, nil
		case now == s.refused:
		case now.inode == s.taken.inode && !inPlace:
		case now.inode == s.taken.inode && now != s.pending:
			s.pending = now
		default:
			if err == nil {
				err = s.beginLocked()
			}
			if err != nil {
				s.refuseLocked(now, err)
			}
			s.mu.Unlock()
			continue
		}
		s.watched.looked(begun)
		s.mu.Unlock()
		return
	}
}

func (s *ldifSource) refuseLocked(st stamp, err error) {
	s.refused, s.lastErr = st, err
	s.d.opt.Log.Error("directory file not taken, the old content stays", "path", s.path, "err", err)
}

// reload is a changed file that is being read.
type reload struct {
	of       stamp
	from, to int // lines of the old file that are no longer as they were
	done     chan struct{}
}

// touches tells whether an entry of the old file may be another in the new one.
func (r *reload) touches(e *entry) bool { return e != nil && r.from <= e.line && e.line <= r.to }

// beginLocked reads a changed file, and leaves what takes long to a goroutine.
func (s *ldifSource) beginLocked() error {
	f, data, st, err := readLDIFFile(s.path)
	if err != nil {
		return err
	}
	r := &reload{of: st, to: math.MaxInt, done: make(chan struct{})}
	if s.held != nil {
		if old, err := io.ReadAll(io.NewSectionReader(s.held, 0, maxLDIFSize)); err == nil {
			r.from, r.to = s.snap.Load().differ(old, data)
		}
	}
	s.reading = r
	go func() {
		defer close(r.done)
		if s.loading != nil {
			s.loading()
		}
		snap, err := s.d.newSnapshot(data)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reading = nil
		if err != nil {
			f.Close()
			s.refuseLocked(st, fmt.Errorf("read %s: %w", s.path, err))
			return
		}
		s.takeLocked(f, snap, st)
	}()
	return nil
}

// differ finds the lines of the old file outside of which the new one is the
// same, from the beginning of an entry; all of them if it is about a domain,
// which others depend on.
func (sn *snapshot) differ(old, now []byte) (from, to int) {
	same, tail := 0, 0
	for most := min(len(old), len(now)); same < most && old[same] == now[same]; {
		same++
	}
	for most := min(len(old), len(now)) - same; tail < most && old[len(old)-1-tail] == now[len(now)-1-tail]; {
		tail++
	}
	line := 1 + bytes.Count(old[:same], []byte{'\n'})
	to = 1 + bytes.Count(old[:len(old)-tail], []byte{'\n'})
	for _, e := range sn.entries {
		if e.line <= line {
			from = max(from, e.line)
		}
	}
	for _, e := range sn.entries {
		if from <= e.line && e.line <= to && domainFilter.matches(e) {
			return 0, math.MaxInt
		}
	}
	if bytes.Contains(bytes.ToLower(now[same:len(now)-tail]), []byte("domain")) {
		return 0, math.MaxInt
	}
	return from, to
}

// refresh is poll for those who cannot wait.
func (s *ldifSource) refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.reading; r != nil; r = s.reading {
		s.mu.Unlock()
		<-r.done
		s.mu.Lock()
	}
	now, err := stampOf(s.path)
	if err == nil && now == s.taken {
		return nil
	}
	return s.loadLocked()
}

func (s *ldifSource) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loadLocked()
}

func (s *ldifSource) loadLocked() error {
	f, data, st, err := readLDIFFile(s.path)
	if err != nil {
		return err
	}
	snap, err := s.d.newSnapshot(data)
	if err != nil {
		f.Close()
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	s.takeLocked(f, snap, st)
	return nil
}

// takeLocked makes a snapshot the current one.
func (s *ldifSource) takeLocked(f *os.File, snap *snapshot, st stamp) {
	snap.gen = 1 // 0 is for sources that cannot know
	if old := s.snap.Load(); old != nil {
		snap.gen = old.gen + 1
		s.d.opt.Log.Info("directory file read", "path", s.path, "entries", len(snap.entries))
	}
	s.snap.Store(snap)
	if s.held != nil {
		s.held.Close()
	}
	s.held = f
	s.taken, s.refused, s.pending, s.lastErr = st, stamp{}, stamp{}, nil
}

// readLDIFFile reads the whole file, makes sure that it did not change
// meanwhile, and returns it open.
func readLDIFFile(path string) (f *os.File, data []byte, st stamp, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, nil, stamp{}, fmt.Errorf("open directory file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	before, err := f.Stat()
	if err != nil {
		return nil, nil, stamp{}, fmt.Errorf("stat directory file: %w", err)
	}
	if !before.Mode().IsRegular() {
		return nil, nil, stamp{}, fmt.Errorf("open directory file: %s is not a regular file", path)
	}
	if data, err = io.ReadAll(io.LimitReader(f, maxLDIFSize+1)); err != nil {
		return nil, nil, stamp{}, fmt.Errorf("read directory file: %w", err)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, nil, stamp{}, fmt.Errorf("stat directory file: %w", err)
	}
	if fileStamp(before) != fileStamp(after) {
		return nil, nil, stamp{}, errors.New("the directory file changed while it was read")
	}
	return f, data, fileStamp(after), nil
}

func stampOf(path string) (stamp, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return fileStamp(fi), nil
}

func fileStamp(fi os.FileInfo) stamp {
	return stamp{fi.ModTime(), fi.Size(), inode(fi)}
}
