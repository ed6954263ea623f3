package recur

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"factotum/server/ical"
)

// occurrence is an instance before it is dressed up: UTC seconds.
type occurrence struct {
	start, end int64
	reach      int64 // the end, or that of the day that it is due on
	// The start by the clock on the wall, and the length from there, as they stand:
	// where there is no zone, the viewer's may not have these times.
	civ int64
	length
	ridCiv, key int64
	again       bool // see moment
	period      bool // it has a length of its own
	t           *timing
	over        *override // the override that it is, or stems from
	alone       bool      // over itself, not an instance that it extends to
}

// window is [from,to) in UTC seconds.
type window struct{ from, to int64 }

// place puts an occurrence to a time by the clock on the wall. gap tells that
// the clocks jump over it.
func (o *occurrence) place(civ int64, l length, zc *zoneCursor) (gap bool) {
	o.civ, o.length = civ, l
	o.start, gap = zc.utc(civ)
	if o.again && o.over == nil {
		o.start = o.key
	}
	o.end = l.end(civ, o.start, zc)
	if o.reach = o.end; o.t.dueDay && !o.period {
		o.reach, _ = zc.utc((floorDiv(civ+l.wall, daySecs) + 1) * daySecs)
	}
	return gap
}

func windowOf(from, to time.Time) window {
	w := window{math.MinInt64 / 4, math.MaxInt64 / 4}
	if !from.IsZero() {
		w.from = from.Unix()
		if from.Nanosecond() > 0 {
			w.from++
		}
	}
	if !to.IsZero() {
		w.to = to.Unix()
		if to.Nanosecond() > 0 {
			w.to++
		}
	}
	return w
}

// Between yields the instances that overlap [from,to) by the tables of RFC
// 4791 §9.9, in order of their start; a zero from or to leaves that side open.
// Floating and all-day times are taken in float, UTC if it is nil. The zero
// Budget means the default one. The last pair may carry an error instead:
// ErrBudget, or ctx's.
//
// Two starts that the clocks of a zone change onto one moment are one instance;
// without a zone each is shown as it stands.
func (s *Set) Between(ctx context.Context, from, to time.Time, float Zone, lim Budget) iter.Seq2[Instance, error] {
	return func(yield func(Instance, error) bool) {
		for o, err := range s.occurrences(ctx, windowOf(from, to), float, lim) {
			if err != nil {
				yield(Instance{}, err)
				return
			}
			if !yield(s.instance(o), nil) {
				return
			}
		}
	}
}

func (s *Set) instance(o occurrence) Instance {
	in := Instance{Comp: o.t.comp, AllDay: o.t.dated() && o.t.allDay(), Floating: o.t.dated() && o.t.zone == nil, Override: o.over != nil, Period: o.period, civ: o.civ}
	if o.start != noTime {
		in.Start, in.End = time.Unix(o.start, 0).UTC(), time.Unix(o.end, 0).UTC()
	}
	switch {
	case o.alone:
		in.RecurrenceID, in.HasRID = o.over.rid, true
	case s.Recurring() && o.t.dated():
		if in.RecurrenceID, in.HasRID = s.ridOf(o.ridCiv), true; o.again {
			in.RecurrenceID = dateTimeOf(o.key, ical.UTC, "")
		}
	}
	if in.Floating {
		in.Wall, in.Exact = time.Duration(o.wall)*time.Second, time.Duration(o.exact)*time.Second
	}
	return in
}

const noTime = math.MinInt64

func (s *Set) occurrences(ctx context.Context, win window, float Zone, lim Budget) iter.Seq2[occurrence, error] {
	return func(yield func(occurrence, error) bool) {
		if win.to <= win.from {
			return
		}
		lim = lim.withDefaults()
		steps := lim.MaxSteps
		streams := s.streams(win, float, &steps)
		for n := 0; ; n++ {
			if n&255 == 0 && ctx.Err() != nil {
				yield(occurrence{}, ctx.Err())
				return
			}
			if steps < 0 || len(streams) > 0 && n >= lim.MaxInstances {
				yield(occurrence{}, ErrBudget)
				return
			}
			if len(streams) == 0 || !yield(streams[0].now, nil) {
				return
			}
			streams = streams.next()
		}
	}
}

