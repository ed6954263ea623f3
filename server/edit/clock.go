package edit

import (
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// clock turns moments into the form that a component keeps them in.
type clock struct {
	kind     ical.Kind // of DTSTART
	tzid     string    // of Zoned
	zone     recur.Zone
	zones    *recur.Zones // of the object
	floating recur.Zone   // of the calendar: what floating time means
}

// instant maps a moment to UTC. Dates begin at midnight of the clock's zone.
func (k *clock) instant(d ical.DateTime) time.Time {
	switch d.Kind {
	case ical.UTC:
		return d.Civil()
	case ical.Zoned:
		if z, ok := k.zones.Lookup(d.TZID); ok {
			return z.ToUTC(d.Civil())
		}
	case ical.Date:
		if k.zone != nil {
			return k.zone.ToUTC(d.Civil())
		}
	}
	return k.floating.ToUTC(d.Civil())
}

// keep returns a moment in the clock's form.
func (k *clock) keep(d ical.DateTime) ical.DateTime {
	if k.kind == ical.Date {
		return ical.FromCivil(k.day(d), ical.Date, "")
	}
	if d.Kind == k.kind && (d.Kind != ical.Zoned || d.TZID == k.tzid) {
		return d
	}
	t := k.instant(d)
	switch k.kind {
	case ical.UTC:
		return ical.FromCivil(t, ical.UTC, "")
	case ical.Zoned:
		return ical.FromCivil(k.zone.FromUTC(t), ical.Zoned, k.tzid)
	}
	return ical.FromCivil(k.floating.FromUTC(t), ical.Floating, "")
}

// day is the calendar day of a moment. Midnight in UTC is what a client writes
// that knows the day only; anything else is a time of the zone. WCAP §5.
func (k *clock) day(d ical.DateTime) time.Time {
	c := d.Civil()
	if d.Kind == ical.UTC && (c.Hour() != 0 || c.Minute() != 0 || c.Second() != 0) {
		z := k.zone
		if z == nil {
			z = k.floating
		}
		c = z.FromUTC(c)
	}
	y, m, day := c.Date()
	return time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
}

// civil is the local time of a moment by the clock: what recurrence counts in.
func (k *clock) civil(d ical.DateTime) time.Time { return k.keep(d).Civil() }

// of makes a moment of a local time by the clock.
func (k *clock) of(civil time.Time) ical.DateTime {
	if k.kind == ical.Date {
		y, m, d := civil.Date()
		civil = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return ical.FromCivil(civil, k.kind, k.tzid)
}

// clockOf is the clock that a component keeps now; ok is false when it has no
// date at all.
func clockOf(c *ical.Component, zones *recur.Zones, floating recur.Zone) (*clock, bool) {
	k := &clock{kind: ical.UTC, zones: zones, floating: floating, zone: recur.UTC}
	for _, name := range [...]string{"DTSTART", "DUE", "DTEND", "RECURRENCE-ID"} {
		p := c.Prop(name)
		if p == nil {
			continue
		}
		d, err := p.DateTime()
		if err != nil {
			continue
		}
		k.set(d.Kind, d.TZID)
		return k, true
	}
	return k, false
}

func (k *clock) set(kind ical.Kind, tzid string) {
	k.kind, k.tzid, k.zone = kind, "", k.floating
	switch kind {
	case ical.UTC:
		k.zone = recur.UTC
	case ical.Zoned:
		z, ok := k.zones.Lookup(tzid)
		if !ok { // a zone that nobody knows is as good as none
			k.kind = ical.Floating
			return
		}
		k.tzid, k.zone = tzid, z
		if isUTC(tzid) {
			k.kind, k.tzid, k.zone = ical.UTC, "", recur.UTC
		}
	}
}

func isUTC(tzid string) bool {
	switch strings.ToUpper(strings.TrimSpace(tzid)) {
	case "UTC", "GMT", "ETC/UTC", "ETC/GMT", "Z":
		return true
	}
	return false
}

// moment reads a property, the zero DateTime when it is not there.
func moment(c *ical.Component, name string) ical.DateTime {
	if p := c.Prop(name); p != nil {
		if d, err := p.DateTime(); err == nil {
			return d
		}
	}
	return ical.DateTime{}
}

// addDuration adds days by the calendar and the rest by the clock.
func addDuration(civil time.Time, d ical.Duration) time.Time {
	return civil.AddDate(0, 0, d.NominalDays()).Add(d.Exact())
}
