package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Depot keeps files elsewhere, such as in a bucket. A file is there whole or not at all.
// What is not there is fs.ErrNotExist.
type Depot interface {
	fmt.Stringer // its name, for people
	Put(ctx context.Context, name string, in io.Reader, size int64) error
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	List(ctx context.Context, fn func(name string, size int64)) error
	Remove(ctx context.Context, name string) error
}

// In a depot a directory of backups is a line: a host whose disk was lost begins another,
// so that files of both do not mix. Below it are periods with the names that they have on
// the disk:
//
//	20261129T140500Z-5f2c91ab/archive_20261129/manifest.json
//	                                           snapshot.zst
//	                                           log.0000000041.zst
//	                                           log.0000000042.from.000000000000
//	                                           log.0000000042.from.000000016384
//
// A file of the log that is written to is there in parts, each from an octet on. One may
// reach into the next, when several were made one.

const partFrom = ".from."

// kept is the name of a file in a depot.
var keptName = regexp.MustCompile(`^([0-9A-Za-z-]+)/([a-z]+_\d{8}(?:_\d{1,6})?)/(manifest\.json|snapshot\.zst(?:\.age)?|(log\.\d{10})(?:\.zst(?:\.age)?|((?:\.sealed)?)\.from\.(\d{12})))$`)

// part is a part of a file of the log.
type part struct {
	name       string // in the depot
	from, size int64
}

// stocked is a period in a depot.
type stocked struct {
	line, name string // name of its directory
	Manifest
	files map[string]int64  // sizes of what is whole
	parts map[string][]part // of files of the log
}

func (s *stocked) path(file string) string { return path.Join(s.line, s.name, file) }

// packedLog tells whether a file of the log is there whole.
func (s *stocked) packedLog(name string) bool {
	base := strings.TrimSuffix(name, sealed) + packed
	_, plain := s.files[base]
	_, secret := s.files[base+encrypted]
	return plain || secret
}

func (s *stocked) has(file string) bool { _, ok := s.files[file]; return ok }

// shipped is up to which octet a file of the log is there.
func (s *stocked) shipped(name string) (end int64) {
	for _, p := range s.parts[name] {
		end = max(end, p.from+p.size)
	}
	return end
}

// stock reads what a depot has, oldest first. Files that are none of backups are left alone.
func stock(ctx context.Context, d Depot) (list []*stocked, err error) {
	by := map[string]*stocked{}
	err = d.List(ctx, func(name string, size int64) {
		m := keptName.FindStringSubmatch(name)
		if m == nil {
			return
		}
		s := by[m[1]+"/"+m[2]]
		if s == nil {
			s = &stocked{line: m[1], name: m[2], files: map[string]int64{}, parts: map[string][]part{}}
			by[m[1]+"/"+m[2]] = s
		}
		if m[6] == "" {
			s.files[m[3]] = size
			return
		}
		from, _ := strconv.ParseInt(m[6], 10, 64)
		s.parts[m[4]+m[5]] = append(s.parts[m[4]+m[5]], part{name, from, size})
	})
	if err != nil {
		return nil, err
	}
	for _, s := range by {
		if s.has(manifestName) {
			if err := s.readManifest(ctx, d); err != nil {
				return nil, err
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *stocked) int {
		return cmp.Or(a.Begun.Compare(b.Begun), cmp.Compare(a.path(""), b.path("")))
	})
	return list, nil
}

func (s *stocked) readManifest(ctx context.Context, d Depot) error {
	in, err := d.Get(ctx, s.path(manifestName))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err = errors.Join(err, in.Close()); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.Manifest); err != nil {
		return errBroken(s.path(manifestName), err)
	}
	return nil
}

// DepotPeriods lists the periods of a depot, oldest first.
func DepotPeriods(ctx context.Context, d Depot) (list []Period, err error) {
	all, err := stock(ctx, d)
	for _, s := range all {
		if s.has(manifestName) {
			list = append(list, Period{Dir: d.String() + "/" + s.path(""), Manifest: s.Manifest})
		}
	}
	return list, err
}

// fetchTries is how often a depot is read anew, when files were packed or removed meanwhile.
const fetchTries = 8

// Fetch copies what is needed to restore a moment from a depot into an empty directory:
// zero is the last that there is.
func Fetch(ctx context.Context, d Depot, dir string, at time.Time) (err error) {
	for n := range fetchTries {
		if err = fetch(ctx, d, dir, at); !errors.Is(err, fs.ErrNotExist) || pause(ctx, time.Duration(n)*fetchPause) != nil {
			return err
		}
	}
	return err
}

// fetchPause is the pause after the second try; each next one is longer by that.
const fetchPause = 20 * time.Millisecond

// fetch copies a depot's files; what an earlier try has brought whole stays.
func fetch(ctx context.Context, d Depot, dir string, at time.Time) error {
	all, err := stock(ctx, d)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s *stocked) bool { return !s.has(manifestName) })
	var periods []Period
	for _, s := range all {
		periods = append(periods, Period{Manifest: s.Manifest})
	}
	i, err := choose(d.String(), periods, at)
	if err != nil {
		return err
	}
	files := map[string][]part{} // by their path below dir
	for n, s := range all[i:] {
		if s.line != all[i].line {
			continue
		}
		s.needs(files, n == 0)
		if !at.IsZero() && s.Begun.After(at) { // its log tells what came next, and that is enough
			break
		}
	}
	if err := dropOthers(dir, files); err != nil {
		return err
	}
	for name, parts := range files {
		to := filepath.Join(dir, name)
		if _, err := os.Stat(to); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := copyFile(ctx, d, to, parts); err != nil {
			return errors.Join(err, os.Remove(to))
		}
	}
	return nil
}

// needs adds the files of a period, and the parts of which they are made.
func (s *stocked) needs(files map[string][]part, snapshot bool) {
	for name, size := range s.files {
		if snapshot || !strings.HasPrefix(name, snapshotName) {
			files[filepath.Join(s.name, name)] = []part{{name: s.path(name), size: size}}
		}
	}
	for name, parts := range s.parts {
		if !s.packedLog(name) {
			parts = slices.Clone(parts)
			slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.from, b.from) })
			files[filepath.Join(s.name, name)] = parts
		}
	}
}

// dropOthers removes from a directory what is not wanted in it, or may have changed since it
// was brought: all but snapshots and packed files of the log that have their size.
func dropOthers(dir string, wanted map[string][]part) error {
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		done := strings.HasSuffix(strings.TrimSuffix(name, encrypted), packed)
		if parts := wanted[name]; done && len(parts) == 1 && parts[0].size == fi.Size() {
			return nil
		}
		if err := os.Remove(file); err != nil {
			return err
		}
		os.Remove(filepath.Dir(file)) // of a period that is wanted no more, once it is empty
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copyFile makes a file of its parts, in their order.
func copyFile(ctx context.Context, d Depot, name string, parts []part) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	end := int64(0)
	for _, p := range parts {
		if p.from > end {
			err = errBroken(p.name, fmt.Errorf("octets %d to %d are missing", end, p.from))
			break
		}
		if p.size > 0 && p.from+p.size <= end {
			continue
		}
		var n int64
		if n, err = copyPart(ctx, d, f, p, end-p.from); err != nil {
			break
		}
		end += n
	}
	return errors.Join(err, f.Close())
}

func copyPart(ctx context.Context, d Depot, to io.Writer, p part, skip int64) (int64, error) {
	in, err := d.Get(ctx, p.name)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if _, err := io.CopyN(io.Discard, in, skip); err != nil && err != io.EOF {
		return 0, err
	}
	return io.Copy(to, in)
}
