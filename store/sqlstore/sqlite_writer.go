package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"factotum/server/calendar"
)

// maxGroup is how many Updates share one commit.
const maxGroup = 128

// update is one Update on its way through the writer.
type update struct {
	ctx   context.Context
	owner calendar.Owner
	fn    func(calendar.Tx) error
	raw   func(conn) error // instead of fn: upkeep across owners

	state atomic.Int32 // updateWaiting, then one of the others for good
	done  chan struct{}
	err   error
	hooks []func()
	told  *calendar.Committing // what is told of it before the commit; nil: it wrote nothing
}

const (
	updateWaiting int32 = iota
	updateRunning
	updateGone // its caller stopped waiting
)

// start claims the update for running; false if its caller has gone.
func (u *update) start() bool {
	return u.state.Load() == updateRunning || u.state.CompareAndSwap(updateWaiting, updateRunning)
}

func (u *update) answer() { close(u.done) }

// await waits until the update is done, or until ctx ends while it still waits.
// An update that runs is always waited for: its outcome must be known.
func (u *update) await() error {
	select {
	case <-u.done:
	case <-u.ctx.Done():
		if u.state.CompareAndSwap(updateWaiting, updateGone) {
			return wrap("wait to write", u.ctx.Err())
		}
		<-u.done
	}
	return u.err
}

// finish runs the hooks of an update that is committed, and answers it.
func (u *update) finish(log func(msg string, err error)) {
	u.hook(log)
	u.answer()
}

func (u *update) hook(log func(msg string, err error)) {
	for _, hook := range u.hooks {
		if err := guard(hook); err != nil {
			log("run a commit hook", err)
		}
	}
	u.hooks = nil
}

func guard(fn func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: stack()}
		}
	}()
	fn()
	return nil
}

// submit hands the update to whoever takes from the queue, and waits for its
// outcome.
func (u *update) submit(queue chan<- *update) error {
	if err := u.ctx.Err(); err != nil {
		return wrap("wait to write", err)
	}
	u.done = make(chan struct{})
	select {
	case queue <- u:
	case <-u.ctx.Done():
		return wrap("wait to write", u.ctx.Err())
	}
	return u.await()
}

// abandon answers those of a group whose goroutine has been ended under it
// (by runtime.Goexit, as a failing test does).
func abandon(group []*update) {
	for _, u := range group {
		select {
		case <-u.done:
		default:
			u.err, u.hooks = errGoexit, nil
			u.answer()
		}
	}
}

var errGoexit = &calendar.Error{Kind: calendar.Internal, Op: "run a transaction",
	Err: errors.New("a transaction function ended its goroutine")}

// sqliteWriter writes for everybody, a group at a time: its goroutine takes what
// waits in the queue, runs it in one transaction, commits once, which is one
// wait for the disk, and answers.
type sqliteWriter struct {
	path    string
	opts    Options
	conn    *sqliteConn // nil after a failure: opened again for the next group
	queue   chan *update
	quit    chan struct{}
	stopped chan struct{}
	lastID  int64
	group   []*update // being run
	log     *walKeeper
	settle  atomic.Pointer[func()]    // see Store.BeforeAnswers
	before  atomic.Pointer[announcer] // see Store.BeforeCommit
}

func newSQLiteWriter(path string, opts Options) (*sqliteWriter, error) {
	w := &sqliteWriter{path: path, opts: opts, queue: make(chan *update, maxGroup), quit: make(chan struct{}), stopped: make(chan struct{})}
	return w, w.connect()
}

func (w *sqliteWriter) connect() (err error) {
	sync := "synchronous = FULL"
	if w.opts.Relaxed {
		sync = "synchronous = NORMAL"
	}
	w.conn, err = openSQLiteConn(w.path,
		"page_size = 4096", // measured: 8 and 16 KiB cost a tenth and a quarter of the write rate
		"journal_mode = WAL",
		sync,
		"wal_autocheckpoint = 0",        // not before the answer: see walKeeper
		"journal_size_limit = 67108864", // of the log, after it was folded
		"cache_size = -16384",
		"temp_store = memory",
		fmt.Sprint("max_page_count = ", cmp.Or(w.opts.maxPages, math.MaxInt32)))
	return err
}

// begin starts the goroutine, once the schema is there.
func (w *sqliteWriter) begin() (err error) {
	if _, err := w.conn.row("SELECT coalesce(max(id), 0) FROM bodies", nil, &w.lastID); err != nil {
		return wrap("read the last body", err)
	}
	if w.log, err = newWALKeeper(w.path, w.opts.Log); err != nil {
		return err
	}
	go w.run()
	return nil
}

func (w *sqliteWriter) close() error {
	close(w.quit)
	<-w.stopped
	w.log.close()
	if w.conn == nil {
		return nil
	}
	return w.conn.close()
}

func (w *sqliteWriter) run() {
	orderly := false
	defer func() {
		if orderly {
			close(w.stopped)
			return
		}
		w.disconnect() // nothing of the group is committed
		abandon(w.group)
		go w.run()
	}()
	for {
		select {
		case u := <-w.queue:
			if len(w.group) > 1 { // the last one was a group: more are about to come
				runtime.Gosched()
			}
			w.gather(u)
			w.commit(w.group)
			w.tidy()
		case <-w.quit:
			orderly = true
			return
		}
	}
}

