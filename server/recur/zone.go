package recur

import (
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the zone database travels with the binary

	"factotum/server/ical"
)

var utcZone = &tz{name: "UTC", source: ianaSource{time.UTC}}

// UTC is the zone of UTC.
var UTC Zone = utcZone

// Zones resolves the TZIDs of one calendar object. It may be used by several
// goroutines.
type Zones struct {
	cal   *ical.Component
	mu    sync.Mutex
	seen  []namedZone
	defs  []zoneDef // the VTIMEZONEs among so many children of cal
	count int
}

type namedZone struct {
	id   string
	zone *tz             // nil when there is none
	def  *ical.Component // the VTIMEZONE that the name means, or nil
}

// zoneDef is a VTIMEZONE with its name, as it is written and as it is read.
type zoneDef struct {
	comp      *ical.Component
	raw, text string
}

// ZonesOf looks at the VTIMEZONEs of a VCALENDAR, none if it is nil. They are
// read when a Lookup asks for them.
func ZonesOf(cal *ical.Component) *Zones { return &Zones{cal: cal} }

// Lookup finds the zone of a TZID: the object's own VTIMEZONE, then an IANA
// name, then a Windows name, then a distance from UTC; case, blanks around it and
// the prefixes of some vendors do not matter. Times of an unknown TZID are to be taken as floating.
// RFC 5545 §3.2.19.
//
// A VTIMEZONE that says the same as the zone database, from where its own
// rules begin, is answered with the database's zone, which knows earlier years
// too.
func (z *Zones) Lookup(tzid string) (Zone, bool) {
	if found := z.lookup(tzid); found != nil {
		return found, true
	}
	return nil, false
}

func (z *Zones) lookup(tzid string) *tz {
	if z == nil {
		return loadZone(tzid)
	}
	return z.find(tzid).zone
}

// Definition returns the VTIMEZONE of the object that a TZID names, nil if none
// does. TZID is TEXT in a VTIMEZONE, where commas are escaped, and a parameter
// elsewhere, where they are not; some programs escape both and some neither. So
// what is equal as it is written counts before what is equal as it is read, and
// that before what differs in case or by the slash of a global name. Of
// several, the first that can be used counts. RFC 5545 §3.2.19, §3.8.3.1.
func (z *Zones) Definition(tzid string) *ical.Component {
	if z == nil {
		return nil
	}
	return z.find(tzid).def
}

func (z *Zones) find(tzid string) namedZone {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, s := range z.seen {
		if s.id == tzid {
			return s
		}
	}
	found := namedZone{id: tzid}
	found.def, found.zone = z.define(cleanTZID(tzid))
	if found.zone == nil {
		found.zone = loadZone(tzid)
	}
	if len(z.seen) < 64 {
		z.seen = append(z.seen, found)
	}
	return found
}

// define chooses among the VTIMEZONEs; zone is nil if the best cannot be used.
func (z *Zones) define(raw string) (def *ical.Component, zone *tz) {
	if z.cal == nil {
		return nil, nil
	}
	if z.count != len(z.cal.Children) {
		z.defs, z.count = z.defs[:0], len(z.cal.Children)
		for _, c := range z.cal.Children {
			if c.Name == "VTIMEZONE" {
				raw := cleanTZID(c.Value("TZID"))
				z.defs = append(z.defs, zoneDef{c, raw, cleanTZID(ical.UnescapeText(raw))})
			}
		}
	}
	text := cleanTZID(ical.UnescapeText(raw))
	for _, same := range [...]func(d *zoneDef) bool{
		func(d *zoneDef) bool { return d.raw == raw },
		func(d *zoneDef) bool { return d.text == text },
		func(d *zoneDef) bool {
			return strings.EqualFold(strings.TrimPrefix(d.text, "/"), strings.TrimPrefix(text, "/"))
		},
	} {
		for i := range z.defs {
			if !same(&z.defs[i]) {
				continue
			}
			if zone = readVTimezone(z.defs[i].comp); zone != nil {
				return z.defs[i].comp, zone
			}
			if def == nil {
				def = z.defs[i].comp
			}
		}
	}
	return def, nil
}

func cleanTZID(s string) string { return strings.Trim(s, " \t\"") }

// NameOf is the name that a VTIMEZONE gives its zone, as plain text.
func NameOf(vtimezone *ical.Component) string { return cleanTZID(vtimezone.Text("TZID")) }

// LoadZone finds a zone by its IANA or Windows name, for the whole process.
func LoadZone(name string) (Zone, bool) {
	if z := loadZone(name); z != nil {
		return z, true
	}
	return nil, false
}

var loaded = struct {
	sync.RWMutex
	byName map[string]*tz
}{byName: map[string]*tz{"UTC": utcZone}}

