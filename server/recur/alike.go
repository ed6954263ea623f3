package recur

import (
	"slices"
	"strings"
	"sync"
)

// Alike finds a zone of the database with the hours of another: that one, if it
// is of the database; the favourite, if that agrees; else one that the zone's
// own text hints at, or the best known. Clients that know zones by their names
// alone are told it. nil is no favourite.
func Alike(z, favourite Zone) (Zone, bool) {
	t, ok := z.(*tz)
	if !ok {
		return nil, false
	}
	if spelledZone(t.name) != nil && loadZone(t.name) == t {
		return t, true
	}
	if f, ok := favourite.(*tz); ok && spelledZone(f.name) != nil {
		for _, year := range agreeFrom {
			if t.agreesSince(f, year) {
				return f, true
			}
		}
	}
	t.twinOnce.Do(func() { t.twin = t.findTwin() })
	return t.twin, t.twin != nil
}

// agreeFrom are the years from which on zones are compared, one after the other.
// Those that say how it was long ago, as Outlook's do that begin in 1601, seldom
// say it right, and few ask for it.
var agreeFrom = [...]int64{2000, 2010, 2020}

func (z *tz) agreesSince(known *tz, year int64) bool {
	begin, until := daysOf(year, 1, 1)*daySecs, int64(endless)
	switch src := z.source.(type) {
	case vtzSource:
		for _, o := range src {
			begin = max(begin, o.dates[0])
		}
	case joined:
		until = src.at
	}
	// Most differ now or half a year on: no need to look at all changes.
	for month := int64(1); month <= 7; month += 6 {
		if at := min(until-1, daysOf(2029, month, 15)*daySecs); z.at(at).off != known.at(at).off {
			return false
		}
	}
	return agree(z.source, known.source, begin, until)
}

func (z *tz) findTwin() *tz {
	near := func(name string) bool { // its city is in the zone's name
		city := strings.ReplaceAll(name[strings.LastIndexByte(name, '/')+1:], "_", " ")
		return len(city) > 3 && strings.Contains(strings.ToLower(z.name), strings.ToLower(city))
	}
	all := knownNames()
	var hinted []string
	for _, name := range all {
		if near(name) {
			hinted = append(hinted, name)
		}
	}
	look := func(lists ...[]string) *tz {
		for _, year := range agreeFrom {
			for _, name := range slices.Concat(lists...) {
				if known := loadZone(name); known != nil && z.agreesSince(known, year) {
					return known
				}
			}
		}
		return nil
	}
	if twin := look(z.hints, hinted, all); twin != nil {
		return twin
	}
	// Few clients know the distances from Greenwich by name.
	return look(slices.DeleteFunc(strings.Fields(otherNames), func(name string) bool { return !strings.HasPrefix(name, "Etc/GMT") }))
}

// bestKnown are zones that most people live in.
const bestKnown = `
UTC Europe/London Europe/Berlin Europe/Athens Europe/Moscow America/New_York America/Chicago America/Denver America/Phoenix
America/Los_Angeles America/Anchorage America/Halifax America/St_Johns America/Sao_Paulo America/Mexico_City America/Bogota
Asia/Tokyo Asia/Shanghai Asia/Singapore Asia/Kolkata Asia/Dubai Asia/Karachi Asia/Dhaka Asia/Bangkok Asia/Seoul
Australia/Sydney Australia/Brisbane Australia/Adelaide Australia/Perth Pacific/Auckland Pacific/Honolulu Africa/Johannesburg
Africa/Lagos Africa/Nairobi
`

// knownNames are the names to look at, the best known first, then those that
// Windows has.
var knownNames = sync.OnceValue(func() []string {
	names := strings.Fields(bestKnown)
	for line := range strings.SplitSeq(strings.TrimSpace(windowsZones), "\n") {
		if _, iana, _ := strings.Cut(line, "="); strings.Contains(iana, "/") && !strings.HasPrefix(iana, "Etc/") {
			names = append(names, iana)
		}
	}
	names = append(names, ZoneNames()...)
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		was := seen[name]
		seen[name] = true
		return was
	})
})
