package recur

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive expands a rule the slow, obvious way: it looks at every period from
// DTSTART on, at every day or second in it, and asks each part in turn. It has
// nothing in common with the engine; dates come from package time.
type naive struct {
	r     *Rule
	start time.Time
	times []time.Duration // of the day, or of the hour, minute or second
	year0 int
}

func newNaive(r *Rule, start time.Time) *naive {
	n := &naive{r: r, start: start, year0: start.Year()}
	or := func(list []int, def int, expand bool) []int {
		if !expand {
			return []int{0}
		}
		if len(list) == 0 {
			return []int{def}
		}
		return list
	}
	set := map[time.Duration]bool{}
	for _, h := range or(r.ByHour, start.Hour(), r.Freq >= Daily) {
		for _, m := range or(r.ByMinute, start.Minute(), r.Freq >= Hourly) {
			for _, s := range or(r.BySecond, start.Second(), r.Freq >= Minutely) {
				set[time.Duration(h)*time.Hour+time.Duration(m)*time.Minute+time.Duration(min(s, 59))*time.Second] = true
			}
		}
	}
	for d := range set {
		n.times = append(n.times, d)
	}
	slices.Sort(n.times)
	if r.Freq == Yearly && len(r.ByWeekNo) > 0 {
		// INTERVAL counts from the year whose weeks hold the first instance.
		for _, y := range []int{start.Year() - 1, start.Year() + 1} {
			for _, d := range n.yearDays(y) {
				at := dayOf(start)
				if d.Equal(at) || y < start.Year() && d.After(at) {
					n.year0 = y
				}
			}
		}
	}
	return n
}

func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

func in(list []int, v, length int) bool {
	return slices.Contains(list, v) || length > 0 && slices.Contains(list, v-length-1)
}

func daysInMonth(d time.Time) int {
	return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func daysInYear(y int) int { return time.Date(y, 12, 31, 0, 0, 0, 0, time.UTC).YearDay() }

// weekOf returns the year, number and count of the weeks of the year of a day.
func (n *naive) weekOf(d time.Time) (year, no, weeks int) {
	// The week belongs to the year of its fourth day.
	first := d.AddDate(0, 0, -(int(d.Weekday())-int(n.r.WeekStart)+7)%7)
	fourth := first.AddDate(0, 0, 3)
	year, no = fourth.Year(), (fourth.YearDay()-1)/7+1
	last := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
	lastFourth := last.AddDate(0, 0, -(int(last.Weekday())-int(n.r.WeekStart)+7)%7+3)
	if lastFourth.Year() > year {
		lastFourth = lastFourth.AddDate(0, 0, -7)
	}
	return year, no, (lastFourth.YearDay()-1)/7 + 1
}

func (n *naive) byDay(d time.Time) bool {
	r := n.r
	if len(r.ByDay) == 0 {
		return true
	}
	for _, w := range r.ByDay {
		if w.Day != d.Weekday() {
			continue
		}
		if w.N == 0 || r.Freq < Monthly || len(r.ByWeekNo) > 0 {
			return true
		}
		pos, length := d.YearDay(), daysInYear(d.Year())
		if r.Freq == Monthly || len(r.ByMonth) > 0 {
			pos, length = d.Day(), daysInMonth(d)
		}
		if w.N > 0 && (pos-1)/7+1 == w.N || w.N < 0 && (length-pos)/7+1 == -w.N {
			return true
		}
	}
	return false
}

// dayOK asks all day parts, with what comes from DTSTART where they are missing.
func (n *naive) dayOK(d time.Time) bool {
	r := n.r
	if len(r.ByMonth) > 0 && !slices.Contains(r.ByMonth, int(d.Month())) ||
		len(r.ByMonthDay) > 0 && !in(r.ByMonthDay, d.Day(), daysInMonth(d)) ||
		len(r.ByYearDay) > 0 && !in(r.ByYearDay, d.YearDay(), daysInYear(d.Year())) ||
		!n.byDay(d) {
		return false
	}
	if len(r.ByWeekNo) > 0 {
		if _, no, weeks := n.weekOf(d); !in(r.ByWeekNo, no, weeks) {
			return false
		}
	}
	noDay := len(r.ByDay) == 0
	switch r.Freq {
	case Yearly:
		free := noDay && len(r.ByYearDay) == 0 && len(r.ByMonthDay) == 0
		if len(r.ByWeekNo) > 0 {
			return !free || d.Weekday() == n.start.Weekday()
		}
		if free && d.Day() != n.start.Day() {
			return false
		}
		return !(noDay && len(r.ByYearDay) == 0 && len(r.ByMonth) == 0) || d.Month() == n.start.Month()
	case Monthly:
		return !(noDay && len(r.ByMonthDay) == 0) || d.Day() == n.start.Day()
	case Weekly:
		return !noDay || d.Weekday() == n.start.Weekday()
	}
	return true
}

func (n *naive) yearDays(y int) (days []time.Time) {
	for d := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -7); d.Year() <= y || d.YearDay() < 8; d = d.AddDate(0, 0, 1) {
		of := d.Year()
		if len(n.r.ByWeekNo) > 0 {
			of, _, _ = n.weekOf(d)
		}
		if of == y && n.dayOK(d) {
			days = append(days, d)
		}
	}
	return days
}

