package recur

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"factotum/server/ical"
)

// Freq is the FREQ part of a rule.
type Freq uint8

// The frequencies, from the shortest period to the longest.
const (
	Secondly Freq = iota + 1
	Minutely
	Hourly
	Daily
	Weekly
	Monthly
	Yearly
)

var freqNames = [...]string{"", "SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}

func (f Freq) String() string { return freqNames[f] }

// Skip says what becomes of an invalid date such as 30 February. RFC 7529 §4.1.
type Skip uint8

// The values of SKIP.
const (
	SkipOmit Skip = iota
	SkipBackward
	SkipForward
)

var skipNames = [...]string{"OMIT", "BACKWARD", "FORWARD"}

func (s Skip) String() string { return skipNames[s] }

// WeekdayNum is one BYDAY value: every such weekday, or the nth one when N is
// not 0, counted from the end when N is negative.
type WeekdayNum struct {
	N   int
	Day time.Weekday
}

var dayNames = [...]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

func (w WeekdayNum) String() string {
	if w.N == 0 {
		return dayNames[w.Day]
	}
	return strconv.Itoa(w.N) + dayNames[w.Day]
}

// Rule is a parsed RECUR value. RFC 5545 §3.3.10, RFC 7529 §4.
type Rule struct {
	Freq     Freq
	Interval int // 1 or more
	Count    int // 0: no COUNT
	Until    ical.DateTime
	HasUntil bool

	BySecond, ByMinute, ByHour []int
	ByDay                      []WeekdayNum
	ByMonthDay, ByYearDay      []int
	ByWeekNo, ByMonth          []int
	BySetPos                   []int
	WeekStart                  time.Weekday // Monday unless WKST says otherwise

	RScale string // "GREGORIAN", or empty
	Skip   Skip
}

const (
	maxNumber  = 1 << 31 // a larger COUNT or INTERVAL has the same effect
	maxByItems = 1000    // values in one BY part
)

// ErrScale is of a rule that goes by another calendar. RFC 7529 §10.
var ErrScale = errors.New("only the GREGORIAN calendar scale is supported")

// ParseRule reads a RECUR value. It forgives lower case, blanks, empty parts
// (a trailing semicolon) and unknown X- parts; what it cannot mean it refuses
// with the part's name. RSCALE knows GREGORIAN only. RFC 5545 §3.3.10.
func ParseRule(s string) (*Rule, error) {
	r := &Rule{Interval: 1, WeekStart: time.Monday}
	seen, hasSkip := 0, false
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("rule part %.20q has no value", part)
		}
		name, value = upper(strings.TrimSpace(name)), upper(strings.TrimSpace(value))
		bit := partIndex(name)
		if bit < 0 {
			if strings.HasPrefix(name, "X-") {
				continue
			}
			return nil, fmt.Errorf("unknown rule part %.20q", name)
		}
		if seen&(1<<bit) != 0 {
			return nil, fmt.Errorf("rule part %s is there twice", name)
		}
		seen |= 1 << bit
		hasSkip = hasSkip || name == "SKIP"
		if err := r.setPart(name, value); err != nil {
			return nil, fmt.Errorf("rule part %s: %w", name, err)
		}
	}
	switch {
	case r.Freq == 0:
		return nil, fmt.Errorf("rule has no FREQ")
	case r.Count > 0 && r.HasUntil:
		return nil, fmt.Errorf("rule has both COUNT and UNTIL")
	case hasSkip && r.RScale == "":
		return nil, fmt.Errorf("SKIP needs RSCALE (RFC 7529)")
	}
	return r, nil
}

// upper avoids an allocation where there is nothing to change.
func upper(s string) string {
	for i := range len(s) {
		if 'a' <= s[i] && s[i] <= 'z' || s[i] >= 0x80 {
			return strings.ToUpper(s)
		}
	}
	return s
}

