package recur

import (
	"slices"

	"factotum/server/ical"
)

// series is a rule bound to a start, in civil seconds. It does not change once
// it is compiled, and any number of cursors may walk over it.
//
// Periods are numbered from 0, the one that holds DTSTART. A period has some
// bases (days, or one hour, minute or second) and the same times within each.
type series struct {
	freq     Freq
	interval int64
	skip     Skip
	wkst     int64
	start    int64
	limit    int64 // the last civil second that can be an instance
	unit     int64 // seconds of a period, for WEEKLY and shorter
	base     int64 // period 0: unit number, first day of the week, month number or year
	times    []int64
	setpos   []int

	// What BYDAY, BYMONTHDAY and so on say, as bit sets.
	months           uint32
	mdPos, mdNeg     uint32 // bit n: day n, or the nth day from the end
	ydPos, ydNeg     *[6]uint64
	wkPos, wkNeg     uint64
	wdays            uint8 // weekdays without a number
	ords             []WeekdayNum
	hours            uint32
	minutes, seconds uint64

	filtered         bool  // dayOK has something to say for this frequency
	limitDays        uint8 // weekdays that dayOK lets pass, 0 for all
	day0, month0     int64 // day of the month and month of DTSTART
	weekday0         int64
	never            bool // no date can match
	monthDefault     bool // YEARLY takes DTSTART's month, where BYMONTH is missing
	weekdayIsDefault bool // BYWEEKNO alone takes DTSTART's weekday
}

// newSeries binds a rule to its start. A DATE start ignores the parts that
// speak of a time of day (RFC 5545 §3.3.10); a frequency below DAILY then
// counts in days.
func newSeries(r *Rule, start int64, isDate bool, limit int64) *series {
	s := &series{freq: r.Freq, interval: int64(max(1, r.Interval)), skip: r.Skip, wkst: int64(r.WeekStart),
		start: start, limit: min(limit, maxCivil)}
	if isDate {
		s.start = floorDiv(start, daySecs) * daySecs
		if s.freq < Daily {
			s.interval = ceilDiv(s.interval*unitOf(s.freq), daySecs)
			s.freq = Daily
		}
	}
	day := floorDiv(s.start, daySecs)
	_, s.month0, s.day0 = dateOf(day)
	s.weekday0 = weekdayOf(day)
	s.unit = unitOf(s.freq)
	s.setBits(r)
	s.setTimes(r, isDate)
	s.setFilter()
	if len(r.BySetPos) > 0 {
		s.setpos = r.BySetPos
	}
	s.setBase()
	if r.Count > 0 {
		s.limit = min(s.limit, s.nth(int64(r.Count)))
	}
	return s
}

func unitOf(f Freq) int64 {
	switch f {
	case Secondly:
		return 1
	case Minutely:
		return 60
	case Hourly:
		return 3600
	case Daily:
		return daySecs
	case Weekly:
		return 7 * daySecs
	}
	return 0
}

func (s *series) setBits(r *Rule) {
	for _, m := range r.ByMonth {
		s.months |= 1 << m
	}
	for _, d := range r.ByMonthDay {
		if d > 0 {
			s.mdPos |= 1 << d
		} else {
			s.mdNeg |= 1 << -d
		}
	}
	if len(r.ByYearDay) > 0 {
		s.ydPos, s.ydNeg = new([6]uint64), new([6]uint64)
		for _, d := range r.ByYearDay {
			if d > 0 {
				s.ydPos[d>>6] |= 1 << (d & 63)
			} else {
				s.ydNeg[-d>>6] |= 1 << (-d & 63)
			}
		}
	}
	for _, w := range r.ByWeekNo {
		if w > 0 {
			s.wkPos |= 1 << w
		} else {
			s.wkNeg |= 1 << -w
		}
	}
	// A number before a weekday means something to MONTHLY and YEARLY only,
	// and not beside BYWEEKNO; elsewhere it is ignored. RFC 5545 §3.3.10.
	numbered := s.freq >= Monthly && len(r.ByWeekNo) == 0
	for _, w := range r.ByDay {
		if w.N != 0 && numbered {
			s.ords = append(s.ords, w)
		} else {
			s.wdays |= 1 << w.Day
		}
	}
}