// period returns the days (or the one unit) of a period that pass, and its
// first moment.
func (n *naive) period(k int) (bases []time.Time, first time.Time) {
	r, s := n.r, n.start
	day := dayOf(s)
	span := func(from time.Time, to time.Time) {
		first = from
		for d := from; d.Before(to); d = d.AddDate(0, 0, 1) {
			if n.dayOK(d) {
				bases = append(bases, d)
			}
		}
	}
	switch k *= r.Interval; r.Freq {
	case Yearly:
		y := n.year0 + k
		return n.yearDays(y), time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -7)
	case Monthly:
		from := time.Date(s.Year(), s.Month()+time.Month(k), 1, 0, 0, 0, 0, time.UTC)
		span(from, from.AddDate(0, 1, 0))
	case Weekly:
		from := day.AddDate(0, 0, 7*k-(int(s.Weekday())-int(r.WeekStart)+7)%7)
		span(from, from.AddDate(0, 0, 7))
	case Daily:
		span(day.AddDate(0, 0, k), day.AddDate(0, 0, k+1))
	default:
		unit := time.Duration(unitOf(r.Freq)) * time.Second
		first = s.Truncate(unit).Add(time.Duration(k) * unit)
		if n.dayOK(dayOf(first)) && (len(r.ByHour) == 0 || slices.Contains(r.ByHour, first.Hour())) &&
			(r.Freq > Minutely || len(r.ByMinute) == 0 || slices.Contains(r.ByMinute, first.Minute())) &&
			(r.Freq > Secondly || len(r.BySecond) == 0 || slices.Contains(r.BySecond, first.Second())) {
			bases = append(bases, first)
		}
	}
	return bases, first
}

// expand lists the instances in [from,to) among the first Count.
func (n *naive) expand(from, to time.Time) (out []int64) {
	count := 0
	for k := 0; ; k++ {
		bases, first := n.period(k)
		if !first.Before(to) {
			return out
		}
		var set []time.Time
		for _, b := range bases {
			for _, d := range n.times {
				set = append(set, b.Add(d))
			}
		}
		for i, t := range set {
			if len(n.r.BySetPos) > 0 && !in(n.r.BySetPos, i+1, len(set)) || t.Before(n.start) {
				continue
			}
			if count++; n.r.Count > 0 && count > n.r.Count {
				return out
			}
			if !t.Before(from) && t.Before(to) {
				out = append(out, t.Unix())
			}
		}
	}
}

