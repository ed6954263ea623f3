package wcap

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"factotum/server/ical"
	"factotum/server/zone"
)

// The years that Sun's list of changes covers.
const (
	firstZoneYear = 1987
	lastZoneYear  = 2087
)

// zoneCache keeps the zones of the last years asked for: nearly everybody asks
// for all. They are about 600 components.
type zoneCache struct {
	mu       sync.Mutex
	from, to int
	zones    []*ical.Component
}

func (z *zoneCache) get(from, to int) []*ical.Component {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.zones == nil || z.from != from || z.to != to {
		z.from, z.to, z.zones = from, to, allZones(from, to)
	}
	return z.zones
}

// allZones makes the components.
func allZones(from, to int) []*ical.Component {
	var out []*ical.Component
	for _, name := range zone.Names() {
		tz, err := zone.VTimezone(name, time.Date(firstZoneYear, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{})
		if err != nil {
			continue // the zone database of this program is older than the list
		}
		loc, ok := zone.Location(name)
		if !ok {
			continue
		}
		if list := crossings(loc, from, to); list != "" {
			tz.Add(ical.Property{Name: "X-NSCP-TZCROSS", Value: list})
		}
		out = append(out, tz)
	}
	return out
}

// crossings lists the moments, in UTC, at which a zone changes its offset, as
// X-NSCP-TZCROSS has them. WCAP §5.
func crossings(loc *time.Location, from, to int) string {
	var b strings.Builder
	t := time.Date(from, 1, 1, 0, 0, 0, 0, time.UTC).In(loc)
	last := time.Date(to+1, 1, 1, 0, 0, 0, 0, time.UTC)
	_, off := t.Zone()
	for {
		_, next := t.ZoneBounds()
		if !next.IsZero() && !next.After(t) { // a stretch that ends before it began, see package time
			next = t.Add(24 * time.Hour)
		}
		if next.IsZero() || !next.Before(last) {
			return b.String()
		}
		t = next
		before := off
		if _, off = t.Zone(); off != before {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			b.WriteString(utc(t))
		}
	}
}

// getAllTimezones tells every zone, with the properties of a calendar that
// there is not, as Sun's server did. WCAP get_all_timezones.
func (c *call) getAllTimezones() error {
	from, ok1 := year(c.p.text("dtstart"), firstZoneYear)
	to, ok2 := year(c.p.text("dtend"), lastZoneYear)
	if !ok1 || !ok2 || from > to {
		return c.own()
	}
	o := &c.out
	o.begin("PUBLISH")
	for _, kv := range [][2]string{
		{"LAST-MODIFIED", "19700101T000000Z"}, {"CREATED", "19700101T000000Z"}, {"READ", "999"}, {"WRITE", "999"},
		{"RELATIVE-CALID", "default"}, {"NAME", "default"},
	} {
		o.value("X-NSCP-CALPROPS-"+kv[0], kv[1])
	}
	for _, z := range c.zones.get(from, to) {
		if err := o.comp(z); err != nil {
			return err
		}
	}
	o.errno(OK)
	o.end()
	return nil
}

// year reads a year, the first four digits of a date; there is a list for those
// of Sun's only.
func year(s string, or int) (n int, ok bool) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "0") == "" {
		return or, true
	}
	if len(s) != 4 {
		if _, err := ical.ParseDateTime(s, "", false); err != nil {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s[:4])
	return min(max(n, firstZoneYear), lastZoneYear), err == nil && n > 0
}
