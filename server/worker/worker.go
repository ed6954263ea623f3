// Package worker does the jobs that follow from changes.
//
// A job is stored in the transaction of its change (calendar.Job), and who
// stored it tells the Worker of it after the commit (Add). The Worker belongs
// to the one daemon that owns the store: it reads the table of jobs once, when
// it starts, and knows from then on what there is and when it is due. So nothing
// is polled, and no row is claimed or locked. In memory a job is some 130
// octets, whatever its payload, which is read when its turn comes: a million
// pending jobs are 130 MB.
//
// What is kept:
//
//   - A job is done at least once, and exactly once unless the process ends
//     between the handler's return and the deletion of the job. So a handler is
//     harmless when it runs again.
//   - Jobs of one owner and key run one after another in the order of their ids;
//     one that tries again later holds up those behind it.
//   - One that is parked does so only where its kind says so (Kind.Blocks).
//   - Owners take turns, and none has more than its share of what runs at once.
//     A kind may have a Pool of its own, where destinations take turns.
//   - A failure, a panic too, is followed by another attempt after a pause that
//     doubles, until the attempts are used up: then the job is parked, which
//     means that it stays in the table for an administrator (csdb jobs).
//   - Stop lets what runs come to its end. What it has to cut short is not a
//     failure, and runs again after the next start.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"factotum/server/calendar"
)

// Handler does a job. An error says that it is to be tried again, unless it is
// Permanent; its text is stored, and shown to administrators, so it does not
// quote what an event says. Handlers run at once with others, and again after a
// crash.
type Handler func(ctx context.Context, job calendar.Job) error

// Kind is how jobs of one kind are done.
type Kind struct {
	Run Handler
	// Look stands instead of Run where the kind has to read what its jobs are about:
	// it does so in the snapshot in which the worker reads the job, and returns what
	// does it.
	Look     func(calendar.ReadTx, calendar.Job) (func(context.Context, calendar.Job) error, error)
	Attempts int           // before a job is parked; 0: Options.Attempts
	First    time.Duration // the pause after a first failure; 0: Options.First
	Max      time.Duration // the longest pause; 0: Options.Max
	Timeout  time.Duration // of one attempt; 0: Options.Timeout
	// Blocks says that a parked job holds up those behind it, of the same owner
	// and key, until an administrator has it tried again or drops it.
	Blocks bool
	// Deletes says that Run, where it does not fail, has deleted the job in the
	// transaction of what it did, or stored it again with another Due.
	Deletes bool
	// Pool is where jobs of the kind run that leave those of others alone, however
	// long they take; nil: beside all others, with owners taking turns.
	Pool *Pool
}

// Pool is what runs at once of some kinds of jobs.
type Pool struct {
	Concurrency int // jobs
	Each        int // of one party
	// Party says of a job's key with whom it takes turns; nil: with other owners.
	Party func(key string) string
	// Patience is after how long a job gives its place to another, so that parties
	// that are slow do not hold up the others; 0: it keeps it. Slow is how many such
	// jobs there may be beside Concurrency. A party that was slow begins among them,
	// until a job of its own is done in time.
	Patience time.Duration
	Slow     int
}

// Options are choices; the zero value is right for production.
type Options struct {
	Log *slog.Logger     // nil discards
	Now func() time.Time // the clock, time.Now if nil

	Concurrency int           // jobs that run at once; 0: 8
	PerOwner    int           // of one owner; 0: 2
	Attempts    int           // before a job is parked; 0: 20, which is half a day
	First, Max  time.Duration // the pause after a first failure, and the longest; 0: 15 seconds, an hour
	Timeout     time.Duration // of one attempt; 0: 5 minutes
	// Dropped is told of a job in the transaction in which an administrator drops
	// it; nil does nothing.
	Dropped func(tx calendar.Tx, job calendar.Job) error
	// Jitter gives how much of the second half of a pause is waited, in [0,1);
	// nil: at random.
	Jitter func() float64
}

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dropped == nil {
		o.Dropped = func(calendar.Tx, calendar.Job) error { return nil }
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	for _, d := range []struct {
		to    *int
		value int
	}{{&o.Concurrency, 8}, {&o.PerOwner, 2}, {&o.Attempts, 20}} {
		if *d.to <= 0 {
			*d.to = d.value
		}
	}
	for _, d := range []struct {
		to    *time.Duration
		value time.Duration
	}{{&o.First, 15 * time.Second}, {&o.Max, time.Hour}, {&o.Timeout, 5 * time.Minute}} {
		if *d.to <= 0 {
			*d.to = d.value
		}
	}
}

