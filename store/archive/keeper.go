package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
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
		tx.OnCommit(func() { k.log.add(all...) })
		return nil
	})
}

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

// Snapshot begins a period of a target, tries whether it can be restored, and removes
// what is old.
func (k *Keeper) Snapshot(ctx context.Context, target string) error {
	for _, p := range k.places {
		if p.prefix != target {
			continue
		}
		t := k.target(target)
		per, err := snapshot(ctx, k.raw, k.log, p, &k.opt)
		if err != nil {
			return fmt.Errorf("take a snapshot: %w", err)
		}
		if k.opt.Scratch != nil {
			if per, err = k.prove(ctx, t, per); err != nil {
				return fmt.Errorf("the backup in %s cannot be restored: %w", per.Dir, err)
			}
		}
		k.mu.Lock()
		if k.states[target].Latest = per; per.Proof.restored() {
			k.states[target].Proven = per.Proof.Until
		}
		k.mu.Unlock()
		k.fails(target, nil)
		return retire(t, false, k.opt.Log)
	}
	return fmt.Errorf("no backups are made in a place named %q", target)
}

// Copy makes a backup in a directory of its own, which is made or is empty, and tries
// whether it can be restored. csbackup database, admin.md §8.2.
func (k *Keeper) Copy(ctx context.Context, dir string) (per Period, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return per, &calendar.Error{Kind: calendar.Exists, Op: "back up", Ref: dir, Msg: "there is something in the directory already"}
	}
	p := &place{root: dir, prefix: "copy", alone: true, host: k.opt.Host, release: k.opt.Release, fold: math.MaxInt64, keys: k.opt.Keys, log: k.opt.Log, failed: func(error) {}}
	ended := make(chan struct{})
	defer func() {
		k.log.do(func(mark time.Time) {
			p.finish(mark)
			k.log.places = slices.DeleteFunc(slices.Clone(k.log.places), func(o *place) bool { return o == p })
			close(ended)
		})
		select {
		case <-ended:
			p.aside.Wait()
		case <-k.log.done:
		}
	}()
	if per, err = snapshot(ctx, k.raw, k.log, p, &k.opt); err != nil {
		return per, err
	}
	if p.gap() {
		return per, fmt.Errorf("what was written meanwhile is not in %s: %w", dir, p.lastErr)
	}
	return k.prove(ctx, Target{Path: dir}, per)
}

// snapshot begins a period in a place, and writes an image of every home into it, each of
// one moment. What is committed meanwhile is in the log.
func snapshot(ctx context.Context, store calendar.Store, l *log, p *place, opt *Options) (per Period, err error) {
	per.Begun, per.Engine = l.now().UTC(), opt.Engine
	if per.Dir, err = p.prepare(&per.Manifest); err != nil {
		return per, err
	}
	begun := make(chan error, 1)
	var before <-chan struct{}
	l.do(func(time.Time) {
		var err error
		before, err = p.begin(per.Dir, &per.Manifest)
		if err == nil && !slices.Contains(l.places, p) {
			l.places = append(slices.Clone(l.places), p)
			l.wakeUp()
		}
		begun <- err
	})
	select {
	case err = <-begun:
	case <-l.done:
		err = errors.New("the log is closed")
	}
	if err != nil {
		p.forget(per.Dir)
		return per, err
	}
	if before != nil {
		<-before
	}
	out, err := p.keys.createPacked(filepath.Join(per.Dir, snapshotName))
	if err != nil {
		return per, err
	}
	if per.Homes, err = images(ctx, store, out, opt.Pause, l.away.has); err != nil {
		out.abandon()
		return per, err
	}
	if per.Octets, per.SHA256, err = out.finish(); err != nil {
		return per, err
	}
	if err := l.drain(ctx); err != nil {
		return per, err
	}
	per.Ended = l.moment()
	if err := per.write(per.Dir); err != nil || p.alone {
		return per, err
	}
	var turned <-chan struct{} // so that a start knows what there is
	l.do(func(time.Time) { turned = p.turn() })
	if err := l.drain(ctx); err != nil || turned == nil {
		return per, err
	}
	<-turned
	return per, nil
}

// ownersPage is how many owners are asked for at once.
const ownersPage = 1000

