package ical

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Duration is a DURATION value. Weeks and days are nominal: a day over a
// change of daylight saving has 23 or 25 hours. Time is exact.
// RFC 5545 §3.3.6.
type Duration struct {
	Neg         bool // applies to all three
	Weeks, Days int
	Time        time.Duration // whole seconds, less than about 114 years
}

var errDuration = errors.New("not a duration such as P1W, P2D, PT1H30M or -PT15M")

// ParseDuration reads a DURATION value. Weeks may stand together with days and
// time, and nothing may follow the P or T (P1DT, PT), which RFC 5545 §3.3.6 does
// not provide for but some clients write.
func ParseDuration(s string) (Duration, error) {
	var d Duration
	s = strings.Trim(s, " \t")
	if s != "" && (s[0] == '+' || s[0] == '-') {
		d.Neg = s[0] == '-'
		s = s[1:]
	}
	if s == "" || s[0]|0x20 != 'p' {
		return Duration{}, errDuration
	}
	s = s[1:]
	const dateUnits, timeUnits = "WD", "HMS"
	units, inTime := dateUnits, false
	var sec int64
	for s != "" {
		if s[0]|0x20 == 't' {
			if inTime {
				return Duration{}, errDuration
			}
			units, inTime, s = timeUnits, true, s[1:]
			continue
		}
		i := 0
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		// Nine digits, even of hours, are far from an overflow in seconds.
		if i == 0 || i == len(s) || i > 9 {
			return Duration{}, errDuration
		}
		n, _ := digits(s[:i])
		unit := s[i] &^ 0x20
		at := strings.IndexByte(units, unit)
		if at < 0 {
			return Duration{}, errDuration
		}
		units = units[at+1:]
		s = s[i+1:]
		switch unit {
		case 'W':
			d.Weeks = n
		case 'D':
			d.Days = n
		case 'H':
			sec += 3600 * int64(n)
		case 'M':
			sec += 60 * int64(n)
		case 'S':
			sec += int64(n)
		}
	}
	// Ten thousand years span every date there is.
	if d.Weeks > 522_000 || d.Days > 3_660_000 || sec > maxSeconds {
		return Duration{}, errors.New("a duration of more than ten thousand years or a million hours")
	}
	d.Time = time.Duration(sec) * time.Second
	return d, nil
}

const maxSeconds = 1_000_000*3600 - 1

// DurationOf returns an exact duration, without nominal days. Fractions of a
// second are cut off.
func DurationOf(t time.Duration) Duration {
	return Duration{Neg: t < 0, Time: t.Abs().Truncate(time.Second)}
}

// String returns the value form, PT0S for zero.
func (d Duration) String() string {
	b := make([]byte, 0, 24)
	if d.Neg {
		b = append(b, '-')
	}
	b = append(b, 'P')
	part := func(n int, unit byte) {
		if n != 0 {
			b = append(strconv.AppendInt(b, int64(n), 10), unit)
		}
	}
	part(d.Weeks, 'W')
	part(d.Days, 'D')
	if sec := int(d.Time / time.Second); sec != 0 {
		b = append(b, 'T')
		part(sec/3600, 'H')
		part(sec/60%60, 'M')
		part(sec%60, 'S')
	} else if d.Weeks == 0 && d.Days == 0 {
		b = append(b, "T0S"...)
	}
	return string(b)
}

// IsZero reports whether d spans no time.
func (d Duration) IsZero() bool { return d.Weeks == 0 && d.Days == 0 && d.Time == 0 }

// NominalDays returns weeks and days as a signed number of calendar days.
func (d Duration) NominalDays() int {
	n := 7*d.Weeks + d.Days
	if d.Neg {
		return -n
	}
	return n
}

// Exact returns the signed exact part, without weeks and days.
func (d Duration) Exact() time.Duration {
	if d.Neg {
		return -d.Time
	}
	return d.Time
}

// Duration reads the value of a property such as DURATION.
func (p *Property) Duration() (Duration, error) { return ParseDuration(p.Value) }
