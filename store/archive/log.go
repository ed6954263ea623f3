package archive

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
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
	written chan struct{} // closed when what waits is written
	newest  chan struct{} // the last that there was
	tasks   []func(mark time.Time)
	idle    bool // there is no place
	hangs   atomic.Bool
	ships   atomic.Bool // what transactions did goes to a standby too
	count   int         // of transactions since it was synced
	busy    atomic.Bool // there were many

	places []*place
	done   chan struct{}
	doubts chan calendar.Owner

	departures departures
	away       owners // that are not here yet: no backup has them
}

// mostWaiting is how many octets may wait before transactions do.
const mostWaiting = 32 << 20

// flushEvery is how long something may be written and not yet on the disk.
const flushEvery = time.Second

// manyWrites are so many transactions in flushEvery that what need not be done at once waits.
const manyWrites = 100

// newLog begins with homes that have those numbers.
func newLog(now func() time.Time, logger *slog.Logger, at map[calendar.Owner]int64, places ...*place) *log {
	l := &log{now: now, err: logger, places: places, done: make(chan struct{}), doubts: make(chan calendar.Owner, 1<<12)}
	for _, p := range places {
		p.at, p.busy = maps.Clone(at), &l.busy
	}
	l.more, l.idle = sync.NewCond(&l.mu), len(places) == 0
	go l.run()
	return l
}

// add is called after the commit of a transaction, in the order of those of one owner.
// What it returns is closed when that is written; nil where nothing is.
func (l *log) add(all ...*record) (written <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.octets > mostWaiting && !l.closed {
		l.more.Broadcast()
		l.more.Wait()
	}
	if l.closed || l.idle {
		return nil
	}
	if l.written == nil {
		l.written = make(chan struct{})
		l.newest = l.written
	}
	now := l.tick()
	for _, r := range all {
		if r.Txn != nil {
			r.Txn.Time = now
			l.octets += r.Txn.size()
		}
		l.waiting = append(l.waiting, r)
	}
	return l.written // who awaits it has all that was added until then written at once
}

// wakeUp has what is added from now on written: there is a place.
func (l *log) wakeUp() {
	l.mu.Lock()
	l.idle = false
	l.mu.Unlock()
}

// listens tells whether what is added is written.
func (l *log) listens() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.idle
}

// mostPatience is how long an acknowledgement waits for a place that hangs.
const mostPatience = 2 * time.Second

// await waits until something is written: where the process is killed after it was
// acknowledged the log has it, at its time. Who finds that a place hangs is the last
// who waits for it, until it goes on.
func (l *log) await(written <-chan struct{}) {
	if written == nil || l.hangs.Load() {
		return
	}
	select {
	case <-written:
		return
	default:
	}
	l.mu.Lock()
	l.more.Broadcast()
	l.mu.Unlock()
	timer := time.NewTimer(mostPatience)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
		l.hangs.Store(true)
	}
}

// settle waits for all that was added.
func (l *log) settle() {
	l.mu.Lock()
	newest := l.newest
	l.mu.Unlock()
	l.await(newest)
}

// size is about how many octets it holds.
func (t *txn) size() int {
	n := 200 + t.octets
	for i := range t.Ops {
		o := &t.Ops[i]
		n += 300 + len(o.Value)
		switch {
		case o.object != nil:
			n += len(o.object.Data)
		case o.past != nil:
			n += len(o.past.Object.Data)
		case o.job != nil:
			n += len(o.job.Payload)
		case o.file != nil:
			n += len(o.file.Data)
		}
	}
	return n
}

// doubt tells that a transaction of an owner may have been committed and is not known
// here: his home is to be written anew.
func (l *log) doubt(owner calendar.Owner) {
	select {
	case l.doubts <- owner:
	default: // a snapshot will tell
		l.do(func(time.Time) {
			for _, p := range l.places {
				p.lose()
			}
		})
	}
}

// doubted has the owners whose homes are to be written anew.
func (l *log) doubted() <-chan calendar.Owner { return l.doubts }

// do has something done between two writes: all from before mark is written.
func (l *log) do(fn func(mark time.Time)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, fn)
	l.more.Broadcast()
}

// beat has the places tell that they are whole, and what is written on the disk.
func (l *log) beat() {
	l.do(func(mark time.Time) {
		for _, p := range l.places {
			p.beats(mark)
		}
	})
}

// moment is now: what was added before is not later, and what is added from now on not
// earlier.
func (l *log) moment() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tick()
}

func (l *log) tick() time.Time {
	if now := l.now().UTC(); now.After(l.last) {
		l.last = now
	}
	return l.last
}

// run writes until the log is closed.
func (l *log) run() {
	defer close(l.done)
	var buf bytes.Buffer
	synced := time.Now() // before the clock is set, which else rings too early, and once only
	clock := time.AfterFunc(flushEvery, func() { l.mu.Lock(); l.more.Broadcast(); l.mu.Unlock() })
	defer clock.Stop()
	for {
		l.mu.Lock()
		for len(l.waiting) == 0 && len(l.tasks) == 0 && !l.closed && time.Since(synced) < flushEvery {
			l.more.Wait()
		}
		batch, tasks, closed, mark, written := l.waiting, l.tasks, l.closed, l.tick(), l.written
		l.waiting, l.octets, l.tasks, l.written = nil, 0, nil, nil
		if l.count += len(batch); l.count > manyWrites {
			l.busy.Store(true)
		}
		l.more.Broadcast()
		l.mu.Unlock()

		buf.Reset()
		if len(l.places) > 0 {
			for _, r := range batch {
				l.spell(&buf, r)
			}
		}
		for _, p := range l.places {
			p.write(buf.Bytes(), mark)
		}
		l.hangs.Store(false)
		if written != nil {
			close(written)
		}
		for _, fn := range tasks {
			fn(mark)
		}
		if closed || time.Since(synced) >= flushEvery {
			l.busy.Store(l.count > manyWrites && !closed)
			for _, p := range l.places {
				if closed {
					p.finish(mark)
					p.aside.Wait()
				} else {
					p.sync(mark)
				}
			}
			l.count, synced = 0, time.Now()
			clock.Reset(flushEvery)
		}
		if buf.Cap() > 4<<20 {
			buf = bytes.Buffer{}
		}
		l.mu.Lock()
		l.idle = len(l.places) == 0
		l.more.Broadcast()
		l.mu.Unlock()
		if closed {
			return
		}
	}
}

// spell writes a record, and keeps the numbers of homes.
func (l *log) spell(buf *bytes.Buffer, r *record) {
	var err error
	if r.spelled != nil {
		appendSpelled(buf, r.spelled, r.Txn.Time)
	} else {
		r.spell()
		err = appendLine(buf, r)
	}
	if err != nil {
		l.err.Error("a transaction cannot be archived", "error", err)
		for _, p := range l.places {
			p.lose()
		}
	}
	if t := r.Txn; t != nil {
		for _, p := range l.places {
			p.note(t)
		}
	}
}

// drain waits until all that was added is written.
func (l *log) drain(ctx context.Context) error {
	written := make(chan struct{})
	l.do(func(time.Time) { close(written) })
	select {
	case <-written:
	case <-l.done:
	case <-ctx.Done():
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
