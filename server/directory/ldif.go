package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
