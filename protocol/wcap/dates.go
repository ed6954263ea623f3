package wcap

import (
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// The forms of a date-time on the wire.
const (
	utcForm   = "20060102T150405Z"
	civilForm = "20060102T150405"
	dateForm  = "20060102"
)

func itoa(n int) string { return strconv.Itoa(n) }

// zone is the zone of inputs without "Z": tzid, or the server's. An unknown
// one has been refused, see checkValues. WCAP §5.
func (c *call) zone() zone.Zone {
	name := strings.TrimSpace(c.p.text("tzid"))
	if name == "" {
		name = c.set.DefaultTZID
	}
	if z, ok := zone.Load(name); ok {
		return z
	}
	return zone.UTC
}

// outZone is the zone tzidout that date-times are shown in, nil for UTC.
func (c *call) outZone() zone.Zone {
	if name := strings.TrimSpace(c.p.text("tzidout")); name != "" {
		if z, ok := zone.Load(name); ok {
			return z
		}
	}
	return nil
}

// parseTime reads a date-time or date of a parameter; "", "0" and zeros are
// the zero time.
func parseTime(s string, zone zone.Zone) (time.Time, error) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "0") == "" {
		return time.Time{}, nil
	}
	d, err := ical.ParseDateTime(s, "", false)
	if err != nil {
		return time.Time{}, &calendar.Error{Kind: calendar.Invalid, Op: "read date", Err: err}
	}
	if d.Kind == ical.UTC {
		return d.Civil(), nil
	}
	return zone.ToUTC(d.Civil()), nil
}

// bound reads a parameter as a side of a range.
func (c *call) bound(name string, zone zone.Zone) (time.Time, error) {
	v := c.p.text(name)
	t, err := parseTime(v, zone)
	if none(v) {
		return t, err
	}
	return calendar.Bound(t), err
}

// window reads dtstart and dtend.
func (c *call) window(zone zone.Zone) (w calendar.Window, err error) {
	if w.From, err = c.bound("dtstart", zone); err == nil {
		w.To, err = c.bound("dtend", zone)
	}
	if err == nil && !w.From.IsZero() && !w.To.IsZero() && w.To.Before(w.From) {
		err = &calendar.Error{Kind: calendar.Invalid, Op: "read range"}
	}
	if err == nil && !w.To.IsZero() && w.To.Equal(w.From) {
		w.To = w.From.Add(time.Second)
	}
	return w, err
}

// open reports whether a window has no bounds.
func open(w calendar.Window) bool { return w.From.IsZero() && w.To.IsZero() }
