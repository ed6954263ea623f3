package recur

import (
	"math"
	"sort"
)

// Walking at most this many days settles a COUNT; what is farther out, more
// than a thousand years, counts as endless.
const maxCountDays = 3 * cycle400

// nth returns the civil second of the nth instance, so that COUNT becomes an
// UNTIL. It does not walk n instances: the pattern of periods repeats after a
// number of them that is known beforehand (at the latest when the Gregorian
// calendar does, after 400 years), so one turn is counted and the rest divided.
func (s *series) nth(n int64) int64 {
	if s.never {
		return s.start - 1
	}
	if s.freq < Daily && s.filtered {
		return s.nthByDay(n)
	}
	steps := math.MaxInt
	turn := s.turn()
	once := *s
	if s.freq < Daily {
		// Periods that never match must not lead the walk beyond the turn.
		once.limit = min(s.limit, (s.base+(turn+1)*s.interval)*s.unit-1)
	}
	w := counter{c: once.cursor(&steps), n: n}
	w.c.seek(s.start)
	// Period 0 is cut at DTSTART, so it stands outside the cycle.
	if w.through(0) {
		return w.found
	}
	before := w.n
	if w.through(turn) {
		return w.found
	}
	counted := before - w.n
	switch {
	case w.c.done && once.limit == s.limit:
		return maxCivil
	case counted == 0:
		return s.start + 400*daySecs // period 0 was all
	}
	w.c.s = s
	turns := (before - 1) / counted
	if turns > math.MaxInt64/8/turn/s.interval/s.periodSecs() {
		return maxCivil
	}
	w.n = before - turns*counted
	w.rewind(1 + turns*turn)
	if w.through(math.MaxInt64) {
		return w.found
	}
	return maxCivil
}

// counter takes the instances of whole periods off n.
type counter struct {
	c      *cursor
	n      int64
	found  int64 // the instance that took n to 0
	loaded bool  // the cursor's period is not counted yet
}

// through counts the periods up to number k, and tells whether n was reached.
func (w *counter) through(k int64) bool {
	c := w.c
	for {
		if !w.loaded {
			if c.fill(); c.done {
				return false
			}
			w.loaded = true
		}
		if c.k-1 > k {
			return false
		}
		w.loaded = false
		floor := max(c.last, c.from-1)
		lo := int64(sort.Search(int(c.n), func(i int) bool { return c.at(int64(i)) > floor }))
		if left := c.n - lo; left >= w.n {
			w.found = c.at(lo + w.n - 1)
			return true
		} else {
			w.n -= left
		}
		if c.n > 0 && c.s.skip != SkipOmit {
			c.last = c.at(c.n - 1) // SKIP may reach into the next period
		}
	}
}

// rewind makes k the next period.
func (w *counter) rewind(k int64) {
	c := w.c
	c.k, c.last, c.done, w.loaded = k, math.MinInt64, false, false
	if c.s.skip != SkipOmit {
		c.k--
		if c.fill(); c.n > 0 {
			c.last = c.at(c.n - 1)
		}
	}
}

// turn returns after how many periods the pattern repeats.
func (s *series) turn() int64 {
	switch s.freq {
	case Yearly:
		return 400 / gcd(400, s.interval)
	case Monthly:
		return 4800 / gcd(4800, s.interval)
	case Weekly:
		if !s.filtered {
			return 1
		}
		return cycle400 / 7 / gcd(cycle400/7, s.interval)
	case Daily:
		switch {
		case !s.filtered:
			return 1
		case s.months == 0 && s.mdPos|s.mdNeg == 0 && s.ydPos == nil && s.wkPos|s.wkNeg == 0:
			return 7 / gcd(7, s.interval)
		}
		return cycle400 / gcd(cycle400, s.interval)
	}
	if s.hours == 0 && s.minutes == 0 && s.seconds == 0 {
		return 1
	}
	return daySecs / s.unit / gcd(daySecs/s.unit, s.interval)
}

// periodSecs is about the length of a period with interval 1.
func (s *series) periodSecs() int64 {
	switch s.freq {
	case Monthly:
		return 31 * daySecs
	case Yearly:
		return 366 * daySecs
	}
	return s.unit
}

// nthByDay is nth for HOURLY, MINUTELY and SECONDLY with a limit on days: it
// counts by whole days, since days with the same phase hold the same number.
func (s *series) nthByDay(n int64) int64 {
	steps := math.MaxInt
	day := floorDiv(s.start, daySecs)
	first := *s
	first.limit = min(s.limit, (day+1)*daySecs-1)
	c := first.cursor(&steps)
	c.seek(s.start)
	for at, ok := c.next(); ok; at, ok = c.next() {
		if n--; n == 0 {
			return at
		}
	}
	c = s.cursor(&steps)
	perDay := daySecs / s.unit
	folds := cycle400*perDay%s.interval == 0
	held := newDayCount(s)
	whole := n
	for i := int64(1); i <= maxCountDays; i++ {
		if (day+i)*daySecs > s.limit {
			return maxCivil
		}
		if s.dayOK(day + i) {
			h := held.of(day + i)
			if h >= n {
				c.seek((day + i) * daySecs)
				for ; n > 1; n-- {
					c.next()
				}
				at, _ := c.next()
				return at
			}
			n -= h
		}
		if folds && i == cycle400 {
			counted := whole - n
			if counted == 0 || (n-1)/counted > 25 {
				return maxCivil
			}
			day += (n - 1) / counted * cycle400
			n -= (n - 1) / counted * counted
		}
	}
	return maxCivil
}

// dayCount tells how many instances a day has that passes dayOK.
type dayCount struct {
	s       *series
	perDay  int64
	perUnit int64
	byPhase []int64 // the answers; -1 is not known yet
}

func newDayCount(s *series) *dayCount {
	d := &dayCount{s: s, perDay: daySecs / s.unit}
	steps := math.MaxInt
	c := s.cursor(&steps)
	c.bases = append(c.bases, 0)
	c.choose()
	d.perUnit = c.n
	d.byPhase = make([]int64, min(s.interval, d.perDay))
	for i := range d.byPhase {
		d.byPhase[i] = -1
	}
	return d
}

func (d *dayCount) of(day int64) int64 {
	// phase is the first unit of the day that INTERVAL hits.
	phase := floorMod(d.s.base-day*d.perDay, d.s.interval)
	if phase >= d.perDay {
		return 0
	}
	if d.byPhase[phase] < 0 {
		n := int64(0)
		for u := phase; u < d.perDay; u += d.s.interval {
			if _, ok := d.s.timeOK(u * d.s.unit); ok {
				n += d.perUnit
			}
		}
		d.byPhase[phase] = n
	}
	return d.byPhase[phase]
}
