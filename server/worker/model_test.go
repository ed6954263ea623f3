package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/worker"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// faulty is a store as a worker and a model see it: it may fail, before it has
// done something or after, and it may be cut off for good, as by a crash.
type faulty struct {
	calendar.Store
	mu       sync.Mutex
	cut      bool
	failures []failure // of the next calls
}

type failure uint8

const (
	works failure = iota
	failsBefore
	failsAfter // the commit succeeds, and nobody is told
)

var errStore = &calendar.Error{Kind: calendar.Unavailable, Op: "test"}

func (f *faulty) next() failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		return failsBefore
	}
	if len(f.failures) == 0 {
		return works
	}
	first := f.failures[0]
	f.failures = f.failures[1:]
	return first
}

func (f *faulty) fail(list []failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = list
}

func (f *faulty) View(ctx context.Context, o calendar.Owner, fn func(calendar.ReadTx) error) error {
	if f.next() != works {
		return errStore
	}
	return f.Store.View(ctx, o, fn)
}

func (f *faulty) Jobs(ctx context.Context, after calendar.JobID, limit int) ([]calendar.Job, error) {
	if f.next() != works {
		return nil, errStore
	}
	return f.Store.Jobs(ctx, after, min(limit, 3)) // a page may be a short one
}

type muteTx struct{ calendar.Tx }

func (muteTx) OnCommit(func()) {}

func (f *faulty) Update(ctx context.Context, o calendar.Owner, fn func(calendar.Tx) error) error {
	switch f.next() {
	case failsBefore:
		return errStore
	case failsAfter:
		if err := f.Store.Update(ctx, o, func(tx calendar.Tx) error { return fn(muteTx{tx}) }); err != nil {
			return err
		}
		return errStore
	}
	return f.Store.Update(ctx, o, fn)
}

// script is what the handler does at each attempt, the last one for ever.
type script []step

type step struct {
	Takes time.Duration
	Does  string // ok, fails, panics, permanent, later
}

// record is what a test knows of a job.
type record struct {
	job       calendar.Job
	strict    bool // its kind blocks
	succeeded int
	givenUp   bool
	everUp    bool // was given up once, so that others may have passed it
	dropped   bool
	held      bool
}

// world is the handler and what it has seen.
type world struct {
	t        *rapid.T
	mu       sync.Mutex
	jobs     map[calendar.JobID]*record
	running  map[string]calendar.JobID // by owner and key
	perOwner map[calendar.Owner]int
	now      int            // running
	far      map[string]int // by party, of the pool
	faults   []string
	events   []string
	limits   worker.Options
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *world) event(what string, j calendar.Job) {
	w.events = append(w.events, fmt.Sprintf("%s %s %v %s %q %d", time.Now().Format("02T15:04:05"), what, j.JobID, j.Kind, j.Key, j.Attempts))
}

func lineOf(j calendar.Job) string {
	if j.Key == "" {
		return j.JobID.String()
	}
	return string(j.Owner) + " " + j.Key
}

func (w *world) begin(j calendar.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.jobs[j.JobID]
	if r == nil { // stored by a transaction whose outcome the test is about to learn
		r = &record{job: j, strict: j.Kind == "strict"}
		w.jobs[j.JobID] = r
	}
	w.event("begin", j)
	line := lineOf(j)
	if other, busy := w.running[line]; busy {
		w.fault("%v runs beside %v", j.JobID, other)
	}
	w.running[line] = j.JobID
	w.count(j, 1)
	if time.Now().Before(j.Due) {
		w.fault("%v runs at %v, due %v", j.JobID, time.Now(), j.Due)
	}
	if r.dropped {
		w.fault("%v runs though it was dropped", j.JobID)
	}
	if r.held {
		w.fault("%v runs though it is held", j.JobID)
	}
	if j.Key == "" {
		return
	}
	for id, before := range w.jobs {
		if lineOf(before.job) != line || id.Compare(j.JobID) >= 0 {
			continue
		}
		done := before.succeeded > 0 || before.dropped || before.givenUp && !before.strict || before.everUp && !before.strict
		if !done {
			w.fault("%v runs before %v", j.JobID, id)
		}
	}
}

