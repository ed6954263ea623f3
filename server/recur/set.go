package recur

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
	"unsafe"

	"factotum/server/ical"
)

// Set is the compiled recurrence of one calendar object resource: a master
// and the overrides of its UID, or overrides alone. It does not change and may
// be used by several goroutines at once.
//
// Instances are told apart by a key, their original start: UTC seconds where
// the master has a zone, civil seconds where it is floating or all-day.
type Set struct {
	name      string          // VEVENT, VTODO or VJOURNAL
	cal       *ical.Component // with its VTIMEZONEs, may be nil
	hasMaster bool
	master    timing
	rules     []*series
	exrules   []*series
	rdates    []rdate
	maxPeriod int64   // the longest RDATE period, in seconds
	exdates   []int64 // keys, sorted
	exdays    []int64 // civil days of DATE values against a DATE-TIME series, sorted
	overrides []override
	futures   []int // those with RANGE=THISANDFUTURE, in order
}

// rdate is an RDATE that is not DTSTART.
type rdate struct {
	civ, key int64
	period   bool // it has a length of its own
	length
}

// override is a component with RECURRENCE-ID.
type override struct {
	timing
	rid     ical.DateTime // in the master's form
	ridCiv  int64
	ridZone *tz // of an override alone
	key     int64
	future  bool
}

// Compile compiles the VEVENTs, VTODOs or VJOURNALs of one UID; zones resolves
// their TZIDs. Overrides may come without a master, a master may not come
// twice. Of two overrides for one instance the one with the higher SEQUENCE
// counts, then the later one. Errors name the property at fault.
func Compile(comps []*ical.Component, zones *Zones) (*Set, error) {
	if len(comps) == 0 {
		return nil, fmt.Errorf("no component to compile")
	}
	s := &Set{name: comps[0].Name}
	if zones != nil {
		s.cal = zones.cal
	}
	for _, c := range comps {
		if c.Name != s.name {
			return nil, fmt.Errorf("%s and %s with one UID", s.name, c.Name)
		}
		if c.Prop("RECURRENCE-ID") != nil {
			continue
		}
		if s.hasMaster {
			return nil, fmt.Errorf("two %ss with one UID and no RECURRENCE-ID", s.name)
		}
		s.hasMaster = true
		if err := s.compileMaster(c, zones); err != nil {
			return nil, err
		}
	}
	if n := len(comps) - 1; n > 0 {
		s.overrides = make([]override, 0, n+1)
	}
	for _, c := range comps {
		if c.Prop("RECURRENCE-ID") == nil {
			continue
		}
		if err := s.addOverride(c, zones); err != nil {
			return nil, err
		}
	}
	s.sortOverrides()
	return s, nil
}

