package service

import (
	"context"
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/match"
	"factotum/server/object"
	"factotum/server/recur"
)

// compiledObject is an object's parsed text with its recurrence worked out. It
// is shared: read only.
type compiledObject struct {
	cal *ical.Component
	set *recur.Set
}

// maxCompiled is the largest parsed form that is kept, in octets.
const maxCompiled = 256 << 10

// cost is about what the parsed form takes on the heap.
func (k *compiledObject) cost(text int) int64 {
	n := allocCost(text) + int64(k.set.Size())
	k.cal.Walk(func(c *ical.Component) bool {
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

// compiled parses the object, or finds it parsed already.
func (s *Service) compiled(o *calendar.Object) (*compiledObject, error) {
	if m := memoOf(o); m != nil {
		if k := m.compiled.Load(); k != nil {
			return k, nil
		}
	}
	cal, _, set, err := object.Compile(o.Data)
	if err != nil {
		return nil, err
	}
	return &compiledObject{cal: cal, set: set}, nil
}

// keepCompiled keeps the parsed form for those who ask for the object in other
// windows, or for other parts of it.
func keepCompiled(o *calendar.Object, k *compiledObject) {
	if m := memoOf(o); m == nil || m.compiled.Load() != nil {
		return
	}
	cost := k.cost(len(o.Data))
	if cost > maxCompiled {
		return
	}
	keep(o, func(m *memo) int64 {
		if m.compiled.Load() != nil {
			return 0
		}
		m.compiled.Store(k)
		return cost
	})
}

// dropCompiled forgets the parsed form; it returns the octets this frees. The
// home's lock is held.
func dropCompiled(o *calendar.Object) (freed int64) {
	m := memoOf(o)
	if k := m.compiled.Load(); k != nil {
		m.compiled.Store(nil)
		freed = k.cost(len(o.Data))
		m.cost -= freed
	}
	return freed
}

// expansion is what expanding an object in a window gave. An event that does
// not recur looks the same in every window that it overlaps: then from and to
// are its own.
type expansion struct {
	from, to int64
	single   bool
	text     pieces // of the object's data
}

const (
	maxExpansions = 64       // windows of an object that are remembered
	maxExpanded   = 64 << 10 // octets of a text that is remembered
)

func (e *expansion) is(from, to int64) bool {
	if e.single {
		return match.Overlaps(e.from, e.to, from, to)
	}
	return e.from == from && e.to == to
}

func (e *expansion) cost() int64 { return 48 + allocCost(len(e.text)) }

// expanded returns the text of an expansion that is remembered, or nil.
func expanded(o *calendar.Object, w *calendar.Window) []byte {
	m := memoOf(o)
	if m == nil {
		return nil
	}
	list := m.windows.Load()
	if list == nil {
		return nil
	}
	from, to := w.Unix()
	for i := range *list {
		if e := &(*list)[i]; e.is(from, to) {
			return e.text.join(o.Data)
		}
	}
	return nil
}

// keepExpanded remembers the text of an expansion. What was remembered longest
// is forgotten when there are too many.
func keepExpanded(ctx context.Context, o *calendar.Object, w *calendar.Window, set *recur.Set, float recur.Zone, text []byte) {
	if memoOf(o) == nil || len(text) > maxExpanded || len(o.Data) > maxExpanded {
		return
	}
	var e expansion
	e.from, e.to = w.Unix()
	if !set.Recurring() && o.Component == "VEVENT" {
		for in, err := range set.Between(ctx, w.From, w.To, float, recur.Budget{}) {
			if err == nil {
				e.from, e.to, e.single = in.Start.Unix(), in.End.Unix(), true
			}
			break
		}
	}
	e.text = cut(text, o.Data)
	keep(o, func(m *memo) int64 {
		var list []expansion
		if old := m.windows.Load(); old != nil {
			list = *old
		}
		if slices.ContainsFunc(list, func(x expansion) bool { return x.from == e.from && x.to == e.to && x.single == e.single }) {
			return 0
		}
		grown := e.cost()
		if len(list) >= maxExpansions {
			grown -= list[0].cost()
			list = list[1:]
		}
		list = append(slices.Clip(list), e) // readers have the old one
		m.windows.Store(&list)
		return grown
	})
}
