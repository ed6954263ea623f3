package archive

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
)

// A place is a directory of backups. Each period has a directory of its own in it, named
// after the day on which it began (admin.md §9.6):
//
//	archive_20261129/
//	    manifest.json             what it is of, and what is known of it
//	    snapshot.zst              an image of every home
//	    log.0000000041.zst        what was committed since, in files that are done,
//	    log.0000000042            and one that is written to; perhaps an empty one that comes next
//	    state.0000000041.zst      the numbers of homes at its beginning
//
// Where they are encrypted the names end in .zst.age, and .sealed: see Keys.
//
// The log is one, over all periods: its files are counted on. So a state of a period is
// its snapshot and the log from there on, through the periods that follow.

const (
	format       = 1
	manifestName = "manifest.json"
	snapshotName = "snapshot.zst"
	logPrefix    = "log."
	packed       = ".zst"
	partial      = ".part"
)

// header is the first line of each file of the log.
type header struct {
	Format  int       `json:"format"`
	File    int       `json:"file"`
	Host    string    `json:"host"`
	Release string    `json:"release,omitzero"`
	Begun   time.Time `json:"begun"`
	// Follows tells that nothing is missing between the file before and this one.
	Follows bool `json:"follows"`
}

// record is a line of the log, or of a snapshot: one of these.
type record struct {
	Head   *header   `json:"archive,omitempty"`
	Beat   time.Time `json:"beat,omitzero"`  // the log is whole up to there
	Clean  bool      `json:"clean,omitzero"` // of a beat: the server was stopped
	Digest *digest   `json:"digest,omitempty"`
	End    *ending   `json:"end,omitempty"` // of a snapshot
	Txn    *txn      `json:"txn,omitempty"`

	spelled []byte // the transaction; nil: it is spelled when it is written
}

// spell makes rows of the transaction those of an archive.
func (r *record) spell() {
	if r.Txn != nil {
		r.Txn.spell()
	}
}

// ending is the last line of a snapshot.
type ending struct {
	Homes int `json:"homes"`
	Ops   int `json:"ops"`
}

// place writes the log into a directory of backups.
type place struct {
	root    string
	prefix  string // archive or hotbackup
	host    string
	release string
	alone   bool  // root is the only period
	fold    int64 // octets after which a file of the log is done
	keys    *Keys
	log     *slog.Logger
	failed  func(error) // told when writing begins to fail

	mu      sync.Mutex
	period  string // directory, "" before the first
	file    *os.File
	seal    *sealer // of the file; nil: it is written as it is
	number  int     // of the file
	size    int64
	dirty   bool
	ahead   bool      // the next file is there, or is being made
	broken  bool      // something was not written: the next file does not follow
	gapped  bool      // so a new snapshot is wanted
	retry   time.Time // not before
	lastErr error
	beat    time.Time
	syncing bool            // the file is being brought to the disk
	ended   <-chan struct{} // closed when the file before is there (nil)
	aside   sync.WaitGroup  // what is done with files while others are written
	packing sync.Mutex      // one at a time
	busy    *atomic.Bool    // many write (nil: that does not matter)
	whole   atomic.Int32    // files that are to be packed

	recent map[calendar.Owner]time.Time // while it resumes: when the log tells of them last

	at   map[calendar.Owner]int64 // numbers of homes at the end of the last file that was ended; of what is done apart
	last map[calendar.Owner]int64 // those that have changed since, gone where one is none; of who writes
}

func logName(n int) string { return fmt.Sprintf("%s%010d", logPrefix, n) }

// write adds lines. What cannot be written is lost to this place, which is told in the
// next file that can.
func (p *place) write(data []byte, last time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.period == "" || len(data) == 0 {
		return
	}
	if p.file == nil && !p.reopen() {
		p.broken, p.gapped = true, true
		return
	}
	if err := p.put(data); err != nil {
		p.fail(err)
		return
	}
	p.beat = last
	if p.size >= p.fold {
		p.next()
	} else if dir := p.period; p.size >= p.fold/2 && !p.ahead {
		p.ahead = true
		p.aside.Go(func() { p.makeAhead(dir) })
	}
}

// none is the number of a home that is gone.
const none = -1

// note keeps the number that a home has after a transaction. Only who writes calls it.
func (p *place) note(t *txn) {
	if p.last == nil {
		p.last = map[calendar.Owner]int64{}
	}
	if p.last[t.Owner] = t.Change; t.dropped() {
		p.last[t.Owner] = none
	}
}