func (s *Set) compileMaster(c *ical.Component, zones *Zones) (err error) {
	if s.master, err = readTiming(c, zones); err != nil {
		return err
	}
	if !s.master.dated() {
		return nil
	}
	for i := range c.Props {
		p := &c.Props[i]
		if strings.TrimSpace(p.Value) == "" {
			continue // EXDATE: with nothing after it has been seen
		}
		switch p.Name {
		case "RRULE":
			err = s.addRule(p, &s.rules, true)
		case "EXRULE": // RFC 2445 §4.8.5.2; deprecated, still sent
			err = s.addRule(p, &s.exrules, false)
		case "RDATE":
			err = s.addRDates(p, zones)
		case "EXDATE":
			err = s.addExDates(p, zones)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	slices.Sort(s.exdates)
	slices.Sort(s.exdays)
	slices.SortFunc(s.rdates, func(a, b rdate) int {
		switch {
		case a.civ < b.civ, a.civ == b.civ && a.key < b.key:
			return -1
		case a.civ > b.civ, a.key > b.key:
			return 1
		}
		return 0
	})
	return nil
}

const maxRules = 50

// addRule binds a rule to DTSTART. DTSTART counts as the first instance even
// where the rule does not yield it, so COUNT then leaves one less to the rule.
// RFC 5545 §3.3.10, COUNT.
func (s *Set) addRule(p *ical.Property, list *[]*series, counts bool) error {
	if len(*list) >= maxRules {
		return fmt.Errorf("more than %d rules", maxRules)
	}
	r, err := ParseRule(p.Value)
	if err != nil {
		return err
	}
	m := &s.master
	limit := maxCivil
	if r.HasUntil {
		limit = untilLimit(r.Until, m.start, m.zone)
	}
	if r.Count > 0 && counts {
		endless := *r
		endless.Count = 0
		ser := newSeries(&endless, m.civ, m.allDay(), limit)
		n := int64(r.Count)
		if !ser.contains(m.civ) {
			n--
		}
		if n > 0 {
			ser.limit = min(ser.limit, ser.nth(n))
		} else {
			ser.limit = ser.start - 1
		}
		*list = append(*list, ser)
		return nil
	}
	*list = append(*list, newSeries(r, m.civ, m.allDay(), limit))
	return nil
}

func (s *Set) addRDates(p *ical.Property, zones *Zones) error {
	if p.ParamIs("VALUE", "PERIOD") || strings.Contains(p.Value, "/") {
		list, err := p.Periods()
		if err != nil {
			return err
		}
		for _, per := range list {
			key := s.keyOf(per.Start, zones)
			rd := rdate{civ: s.civilOfKey(key), key: key}
			// A journal has no length, nor a task that is only due.
			if rd.period = s.name != "VJOURNAL" && s.master.form != formTodoOnly; rd.period {
				rd.length = s.periodOf(per, zones)
				s.maxPeriod = max(s.maxPeriod, rd.most())
			}
			s.rdates = append(s.rdates, rd)
		}
		return nil
	}
	list, err := p.DateTimes()
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.Kind == ical.Date && !s.master.allDay() {
			// A bare date means DTSTART's time on that day.
			civ := civilOf(d) + floorMod(s.master.civ, daySecs)
			s.rdates = append(s.rdates, rdate{civ: civ, key: s.keyOfCivil(civ)})
			continue
		}
		key := s.keyOf(d, zones)
		s.rdates = append(s.rdates, rdate{civ: s.civilOfKey(key), key: key})
	}
	return nil
}

// periodOf is how long a period takes: exactly so long, where there is a zone,
// and whole days of an all-day series.
func (s *Set) periodOf(per ical.Period, zones *Zones) length {
	t := timing{start: per.Start, civ: civilOf(per.Start), zone: zoneOf(per.Start, zones)}
	if t.zone == nil {
		t.zone = s.master.zone
	}
	if per.HasDur {
		t.length = lengthOf(per.Dur)
	} else {
		t.setEnd(per.End, zones)
	}
	switch {
	case s.master.allDay():
		return length{wall: max(1, ceilDiv(t.wall+t.exact, daySecs)) * daySecs}
	case t.zone != nil && t.wall != 0:
		zc := cursorOf(t.zone)
		from, _ := zc.utc(t.civ)
		return length{exact: t.end(t.civ, from, &zc) - from}
	}
	return t.length
}

// addExDates collects exceptions. A DATE against a series of DATE-TIMEs takes
// out every instance of that day in the series' zone: RFC 5545 §3.8.5.1 wants
// equal types, but clients write this and mean the day. A DATE-TIME against
// an all-day series counts by its date as written.
func (s *Set) addExDates(p *ical.Property, zones *Zones) error {
	add := func(d ical.DateTime) {
		if d.Kind == ical.Date && !s.master.allDay() {
			s.exdays = append(s.exdays, floorDiv(civilOf(d), daySecs))
		} else {
			s.exdates = append(s.exdates, s.keyOf(d, zones))
		}
	}
	if !strings.ContainsAny(p.Value, ",/") { // one, as most write it: a series may have a hundred thousand
		d, err := p.DateTime()
		if err == nil {
			add(d)
		}
		return err
	}
	list, err := p.DateTimes()
	if err != nil {
		return err
	}
	for _, d := range list {
		add(d)
	}
	return nil
}

// keyOf returns the key of a value that names an instance.
func (s *Set) keyOf(d ical.DateTime, zones *Zones) int64 {
	civ := civilOf(d)
	m := &s.master
	switch {
	case m.allDay():
		return floorDiv(civ, daySecs) * daySecs
	case m.zone == nil || d.Kind == ical.UTC:
		return civ
	case d.Kind == ical.Zoned && d.TZID != m.start.TZID:
		if z := zones.lookup(d.TZID); z != nil {
			u, _, _ := z.utc(civ)
			return u
		}
	}
	return s.keyOfCivil(civ)
}

func (s *Set) keyOfCivil(civ int64) int64 {
	if s.master.zone == nil {
		return civ
	}
	u, _, _ := s.master.zone.utc(civ)
	return u
}

func (s *Set) civilOfKey(key int64) int64 {
	if s.master.zone == nil {
		return key
	}
	return s.master.zone.civil(key)
}

// civilOfRID returns the original start that a RECURRENCE-ID with that key
// means; written in the master's zone, it may lie in a gap of the clocks.
func (s *Set) civilOfRID(rid ical.DateTime, key int64) int64 {
	m := &s.master
	if !m.allDay() && (rid.Kind == ical.Floating || rid.Kind == ical.Zoned && rid.TZID == m.start.TZID) {
		return civilOf(rid)
	}
	return s.civilOfKey(key)
}

func (s *Set) addOverride(c *ical.Component, zones *Zones) error {
	p := c.Prop("RECURRENCE-ID")
	rid, err := p.DateTime()
	if err != nil {
		return fmt.Errorf("RECURRENCE-ID: %w", err)
	}
	o := override{future: p.ParamIs("RANGE", "THISANDFUTURE")}
	if o.timing, err = readTiming(c, zones); err != nil {
		return err
	}
	switch {
	case !s.hasMaster || !s.master.dated():
		// Alone, an override is known by its own words.
		o.rid, o.ridCiv = rid, civilOf(rid)
		o.key = o.ridCiv
		if o.ridZone = zoneOf(rid, zones); o.ridZone != nil {
			o.key, _, _ = o.ridZone.utc(o.ridCiv)
		}
	case rid.Kind == ical.Date && !s.master.allDay():
		o.ridCiv = s.onDay(civilOf(rid))
		o.key = s.keyOfCivil(o.ridCiv)
		o.rid = s.ridOf(o.ridCiv)
	default:
		o.key = s.keyOf(rid, zones)
		o.ridCiv = s.civilOfRID(rid, o.key)
		if o.rid = s.ridOf(o.ridCiv); s.keyOfCivil(o.ridCiv) != o.key {
			o.rid = dateTimeOf(o.key, ical.UTC, "")
		}
	}
	s.overrides = append(s.overrides, o)
	return nil
}

// onDay finds the instance that a RECURRENCE-ID without a time means: the
// first of the day, or DTSTART's time on it.
func (s *Set) onDay(civ int64) int64 {
	steps := 10_000
	w := s.walk(civ, civ+2*daySecs, math.MaxInt64, nil, &steps)
	w.overridden = true
	if at, ok := w.next(); ok && at.civ < civ+daySecs {
		return at.civ
	}
	return civ + floorMod(s.master.civ, daySecs)
}

// ridOf writes an original start in the form of DTSTART.
func (s *Set) ridOf(civ int64) ical.DateTime {
	return dateTimeOf(civ, s.master.start.Kind, s.master.start.TZID)
}

func (s *Set) sortOverrides() {
	if len(s.overrides) > 1 {
		slices.SortStableFunc(s.overrides, func(a, b override) int {
			switch {
			case a.key < b.key:
				return -1
			case a.key > b.key:
				return 1
			}
			return sequence(a.comp) - sequence(b.comp)
		})
		keep := s.overrides[:0]
		for i, o := range s.overrides {
			if i+1 == len(s.overrides) || s.overrides[i+1].key != o.key {
				keep = append(keep, o)
			}
		}
		s.overrides = keep
	}
	for i, o := range s.overrides {
		if o.future && s.hasMaster && s.master.dated() && o.dated() {
			s.futures = append(s.futures, i)
		}
	}
}

func sequence(c *ical.Component) int {
	n, err := parseNumber(strings.TrimSpace(c.Value("SEQUENCE")))
	if err != nil {
		return 0
	}
	return n
}

// findOverride returns the override of a key, or nil.
func (s *Set) findOverride(key int64) *override {
	i := sort.Search(len(s.overrides), func(i int) bool { return s.overrides[i].key >= key })
	if i == len(s.overrides) || s.overrides[i].key != key {
		return nil
	}
	return &s.overrides[i]
}

// excluded tells whether EXDATE takes an instance out.
func (s *Set) excluded(civ, key int64) bool {
	if len(s.exdates) > 0 {
		if _, ok := slices.BinarySearch(s.exdates, key); ok {
			return true
		}
	}
	if len(s.exdays) > 0 {
		if _, ok := slices.BinarySearch(s.exdays, floorDiv(civ, daySecs)); ok {
			return true
		}
	}
	return false
}

// Recurring tells whether the object has a rule, a further date or an
// override, and so instances that need a RECURRENCE-ID.
func (s *Set) Recurring() bool {
	return len(s.rules) > 0 || len(s.rdates) > 0 || len(s.overrides) > 0
}

// Size is about how many octets the compiled form takes, the components it was
// made of left aside.
func (s *Set) Size() int {
	n := int(unsafe.Sizeof(*s)) + len(s.rdates)*int(unsafe.Sizeof(rdate{})) + 8*(len(s.exdates)+len(s.exdays)+len(s.futures)) +
		len(s.overrides)*int(unsafe.Sizeof(override{}))
	for _, list := range [][]*series{s.rules, s.exrules} {
		for _, r := range list {
			n += 8 + int(unsafe.Sizeof(*r)) + 8*(len(r.times)+len(r.setpos)) + len(r.ords)*int(unsafe.Sizeof(WeekdayNum{}))
		}
	}
	return n
}

// Span bounds all instances: none starts before min or ends after max. It is
// cheap and may be too wide, by an UNTIL that is no instance or by EXDATEs. A
// series without end has infinite set and no max; a VTODO without any date,
// which every time range matches, has a zero min besides. A VJOURNAL without
// DTSTART, which none matches, has neither.
func (s *Set) Span(float Zone) (min, max time.Time, infinite bool) {
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	add := func(from, to int64) {
		if from < lo {
			lo = from
		}
		if to > hi {
			hi = to
		}
	}
	single := func(t *timing) {
		switch t.form {
		case formDone:
			add(t.created, t.done)
			add(t.done, t.created)
		case formCreated:
			add(t.created, t.created)
			infinite = true
		case formUndated:
			add(math.MinInt64, 0)
			infinite = true
		case formNeverShown:
		default:
			o, zc := occurrence{t: t}, t.cursor(float)
			o.place(t.civ, t.length, &zc)
			add(o.start, o.reach)
		}
	}
	if s.hasMaster {
		single(&s.master)
	}
	for i := range s.overrides {
		single(&s.overrides[i].timing)
	}
	if s.hasMaster && s.master.dated() {
		last := int64(math.MinInt64)
		for _, r := range s.rules {
			if r.limit >= r.start && !r.never {
				last = larger(last, r.limit)
			}
		}
		if last >= maxCivil {
			infinite = true
		}
		zc := s.master.cursor(float)
		for _, rd := range s.rdates {
			u := rd.key
			if s.master.zone == nil {
				u, _ = zc.utc(rd.civ)
			}
			add(u, rd.end(rd.civ, u, &zc))
			last = larger(last, rd.civ)
		}
		if last > math.MinInt64 && !infinite {
			for _, st := range s.segments() {
				// The first instance of a segment may be moved to before what
				// has been seen; an override that starts it has been.
				o, zc := occurrence{t: st.t}, st.t.cursor(float)
				if o.place(last+st.shift, st.t.length, &zc); o.reach > hi {
					hi = o.reach
				}
			}
		}
	}
	if lo == math.MaxInt64 {
		return
	}
	if lo != math.MinInt64 {
		min = time.Unix(lo, 0).UTC()
	}
	if !infinite {
		max = time.Unix(hi, 0).UTC()
	}
	return min, max, infinite
}

// larger is max, where Span's result hides it.
func larger(a, b int64) int64 { return max(a, b) }

// cursor returns the clock of a component: its zone's, or the viewer's.
func (t *timing) cursor(float Zone) zoneCursor {
	if t.zone != nil {
		return zoneCursor{z: t.zone}
	}
	return cursorOf(float)
}
