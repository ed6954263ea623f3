package archive

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"factotum/server/calendar"
)

// SnapshotOptions bound what a snapshot costs those who use the server.
type SnapshotOptions struct {
	Pause time.Duration // after each home
}

// snapshot begins a period in a place, and writes an image of every home into it, each of
// one moment. What is committed meanwhile is in the log.
func snapshot(ctx context.Context, store calendar.Store, l *log, p *place, engine string, opt SnapshotOptions) (per Period, err error) {
	per.Begun, per.Engine = l.now().UTC(), engine
	if per.Dir, err = p.begin(&per.Manifest); err != nil {
		return per, err
	}
	out, err := createPacked(filepath.Join(per.Dir, snapshotName))
	if err != nil {
		return per, err
	}
	if err := images(ctx, store, out, &per.Manifest, opt); err != nil {
		out.abandon()
		return per, err
	}
	if per.Octets, per.SHA256, err = out.finish(); err != nil {
		return per, err
	}
	per.Ended = l.now().UTC()
	return per, per.write(per.Dir)
}

// ownersPage is how many owners are asked for at once.
const ownersPage = 1000

func images(ctx context.Context, store calendar.Store, out *packer, m *Manifest, opt SnapshotOptions) error {
	w := newLineWriter(out)
	end := ending{}
	for after := calendar.Owner(""); ; {
		owners, err := store.Owners(ctx, after, ownersPage)
		if err != nil {
			return err
		}
		for _, owner := range owners {
			after = owner
			var ok bool
			err := store.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
				_, ok, err = takeImage(tx, owner, func(t *txn) error {
					end.Ops += len(t.Ops)
					return w.write(&record{Txn: t})
				})
				return err
			})
			if err != nil {
				return err
			}
			if ok {
				end.Homes++
			}
			if err := pause(ctx, opt.Pause); err != nil {
				return err
			}
		}
		if len(owners) < ownersPage {
			break
		}
	}
	m.Homes = end.Homes
	if err := w.write(&record{End: &end}); err != nil {
		return err
	}
	return nil
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

// digests has the sums of every home written into the log, beside what leads to it, so
// that a restoration can be compared with them.
func digests(ctx context.Context, store calendar.Store, l *log, opt SnapshotOptions) error {
	for after := calendar.Owner(""); ; {
		owners, err := store.Owners(ctx, after, ownersPage)
		if err != nil {
			return err
		}
		for _, owner := range owners {
			after = owner
			var d *digest
			if err := store.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
				d, err = digestOf(tx, owner)
				return err
			}); err != nil {
				return err
			}
			if d != nil {
				l.add(&record{Digest: d})
			}
			if err := pause(ctx, opt.Pause); err != nil {
				return err
			}
		}
		if len(owners) < ownersPage {
			return nil
		}
	}
}

var _ = slog.Default