// put writes lines into the file.
func (p *place) put(data []byte) error {
	if p.seal != nil {
		data = p.seal.seal(data)
	}
	_, err := p.file.Write(data)
	p.size += int64(len(data))
	p.dirty = true
	return err
}

// lose notes that something is missing in the log.
func (p *place) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken, p.gapped = true, true
}

// fail notes that the place is not what it should be any more.
func (p *place) fail(err error) {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
	p.broken, p.gapped, p.retry = true, true, time.Now().Add(10*time.Second)
	if p.lastErr == nil {
		p.log.Error("the backup cannot be written", "directory", p.root, "error", err)
		p.lastErr = err
		p.failed(err)
	}
}

// sync has what was written brought to the disk. Where nothing is, the log tells once a minute
// that it is whole.
func (p *place) sync(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(now, false)
	if f := p.file; f != nil && p.dirty && !p.syncing {
		p.dirty, p.syncing = false, true
		before := p.ended
		p.aside.Go(func() {
			if before != nil {
				<-before // so that a power cut takes the end of the log, and nothing from its middle
			}
			err := f.Sync()
			p.mu.Lock()
			defer p.mu.Unlock()
			p.syncing = false
			if err != nil && p.file == f { // else whoever ended it tells
				p.fail(err)
			}
		})
	}
}

// finish ends the log: the server stops, or the copy is whole.
func (p *place) finish(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tell(now, true); p.file != nil {
		p.end()
	}
}

// tell writes that the log is whole, where it is time for that.
func (p *place) tell(now time.Time, clean bool) {
	if p.period == "" || p.file == nil && !p.reopen() {
		return
	}
	if clean || now.Sub(p.beat) >= time.Minute {
		var buf bytes.Buffer
		err := appendLine(&buf, &record{Beat: now, Clean: clean})
		if err == nil {
			err = p.put(buf.Bytes())
		}
		if err != nil {
			p.fail(err)
			return
		}
		p.beat = now
	}
}

// beats has the next sync tell that the log is whole.
func (p *place) beats(mark time.Time) {
	p.mu.Lock()
	p.beat = time.Time{}
	p.mu.Unlock()
	p.sync(mark)
}

// prepare makes the directory of a period, with what will be known of it when it begins.
func (p *place) prepare(m *Manifest) (dir string, err error) {
	if dir, err = p.newPeriod(m.Begun); err != nil {
		return "", err
	}
	p.mu.Lock()
	m.FirstLog = p.number + 1
	p.mu.Unlock()
	m.Format, m.Host, m.Release, m.Encrypted = format, p.host, p.release, p.keys.seals()
	if err := m.write(dir); err != nil {
		p.forget(dir)
		return "", err
	}
	p.makeAhead(dir)
	return dir, nil
}

// forget removes the directory of a period that did not begin.
func (p *place) forget(dir string) {
	if !p.alone {
		os.RemoveAll(dir)
	}
}

// begin starts a period that was prepared: the log goes on in its directory.
//
// What it returns is closed when what the log had before is on the disk.
func (p *place) begin(dir string, m *Manifest) (ended <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		ended = p.end()
	}
	old := p.period
	p.period, p.gapped = dir, false
	if err := p.open(); err != nil {
		p.period = old
		p.fail(err)
		return ended, err
	}
	if m.FirstLog == p.number {
		return ended, nil
	}
	m.FirstLog = p.number // a file was full meanwhile
	return ended, m.write(dir)
}

// newPeriod makes a directory that is named after the day, and counted where the day has
// others.
func (p *place) newPeriod(begun time.Time) (string, error) {
	if err := os.MkdirAll(p.root, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(p.root)
	if err != nil || p.alone {
		return p.root, err
	}
	name, last := p.prefix+begun.Format("_20060102"), 0
	for _, e := range entries {
		if e.Name() == name {
			last = max(last, 1)
		} else if rest, ok := strings.CutPrefix(e.Name(), name+"_"); ok {
			n, _ := strconv.Atoi(rest)
			last = max(last, n)
		}
	}
	if last > 0 {
		name = fmt.Sprintf("%s_%d", name, last+1)
	}
	dir := filepath.Join(p.root, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	return dir, syncDir(p.root)
}
