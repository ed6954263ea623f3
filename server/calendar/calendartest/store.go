package calendartest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

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

// Jobs implements calendar.Store.
func (s *Store) Jobs(_ context.Context, after calendar.JobID, limit int) ([]calendar.Job, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []calendar.Job
	for _, h := range s.homes {
		for id, j := range h.jobs {
			if id.Compare(after) > 0 {
				j.Payload = nil
				out = append(out, j)
			}
		}
	}
	slices.SortFunc(out, byID)
	if limit > 0 {
		out = out[:min(len(out), limit)]
	}
	return out, nil
}

func byID(a, b calendar.Job) int { return a.JobID.Compare(b.JobID) }

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

func (t *tx) Calendars() ([]calendar.CalendarRow, error) {
	var out []calendar.CalendarRow
	for _, c := range t.home.cals {
		out = append(out, c.row)
	}
	slices.SortFunc(out, func(a, b calendar.CalendarRow) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (t *tx) Calendar(name string) (calendar.CalendarRow, bool, error) {
	for _, c := range t.home.cals {
		if c.row.Name == name {
			return c.row, true, nil
		}
	}
	return calendar.CalendarRow{}, false, nil
}

func (t *tx) InsertCalendar(row calendar.CalendarRow) error {
	if _, taken, _ := t.Calendar(row.Name); taken {
		return &calendar.Error{Kind: calendar.Exists, Op: "insert calendar"}
	}
	set(t, t.home.cals, row.ID, &collection{
		row: row, objs: map[string]calendar.ObjectRow{}, occ: map[string][]calendar.OccurrenceRow{}, props: map[string][]calendar.DeadProp{},
		files: map[string]map[string]calendar.AttachmentRow{},
	})
	return nil
}

func (t *tx) UpdateCalendar(row calendar.CalendarRow) error {
	c := t.home.cals[row.ID]
	old := c.row
	t.undo = append(t.undo, func() { c.row = old })
	c.row = row
	return nil
}

func (t *tx) TouchCalendar(id, change int64, modified time.Time) error {
	row := t.home.cals[id].row
	row.Change, row.Modified = change, modified
	return t.UpdateCalendar(row)
}

func (t *tx) DeleteCalendar(id, change int64, when time.Time) error {
	c := t.home.cals[id]
	_, bytes := c.count()
	for name := range c.files {
		bytes += c.octets(name)
	}
	t.grow(-bytes)
	unset(t, t.home.cals, id)
	old := t.home.gone
	t.undo = append(t.undo, func() { t.home.gone = old })
	t.home.gone = append(slices.Clone(old), calendar.GoneCalendar{ID: id, Name: c.row.Name, Change: change, Deleted: when})
	return nil
}

func (t *tx) GoneCalendars(since int64) ([]calendar.GoneCalendar, error) {
	return slices.DeleteFunc(slices.Clone(t.home.gone), func(g calendar.GoneCalendar) bool { return g.Change <= since }), nil
}

// collection is a calendar, an empty one if it is gone.
func (t *tx) collection(id int64) *collection {
	if c := t.home.cals[id]; c != nil {
		return c
	}
	return &collection{}
}

func (t *tx) Object(cal int64, name string, data bool) (calendar.ObjectRow, bool, error) {
	c := t.home.cals[cal]
	if c == nil {
		return calendar.ObjectRow{}, false, nil
	}
	o, ok := c.objs[name]
	if !ok || !o.Deleted.IsZero() {
		return calendar.ObjectRow{}, false, nil
	}
	if !data {
		o.Data = nil
	}
	return o, true, nil
}

func (t *tx) ObjectByUID(cal int64, uid string, data bool) (calendar.ObjectRow, bool, error) {
	if c := t.home.cals[cal]; c != nil {
		for name, o := range c.objs {
			if o.UID == uid && o.Deleted.IsZero() {
				return t.Object(cal, name, data)
			}
		}
	}
	return calendar.ObjectRow{}, false, nil
}

func (t *tx) ObjectsByName(cal int64, names []string, data bool) (out []calendar.ObjectRow, err error) {
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if o, ok, _ := t.Object(cal, n, data); ok {
			out = append(out, o)
		}
	}
	return out, nil
}

func (t *tx) Objects(cal int64, after string, data bool, fn func(*calendar.ObjectRow) error) error {
	c := t.home.cals[cal]
	if c == nil {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.objs)) {
		if o, ok, _ := t.Object(cal, n, data); ok && n > after {
			if err := fn(&o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *collection) count() (n int, bytes int64) {
	for _, o := range c.objs {
		if o.Deleted.IsZero() {
			n++
			bytes += int64(o.Size)
		}
	}
	return n, bytes
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

// octets sums up the files of one object.
func (c *collection) octets(name string) (n int64) {
	for _, a := range c.files[name] {
		n += a.Size
	}
	return n
}

// grow changes the sum of the home.
func (t *tx) grow(bytes int64) {
	row := t.home.row
	row.Bytes += bytes
	t.setHome(row)
}

func (t *tx) CountObjects(cal int64) (int, int64, error) {
	n, bytes := t.collection(cal).count()
	return n, bytes, nil
}

func (t *tx) PutObject(row calendar.ObjectRow) error {
	if other, ok, _ := t.ObjectByUID(row.Cal, row.UID, false); ok && row.UID != "" && other.Name != row.Name {
		return &calendar.Error{Kind: calendar.UIDConflict, Op: "put object"}
	}
	old, _, _ := t.Object(row.Cal, row.Name, false)
	h := t.home.row
	h.Bytes += int64(row.Size - old.Size)
	t.setHome(h)
	set(t, t.home.cals[row.Cal].objs, row.Name, row)
	return nil
}

func (t *tx) PutIndexed(row calendar.ObjectRow, occ []calendar.OccurrenceRow) error {
	if err := t.PutObject(row); err != nil {
		return err
	}
	return t.SetOccurrences(row.Cal, row.Name, occ)
}

func (t *tx) DeleteObject(cal int64, name string, change int64, when time.Time, by calendar.UserID) error {
	o, ok, _ := t.Object(cal, name, true)
	if !ok {
		return nil
	}
	h := t.home.row
	h.Bytes -= int64(o.Size)
	t.setHome(h)
	o.Change, o.Deleted, o.By, o.ContentType = change, when, by, ""
	set(t, t.home.cals[cal].objs, name, o)
	if err := t.SetOccurrences(cal, name, nil); err != nil {
		return err
	}
	return t.DeleteProps(cal, name)
}

func (t *tx) Changes(cal, since int64, limit int, data bool, fn func(*calendar.ObjectRow) error) error {
	var rows []calendar.ObjectRow
	for _, o := range t.collection(cal).objs {
		if o.Change > since {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b calendar.ObjectRow) int {
		return cmp.Or(cmp.Compare(a.Change, b.Change), strings.Compare(a.Name, b.Name))
	})
	if limit > 0 {
		rows = rows[:min(len(rows), limit)]
	}
	for i := range rows {
		if !data {
			rows[i].Data = nil
		}
		if err := fn(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Gone(cal int64, from, to time.Time, data bool, fn func(*calendar.ObjectRow) error) error {
	var rows []calendar.ObjectRow
	for _, o := range t.collection(cal).objs {
		if !o.Deleted.IsZero() && !o.Deleted.Before(from) && (to.IsZero() || o.Deleted.Before(to)) {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b calendar.ObjectRow) int {
		return cmp.Or(a.Deleted.Compare(b.Deleted), strings.Compare(a.Name, b.Name))
	})
	for i := range rows {
		if !data {
			rows[i].Data = nil
		}
		if err := fn(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Latest(cal int64, fn func(*calendar.ObjectRow) (bool, error)) error {
	var rows []calendar.ObjectRow
	err := t.Changes(cal, 0, 0, false, func(o *calendar.ObjectRow) error {
		rows = append(rows, *o)
		return nil
	})
	for i := len(rows) - 1; i >= 0 && err == nil; i-- {
		var more bool
		if more, err = fn(&rows[i]); !more {
			break
		}
	}
	return err
}

func (t *tx) Purge(cal int64, before time.Time) (n int, err error) {
	c := t.home.cals[cal]
	row := c.row
	for name, o := range c.objs {
		if !o.Deleted.IsZero() && o.Deleted.Before(before) {
			row.Purged = max(row.Purged, o.Change)
			unset(t, c.objs, name)
			n++
		}
	}
	return n, t.UpdateCalendar(row)
}

func (t *tx) PurgeCalendars(before time.Time) (n int, err error) {
	row, old := t.home.row, t.home.gone
	kept := slices.DeleteFunc(slices.Clone(old), func(g calendar.GoneCalendar) bool {
		if !g.Deleted.Before(before) {
			return false
		}
		row.Purged = max(row.Purged, g.Change)
		return true
	})
	t.undo = append(t.undo, func() { t.home.gone = old })
	t.home.gone = kept
	t.setHome(row)
	return len(old) - len(kept), nil
}

func (t *tx) Occurrences(cal, from, to int64, fn func(calendar.OccurrenceRow) error) error {
	for _, rows := range t.collection(cal).occ {
		for _, r := range rows {
			if r.Start < to && (r.End > from || r.Start == r.End && r.Start >= from) {
				if err := fn(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *tx) ObjectOccurrences(cal int64, name string) ([]calendar.OccurrenceRow, error) {
	return slices.Clone(t.collection(cal).occ[name]), nil
}

func (t *tx) SetOccurrences(cal int64, name string, rows []calendar.OccurrenceRow) error {
	set(t, t.home.cals[cal].occ, name, slices.Clone(rows))
	return nil
}

func (t *tx) Props(cal int64, name string) ([]calendar.DeadProp, error) {
	return slices.Clone(t.collection(cal).props[name]), nil
}

func (t *tx) PropsByName(cal int64, names []string) (map[string][]calendar.DeadProp, error) {
	out, err := t.AllProps(cal)
	maps.DeleteFunc(out, func(name string, _ []calendar.DeadProp) bool { return !slices.Contains(names, name) })
	return out, err
}

func (t *tx) AllProps(cal int64) (map[string][]calendar.DeadProp, error) {
	out := maps.Clone(t.collection(cal).props)
	delete(out, "")
	return out, nil
}

func (t *tx) SetProp(cal int64, name string, p calendar.DeadProp) error {
	list, _ := t.without(cal, name, p.Space, p.Local)
	set(t, t.home.cals[cal].props, name, append(list, p))
	return nil
}

func (t *tx) without(cal int64, name, space, local string) ([]calendar.DeadProp, error) {
	list, err := t.Props(cal, name)
	return slices.DeleteFunc(list, func(p calendar.DeadProp) bool { return p.Space == space && p.Local == local }), err
}

func (t *tx) DeleteProp(cal int64, name, space, local string) error {
	list, _ := t.without(cal, name, space, local)
	set(t, t.home.cals[cal].props, name, list)
	return nil
}

func (t *tx) DeleteProps(cal int64, name string) error {
	unset(t, t.home.cals[cal].props, name)
	return nil
}

func (t *tx) Attachments(cal int64, name string) (out []calendar.AttachmentRow, err error) {
	for _, a := range t.home.cals[cal].files[name] {
		a.Data = nil
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b calendar.AttachmentRow) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func (t *tx) AttachmentHolders(id string) (out []calendar.AttachmentRow, err error) {
	for _, c := range t.home.cals {
		for _, files := range c.files {
			if a, ok := files[id]; ok {
				a.Data = nil
				out = append(out, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b calendar.AttachmentRow) int {
		return cmp.Or(cmp.Compare(a.Cal, b.Cal), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

func (t *tx) Attachment(cal int64, name, id string) (calendar.AttachmentRow, bool, error) {
	c := t.home.cals[cal]
	if c == nil {
		return calendar.AttachmentRow{}, false, nil
	}
	a, ok := c.files[name][id]
	return a, ok, nil
}

func (t *tx) PutAttachment(a calendar.AttachmentRow) error {
	c := t.home.cals[a.Cal]
	files := maps.Clone(c.files[a.Name])
	if files == nil {
		files = map[string]calendar.AttachmentRow{}
	}
	a.Size = int64(len(a.Data))
	t.grow(a.Size - files[a.ID].Size)
	files[a.ID] = a
	set(t, c.files, a.Name, files)
	return nil
}

func (t *tx) DeleteAttachments(cal int64, name, id string) error {
	c := t.home.cals[cal]
	if id == "" {
		t.grow(-c.octets(name))
		unset(t, c.files, name)
		return nil
	}
	files := maps.Clone(c.files[name])
	t.grow(-files[id].Size)
	delete(files, id)
	set(t, c.files, name, files)
	return nil
}

func (t *tx) AllAttachments(fn func(calendar.AttachmentRow, int64)) error {
	var all []calendar.AttachmentRow
	for _, c := range t.home.cals {
		for _, files := range c.files {
			all = slices.AppendSeq(all, maps.Values(files))
		}
	}
	slices.SortFunc(all, func(a, b calendar.AttachmentRow) int {
		return cmp.Or(cmp.Compare(a.Cal, b.Cal), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	for _, a := range all {
		n := int64(len(a.Data))
		a.Data = nil
		fn(a, n)
	}
	return nil
}

func (t *tx) Prefs() (map[string]string, error) { return maps.Clone(t.home.prefs), nil }

func (t *tx) SetPref(key, value string) error { set(t, t.home.prefs, key, value); return nil }

func (t *tx) DeletePref(key string) error { unset(t, t.home.prefs, key); return nil }

func (t *tx) Token(token string) ([]byte, bool, error) {
	r, ok := t.home.tokens[token]
	return r, ok, nil
}

func (t *tx) SetToken(token string, result []byte, _ time.Time) error {
	set(t, t.home.tokens, token, result)
	return nil
}

func (t *tx) Jobs() ([]calendar.Job, error) {
	return slices.SortedFunc(maps.Values(t.home.jobs), byID), nil
}

func (t *tx) Job(change int64, seq int) (calendar.Job, bool, error) {
	j, ok := t.home.jobs[calendar.JobID{Owner: t.owner, Change: change, Seq: seq}]
	return j, ok, nil
}

func (t *tx) PutJob(j calendar.Job) error {
	if j.Owner != "" && j.Owner != t.owner {
		return &calendar.Error{Kind: calendar.Invalid, Op: "store a job", Ref: j.JobID.String()}
	}
	j.Owner = t.owner
	set(t, t.home.jobs, j.JobID, j)
	return nil
}

func (t *tx) DeleteJob(change int64, seq int) error {
	unset(t, t.home.jobs, calendar.JobID{Owner: t.owner, Change: change, Seq: seq})
	return nil
}
