package sqlstore

import (
	"log/slog"
	"sync"
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
	next   int64      // pages at which folding the rest is tried again; the writer's
	mu     sync.Mutex // guards conn
	conn   *sqliteConn
	wake   chan struct{}
	finish chan struct{}
}

func newWALKeeper(path string, log *slog.Logger) (*walKeeper, error) {
	c, err := openSQLiteConn(path, "wal_autocheckpoint = 0", "synchronous = FULL", "cache_size = -512")
	if err != nil {
		return nil, wrap("open the log", err)
	}
	k := &walKeeper{log: log, conn: c, wake: make(chan struct{}, 1), finish: make(chan struct{})}
	go k.run()
	return k, nil
}

func (k *walKeeper) run() {
	defer close(k.finish)
	for range k.wake {
		k.fold("PASSIVE")
	}
}

// maintain looks after the log, in the writer's goroutine after each commit.
func (k *walKeeper) maintain(c *sqliteConn) {
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
	_, err := k.conn.row("PRAGMA wal_checkpoint("+mode+")", nil, &busy, &pages, &done)
	return wrap("fold the log", err)
}

func (k *walKeeper) close() {
	close(k.wake)
	<-k.finish
	k.conn.close()
}