var partNames = [...]string{"FREQ", "UNTIL", "COUNT", "INTERVAL", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY",
	"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "WKST", "RSCALE", "SKIP"}

func partIndex(name string) int {
	for i, n := range partNames {
		if n == name {
			return i
		}
	}
	return -1
}

func (r *Rule) setPart(name, value string) (err error) {
	switch name {
	case "FREQ":
		f := indexOf(freqNames[:], value)
		if f < 1 {
			return fmt.Errorf("unknown frequency %.20q", value)
		}
		r.Freq = Freq(f)
	case "INTERVAL":
		r.Interval, err = parseNumber(value)
	case "COUNT":
		r.Count, err = parseNumber(value)
	case "UNTIL":
		r.HasUntil = true
		r.Until, err = ical.ParseDateTime(value, "", false)
	case "BYSECOND":
		r.BySecond, err = parseInts(value, 0, 60)
	case "BYMINUTE":
		r.ByMinute, err = parseInts(value, 0, 59)
	case "BYHOUR":
		r.ByHour, err = parseInts(value, 0, 23)
	case "BYDAY":
		r.ByDay, err = parseWeekdays(value)
	case "BYMONTHDAY":
		r.ByMonthDay, err = parseInts(value, -31, 31)
	case "BYYEARDAY":
		r.ByYearDay, err = parseInts(value, -366, 366)
	case "BYWEEKNO":
		r.ByWeekNo, err = parseInts(value, -53, 53)
	case "BYMONTH":
		r.ByMonth, err = parseInts(value, 1, 12)
	case "BYSETPOS":
		r.BySetPos, err = parseInts(value, -366, 366)
	case "WKST":
		d := indexOf(dayNames[:], value)
		if d < 0 {
			return fmt.Errorf("no weekday %.10q", value)
		}
		r.WeekStart = time.Weekday(d)
	case "RSCALE":
		if value != "GREGORIAN" {
			return fmt.Errorf("%w, not %.30q", ErrScale, value)
		}
		r.RScale = value
	case "SKIP":
		k := indexOf(skipNames[:], value)
		if k < 0 {
			return fmt.Errorf("%.20q is not OMIT, BACKWARD or FORWARD", value)
		}
		r.Skip = Skip(k)
	}
	return err
}

func indexOf(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}

func parseNumber(s string) (int, error) {
	n, digits := 0, strings.TrimPrefix(s, "+")
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.20q is not a positive number", s)
		}
		n = min(n*10+int(c-'0'), maxNumber)
	}
	if n == 0 {
		return 0, fmt.Errorf("%.20q is not a positive number", s)
	}
	return n, nil
}

// parseInts reads a comma list within [lo,hi]; 0 is refused where negative
// numbers count from the end.
func parseInts(s string, lo, hi int) ([]int, error) {
	n := strings.Count(s, ",") + 1
	if n > maxByItems {
		return nil, fmt.Errorf("more than %d values", maxByItems)
	}
	list := make([]int, 0, n)
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		i, err := strconv.Atoi(v)
		if err != nil || i < lo || i > hi || i == 0 && lo < 0 {
			return nil, fmt.Errorf("%.20q is not a number it can have", v)
		}
		list = append(list, i)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no value")
	}
	return list, nil
}

func parseWeekdays(s string) ([]WeekdayNum, error) {
	n := strings.Count(s, ",") + 1
	if n > maxByItems {
		return nil, fmt.Errorf("more than %d values", maxByItems)
	}
	list := make([]WeekdayNum, 0, n)
	for v := range strings.SplitSeq(s, ",") {
		v = strings.TrimSpace(v)
		if v == "" {
			continue
		}
		num := strings.TrimSpace(v[:max(0, len(v)-2)])
		d := indexOf(dayNames[:], v[max(0, len(v)-2):])
		if d < 0 {
			return nil, fmt.Errorf("%.20q is not a weekday", v)
		}
		w := WeekdayNum{Day: time.Weekday(d)}
		if num != "" {
			i, err := strconv.Atoi(num)
			if err != nil || i == 0 || i < -53 || i > 53 {
				return nil, fmt.Errorf("%.20q is not a weekday", v)
			}
			w.N = i
		}
		list = append(list, w)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no value")
	}
	return list, nil
}

// String writes the rule with FREQ first, which RFC 5545 §3.3.10 asks of
// writers; parts at their default are left out.
func (r *Rule) String() string {
	b := make([]byte, 0, 64)
	if r.RScale != "" {
		// RFC 7529 §4.2 lets RSCALE stand anywhere; its examples put it first.
		b = append(append(append(b, "RSCALE="...), r.RScale...), ';')
	}
	b = append(append(b, "FREQ="...), r.Freq.String()...)
	if r.HasUntil {
		b = r.Until.Append(append(b, ";UNTIL="...))
	}
	if r.Count > 0 {
		b = strconv.AppendInt(append(b, ";COUNT="...), int64(r.Count), 10)
	}
	if r.Interval > 1 {
		b = strconv.AppendInt(append(b, ";INTERVAL="...), int64(r.Interval), 10)
	}
	b = appendInts(b, "BYSECOND", r.BySecond)
	b = appendInts(b, "BYMINUTE", r.ByMinute)
	b = appendInts(b, "BYHOUR", r.ByHour)
	for i, w := range r.ByDay {
		b = append(append(b, sep(i, "BYDAY")...), w.String()...)
	}
	b = appendInts(b, "BYMONTHDAY", r.ByMonthDay)
	b = appendInts(b, "BYYEARDAY", r.ByYearDay)
	b = appendInts(b, "BYWEEKNO", r.ByWeekNo)
	b = appendInts(b, "BYMONTH", r.ByMonth)
	b = appendInts(b, "BYSETPOS", r.BySetPos)
	if r.WeekStart != time.Monday {
		b = append(append(b, ";WKST="...), dayNames[r.WeekStart]...)
	}
	if r.Skip != SkipOmit {
		b = append(append(b, ";SKIP="...), r.Skip.String()...)
	}
	return string(b)
}

func sep(i int, name string) string {
	if i > 0 {
		return ","
	}
	return ";" + name + "="
}

func appendInts(b []byte, name string, list []int) []byte {
	for i, n := range list {
		b = strconv.AppendInt(append(b, sep(i, name)...), int64(n), 10)
	}
	return b
}