// setTimes splits BYHOUR, BYMINUTE and BYSECOND into those that expand a
// period and those that limit periods.
func (s *series) setTimes(r *Rule, isDate bool) {
	if isDate {
		s.times = []int64{0}
		return
	}
	sec := floorMod(s.start, daySecs)
	if s.freq >= Daily && len(r.ByHour)+len(r.ByMinute)+len(r.BySecond) == 0 {
		s.times = []int64{sec}
		return
	}
	hours, minutes, seconds := []int{0}, []int{0}, []int{0}
	if s.freq >= Daily {
		hours = orDefault(r.ByHour, sec/3600)
	} else {
		for _, h := range r.ByHour {
			s.hours |= 1 << h
		}
	}
	if s.freq >= Hourly {
		minutes = orDefault(r.ByMinute, sec/60%60)
	} else {
		for _, m := range r.ByMinute {
			s.minutes |= 1 << m
		}
	}
	if s.freq >= Minutely {
		seconds = orDefault(r.BySecond, sec%60)
	} else {
		for _, v := range r.BySecond {
			s.seconds |= 1 << min(v, 59)
		}
	}
	s.times = make([]int64, 0, len(hours)*len(minutes)*len(seconds))
	for _, h := range hours {
		for _, m := range minutes {
			for _, v := range seconds {
				s.times = append(s.times, int64(h*3600+m*60+v))
			}
		}
	}
}

// orDefault returns list sorted and without doubles, 60 read as 59.
func orDefault(list []int, def int64) []int {
	if len(list) == 0 {
		return []int{int(def)}
	}
	list = slices.Clone(list)
	for i, v := range list {
		list[i] = min(v, 59)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// setFilter decides which day parts limit and which expand. RFC 5545 §3.3.10,
// table. Parts that the table calls N/A limit.
func (s *series) setFilter() {
	hasMD := s.mdPos|s.mdNeg != 0
	switch s.freq {
	case Yearly:
		s.monthDefault = s.months == 0 && s.wdays == 0 && len(s.ords) == 0
		s.weekdayIsDefault = s.wdays == 0 && !hasMD && s.ydPos == nil
	case Monthly:
		s.filtered = s.ydPos != nil || s.wkPos|s.wkNeg != 0
	case Weekly:
		s.filtered = s.months != 0 || hasMD || s.ydPos != nil || s.wkPos|s.wkNeg != 0
		if s.wdays == 0 {
			s.wdays = 1 << s.weekday0
		}
	default:
		s.limitDays = s.wdays
		s.filtered = s.limitDays != 0 || s.months != 0 || hasMD || s.ydPos != nil || s.wkPos|s.wkNeg != 0
		s.never = hasMD && !s.someMonthDay()
	}
}

// someMonthDay tells whether any month has one of the days of BYMONTHDAY.
func (s *series) someMonthDay() bool {
	for m := int64(1); m <= 12; m++ {
		longest := monthLen(2000, m)
		fits := uint32(1)<<(longest+1) - 1
		if (s.months == 0 || s.months>>m&1 != 0) && (s.mdPos|s.mdNeg)&fits != 0 {
			return true
		}
	}
	return false
}

func (s *series) setBase() {
	day := floorDiv(s.start, daySecs)
	switch s.freq {
	case Weekly:
		s.base = day - floorMod(s.weekday0-s.wkst, 7)
	case Monthly:
		y, m, _ := dateOf(day)
		s.base = y*12 + m - 1
	case Yearly:
		y, _, _ := dateOf(day)
		s.base = y
		if s.wkPos|s.wkNeg != 0 {
			s.base = s.weekYear(y, day)
		}
	default:
		s.base = floorDiv(s.start, s.unit)
	}
}

// weekYear finds the year whose weeks begin the series: a start in the first
// days of January may belong to the last week of the year before, one at the
// end of December to the first week of the next. This matters to INTERVAL.
func (s *series) weekYear(y, day int64) int64 {
	before := s.yearDays(y-1, nil)
	if n := len(before); n > 0 && before[n-1] >= day*daySecs {
		return y - 1
	}
	if slices.Contains(s.yearDays(y+1, nil), day*daySecs) {
		return y + 1
	}
	return y
}

// contains tells whether the rule yields civ.
func (s *series) contains(civ int64) bool {
	steps := 10_000
	c := s.cursor(&steps)
	c.seek(civ)
	got, ok := c.next()
	return ok && got == civ
}

// untilLimit turns UNTIL into the last civil second, given the start's kind
// and zone (nil for DATE and floating).
//
// A DATE against a DATE-TIME start includes that day, as clients mean it; a
// DATE-TIME against a DATE start counts by its date as written.
func untilLimit(u, start ical.DateTime, zone *tz) int64 {
	civ := civilOf(u)
	switch {
	case u.Kind == ical.Date:
		return civ + daySecs - 1
	case start.Kind == ical.Date:
		return floorDiv(civ, daySecs) * daySecs
	case u.Kind == ical.UTC && zone != nil:
		return zone.civil(civ)
	}
	return civ
}
