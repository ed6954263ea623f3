package recur

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/server/ical"
)

// vtimezones holds the compiled VTIMEZONEs of the process by their content:
// thousands of objects carry the same few.
var vtimezones = struct {
	sync.RWMutex
	byHash map[[2]uint64]*tz
}{byHash: map[[2]uint64]*tz{}}

const (
	maxVTimezones = 1024 // compiled and kept
	maxOnsets     = 4000 // of one observance in one block
)

var seedA, seedB = maphash.MakeSeed(), maphash.MakeSeed()

// readVTimezone compiles a VTIMEZONE, or returns nil when it holds nothing
// that can be used. RFC 5545 §3.6.5.
func readVTimezone(c *ical.Component) *tz {
	var buf [2048]byte
	text := appendContent(buf[:0], c)
	key := [2]uint64{maphash.Bytes(seedA, text), maphash.Bytes(seedB, text)}
	vtimezones.RLock()
	z, ok := vtimezones.byHash[key]
	vtimezones.RUnlock()
	if ok {
		return z
	}
	z = compileVTimezone(c)
	vtimezones.Lock()
	defer vtimezones.Unlock()
	if len(vtimezones.byHash) >= maxVTimezones {
		// Half of them, as the map happens to list them, make room.
		n := 0
		for k := range vtimezones.byHash {
			if n++; n > maxVTimezones/2 {
				break
			}
			delete(vtimezones.byHash, k)
		}
	}
	vtimezones.byHash[key] = z
	return z
}

func appendContent(b []byte, c *ical.Component) []byte {
	b = append(append(b, c.Name...), 1)
	for i := range c.Props {
		p := &c.Props[i]
		if strings.HasPrefix(p.Name, "X-") && p.Name != "X-LIC-LOCATION" || p.Name == "LAST-MODIFIED" {
			continue
		}
		b = append(append(b, p.Name...), 2)
		b = append(append(b, p.Value...), 3)
		if v := p.Param("VALUE"); v != "" {
			b = append(append(b, v...), 4)
		}
	}
	for _, k := range c.Children {
		b = appendContent(b, k)
	}
	return append(b, 5)
}

// observance is a STANDARD or DAYLIGHT: onsets in local time of the offset
// before them.
type observance struct {
	from, to int64
	dates    []int64 // DTSTART and RDATEs, sorted
	rules    []*series
}

// vtzSource works out onsets from observances, for any year.
type vtzSource []observance

// readObservances returns those of a VTIMEZONE, and when all of them are in force.
func readObservances(c *ical.Component) (src vtzSource, begin int64) {
	begin = minCivil
	for _, k := range c.Children {
		if k.Name != "STANDARD" && k.Name != "DAYLIGHT" || len(src) >= 500 {
			continue
		}
		if o, ok := readObservance(k); ok {
			src = append(src, o)
			begin = max(begin, o.dates[0])
		}
	}
	return src, begin
}

// LeavesOpen tells whether a VTIMEZONE says too little, so that the database's
// zone counts for it: it is of no use to other events.
func LeavesOpen(c *ical.Component) bool {
	src, begin := readObservances(c)
	known := loadZone(NameOf(c))
	return len(src) > 0 && known != nil && readVTimezone(c) == known && !agree(src, known.source, begin, validUntil(c))
}

func compileVTimezone(c *ical.Component) *tz {
	src, begin := readObservances(c)
	if len(src) == 0 {
		return nil
	}
	z := &tz{name: strings.Clone(NameOf(c)), source: src}
	for _, name := range [...]string{"TZID-ALIAS-OF", "X-LIC-LOCATION"} { // RFC 7808 §7.2
		if loc := databaseZone(cleanTZID(c.Text(name))); loc != nil {
			z.hints = append(z.hints, loc.String())
		}
	}
	known := loadZone(z.name)
	if known == nil {
		return z
	}
	until := validUntil(c)
	switch {
	case src.wanting(c) && databaseZone(z.name) != nil:
		return known
	case agree(src, known.source, begin, until):
		return known
	case until < endless:
		z.source = joined{src, known.source, until}
	}
	return z
}

const endless = math.MaxInt64

// validUntil is TZUNTIL, from when on a VTIMEZONE says nothing. RFC 7808 §7.1.
func validUntil(c *ical.Component) int64 {
	if d, ok, err := propTime(c, "TZUNTIL"); ok && err == nil {
		return civilOf(d)
	}
	return endless
}

// wanting tells whether observances leave open what holds in the end: none has
// a rule that goes on, or all are of daylight saving time. Programs write such
// for the one event at hand.
func (src vtzSource) wanting(c *ical.Component) bool {
	goesOn := slices.ContainsFunc(src, func(o observance) bool {
		return slices.ContainsFunc(o.rules, func(s *series) bool { return s.limit >= maxCivil })
	})
	return !goesOn || c.Child("STANDARD") == nil
}

