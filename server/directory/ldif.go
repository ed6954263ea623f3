package directory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
)

// ldifSource holds the entries of an LDIF file in memory and re-reads the file
// when it changes. Readers see one snapshot or the next, never a mixture.
type ldifSource struct {
	d    *Directory
	path string
	snap atomic.Pointer[snapshot]

	watched watched
	loading func() // for tests: before a changed file is worked at

	mu      sync.Mutex // over refresh
	held    *os.File   // the file that snap came from: open, no later file gets its inode number
	taken   stamp      // of that file
	refused stamp      // of the last file that was not taken: told once
	pending stamp      // of a file that may still be growing
	lastErr error      // why refused was refused
	reading *reload    // nil: nobody reads it

	stop, done chan struct{}
}

// stamp tells versions of a file apart.
type stamp struct {
	mtime time.Time
	size  int64
	inode uint64
}

// snapshot is the file as read once, with its indexes.
type snapshot struct {
	gen     uint64
	entries []*entry // by name, then key
	byKey   map[string]*entry
	byID    map[string]*entry              // principals
	index   map[string]map[string][]*entry // attribute, folded value (or DN key)
	ds      *domains
}

func openLDIF(d *Directory) (*ldifSource, error) {
	s := &ldifSource{d: d, path: d.opt.LDIF, watched: watched{fresh: freshly}, stop: make(chan struct{}), done: make(chan struct{})}
	d.src = s
	if err := s.load(); err != nil {
		return nil, err
	}
	go s.watch(d.opt.PollEvery)
	return s, nil
}

// watch polls: it works on every file system and misses no rename.
func (s *ldifSource) watch(every time.Duration) {
	defer close(s.done)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.poll()
		}
	}
}

// look re-reads a file that was replaced: csuser's change counts at once for
// whoever asks. Who comes while it is read waits. It costs one look at the
// file's date.
func (s *ldifSource) look() { s.changed(false, "") }

// glance is look for those who ask about somebody who is remembered, unless it
// was done just now. They do not wait while the file is read if the difference
// is none of his: a hundred thousand entries take a second.
func (s *ldifSource) glance(now time.Time, id string) {
	if s.watched.due(now) {
		s.changed(false, id)
	}
}

// poll is look, and takes a file that was written in place (same inode) when it
// looks the same twice, lest half of it be taken.
func (s *ldifSource) poll() { s.changed(true, "") }

// changed looks for a change that somebody who asks about a user, or about
// whomever, has to know of, and waits until it is known.
func (s *ldifSource) changed(inPlace bool, id string) {
	for {
		begun := time.Now()
		s.mu.Lock()
		now, err := stampOf(s.path)
		if err != nil {
			now = stamp{size: -1}
		}
		if r := s.reading; r != nil {
			other := id != "" && r.of == now && !r.touches(s.snap.Load().byID[id])
			s.mu.Unlock()
			if other {
				return
			}
			<-r.done
			continue
		}
		switch {
		case now == s.taken:
			s.refused, s.lastErr = stamp{}, nil
		case now == s.refused:
		case now.inode == s.taken.inode && !inPlace:
		case now.inode == s.taken.inode && now != s.pending:
			s.pending = now
		default:
			if err == nil {
				err = s.beginLocked()
			}
			if err != nil {
				s.refuseLocked(now, err)
			}
			s.mu.Unlock()
			continue
		}
		s.watched.looked(begun)
		s.mu.Unlock()
		return
	}
}

func (s *ldifSource) refuseLocked(st stamp, err error) {
	s.refused, s.lastErr = st, err
	s.d.opt.Log.Error("directory file not taken, the old content stays", "path", s.path, "err", err)
}

// reload is a changed file that is being read.
type reload struct {
	of       stamp
	from, to int // lines of the old file that are no longer as they were
	done     chan struct{}
}

// touches tells whether an entry of the old file may be another in the new one.
func (r *reload) touches(e *entry) bool { return e != nil && r.from <= e.line && e.line <= r.to }

