package recur

import (
	"fmt"
	"strings"
	"time"

	"factotum/server/ical"
)

// form says which row of the tables in RFC 4791 §9.9 a component falls under.
type form uint8

const (
	formSpan       form = iota // VEVENT, VJOURNAL: from start to end, or a moment
	formTodoDur                // VTODO with DTSTART and DURATION
	formTodoDue                // DTSTART and DUE
	formTodoStart              // DTSTART alone
	formTodoOnly               // DUE alone: start and end are DUE
	formDone                   // neither, but COMPLETED, perhaps CREATED
	formCreated                // CREATED alone
	formUndated                // a VTODO without any of them
	formNeverShown             // a VJOURNAL without DTSTART, or another component that need not have one
)

// timing is when one component takes place, without its recurrence.
type timing struct {
	comp  *ical.Component
	form  form
	start ical.DateTime
	civ   int64 // start, civil
	zone  *tz   // nil: the viewer's
	length
	dueDay bool // a task that is due on a day, which is its last or only one
	other  bool // DURATION says something else than what it takes

	done, created int64 // UTC, of formDone and formCreated
}

// length is how long something takes, in seconds: by the clock on the wall, as
// the days of a DURATION count and everything that has no zone, and then as time
// passes. RFC 5545 §3.3.6, §3.8.5.3.
type length struct{ wall, exact int64 }

// end returns when what starts at civ, which is utc, is over.
func (l length) end(civ, utc int64, zc *zoneCursor) int64 {
	if l.wall != 0 {
		end, _ := zc.utc(civ + l.wall)
		if end <= utc && l.wall < daySecs {
			end = utc + l.wall // it began in a gap of the clocks, and ends after that
		}
		utc = end
	}
	return utc + l.exact
}

// most is at least how long that takes anywhere.
func (l length) most() int64 {
	if l.wall != 0 {
		return l.wall + l.exact + maxOffset
	}
	return l.exact
}

// farthest is at least how long after its start a range finds an instance.
func (t *timing) farthest() int64 {
	if t.dueDay {
		return t.most() + daySecs + maxOffset
	}
	return t.most()
}

// lengthOf is that of a DURATION; none is negative.
func lengthOf(d ical.Duration) length {
	if d.Neg {
		return length{}
	}
	return length{int64(d.NominalDays()) * daySecs, int64(d.Exact() / time.Second)}
}

// EndOf is when a component by itself is over, as its instances are: its DTEND or
// DUE wherever those are of its start's kind and after it.
func EndOf(c *ical.Component, zones *Zones, float Zone) (end time.Time, ok bool) {
	t, err := readTiming(c, zones)
	if err != nil || !t.dated() {
		return end, false
	}
	zc := t.cursor(float)
	start, _ := zc.utc(t.civ)
	return time.Unix(t.end(t.civ, start, &zc), 0).UTC(), true
}

// dated tells whether there is anything that could recur.
func (t *timing) dated() bool { return t.form <= formTodoOnly }

func (t *timing) allDay() bool { return t.start.Kind == ical.Date }

// zoneOf returns the zone of a value; nil means the viewer's.
func zoneOf(d ical.DateTime, zones *Zones) *tz {
	switch d.Kind {
	case ical.UTC:
		return utcZone
	case ical.Zoned:
		return zones.lookup(d.TZID)
	}
	return nil
}

func propTime(c *ical.Component, name string) (d ical.DateTime, ok bool, err error) {
	p := c.Prop(name)
	if p == nil {
		return d, false, nil
	}
	if d, err = p.DateTime(); err != nil {
		return d, false, fmt.Errorf("%s: %w", name, err)
	}
	return d, true, nil
}