// joined is a zone up to a moment and another from then on.
type joined struct {
	before, after tzSource
	at            int64
}

func (j joined) onsets(from, to int64) []onset {
	switch {
	case to <= j.at:
		return j.before.onsets(from, to)
	case from >= j.at:
		return j.after.onsets(from, to)
	}
	return append(j.before.onsets(from, j.at), j.after.onsets(j.at, to)...)
}

// agree compares two zones from the time when all observances of a are in
// force until 2037, or for as long as a says anything. From 2037 on, both repeat.
func agree(a, b tzSource, begin, until int64) bool {
	end := min(until, daysOf(2038, 1, 1)*daySecs)
	begin += maxOffset
	if begin >= min(end, daysOf(2030, 1, 1)*daySecs) {
		return false
	}
	changes := func(list []onset) []onset {
		return slices.CompactFunc(list, func(x, y onset) bool { return x.off == y.off })
	}
	return slices.Equal(changes(a.onsets(begin, end)), changes(b.onsets(begin, end)))
}

func readObservance(c *ical.Component) (o observance, ok bool) {
	p := c.Prop("DTSTART")
	if p == nil {
		return o, false
	}
	start, err := p.DateTime()
	if err != nil {
		return o, false
	}
	var ok1, ok2 bool
	o.from, ok1 = parseOffset(c.Value("TZOFFSETFROM"))
	o.to, ok2 = parseOffset(c.Value("TZOFFSETTO"))
	if !ok1 && ok2 {
		o.from, ok1 = o.to, true
	}
	if !ok1 || !ok2 {
		return o, false
	}
	local := func(d ical.DateTime) int64 {
		if d.Kind == ical.UTC {
			return civilOf(d) + o.from
		}
		return civilOf(d)
	}
	begin := local(start)
	o.dates = append(o.dates, begin)
	for p := range c.All("RDATE") {
		list, err := p.DateTimes()
		if err != nil {
			continue
		}
		for _, d := range list {
			if len(o.dates) < maxOnsets {
				o.dates = append(o.dates, local(d))
			}
		}
	}
	slices.Sort(o.dates)
	for p := range c.All("RRULE") {
		r, err := ParseRule(p.Value)
		if err != nil || len(o.rules) >= 8 {
			continue
		}
		limit := maxCivil
		if r.HasUntil {
			// UTC is what the RFC wants here, local time what some write.
			if limit = local(r.Until); r.Until.Kind == ical.Date {
				limit += daySecs - 1
			}
		}
		o.rules = append(o.rules, newSeries(r, begin, false, limit))
	}
	return o, true
}

// parseOffset reads a UTC-OFFSET in seconds.
func parseOffset(s string) (int64, bool) {
	d, err := ical.ParseOffset(s)
	return int64(d / time.Second), err == nil
}

func (src vtzSource) onsets(from, to int64) []onset {
	var list []onset
	state := onset{at: minCivil - maxOffset}
	var first *observance
	for i := range src {
		o := &src[i]
		if first == nil || o.dates[0]-o.from < first.dates[0]-first.from {
			first = o
		}
		// On the same second, the later of two in the object wins.
		if at, ok := o.lastBefore(from + o.from + 1); ok && at-o.from >= state.at {
			state = onset{at - o.from, o.to}
		}
		list = o.between(list, from+o.from+1, to+o.from)
	}
	if state.at < minCivil {
		state.off = first.from // nothing is said about the time before the first onset
	}
	slices.SortStableFunc(list, func(a, b onset) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return append([]onset{{from, state.off}}, list...)
}

// between appends the onsets of an observance in [lo,hi), local time.
func (o *observance) between(list []onset, lo, hi int64) []onset {
	for _, d := range o.dates {
		if d >= lo && d < hi {
			list = append(list, onset{d - o.from, o.to})
		}
	}
	for _, s := range o.rules {
		steps := maxOnsets
		c := s.cursor(&steps)
		c.seek(lo)
		for at, ok := c.next(); ok && at < hi; at, ok = c.next() {
			list = append(list, onset{at - o.from, o.to})
		}
	}
	return list
}

// lastBefore returns the last onset of an observance before t, local time.
func (o *observance) lastBefore(t int64) (last int64, ok bool) {
	for _, d := range o.dates {
		if d < t {
			last, ok = d, true
		}
	}
	for _, s := range o.rules {
		end := min(t-1, s.limit)
		// A yearly rule is found at once, a rare one farther back.
		for _, years := range [...]int64{2, 12, 410} {
			steps := maxOnsets
			c := s.cursor(&steps)
			c.seek(end - years*366*daySecs)
			found := false
			for at, more := c.next(); more && at <= end; at, more = c.next() {
				if !ok || at > last {
					last, ok = at, true
				}
				found = true
			}
			if found {
				break
			}
		}
	}
	return last, ok
}
