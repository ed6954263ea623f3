package ical

import "errors"

// Trigger reads a TRIGGER: a duration from the start or end, or a date-time. The
// form of the value tells which, since VALUE=DATE-TIME is often forgotten. RFC
// 5545 §3.8.6.3.
func (p *Property) Trigger() (from Duration, at DateTime, absolute bool, err error) {
	if v := trimBlanks(p.Value); v == "" || v[0] < '0' || v[0] > '9' {
		from, err = p.Duration()
		return from, at, false, err
	}
	if at, err = ParseDateTime(p.Value, p.TZID(), false); err == nil && at.Kind == Date {
		err = errors.New("a date, which is no moment")
	}
	return from, at, true, err
}
