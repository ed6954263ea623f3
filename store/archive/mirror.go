package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mirror says where the backups of a target are kept besides, in a depot.
type Mirror struct {
	Name  string // under which Status tells of it
	Of    string // the target
	To    Depot
	Every time.Duration // the log is there so much later at most
	Max   int           // most snapshots kept
}

// mirror ships a directory of backups to a depot: the log as it grows, files that are done
// whole. It reads the directory alone, so that nothing waits for it.
type mirror struct {
	Mirror
	k    *Keeper
	root string // of the target
	line string

	mu      sync.Mutex // between log and snapshots; the depot may be asked under it
	stock   []*stocked // nil: the depot must be asked
	shipped time.Time  // what was committed until then is in the depot
	again   time.Time  // a proof that failed is not tried before

	tell   sync.Mutex
	is     Status           // without its target
	errors map[string]error // by what was done
}

// lineName is the file that has the name of a directory's line.
const lineName = "line"

// openMirror finds the line of a directory, or begins one.
func (k *Keeper) openMirror(m Mirror) (*mirror, error) {
	root := k.target(m.Of).Path
	name := filepath.Join(root, lineName)
	text, err := os.ReadFile(name)
	line := strings.TrimSpace(string(text))
	if err != nil || !keptName.MatchString(line+"/archive_20060102/"+manifestName) {
		var some [4]byte
		rand.Read(some[:])
		line = k.opt.Now().UTC().Format("20060102T150405Z-") + hex.EncodeToString(some[:])
		if err := os.MkdirAll(root, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, []byte(line+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return &mirror{Mirror: m, k: k, root: root, line: line, errors: map[string]error{}}, nil
}

// failuresToTell is how many attempts fail in a row before somebody is told: a service in
// the network is away for a moment now and then.
const failuresToTell = 3

// mostMirrorPause bounds the pause after an attempt that failed.
const mostMirrorPause = 5 * time.Minute

// run ships until ctx ends.
func (m *mirror) run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { m.repeat(ctx, "log", m.ship) })
	m.repeat(ctx, "snapshots", m.keep)
	both.Wait()
}

// repeat does something again and again; after what failed with growing pauses.
func (m *mirror) repeat(ctx context.Context, what string, do func(context.Context) error) {
	for bad := 0; ; {
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := m.Every
		if bad++; err == nil {
			bad = 0
		} else {
			wait = min(max(m.Every, time.Second)<<min(bad, 20), mostMirrorPause)
			m.k.opt.Log.Warn("backups do not come to their second place", "place", m.To.String(), "error", err)
			m.mu.Lock()
			m.stock = nil // what is there must be looked at again
			m.mu.Unlock()
		}
		if err == nil || bad >= failuresToTell {
			m.note(what, err)
		}
		m.remember()
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// note tells what fails, and what does no more.
func (m *mirror) note(what string, err error) {
	m.tell.Lock()
	m.errors[what] = err
	err = errors.Join(m.errors["log"], m.errors["snapshots"], m.errors["proof"])
	m.tell.Unlock()
	m.k.fails(m.Name, err)
}

// look asks the depot what it has, where that is not known.
func (m *mirror) look(ctx context.Context) (err error) {
	if m.stock == nil {
		var all []*stocked
		if all, err = stock(ctx, m.To); err == nil {
			m.stock = append([]*stocked{}, all...)
		}
	}
	return err
}

// periods are those of the directory that the depot is to have.
func (m *mirror) periods() ([]Period, error) {
	list, err := Periods(m.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for i, complete := len(list)-1, 0; i >= 0; i-- {
		if !list[i].Ended.IsZero() {
			complete++
		}
		if complete == max(m.Max, 1) {
			return list[i:], err
		}
	}
	return list, err
}

// of is what the depot has of a period of this line.
func (m *mirror) of(dir string) *stocked {
	name := filepath.Base(dir)
	for _, s := range m.stock {
		if s.line == m.line && s.name == name {
			return s
		}
	}
	s := &stocked{line: m.line, name: name, files: map[string]int64{}, parts: map[string][]part{}}
	m.stock = append(m.stock, s)
	return s
}

// shipTimeout bounds one turn of shipping the log.
const shipTimeout = 10 * time.Minute

// ship brings the log to the depot, and what is known of its periods.
func (m *mirror) ship(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shipTimeout)
	defer cancel()
	until := m.k.log.moment()
	if err := m.k.log.drain(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.look(ctx); err != nil {
		return err
	}
	periods, err := m.periods()
	if err != nil {
		return err
	}
	for _, p := range periods {
		if err := m.shipPeriod(ctx, &p); err != nil {
			return err
		}
	}
	m.shipped = until
	return nil
}

func (m *mirror) shipPeriod(ctx context.Context, p *Period) error {
	s := m.of(p.Dir)
	if err := m.shipManifest(ctx, s, p); err != nil {
		return err
	}
	for {
		files, err := logFiles([]Period{*p})
		if err != nil {
			return err
		}
		for _, f := range files {
			if err = m.shipLog(ctx, s, f.path); err != nil {
				break
			}
		}
		if !errors.Is(err, fs.ErrNotExist) { // else it was packed meanwhile
			return err
		}
		if _, err := os.Stat(p.Dir); err != nil { // or is too old
			return nil
		}
	}
}

// shipManifest tells of a period what is true of its copy: that it has a snapshot, and
// that it was proven.
func (m *mirror) shipManifest(ctx context.Context, s *stocked, p *Period) error {
	is := p.Manifest
	if is.Proof = s.Proof; !s.has(snapshotName) && !s.has(snapshotName+encrypted) {
		is.Ended = time.Time{}
	}
	if s.has(manifestName) && is == s.Manifest {
		return nil
	}
	return m.putManifest(ctx, s, is)
}

func (m *mirror) putManifest(ctx context.Context, s *stocked, is Manifest) error {
	text, err := json.MarshalIndent(&is, "", "\t")
	if err != nil {
		return err
	}
	if err := m.To.Put(ctx, s.path(manifestName), bytes.NewReader(text), int64(len(text))); err != nil {
		return err
	}
	s.Manifest, s.files[manifestName] = is, int64(len(text))
	return nil
}

// mostParts is how many parts a file of the log has before they are made one.
const mostParts = 64

// shipLog brings a file of the log, or what was added to it.
func (m *mirror) shipLog(ctx context.Context, s *stocked, file string) error {
	name := filepath.Base(file)
	if strings.HasSuffix(name, packed) || strings.HasSuffix(name, packed+encrypted) {
		if s.has(name) {
			return nil
		}
		if err := m.put(ctx, s, file); err != nil {
			return err
		}
		raw := strings.TrimSuffix(strings.TrimSuffix(name, encrypted), packed)
		return errors.Join(m.removeParts(ctx, s, raw, 0), m.removeParts(ctx, s, raw+sealed, 0))
	}
	if s.packedLog(name) {
		return nil
	}
	from := s.shipped(name)
	merge := len(s.parts[name]) >= mostParts
	if merge {
		from = 0
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	n := fi.Size() - from
	if n <= 0 || merge && fi.Size() <= s.shipped(name) {
		return nil
	}
	p := part{s.path(fmt.Sprintf("%s%s%012d", name, partFrom, from)), from, n}
	if err := m.To.Put(ctx, p.name, io.NewSectionReader(f, from, n), n); err != nil {
		return err
	}
	if !merge {
		s.parts[name] = append(s.parts[name], p)
		return nil
	}
	s.parts[name] = append([]part{p}, slices.DeleteFunc(s.parts[name], func(o part) bool { return o.from == 0 })...)
	return m.removeParts(ctx, s, name, 1)
}

// removeParts removes the parts of a file that follow the first few.
func (m *mirror) removeParts(ctx context.Context, s *stocked, name string, keep int) error {
	for len(s.parts[name]) > keep {
		last := len(s.parts[name]) - 1
		if err := m.To.Remove(ctx, s.parts[name][last].name); err != nil {
			return err
		}
		s.parts[name] = s.parts[name][:last]
	}
	if keep == 0 {
		delete(s.parts, name)
	}
	return nil
}

// put brings a whole file.
func (m *mirror) put(ctx context.Context, s *stocked, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := m.To.Put(ctx, s.path(filepath.Base(file)), f, fi.Size()); err != nil {
		return err
	}
	s.files[filepath.Base(file)] = fi.Size()
	return nil
}

// keep brings snapshots, tries what came, and removes what is old.
func (m *mirror) keep(ctx context.Context) error {
	periods, err := m.periods()
	if err != nil {
		return err
	}
	for _, p := range periods {
		if err := m.bringSnapshot(ctx, &p); err != nil && !errors.Is(err, fs.ErrNotExist) { // it was too old
			return err
		}
	}
	if err := m.retire(ctx); err != nil {
		return err
	}
	if len(periods) == 0 || m.k.opt.Scratch == nil || !m.k.opt.Keys.opens() {
		return nil
	}
	return m.prove(ctx, &periods[len(periods)-1])
}

func (m *mirror) bringSnapshot(ctx context.Context, p *Period) error {
	file := found(filepath.Join(p.Dir, snapshotName))
	m.mu.Lock()
	err := m.look(ctx)
	there := p.Ended.IsZero()
	if err == nil {
		there = there || m.of(p.Dir).has(filepath.Base(file))
	}
	m.mu.Unlock()
	if err != nil || there {
		return err
	}
	aside := &stocked{line: m.line, name: filepath.Base(p.Dir), files: map[string]int64{}}
	if err := m.put(ctx, aside, file); err != nil { // which may take long: the log goes on meanwhile
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.look(ctx); err != nil {
		return err
	}
	s := m.of(p.Dir)
	s.files[filepath.Base(file)] = aside.files[filepath.Base(file)]
	return m.shipManifest(ctx, s, p)
}

// retire removes the oldest periods of a depot above its most, of whichever line; the newest that was
// proven stays.
func (m *mirror) retire(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.look(ctx); err != nil {
		return err
	}
	complete, proven := 0, -1
	for i, s := range m.stock {
		if !s.Ended.IsZero() {
			complete++
		}
		if s.Proof != nil && s.Proof.Failed == "" {
			proven = i
		}
	}
	for i, s := range slices.Clone(m.stock) {
		if i == proven || complete <= max(m.Max, 1) {
			return nil
		}
		if !s.Ended.IsZero() {
			complete--
		}
		if err := m.remove(ctx, s); err != nil {
			return err
		}
		m.k.opt.Log.Info("an old backup is removed", "directory", m.To.String()+"/"+s.path(""))
	}
	return nil
}

// remove removes a period: what is known of it first, so that nobody takes what is left for one.
func (m *mirror) remove(ctx context.Context, s *stocked) error {
	names := []string{manifestName}
	for name := range s.files {
		names = append(names, name)
	}
	for _, name := range names {
		if err := m.To.Remove(ctx, s.path(name)); err != nil {
			return err
		}
		delete(s.files, name)
	}
	for name := range s.parts {
		if err := m.removeParts(ctx, s, name, 0); err != nil {
			return err
		}
	}
	m.stock = slices.DeleteFunc(m.stock, func(o *stocked) bool { return o == s })
	return nil
}

// proveAgain is the pause after a backup in a depot that could not be restored.
const proveAgain = time.Hour

// prove restores what the depot has, once for each snapshot that was proven on the disk: the
// log has what every home was then.
func (m *mirror) prove(ctx context.Context, p *Period) error {
	m.mu.Lock()
	s := m.of(p.Dir)
	due := p.Proof != nil && p.Proof.Failed == "" && !s.Ended.IsZero() && !m.shipped.Before(p.Proof.Time) && (s.Proof == nil || s.Proof.Failed != "") && !m.k.opt.Now().Before(m.again)
	m.mu.Unlock()
	if !due {
		return nil
	}
	dir, err := m.k.scratchDir(m.root)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "copied")
	if err := Fetch(ctx, m.To, copied, time.Time{}); err != nil {
		return err
	}
	proof := &Proof{Time: m.k.opt.Now().UTC()}
	res, err := m.k.tryIn(ctx, copied, dir)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if proof.Until, proof.Homes = res.Until, res.Compared; err != nil {
		proof.Failed = err.Error()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.look(ctx); err != nil {
		return err
	}
	s = m.of(p.Dir)
	is := s.Manifest
	is.Proof = proof
	if put := m.putManifest(ctx, s, is); put != nil {
		return put
	}
	if err != nil { // it is shipped anew, and tried again
		m.again = m.k.opt.Now().Add(proveAgain)
		s.files, s.parts = map[string]int64{}, map[string][]part{}
		err = fmt.Errorf("the backup in %s cannot be restored: %w", m.To, err)
		m.k.opt.Log.Error("a backup cannot be restored", "place", m.To.String(), "error", err)
	}
	m.note("proof", err)
	return nil
}

// remember keeps what Status tells, which waits for no depot.
func (m *mirror) remember() {
	m.mu.Lock()
	is := Status{Shipped: m.shipped}
	for _, o := range m.stock {
		if o.line == m.line && !o.Ended.IsZero() {
			is.Latest = Period{Dir: m.To.String() + "/" + o.path(""), Manifest: o.Manifest}
			if o.Proof.restored() {
				is.Proven = o.Proof.Until
			}
		}
	}
	unknown := m.stock == nil
	m.mu.Unlock()
	m.tell.Lock()
	if unknown {
		is = m.is
	}
	m.is = is
	m.tell.Unlock()
}

// status adds what is known of the depot.
func (m *mirror) status(s *Status) {
	m.tell.Lock()
	defer m.tell.Unlock()
	s.Shipped, s.Latest, s.Proven = m.is.Shipped, m.is.Latest, m.is.Proven
}

// lastShip bounds how long a server that stops waits for the depot.
const lastShip = 5 * time.Second

// close ships what the log has got at its end.
func (m *mirror) close() {
	m.tell.Lock()
	well := m.errors["log"] == nil && !m.is.Shipped.IsZero()
	m.tell.Unlock()
	if !well {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastShip)
	defer cancel()
	if err := m.ship(ctx); err != nil {
		m.k.opt.Log.Warn("the end of the log does not come to the second place of the backups: it does at the next start", "place", m.To.String(), "error", err)
	}
}
