package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"factotum/server/calendar"
)

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
