// Package recur works out when a calendar object takes place: recurrence
// rules, dates and exceptions, overridden instances, time zones and alarms.
// It is pure: no clock, no I/O beyond the embedded zone database.
//
// Times inside the engine are "civil seconds": the fields of a local date and
// time read as if they were UTC, as seconds since 1970. A rule is evaluated on
// civil seconds only and its result is mapped to UTC at the very end, so that
// 09:00 stays 09:00 over a change of the clocks (RFC 5545 §3.3.10).
//
// The cost of a question follows the window that is asked about, never COUNT
// or the distance from DTSTART: periods are numbered, and the number of the
// first period of a window is a division.
package recur

import (
	"errors"
	"time"

	"factotum/server/ical"
)

// ErrBudget says that a question would have cost more than its Budget allows.
// What was answered before it is right, but not complete.
var ErrBudget = errors.New("recurrence: more instances or work than the limit allows")

// Budget bounds the work of one question. A zero field means its default.
type Budget struct {
	MaxInstances int // instances yielded; default 100 000
	MaxSteps     int // periods looked at, found empty or not; default 500 000
	MaxBytes     int // octets of instances as text, a few aside; 0 is without limit
}

// Default limits of a Budget.
const (
	DefaultMaxInstances = 100_000
	DefaultMaxSteps     = 500_000
)

func (b Budget) withDefaults() Budget {
	if b.MaxInstances <= 0 {
		b.MaxInstances = DefaultMaxInstances
	}
	if b.MaxSteps <= 0 {
		b.MaxSteps = DefaultMaxSteps
	}
	return b
}

// Instance is one occurrence of a component.
type Instance struct {
	Start, End   time.Time     // UTC; floating and all-day values are taken in the viewer's zone
	RecurrenceID ical.DateTime // original start in the form of the master's DTSTART
	HasRID       bool          // the component recurs, or is an override
	AllDay       bool
	Floating     bool            // it has no zone, or one that nobody knows: Start and End depend on the viewer
	Wall, Exact  time.Duration   // the length of a floating one: by the clock on the wall, and then as time passes
	Comp         *ical.Component // the override, or the master
	Override     bool            // Comp is an override (also one that a THISANDFUTURE override extends to)
	Period       bool            // an RDATE with a length of its own, whatever Comp says

	civ int64
}

// Stands returns start and end of a floating instance as they are written, which
// the viewer's clocks may not show.
func (in *Instance) Stands() (start, end time.Time) {
	start = time.Unix(in.civ, 0).UTC()
	return start, start.Add(in.Wall + in.Exact)
}

// Alarm is one firing of a VALARM. RFC 5545 §3.6.6.
type Alarm struct {
	At       time.Time       // UTC
	Repeat   int             // 0 for the first firing, then 1 … REPEAT
	Comp     *ical.Component // the VALARM
	Instance Instance        // what it reminds of
}

// Zone maps between civil time and UTC. A civil time travels in the fields of
// a time.Time in UTC. A time in a gap is read with the offset before the gap,
// a time that occurs twice is the first one. RFC 5545 §3.3.5.
type Zone interface {
	ToUTC(civil time.Time) time.Time
	FromUTC(t time.Time) time.Time
	Name() string
}
