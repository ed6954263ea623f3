package recur

import (
	"math"
	"math/bits"
	"slices"
	"sort"
)

// cursor walks over the instances of a series in order.
type cursor struct {
	s     *series
	steps *int // what is left of the budget; negative when it is spent
	from  int64
	hi    int64 // the last civil second that is asked for
	k     int64 // the next period
	done  bool

	bases  []int64
	picks  []int64 // positions that BYSETPOS chose
	pos, n int64
	last   int64

	okDay  int64 // a day that passed dayOK, to ask once a day
	single [1]int64
}

func (s *series) cursor(steps *int) *cursor {
	c := &cursor{s: s, steps: steps, hi: math.MaxInt64, last: math.MinInt64, okDay: math.MinInt64}
	c.bases = c.single[:0]
	return c
}

// limit is the last civil second of the walk.
func (c *cursor) limit() int64 { return min(c.s.limit, c.hi) }

// seek moves to the first instance at or after civ. It costs a division, not
// a walk.
func (c *cursor) seek(civ int64) {
	s := c.s
	c.from = max(civ, s.start)
	c.pos, c.n, c.last = 0, 0, math.MinInt64
	c.done = s.never || c.from > c.limit()
	if c.done {
		return
	}
	day := floorDiv(c.from, daySecs)
	var k int64
	switch s.freq {
	case Weekly:
		week := day - floorMod(weekdayOf(day)-s.wkst, 7)
		k = floorDiv((week-s.base)/7, s.interval)
	case Monthly:
		y, m, _ := dateOf(day)
		k = floorDiv(y*12+m-1-s.base, s.interval)
		if s.skip != SkipOmit {
			k--
		}
	case Yearly:
		y, _, _ := dateOf(day)
		k = floorDiv(y-s.base, s.interval)
		if s.skip != SkipOmit || s.wkPos|s.wkNeg != 0 {
			k--
		}
	default:
		k = floorDiv(floorDiv(c.from, s.unit)-s.base, s.interval)
	}
	c.k = max(0, k)
}

// next returns the next instance. After false, a spent budget tells a cut from
// the end.
func (c *cursor) next() (int64, bool) {
	for !c.done {
		for c.pos < c.n {
			civ := c.at(c.pos)
			c.pos++
			if civ > c.limit() {
				c.done = true
				return 0, false
			}
			if civ <= c.last {
				continue // SKIP moved it onto its neighbour
			}
			if *c.steps--; *c.steps < 0 {
				c.done = true
				return 0, false
			}
			c.last = civ
			return civ, true
		}
		c.fill()
		if c.n > 0 && c.at(0) < c.from {
			c.pos = int64(sort.Search(int(c.n), func(i int) bool { return c.at(int64(i)) >= c.from }))
		}
	}
	return 0, false
}

// at returns the instance at a position of the period.
func (c *cursor) at(i int64) int64 {
	if c.s.setpos != nil {
		i = c.picks[i]
	}
	if nt := int64(len(c.s.times)); nt > 1 {
		return c.bases[i/nt] + c.s.times[i%nt]
	}
	return c.bases[i] + c.s.times[0]
}

// fill loads the next period, perhaps an empty one.
func (c *cursor) fill() {
	s := c.s
	c.pos, c.n = 0, 0
	c.bases = c.bases[:0]
	switch s.freq {
	case Weekly:
		first := s.base + 7*c.k*s.interval
		if first*daySecs > c.limit() {
			c.done = true
			return
		}
		for i := int64(0); i < 7; i++ {
			if s.wdays>>((s.wkst+i)%7)&1 != 0 && (!s.filtered || s.dayOK(first+i)) {
				c.bases = append(c.bases, (first+i)*daySecs)
			}
		}
	case Monthly:
		c.fillMonth()
	case Yearly:
		y := s.base + c.k*s.interval
		if y > 10000 || (daysOf(y, 1, 1)-16)*daySecs > c.limit() {
			c.done = true
			return
		}
		c.bases = s.yearDays(y, c.bases)
	default:
		if !c.admit() {
			return
		}
		c.bases = append(c.bases, (s.base+c.k*s.interval)*s.unit)
	}
	if c.k++; c.spend(1 + len(c.bases)/8) {
		c.choose()
	}
}

