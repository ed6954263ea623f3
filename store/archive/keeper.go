package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"factotum/server/calendar"
)

// Target is a directory of backups, and how many are kept there.
type Target struct {
	Name     string // archive or hotbackup
	Path     string
	Interval time.Duration // between snapshots
	Min, Max int           // how many are kept: circular retention, admin.md §9.5
	Percent  int           // of the disk, from which on no more than Min are kept
	// Apply has the log applied to a copy beside the periods, where they are not encrypted:
	// from that all is restored at once.
	Apply bool
}

// Options are the choices of a Keeper.
type Options struct {
	Host, Release, Engine string
	Targets               []Target
	Mirror                *Mirror       // of one of them (nil)
	LogSize               int64         // octets after which a file of the log is done
	Pause                 time.Duration // after each home of a snapshot, so that others have their turn
	Retry                 time.Duration // after what failed; 0 means a minute

	// Scratch opens an empty store in a directory, in which backups are tried.
	Scratch func(ctx context.Context, dir string) (calendar.Store, error)
	// ScratchDir has a directory for it; empty: beside the backups.
	ScratchDir string
	// Keys encrypt the backups; nil: they are not encrypted.
	Keys *Keys

	Now func() time.Time
	Log *slog.Logger
	// Told hears of what an administrator must know: a backup that fails, and that it
	// works again (nil).
	Told func(target string, err error)
}

// numbered is a store that tells the numbers of all its homes at once.
type numbered interface {
	Numbers(ctx context.Context, fn func(owner calendar.Owner, change int64) error) error
}

// settling is a store that commits transactions together, and lets something be waited for
// once for all of them.
type settling interface{ BeforeAnswers(fn func()) }

// Keeper makes the backups of a store: it has every transaction in a log, takes
// snapshots, tries whether they can be restored, and removes old ones. admin.md §9.2.
type Keeper struct {
	raw calendar.Store
	opt Options
	log *log

	places []*place // of the targets
	copies []*follower
	mirror *mirror // nil: there is none

	complete func(ctx context.Context, owner calendar.Owner) error // see Complete

	mu     sync.Mutex
	states map[string]*Status
	again  map[string]again // of targets that fail; turn's
	wake   chan struct{}
}

// Status is how a target does.
type Status struct {
	Target
	Latest  Period    // the last with a complete snapshot
	Proven  time.Time // the moment up to which the last backup was restored that could be
	Failure string    // why it does not do what it should, "" if it does
	Since   time.Time // of the failure
	Shipped time.Time // of a mirror: what was committed until then is there
	Applied time.Time // of a copy: what was committed until then is in it
	Sealed  bool      // it is encrypted, and nobody here can open it: it is never proven
}

