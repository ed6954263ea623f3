package itip

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// key tells the instances of a meeting apart: it is the same however somebody
// spells the RECURRENCE-ID. RFC 5545 §3.8.4.4.
type key int64

// entire is the key of the series, or of a meeting that takes place once.
const entire key = 0

// meeting is an object taken apart: the master and what overrides it.
type meeting struct {
	cal       *ical.Component
	name      string // of its components
	uid       string
	zones     *recur.Zones
	defined   []*ical.Component // its VTIMEZONEs, once zonesFor has needed them
	float     recur.Zone
	set       *recur.Set        // see compiled
	timed     []*ical.Component // what it is compiled of
	master    *ical.Component   // nil when there are overrides only
	start     ical.DateTime     // DTSTART of the master, if hasStart
	hasStart  bool
	alone     *meeting          // the master without overrides, once series has needed it
	order     []key             // of the overrides, as they stand
	parts     []*ical.Component // the overrides, in that order
	at        map[key]int       // where they are there
	twice     bool              // two of them are of one instance
	calledOff map[key]bool      // those with STATUS CANCELLED, once isOff has needed them
	places    map[key]int       // where they are among the children of cal, once put has needed it
}

// open takes an object apart that was judged; nil is a meeting without anything.
// Its recurrence is worked out when it is needed.
func (p *Party) open(cal *ical.Component) (*meeting, error) { return p.parts(cal, false) }

// read takes a message apart. Of a bare one only which instances it speaks of
// has to be right: a reply need not say when they are.
func (p *Party) read(cal *ical.Component, bare bool) (*meeting, error) {
	m, err := p.parts(cal, bare)
	if err == nil && len(m.timed) > 0 {
		if m.set, err = recur.Compile(m.timed, m.zones); err != nil {
			err = unreadable("%v", err)
		}
	}
	return m, err
}

func (p *Party) parts(cal *ical.Component, bare bool) (*meeting, error) {
	m := &meeting{cal: cal, float: p.Floating}
	if m.float == nil {
		m.float = recur.UTC
	}
	if cal == nil {
		return m, nil
	}
	m.zones = recur.ZonesOf(cal)
	n := len(cal.Children)
	comps := make([]*ical.Component, 0, n)
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		switch c.Name {
		case "VEVENT", "VTODO", "VJOURNAL":
		default:
			return nil, unreadable("a %s is nothing that people are invited to", c.Name)
		}
		if uid := c.Text("UID"); m.uid == "" {
			m.uid, m.name = uid, c.Name
		} else if uid != m.uid || c.Name != m.name {
			return nil, unreadable("components of another UID or kind")
		}
		comps = append(comps, c)
	}
	if m.uid == "" {
		return nil, unreadable("no component with a UID")
	}
	if m.timed = comps; bare {
		m.timed = make([]*ical.Component, len(comps))
		for i, c := range comps {
			m.timed[i] = skeleton(c)
		}
	}
	for _, c := range comps {
		if c.Prop("RECURRENCE-ID") != nil {
			continue
		}
		if m.master != nil {
			return nil, unreadable("two components without RECURRENCE-ID")
		}
		m.master = c
		if p := c.Prop("DTSTART"); p != nil {
			start, err := p.DateTime()
			m.start, m.hasStart = start, err == nil
		}
	}
	m.order, m.parts, m.at = make([]key, 0, n), make([]*ical.Component, 0, n), make(map[key]int, n)
	for _, c := range comps {
		rid := c.Prop("RECURRENCE-ID")
		if rid == nil {
			continue
		}
		k, err := m.key(rid)
		if err != nil {
			return nil, err
		}
		if i, twice := m.at[k]; twice {
			m.parts[i], m.twice = c, true
			continue
		}
		m.add(k, c)
	}
	return m, nil
}

// add gives the meeting another override.
func (m *meeting) add(k key, c *ical.Component) {
	m.at[k] = len(m.parts)
	m.order, m.parts = append(m.order, k), append(m.parts, c)
}