func (c *cursor) spend(n int) bool {
	if *c.steps -= n; *c.steps < 0 {
		c.done = true
	}
	return !c.done
}

func (c *cursor) fillMonth() {
	s := c.s
	month := s.base + c.k*s.interval
	y, m := floorDiv(month, 12), floorMod(month, 12)+1
	if y > 10000 {
		c.done = true
		return
	}
	first := daysOf(y, m, 1)
	if (first-1)*daySecs > c.limit() {
		c.done = true
		return
	}
	if s.months != 0 && s.months>>m&1 == 0 {
		return
	}
	for b := s.monthDays(y, m, true); b != 0; b &= b - 1 {
		day := first + int64(bits.TrailingZeros64(b)) - 1
		if !s.filtered || s.yearDayOK(day, y) && s.weekNoOK(day, y) {
			c.bases = append(c.bases, day*daySecs)
		}
	}
}

// admit moves k to the next day, hour, minute or second that passes what
// limits it, over everything in between at once.
func (c *cursor) admit() bool {
	s := c.s
	for {
		unit := s.base + c.k*s.interval
		sec := unit * s.unit
		if sec > c.limit() {
			c.done = true
			return false
		}
		day := floorDiv(sec, daySecs)
		if s.filtered && day != c.okDay {
			if !s.dayOK(day) {
				if !c.jump(s.nextDay(day) * daySecs) {
					return false
				}
				continue
			}
			c.okDay = day
		}
		to, ok := s.timeOK(sec - day*daySecs)
		if ok {
			return true
		}
		if !c.jump(day*daySecs + to) {
			return false
		}
	}
}

// jump moves to the first period at or after a civil second.
func (c *cursor) jump(civ int64) bool {
	c.k = ceilDiv(civ/c.s.unit-c.s.base, c.s.interval)
	return c.spend(1)
}

// timeOK applies BYHOUR, BYMINUTE and BYSECOND as limits to a second of the
// day. It returns the next second with a chance when it says no.
func (s *series) timeOK(sec int64) (next int64, ok bool) {
	if h := sec / 3600; s.hours != 0 && s.hours>>h&1 == 0 {
		if rest := s.hours >> h; rest != 0 {
			return (h + int64(bits.TrailingZeros32(rest))) * 3600, false
		}
		return daySecs, false
	}
	if m := sec / 60 % 60; s.minutes != 0 && s.minutes>>m&1 == 0 {
		hour := sec / 3600 * 3600
		if rest := s.minutes >> m; rest != 0 {
			return hour + (m+int64(bits.TrailingZeros64(rest)))*60, false
		}
		return hour + 3600, false
	}
	if v := sec % 60; s.seconds != 0 && s.seconds>>v&1 == 0 {
		minute := sec / 60 * 60
		if rest := s.seconds >> v; rest != 0 {
			return minute + v + int64(bits.TrailingZeros64(rest)), false
		}
		return minute + 60, false
	}
	return 0, true
}

// choose applies BYSETPOS to the period. Positions count in the whole period,
// also in what lies before DTSTART. RFC 5545 §3.3.10.
func (c *cursor) choose() {
	c.n = int64(len(c.bases)) * int64(len(c.s.times))
	if c.s.setpos == nil {
		return
	}
	c.picks = c.picks[:0]
	for _, p := range c.s.setpos {
		i := int64(p) - 1
		if p < 0 {
			i = c.n + int64(p)
		}
		if i >= 0 && i < c.n {
			c.picks = append(c.picks, i)
		}
	}
	slices.Sort(c.picks)
	c.picks = slices.Compact(c.picks)
	c.n = int64(len(c.picks))
}
