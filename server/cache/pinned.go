package cache

import (
	"context"
	"slices"

	"factotum/server/availability"
	"factotum/server/calendar"
)

// pinned is the View of a state in memory.
type pinned struct {
	h  *home
	st *state
}

func (p *pinned) Home() Home { return p.st.Home }

func (p *pinned) Calendars() ([]*Calendar, error) { return p.st.cals, nil }

func (p *pinned) Calendar(name string) (*Calendar, error) { return p.st.calendar(name), nil }

func (p *pinned) Availability() (*availability.Availability, error) { return p.st.avail, nil }

// load reads a snapshot. Its number is published then, and not below the
// View's.
func (p *pinned) load(ctx context.Context, fn func(calendar.ReadTx) error) (at int64, err error) {
	seen := false
	err = p.h.cache.store.View(ctx, p.h.owner, func(tx calendar.ReadTx) error {
		row, _, err := tx.Home()
		if err != nil {
			return err
		}
		at, seen = row.Change, true
		return fn(tx)
	})
	switch {
	case !seen:
		return at, err
	case at < p.st.Change:
		p.h.report("the store is older than what was read from it", at, p.st.Change)
		return at, errMoved
	case at > p.st.Change:
		if e := p.h.await(ctx, at); e != nil {
			return at, e
		}
	}
	return at, err
}

func (p *pinned) Object(ctx context.Context, cal *Calendar, name string) (*Object, error) {
	o, err := p.kept(cal, name)
	if o != nil || err != nil {
		return o, err
	}
	found, err := p.fetch(ctx, cal, []string{name})
	return found[name], err
}

// kept is an object that is in memory, or nil.
func (p *pinned) kept(cal *Calendar, name string) (*Object, error) {
	p.h.mu.RLock()
	o := p.h.values[cal.Row.ID].object(name)
	p.h.mu.RUnlock()
	switch {
	case o == nil:
		return nil, nil
	case o.since > p.st.Change:
		return nil, errMoved
	}
	o.touch()
	return o, nil
}

func (p *pinned) Objects(ctx context.Context, cal *Calendar, names []string) ([]*Object, error) {
	out := make([]*Object, len(names))
	var missing []string
	late := false
	p.h.mu.RLock()
	vals := p.h.values[cal.Row.ID]
	for i, n := range names {
		o := vals.object(n)
		if o == nil {
			missing = append(missing, n)
			continue
		}
		late = late || o.since > p.st.Change
		o.touch()
		out[i] = o
	}
	p.h.mu.RUnlock()
	if late {
		return nil, errMoved
	}
	if len(missing) == 0 {
		return out, nil
	}
	found := make(map[string]*Object, len(missing))
	for chunk := range slices.Chunk(missing, chunk) {
		part, err := p.fetch(ctx, cal, chunk)
		if err != nil {
			return nil, err
		}
		for n, o := range part {
			found[n] = o
		}
	}
	for i, n := range names {
		if out[i] == nil {
			out[i] = found[n]
		}
	}
	return out, nil
}

// fetch reads objects from the store and keeps them.
func (p *pinned) fetch(ctx context.Context, cal *Calendar, names []string) (map[string]*Object, error) {
	var objs []*calendar.Object
	at, err := p.load(ctx, func(tx calendar.ReadTx) (err error) {
		objs, err = readObjects(tx, cal, names)
		return err
	})
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Object, len(objs))
	p.h.mu.Lock()
	mine := p.untouched(at, func(r *record) bool { return r.reset || slices.Contains(names, r.name) }, cal)
	since := at
	if mine {
		since = p.st.Change
	}
	if p.calledSo(at, cal) {
		for _, o := range objs {
			found[o.Name] = p.h.keepRead(cal, o, since, at)
		}
	}
	p.h.mu.Unlock()
	p.h.cache.evict(p.h)
	if !mine {
		return nil, errMoved
	}
	return found, nil
}

// untouched tells whether no change of a calendar, or with nil of the home,
// between the View and a published number is one that touches says. The lock is
// held.
func (p *pinned) untouched(at int64, touches func(*record) bool, cal *Calendar) bool {
	part, ok := between(p.h.log, p.h.reach, p.st.Change, at)
	return ok && !slices.ContainsFunc(part, func(r record) bool { return (cal == nil || r.of(cal.Row.ID)) && touches(&r) })
}

// calledSo tells whether a calendar has the name still, at a published number, that it
// has in the View: what was read for it then is kept under that name. The lock is held.
func (p *pinned) calledSo(at int64, cal *Calendar) bool {
	return p.untouched(at, func(r *record) bool { return r.reset }, cal)
}

// derive finds a derived value in memory, makes it from the one before, or
// loads it; with the latter comes the number of the snapshot.
func (p *pinned) derive(ctx context.Context, cal *Calendar, key int32, load func() (derived, int64, error)) (derived, error) {
	id, now := cal.Row.ID, p.st.Change
	p.h.mu.RLock()
	v := p.h.values[id].version(key)
	p.h.mu.RUnlock()
	if v.derived != nil {
		if v.since > now {
			return nil, errMoved
		}
		if v.at >= now {
			return v.derived, nil
		}
		if part, ok := between(p.st.log, p.st.reach, v.at, now); ok {
			if n := v.after(id, part, now); n.derived != nil {
				p.h.mu.Lock()
				p.h.keepVersion(id, key, n)
				p.h.mu.Unlock()
				p.h.cache.evict(p.h)
				return n.derived, nil
			}
		}
	}
	d, at, err := load()
	if err != nil {
		return nil, err
	}
	p.h.mu.Lock()
	mine := p.untouched(at, func(r *record) bool { return r.reset || d.touchedBy(r) }, cal)
	v = version{since: at, at: at, derived: d}
	if mine {
		v.since = now
	}
	if part, ok := between(p.h.log, p.h.reach, at, p.h.last); ok && p.calledSo(at, cal) {
		p.h.keepVersion(id, key, v.after(id, part, p.h.last))
	}
	p.h.mu.Unlock()
	p.h.cache.evict(p.h)
	if !mine {
		return nil, errMoved
	}
	return d, nil
}