// count notes that a job begins or ends.
func (w *world) count(j calendar.Job, by int) {
	if j.Kind == "far" {
		w.far[j.Key] += by
		w.far["all"] += by
		if w.far[j.Key] > farPool.Each || w.far["all"] > farPool.Concurrency+farPool.Slow {
			w.fault("%v jobs run in the pool", w.far)
		}
		return
	}
	if w.perOwner[j.Owner] += by; w.perOwner[j.Owner] > w.limits.PerOwner {
		w.fault("%d jobs of %s run", w.perOwner[j.Owner], j.Owner)
	}
	if w.now += by; w.now > w.limits.Concurrency {
		w.fault("%d jobs run", w.now)
	}
}

// farPool has parties that several owners have jobs for.
var farPool = worker.Pool{Concurrency: 3, Each: 2, Patience: time.Second, Slow: 1, Party: func(key string) string { return key }}

func (w *world) end(j calendar.Job, does string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.event(does, j)
	delete(w.running, lineOf(j))
	w.count(j, -1)
	r := w.jobs[j.JobID]
	switch does {
	case "ok":
		r.succeeded++
	case "permanent":
		r.givenUp, r.everUp = true, true
	case "cut":
	default:
		if j.Attempts+1 >= w.limits.Attempts {
			r.givenUp, r.everUp = true, true
		}
	}
}

func (w *world) handle(ctx context.Context, j calendar.Job) error {
	w.begin(j)
	var s script
	if err := json.Unmarshal(j.Payload, &s); err != nil {
		panic(err)
	}
	now := s[min(j.Attempts, len(s)-1)]
	select {
	case <-time.After(now.Takes):
	case <-ctx.Done():
		w.end(j, "cut")
		return ctx.Err()
	}
	w.end(j, now.Does)
	switch now.Does {
	case "ok":
		return nil
	case "panics":
		panic("as the script says")
	case "permanent":
		return worker.Permanent(errors.New("never"))
	case "later":
		return worker.RetryAt(time.Now().Add(time.Minute), errors.New("not now"))
	}
	return errors.New("not yet")
}

// Whatever happens, in whatever order, to jobs, worker and store: no job is
// lost, none runs beside another of its key or before an earlier one, and each
// is done once, or at least once where there were crashes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) { // whose clock is the test's own
			p := newWorld(t)
			t.Cleanup(p.kill)
			for range rapid.IntRange(1, 40).Draw(t, "steps") {
				p.step()
				p.look()
			}
			p.finish()
		})
	})
}

// player does to a worker what a model test draws.
type player struct {
	*world
	mem     *calendartest.Store
	store   *faulty // of the worker that runs
	worker  *worker.Worker
	crashed bool
}

var modelOwners = []calendar.Owner{"anna", "bert", "carl"}

func newWorld(t *rapid.T) *player {
	p := &player{mem: calendartest.NewStore(), world: &world{t: t, jobs: map[calendar.JobID]*record{}, running: map[string]calendar.JobID{},
		perOwner: map[calendar.Owner]int{}, far: map[string]int{}, limits: worker.Options{
			Concurrency: rapid.IntRange(1, 4).Draw(t, "concurrency"), PerOwner: rapid.IntRange(1, 3).Draw(t, "per owner"),
			Attempts: 4, First: 10 * time.Second, Max: 5 * time.Minute,
		}}}
	p.start()
	return p
}