// readTiming reads DTSTART, DTEND, DUE and DURATION. An override without
// DTSTART starts at its RECURRENCE-ID.
func readTiming(c *ical.Component, zones *Zones) (t timing, err error) {
	t.comp = c
	start, hasStart, err := propTime(c, "DTSTART")
	if err != nil {
		return t, err
	}
	endName := "DTEND"
	if c.Name == "VTODO" {
		endName = "DUE"
	}
	var end ical.DateTime
	hasEnd := false
	if c.Name != "VJOURNAL" {
		if end, hasEnd, err = propTime(c, endName); err != nil {
			return t, err
		}
	}
	if !hasStart {
		switch {
		case c.Name == "VTODO" && hasEnd:
			start, t.form = end, formTodoOnly
		case c.Prop("RECURRENCE-ID") != nil:
			if start, _, err = propTime(c, "RECURRENCE-ID"); err != nil {
				return t, err
			}
			hasStart = true
		case c.Name == "VTODO":
			return t, t.readUndated()
		case c.Name == "VJOURNAL", c.Name == "VFREEBUSY", c.Name == "VAVAILABILITY":
			t.form = formNeverShown
			return t, nil
		default:
			return t, fmt.Errorf("%s has no DTSTART", c.Name)
		}
	}
	t.start, t.civ, t.zone = start, civilOf(start), zoneOf(start, zones)
	if c.Name == "VTODO" && hasEnd && end.Kind == ical.Date {
		t.dueDay = floorDiv(civilOf(end), daySecs) <= floorDiv(t.civ, daySecs)
	}
	if !hasStart {
		return t, nil
	}
	if c.Name == "VTODO" {
		t.form = formTodoStart
	}
	dur, hasDur := ical.Duration{}, false
	if p := c.Prop("DURATION"); p != nil && !hasEnd && c.Name != "VJOURNAL" && strings.TrimSpace(p.Value) != "" {
		if dur, err = p.Duration(); err != nil {
			return t, fmt.Errorf("DURATION: %w", err)
		}
		hasDur = true
	}
	switch {
	case hasEnd:
		t.setEnd(end, zones)
		if c.Name == "VTODO" {
			t.form = formTodoDue
		}
	case hasDur:
		t.length, t.other = lengthOf(dur), dur.Neg && !dur.IsZero()
		if t.allDay() && t.exact != 0 { // hours of days: RFC 5545 §3.6.1 has whole ones only
			t.length, t.other = length{wall: ceilDiv(t.wall+t.exact, daySecs) * daySecs}, true
		}
		if c.Name == "VTODO" {
			t.form = formTodoDur
		}
	}
	// A day is the least that an all-day event or entry takes: RFC 5545 §3.6.1
	// for a missing DTEND, and clients that write DTEND like DTSTART.
	if t.allDay() && c.Name != "VTODO" && t.length == (length{}) {
		t.wall = daySecs
	}
	return t, nil
}

// setEnd works out the length that an end means. RFC 5545 §3.8.5.3: DTEND
// gives every instance the same exact length; where no zone is known, and
// between dates, that is one of the clock on the wall.
func (t *timing) setEnd(end ical.DateTime, zones *Zones) {
	civ := civilOf(end)
	zone := t.zone
	if end.Kind == ical.Zoned && end.TZID != t.start.TZID || end.Kind == ical.UTC {
		zone = zoneOf(end, zones)
	}
	if t.zone == nil || t.allDay() {
		if t.wall = max(0, civ-t.civ); t.allDay() {
			t.wall = ceilDiv(t.wall, daySecs) * daySecs
		}
		return
	}
	if zone == nil {
		zone = t.zone
	}
	from, _, _ := t.zone.utc(t.civ)
	to, _, _ := zone.utc(civ)
	t.exact = max(0, to-from)
}

func (t *timing) readUndated() error {
	done, hasDone, err := propTime(t.comp, "COMPLETED")
	if err != nil {
		return err
	}
	created, hasCreated, err := propTime(t.comp, "CREATED")
	if err != nil {
		return err
	}
	t.done, t.created = civilOf(done), civilOf(created)
	switch {
	case hasDone && hasCreated:
		t.form = formDone
	case hasDone:
		t.form, t.created = formDone, t.done
	case hasCreated:
		t.form = formCreated
	default:
		t.form = formUndated
	}
	return nil
}

// overlaps is the condition of RFC 4791 §9.9 for an instance and a range. A task
// that is due on a day is found on that day too, and not only before.
func (o *occurrence) overlaps(win window) bool {
	t, form := o.t, o.t.form
	if o.period && (form == formTodoDur || form == formTodoStart) {
		form = formTodoDue // that is how it is shown
	}
	start, end, from, to := o.start, o.end, win.from, win.to
	switch form {
	case formTodoDur:
		return from <= end && (to > start || to >= end)
	case formTodoDue:
		return (from < o.reach || from <= start) && (to > start || to >= end)
	case formTodoStart:
		return from <= start && to > start
	case formTodoOnly:
		return from < o.reach && to >= end
	case formDone:
		return (from <= t.created || from <= t.done) && (to >= t.created || to >= t.done)
	case formCreated:
		return to > t.created
	case formUndated:
		return true
	case formNeverShown:
		return false
	}
	if end > start {
		return from < end && to > start
	}
	return from <= start && to > start
}