func (p *pinned) List(ctx context.Context, cal *Calendar) ([]*calendar.Object, error) {
	d, err := p.derive(ctx, cal, listKey, func() (derived, int64, error) {
		var l list
		at, err := p.load(ctx, func(tx calendar.ReadTx) (err error) {
			l, err = readList(ctx, tx, cal)
			return err
		})
		return l, at, err
	})
	if err != nil {
		return nil, err
	}
	return d.(list), nil
}

func (p *pinned) Instances(ctx context.Context, cal *Calendar, from, to int64, fn func(Instance)) error {
	if !byMonth(from, to) {
		rows, at, err := p.loadInstances(ctx, cal, from, to, nil)
		if err != nil {
			return err
		}
		p.h.mu.RLock()
		mine := p.untouched(at, func(r *record) bool { return r.reset || r.retimed }, cal)
		p.h.mu.RUnlock()
		if !mine {
			return errMoved
		}
		for _, i := range rows {
			fn(i)
		}
		return nil
	}
	with := parses{}
	for k := monthOf(from); k <= monthOf(to-1); k++ {
		d, err := p.derive(ctx, cal, k, func() (derived, int64, error) {
			first, last := monthBounds(k)
			rows, at, err := p.loadInstances(ctx, cal, first, last, with)
			return newMonth(k, rows), at, err
		})
		if err != nil {
			return err
		}
		d.(*month).each(from, to, fn)
	}
	return nil
}

// loadInstances reads the time index and expands the open ends of series.
func (p *pinned) loadInstances(ctx context.Context, cal *Calendar, from, to int64, with parses) (out []Instance, at int64, err error) {
	var series []tail
	at, err = p.load(ctx, func(tx calendar.ReadTx) (err error) {
		out, series, err = readInstances(ctx, tx, cal, from, to, func(name string, change int64) *Object {
			p.h.mu.RLock()
			defer p.h.mu.RUnlock()
			if o := p.h.values[cal.Row.ID].object(name); o != nil && o.Change == change {
				o.touch()
				return o
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, at, err
	}
	for i, o := range series {
		if o.home == nil {
			p.h.mu.Lock()
			series[i].Object = p.h.keepRead(cal, o.Object.Object, at, at)
			p.h.mu.Unlock()
		}
		if out, err = series[i].expand(ctx, o.flags, from, to, p.h.cache.opt.Instances, with, out); err != nil {
			return nil, at, err
		}
	}
	return out, at, nil
}

func (p *pinned) Lineage() string { return p.h.lineage }

func (p *pinned) Changes(cal *Calendar, since int64) ([]calendar.SyncItem, bool) {
	return p.changes(cal, since, false)
}

func (p *pinned) ListChanges(cal *Calendar, since int64) ([]calendar.SyncItem, bool) {
	if since > p.st.Change {
		return nil, false
	}
	return p.changes(cal, since, true)
}

// changes are those of members, and with props of their dead properties.
func (p *pinned) changes(cal *Calendar, since int64, props bool) ([]calendar.SyncItem, bool) {
	part, ok := between(p.st.log, p.st.reach, since, p.st.Change)
	if !ok {
		return nil, false
	}
	items := make([]calendar.SyncItem, 0, min(len(part), 64))
	var at map[string]int // the places by name, once there are too many to look through
	for i := range part {
		r := &part[i]
		if r.reset && r.of(cal.Row.ID) { // it has another name since
			return nil, false
		}
		if r.cal != cal.Row.ID || r.object == nil && r.gone == nil {
			continue
		}
		place, known := -1, false
		if at != nil {
			place, known = at[r.name]
		} else {
			place = slices.IndexFunc(items, func(it calendar.SyncItem) bool { return nameOf(it) == r.name })
			known = place >= 0
		}
		it := calendar.SyncItem{Object: r.object, Gone: r.gone}
		if known {
			items[place] = it
			continue
		}
		if r.props && !props { // which by themselves are no change of a member
			continue
		}
		if at == nil && len(items) == 16 {
			at = make(map[string]int, len(part))
			for k := range items {
				at[nameOf(items[k])] = k
			}
		}
		if at != nil {
			at[r.name] = len(items)
		}
		items = append(items, it)
	}
	return items, true
}

func nameOf(it calendar.SyncItem) string {
	if it.Object != nil {
		return it.Object.Name
	}
	return it.Gone.Name
}

func (p *pinned) Tx(ctx context.Context, cal *Calendar, fn func(calendar.ReadTx) error) error {
	at, err := p.load(ctx, fn)
	if at <= p.st.Change || err != nil && ctx.Err() != nil {
		return err
	}
	p.h.mu.RLock()
	mine := p.untouched(at, func(*record) bool { return true }, cal)
	p.h.mu.RUnlock()
	if !mine {
		return errMoved
	}
	return err
}