// beginLocked reads a changed file, and leaves what takes long to a goroutine.
func (s *ldifSource) beginLocked() error {
	f, data, st, err := readLDIFFile(s.path)
	if err != nil {
		return err
	}
	r := &reload{of: st, to: math.MaxInt, done: make(chan struct{})}
	if s.held != nil {
		if old, err := io.ReadAll(io.NewSectionReader(s.held, 0, maxLDIFSize)); err == nil {
			r.from, r.to = s.snap.Load().differ(old, data)
		}
	}
	s.reading = r
	go func() {
		defer close(r.done)
		if s.loading != nil {
			s.loading()
		}
		snap, err := s.d.newSnapshot(data)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reading = nil
		if err != nil {
			f.Close()
			s.refuseLocked(st, fmt.Errorf("read %s: %w", s.path, err))
			return
		}
		s.takeLocked(f, snap, st)
	}()
	return nil
}

// differ finds the lines of the old file outside of which the new one is the
// same, from the beginning of an entry; all of them if it is about a domain,
// which others depend on.
func (sn *snapshot) differ(old, now []byte) (from, to int) {
	same, tail := 0, 0
	for most := min(len(old), len(now)); same < most && old[same] == now[same]; {
		same++
	}
	for most := min(len(old), len(now)) - same; tail < most && old[len(old)-1-tail] == now[len(now)-1-tail]; {
		tail++
	}
	line := 1 + bytes.Count(old[:same], []byte{'\n'})
	to = 1 + bytes.Count(old[:len(old)-tail], []byte{'\n'})
	for _, e := range sn.entries {
		if e.line <= line {
			from = max(from, e.line)
		}
	}
	for _, e := range sn.entries {
		if from <= e.line && e.line <= to && domainFilter.matches(e) {
			return 0, math.MaxInt
		}
	}
	if bytes.Contains(bytes.ToLower(now[same:len(now)-tail]), []byte("domain")) {
		return 0, math.MaxInt
	}
	return from, to
}

// refresh is poll for those who cannot wait.
func (s *ldifSource) refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.reading; r != nil; r = s.reading {
		s.mu.Unlock()
		<-r.done
		s.mu.Lock()
	}
	now, err := stampOf(s.path)
	if err == nil && now == s.taken {
		return nil
	}
	return s.loadLocked()
}

func (s *ldifSource) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loadLocked()
}

