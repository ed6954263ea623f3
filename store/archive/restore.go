package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"factotum/server/calendar"
)

// RestoreOptions say what of a backup is restored.
type RestoreOptions struct {
	// At is the moment whose state is wanted; zero: the last that there is.
	At time.Time
	// Owner, if it is not empty, is the only one whose home is restored.
	Owner calendar.Owner
	// Gentle rests for as long as it works, so that others have their turn.
	Gentle bool
	// Keys open a backup that is encrypted.
	Keys *Keys
}

// Restored tells what was restored.
type Restored struct {
	Period       Period
	Until        time.Time // the state is of this moment
	Homes        int       // of the snapshot
	Transactions int       // of the log
	Compared     int       // homes that were compared with what they were at that time
}

// errOutside is what is asked for and not in the backup.
func errOutside(root, format string, args ...any) error {
	return &calendar.Error{Kind: calendar.NotFound, Op: "restore", Ref: root, Msg: fmt.Sprintf(format, args...)}
}

// errBroken is a backup that cannot be trusted.
func errBroken(name string, err error) error {
	return &calendar.Error{Kind: calendar.Invalid, Op: "restore", Ref: name, Msg: "the backup is damaged: " + err.Error(), Err: err}
}

// Restore makes in an empty store what a directory of backups, or a period of one, has.
// It writes nothing of which it does not know that it is whole and in its place; when
// it fails the store is of no use.
func Restore(ctx context.Context, root string, to calendar.Store, opt RestoreOptions) (res Restored, err error) {
	periods, err := Periods(root)
	if err != nil {
		return res, err
	}
	i, err := choose(root, periods, opt.At)
	if err != nil {
		return res, err
	}
	r := &restorer{ctx: ctx, to: to, opt: opt, res: &res, at: map[calendar.Owner]int64{}, images: map[calendar.Owner]int64{}}
	if opt.Gentle {
		r.rest = pause
	}
	res.Period, res.Until = periods[i], periods[i].Ended
	if err := r.snapshot(&periods[i]); err != nil {
		return res, err
	}
	return res, r.log(root, periods[i:], periods[i].FirstLog, true)
}

// choose finds the period whose snapshot is the newest that was complete at a moment.
func choose(root string, periods []Period, at time.Time) (int, error) {
	if len(periods) == 0 {
		return 0, errOutside(root, "there is no backup in %s", root)
	}
	first := time.Time{}
	for i := len(periods) - 1; i >= 0; i-- {
		p := &periods[i]
		if p.Ended.IsZero() {
			continue
		}
		if at.IsZero() || !p.Ended.After(at) {
			return i, nil
		}
		first = p.Ended
	}
	if first.IsZero() {
		return 0, errOutside(root, "no snapshot in %s is complete yet", root)
	}
	return 0, errOutside(root, "the backup begins at %s: nothing is known of the time before", first.Local().Format(time.DateTime))
}

type restorer struct {
	ctx context.Context
	to  calendar.Store
	opt RestoreOptions
	res *Restored

	at     map[calendar.Owner]int64 // the numbers that homes have come to
	images map[calendar.Owner]int64 // those that they had in the snapshot

	path   string                                                // of the file that is read
	waits  []waiting                                             // to be done again
	octets int                                                   // of these
	rest   func(ctx context.Context, worked time.Duration) error // after so much work (nil)

	consumed int64 // octets of it, of whole lines
}

// waiting is a transaction that is to be done again.
type waiting struct {
	*txn
	known bool // a part of it may be there
	line  int
}

// Bounds of what is done again together: of one owner in one transaction, and those of
// several owners at the same time.
const (
	mostTogether       = 512
	mostOctetsTogether = 8 << 20
)

// snapshot makes the homes of a period's snapshot.
func (r *restorer) snapshot(p *Period) error {
	name := found(filepath.Join(p.Dir, snapshotName))
	if err := verifySum(name, p.Octets, p.SHA256); err != nil {
		return err
	}
	in, err := r.opt.Keys.open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	records, end := ahead(in)
	defer end()
	for rec := range records {
		if err := rec.err; err != nil {
			if err == io.EOF {
				err = errors.New("the snapshot is cut off")
			}
			return errBroken(name, err)
		}
		if rec.End != nil {
			if rec.End.Homes != len(r.images) && r.opt.Owner == "" {
				return errBroken(name, fmt.Errorf("the snapshot has %d homes instead of %d", len(r.images), rec.End.Homes))
			}
			return nil
		}
		t := rec.Txn
		if t == nil || r.opt.Owner != "" && t.Owner != r.opt.Owner {
			continue
		}
		if _, seen := r.images[t.Owner]; !seen {
			r.res.Homes++
		}
		if err := r.image(t); err != nil {
			return errBroken(name, fmt.Errorf("line %d: %w", rec.line, err))
		}
	}
	return nil
}