// Open prepares the backups of a store that nobody writes to yet: from then on all
// writes must go by Store. What was committed and did not come into the log, since the
// process was killed, is written into it now.
func Open(ctx context.Context, raw calendar.Store, opt Options) (*Keeper, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Told == nil {
		opt.Told = func(string, error) {}
	}
	k := &Keeper{raw: raw, opt: opt, states: map[string]*Status{}, again: map[string]again{}, wake: make(chan struct{}, 1)}
	var places []*place
	for _, t := range opt.Targets {
		p := &place{root: t.Path, prefix: t.Name, host: opt.Host, release: opt.Release, fold: opt.LogSize, keys: opt.Keys, log: opt.Log}
		p.failed = func(err error) {
			k.fails(t.Name, err)
			k.poke() // a new snapshot makes up for what is missing
		}
		k.states[t.Name] = &Status{Target: t, Sealed: !opt.Keys.opens()}
		places = append(places, p)
		if t.Apply && opt.Scratch != nil && !opt.Keys.seals() {
			k.copies = append(k.copies, newFollower(k, t))
		}
		if err := k.clear(t); err != nil {
			return nil, err
		}
	}
	if m := opt.Mirror; m != nil {
		var err error
		if k.mirror, err = k.openMirror(*m); err != nil {
			return nil, err
		}
		k.states[m.Name] = &Status{Target: Target{Name: m.Name, Path: m.To.String(), Interval: k.target(m.Of).Interval, Max: m.Max}, Sealed: !opt.Keys.opens()}
	}
	is := map[calendar.Owner]int64{}
	if len(places) > 0 {
		if err := raw.(numbered).Numbers(ctx, func(owner calendar.Owner, n int64) error { is[owner] = n; return nil }); err != nil {
			return nil, err
		}
	}
	stale := map[calendar.Owner]bool{}
	for _, p := range places {
		if err := p.resume(is, stale); err != nil {
			opt.Log.Warn("the backup begins anew", "directory", p.root, "reason", err)
		}
		if err := p.changed(stale); err != nil {
			opt.Log.Warn("what tools have changed is not known", "directory", p.root, "error", err)
		}
	}
	k.places = places
	k.log = newLog(opt.Now, opt.Log, is, places...)
	if s, ok := raw.(settling); ok {
		s.BeforeAnswers(k.log.settle)
	}
	if len(stale) > 0 {
		if err := k.withJobs(ctx, stale); err != nil {
			return nil, err
		}
	}
	for owner := range stale {
		if err := k.imageOf(ctx, owner); err != nil {
			return nil, fmt.Errorf("bring the backup up to date: %w", err)
		}
	}
	k.log.beat()
	if err := k.log.drain(ctx); err != nil {
		return nil, err
	}
	for _, p := range places {
		if err := p.forgetChanged(); err != nil {
			opt.Log.Warn("what tools have changed is looked at again", "directory", p.root, "error", err)
		}
	}
	return k, nil
}

// mostJobOwners bounds for how many owners with jobs an image is taken after a crash.
const mostJobOwners = 2000

// withJobs adds the owners who have jobs: those may have been stored in transactions that
// took no number.
func (k *Keeper) withJobs(ctx context.Context, stale map[calendar.Owner]bool) error {
	jobs, err := k.raw.Jobs(ctx, calendar.JobID{}, 0)
	for _, j := range jobs {
		if len(stale) < mostJobOwners {
			stale[j.Owner] = true
		}
	}
	return err
}

// Store is the store whose writes are in the backups.
func (k *Keeper) Store() calendar.Store { return &Store{Store: k.raw, log: k.log} }

// imageOf writes a home anew, in its place among its transactions.
func (k *Keeper) imageOf(ctx context.Context, owner calendar.Owner) error {
	return k.raw.Update(ctx, owner, func(tx calendar.Tx) error {
		var all []*record
		_, ok, err := takeImage(tx, owner, func(t *txn) error { all = append(all, &record{Txn: t}); return nil })
		if err != nil {
			return err
		}
		if !ok {
			all = []*record{{Txn: &txn{Owner: owner, Image: true, Ops: []op{{Kind: opDrop}}}}}
			jobs, err := tx.Jobs() // the mark of a home that was moved
			if err != nil {
				return err
			}
			for i := range jobs {
				all[0].Txn.Ops = append(all[0].Txn.Ops, op{Kind: opPutJob, job: &jobs[i]})
			}
		}
		if k.log.ships.Load() {
			annotate(tx, owner, all...)
		}
		tx.OnCommit(func() { k.log.add(all...) })
		return nil
	})
}

// Complete has fn called when a home has come from another store as a whole: it returns when
// a standby has it too.
func (k *Keeper) Complete(fn func(ctx context.Context, owner calendar.Owner) error) { k.complete = fn }

// Ships has what transactions do, in lines of the log, go along with them to who is told
// before their commit: a *Spelled each.
func (k *Keeper) Ships() { k.log.ships.Store(true) }

// Close writes what is not on the disk yet. Nothing may be written to the store
// any more.
func (k *Keeper) Close() {
	k.log.close()
	if k.mirror != nil {
		k.mirror.close()
	}
}

