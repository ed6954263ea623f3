package sqlstore

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// Pages in the log (4 KiB each) at which it is folded into the database: beside
// the writer at first, in its way if the log grows all the same. A page that
// was written many times since is folded once, so that rare is cheap; what a
// start after a crash has to read stays a matter of a second.
const (
	walSoft = 8000
	walHard = 24000
	walRest = 1000 // so few pages left may be folded in the writer's way
)

// walKeeper keeps SQLite's write-ahead log short. Folding it into the database
// waits for the disk, so it is done on a connection of its own while answers
// go out. SQLite begins the log anew when all of it is folded, which never
// happens while the writer runs ahead: the last pages are folded in its way.
type walKeeper struct {
	log    *slog.Logger
	file   string
	size   atomic.Int64 // of the file, as far as known
	next   int64        // pages at which folding the rest is tried again; the writer's
	mu     sync.Mutex   // guards conn and the length of the file
	conn   *sqliteConn
	wake   chan struct{}
	finish chan struct{}
}

func newWALKeeper(path string, log *slog.Logger) (*walKeeper, error) {
	c, err := openSQLiteConn(path, "wal_autocheckpoint = 0", walLimit, "synchronous = FULL", "cache_size = -512")
	if err != nil {
		return nil, wrap("open the log", err)
	}
	k := &walKeeper{log: log, file: path + "-wal", conn: c, wake: make(chan struct{}, 1), finish: make(chan struct{})}
	go k.run()
	return k, nil
}

func (k *walKeeper) run() {
	defer close(k.finish)
	for range k.wake {
		k.fold("PASSIVE")
	}
}

// due tells, after a commit, whether the log wants maintenance.
func (k *walKeeper) due(c *sqliteConn) bool {
	pages, _ := c.logLength()
	return pages >= walSoft || k.short(pages)
}

// maintain looks after the log, on the writer's connection and in its turn.
func (k *walKeeper) maintain(c *sqliteConn) {
	k.stretch(c)
	pages, folded := c.logLength()
	switch {
	case pages < walSoft:
		k.next = 0
	case pages >= walHard:
		k.fold("RESTART")
	case pages-folded > walRest:
		select {
		case k.wake <- struct{}{}:
		default:
		}
	case pages > k.next: // else a reader holds the log: not at every commit
		k.next = pages + walRest
		k.fold("PASSIVE")
	}
}

// The log's file: it is made longer in such steps while fewer octets than
// walStep/4 are left in it, up to what it needs between two beginnings.
const (
	walFrame = 4096 + 24
	walStep  = 4 << 20
	walFull  = (walSoft + walSoft/4) * walFrame
	walLimit = "journal_size_limit = 67108864" // above walFull: SQLite must not cut it
)

// stretch makes the log's file longer before SQLite does. A sync of a file that
// has grown waits for the file system's own journal too, and costs several
// times that of a write in place. SQLite takes zeros behind its last frame for
// the end of the log. No other goroutine writes to the file.
func (k *walKeeper) stretch(c *sqliteConn) {
	if !k.mu.TryLock() {
		return // it is being folded: after the next commit
	}
	defer k.mu.Unlock()
	pages, _ := c.logLength()
	if !k.short(pages) {
		return
	}
	used := pages * walFrame
	f, err := os.OpenFile(k.file, os.O_WRONLY, 0)
	if err != nil {
		return // SQLite will tell what is wrong with it
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	size := info.Size()
	if used+walStep/4 > size {
		// A full disk is for SQLite to meet: it may need less than a step.
		zeros := make([]byte, walStep/16)
		for range 16 {
			n, err := f.WriteAt(zeros, size)
			size += int64(n)
			if err != nil {
				size += walStep / 4 // not again at every commit
				break
			}
		}
	}
	k.size.Store(size)
}

// short tells that the log's file will soon be too small for so many pages.
func (k *walKeeper) short(pages int64) bool {
	used := pages * walFrame
	return pages > 0 && used+walStep/4 > k.size.Load() && used < walFull
}

func (k *walKeeper) fold(mode string) {
	if err := k.checkpoint(mode); err != nil {
		k.log.Warn("fold the log", "err", err)
	}
}

// checkpoint folds the log: PASSIVE as far as readers allow, RESTART waits for
// them (5 s at most), TRUNCATE gives the disk space back too.
func (k *walKeeper) checkpoint(mode string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var busy, pages, done int64
	if mode == "TRUNCATE" {
		defer k.size.Store(0)
	}
	_, err := k.conn.row("PRAGMA wal_checkpoint("+mode+")", nil, &busy, &pages, &done)
	return wrap("fold the log", err)
}

func (k *walKeeper) close() {
	close(k.wake)
	<-k.finish
	k.conn.close()
}
