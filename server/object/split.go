package object

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Item is one object of a calendar file: the components of one UID with
// the time zones they use.
type Item struct {
	UID   string // "" if the component had none; then Data has one made up
	First int    // place of its first component in the file, counted from 1
	Data  []byte
	Err   error // why the component cannot become an object
}

// Split takes a calendar file apart into calendar object resources, one for
// each UID, in the order of the file. METHOD and calendar-wide properties that
// say nothing about an object (X-WR-CALNAME …) are left out. Where a file has the
// same component twice the newer one counts: that of the higher SEQUENCE, then
// of the later DTSTAMP, then the last (RFC 5546 §2.1.5). A file with one
// object and no METHOD is kept octet for octet where its text is given. makeUID
// names components that have no UID, counted from 1. RFC 4791 §4.1.
func Split(cal *ical.Component, text []byte, makeUID func(n int) string) []Item {
	type group struct {
		item  Item
		comps []*ical.Component
		at    map[string]int // by InstanceKey
		twice bool           // some were there more than once
	}
	zones := recur.ZonesOf(cal)
	var groups []*group
	byUID := map[string]*group{}
	n := 0
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		n++
		switch c.Name {
		case "VEVENT", "VTODO", "VJOURNAL":
		default:
			groups = append(groups, &group{item: Item{UID: UID(c), First: n, Err: calendar.Errorf(calendar.Unsupported, calendar.SupportedComponent, "a %s is not stored in calendars", c.Name)}})
			continue
		}
		uid := UID(c)
		key := c.Name + "\x00" + uid
		g := byUID[key]
		if g == nil || uid == "" {
			g = &group{item: Item{UID: uid, First: n}, at: map[string]int{}}
			groups = append(groups, g)
			byUID[key] = g
		}
		if uid == "" {
			c = c.Clone()
			c.SetText("UID", makeUID(n))
		}
		key = InstanceKey(c, zones)
		if i, there := g.at[key]; there {
			if g.twice = true; !older(c, g.comps[i]) {
				g.comps[i] = c
			}
			continue
		}
		g.at[key] = len(g.comps)
		g.comps = append(g.comps, c)
	}
	out := make([]Item, 0, len(groups))
	for _, g := range groups {
		if g.item.Err == nil {
			if len(groups) == 1 && !g.twice && g.item.UID != "" && cal.Prop("METHOD") == nil && text != nil {
				g.item.Data = text
			} else {
				g.item.Data = objectOf(cal, g.comps, zones).Bytes()
			}
		}
		out = append(out, g.item)
	}
	return out
}

// InstanceKey tells the components of one UID apart: the master, and what each
// override replaces.
func InstanceKey(c *ical.Component, zones *recur.Zones) string {
	p := c.Prop("RECURRENCE-ID")
	if p == nil {
		return ""
	}
	d, err := p.DateTime()
	if err != nil {
		return p.Param("RANGE") + " " + p.Value
	}
	if d.Kind == ical.Zoned {
		if z, ok := zones.Lookup(d.TZID); ok {
			d = ical.FromCivil(z.ToUTC(d.Civil()), ical.UTC, "")
		}
	}
	return p.Param("RANGE") + " " + d.String()
}

// older reports whether a component is an earlier version of another.
func older(a, b *ical.Component) bool {
	if x, y := sequence(a), sequence(b); x != y {
		return x < y
	}
	x, err1 := stampOf(a)
	y, err2 := stampOf(b)
	return err1 == nil && err2 == nil && x.Before(y)
}

func sequence(c *ical.Component) int {
	n, _ := strconv.Atoi(strings.TrimSpace(c.Value("SEQUENCE")))
	return n
}

func stampOf(c *ical.Component) (time.Time, error) {
	p := c.Prop("DTSTAMP")
	if p == nil {
		return time.Time{}, nil
	}
	d, err := p.DateTime()
	return d.Civil(), err
}

// objectOf wraps components with the zones that they name.
func objectOf(cal *ical.Component, comps []*ical.Component, zones *recur.Zones) *ical.Component {
	out := ical.New("VCALENDAR")
	out.Set("VERSION", "2.0")
	prodid := cal.Value("PRODID")
	if prodid == "" {
		prodid = "-//Factotum//Calendar//EN"
	}
	out.Set("PRODID", prodid)
	if v := cal.Value("CALSCALE"); v != "" {
		out.Set("CALSCALE", v)
	}
	used := map[string]bool{}
	for _, c := range comps {
		c.Walk(func(x *ical.Component) bool {
			for i := range x.Props {
				if id := x.Props[i].TZID(); id != "" && !used[id] {
					used[id] = true
					if z := zones.Definition(id); z != nil && !slices.Contains(out.Children, z) {
						out.AddChild(z)
					}
				}
			}
			return true
		})
	}
	out.AddChild(comps...)
	return out
}

// DerivedUID is the UID of the n-th component of a source that has none: the same
// each time, so that importing a file again does not double it.
func DerivedUID(source string, n int) string {
	return fmt.Sprintf("%016x-%d@factotum.invalid", hashText(source), n)
}

// NameFor is the resource name that an object with that UID gets from the server,
// without the extension.
func NameFor(uid string) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r == '@' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, uid)
	name = strings.TrimLeft(name, ".")
	if len(name) > 200 || name == "" {
		name = fmt.Sprintf("%.180s%016x", name, hashText(uid))
	}
	return name
}

func hashText(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