// override is that of an instance, nil if it has none.
func (m *meeting) override(k key) *ical.Component {
	if i, ok := m.at[k]; ok {
		return m.parts[i]
	}
	return nil
}

// skeleton is what tells a component of a message from the others of it.
func skeleton(c *ical.Component) *ical.Component {
	out := ical.New(c.Name)
	for _, n := range []string{"UID", "RECURRENCE-ID"} {
		if p := c.Prop(n); p != nil {
			out.Add(p.Clone())
		}
	}
	start := ical.Property{Name: "DTSTART", Value: "19700101T000000Z"}
	if p := c.Prop("RECURRENCE-ID"); p != nil {
		start = p.Clone()
		start.Name = "DTSTART"
		start.DelParam("RANGE")
	}
	out.Add(start)
	return out
}

// compiled is the recurrence, nil where there is none that can be worked out.
func (m *meeting) compiled() *recur.Set {
	if m.set == nil && len(m.timed) > 0 {
		var err error
		if m.set, err = recur.Compile(m.timed, m.zones); err != nil {
			m.set = nil
		}
		m.timed = nil
	}
	return m.set
}

func unreadable(format string, args ...any) error {
	return &calendar.Error{Kind: calendar.Invalid, Err: fmt.Errorf(format, args...)}
}

func (m *meeting) empty() bool { return m.master == nil && len(m.order) == 0 }

// key is that of a RECURRENCE-ID of the same object.
func (m *meeting) key(rid *ical.Property) (key, error) {
	d, err := rid.DateTime()
	if err != nil {
		return entire, unreadable("RECURRENCE-ID: %v", err)
	}
	return m.keyOf(d, m.zones), nil
}

// keyIn is that of a component.
func (m *meeting) keyIn(c *ical.Component) key {
	if rid := c.Prop("RECURRENCE-ID"); rid != nil {
		if k, err := m.key(rid); err == nil {
			return k
		}
	}
	return entire
}

// keyOf is the key of an instance that somebody names, by zones of his own:
// another zone, UTC, or midnight where a date belongs.
func (m *meeting) keyOf(d ical.DateTime, zones *recur.Zones) key {
	if m.hasStart && d.Kind == m.start.Kind && d.TZID == m.start.TZID {
		return m.plain(d, m.zones) // as the series spells it
	}
	if m.master != nil && m.master.Prop("DTSTART") != nil {
		if rid, ok := m.named(d, zones); ok {
			return m.plain(rid, m.zones)
		}
	}
	return m.plain(d, zones)
}

// named finds the instance that a moment names, in the form of the series.
func (m *meeting) named(d ical.DateTime, zones *recur.Zones) (ical.DateTime, bool) {
	set := m.compiled()
	if set == nil {
		return d, false
	}
	if in, ok := set.InstanceIn(d, zones, m.float); ok {
		return in.RecurrenceID, true
	}
	start := m.master.Prop("DTSTART")
	if start == nil {
		return d, false
	}
	if first, err := start.DateTime(); err != nil || first.Kind != ical.Date || d.Kind == ical.Date {
		return d, false
	}
	// A day of an all-day series: as it is written, or as it is for the viewer.
	for _, civil := range []time.Time{m.float.FromUTC(m.instant(d, zones)), d.Civil()} {
		day := ical.FromCivil(civil.Truncate(24*time.Hour), ical.Date, "")
		if in, ok := set.InstanceIn(day, zones, m.float); ok {
			return in.RecurrenceID, true
		}
	}
	return d, false
}

func (m *meeting) instant(d ical.DateTime, zones *recur.Zones) time.Time {
	if d.Kind == ical.Zoned && zones != nil {
		if z, ok := zones.Lookup(d.TZID); ok {
			return z.ToUTC(d.Civil())
		}
	}
	return d.Civil()
}