func loadZone(name string) *tz {
	name = cleanTZID(name)
	loaded.RLock()
	z := loaded.byName[name]
	loaded.RUnlock()
	if z != nil {
		return z
	}
	loc := findLocation(name)
	if loc == nil {
		return nil
	}
	loaded.Lock()
	defer loaded.Unlock()
	canon := loc.String()
	if z = loaded.byName[canon]; z == nil {
		z = &tz{name: canon, source: ianaSource{loc}}
		loaded.byName[canon] = z
	}
	if len(loaded.byName) < 4096 { // aliases come from outside
		loaded.byName[strings.Clone(name)] = z
	}
	return z
}

// sunNames are names of Sun's timezones.ics that the zone database does not
// have: clients of that server are set to them. WCAP §5.
var sunNames = map[string]string{"africa/amman": "Asia/Amman"}

// findLocation finds what a name means: one of the database or of Windows, a
// distance from UTC, or one of these behind what a vendor put in front.
func findLocation(name string) *time.Location {
	if loc := databaseZone(name); loc != nil {
		return loc
	}
	return behindPrefix(name, otherZone)
}

// databaseZone finds a zone by a name of the database, written in any case,
// also behind a prefix.
func databaseZone(name string) *time.Location {
	if loc := spelledZone(name); loc != nil {
		return loc
	}
	return behindPrefix(name, spelledZone)
}

func spelledZone(name string) *time.Location {
	if loc := ianaLocation(name); loc != nil {
		return loc
	}
	if known, ok := spelled()[strings.ToLower(name)]; ok {
		return ianaLocation(known)
	}
	return nil
}

// otherZone finds a zone by a name that others than the database give it.
func otherZone(name string) *time.Location {
	lower := strings.ToLower(name)
	if iana, ok := windowsNames()[lower]; ok {
		return ianaLocation(iana)
	}
	if iana, ok := sunNames[lower]; ok {
		return ianaLocation(iana)
	}
	switch lower {
	case "z", "tzone://microsoft/utc":
		return time.UTC
	}
	return offsetZone(name)
}

// offsetZone reads a distance from UTC, as Google writes it: GMT+05:30. What
// may be meant in two ways is not read: GMT+5 is east or, in the manner of
// POSIX, west of Greenwich.
func offsetZone(name string) *time.Location {
	rest := strings.ToUpper(name)
	utc := strings.HasPrefix(rest, "UTC")
	if utc || strings.HasPrefix(rest, "GMT") {
		rest = rest[3:]
	}
	if len(rest) < 2 || rest[0] != '+' && rest[0] != '-' || !utc && len(rest) < 4 {
		return nil
	}
	off, ok := parseOffset(rest)
	switch {
	case !ok:
		return nil
	case off == 0:
		return time.UTC
	}
	text := offsetString(off)
	return time.FixedZone("UTC"+text[:3]+":"+text[3:], int(off))
}

// behindPrefix looks for a name at the end of a longer one, the longest first:
// /Europe/Berlin, posix/Europe/Berlin, /usr/share/zoneinfo/Europe/Berlin,
// /mozilla.org/20070129_1/Europe/Berlin. Behind what is no global name (RFC 5545
// §3.8.3.1: one that begins with a slash) one word may be anything.
func behindPrefix(name string, find func(string) *time.Location) *time.Location {
	if loc := find(name); loc != nil {
		return loc
	}
	if !strings.Contains(name, "/") || len(name) > 256 {
		return nil
	}
	least := 2
	for _, prefix := range [...]string{"/", "posix/", "right/"} {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			least = 1
		}
	}
	parts := strings.Split(strings.TrimPrefix(name, "/"), "/")
	for n := min(3, len(parts)); n >= least; n-- {
		if loc := find(strings.Join(parts[len(parts)-n:], "/")); loc != nil {
			return loc
		}
	}
	return nil
}

// ianaLocation loads a name that looks like one of the database. "Local" and
// the empty name mean something to Go, but not here.
func ianaLocation(name string) *time.Location {
	if name == "" || len(name) > 64 || name == "Local" || name[0] < 'A' || name[0] > 'Z' {
		return nil
	}
	if slices.ContainsFunc([]byte(name), func(c byte) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/_+-", c) >= 0)
	}) {
		return nil
	}
	if _, listed := spelled()[strings.ToLower(name)]; !listed && !unlisted.may(name) {
		return nil
	}
	loc, err := inUse.Load().location(name)
	if err != nil {
		unlisted.miss(name)
		return nil
	}
	return loc
}

// unlisted are names that a newer database than our list might have, and has
// not: to look for one costs as much as to read a directory, and an object may
// have thousands.
var unlisted absent

type absent struct {
	sync.Mutex
	names map[string]struct{}
}

// maxAbsent is how many are looked for.
const maxAbsent = 1024

func (a *absent) may(name string) bool {
	if strings.IndexByte(name, '/') < 0 { // no new zone has such a name
		return false
	}
	a.Lock()
	defer a.Unlock()
	_, known := a.names[name]
	return !known && len(a.names) < maxAbsent
}

func (a *absent) miss(name string) {
	a.Lock()
	defer a.Unlock()
	if a.names == nil {
		a.names = map[string]struct{}{}
	}
	a.names[strings.Clone(name)] = struct{}{}
}
