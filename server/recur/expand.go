package recur

import (
	"context"
	"time"

	"factotum/server/ical"
)

// ExpandComponents returns every instance that overlaps [from,to) as a
// component of its own: without recurrence properties, with times of a zone
// turned into UTC, and with RECURRENCE-ID where the object recurs. Floating
// and all-day values stay as they are. RFC 4791 §9.6.5.
func (s *Set) ExpandComponents(ctx context.Context, from, to time.Time, float Zone, lim Budget) ([]*ical.Component, error) {
	var list []*ical.Component
	for o, err := range s.occurrences(ctx, windowOf(from, to), float, lim) {
		if err != nil {
			return nil, err
		}
		list = append(list, s.expandOne(o, float))
	}
	return list, nil
}

func (s *Set) expandOne(o occurrence, float Zone) *ical.Component {
	src := o.t.comp
	c := &ical.Component{Name: src.Name, Props: make([]ical.Property, 0, len(src.Props)+1)}
	for _, k := range src.Children {
		c.Children = append(c.Children, k.Clone())
	}
	in := s.instance(o)
	// Without a zone times are shown as they stand, whoever looks. What ends after
	// the last date that can be written ends with it.
	value := func(utc, civ int64) ical.DateTime {
		switch {
		case o.t.allDay():
			return dateTimeOf(min(civ, maxCivil), ical.Date, "")
		case o.t.zone == nil:
			return dateTimeOf(min(civ, maxCivil), ical.Floating, "")
		}
		return dateTimeOf(min(utc, maxCivil), ical.UTC, "")
	}
	dated := o.t.dated()
	put := func(name string, d ical.DateTime) {
		p := ical.Property{Name: name}
		p.SetDateTime(d)
		c.Props = append(c.Props, p)
	}
	endName := "DTEND"
	if src.Name == "VTODO" {
		endName = "DUE"
	}
	ended := false
	putEnd := func() {
		if !ended {
			put(endName, value(o.end, o.civ+o.wall+o.exact))
		}
		ended = true
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
				put("DTSTART", value(o.start, o.civ))
				if in.HasRID {
					put("RECURRENCE-ID", s.utcRID(o, in))
				}
				continue
			}
		case "DTEND", "DUE":
			if dated && p.Name == endName {
				putEnd()
				if in.HasRID && o.t.form == formTodoOnly {
					put("RECURRENCE-ID", s.utcRID(o, in))
				}
				continue
			}
		case "DURATION":
			switch {
			case o.period: // that of a period is another
				putEnd()
				continue
			case o.t.wall != 0 && o.t.zone != nil && o.t.zone != utcZone && o.t.form <= formTodoDur:
				// In UTC a nominal day no longer knows how long it is.
				putEnd()
				continue
			}
		}
		q := p.Clone()
		s.inUTC(&q)
		c.Props = append(c.Props, q)
	}
	if in.HasRID && c.Prop("RECURRENCE-ID") == nil {
		put("RECURRENCE-ID", s.utcRID(o, in))
	}
	if o.period {
		putEnd()
	}
	return c
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