// Worker does the jobs of one store.
type Worker struct {
	store calendar.Store
	opt   Options

	ctx  context.Context // of the handlers
	cut  context.CancelFunc
	quit chan struct{} // closed by Stop
	wake chan struct{}
	busy sync.WaitGroup // the dispatcher and what runs

	mu        sync.Mutex
	phase     phase
	kinds     map[string]*kind // not changed after Start
	unknown   kind             // all that nobody handles
	queue     *queue
	pools     []*Pool // of the queue, beside the first
	parked    int     // that are in the table only
	woke      time.Time
	ended     time.Time
	unsettled map[*entry]attempt
	strangers map[string]bool // kinds without a handler that were told of
}

var _ calendar.Outbox = (*Worker)(nil)

// Planned implements calendar.Outbox.
func (w *Worker) Planned(owner calendar.Owner, key string, notBefore time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue == nil {
		return false
	}
	return w.queue.planned(owner, key, notBefore.UnixMicro(), func(e *entry) bool {
		a, ran := w.unsettled[e]
		return !ran || a.next != nil // else it was done, and waits for nothing but its deletion
	})
}

type phase uint8

const (
	idle     phase = iota // not started: what is added is in the table
	loading               // the table is being read, nothing runs
	working               //
	stopping              // nothing new is begun
)

// kind is a Kind and what became of its jobs.
type kind struct {
	Kind
	done, failed, parked uint64
}

// New returns a Worker that does nothing before Start.
func New(store calendar.Store, opt Options) *Worker {
	opt.defaults()
	w := &Worker{
		store: store, opt: opt, quit: make(chan struct{}), wake: make(chan struct{}, 1), kinds: map[string]*kind{},
		unsettled: map[*entry]attempt{}, strangers: map[string]bool{},
	}
	w.queue = w.emptyQueue()
	return w
}

// emptyQueue is a queue with the pools of all kinds.
func (w *Worker) emptyQueue() *queue {
	pools := []Pool{{Concurrency: w.opt.Concurrency, Each: w.opt.PerOwner}}
	for _, p := range w.pools {
		pools = append(pools, *p)
	}
	return newQueue(w.place, pools...)
}

// place says in which pool a job runs, and with whom it takes turns.
func (w *Worker) place(j *calendar.Job) (pool int, party string) {
	p := w.kind(j.Kind).Pool
	if p == nil || p.Party == nil {
		party = string(j.Owner)
	} else {
		party = p.Party(j.Key)
	}
	return slices.Index(w.pools, p) + 1, party
}

// Handle says how jobs of a kind are done. All kinds are named before Start.
func (w *Worker) Handle(name string, k Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.kinds[name]; twice || w.phase != idle || (k.Run == nil) == (k.Look == nil) {
		panic(fmt.Sprintf("worker: kind %q: named twice, too late, or without a handler", name))
	}
	if k.Attempts <= 0 {
		k.Attempts = w.opt.Attempts
	}
	if k.Max <= 0 {
		k.Max = w.opt.Max
	}
	if k.First <= 0 {
		k.First = w.opt.First
	}
	if k.Timeout <= 0 {
		k.Timeout = w.opt.Timeout
	}
	w.kinds[name] = &kind{Kind: k}
	if k.Pool != nil && !slices.Contains(w.pools, k.Pool) {
		w.pools = append(w.pools, k.Pool)
		w.queue = w.emptyQueue()
	}
}

// pageOfJobs is how many jobs are read at once.
const pageOfJobs = 1000