// fails notes that a target fails, or works again.
func (k *Keeper) fails(target string, err error) {
	k.mu.Lock()
	s := k.states[target]
	was := s.Failure
	if s.Failure = ""; err != nil {
		if s.Failure = err.Error(); was == "" {
			s.Since = k.opt.Now()
		}
	}
	is := s.Failure
	k.mu.Unlock()
	if is != was {
		k.opt.Told(target, err)
	}
}

// poke has it looked what is due.
func (k *Keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Status tells how the targets do, in their order.
func (k *Keeper) Status() (list []Status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.opt.Targets {
		s := *k.states[t.Name]
		for _, f := range k.copies {
			if f.t.Name == t.Name {
				s.Applied = f.moment()
			}
		}
		list = append(list, s)
	}
	if k.mirror != nil {
		s := *k.states[k.mirror.Name]
		k.mirror.status(&s)
		list = append(list, s)
	}
	return list
}

// Run takes snapshots, proves and removes them until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var others sync.WaitGroup
	defer others.Wait()
	for _, f := range k.copies {
		others.Go(func() { f.run(ctx) })
	}
	if k.mirror != nil {
		others.Go(func() { k.mirror.run(ctx) })
	}
	for {
		next := k.turn(ctx)
		select {
		case <-ctx.Done():
			return
		case owner := <-k.log.doubted():
			if err := k.imageOf(ctx, owner); err != nil && ctx.Err() == nil {
				k.opt.Log.Error("the backup may miss a change", "owner", owner, "error", err)
				k.log.doubt(owner)
				pause(ctx, time.Second)
			}
		case <-k.wake:
			pause(ctx, time.Second)
		case <-time.After(next):
		}
	}
}

// again is when what failed is tried again, and the pause after the next failure.
type again struct {
	at    time.Time
	pause time.Duration
}

// mostRetry bounds the pause after what failed, which doubles: each attempt may leave a snapshot.
const mostRetry = 15 * time.Minute

// turn does what is due, and tells when something is again.
func (k *Keeper) turn(ctx context.Context) time.Duration {
	next := time.Hour
	for _, p := range k.places {
		t := k.target(p.prefix)
		if wait := k.again[t.Name].at.Sub(k.opt.Now()); wait > 0 {
			next = min(next, wait)
			continue
		}
		due, err := k.due(p, t)
		if err == nil && due <= 0 {
			if err = k.Snapshot(ctx, t.Name); err == nil {
				due = t.Interval
				delete(k.again, t.Name)
			}
		}
		if ctx.Err() != nil {
			return 0
		}
		if err != nil {
			k.opt.Log.Error("no backup is made", "target", t.Name, "error", err)
			k.fails(t.Name, err)
			if err := retire(t, true, k.opt.Log); err != nil && !errors.Is(err, fs.ErrNotExist) {
				k.opt.Log.Warn("old backups cannot be removed", "target", t.Name, "error", err)
			}
			due = cmp.Or(k.again[t.Name].pause, k.opt.Retry, time.Minute)
			k.again[t.Name] = again{k.opt.Now().Add(due), min(2*due, mostRetry)}
		}
		next = min(next, max(due, 10*time.Millisecond))
	}
	return next
}

func (k *Keeper) target(name string) Target {
	for _, t := range k.opt.Targets {
		if t.Name == name {
			return t
		}
	}
	return Target{}
}

// due tells how long the newest snapshot of a place is good for.
func (k *Keeper) due(p *place, t Target) (time.Duration, error) {
	if p.gap() {
		return 0, nil
	}
	periods, err := Periods(t.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for i := len(periods) - 1; i >= 0; i-- {
		if m := &periods[i]; !m.Ended.IsZero() {
			k.mu.Lock()
			if k.states[t.Name].Latest = *m; m.Proof.restored() {
				k.states[t.Name].Proven = m.Proof.Until
			}
			k.mu.Unlock()
			return m.Begun.Add(t.Interval).Sub(k.opt.Now()), nil
		}
	}
	return 0, nil
}
