package locale

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/recur"
)

// rules are the sentences of one language about how often something takes place.
// n is the interval; of each nth, -1 is the last.
type rules struct {
	daily    func(n int) string
	workdays func(n int) string // Monday to Friday
	weekly   func(l *Locale, n int, days []time.Weekday) string
	monthDay func(l *Locale, n int, days []int) string
	monthNth func(l *Locale, n int, nths []int, day int) string // day: a Weekday, or workday
	yearDay  func(m Manner, n int, month time.Month, day int) string
	yearNth  func(l *Locale, n int, month time.Month, nths []int, day int) string
	times    func(n int) string
	until    func(date string) string
	other    string // there is a rule, and it is not told
	dates    string // on single dates beside a rule, or without one
}

// workday is Monday to Friday, where there is an nth of them.
const workday = 7

var monToFri = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

// Series is how often something takes place.
type Series struct {
	Rule  *recur.Rule // nil: on single dates
	Start Moment      // in the zone of the series
	Shift int         // by how many days the reader's date of an instance is later than that of the series
	Until Moment      // the rule's last date, for the reader; zero where it has none
	Dates bool        // it takes place on single dates too
	Zone  string      // of the series, told where its days are not the reader's
}

// Often tells how often something takes place: every Tuesday, until 30 June 2026.
// Of rules that are not common it says only that there is one.
func (m Manner) Often(s Series) string {
	if s.Rule == nil {
		return m.rules.dates
	}
	text, moved := m.rule(s)
	if text == "" {
		return m.rules.other
	}
	if s.Rule.Count > 0 {
		text += m.rules.times(s.Rule.Count)
	}
	if s.Rule.HasUntil && !s.Until.Civil.IsZero() {
		text += m.rules.until(m.FullDate(s.Until))
	}
	if s.Dates {
		text += m.comma + m.rules.dates
	}
	if s.Shift != 0 && !moved && s.Zone != "" {
		text += " (" + s.Zone + ")"
	}
	return text
}

// rule tells the rule alone, "" if it is none of the common ones. moved says that
// the days told are the reader's.
func (m Manner) rule(s Series) (text string, moved bool) {
	r, l := s.Rule, m.Locale
	if len(r.BySecond)+len(r.ByMinute)+len(r.ByHour)+len(r.ByYearDay)+len(r.ByWeekNo) > 0 || r.Skip != recur.SkipOmit {
		return "", false
	}
	start := s.Start.Civil
	switch r.Freq {
	case recur.Daily:
		if len(r.ByMonthDay)+len(r.ByMonth)+len(r.BySetPos) > 0 {
			return "", false
		}
		if len(r.ByDay) == 0 {
			return l.rules.daily(r.Interval), true
		}
		if r.Interval == 1 {
			return m.week(r, s.Shift)
		}
	case recur.Weekly:
		if len(r.ByMonthDay)+len(r.ByMonth)+len(r.BySetPos) > 0 {
			return "", false
		}
		if len(r.ByDay) == 0 {
			return l.rules.weekly(l, r.Interval, []time.Weekday{shifted(start.Weekday(), s.Shift)}), true
		}
		return m.week(r, s.Shift)
	case recur.Monthly:
		return m.month(r, start.Day()), false
	case recur.Yearly:
		return m.yearly(r, start), false
	}
	return "", false
}

func shifted(d time.Weekday, by int) time.Weekday { return time.Weekday(((int(d)+by)%7 + 7) % 7) }

