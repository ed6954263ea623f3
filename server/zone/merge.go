package zone

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// Merger brings the components of several objects into one calendar. A TZID
// means what its object says: two zones of one name that have other rules, or
// a name that one object defines and another leaves to the database, become
// two names. RFC 5545 §3.6.5.
type Merger struct {
	// Whole adds the VTIMEZONE of a zone of the database that an object names
	// without having it.
	Whole bool

	zones map[string][]*mergedZone // by what names are equal in
}

// mergedZone is a zone of the merged calendar.
type mergedZone struct {
	name string // "" for as it is named by whoever uses it
	zone Zone   // nil for one that nobody knows
	text string // of the VTIMEZONE, "" if there is none
	told bool   // its VTIMEZONE is in the calendar
}

// usedZone is a zone as an object uses it.
type usedZone struct {
	id   string // as it is written where it is used
	name string // as it is read
	zone Zone
	def  *ical.Component
	text string
}

// Fits reports whether the zones of an object mean what those of the same
// names mean that are there: Add renames none.
func (m *Merger) Fits(cal *ical.Component) bool {
	for _, u := range usedIn(cal) {
		if list := m.zones[foldName(u.name)]; len(list) > 0 && !list[0].is(&u) {
			return false
		}
	}
	return true
}

// Add returns what an object adds to the calendar: the zones that are not
// there yet, then its components. They share what is not changed with cal.
func (m *Merger) Add(cal *ical.Component) []*ical.Component {
	var out []*ical.Component
	renamed := map[string]string{}
	for _, u := range usedIn(cal) {
		have := m.take(&u)
		if have.name != "" {
			renamed[u.id] = have.name
		}
		if have.told {
			continue
		}
		if def := u.written(m.Whole || have.name != ""); def != nil {
			have.told = true
			if have.name != "" {
				def = def.Clone()
				def.SetText("TZID", have.name)
			}
			out = append(out, def)
		}
	}
	for _, c := range cal.Children {
		switch {
		case c.Name == "VTIMEZONE":
		case len(renamed) == 0:
			out = append(out, c)
		default:
			out = append(out, rename(c.Clone(), renamed))
		}
	}
	return out
}

// take finds the zone in the calendar, or makes it.
func (m *Merger) take(u *usedZone) *mergedZone {
	key := foldName(u.name)
	for _, z := range m.zones[key] {
		if z.is(u) {
			return z
		}
	}
	z := &mergedZone{zone: u.zone, text: u.text}
	if len(m.zones[key]) > 0 {
		for n := 2; ; n++ {
			if z.name = fmt.Sprintf("%s (%d)", strings.Trim(u.name, "/"), n); m.zones[foldName(z.name)] == nil {
				break
			}
		}
		m.zones[foldName(z.name)] = []*mergedZone{{zone: u.zone, text: u.text}}
	}
	if m.zones == nil {
		m.zones = map[string][]*mergedZone{}
	}
	m.zones[key] = append(m.zones[key], z)
	return z
}

// is reports whether a zone means what an object means by that name. Zones of
// the same rules are one and the same, as long as they are remembered.
func (z *mergedZone) is(u *usedZone) bool {
	return z.zone == u.zone || z.text != "" && z.text == u.text
}

// written is the VTIMEZONE of a zone, nil if it has none. One that was written
// for a single event gives way to that of the database, which counts for it.
func (u *usedZone) written(whole bool) *ical.Component {
	switch {
	case u.def != nil && !recur.LeavesOpen(u.def):
		return u.def
	case u.def == nil && (!whole || u.zone == nil):
		return nil
	}
	z, err := recur.VTimezone(u.name, time.Time{}, time.Time{})
	if err != nil {
		return u.def
	}
	return z
}

// usedIn lists the zones of an object: those that its times name, in the order
// in which they do, then those that are there and unused.
func usedIn(cal *ical.Component) (list []usedZone) {
	var zones *Zones
	see := func(id string) {
		if id == "" || slices.ContainsFunc(list, func(u usedZone) bool { return u.id == id }) {
			return
		}
		if zones == nil {
			zones = Of(cal)
		}
		u := usedZone{id: id, name: id, def: zones.Definition(id)}
		if z, ok := zones.Lookup(id); ok {
			u.zone = z
		}
		if u.def != nil {
			u.name, u.text = NameOf(u.def), string(u.def.Bytes())
		}
		list = append(list, u)
	}
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		c.Walk(func(k *ical.Component) bool {
			for i := range k.Props {
				see(k.Props[i].TZID())
			}
			return true
		})
	}
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" && !slices.ContainsFunc(list, func(u usedZone) bool { return u.def == c }) {
			see(NameOf(c))
		}
	}
	return list
}

// foldName is what names of zones are equal in.
func foldName(name string) string { return strings.ToLower(strings.TrimPrefix(name, "/")) }

// rename gives times other names of zones.
func rename(c *ical.Component, names map[string]string) *ical.Component {
	c.Walk(func(k *ical.Component) bool {
		for i := range k.Props {
			if name := names[k.Props[i].TZID()]; name != "" {
				k.Props[i].SetParam("TZID", name)
			}
		}
		return true
	})
	return c
}