// verifySum compares a file with what the manifest says of it, before anything of it is
// used.
func verifySum(name string, octets int64, want string) error {
	f, err := openRegular(name)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := newSummer(io.Discard)
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if sum.n != octets || sum.String() != want {
		return errBroken(name, errors.New("it is not the file that was written: its checksum differs"))
	}
	return nil
}

// image makes a home, or a further part of it.
func (r *restorer) image(t *txn) error {
	if _, again := r.at[t.Owner]; again && len(t.Ops) > 0 && t.Ops[0].Kind == opHome {
		t.Ops = append([]op{{Kind: opDrop}}, t.Ops...)
	}
	r.at[t.Owner], r.images[t.Owner] = t.Change, t.Change
	return r.paced(func() error { return r.apply(t.Owner, []waiting{{txn: t}}) })
}

// paced does something, and rests where others are to have their turn.
func (r *restorer) paced(do func() error) error {
	began := time.Now()
	err := do()
	if err == nil && r.rest != nil {
		err = r.rest(r.ctx, time.Since(began))
	}
	return err
}

// flush does again what waits.
func (r *restorer) flush() error {
	if len(r.waits) == 0 {
		return nil
	}
	by := map[calendar.Owner][]waiting{}
	for _, w := range r.waits {
		by[w.Owner] = append(by[w.Owner], w)
	}
	r.waits, r.octets = r.waits[:0], 0
	return r.paced(func() error {
		errs := make(chan error, len(by))
		for owner, list := range by {
			go func() { errs <- r.apply(owner, list) }()
		}
		var err error
		for range by {
			err = cmp.Or(err, <-errs)
		}
		return err
	})
}

