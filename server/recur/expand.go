package recur

import (
	"context"
	"slices"
	"time"

	"factotum/server/ical"
)

// AppendExpanded appends every instance that overlaps [from,to) to dst as a
// component of its own: without recurrence properties, with times of a zone
// turned into UTC, and with RECURRENCE-ID where the object recurs. Floating and
// all-day values stay as they are. pick, if there is one, gives the part of a
// component that is wanted, nil for none of it. RFC 4791 §9.6.5.
//
// Instances of a component differ in their times alone, so its text is made once:
// ten thousand alarms cost each instance no more than their octets.
func (s *Set) AppendExpanded(ctx context.Context, dst []byte, from, to time.Time, float Zone, lim Budget, pick func(*ical.Component) *ical.Component) ([]byte, error) {
	var list []occurrence
	var made shapes
	for o, err := range s.occurrences(ctx, windowOf(from, to), float, lim) {
		if err != nil {
			return dst, err
		}
		if list = append(list, o); len(list) <= few {
			continue
		}
		if len(list) == few+1 {
			made.of = map[shapeKey]*shape{}
			for _, o := range list[:few] {
				s.addShape(&made, o, pick)
			}
		}
		if s.addShape(&made, o, pick); lim.MaxBytes > 0 && made.size > lim.MaxBytes {
			return dst, ErrBudget
		}
	}
	if made.of == nil {
		for _, o := range list {
			c, _ := s.expandOne(o)
			if pick != nil {
				c = pick(c)
			}
			if c != nil {
				dst = c.Append(dst)
			}
		}
		return dst, nil
	}
	dst = slices.Grow(dst, made.size)
	for _, o := range list {
		dst = s.appendInstance(dst, made.of[shapeKey{o.t, o.period, o.alone}], o)
	}
	return dst, nil
}

// few instances are not worth a shape.
const few = 3

// shapes are those of an answer.
type shapes struct {
	of    map[shapeKey]*shape
	texts []byte // of all of them
	size  int    // of all instances
}

func (s *Set) addShape(made *shapes, o occurrence, pick func(*ical.Component) *ical.Component) {
	k := shapeKey{o.t, o.period, o.alone}
	if made.of[k] == nil {
		made.of[k], made.texts = s.shapeOf(o, pick, made.texts)
	}
	made.size += made.of[k].size
}

// shapeKey is what instances have in common whose text differs in times alone.
type shapeKey struct {
	t             *timing
	period, alone bool
}

// shape is the text of instances: before each time that differs, and in the end.
type shape struct {
	pieces []piece
	rest   []byte
	size   int
}

// piece is a property that each instance has its own value of, and the text
// before it.
type piece struct {
	before []byte
	name   string
	value  variable
}

// variable is which time of an instance it is.
type variable byte

const (
	startOf variable = iota
	endOf
	ridOf
)

// ownTimes are the properties of a component that its instances have times of
// their own in.
type ownTimes struct {
	end  string // DTEND or DUE
	they [3]bool
}

func (t *ownTimes) named(name string) (v variable, varies bool) {
	switch name {
	case "DTSTART":
		v = startOf
	case t.end:
		v = endOf
	case "RECURRENCE-ID":
		v = ridOf
	default:
		return v, false
	}
	return v, t.they[v]
}

// shapeOf makes the shape of the instances that are like o; its texts are put
// behind others.
func (s *Set) shapeOf(o occurrence, pick func(*ical.Component) *ical.Component, texts []byte) (*shape, []byte) {
	c, own := s.expandOne(o)
	if pick != nil {
		c = pick(c)
	}
	sh := &shape{}
	if c == nil {
		return sh, texts
	}
	from := len(texts)
	texts = append(append(append(texts, "BEGIN:"...), c.Name...), "\r\n"...)
	for i := range c.Props {
		p := &c.Props[i]
		v, varies := own.named(p.Name)
		if !varies || p.Value == "" { // partial retrieval may leave the value out
			texts = p.Append(texts)
			continue
		}
		sh.pieces = append(sh.pieces, piece{texts[from:], p.Name, v})
		sh.size += len(p.Name) + len(";VALUE=DATE-TIME:20060102T150405Z\r\n") + len(texts) - from
		from = len(texts)
	}
	for _, k := range c.Children {
		texts = k.Append(texts)
	}
	texts = append(append(append(texts, "END:"...), c.Name...), "\r\n"...)
	sh.rest = texts[from:]
	sh.size += len(sh.rest)
	return sh, texts
}

