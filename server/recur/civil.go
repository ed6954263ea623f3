package recur

import (
	"time"

	"factotum/server/ical"
)

const (
	daySecs  = 86400
	cycle400 = 146097 // days in 400 Gregorian years; divisible by 7
)

// The first and last civil second the engine looks at: RFC 5545 dates have
// four digits.
var (
	minCivil = daysOf(1, 1, 1) * daySecs
	maxCivil = daysOf(10000, 1, 1)*daySecs - 1
)

// daysOf returns the days from 1 January 1970 to a Gregorian date. The day may
// lie outside the month.
func daysOf(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doe := yoe*365 + yoe/4 - yoe/100 + (153*(m-3)+2)/5 + d - 1
	return era*cycle400 + doe - 719468
}

// dateOf is the reverse of daysOf.
func dateOf(day int64) (y, m, d int64) {
	day += 719468
	era := floorDiv(day, cycle400)
	doe := day - era*cycle400
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	y = yoe + era*400
	if m = mp + 3; m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

func weekdayOf(day int64) int64 { return floorMod(day+4, 7) } // Sunday is 0

func isLeap(y int64) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func yearLen(y int64) int64 {
	if isLeap(y) {
		return 366
	}
	return 365
}

var monthLens = [...]int64{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func monthLen(y, m int64) int64 {
	if m == 2 && isLeap(y) {
		return 29
	}
	return monthLens[m]
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

func ceilDiv(a, b int64) int64 { return -floorDiv(-a, b) }

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// civilOf returns the civil seconds of a value; second 60 counts as 59, as RFC
// 5545 §3.3.5 advises those who do not know leap seconds.
func civilOf(d ical.DateTime) int64 {
	return daysOf(int64(d.Year), int64(d.Month), int64(d.Day))*daySecs +
		int64(d.Hour)*3600 + int64(d.Min)*60 + int64(min(d.Sec, 59))
}

// dateTimeOf is the reverse of civilOf.
func dateTimeOf(civ int64, kind ical.Kind, tzid string) ical.DateTime {
	day := floorDiv(civ, daySecs)
	y, m, d := dateOf(day)
	dt := ical.DateTime{Year: int(y), Month: time.Month(m), Day: int(d), Kind: kind}
	if kind != ical.Date {
		s := int(civ - day*daySecs)
		dt.Hour, dt.Min, dt.Sec = s/3600, s/60%60, s%60
	}
	if kind == ical.Zoned {
		dt.TZID = tzid
	}
	return dt
}