func (s *ldifSource) loadLocked() error {
	f, data, st, err := readLDIFFile(s.path)
	if err != nil {
		return err
	}
	snap, err := s.d.newSnapshot(data)
	if err != nil {
		f.Close()
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	s.takeLocked(f, snap, st)
	return nil
}

// takeLocked makes a snapshot the current one.
func (s *ldifSource) takeLocked(f *os.File, snap *snapshot, st stamp) {
	snap.gen = 1 // 0 is for sources that cannot know
	if old := s.snap.Load(); old != nil {
		snap.gen = old.gen + 1
		s.d.opt.Log.Info("directory file read", "path", s.path, "entries", len(snap.entries))
	}
	s.snap.Store(snap)
	if s.held != nil {
		s.held.Close()
	}
	s.held = f
	s.taken, s.refused, s.pending, s.lastErr = st, stamp{}, stamp{}, nil
}

// readLDIFFile reads the whole file, makes sure that it did not change
// meanwhile, and returns it open.
func readLDIFFile(path string) (f *os.File, data []byte, st stamp, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, nil, stamp{}, fmt.Errorf("open directory file: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	before, err := f.Stat()
	if err != nil {
		return nil, nil, stamp{}, fmt.Errorf("stat directory file: %w", err)
	}
	if !before.Mode().IsRegular() {
		return nil, nil, stamp{}, fmt.Errorf("open directory file: %s is not a regular file", path)
	}
	if data, err = io.ReadAll(io.LimitReader(f, maxLDIFSize+1)); err != nil {
		return nil, nil, stamp{}, fmt.Errorf("read directory file: %w", err)
	}
	after, err := f.Stat()
	if err != nil {
		return nil, nil, stamp{}, fmt.Errorf("stat directory file: %w", err)
	}
	if fileStamp(before) != fileStamp(after) {
		return nil, nil, stamp{}, errors.New("the directory file changed while it was read")
	}
	return f, data, fileStamp(after), nil
}

func stampOf(path string) (stamp, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return fileStamp(fi), nil
}

func fileStamp(fi os.FileInfo) stamp {
	return stamp{fi.ModTime(), fi.Size(), inode(fi)}
}

// newSnapshot parses, indexes and checks the content of a file.
func (d *Directory) newSnapshot(data []byte) (*snapshot, error) {
	records, err := parseLDIF(data)
	if err != nil {
		return nil, err
	}
	sn := &snapshot{byKey: make(map[string]*entry, len(records)), index: map[string]map[string][]*entry{}}
	names := map[string]string{} // attribute names, each once in memory
	for i := range records {
		e := newEntry(&records[i], names)
		if other := sn.byKey[e.key]; other != nil {
			return nil, &LDIFError{e.line, fmt.Sprintf("the entry %s is there already, in line %d", e.dn, other.line)}
		}
		sn.byKey[e.key] = e
		sn.entries = append(sn.entries, e)
	}
	d.sortByName(sn.entries)
	for _, a := range []string{
		d.at.UID, d.at.GroupID, d.at.Mail, d.at.MailAlt, d.at.MailEquiv, d.at.UniqueName, "member",
	} {
		sn.index[a] = map[string][]*entry{}
	}
	for _, e := range sn.entries {
		for _, a := range e.attrs {
			if idx := sn.index[a.name]; idx != nil {
				for _, v := range a.values {
					k := indexKey(a.name, v)
					if at := idx[k]; len(at) == 0 || at[len(at)-1] != e {
						idx[k] = append(at, e)
					}
				}
			}
		}
	}
	found := sn.scan("", domainFilter)
	slices.SortFunc(found, func(a, b *entry) int { return a.line - b.line })
	sn.ds = newDomains(found, d.opt.DefaultDomain, true, d.opt.Apart, func(e *entry, err error) {
		d.opt.Log.Warn("inetDomainSearchFilter is not usable", "dn", e.dn, "err", err)
	})
	return sn, d.checkUnique(sn)
}

func (d *Directory) sortByName(es []*entry) {
	type named struct {
		name string
		e    *entry
	}
	list := make([]named, len(es))
	for i, e := range es {
		list[i] = named{fold(e.one(d.at.CN)), e}
	}
	slices.SortFunc(list, func(a, b named) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.e.key, b.e.key))
	})
	for i := range list {
		es[i] = list[i].e
	}
}

func newEntry(r *ldifRecord, names map[string]string) *entry {
	e := &entry{dn: r.dn, key: dnKey(r.dn), line: r.line}
	for _, l := range r.attrs {
		name, ok := names[l.name]
		if !ok {
			name = strings.ToLower(l.name)
			names[l.name] = name
		}
		e.add(name, l.value)
	}
	return e
}

func indexKey(attr, value string) string {
	if dnValued[attr] {
		return dnKey(value)
	}
	return fold(value)
}

// checkUnique indexes principals by id and refuses two principals of one id. ldap.md §1: uid and groupid are
// one name space within a domain.
func (d *Directory) checkUnique(sn *snapshot) error {
	sn.byID = make(map[string]*entry, len(sn.entries))
	for _, e := range sn.entries {
		kind, ok := d.kindOf(e)
		if !ok {
			continue
		}
		id := d.idOf(e, kind, sn.ds, sn.ds.of(e.key))
		if id == "" {
			return &LDIFError{e.line, fmt.Sprintf("the entry %s has an id that is not allowed", e.dn)}
		}
		if other := sn.byID[id]; other != nil {
			a, b := other, e
			if a.line > b.line {
				a, b = b, a
			}
			return &LDIFError{b.line, fmt.Sprintf("the id %q is taken already by the entry in line %d", id, a.line)}
		}
		sn.byID[id] = e
	}
	return nil
}

