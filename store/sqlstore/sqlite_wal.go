package sqlstore

import (
	"log/slog"
	"sync"
)

// Pages in the log (4 KiB each) at which it is folded into the database:
// beside the writer at first, in its way if the log grows all the same.
const (
	walSoft = 4000
	walHard = 16000
)

// walKeeper keeps SQLite's write-ahead log short. Folding it into the database
// waits for the disk, so it is done on a connection of its own while answers
// go out; only a log that outgrows this makes the writer wait.
type walKeeper struct {
	log    *slog.Logger
	mu     sync.Mutex // guards conn
	conn   *sqliteConn
	wake   chan struct{}
	finish chan struct{}
}

func newWALKeeper(path string, log *slog.Logger) (*walKeeper, error) {
	c, err := openSQLiteConn(path, "wal_autocheckpoint = 0", "journal_size_limit = 67108864", "synchronous = FULL", "cache_size = -512")
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
		if err := k.checkpoint("PASSIVE"); err != nil {
			k.log.Warn("fold the log", "err", err)
		}
	}
}

// tend looks at the log's length after a commit, on the writer's connection.
func (k *walKeeper) tend(c *sqliteConn) {
	if c == nil {
		return
	}
	var busy, pages, done int64
	if _, err := c.row("PRAGMA wal_checkpoint(NOOP)", nil, &busy, &pages, &done); err != nil || pages < walSoft {
		return
	}
	if pages >= walHard {
		if err := k.checkpoint("RESTART"); err != nil {
			k.log.Warn("fold the log", "err", err)
		}
		return
	}
	select {
	case k.wake <- struct{}{}:
	default:
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
