package recur

import "math/bits"

// dayOK applies the parts that limit days: BYMONTH, BYWEEKNO, BYYEARDAY,
// BYMONTHDAY and BYDAY for the frequencies that they do not expand.
func (s *series) dayOK(day int64) bool {
	if s.limitDays != 0 && s.limitDays>>weekdayOf(day)&1 == 0 {
		return false
	}
	if s.months == 0 && s.mdPos|s.mdNeg == 0 && s.ydPos == nil && s.wkPos|s.wkNeg == 0 {
		return true
	}
	y, m, d := dateOf(day)
	if s.months != 0 && s.months>>m&1 == 0 {
		return false
	}
	if s.freq != Monthly && !s.monthDayOK(y, m, d) {
		return false
	}
	return s.yearDayOK(day, y) && s.weekNoOK(day, y)
}

func (s *series) monthDayOK(y, m, d int64) bool {
	return s.mdPos|s.mdNeg == 0 || s.mdPos>>d&1 != 0 || s.mdNeg>>(monthLen(y, m)+1-d)&1 != 0
}

func (s *series) yearDayOK(day, y int64) bool {
	if s.ydPos == nil {
		return true
	}
	yd := day - daysOf(y, 1, 1) + 1
	back := yearLen(y) + 1 - yd
	return s.ydPos[yd>>6]>>(yd&63)&1 != 0 || s.ydNeg[back>>6]>>(back&63)&1 != 0
}

func (s *series) weekNoOK(day, y int64) bool {
	if s.wkPos|s.wkNeg == 0 {
		return true
	}
	if day >= s.firstWeek(y+1) {
		y++
	} else if day < s.firstWeek(y) {
		y--
	}
	first := s.firstWeek(y)
	w := (day-first)/7 + 1
	weeks := (s.firstWeek(y+1) - first) / 7
	return s.wkPos>>w&1 != 0 || s.wkNeg>>(weeks+1-w)&1 != 0
}

// firstWeek returns the first day of week 1: the first week with at least four
// days in the year. RFC 5545 §3.3.10, BYWEEKNO.
func (s *series) firstWeek(y int64) int64 {
	jan1 := daysOf(y, 1, 1)
	off := floorMod(weekdayOf(jan1)-s.wkst, 7)
	if off > 3 {
		return jan1 - off + 7
	}
	return jan1 - off
}

// nextDay returns the next day that has a chance to pass dayOK.
func (s *series) nextDay(day int64) int64 {
	if s.months != 0 {
		y, m, d := dateOf(day)
		if s.months>>m&1 == 0 {
			return day - d + 1 + monthLen(y, m)
		}
	}
	return day + 1
}

// everyWeek has bits 0, 7, 14 …
const everyWeek = 1<<0 | 1<<7 | 1<<14 | 1<<21 | 1<<28 | 1<<35 | 1<<42 | 1<<49 | 1<<56

// monthDays returns the days of a month as bits 1 to its length. SKIP may set
// bit 0, the last day of the month before, or the first of the month after.
// Ordinals are left to the caller where they count within the year.
func (s *series) monthDays(y, m int64, ordsInMonth bool) uint64 {
	n := monthLen(y, m)
	all := uint64(1)<<(n+1) - 2
	byDay := s.wdays != 0 || len(s.ords) > 0
	if s.mdPos|s.mdNeg == 0 {
		if byDay {
			return s.monthWeekdays(y, m, ordsInMonth) & all
		}
		return s.place(1<<s.day0, 0, n)
	}
	set := s.place(uint64(s.mdPos), uint64(s.mdNeg), n)
	if byDay && (ordsInMonth || len(s.ords) == 0) {
		set &= s.monthWeekdays(y, m, ordsInMonth)
	}
	return set
}

// place puts positive and negative days of the month into a month of n days;
// those it does not have follow SKIP. RFC 7529 §4.1.
func (s *series) place(pos, neg uint64, n int64) uint64 {
	all := uint64(1)<<(n+1) - 2
	set := pos & all
	if pos&^all != 0 {
		switch s.skip {
		case SkipForward:
			set |= 1 << (n + 1)
		case SkipBackward:
			set |= 1 << n
		}
	}
	for ; neg != 0; neg &= neg - 1 {
		d := n + 1 - int64(bits.TrailingZeros64(neg))
		switch {
		case d >= 1:
			set |= 1 << d
		case s.skip == SkipForward:
			set |= 1 << 1
		case s.skip == SkipBackward:
			set |= 1 << 0
		}
	}
	return set
}

// monthWeekdays returns the days that BYDAY names, bits 0 to length+1.
func (s *series) monthWeekdays(y, m int64, ords bool) uint64 {
	n := monthLen(y, m)
	before := weekdayOf(daysOf(y, m, 0)) // the weekday of bit 0
	var set uint64
	for w := s.wdays; w != 0; w &= w - 1 {
		set |= everyWeek << floorMod(int64(bits.TrailingZeros8(w))-before, 7)
	}
	if !ords {
		return set & (1<<(n+2) - 1)
	}
	for _, o := range s.ords {
		if d := nth(o, before, n); d > 0 {
			set |= 1 << d
		}
	}
	return set & (1<<(n+2) - 1)
}

// nth returns the day, from 1 to n, of a numbered weekday in a span of n days,
// or 0 if there is none; before is the weekday of the day before the span.
func nth(o WeekdayNum, before, n int64) int64 {
	first := floorMod(int64(o.Day)-before-1, 7) + 1
	d := first + 7*int64(o.N-1)
	if o.N < 0 {
		last := first + (n-first)/7*7
		d = last + 7*int64(o.N+1)
	}
	if d < 1 || d > n {
		return 0
	}
	return d
}

