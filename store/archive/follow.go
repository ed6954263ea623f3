package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"factotum/server/calendar"
)

// A directory of backups may have an applied copy beside its periods: a store to which the
// log is applied as it grows. admin.md §9.2, 9.9. It is what the log says, some seconds
// later; who restores copies it and applies the rest.
//
//	applied/
//	    calendar.db      as Options.Scratch makes it
//	    position.json    from which file of the log on it is to be brought up to date

const (
	appliedName  = "applied"
	positionName = "position.json"
)

// position is where a copy is.
type position struct {
	Format int  `json:"format"`
	File   int  `json:"file"`           // of the log: those before are applied
	First  bool `json:"first,omitzero"` // its snapshot begins with that file
}

// Applied finds the copy of a directory of backups to which the log is applied.
func Applied(root string) (dir string, ok bool) {
	dir = filepath.Join(root, appliedName)
	_, err := readPosition(dir)
	return dir, err == nil
}

func readPosition(dir string) (p position, err error) {
	f, err := openRegular(filepath.Join(dir, positionName))
	if err != nil {
		return p, err
	}
	defer f.Close()
	if err = json.NewDecoder(io.LimitReader(f, 1<<10)).Decode(&p); err == nil && (p.Format != format || p.File <= 0) {
		err = errors.New("it was written by another release")
	}
	return p, err
}

func (p position) write(dir string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, positionName)
	if err := os.WriteFile(name+partial, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+partial, name)
}

// Resume brings an applied copy, or a copy of that, up to the end of a directory's log: at is
// the directory in which the copy was found.
func Resume(ctx context.Context, root, at string, to calendar.Store, opt RestoreOptions) (res Restored, err error) {
	pos, err := readPosition(at)
	if err != nil {
		return res, err
	}
	r, err := resumed(ctx, to, opt, &res)
	if err != nil {
		return res, err
	}
	periods, err := Periods(root)
	if err != nil {
		return res, err
	}
	for _, p := range periods {
		if p.FirstLog <= pos.File && !p.Ended.IsZero() {
			res.Period, res.Until = p, p.Ended
		}
	}
	res.Homes = len(r.at)
	return res, r.log(root, periods, pos.File, pos.First)
}

// resumed goes on with a store, as it is.
func resumed(ctx context.Context, to calendar.Store, opt RestoreOptions, res *Restored) (*restorer, error) {
	n, ok := to.(numbered)
	if !ok {
		return nil, errors.New("this store cannot be restored to")
	}
	r := &restorer{ctx: ctx, to: to, opt: opt, res: res, at: map[calendar.Owner]int64{}, images: map[calendar.Owner]int64{}}
	return r, n.Numbers(ctx, func(owner calendar.Owner, change int64) error {
		r.at[owner], r.images[owner] = change, change
		return nil
	})
}

// follower applies the log of a target to its copy.
type follower struct {
	k   *Keeper
	t   Target
	dir string

	to       calendar.Store // nil: it is not open
	r        *restorer
	res      Restored
	number   int   // of the file that is applied
	first    bool  // a snapshot begins with it
	consumed int64 // octets of it that were applied

	mu    sync.Mutex
	until time.Time
}

const (
	followEvery = time.Second
	followAgain = time.Minute // after what failed

	// mostBehind is how long nothing is applied while many write, who are to have the processor.
	mostBehind = 10 * time.Minute
	// Times as long as it works it rests: it takes a quarter of a core at most, or a tenth.
	restQuiet, restBusy = 3, 9
)

// rest rests after work. While many write that is until they do not, or the copy is far behind.
func (f *follower) rest(ctx context.Context, worked time.Duration) error {
	for f.k.log.busy.Load() {
		if f.k.opt.Now().Sub(f.res.Until) > mostBehind {
			return pause(ctx, restBusy*worked)
		}
		if err := pause(ctx, followEvery); err != nil {
			return err
		}
	}
	return pause(ctx, restQuiet*worked)
}

