package edit

import (
	"sync"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// zoneTexts keeps VTIMEZONEs that were written once: every event of a zone has
// one, and they differ by the year of the first event only.
var zoneTexts = struct {
	sync.RWMutex
	m map[zoneKey]*ical.Component
}{m: map[zoneKey]*ical.Component{}}

type zoneKey struct {
	tzid string
	year int
}

// zoneText is a VTIMEZONE right from that year on. It is shared: read only.
func zoneText(tzid string, year int) (*ical.Component, error) {
	key := zoneKey{tzid, year}
	zoneTexts.RLock()
	z := zoneTexts.m[key]
	zoneTexts.RUnlock()
	if z != nil {
		return z, nil
	}
	z, err := recur.VTimezone(tzid, time.Date(year-1, 12, 1, 0, 0, 0, 0, time.UTC), time.Time{})
	if err != nil {
		return nil, err
	}
	zoneTexts.Lock()
	defer zoneTexts.Unlock()
	if len(zoneTexts.m) >= 2000 {
		clear(zoneTexts.m)
	}
	zoneTexts.m[key] = z
	return z, nil
}