// Start reads the table and begins to work. Jobs that are added meanwhile are
// not missed, and none runs before the table is read: it might have one that
// comes first.
func (w *Worker) Start(ctx context.Context) error {
	w.mu.Lock()
	if w.phase != idle {
		w.mu.Unlock()
		panic("worker: started twice")
	}
	w.phase = loading
	w.ctx, w.cut = context.WithCancel(context.WithoutCancel(ctx))
	w.mu.Unlock()
	err := eachPage(ctx, w.store, calendar.JobID{}, func(page []calendar.Job) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := range page {
			w.take(&page[i])
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.phase, w.queue, w.parked = idle, w.emptyQueue(), 0
		w.cut()
		return fmt.Errorf("read the jobs: %w", err)
	}
	w.phase = working
	w.busy.Go(w.dispatch)
	for owner := range w.queue.held {
		w.busy.Go(func() { w.reread(owner) })
	}
	return nil
}

// eachPage walks over the jobs of all owners.
func eachPage(ctx context.Context, store calendar.Store, after calendar.JobID, fn func([]calendar.Job) error) error {
	for {
		page, err := store.Jobs(ctx, after, pageOfJobs)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].JobID
		if err := fn(page); err != nil {
			return err
		}
	}
}

// Add tells of jobs that are committed: it is what a transaction calls from
// OnCommit, with the owner in each id. It does no I/O. A job that is known
// already has the new Due from now on.
func (w *Worker) Add(jobs ...calendar.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reads() {
		return // the table has them
	}
	for i := range jobs {
		w.take(&jobs[i])
	}
	w.nudge()
}

// Gone implements calendar.Outbox.
func (w *Worker) Gone(ids ...calendar.JobID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		// Only a job without a key is found by its id.
		if e, _ := w.queue.find(&calendar.Job{JobID: id}); e != nil && e.state != stateRunning {
			delete(w.unsettled, e)
			w.queue.hold(e)
			w.queue.remove(e)
		}
	}
}

// Pace implements calendar.Outbox.
func (w *Worker) Pace(ctx context.Context) {
	for end := time.Now().Add(longestPace); ; {
		w.mu.Lock()
		crowded := w.phase == working && w.queue.pools[0].ready > 4*w.opt.Concurrency
		w.mu.Unlock()
		if !crowded || time.Now().After(end) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// longestPace is how long whoever makes jobs waits for those that are due.
const longestPace = time.Second

// take puts a job into the queue; a parked one only if it blocks others.
func (w *Worker) take(j *calendar.Job) {
	if j.Parked && !w.kind(j.Kind).Blocks {
		w.parked++
		return
	}
	w.queue.add(j)
}

// Doubt tells of a transaction of which it is not known whether it was
// committed: its jobs may be in the table without Add having been called. They
// are looked for as soon as the store answers; until then none of the owner's
// jobs begins, since one of those might come first.
func (w *Worker) Doubt(owner calendar.Owner) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reads() {
		return
	}
	w.queue.held[owner]++
	if w.queue.held[owner] == 1 && w.phase == working {
		w.busy.Go(func() { w.reread(owner) })
	}
}

// reread takes in what the table has of an owner who is in doubt.
func (w *Worker) reread(owner calendar.Owner) {
	for failed := 0; ; {
		w.mu.Lock()
		doubts := w.queue.held[owner]
		w.mu.Unlock()
		err := w.rereadOnce(owner)
		if err == nil {
			w.mu.Lock()
			certain := w.queue.held[owner] == doubts // none came while it was read
			if certain {
				w.queue.letGo(owner)
				w.nudge()
			}
			w.mu.Unlock()
			if certain {
				return
			}
			continue
		}
		failed++
		w.opt.Log.Error("read an owner's jobs", "user", string(owner), "err", err)
		select {
		case <-time.After(w.pause(w.opt.First, w.opt.Max, failed).Sub(w.opt.Now())):
		case <-w.quit:
			return
		}
	}
}

func (w *Worker) rereadOnce(owner calendar.Owner) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	for after := (calendar.JobID{}); ; {
		page, err := List(ctx, w.store, Filter{Owner: owner}, after, pageOfJobs)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].JobID
		w.mu.Lock()
		for i := range page {
			if !page[i].Parked {
				w.take(&page[i])
			}
		}
		w.nudge()
		w.mu.Unlock()
	}
}

