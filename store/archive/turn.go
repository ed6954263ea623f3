package archive

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"factotum/server/calendar"
)

// How a place goes from one file of the log to the next.

// reopen begins a file after one that could not be written.
func (p *place) reopen() bool {
	if time.Now().Before(p.retry) {
		return false
	}
	if err := p.open(); err != nil {
		p.fail(err)
		return false
	}
	return true
}

// turn begins another file of the log. What it returns is closed when the one before is on the
// disk, with the state at its end.
func (p *place) turn() (ended <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		ended = p.next()
	}
	return ended
}

// mostWhole is how many files wait to be packed while many write, who are to have the processor.
const mostWhole = 8

// next ends a file and begins another.
func (p *place) next() (ended <-chan struct{}) {
	ended = p.end()
	if err := p.open(); err != nil {
		p.fail(err)
	}
	return ended
}

// open begins a file of the log.
func (p *place) open() error {
	n := p.number + 1
	f, err := p.create(p.period, n)
	if err != nil {
		return err
	}
	if err = p.head(f, n); err != nil {
		p.file = nil
		f.Close()
		os.Remove(f.Name())
		return err
	}
	p.number, p.broken, p.lastErr, p.ahead = n, false, nil, false
	dir := p.period
	p.apart(func() error { return syncDir(dir) })
	return nil
}

// create makes a file of the log, unless one is there in which nothing is.
func (p *place) create(dir string, n int) (*os.File, error) {
	name := filepath.Join(dir, logName(n))
	if p.keys.seals() {
		name += sealed
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() > 0 {
		err = &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// makeAhead makes the next file of the log in a directory: the file system may have whoever makes
// one wait for the disk, and nobody who writes is to.
func (p *place) makeAhead(dir string) {
	p.mu.Lock()
	n := p.number + 1
	p.mu.Unlock()
	if f, err := p.create(dir, n); err == nil { // else it is tried again when it is needed
		f.Close()
	}
}

// apart does something while others write. What it returns is closed when it is done.
func (p *place) apart(do func() error) (done <-chan struct{}) {
	ended := make(chan struct{})
	p.aside.Go(func() {
		defer close(ended)
		if err := do(); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.fail(err)
		}
	})
	return ended
}

// head begins to write to a file.
func (p *place) head(f *os.File, n int) (err error) {
	p.file, p.size, p.seal = f, 0, nil
	if p.keys.seals() {
		s, line, err := p.keys.sealer()
		if err != nil {
			return err
		}
		if _, err := f.Write(line); err != nil {
			return err
		}
		p.seal = s
	}
	var buf bytes.Buffer
	err = appendLine(&buf, &record{Head: &header{Format: format, File: n, Host: p.host, Release: p.release, Begun: time.Now().UTC(), Follows: !p.broken}})
	if err != nil {
		return err
	}
	return p.put(buf.Bytes())
}

// end has the file brought to the disk, beside the numbers that homes have come to, and packed:
// apart, so that nobody waits for it.
func (p *place) end() (ended <-chan struct{}) {
	f, seal, dir, n, last := p.file, p.seal, p.period, p.number, p.last
	before := p.ended
	p.file, p.last = nil, nil
	ended = p.apart(func() error {
		if before != nil {
			<-before
		}
		if p.at == nil {
			p.at = map[calendar.Owner]int64{}
		}
		for owner, number := range last {
			if number == none {
				delete(p.at, owner)
			} else {
				p.at[owner] = number
			}
		}
		err := f.Sync()
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		return p.keepState(dir, n, p.at)
	})
	p.ended = ended
	p.whole.Add(1)
	p.aside.Go(func() {
		<-ended
		p.packing.Lock()
		defer p.packing.Unlock()
		defer p.whole.Add(-1)
		for p.busy != nil && p.busy.Load() && p.whole.Load() < mostWhole {
			time.Sleep(flushEvery / 10)
		}
		if err := p.keys.packFile(f.Name(), seal); err != nil {
			p.log.Warn("a file of the backup stays as it is: it cannot be compressed", "file", f.Name(), "error", err)
		}
	})
	return ended
}

func (k *Keys) packFile(name string, s *sealer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := io.Reader(f)
	if s != nil {
		if in, err = k.openSealed(name, f, s.key); err != nil {
			return err
		}
	}
	out, err := k.createPacked(strings.TrimSuffix(name, sealed) + packed)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		out.abandon()
		return err
	}
	if _, _, err := out.finish(); err != nil {
		return err
	}
	return os.Remove(name)
}