func drawRule(t *rapid.T) *Rule {
	r := &Rule{Freq: Freq(rapid.IntRange(int(Secondly), int(Yearly)).Draw(t, "freq")), WeekStart: time.Weekday(rapid.IntRange(0, 6).Draw(t, "wkst"))}
	r.Interval = rapid.SampledFrom([]int{1, 1, 1, 2, 3, 5, 7, 11, 61}).Draw(t, "interval")
	some := func(name string, odds int, g *rapid.Generator[int], max int) []int {
		if rapid.IntRange(0, odds).Draw(t, name+"?") > 0 {
			return nil
		}
		return rapid.SliceOfN(g, 1, max).Draw(t, name)
	}
	signed := func(max int) *rapid.Generator[int] {
		return rapid.Custom(func(t *rapid.T) int {
			return rapid.IntRange(1, max).Draw(t, "n") * rapid.SampledFrom([]int{1, 1, -1}).Draw(t, "sign")
		})
	}
	r.ByMonth = some("month", 3, rapid.IntRange(1, 12), 4)
	r.ByMonthDay = some("monthday", 3, signed(31), 5)
	r.ByHour = some("hour", 4, rapid.IntRange(0, 23), 3)
	r.ByMinute = some("minute", 5, rapid.IntRange(0, 59), 3)
	r.BySecond = some("second", 6, rapid.IntRange(0, 59), 3)
	if r.Freq == Yearly {
		r.ByYearDay = some("yearday", 5, signed(366), 9)
		r.ByWeekNo = some("weekno", 4, signed(53), 5)
	}
	if r.Freq < Daily {
		r.ByYearDay = some("yearday", 8, signed(366), 60)
	}
	if rapid.IntRange(0, 2).Draw(t, "byday?") == 0 {
		for range rapid.IntRange(1, 4).Draw(t, "days") {
			w := WeekdayNum{Day: time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))}
			if r.Freq >= Monthly && rapid.Bool().Draw(t, "nth?") {
				w.N = signed(map[bool]int{true: 53, false: 5}[r.Freq == Yearly]).Draw(t, "nth")
			}
			r.ByDay = append(r.ByDay, w)
		}
	}
	r.BySetPos = some("setpos", 6, signed(6), 3)
	return r
}

// TestRuleAgreesWithNaive compares a window at a random distance from DTSTART
// with the slow expansion.
func TestRuleAgreesWithNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRule(t)
		// How far the window is, and how long, in days: what naive can bear.
		far, long, day := 150, 30, daySecs
		if r.Freq == Secondly {
			day = 60 // in minutes then
		}
		switch r.Freq {
		case Yearly:
			far, long = 9000, 4000
		case Monthly, Weekly, Daily:
			far, long = 4000, 1500
		case Minutely:
			far, long = 4, 2
		}
		start := time.Date(2019, 12, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 4*366*daySecs).Draw(t, "start")) * time.Second)
		from := start.Add(time.Duration(rapid.IntRange(0, far*day).Draw(t, "from")) * time.Second)
		to := from.Add(time.Duration(rapid.IntRange(1, long*day).Draw(t, "to")) * time.Second)
		if rapid.Bool().Draw(t, "count?") {
			r.Count = rapid.IntRange(1, 300).Draw(t, "count")
		}
		checkWindow(t, r, start, from, to)
	})
}

// TestCountAgreesWithNaive lets COUNT end inside the window, where an error in
// the arithmetic must show.
func TestCountAgreesWithNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRule(t)
		days := map[Freq]int{Yearly: 20000, Monthly: 8000, Weekly: 3000, Daily: 3000, Hourly: 200, Minutely: 4}[r.Freq]
		start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 366*daySecs).Draw(t, "start")) * time.Second)
		end := start.AddDate(0, 0, days)
		if r.Freq == Secondly {
			end = start.Add(2 * time.Hour)
		}
		n := len(newNaive(r, start).expand(start, end))
		if n == 0 {
			t.Skip("nothing to count")
		}
		r.Count = rapid.IntRange(1, n).Draw(t, "count")
		checkWindow(t, r, start, start, end)
	})
}

func checkWindow(t *rapid.T, r *Rule, start, from, to time.Time) {
	s := newSeries(r, start.Unix(), false, maxCivil)
	steps := 10_000_000
	c := s.cursor(&steps)
	c.seek(from.Unix())
	var got []int64
	for at, ok := c.next(); ok && at < to.Unix(); at, ok = c.next() {
		got = append(got, at)
	}
	want := newNaive(r, start).expand(from, to)
	if !slices.Equal(got, want) {
		t.Fatalf("%s from %v in [%v, %v)\n got %v\nwant %v", r, start, from, to, brief(got), brief(want))
	}
}

func brief(list []int64) (out []string) {
	for _, v := range list[:min(len(list), 12)] {
		out = append(out, time.Unix(v, 0).UTC().Format("20060102T150405"))
	}
	return out
}