// nudge has the dispatcher look at the queue.
func (w *Worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Timers know nothing of a machine that slept or whose clock was set: longestSleep
// bounds how late a job is then.
const (
	longestSleep = time.Second
	idleSleep    = time.Minute // where nothing waits for a time
)

// advanceAtOnce is how many jobs become ready while the lock is held, which
// Add, and so a commit, waits for.
const advanceAtOnce = 1000

// dispatch begins what is due, as far as there is room.
func (w *Worker) dispatch() {
	timer := time.NewTimer(idleSleep)
	defer timer.Stop()
	for {
		w.mu.Lock()
		if w.phase != working {
			w.mu.Unlock()
			return
		}
		now := w.opt.Now()
		w.woke = now
		w.queue.advance(now, advanceAtOnce)
		for e, at := w.queue.pick(); e != nil; e, at = w.queue.pick() {
			w.busy.Go(func() { w.work(e, at) })
		}
		sleep := idleSleep
		if due, ok := w.queue.next(); ok {
			sleep = min(longestSleep, due.Sub(now))
		}
		w.mu.Unlock()
		if sleep <= 0 {
			continue
		}
		timer.Reset(sleep)
		select {
		case <-timer.C:
		case <-w.wake:
		case <-w.quit:
		}
	}
}

// grace is how long Stop waits for handlers that it has cut short.
const grace = time.Second

// Stop begins nothing new and waits for what runs. When ctx ends, handlers are
// told so by theirs, and waited for a second more; what they were doing stays in
// the table.
func (w *Worker) Stop(ctx context.Context) error {
	w.mu.Lock()
	if w.phase != working {
		w.mu.Unlock()
		return nil
	}
	w.phase = stopping
	close(w.quit)
	w.mu.Unlock()
	over := make(chan struct{})
	go func() {
		w.busy.Wait()
		close(over)
	}()
	defer w.cut()
	select {
	case <-over:
	case <-ctx.Done():
		w.cut()
		select {
		case <-over:
		case <-time.After(grace):
			return fmt.Errorf("stop the worker: a job does not end: %w", ctx.Err())
		}
	}
	w.settleRest(ctx)
	return nil
}

// Stats is what a Worker has to do and has done.
type Stats struct {
	Pending int           // all but parked ones
	Due     int           // whose time has come, and nothing but room is missing
	Running int           //
	Parked  int           // given up
	Oldest  time.Duration // since the oldest of Due was due
	Works   bool          // it has been started, and not stopped
	Doubts  int           // owners whose jobs do not begin, until the store tells what was committed
	Kinds   []KindStats
	Woke    time.Time // when it last looked for what is due
	Ended   time.Time // when the last job was done
}

// KindStats counts what became of jobs of one kind since the start.
type KindStats struct {
	Kind                 string
	Done, Failed, Parked uint64 // failed attempts; jobs given up
}

// Stats tells what there is to do.
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	blocking := w.queue.count[stateParked] + w.queue.shelved
	s := Stats{Woke: w.woke, Ended: w.ended, Works: w.phase == working, Doubts: len(w.queue.held), Pending: w.queue.size - blocking, Due: w.queue.count[stateReady], Running: w.queue.running(), Parked: w.parked + blocking}
	if s.Due > 0 {
		s.Oldest = max(w.opt.Now().Sub(w.queue.oldest()), 0)
	}
	for _, name := range slices.Sorted(maps.Keys(w.kinds)) {
		k := w.kinds[name]
		s.Kinds = append(s.Kinds, KindStats{Kind: name, Done: k.done, Failed: k.failed, Parked: k.parked})
	}
	if n := w.unknown.parked; n > 0 {
		s.Kinds = append(s.Kinds, KindStats{Kind: "unknown", Parked: n})
	}
	return s
}