// yearSet collects days of a year in order: bit 16 is 1 January. Weeks and
// SKIP reach a little over both ends.
type yearSet struct {
	jan1 int64
	bits [7]uint64
}

func (ys *yearSet) add(day int64) {
	i := day - ys.jan1 + 16
	ys.bits[i>>6] |= 1 << (i & 63)
}

func (ys *yearSet) appendTo(list []int64) []int64 {
	for w, b := range ys.bits {
		for ; b != 0; b &= b - 1 {
			day := ys.jan1 - 16 + int64(w<<6+bits.TrailingZeros64(b))
			list = append(list, day*daySecs)
		}
	}
	return list
}

// yearDays appends the days of a YEARLY period as civil seconds.
//
// BYMONTHDAY without BYMONTH and BYDAY means days of DTSTART's month: RFC 5545
// says that a missing BYMONTH comes from DTSTART, and libical agrees.
func (s *series) yearDays(y int64, list []int64) []int64 {
	jan1 := daysOf(y, 1, 1)
	ys := yearSet{jan1: jan1}
	switch {
	case s.wkPos|s.wkNeg != 0:
		s.addWeeks(&ys, y)
	case s.ydPos != nil:
		s.addYearDays(&ys, y)
	case s.mdPos|s.mdNeg == 0 && s.months == 0 && !s.monthDefault:
		n := yearLen(y)
		before := weekdayOf(jan1 - 1)
		for w := s.wdays; w != 0; w &= w - 1 {
			for d := floorMod(int64(bits.TrailingZeros8(w))-before-1, 7); d < n; d += 7 {
				ys.add(jan1 + d)
			}
		}
		for _, o := range s.ords {
			if d := nth(o, before, n); d > 0 {
				ys.add(jan1 + d - 1)
			}
		}
	case s.monthDefault:
		s.addMonth(&ys, y, s.month0)
	default:
		for m := int64(1); m <= 12; m++ {
			if s.months == 0 || s.months>>m&1 != 0 {
				s.addMonth(&ys, y, m)
			}
		}
	}
	return ys.appendTo(list)
}

func (s *series) addMonth(ys *yearSet, y, m int64) {
	first := daysOf(y, m, 1)
	inMonth := s.months != 0
	for b := s.monthDays(y, m, inMonth); b != 0; b &= b - 1 {
		day := first + int64(bits.TrailingZeros64(b)) - 1
		if inMonth || len(s.ords) == 0 || s.byDayInYear(day, y) {
			ys.add(day)
		}
	}
}

// addWeeks expands BYWEEKNO; every other day part limits it. A missing week 53
// follows SKIP. RFC 7529 §4.1, item 8.
func (s *series) addWeeks(ys *yearSet, y int64) {
	first := s.firstWeek(y)
	weeks := (s.firstWeek(y+1) - first) / 7
	for w := int64(0); w <= 54; w++ {
		asked := false
		switch {
		case w >= 1 && w <= weeks:
			asked = s.wkPos>>w&1 != 0 || s.wkNeg>>(weeks+1-w)&1 != 0 ||
				s.skip == SkipBackward && w == weeks && s.wkPos>>(weeks+1) != 0 ||
				s.skip == SkipForward && w == 1 && s.wkNeg>>(weeks+1) != 0
		case w == weeks+1:
			asked = s.skip == SkipForward && s.wkPos>>w != 0
		case w == 0:
			asked = s.skip == SkipBackward && s.wkNeg>>(weeks+1) != 0
		}
		if !asked {
			continue
		}
		for day := first + 7*(w-1); day < first+7*w; day++ {
			wd := weekdayOf(day)
			if s.weekdayIsDefault && wd != s.weekday0 || s.wdays != 0 && s.wdays>>wd&1 == 0 {
				continue
			}
			dy, dm, dd := dateOf(day)
			if (s.months == 0 || s.months>>dm&1 != 0) && s.monthDayOK(dy, dm, dd) && s.yearDayOK(day, dy) {
				ys.add(day)
			}
		}
	}
}

func (s *series) addYearDays(ys *yearSet, y int64) {
	n := yearLen(y)
	try := func(d int64) {
		day := ys.jan1 + d - 1
		dy, m, md := dateOf(day)
		if (s.months == 0 || s.months>>m&1 != 0) && s.monthDayOK(dy, m, md) && s.byDayOK(day, dy, m) {
			ys.add(day)
		}
	}
	for d := int64(1); d <= 366; d++ {
		if s.ydPos[d>>6]>>(d&63)&1 != 0 {
			switch {
			case d <= n || s.skip == SkipForward:
				try(d)
			case s.skip == SkipBackward:
				try(n)
			}
		}
		if s.ydNeg[d>>6]>>(d&63)&1 != 0 {
			switch {
			case d <= n || s.skip == SkipBackward:
				try(n + 1 - d)
			case s.skip == SkipForward:
				try(1)
			}
		}
	}
}

// byDayOK is BYDAY as a limit: numbers count in the month when BYMONTH is
// there, else in the year. RFC 5545 §3.3.10, note 2.
func (s *series) byDayOK(day, y, m int64) bool {
	if s.wdays == 0 && len(s.ords) == 0 {
		return true
	}
	if s.months == 0 {
		return s.byDayInYear(day, y)
	}
	return s.monthWeekdays(y, m, true)>>(day-daysOf(y, m, 0))&1 != 0
}

func (s *series) byDayInYear(day, y int64) bool {
	if s.wdays>>weekdayOf(day)&1 != 0 {
		return true
	}
	jan1 := daysOf(y, 1, 1)
	before := weekdayOf(jan1 - 1)
	for _, o := range s.ords {
		if nth(o, before, yearLen(y)) == day-jan1+1 {
			return true
		}
	}
	return false
}