// week tells the days of a week.
func (m Manner) week(r *recur.Rule, shift int) (string, bool) {
	var days []time.Weekday
	for _, d := range r.ByDay {
		if d.N != 0 {
			return "", false
		}
		if day := shifted(d.Day, shift); !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	slices.SortFunc(days, func(a, b time.Weekday) int { return (int(a)+6)%7 - (int(b)+6)%7 })
	switch {
	case len(days) == 7 && r.Interval == 1:
		return m.rules.daily(1), true
	case slices.Equal(days, monToFri):
		return m.rules.workdays(r.Interval), true
	}
	return m.rules.weekly(m.Locale, r.Interval, days), true
}

// month tells the days of a month.
func (m Manner) month(r *recur.Rule, day int) string {
	if len(r.ByMonth) > 0 {
		return ""
	}
	if nths, day, ok := nthOf(r); ok {
		if day == everyDay {
			return m.rules.monthDay(m.Locale, r.Interval, nths)
		}
		return m.rules.monthNth(m.Locale, r.Interval, nths, day)
	}
	if len(r.ByDay)+len(r.BySetPos) > 0 {
		return ""
	}
	days := r.ByMonthDay
	if len(days) == 0 {
		days = []int{day}
	}
	for _, d := range days {
		if d < -1 {
			return ""
		}
	}
	return m.rules.monthDay(m.Locale, r.Interval, days)
}

// yearly tells a day of the year.
func (m Manner) yearly(r *recur.Rule, start time.Time) string {
	month := start.Month()
	switch len(r.ByMonth) {
	case 0:
		if len(r.ByDay)+len(r.ByMonthDay)+len(r.BySetPos) > 0 {
			return ""
		}
	case 1:
		month = time.Month(r.ByMonth[0])
	default:
		return ""
	}
	if month < 1 || month > 12 {
		return ""
	}
	if nths, day, ok := nthOf(r); ok && day != everyDay {
		return m.rules.yearNth(m.Locale, r.Interval, month, nths, day)
	}
	if len(r.ByDay)+len(r.BySetPos) > 0 || len(r.ByMonthDay) > 1 {
		return ""
	}
	day := start.Day()
	if len(r.ByMonthDay) == 1 {
		if day = r.ByMonthDay[0]; day < 1 {
			return ""
		}
	}
	return m.rules.yearDay(m, r.Interval, month, day)
}

// everyDay is any day, where there is an nth of them.
const everyDay = 8

// nthOf finds the nth weekday that a rule means: 2TU, or TU with BYSETPOS=2, or
// the working days or all days with BYSETPOS.
func nthOf(r *recur.Rule) (nths []int, day int, ok bool) {
	if len(r.ByDay) == 0 || len(r.ByMonthDay) > 0 {
		return nil, 0, false
	}
	day = int(r.ByDay[0].Day)
	if r.ByDay[0].N != 0 {
		if len(r.BySetPos) > 0 {
			return nil, 0, false
		}
		for _, d := range r.ByDay {
			if int(d.Day) != day || !sayable(d.N) {
				return nil, 0, false
			}
			nths = append(nths, d.N)
		}
		return nths, day, true
	}
	var days []time.Weekday
	for _, d := range r.ByDay {
		if d.N != 0 {
			return nil, 0, false
		}
		days = append(days, d.Day)
	}
	slices.Sort(days)
	days = slices.Compact(days)
	switch {
	case len(days) == 1:
	case slices.Equal(days, monToFri):
		day = workday
	case len(days) == 7 && slices.Equal(r.BySetPos, []int{-1}):
		day = everyDay
	default:
		return nil, 0, false
	}
	if len(r.BySetPos) == 0 || slices.ContainsFunc(r.BySetPos, func(n int) bool { return !sayable(n) }) {
		return nil, 0, false
	}
	return r.BySetPos, day, true
}

// sayable are those that every language here has a word for.
func sayable(nth int) bool { return nth == -1 || 1 <= nth && nth <= 5 }

// mapped applies a function to each and joins the results as a list.
func mapped[T any](l *Locale, items []T, word func(T) string) string {
	words := make([]string, len(items))
	for i, it := range items {
		words[i] = word(it)
	}
	return l.List(words)
}

// fill puts a number into a sentence.
func fill(s string, n int) string { return strings.ReplaceAll(s, "{n}", strconv.Itoa(n)) }