// appendInstance appends an instance of a shape.
func (s *Set) appendInstance(dst []byte, sh *shape, o occurrence) []byte {
	for i := range sh.pieces {
		x := &sh.pieces[i]
		p := ical.Property{Name: x.name}
		p.SetDateTime(s.timeOf(o, x.value))
		dst = p.Append(append(dst, x.before...))
	}
	return append(dst, sh.rest...)
}

// timeOf is a time of an expanded instance. Without a zone it is shown as it
// stands, whoever looks. What ends after the last date that can be written ends
// with it.
func (s *Set) timeOf(o occurrence, v variable) ical.DateTime {
	utc, civ := o.start, o.civ
	switch v {
	case endOf:
		utc, civ = o.end, o.civ+o.wall+o.exact
	case ridOf:
		return s.utcRID(o, s.instance(o))
	}
	switch {
	case o.t.allDay():
		return dateTimeOf(min(civ, maxCivil), ical.Date, "")
	case o.t.zone == nil:
		return dateTimeOf(min(civ, maxCivil), ical.Floating, "")
	}
	return dateTimeOf(min(utc, maxCivil), ical.UTC, "")
}

// expandOne makes the component of an instance, and tells which of its
// properties are its own times. What is below it is shared.
func (s *Set) expandOne(o occurrence) (c *ical.Component, own ownTimes) {
	src := o.t.comp
	c = &ical.Component{Name: src.Name, Children: src.Children, Props: make([]ical.Property, 0, min(len(src.Props)+2, 32))}
	in := s.instance(o)
	dated := o.t.dated()
	put := func(name string, v variable) {
		if own.they[v] {
			return
		}
		own.they[v] = true
		p := ical.Property{Name: name}
		p.SetDateTime(s.timeOf(o, v))
		c.Props = append(c.Props, p)
	}
	if own.end = "DTEND"; src.Name == "VTODO" {
		own.end = "DUE"
	}
	for i := range src.Props {
		p := &src.Props[i]
		switch p.Name {
		case "RRULE", "RDATE", "EXDATE", "EXRULE":
			continue
		case "RECURRENCE-ID":
			continue // written below
		case "DTSTART":
			if dated {
				put("DTSTART", startOf)
				if in.HasRID {
					put("RECURRENCE-ID", ridOf)
				}
				continue
			}
		case "DTEND", "DUE":
			if dated && p.Name == own.end {
				put(own.end, endOf)
				if in.HasRID && o.t.form == formTodoOnly {
					put("RECURRENCE-ID", ridOf)
				}
				continue
			}
		case "DURATION":
			switch {
			case o.period, o.t.other && dated: // that of a period is another
				put(own.end, endOf)
				continue
			case o.t.wall != 0 && o.t.zone != nil && o.t.zone != utcZone && o.t.form <= formTodoDur:
				// In UTC a nominal day no longer knows how long it is.
				put(own.end, endOf)
				continue
			}
		}
		q := *p
		if q.TZID() != "" {
			q = p.Clone()
			s.inUTC(&q)
		}
		c.Props = append(c.Props, q)
	}
	if in.HasRID {
		put("RECURRENCE-ID", ridOf)
	}
	if o.period {
		put(own.end, endOf)
	}
	return c, own
}

