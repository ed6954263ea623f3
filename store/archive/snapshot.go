package archive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"factotum/server/calendar"
)

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
	p.makeAhead(per.Dir)
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