func (p *player) start() {
	p.store = &faulty{Store: p.mem}
	opt := p.limits
	opt.Jitter = func() float64 { return 0.5 }
	p.worker = worker.New(p.store, opt)
	p.worker.Handle("test", worker.Kind{Run: p.handle})
	p.worker.Handle("far", worker.Kind{Run: p.handle, Pool: &farPool})
	p.worker.Handle("strict", worker.Kind{Run: p.handle, Blocks: true})
	if err := p.worker.Start(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) step() {
	switch rapid.SampledFrom([]string{"commit", "commit", "commit", "wait", "wait", "trouble", "stop", "crash", "retry", "drop", "hold", "release"}).Draw(p.t, "step") {
	case "commit":
		p.commit()
	case "wait":
		time.Sleep(time.Duration(rapid.IntRange(0, 400).Draw(p.t, "seconds")) * time.Second)
	case "trouble":
		p.store.fail(rapid.SliceOfN(rapid.SampledFrom([]failure{works, failsBefore, failsAfter}), 0, 8).Draw(p.t, "failures"))
	case "stop":
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rapid.IntRange(0, 60).Draw(p.t, "patience"))*time.Second)
		defer cancel()
		p.store.fail(nil)
		if err := p.worker.Stop(ctx); err != nil {
			p.t.Errorf("Stop: %v", err)
		}
		p.idle()
		p.start()
	case "crash":
		p.kill()
		p.start()
	case "retry":
		p.command(p.worker.Retry, func(r *record) { r.givenUp = r.held })
	case "hold":
		p.command(p.worker.Hold, func(r *record) { r.held, r.givenUp, r.everUp = true, true, true })
	case "release":
		p.command(p.worker.Release, func(r *record) {
			if r.held {
				r.held, r.givenUp = false, false
			}
		})
	case "drop":
		p.command(p.worker.Drop, func(r *record) { r.dropped = true })
	}
}

// kill ends the worker as a crash would: from now on it reaches nothing.
func (p *player) kill() {
	p.crashed = true
	p.store.mu.Lock()
	p.store.cut = true
	p.store.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p.worker.Stop(ctx)
	p.idle()
}

func (p *player) idle() {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.now + p.far["all"]; n != 0 {
		p.fault("%d jobs run after the worker's end", n)
	}
}

func (p *player) commit() {
	t := p.t
	owner := rapid.SampledFrom(modelOwners).Draw(t, "owner")
	var jobs []calendar.Job
	for seq := range rapid.IntRange(1, 3).Draw(t, "jobs") {
		var s script
		for range rapid.IntRange(1, 3).Draw(t, "attempts") {
			s = append(s, step{
				Takes: time.Duration(rapid.IntRange(0, 30).Draw(t, "takes")) * time.Second,
				Does:  rapid.SampledFrom([]string{"ok", "ok", "fails", "panics", "permanent", "later"}).Draw(t, "does"),
			})
		}
		payload, _ := json.Marshal(s)
		jobs = append(jobs, calendar.Job{
			JobID: calendar.JobID{Owner: owner, Seq: seq}, Kind: rapid.SampledFrom([]string{"test", "test", "far", "strict"}).Draw(t, "kind"),
			Key: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key"), Created: time.Now(), Payload: payload,
			Due: time.Now().Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 60, 1000}).Draw(t, "due")) * time.Second),
		})
	}
	err := p.store.Update(context.Background(), owner, func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		for i := range jobs {
			jobs[i].Change = change
			if err := tx.PutJob(jobs[i]); err != nil {
				return err
			}
		}
		tx.OnCommit(func() { // before the worker knows
			p.mu.Lock()
			for _, j := range jobs {
				p.jobs[j.JobID] = &record{job: j, strict: j.Kind == "strict"}
				p.event("added", j)
			}
			p.mu.Unlock()
			p.worker.Add(jobs...)
		})
		return nil
	})
	if err == nil {
		return
	}
	p.worker.Doubt(owner)
	stored, _ := p.mem.Jobs(context.Background(), calendar.JobID{}, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, j := range jobs {
		there := slices.ContainsFunc(stored, func(s calendar.Job) bool { return s.JobID == j.JobID })
		if there && p.jobs[j.JobID] == nil {
			p.event("there after all", j)
			p.jobs[j.JobID] = &record{job: j, strict: j.Kind == "strict"}
		}
	}
}