// tidy does what need not be done before the answers.
func (w *sqliteWriter) tidy() {
	if w.conn == nil {
		return
	}
	w.log.maintain(w.conn)
	if w.conn.swollen {
		w.disconnect()
	}
}

func (w *sqliteWriter) gather(first *update) {
	w.group = append(w.group[:0], first)
	for len(w.group) < maxGroup {
		select {
		case u := <-w.queue:
			w.group = append(w.group, u)
		default:
			return
		}
	}
}

// commit runs the updates in one transaction and answers them. When the
// transaction is lost on the way (a full disk does that), each update is tried
// again alone, so that one that does not fit takes no other with it.
func (w *sqliteWriter) commit(group []*update) {
	err := w.attempt(group, false)
	if err == errSpoiled {
		err = w.attempt(group, true)
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		for _, u := range group {
			if u.state.Load() == updateRunning {
				u.err, u.hooks = refused.error, nil
				u.answer()
			}
		}
		return
	}
	if err == nil {
		for _, u := range group {
			if u.state.Load() == updateRunning {
				u.hook(w.opts.logError)
			}
		}
		if fn := w.settle.Load(); fn != nil {
			(*fn)()
		}
		for _, u := range group { // together, so that they come back together
			if u.state.Load() == updateRunning {
				u.answer()
			}
		}
		return
	}
	for i := range group {
		u := group[i]
		if !u.start() {
			continue
		}
		if len(group) > 1 {
			err = w.attempt(group[i:i+1], false)
		}
		if err != nil {
			u.err, u.hooks = err, nil
		}
		u.finish(w.opts.logError)
	}
}

// errSpoiled says that an update of a group failed after it had written.
var errSpoiled = errors.New("a part of the transaction must be undone")

// attempt runs the updates in one transaction. An error means that nothing of it
// was committed; otherwise each update has its own outcome. An update that fails
// mostly does so before it writes. Only if one fails later, the group is run
// again, apart: each update inside a savepoint, which costs a copy of every page.
func (w *sqliteWriter) attempt(group []*update, apart bool) error {
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return wrap("open the store for writing", err)
		}
	}
	c := w.conn
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		w.disconnect()
		return wrap("begin to write", err)
	}
	kept := false
	for _, u := range group {
		u.err, u.hooks, u.told = nil, nil, nil
		if !u.start() {
			continue
		}
		ok, err := w.one(u, apart)
		if err == errSpoiled && len(group) > 1 {
			if c.exec("ROLLBACK") != nil {
				w.disconnect()
			}
			return err
		}
		if err != nil && err != errSpoiled {
			w.disconnect()
			return err
		}
		kept = kept || ok
	}
	end, done := "COMMIT", func(error) {}
	if !kept {
		end = "ROLLBACK"
	} else if fn := w.before.Load(); fn != nil {
		var err error
		if done, err = announce(*fn, group); err != nil {
			if c.exec("ROLLBACK") != nil {
				w.disconnect()
			}
			return &refusedError{err}
		}
	}
	err := c.exec(end)
	if err != nil {
		w.disconnect()
		err = wrap("commit", err)
	}
	done(err)
	return err
}

// one runs an update, inside a savepoint if it is to stand apart. The error says
// that the transaction is lost, errSpoiled that what the update wrote must be
// undone; the update's own failure is in the update.
func (w *sqliteWriter) one(u *update, apart bool) (kept bool, err error) {
	c := w.conn
	wrote := true
	if apart {
		if err := c.exec("SAVEPOINT one"); err != nil {
			return false, wrap("begin to write", err)
		}
	}
	c.ctx = u.ctx
	if u.raw != nil {
		u.err = u.raw(c)
	} else {
		t := newTx(c, u.owner, micros(w.opts.Now()), w.nextID)
		if u.err = call(func() error { return u.fn(t) }); u.err == nil {
			u.err = t.finish()
		}
		u.hooks, wrote = t.hooks, t.wrote
		if u.err == nil && (t.wrote || t.note != nil) {
			u.told = &calendar.Committing{Owner: u.owner, Note: t.note}
		}
	}
	c.ctx = nil
	if !c.inTransaction() {
		if u.err == nil {
			u.err = &calendar.Error{Kind: calendar.Internal, Op: "run a transaction", Err: errors.New("the transaction has ended")}
		}
		return false, u.err
	}
	if u.err != nil {
		u.hooks = nil
		if !apart {
			if wrote {
				return false, errSpoiled
			}
			return false, nil
		}
		if err := c.exec("ROLLBACK TO one"); err != nil {
			return false, wrap("roll back", err)
		}
	}
	if apart {
		if err := c.exec("RELEASE one"); err != nil {
			return false, wrap("end a savepoint", err)
		}
	}
	return u.err == nil, nil
}

func (w *sqliteWriter) nextID() int64 {
	w.lastID = max(w.lastID+1, w.opts.Now().UnixMicro()<<8)
	return w.lastID
}

// disconnect closes a connection whose state is in doubt or that holds too much
// memory; what it had not committed is gone.
func (w *sqliteWriter) disconnect() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}

func (o *Options) logError(msg string, err error) { o.Log.Error(msg, "err", err) }

func (w *sqliteWriter) checkpoint(mode string) error { return w.log.checkpoint(mode) }
