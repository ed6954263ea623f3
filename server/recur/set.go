package recur

import (
	"context"
	"errors"
	"iter"
	"time"

	"factotum/server/ical"
)

// Set is the compiled recurrence of one calendar object resource.
type Set struct{}

// Compile compiles the VEVENTs, VTODOs or VJOURNALs of one UID.
func Compile(comps []*ical.Component, zones *Zones) (*Set, error) {
	return nil, errors.New("not built yet")
}

// Span bounds all instances.
func (s *Set) Span(float Zone) (min, max time.Time, infinite bool) { return }

// Between yields the instances that overlap [from,to). A zero from or to is open.
func (s *Set) Between(ctx context.Context, from, to time.Time, float Zone, lim Budget) iter.Seq2[Instance, error] {
	return func(func(Instance, error) bool) {}
}

// Instance answers whether rid is an instance.
func (s *Set) Instance(rid ical.DateTime) (Instance, bool) { return Instance{}, false }

// Recurring says whether there is more than a single instance.
func (s *Set) Recurring() bool { return false }

// Alarms yields the alarms that fire in [from,to).
func (s *Set) Alarms(ctx context.Context, from, to time.Time, float Zone, lim Budget) iter.Seq2[Alarm, error] {
	return func(func(Alarm, error) bool) {}
}

// ExpandComponents writes each instance as a component of its own. RFC 4791 §9.6.5.
func (s *Set) ExpandComponents(ctx context.Context, from, to time.Time, float Zone, lim Budget) ([]*ical.Component, error) {
	return nil, nil
}

// LimitRecurrenceSet drops the overrides that do not touch [from,to). RFC 4791 §9.6.6.
func (s *Set) LimitRecurrenceSet(ctx context.Context, from, to time.Time, float Zone, lim Budget) ([]*ical.Component, error) {
	return nil, nil
}
