package recur

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Data is a release of the zone database.
type Data struct {
	Version string // 2025b; "" is not known
	Source  string // where it is from, for people
	// Load gives the TZif data of a zone, RFC 9636; nil is the data of the system,
	// else of the program.
	Load func(name string) ([]byte, error)
}

func (d *Data) location(name string) (*time.Location, error) {
	if d == nil || d.Load == nil {
		return time.LoadLocation(name)
	}
	if name == "UTC" {
		return time.UTC, nil
	}
	raw, err := d.Load(name)
	if err != nil {
		return nil, err
	}
	loc, err := time.LoadLocationFromTZData(name, raw)
	if err != nil {
		return nil, fmt.Errorf("zone %s: %w", name, err)
	}
	return loc, nil
}

var inUse atomic.Pointer[Data]

// UseData has the whole process take zones from a release, before it has read
// any: sets that were compiled keep the hours of before. nil is the data of the
// system, else of the program.
func UseData(d *Data) {
	inUse.Store(d)
	loaded.Lock()
	loaded.byName = map[string]*tz{"UTC": utcZone}
	loaded.Unlock()
	vtimezones.Lock()
	vtimezones.byHash = map[[2]uint64]*tz{}
	vtimezones.Unlock()
	unlisted.Lock()
	unlisted.names = nil
	unlisted.Unlock()
}

// DataInUse is the release that UseData set, nil for none.
func DataInUse() *Data { return inUse.Load() }

// Location is a zone by any name that LoadZone knows.
func Location(name string) (*time.Location, bool) {
	loc := findLocation(cleanTZID(name))
	return loc, loc != nil
}

// allNames are the names of the database.
var allNames = sync.OnceValue(func() []string {
	names := make([]string, 0, len(spelled()))
	for _, name := range spelled() {
		names = append(names, name)
	}
	return names
})
