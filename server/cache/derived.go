package cache

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/match"
)

// derived is worked out of many rows of a calendar. next is what it is after
// some changes: a value of its own, itself if none touched it, or nil when it
// must be read again.
type derived interface {
	touchedBy(*record) bool
	next([]record) derived
	cost() int64
}

// version is a derived value that holds from one number to another.
type version struct {
	since, at int64
	derived
}

// after is v some changes later; its derived is nil when it must be read again.
func (v version) after(cal int64, log []record, to int64) version {
	var touching []record
	for i := range log {
		switch r := &log[i]; {
		case !r.of(cal):
		case r.reset:
			return version{}
		case v.touchedBy(r):
			touching = append(touching, *r)
		}
	}
	if len(touching) > 0 {
		v.since = touching[len(touching)-1].number
		v.derived = v.next(touching)
	}
	v.at = to
	return v
}

// list has all members of a calendar without their texts, by name.
type list []*calendar.Object

func (l list) touchedBy(r *record) bool { return r.name != "" }

func (l list) next(log []record) derived {
	l = slices.Clone(l)
	for i := range log {
		r := &log[i]
		at, found := slices.BinarySearchFunc(l, r.name, func(o *calendar.Object, n string) int { return strings.Compare(o.Name, n) })
		switch {
		case r.object == nil && found:
			l = slices.Delete(l, at, at+1)
		case r.object == nil:
		case found:
			l[at] = r.object
		default:
			l = slices.Insert(l, at, r.object)
		}
	}
	return l
}

func readList(ctx context.Context, tx calendar.ReadTx, cal *Calendar) (list, error) {
	props, err := tx.AllProps(cal.Row.ID)
	if err != nil {
		return nil, err
	}
	var l list
	err = tx.Objects(cal.Row.ID, "", false, func(r *calendar.ObjectRow) error {
		_, rest := calendar.CutPersonal(props[r.Name])
		l = append(l, ObjectOf(r, cal.ID, rest))
		return ctx.Err()
	})
	return l, err
}

// Instance is an instance of an object, as the time index has it.
type Instance struct {
	Start, End int64 // Unix seconds
	Flags      int32
	Name       string
}

const (
	firstSecond = -62135596800 // of the year 1
	lastSecond  = 253402300800 // after the year 9999
	shortest    = 25 * 3600    // instances up to this long are found by their start
)

// month has the instances that overlap one calendar month (UTC; floating times
// as if they were).
type month struct {
	key   int32
	short []Instance // by start
	long  []Instance // too
}

// compare orders instances by their start.
func (i Instance) compare(k Instance) int {
	return cmp.Or(cmp.Compare(i.Start, k.Start), strings.Compare(i.Name, k.Name), cmp.Compare(i.End, k.End))
}

func monthOf(unix int64) int32 {
	t := time.Unix(unix, 0).UTC()
	return int32(t.Year()*12 + int(t.Month()) - 1)
}

func monthBounds(m int32) (from, to int64) {
	y, mon := int(m)/12, time.Month(int(m)%12+1)
	return time.Date(y, mon, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(y, mon+1, 1, 0, 0, 0, 0, time.UTC).Unix()
}

// newMonth sorts instances into a month.
func newMonth(key int32, rows []Instance) *month {
	m := &month{key: key}
	slices.SortFunc(rows, Instance.compare)
	for _, i := range rows {
		if i.End-i.Start > shortest {
			m.long = append(m.long, i)
		} else {
			m.short = append(m.short, i)
		}
	}
	m.short, m.long = slices.Clip(m.short), slices.Clip(m.long)
	return m
}

func overlapping(rows []calendar.OccurrenceRow, from, to int64) bool {
	return slices.ContainsFunc(rows, func(r calendar.OccurrenceRow) bool { return match.Overlaps(r.Start, r.End, from, to) })
}

func (m *month) touchedBy(r *record) bool {
	from, to := monthBounds(m.key)
	return r.retimed && (overlapping(r.was, from, to) || overlapping(r.is, from, to))
}

// next leaves out what an object had before and takes in what it has. The open
// end of a series needs an expansion: then the month is read again.
func (m *month) next(log []record) derived {
	from, to := monthBounds(m.key)
	isTail := func(r calendar.OccurrenceRow) bool {
		return r.Flags&calendar.OccTail != 0 && match.Overlaps(r.Start, r.End, from, to)
	}
	n := &month{key: m.key, short: slices.Clone(m.short), long: slices.Clone(m.long)}
	for i := range log {
		r := &log[i]
		if slices.ContainsFunc(r.is, isTail) || len(r.is) > 0 && slices.ContainsFunc(r.was, isTail) {
			return nil
		}
		drop := func(i Instance) bool { return i.Name == r.name }
		n.short = slices.DeleteFunc(n.short, drop)
		n.long = slices.DeleteFunc(n.long, drop)
		for _, o := range r.is {
			if match.Overlaps(o.Start, o.End, from, to) {
				n.add(Instance{o.Start, o.End, int32(o.Flags), r.name})
			}
		}
	}
	return n
}

func (m *month) add(i Instance) {
	list := &m.short
	if i.End-i.Start > shortest {
		list = &m.long
	}
	at, _ := slices.BinarySearchFunc(*list, i, Instance.compare)
	*list = slices.Insert(*list, at, i)
}

// each calls fn for the instances that may overlap [from,to).
func (m *month) each(from, to int64, fn func(Instance)) {
	begin := sort.Search(len(m.short), func(k int) bool { return m.short[k].Start > from-shortest })
	for _, i := range m.short[begin:] {
		if i.Start >= to {
			break
		}
		fn(i)
	}
	for _, i := range m.long {
		fn(i)
	}
}

// longestKept is the longest window that is answered month by month.
const longestKept = 430 * 86400

// byMonth tells whether a window is answered month by month.
func byMonth(from, to int64) bool {
	return from >= firstSecond && from < to && to <= lastSecond && to-from <= longestKept
}

// tail is a series that may have more instances than the time index has, and the
// flags of the row that says so.
type tail struct {
	*Object
	flags int
}

// readInstances reads the time index: the instances that overlap a range, and
// the series that may have more of them. known finds an object in memory by its
// name and change, or is nil.
func readInstances(ctx context.Context, tx calendar.ReadTx, cal *Calendar, from, to int64, known func(string, int64) *Object) (out []Instance, series []tail, err error) {
	var names []string
	flags := map[string]int{}
	err = tx.Occurrences(cal.Row.ID, from, to, func(r calendar.OccurrenceRow) error {
		if r.Flags&calendar.OccTail != 0 {
			names = append(names, r.Name)
			flags[r.Name] = r.Flags
		} else {
			out = append(out, Instance{r.Start, r.End, int32(r.Flags), r.Name})
		}
		return ctx.Err()
	})
	if err != nil || len(names) == 0 {
		return out, nil, err
	}
	if known != nil {
		rows, err := tx.ObjectsByName(cal.Row.ID, names, false)
		if err != nil {
			return nil, nil, err
		}
		names = names[:0]
		for i := range rows {
			if o := known(rows[i].Name, rows[i].Change); o != nil {
				series = append(series, tail{o, flags[o.Name]})
			} else {
				names = append(names, rows[i].Name)
			}
		}
	}
	for chunk := range slices.Chunk(names, chunk) {
		objs, err := readObjects(tx, cal, chunk)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range objs {
			series = append(series, tail{&Object{Object: o}, flags[o.Name]})
		}
	}
	return out, series, nil
}