func newFollower(k *Keeper, t Target) *follower {
	return &follower{k: k, t: t, dir: filepath.Join(t.Path, appliedName)}
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	defer f.close()
	for {
		wait := followEvery
		if err := f.turn(ctx); err != nil && ctx.Err() == nil {
			f.k.opt.Log.Error("the copy of the hot backup is made anew", "directory", f.dir, "reason", err)
			f.close()
			os.Remove(filepath.Join(f.dir, positionName))
			wait = followAgain
		}
		if pause(ctx, wait) != nil {
			return
		}
	}
}

func (f *follower) close() {
	if f.to != nil {
		if err := f.to.Close(); err != nil {
			f.k.opt.Log.Warn("the copy of the hot backup is not closed", "directory", f.dir, "error", err)
		}
	}
	f.to = nil
}

// turn applies what was added to the log.
func (f *follower) turn(ctx context.Context) error {
	periods, err := Periods(f.t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if f.to == nil {
		if ok, err := f.open(ctx, periods); !ok {
			return err
		}
	}
	f.r.ctx = ctx
	files, err := logFiles(periods)
	if err != nil {
		return err
	}
	for i, file := range files {
		if file.number < f.number {
			continue
		}
		if file.number > f.number {
			return fmt.Errorf("%s is missing", logName(f.number))
		}
		switch err := f.apply(file); {
		case errors.Is(err, fs.ErrNotExist): // it was packed meanwhile
			return nil
		case err != nil:
			return err
		}
		f.mu.Lock()
		f.until = f.res.Until
		f.mu.Unlock()
		if i == len(files)-1 {
			break
		}
		f.number, f.first, f.consumed = file.number+1, false, 0
		if err := (position{format, f.number, false}).write(f.dir); err != nil {
			return err
		}
	}
	return nil
}

// open goes on with the copy that there is, or begins one from the newest snapshot.
func (f *follower) open(ctx context.Context, periods []Period) (ok bool, err error) {
	pos, err := readPosition(f.dir)
	if err != nil {
		pos, err = f.begin(ctx, periods)
	}
	if err != nil || pos.File == 0 {
		return false, err
	}
	if f.to == nil {
		if f.to, err = f.k.opt.Scratch(ctx, f.dir); err != nil {
			return false, err
		}
	}
	f.res = Restored{}
	if f.r, err = resumed(ctx, f.to, RestoreOptions{Keys: f.k.opt.Keys}, &f.res); err != nil {
		return false, err
	}
	f.r.rest = f.rest
	f.number, f.first, f.consumed = pos.File, pos.First, 0
	return true, nil
}

// begin makes a copy of the newest snapshot; there may be none yet.
func (f *follower) begin(ctx context.Context, periods []Period) (pos position, err error) {
	i, err := choose(f.t.Path, periods, time.Time{})
	if err != nil {
		return pos, nil
	}
	if err := os.RemoveAll(f.dir); err != nil {
		return pos, err
	}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		return pos, err
	}
	if f.to, err = f.k.opt.Scratch(ctx, f.dir); err != nil {
		return pos, err
	}
	r := &restorer{ctx: ctx, to: f.to, opt: RestoreOptions{Keys: f.k.opt.Keys}, rest: f.rest, res: &f.res, at: map[calendar.Owner]int64{}, images: map[calendar.Owner]int64{}}
	if err := r.snapshot(&periods[i]); err != nil {
		return pos, err
	}
	pos = position{format, periods[i].FirstLog, true}
	return pos, pos.write(f.dir)
}

// apply applies what a file of the log has got since the last time.
func (f *follower) apply(file logFile) error {
	var in io.Reader
	if strings.HasSuffix(file.path, packed) {
		z, err := f.r.opt.Keys.open(file.path)
		if err != nil {
			return err
		}
		defer z.Close()
		if _, err := io.CopyN(io.Discard, z, f.consumed); err != nil {
			return errBroken(file.path, err)
		}
		in = z
	} else {
		raw, err := openRegular(file.path)
		if err != nil {
			return err
		}
		defer raw.Close()
		in = io.NewSectionReader(raw, f.consumed, 1<<62)
	}
	f.r.path, f.r.consumed = file.path, 0
	_, err := f.r.records(in, file, f.first)
	if err == nil {
		err = f.r.flush()
	}
	f.consumed += f.r.consumed
	return err
}

// moment tells up to when the copy is what the store was.
func (f *follower) moment() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until
}