// command gives one to the worker, and finds out from the table what it did:
// it may have failed after it was done.
func (p *player) command(do func(context.Context, worker.Filter) (worker.Outcome, error), note func(*record)) {
	t := p.t
	var f worker.Filter
	switch rapid.SampledFrom([]string{"owner", "kind", "id", "parked"}).Draw(t, "by") {
	case "owner":
		f.Owner = rapid.SampledFrom(modelOwners).Draw(t, "owner")
	case "kind":
		f.Kinds = []string{"strict"}
	case "parked":
		f.Parked = true
	case "id":
		stored, _ := p.mem.Jobs(context.Background(), calendar.JobID{}, 0)
		if len(stored) == 0 {
			return
		}
		f.IDs = []calendar.JobID{rapid.SampledFrom(stored).Draw(t, "job").JobID}
	}
	table := func() map[calendar.JobID]calendar.Job {
		m := map[calendar.JobID]calendar.Job{}
		jobs, _ := p.mem.Jobs(context.Background(), calendar.JobID{}, 0)
		for _, j := range jobs {
			m[j.JobID] = j
		}
		return m
	}
	synctest.Wait() // so that nothing else changes the table meanwhile
	before := table()
	// The note is made before others run, and taken back where nothing was done:
	// the worker leaves alone what it is about to store the outcome of.
	p.mu.Lock()
	noted := map[calendar.JobID]record{}
	for id, r := range p.jobs {
		if j, ok := before[id]; ok && (f.Owner == "" || f.Owner == id.Owner) && (f.Kinds == nil || f.Kinds[0] == j.Kind) && (!f.Parked || j.Parked) &&
			(f.IDs == nil || f.IDs[0] == id) && p.running[lineOf(j)] != id {
			noted[id] = *r
			note(r)
			p.event("meant", j)
		}
	}
	p.mu.Unlock()
	p.store.fail(nil)
	if _, err := do(context.Background(), f); err != nil {
		t.Errorf("command: %v", err)
	}
	left := table()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, was := range noted {
		if j, there := left[id]; there && cmp.Equal(j, before[id]) {
			r := p.jobs[id]
			r.dropped, r.held, r.givenUp = was.dropped, was.held, r.givenUp || was.givenUp
		}
	}
}

func (p *player) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) > 0 { // all in the message: goroutines may take turns another way the next time
		p.t.Fatalf("%s\n%s", strings.Join(p.faults, "\n"), strings.Join(p.events, "\n"))
	}
}

// finish lets the worker come to its end and looks at what became of every job.
func (p *player) finish() {
	p.store.fail(nil)
	time.Sleep(24 * time.Hour)
	synctest.Wait()
	stats := p.worker.Stats()
	if stats.Running != 0 || stats.Due != 0 {
		p.t.Errorf("a day later: %+v", stats)
	}
	if err := p.worker.Stop(context.Background()); err != nil {
		p.t.Errorf("Stop: %v", err)
	}
	p.look()
	stored, _ := p.mem.Jobs(context.Background(), calendar.JobID{}, 0)
	left := map[calendar.JobID]calendar.Job{}
	blocked := map[string]calendar.JobID{}
	parked := 0
	for _, j := range stored {
		left[j.JobID] = j
		if j.Parked {
			parked++
		}
		if first, ok := blocked[lineOf(j)]; j.Parked && j.Kind == "strict" && (!ok || j.JobID.Compare(first) < 0) {
			blocked[lineOf(j)] = j.JobID
		}
	}
	if stats.Parked != parked || stats.Pending != len(stored)-parked {
		p.t.Errorf("%+v; stored are %d, %d of them parked", stats, len(stored), parked)
	}
	for id, r := range p.jobs {
		j, there := left[id]
		first, behind := blocked[lineOf(r.job)]
		behind = behind && first.Compare(id) < 0
		switch {
		case there && j.Parked:
			if !r.givenUp {
				p.t.Errorf("%v is parked: %s", id, j.Err)
			}
		case there && !behind:
			p.t.Errorf("%v is still there: %+v", id, j)
		case there, r.dropped:
		case r.succeeded == 0:
			p.t.Errorf("%v is lost", id)
		case r.succeeded > 1 && !p.crashed:
			p.t.Errorf("%v was done %d times", id, r.succeeded)
		}
	}
}