// stream yields the occurrences of one segment that overlap the window, in
// order of their start; or a list that is made beforehand.
type stream struct {
	win   window
	now   occurrence
	ok    bool
	place int // among the streams: of two that are next the first is
	list  []occurrence

	w    *walker
	seg  segment
	zc   zoneCursor
	done bool
	// held are occurrences out of a gap of the clocks, or of the second time that
	// they show an hour: they move to after the ones that follow them by the wall
	// clock.
	held  []occurrence
	after occurrence // read already, comes after held
	last  int64      // start of the last one
	ready bool
}

// heap has the streams that are not at their end, the one whose occurrence is
// next at the top: a series may be divided a thousand times.
type heap []*stream

func (h heap) less(i, j int) bool {
	a, b := h[i], h[j]
	return a.now.start < b.now.start || a.now.start == b.now.start && a.place < b.place
}

// next advances the stream at the top.
func (h heap) next() heap {
	if h[0].advance(); !h[0].ok {
		h[0] = h[len(h)-1]
		h = h[:len(h)-1]
	}
	h.sink(0)
	return h
}

func (h heap) sink(i int) {
	for {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < len(h); k++ {
			if h.less(k, least) {
				least = k
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// streams are those that have an occurrence in the window.
func (s *Set) streams(win window, float Zone, steps *int) heap {
	var streams heap
	add := func(st *stream) {
		if st.advance(); st.ok {
			st.place = len(streams)
			streams = append(streams, st)
		}
	}
	if list := s.singles(win, float); len(list) > 0 {
		add(&stream{list: list})
	}
	if s.hasMaster && s.master.dated() {
		for _, seg := range s.segments() {
			st := stream{win: win, seg: seg, zc: seg.t.cursor(float), last: math.MinInt64}
			lo, hi := seg.loCiv, int64(math.MaxInt64)
			if win.to < maxCivil {
				hi = win.to + 2*daySecs - seg.shift // no zone is further from UTC
			}
			if win.from > minCivil {
				length := max(seg.t.farthest(), s.maxPeriod)
				lo = max(lo, st.zc.lowCivil(win.from-length)-seg.shift)
			}
			if lo > hi || seg.hiKey < math.MaxInt64-2*daySecs && lo > seg.hiKey+2*daySecs { // behind the window, or before it
				continue
			}
			st.w = s.walk(lo, hi, seg.hiKey, float, steps)
			add(&st)
		}
	}
	for i := len(streams)/2 - 1; i >= 0; i-- {
		streams.sink(i)
	}
	return streams
}

// lowCivil returns a civil second that no instance at or after utc is below,
// on whichever side of a change of the clocks they are.
func (c *zoneCursor) lowCivil(utc int64) int64 {
	return min(c.civil(utc-maxOffset)+maxOffset, c.civil(utc), c.civil(utc+maxOffset)-maxOffset)
}

// singles lists what needs no rule: overrides, and a VTODO or VJOURNAL without
// a date of its own.
func (s *Set) singles(win window, float Zone) []occurrence {
	var list []occurrence
	if win == windowOf(time.Time{}, time.Time{}) { // all of them
		list = make([]occurrence, 0, len(s.overrides)+1)
	}
	add := func(t *timing, o *override) {
		at := occurrence{t: t, over: o, alone: o != nil}
		switch t.form {
		case formDone:
			at.start, at.end = t.done, t.done
		case formCreated:
			at.start, at.end = t.created, t.created
		case formUndated, formNeverShown:
			at.start, at.end = noTime, noTime
		default:
			zc := t.cursor(float)
			at.place(t.civ, t.length, &zc)
			at.ridCiv = t.civ
		}
		if at.overlaps(win) {
			list = append(list, at)
		}
	}
	if s.hasMaster && !s.master.dated() {
		add(&s.master, nil)
	}
	for i := range s.overrides {
		add(&s.overrides[i].timing, &s.overrides[i])
	}
	slices.SortStableFunc(list, func(a, b occurrence) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	return list
}

func (st *stream) advance() {
	if st.w == nil {
		if st.ok = len(st.list) > 0; st.ok {
			st.now, st.list = st.list[0], st.list[1:]
		}
		return
	}
	for {
		o, ok := st.pull()
		// Some rows of RFC 4791 §9.9 take in what starts at the very end.
		if !ok || o.start > st.win.to {
			st.ok = false
			return
		}
		if o.start == st.last && st.seg.t.zone != nil {
			continue
		}
		st.last = o.start
		if o.overlaps(st.win) {
			st.now, st.ok = o, true
			return
		}
	}
}

// pull returns occurrences in order of UTC, where the walker has them by the
// wall clock.
func (st *stream) pull() (occurrence, bool) {
	for {
		if st.ready || st.done {
			if len(st.held) > 0 && (st.done || st.held[0].start < st.after.start || st.held[0].start == st.after.start && st.seg.t.zone == nil) {
				o := st.held[0]
				st.held = st.held[1:]
				return o, true
			}
			if st.ready {
				st.ready = false
				return st.after, true
			}
			return occurrence{}, false
		}
		m, ok := st.w.next()
		if !ok {
			st.done = true
			continue
		}
		if m.key < st.seg.loKey {
			continue
		}
		civ := m.civ + st.seg.shift
		if civ < minCivil || civ > maxCivil {
			continue
		}
		o := st.seg.occurrence(m)
		if o.place(civ, o.lasts(m), &st.zc) || o.again {
			at := len(st.held)
			for at > 0 && st.held[at-1].start > o.start {
				at--
			}
			st.held = slices.Insert(st.held, at, o)
			continue
		}
		st.after, st.ready = o, true
	}
}

// occurrence is what a segment makes of an original start; it has no place yet.
func (g *segment) occurrence(m moment) occurrence {
	o := occurrence{ridCiv: m.civ, key: m.key, again: m.again, period: m.period, t: g.t}
	if g.from != nil {
		o.over = g.from
	}
	return o
}

// lasts is how long an occurrence takes.
func (o *occurrence) lasts(m moment) length {
	if m.period {
		return m.length
	}
	return o.t.length
}

// Instance tells whether rid names an instance, an overridden one included,
// and returns it. Floating and all-day times are taken as UTC.
func (s *Set) Instance(rid ical.DateTime) (Instance, bool) { return s.InstanceIn(rid, nil, nil) }

// InstanceIn is Instance with the zones that resolve rid's TZID, and the zone
// of the viewer; either may be nil.
func (s *Set) InstanceIn(rid ical.DateTime, zones *Zones, float Zone) (Instance, bool) {
	if !s.hasMaster || !s.master.dated() {
		key := civilOf(rid)
		if z := zoneOf(rid, zones); z != nil {
			key, _, _ = z.utc(key)
		}
		if o := s.findOverride(key); o != nil {
			return s.overrideInstance(o, float), true
		}
		return Instance{}, false
	}
	key := s.keyOf(rid, zones)
	if rid.Kind == ical.Date && !s.master.allDay() {
		key = s.keyOfCivil(s.onDay(civilOf(rid)))
	}
	if o := s.findOverride(key); o != nil {
		return s.overrideInstance(o, float), true
	}
	steps := 10_000
	lo := key
	if s.master.zone != nil {
		zc := zoneCursor{z: s.master.zone}
		lo = zc.lowCivil(key) // an original start in a gap is earlier by the wall clock
	}
	w := s.walk(lo, lo+2*maxOffset+2*daySecs, math.MaxInt64, float, &steps)
	m, ok := w.next()
	for ok && m.key != key && m.civ < lo+2*maxOffset {
		m, ok = w.next()
	}
	if !ok || m.key != key {
		return Instance{}, false
	}
	civ := m.civ
	segs := s.segments()
	seg := segs[0]
	for _, g := range segs[1:] {
		if m.key >= g.loKey {
			seg = g
		}
	}
	zc := seg.t.cursor(float)
	o := seg.occurrence(m)
	o.place(civ+seg.shift, o.lasts(m), &zc)
	return s.instance(o), true
}

func (s *Set) overrideInstance(o *override, float Zone) Instance {
	at := occurrence{t: &o.timing, over: o, alone: true, start: noTime}
	if o.dated() {
		zc := o.cursor(float)
		at.place(o.civ, o.length, &zc)
	}
	return s.instance(at)
}

// OriginalStart is the RecurrenceID of an instance in UTC, or the date that it
// is; times without a zone are taken in float.
func (s *Set) OriginalStart(in Instance, float Zone) ical.DateTime {
	rid := in.RecurrenceID
	if rid.Kind == ical.Date || rid.Kind == ical.UTC {
		return rid
	}
	z := s.master.zone
	if !s.hasMaster || !s.master.dated() {
		for i := range s.overrides {
			if s.overrides[i].comp == in.Comp {
				z = s.overrides[i].ridZone
			}
		}
	}
	zc := zoneCursor{z: z}
	if z == nil {
		zc = cursorOf(float)
	}
	u, _ := zc.utc(civilOf(rid))
	return dateTimeOf(u, ical.UTC, "")
}
