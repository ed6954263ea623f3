package archive

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"factotum/server/calendar"
)

// log takes what transactions did, in the order of their commits, and has it written
// to places. It never fails a transaction; where it falls far behind, it holds them up.
type log struct {
	now func() time.Time
	err *slog.Logger

	mu      sync.Mutex
	more    *sync.Cond // something waits, or is written
	waiting []*record
	octets  int       // of what waits
	last    time.Time // of the last that was added
	closed  bool
	busy    bool // what was taken is not written yet
	doubts  map[calendar.Owner]bool

	places []*place
	done   chan struct{}
	woken  chan struct{} // for doubts
}

// mostWaiting is how many octets may wait before transactions do.
const mostWaiting = 32 << 20

// flushEvery is how long something may be written and not yet on the disk.
const flushEvery = time.Second

func newLog(now func() time.Time, logger *slog.Logger, places ...*place) *log {
	l := &log{now: now, err: logger, places: places, done: make(chan struct{}), woken: make(chan struct{}, 1), doubts: map[calendar.Owner]bool{}}
	l.more = sync.NewCond(&l.mu)
	go l.run()
	return l
}

// add is called after the commit of a transaction, in the order of those of one owner.
func (l *log) add(all ...*record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.octets > mostWaiting && !l.closed {
		l.more.Wait()
	}
	if l.closed {
		return
	}
	now := l.now().UTC()
	if now.Before(l.last) {
		now = l.last
	}
	l.last = now
	for _, r := range all {
		if r.Txn != nil {
			r.Txn.Time = now
			l.octets += r.Txn.size()
		}
		l.waiting = append(l.waiting, r)
	}
	l.more.Broadcast()
}

// size is about how many octets it holds.
func (t *txn) size() int {
	n := 200
	for i := range t.Ops {
		o := &t.Ops[i]
		n += 300 + len(o.Value)
		switch {
		case o.object != nil:
			n += len(o.object.Data)
		case o.job != nil:
			n += len(o.job.Payload)
		case o.file != nil:
			n += len(o.file.Data)
		}
	}
	return n
}

// doubt tells that a transaction of an owner may have been committed and is not known
// here: his home is written anew.
func (l *log) doubt(owner calendar.Owner) {
	l.mu.Lock()
	l.doubts[owner] = true
	l.mu.Unlock()
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// run writes until the log is closed.
func (l *log) run() {
	defer close(l.done)
	tick := time.AfterFunc(flushEvery, func() { l.mu.Lock(); l.more.Broadcast(); l.mu.Unlock() })
	defer tick.Stop()
	var buf bytes.Buffer
	synced := time.Now()
	for {
		l.mu.Lock()
		for len(l.waiting) == 0 && !l.closed && time.Since(synced) < flushEvery {
			l.more.Wait()
		}
		batch, last, closed := l.waiting, l.last, l.closed
		l.waiting, l.octets, l.busy = nil, 0, true
		l.more.Broadcast()
		l.mu.Unlock()

		buf.Reset()
		for _, r := range batch {
			r.spell()
			if err := appendLine(&buf, r); err != nil {
				l.err.Error("a transaction cannot be archived", "error", err)
			}
		}
		for _, p := range l.places {
			p.write(buf.Bytes(), last)
		}
		if closed || time.Since(synced) >= flushEvery {
			for _, p := range l.places {
				p.sync(closed)
			}
			synced = time.Now()
			tick.Reset(flushEvery)
		}
		if cap(buf.Bytes()) > 4<<20 {
			buf = bytes.Buffer{}
		}
		l.mu.Lock()
		l.busy = false
		l.more.Broadcast()
		end := closed && len(l.waiting) == 0
		l.mu.Unlock()
		if end {
			return
		}
	}
}

// drain waits until all that was added is written.
func (l *log) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.mu.Lock(); l.more.Broadcast(); l.mu.Unlock() })
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for (len(l.waiting) > 0 || l.busy) && ctx.Err() == nil {
		l.more.Wait()
	}
	return ctx.Err()
}

// close writes what waits, and ends.
func (l *log) close() {
	l.mu.Lock()
	l.closed = true
	l.more.Broadcast()
	l.mu.Unlock()
	<-l.done
}