// utcRID is the RECURRENCE-ID of an occurrence, in UTC if it is of a zone. That
// of an override without a master is of its own zone, not DTSTART's.
func (s *Set) utcRID(o occurrence, in Instance) ical.DateTime {
	rid := in.RecurrenceID
	if rid.Kind != ical.Zoned {
		return rid
	}
	z := s.master.zone
	if !s.hasMaster || !s.master.dated() {
		z = o.over.ridZone
	}
	if z == nil {
		return dateTimeOf(civilOf(rid), ical.Floating, "")
	}
	u, _, _ := z.utc(civilOf(rid))
	return dateTimeOf(u, ical.UTC, "")
}

// inUTC turns any other value with a known TZID into UTC, since the VTIMEZONE
// does not come along.
func (s *Set) inUTC(p *ical.Property) {
	if p.TZID() == "" {
		return
	}
	d, err := p.DateTime()
	if err != nil || d.Kind != ical.Zoned {
		return
	}
	if z := ZonesOf(s.cal).lookup(d.TZID); z != nil {
		u, _, _ := z.utc(civilOf(d))
		p.SetDateTime(dateTimeOf(u, ical.UTC, ""))
	}
}

// LimitRecurrenceSet returns the master and those overrides whose actual or
// original time overlaps [from,to), or, with RANGE=THISANDFUTURE, the actual
// or original time of an instance that they extend to. RFC 4791 §9.6.6.
func (s *Set) LimitRecurrenceSet(ctx context.Context, from, to time.Time, float Zone, lim Budget) ([]*ical.Component, error) {
	win := windowOf(from, to)
	used := map[*ical.Component]bool{}
	steps := lim.withDefaults().MaxSteps
	for _, st := range s.streams(win, float, &steps) {
		switch {
		case !st.ok:
		case st.w == nil:
			used[st.now.t.comp] = true
			for _, o := range st.list {
				used[o.t.comp] = true
			}
		case st.seg.from != nil: // the first instance that it extends to is proof enough
			used[st.seg.t.comp] = true
		}
	}
	if steps < 0 {
		return nil, ErrBudget
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []*ical.Component
	if s.hasMaster {
		list = append(list, s.master.comp)
	}
	for i := range s.overrides {
		o := &s.overrides[i]
		if used[o.comp] || s.originally(o, win, float) {
			list = append(list, o.comp)
		}
	}
	return list, nil
}

// originally tells whether what an override replaces would overlap a window.
func (s *Set) originally(o *override, win window, float Zone) bool {
	t := &o.timing
	if s.hasMaster && s.master.dated() {
		t = &s.master
	}
	if !t.dated() {
		return false
	}
	overlaps := func(m moment) bool {
		x := occurrence{t: t, key: m.key, again: m.again, period: m.period}
		zc := t.cursor(float)
		x.place(m.civ, x.lasts(m), &zc)
		return x.overlaps(win)
	}
	orig := moment{civ: o.ridCiv, key: o.key}
	switch {
	case t == &o.timing:
		// Alone, it says by its own zone when that was.
		at := cursorOf(float)
		if o.ridZone != nil {
			at = zoneCursor{z: o.ridZone}
		}
		utc, _ := at.utc(o.ridCiv)
		zc := t.cursor(float)
		orig.civ = zc.civil(utc)
	case t.zone != nil:
		orig.again = s.keyOfCivil(o.ridCiv) != o.key
	}
	if overlaps(orig) {
		return true
	}
	if !o.future || !s.hasMaster || !s.master.dated() {
		return false
	}
	steps := DefaultMaxSteps
	zc := s.master.cursor(float)
	lo := o.ridCiv
	if win.from > minCivil {
		lo = max(lo, zc.lowCivil(win.from-s.master.farthest()))
	}
	hi := int64(1<<63 - 1)
	for _, i := range s.futures {
		if s.overrides[i].key > o.key {
			hi = s.overrides[i].key
			break
		}
	}
	w := s.walk(lo, min(win.to, maxCivil)+2*daySecs, hi, float, &steps)
	for m, ok := w.next(); ok; m, ok = w.next() {
		if start, _ := zc.utc(m.civ); start > win.to {
			return false
		}
		if m.key > o.key && overlaps(m) {
			return true
		}
	}
	return false
}
