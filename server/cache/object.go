package cache

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// Object is an object with its text, and what is kept beside it.
type Object struct {
	*calendar.Object
	since  int64 // it holds from this number on
	home   *home // that keeps it, or nil
	cal    int64
	cost   int64
	used   atomic.Bool // asked for since room was made last
	parsed atomic.Pointer[Parsed]
}

// Parsed is an object's text as components, and its recurrence worked out. It
// is shared: read only.
type Parsed struct {
	Cal *ical.Component
	Set *recur.Set
}

// ObjectOf turns a row into what readers get.
func ObjectOf(r *calendar.ObjectRow, id calendar.ID, props []calendar.DeadProp) *calendar.Object {
	uid := r.UID
	if strings.HasPrefix(r.Name, uid) { // most clients name an object by its UID: one string will do
		uid = r.Name[:len(uid)]
	}
	own, props := calendar.CutPersonal(props)
	return &calendar.Object{Calendar: id, Name: r.Name, UID: uid, Component: calendar.Intern(r.Component), Change: r.Change, ScheduleTag: r.ScheduleTag,
		Created: r.Created, Modified: r.Modified, Size: r.Size, ContentType: r.ContentType, Data: r.Data, Class: r.Private, Lacks: r.Lacks,
		Props: props, Personal: own}
}

// newObject makes an entry of what is to be kept.
func newObject(o *calendar.Object) *Object {
	if cap(o.Data) > len(o.Data)+len(o.Data)/8+64 { // the buffer that a request was read into
		o.Data = bytes.Clone(o.Data)
	}
	return &Object{Object: o, cost: objectCost(o)}
}

// touch notes that the object is in use.
func (o *Object) touch() {
	if !o.used.Load() {
		o.used.Store(true)
	}
}

// Parsed parses the text, or finds it parsed already.
func (o *Object) Parsed() (*Parsed, error) {
	if p := o.parsed.Load(); p != nil {
		return p, nil
	}
	cal, _, set, err := object.Compile(o.Data)
	if err != nil {
		return nil, err
	}
	return &Parsed{Cal: cal, Set: set}, nil
}

// maxParsed is the largest parsed form that is kept, in octets.
const maxParsed = 256 << 10

// Keep keeps the parsed form for those who ask for the object again.
func (o *Object) Keep(p *Parsed) {
	h := o.home
	if h == nil || o.parsed.Load() != nil {
		return
	}
	cost := p.cost(len(o.Data))
	if cost > maxParsed {
		return
	}
	h.mu.Lock()
	grown := h.keepsObject(o) && o.parsed.CompareAndSwap(nil, p)
	if grown {
		o.cost += cost
		h.account(cost)
	}
	h.mu.Unlock()
	if grown {
		h.cache.evict(h)
	}
}

// cost is about what the parsed form takes on the heap.
func (p *Parsed) cost(text int) int64 {
	n := allocCost(text) + int64(p.Set.Size())
	p.Cal.Walk(func(c *ical.Component) bool {
		n += 72 + 56*int64(len(c.Props))
		for i := range c.Props {
			for _, a := range c.Props[i].Params {
				n += 64 + 24*int64(len(a.Values))
			}
		}
		return true
	})
	return n
}

// parses are the parsed forms that one question came upon and that are too large
// to be kept: it may ask for each month. The value nil remembers none.
type parses map[parsedKey]*Parsed

// parsedKey is a text of an object of the calendar.
type parsedKey struct {
	name   string
	change int64
}

// of parses the text, or finds it parsed already.
func (m parses) of(o *Object) (*Parsed, error) {
	key := parsedKey{o.Name, o.Change}
	if p := m[key]; p != nil {
		return p, nil
	}
	p, err := o.Parsed()
	if err != nil {
		return nil, err
	}
	if o.Keep(p); m != nil && o.parsed.Load() == nil {
		m[key] = p
	}
	return p, nil
}

// expand appends the instances that overlap a range, floating time taken as
// UTC. tail are the flags of its tail row. Over the budget the answer is what was
// found.
func (o *Object) expand(ctx context.Context, tail int, from, to int64, limit int, with parses, out []Instance) ([]Instance, error) {
	p, err := with.of(o)
	if err != nil {
		return out, nil // stored before a rule was added; csdb check reports it
	}
	var f, t time.Time
	if from > firstSecond {
		f = time.Unix(from, 0).UTC()
	}
	if to < lastSecond {
		t = time.Unix(to, 0).UTC()
	}
	index := object.Indexer{Me: object.AttendingAt(p.Cal, tail)}
	for in, err := range p.Set.Between(ctx, f, t, recur.UTC, recur.Budget{MaxInstances: limit, MaxSteps: 100_000}) {
		if errors.Is(err, recur.ErrBudget) {
			break
		}
		if err != nil {
			return out, err
		}
		r := index.Row(in)
		out = append(out, Instance{r.Start, r.End, int32(r.Flags), o.Name})
	}
	return out, nil
}

// Expand appends the instances of a stored object, whose tail row has these
// flags, that overlap a range.
func Expand(ctx context.Context, row *calendar.ObjectRow, tail int, from, to int64, limit int, out []Instance) ([]Instance, error) {
	return (&Object{Object: ObjectOf(row, "", nil)}).expand(ctx, tail, from, to, limit, nil, out)
}

// readObjects reads the objects of these names with their texts.
func readObjects(tx calendar.ReadTx, cal *Calendar, names []string) ([]*calendar.Object, error) {
	if len(names) == 1 {
		row, ok, err := tx.Object(cal.Row.ID, names[0], true)
		if err != nil || !ok {
			return nil, err
		}
		props, err := tx.Props(cal.Row.ID, names[0])
		return []*calendar.Object{ObjectOf(&row, cal.ID, props)}, err
	}
	rows, err := tx.ObjectsByName(cal.Row.ID, names, true)
	if err != nil {
		return nil, err
	}
	props, err := tx.PropsByName(cal.Row.ID, names)
	out := make([]*calendar.Object, len(rows))
	for i := range rows {
		out[i] = ObjectOf(&rows[i], cal.ID, props[rows[i].Name])
	}
	return out, err
}