func (s *ldifSource) search(_ context.Context, base string, f filter, limit int) (found []*entry, more bool, err error) {
	sn := s.snap.Load()
	candidates, ok := sn.candidates(&f)
	if !ok {
		candidates = sn.entries
	}
	base = dnKey(base)
	for _, e := range candidates {
		if below(e.key, base) && f.matches(e) {
			if len(found) >= limit {
				return found, true, nil
			}
			found = append(found, e)
		}
	}
	return found, false, nil
}

func (sn *snapshot) scan(base string, f filter) (found []*entry) {
	for _, e := range sn.entries {
		if below(e.key, base) && f.matches(e) {
			found = append(found, e)
		}
	}
	return found
}

// candidates returns entries among which all matches are, from the indexes;
// ok is false if the indexes do not help.
func (sn *snapshot) candidates(f *filter) (es []*entry, ok bool) {
	switch f.op {
	case opEqual:
		idx, ok := sn.index[f.attr]
		if !ok {
			return nil, false
		}
		return idx[indexKey(f.attr, f.val)], true
	case opAnd:
		for i := range f.kids {
			if es, ok = sn.candidates(&f.kids[i]); ok {
				return es, true
			}
		}
	case opOr:
		var lists [][]*entry
		for i := range f.kids {
			kid, ok := sn.candidates(&f.kids[i])
			if !ok {
				return nil, false
			}
			if len(kid) > 0 {
				lists = append(lists, kid)
			}
		}
		return union(lists), true
	}
	return nil, false
}

// union joins lists, each entry once.
func union(lists [][]*entry) []*entry {
	switch len(lists) {
	case 0:
		return nil
	case 1:
		return lists[0]
	}
	seen := map[*entry]bool{}
	var out []*entry
	for _, l := range lists {
		for _, e := range l {
			if !seen[e] {
				seen[e] = true
				out = append(out, e)
			}
		}
	}
	return out
}

func (s *ldifSource) entries(_ context.Context, dns []string, _ bool) (found []*entry, err error) {
	sn := s.snap.Load()
	for _, dn := range dns {
		if e := sn.byKey[dnKey(dn)]; e != nil {
			found = append(found, e)
		}
	}
	return found, nil
}

func (s *ldifSource) principal(id string) *entry { return s.snap.Load().byID[id] }

func (s *ldifSource) domains(context.Context) (*domains, error) { return s.snap.Load().ds, nil }

// verify tries the values of userPassword. The work for a nobody or for a
// value that cannot be checked is that of a wrong password.
func (s *ldifSource) verify(ctx context.Context, e *entry, password string) error {
	var hashes []string
	if e != nil {
		hashes = e.all("userpassword")
	}
	checked := false
	for _, h := range hashes[:min(len(hashes), 4)] {
		ok, err := checkHash(h, password)
		switch {
		case ok:
			return nil
		case errors.Is(err, errUnknownHash):
			s.d.opt.Log.WarnContext(ctx, "userPassword is not argon2id or bcrypt, nobody can log in with it", "dn", e.dn)
		case err != nil:
			return err
		default:
			checked = true
		}
	}
	if checked {
		return wrongPassword
	}
	if _, err := checkHash(s.d.dummy(), password); err != nil {
		return err
	}
	if e != nil {
		return noHash
	}
	return wrongPassword
}

func (s *ldifSource) generation() uint64 { return s.snap.Load().gen }

// ping reports a file that is there but could not be taken.
func (s *ldifSource) ping(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr != nil {
		return &calendar.Error{Kind: calendar.Unavailable, Op: "read directory file", Err: s.lastErr}
	}
	return nil
}

func (s *ldifSource) close() error {
	s.mu.Lock()
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.mu.Unlock()
	<-s.done
	s.mu.Lock()
	for r := s.reading; r != nil; r = s.reading {
		s.mu.Unlock()
		<-r.done
		s.mu.Lock()
	}
	held := s.held
	s.held = nil
	s.mu.Unlock()
	if held != nil {
		held.Close()
	}
	return nil
}
