// Package zone is what those need of time zones who read and print times. How
// often something takes place is none of their business: that is worked out by
// the model, and whoever imports this package need not import recurrence.
package zone

import (
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// Zone maps between civil time and UTC.
type Zone = recur.Zone

// Zones resolves the TZIDs of one calendar object.
type Zones = recur.Zones

// UTC is the zone of UTC.
var UTC = recur.UTC

// Load finds a zone by its IANA or Windows name.
func Load(name string) (Zone, bool) { return recur.LoadZone(name) }

// Location finds a zone of the database, for those who print by package time.
func Location(name string) (*time.Location, bool) { return recur.Location(name) }

// Names lists the names of zones that clients are told.
func Names() []string { return recur.ZoneNames() }

// Of looks at the VTIMEZONEs of a VCALENDAR.
func Of(cal *ical.Component) *Zones { return recur.ZonesOf(cal) }

// EndOf is when a component by itself is over, for those whose DTEND or DUE is not
// simply that: of another kind than DTSTART, or not after it.
func EndOf(c *ical.Component, zones *Zones, floating Zone) (time.Time, bool) {
	return recur.EndOf(c, zones, floating)
}

// NameOf is the name that a VTIMEZONE gives its zone.
func NameOf(vtimezone *ical.Component) string { return recur.NameOf(vtimezone) }

// OfText is the zone that the first VTIMEZONE of a VCALENDAR describes, nil if
// there is none: CALDAV:calendar-timezone.
func OfText(text string) Zone {
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		return nil
	}
	for c := range cal.ChildrenOf("VTIMEZONE") {
		if z, ok := Of(cal).Lookup(recur.NameOf(c)); ok {
			return z
		}
	}
	return nil
}

// Floating is the zone in which a calendar's times without one are read: that
// of its text, else the one of its name, else the given one. RFC 4791 §5.2.2,
// §9.8.
func Floating(text, tzid string, otherwise Zone) Zone {
	if text != "" {
		if z := OfText(text); z != nil {
			return z
		}
	}
	if tzid != "" {
		if z, ok := Load(tzid); ok {
			return z
		}
	}
	return otherwise
}

// Read is the zone that a name or a text means, UTC if neither does.
func Read(text string) Zone {
	if z, ok := Load(text); ok {
		return z
	}
	return Floating(text, "", UTC)
}

// NameAlike is the name of a zone of the database with the hours of another, the
// favourite if that agrees; "" if there is none.
func NameAlike(z, favourite Zone) string {
	if known, ok := recur.Alike(z, favourite); ok {
		return known.Name()
	}
	return ""
}

// VTimezone writes a zone of the database as a VTIMEZONE that holds for a
// stretch of time; open ends are allowed.
func VTimezone(tzid string, from, to time.Time) (*ical.Component, error) {
	return recur.VTimezone(tzid, from, to)
}