// apply does transactions of an owner again, in one.
func (r *restorer) apply(owner calendar.Owner, list []waiting) error {
	at := 0
	err := r.to.Update(r.ctx, owner, func(tx calendar.Tx) error {
		load, ok := tx.(calendar.Loader)
		if !ok {
			return errors.New("this store cannot be restored to")
		}
		for _, w := range list {
			at = w.line
			if err := w.do(tx, load); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && at > 0 && r.ctx.Err() == nil {
		err = errBroken(r.path, fmt.Errorf("line %d: %w", at, err))
	}
	return err
}

func (t *waiting) do(tx calendar.Tx, load calendar.Loader) error {
	if !t.Made.IsZero() {
		if _, is, err := tx.Home(); err != nil {
			return err
		} else if !is {
			if err := load.LoadHome(calendar.HomeRow{Created: t.Made}); err != nil {
				return err
			}
		}
	}
	for range t.Took {
		if _, err := tx.NextChange(); err != nil {
			return err
		}
	}
	for i := range t.Ops {
		o := &t.Ops[i]
		if t.known && o.Kind == opPutTrace {
			if there, err := hasTrace(tx, o.Trace); err != nil || there {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := o.do(load); err != nil {
			return fmt.Errorf("%s: %s: %w", t.Owner, o.Kind, err)
		}
	}
	return nil
}

// hasTrace tells whether the journal has a line already.
func hasTrace(tx calendar.ReadTx, row *traceRow) (there bool, err error) {
	want := row.unpack()
	err = tx.Traces(calendar.TraceQuery{UID: row.UID, Message: row.Message}, func(t *calendar.Trace) error {
		there = there || t.When.Equal(want.When) && t.Step == want.Step && t.Reason == want.Reason && strings.Join(t.To, "\n") == strings.Join(want.To, "\n")
		return nil
	})
	return there, err
}

// log does again what the log has from a file on. first: a snapshot begins with that.
func (r *restorer) log(root string, periods []Period, from int, first bool) error {
	files, err := logFiles(periods)
	if err != nil {
		return err
	}
	next := from
	if len(files) == 0 {
		return errBroken(root, errors.New("the log is missing"))
	}
	for _, f := range files {
		if f.number < next {
			continue
		}
		if f.number > next {
			return errBroken(root, fmt.Errorf("%s is missing", logName(next)))
		}
		next++
		done, err := r.file(f, first && f.number == from)
		if err != nil || done {
			return err
		}
	}
	if next == from {
		return errBroken(root, fmt.Errorf("%s is missing", logName(next)))
	}
	if at := r.opt.At; !at.IsZero() && at.After(r.res.Until) {
		return errOutside(root, "the backup ends at %s", r.res.Until.Local().Format("2006-01-02 15:04:05.000"))
	}
	return nil
}

// file does again what a file of the log has; done tells that what follows is of a
// later time than what is wanted.
func (r *restorer) file(f logFile, first bool) (done bool, err error) {
	in, err := r.opt.Keys.open(f.path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	r.path = f.path
	done, err = r.records(in, f, first)
	if err == nil {
		err = r.flush()
	}
	return done, err
}

func (r *restorer) records(in io.Reader, f logFile, first bool) (done bool, err error) {
	records, end := ahead(in)
	defer end()
	for rec := range records {
		switch err := rec.err; {
		case err == io.EOF:
			return false, nil
		case err == errTorn:
			return false, nil // the process was killed there: nothing that was missed, see Keeper
		case err != nil:
			return false, errBroken(f.path, err)
		}
		r.consumed += int64(rec.size)
		switch {
		case rec.Head != nil:
			if rec.Head.Format > format {
				return false, &calendar.Error{Kind: calendar.Unsupported, Op: "restore", Ref: f.path, Msg: fmt.Sprintf("a newer release (%s) has written it: use that one", rec.Head.Release)}
			}
			if !rec.Head.Follows && !first {
				if r.past(rec.Head.Begun) {
					return true, nil
				}
				return false, errOutside(f.path, "the backup has a gap that ends at %s: only times before %s, or after the next snapshot, can be restored",
					rec.Head.Begun.Local().Format(time.DateTime), r.res.Until.Local().Format(time.DateTime))
			}
		case !rec.Beat.IsZero():
			if r.past(rec.Beat) {
				r.res.Until = r.opt.At
				return true, nil
			}
			r.res.Until = rec.Beat
		case rec.Digest != nil:
			if err := r.compare(rec.Digest); err != nil {
				return false, err
			}
		case rec.Txn != nil:
			if r.past(rec.Txn.Time) {
				r.res.Until = r.opt.At
				return true, nil
			}
			r.res.Until = rec.Txn.Time
			if r.opt.Owner != "" && rec.Txn.Owner != r.opt.Owner {
				continue
			}
			if err := r.transaction(rec.Txn, rec.line, rec.size); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

func (r *restorer) past(t time.Time) bool { return !r.opt.At.IsZero() && t.After(r.opt.At) }

// transaction does one again, unless the snapshot has it. Numbers rise with the
// commits of an owner, so they tell. One that took none is told from those before and
// after only by the numbers beside it; but what such do can be done twice.
func (r *restorer) transaction(t *txn, line, size int) error {
	broken := func(err error) error { return errBroken(r.path, fmt.Errorf("line %d: %w", line, err)) }
	if t.Image {
		if err := r.flush(); err != nil {
			return err
		}
		if err := r.image(t); err != nil {
			return broken(err)
		}
		return nil
	}
	is := r.at[t.Owner]
	had, imaged := r.images[t.Owner]
	if imaged && (t.Change < had || t.Change == had && t.Took > 0) {
		return nil
	}
	if t.Took > 0 && t.Change-int64(t.Took) != is {
		return broken(fmt.Errorf("a change of %s is missing: after number %d comes %d", t.Owner, is, t.Change-int64(t.Took)+1))
	}
	r.at[t.Owner] = t.Change
	r.res.Transactions++
	r.waits, r.octets = append(r.waits, waiting{t, imaged && t.Change == had, line}), r.octets+size
	if len(r.waits) < mostTogether && r.octets < mostOctetsTogether {
		return nil
	}
	return r.flush()
}

// compare compares a home with what it was, where the log has come to that number.
func (r *restorer) compare(want *digest) error {
	if r.opt.Owner != "" && want.Owner != r.opt.Owner || r.at[want.Owner] != want.Change {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	return r.paced(func() error { return r.view(want) })
}

func (r *restorer) view(want *digest) error {
	return r.to.View(r.ctx, want.Owner, func(tx calendar.ReadTx) error {
		got, err := digestLike(tx, want.Owner, want.Own)
		if err != nil {
			return err
		}
		if got == nil {
			return errBroken(string(want.Owner), errors.New("the home is missing"))
		}
		if what := want.differs(got); what != "" {
			return errBroken(string(want.Owner), fmt.Errorf("%s is not what it was", what))
		}
		r.res.Compared++
		return nil
	})
}
