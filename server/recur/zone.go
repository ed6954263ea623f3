package recur

import (
	"errors"
	"time"

	"factotum/server/ical"
)

// Zones resolves the TZIDs of one calendar object.
type Zones struct{}

// UTC is the zone of UTC.
var UTC Zone = utcZone{}

type utcZone struct{}

func (utcZone) ToUTC(civil time.Time) time.Time { return civil }
func (utcZone) FromUTC(t time.Time) time.Time   { return t.UTC() }
func (utcZone) Name() string                    { return "UTC" }

// ZonesOf looks at the VTIMEZONEs of cal, which may be nil.
func ZonesOf(cal *ical.Component) *Zones { return &Zones{} }

// Lookup finds the zone of a TZID.
func (z *Zones) Lookup(tzid string) (Zone, bool) { return nil, false }

// LoadZone finds a zone by its IANA or Windows name.
func LoadZone(name string) (Zone, bool) { return nil, false }

// VTimezone writes a VTIMEZONE for an IANA zone.
func VTimezone(name string, from, to time.Time) (*ical.Component, error) {
	return nil, errors.New("not built yet")
}
