package recur

import (
	"errors"
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

// Skip says what becomes of an invalid date such as 30 February. RFC 7529 §4.1.
type Skip uint8

// The values of SKIP.
const (
	SkipOmit Skip = iota
	SkipBackward
	SkipForward
)

// WeekdayNum is one BYDAY value: a weekday, the nth one if N is not 0.
type WeekdayNum struct {
	N   int
	Day time.Weekday
}

// Rule is a parsed RECUR value. RFC 5545 §3.3.10, RFC 7529 §4.
type Rule struct {
	Freq     Freq
	Interval int // 1 or more
	Count    int // 0: no COUNT
	Until    ical.DateTime
	HasUntil bool

	BySecond, ByMinute, ByHour                []int
	ByDay                                     []WeekdayNum
	ByMonthDay, ByYearDay, ByWeekNo, BySetPos []int
	ByMonth                                   []int
	WeekStart                                 time.Weekday

	RScale string // "GREGORIAN" or empty
	Skip   Skip
}

// ParseRule reads a RECUR value.
func ParseRule(s string) (*Rule, error) { return nil, errors.New("not built yet") }

// String writes the rule in its canonical form.
func (r *Rule) String() string { return "" }