func (m *meeting) plain(d ical.DateTime, zones *recur.Zones) key {
	switch d.Kind { // so that none is 0, nor the same as of another kind
	case ical.Date:
		return key(4*d.Civil().Unix() + 1)
	case ical.Floating:
		return key(4*d.Civil().Unix() + 2)
	}
	return key(4*m.instant(d, zones).Unix() + 3)
}

// component is what an instance shows: its override, or the master. Nil if the
// meeting has neither.
func (m *meeting) component(k key) *ical.Component {
	if k == entire {
		return m.master
	}
	if c := m.override(k); c != nil {
		return c
	}
	return m.master
}

// isOff reports whether a component is marked as cancelled.
func (m *meeting) isOff(k key) bool {
	if m.calledOff == nil {
		m.calledOff = map[key]bool{}
		for k, c := range m.all() {
			if c.Word("STATUS") == "CANCELLED" {
				m.calledOff[k] = true
			}
		}
	}
	return m.calledOff[k]
}

// all yields the master, if there is one, and the overrides in their order.
func (m *meeting) all() iter.Seq2[key, *ical.Component] {
	return func(yield func(key, *ical.Component) bool) {
		if m.master != nil && !yield(entire, m.master) {
			return
		}
		for i, k := range m.order {
			if !yield(k, m.parts[i]) {
				return
			}
		}
	}
}

// head is the first of all, nil if there are none.
func (m *meeting) head() *ical.Component {
	for _, c := range m.all() {
		return c
	}
	return nil
}

// keys are those of all.
func (m *meeting) keys() []key {
	out := make([]key, 0, 1+len(m.order))
	if m.master != nil {
		out = append(out, entire)
	}
	return append(out, m.order...)
}

// instance is what the series shows at a moment: nothing if it has none there.
func (m *meeting) instance(rid ical.DateTime) (recur.Instance, bool) {
	set := m.compiled()
	if set == nil {
		return recur.Instance{}, false
	}
	return set.InstanceIn(rid, m.zones, m.float)
}

// organizer is the address of the first component that has one.
func (m *meeting) organizer() *ical.Property {
	for _, c := range m.all() {
		if p := c.Prop("ORGANIZER"); p != nil {
			return p
		}
	}
	return nil
}

// attendee is the line of an address in a component, nil if it is not invited.
func attendee(c *ical.Component, is func(string) bool) *ical.Property {
	if c == nil {
		return nil
	}
	for a := range c.All("ATTENDEE") {
		if is(a.Value) {
			return a
		}
	}
	return nil
}

// sameAs makes a test for one calendar user address.
func sameAs(address string) func(string) bool {
	k := calendar.AddressKey(address)
	return func(a string) bool { return calendar.AddressKey(a) == k }
}

// sequence is the revision of a component, 0 if it says none.
func sequence(c *ical.Component) int64 {
	if c == nil {
		return 0
	}
	p := c.Prop("SEQUENCE")
	if p == nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(p.Value), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// stamp is the DTSTAMP of a component, zero if it has none that one can read.
func stamp(c *ical.Component) time.Time {
	if p := c.Prop("DTSTAMP"); p != nil {
		if d, err := p.DateTime(); err == nil {
			return d.Civil()
		}
	}
	return time.Time{}
}

func setSequence(c *ical.Component, n int64) { c.Set("SEQUENCE", strconv.FormatInt(n, 10)) }

// rebuild makes an object of components with what the calendar around them says.
func rebuild(cal *ical.Component, comps []*ical.Component) *ical.Component {
	if len(comps) == 0 {
		return nil
	}
	out := &ical.Component{Name: cal.Name}
	for _, p := range cal.Props {
		if p.Name != "METHOD" {
			out.Props = append(out.Props, p.Clone())
		}
	}
	out.AddChild(zonesFor(cal, comps)...)
	out.AddChild(comps...)
	return out
}