// eachOwner calls fn for every owner, with a pause after each.
func eachOwner(ctx context.Context, store calendar.Store, wait time.Duration, fn func(calendar.Owner) error) error {
	for after := calendar.Owner(""); ; {
		owners, err := store.Owners(ctx, after, ownersPage)
		if err != nil {
			return err
		}
		for _, owner := range owners {
			after = owner
			if err := fn(owner); err != nil {
				return err
			}
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
		if len(owners) < ownersPage {
			return nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// images writes one of every home.
func images(ctx context.Context, store calendar.Store, out *packer, wait time.Duration, away func(calendar.Owner) bool) (homes int, err error) {
	w, end := newLineWriter(out), ending{}
	err = eachOwner(ctx, store, wait, func(owner calendar.Owner) error {
		if away(owner) {
			return nil
		}
		var ok bool
		err := store.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
			_, ok, err = takeImage(tx, owner, func(t *txn) error {
				end.Ops += len(t.Ops)
				return w.write(&record{Txn: t})
			})
			return err
		})
		if ok {
			end.Homes++
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return end.Homes, w.write(&record{End: &end})
}

// prove restores a period into a scratch store, and compares every home with what it was
// at the moment that the log tells of. A backup that was not restored is not called one.
func (k *Keeper) prove(ctx context.Context, t Target, per Period) (Period, error) {
	if !k.opt.Keys.opens() {
		return k.look(t, per)
	}
	err := eachOwner(ctx, k.raw, k.opt.Pause, func(owner calendar.Owner) error {
		if k.log.away.has(owner) {
			return nil
		}
		var d *digest
		err := k.raw.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
			d, err = digestOf(tx, owner)
			return err
		})
		if d != nil {
			k.log.add(&record{Digest: d})
		}
		return err
	})
	if err != nil {
		return per, err
	}
	if err := k.log.drain(ctx); err != nil {
		return per, err
	}
	proof := &Proof{Time: k.opt.Now().UTC()}
	res, err := k.try(ctx, t)
	if ctx.Err() != nil {
		return per, ctx.Err()
	}
	if proof.Until, proof.Homes = res.Until, res.Compared; err != nil {
		proof.Failed = err.Error()
	}
	per.Proof = proof
	return per, errors.Join(err, per.write(per.Dir))
}

// look looks at a period that nobody here can open: whether its files are there, and its
// snapshot is what was written. That is no proof that it can be restored.
func (k *Keeper) look(t Target, per Period) (Period, error) {
	err := verifySum(found(filepath.Join(per.Dir, snapshotName)), per.Octets, per.SHA256)
	if err == nil {
		err = contiguous(t.Path, per.FirstLog)
	}
	if per.Proof = (&Proof{Time: k.opt.Now().UTC(), Until: per.Ended, Sealed: true}); err != nil {
		per.Proof.Failed = err.Error()
	}
	return per, errors.Join(err, per.write(per.Dir))
}

// contiguous tells whether no file of the log is missing.
func contiguous(root string, from int) error {
	periods, err := Periods(root)
	if err != nil {
		return err
	}
	files, err := logFiles(periods)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.number > from {
			return errBroken(root, fmt.Errorf("%s is missing", logName(from)))
		}
		if f.number == from {
			from++
		}
	}
	return nil
}

// proofPrefix begins the names of directories in which backups are tried.
const proofPrefix = "proof-"

// clear removes what a process that was killed left of a backup that it tried.
func (k *Keeper) clear(t Target) error {
	left, err := filepath.Glob(filepath.Join(cmp.Or(k.opt.ScratchDir, t.Path), proofPrefix+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// scratchDir makes a directory in which a backup of a directory is tried.
func (k *Keeper) scratchDir(root string) (string, error) {
	return os.MkdirTemp(cmp.Or(k.opt.ScratchDir, root), proofPrefix)
}

// try restores all that a target has and looks it through.
func (k *Keeper) try(ctx context.Context, t Target) (res Restored, err error) {
	dir, err := k.scratchDir(t.Path)
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	return k.tryIn(ctx, t.Path, dir)
}

// tryIn restores a directory of backups into another and looks it through.
func (k *Keeper) tryIn(ctx context.Context, root, dir string) (res Restored, err error) {
	to, err := k.opt.Scratch(ctx, dir)
	if err != nil {
		return res, err
	}
	res, err = Restore(ctx, root, to, RestoreOptions{Gentle: k.opt.Pause > 0, Keys: k.opt.Keys})
	if err == nil {
		err = to.Check(ctx)
	}
	return res, errors.Join(err, to.Close())
}
