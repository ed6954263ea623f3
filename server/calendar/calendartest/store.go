package calendartest

import (
	"context"
	"slices"
	"sync"

	"factotum/server/calendar"
)

// Store is a calendar.Store in memory: the slow and obvious one. A
// transaction that fails is undone step by step.
type Store struct {
	mu    sync.RWMutex
	homes map[calendar.Owner]*home
}

var _ calendar.Store = (*Store)(nil)

type home struct {
	row    calendar.HomeRow
	exists bool
	cals   map[int64]*collection
	gone   []calendar.GoneCalendar
	prefs  map[string]string
	tokens map[string][]byte
	jobs   map[calendar.JobID]calendar.Job
	traces []calendar.Trace // oldest first
	traced int64            // the last id

	history []calendar.HistoryRow // oldest first

	registrations map[string]calendar.RegistrationRow
}

type collection struct {
	row   calendar.CalendarRow
	objs  map[string]calendar.ObjectRow // tombstones too
	occ   map[string][]calendar.OccurrenceRow
	props map[string][]calendar.DeadProp
	files map[string]map[string]calendar.AttachmentRow // by object and id
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{homes: map[calendar.Owner]*home{}} }

// View implements calendar.Store.
func (s *Store) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := s.homes[owner]
	if h == nil {
		h = newHome()
	}
	return fn(&tx{owner: owner, home: h})
}

// Update implements calendar.Store.
func (s *Store) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.homes[owner]
	if h == nil {
		h = newHome()
		s.homes[owner] = h
	}
	t := &tx{owner: owner, home: h}
	if err := fn(t); err != nil {
		for _, undo := range slices.Backward(t.undo) {
			undo()
		}
		return err
	}
	for _, f := range t.commit {
		f()
	}
	return nil
}

func newHome() *home {
	return &home{cals: map[int64]*collection{}, prefs: map[string]string{}, tokens: map[string][]byte{}, registrations: map[string]calendar.RegistrationRow{}, jobs: map[calendar.JobID]calendar.Job{}}
}

// Owners implements calendar.Store.
func (s *Store) Owners(_ context.Context, after calendar.Owner, limit int) ([]calendar.Owner, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []calendar.Owner
	for o, h := range s.homes {
		if h.exists && o > after {
			out = append(out, o)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), limit)], nil
}

// Stat implements calendar.Store.
func (s *Store) Stat(context.Context) (calendar.StoreStat, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := calendar.StoreStat{Engine: "memory", Version: "1"}
	for _, h := range s.homes {
		if h.exists {
			st.Owners++
			st.Bytes += h.row.Bytes
		}
		for _, c := range h.cals {
			n, _ := c.count()
			st.Objects += int64(n)
		}
	}
	return st, nil
}

// Check implements calendar.Store.
func (s *Store) Check(context.Context) error { return nil }

// Close implements calendar.Store.
func (s *Store) Close() error { return nil }

// Held is nil: nobody else has it.
func (s *Store) Held() error { return nil }

// tx is a transaction; every change leaves its undoing.
type tx struct {
	owner  calendar.Owner
	home   *home
	undo   []func()
	commit []func()
}

func set[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
}

func unset[K comparable, V any](t *tx, m map[K]V, k K) {
	if old, had := m[k]; had {
		t.undo = append(t.undo, func() { m[k] = old })
		delete(m, k)
	}
}

func (t *tx) OnCommit(fn func()) { t.commit = append(t.commit, fn) }

func (t *tx) Home() (calendar.HomeRow, bool, error) { return t.home.row, t.home.exists, nil }

func (t *tx) setHome(row calendar.HomeRow) {
	old, had := t.home.row, t.home.exists
	t.undo = append(t.undo, func() { t.home.row, t.home.exists = old, had })
	t.home.row, t.home.exists = row, true
}

func (t *tx) NextChange() (int64, error) {
	row := t.home.row
	row.Change++
	t.setHome(row)
	return row.Change, nil
}

func (t *tx) SetEntry(entry string) error {
	row := t.home.row
	row.Entry = entry
	t.setHome(row)
	return nil
}

func (t *tx) Recount() error {
	row := t.home.row
	row.Bytes = 0
	for _, c := range t.home.cals {
		_, n := c.count()
		row.Bytes += n
		for name := range c.files {
			row.Bytes += c.octets(name)
		}
	}
	t.setHome(row)
	return nil
}

// grow changes the sum of the home.
func (t *tx) grow(bytes int64) {
	row := t.home.row
	row.Bytes += bytes
	t.setHome(row)
}
