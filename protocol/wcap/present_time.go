package wcap

import (
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// stamp prints a moment in the zone of the presentation.
func (s *shower) stamp(t time.Time) string {
	if s.v.out == nil {
		return utc(t)
	}
	return ical.FromCivil(s.v.out.FromUTC(t), ical.Floating, "").String()
}

// day prints the day of a moment in the calendar.
func (s *shower) day(t time.Time) string {
	return ical.FromCivil(s.float.FromUTC(t), ical.Date, "").String()
}

// seenZone is what zoneOf found for a TZID.
type seenZone struct {
	zones *recur.Zones
	tzid  string
	zone  recur.Zone
	name  string
}

// zoneOf finds the zone of a date-time and the name that clients know it by,
// "" for UTC.
func (s *shower) zoneOf(d ical.DateTime) (recur.Zone, string) {
	switch d.Kind {
	case ical.UTC:
		return recur.UTC, ""
	case ical.Zoned:
		if s.zone.zones != s.zones || s.zone.tzid != d.TZID {
			z, name := s.lookUpZone(d.TZID)
			s.zone = seenZone{s.zones, d.TZID, z, name}
		}
		return s.zone.zone, s.zone.name
	}
	return s.float, s.float.Name()
}

func (s *shower) lookUpZone(tzid string) (recur.Zone, string) {
	z, ok := s.zones.Lookup(tzid)
	if !ok {
		return s.float, s.float.Name()
	}
	if known, ok := recur.LoadZone(z.Name()); ok {
		return z, known.Name()
	}
	return z, s.c.zoneName(s.cal)
}

// dateTime prints a date-time in the zone of the presentation, a date as it is.
func (s *shower) dateTime(d ical.DateTime) string {
	if d.Kind == ical.Date {
		return d.String()
	}
	z, _ := s.zoneOf(d)
	return s.stamp(z.ToUTC(d.Civil()))
}

func (s *shower) date(p *ical.Property) string {
	d, err := p.DateTime()
	if err != nil {
		return ""
	}
	return s.dateTime(d)
}

// dates prints RDATE or EXDATE; a period shows as its start.
func (s *shower) dates(p *ical.Property) ical.Property {
	list, err := p.DateTimes()
	if err != nil {
		return *p
	}
	out := ical.Property{Name: p.Name}
	values := make([]string, len(list))
	for i, d := range list {
		values[i] = s.dateTime(d)
		if d.Kind == ical.Date {
			out.Params = valueDate
		}
	}
	out.Value = strings.Join(values, ",")
	return out
}

// start returns when a component begins, in UTC, and the zone it was entered in.
func (s *shower) start(k *ical.Component) (t time.Time, zone string, allDay bool) {
	p := k.Prop("DTSTART")
	if p == nil {
		if p = k.Prop("DUE"); p != nil && k.Name == "VTODO" {
			if d, err := p.DateTime(); err == nil {
				return time.Time{}, "", d.Kind == ical.Date
			}
		}
		return time.Time{}, "", false
	}
	d, err := p.DateTime()
	if err != nil {
		return time.Time{}, "", false
	}
	if d.Kind == ical.Date {
		return s.float.ToUTC(d.Civil()), "", true
	}
	z, name := s.zoneOf(d)
	return z.ToUTC(d.Civil()), name, false
}

// end returns when a component ends or is due; an event that does not say
// ends when it begins, or with its day. RFC 5545 §3.6.1.
func (s *shower) end(k *ical.Component, start time.Time, startZone string, allDay bool) (t time.Time, zone string, ok bool) {
	name := "DTEND"
	if k.Name == "VTODO" {
		name = "DUE"
	}
	if p := k.Prop(name); p != nil {
		if d, err := p.DateTime(); err == nil {
			if d.Kind == ical.Date {
				return s.float.ToUTC(d.Civil()), "", true
			}
			z, zone := s.zoneOf(d)
			return z.ToUTC(d.Civil()), zone, true
		}
	}
	if start.IsZero() {
		return t, "", false
	}
	local := recur.UTC
	if allDay {
		local = s.float
	} else if startZone != "" {
		if z, known := recur.LoadZone(startZone); known {
			local = z
		}
	}
	if p := k.Prop("DURATION"); p != nil {
		if d, err := p.Duration(); err == nil {
			return local.ToUTC(local.FromUTC(start).AddDate(0, 0, d.NominalDays())).Add(d.Exact()), startZone, true
		}
	}
	if k.Name == "VTODO" {
		return t, "", false
	}
	if allDay {
		return local.ToUTC(local.FromUTC(start).AddDate(0, 0, 1)), "", true
	}
	return start, startZone, true
}

// alarm prints a VALARM: its trigger as a moment, or with relativealarm as a
// duration from the start (of a task without one, from when it is due). WCAP §7.8.
func (s *shower) alarm(a *ical.Component, start, end time.Time) *ical.Component {
	if start.IsZero() {
		start = end
	}
	p := a.Prop("TRIGGER")
	if p == nil || start.IsZero() {
		return a
	}
	at := start
	if strings.EqualFold(p.Param("VALUE"), "DATE-TIME") {
		d, err := p.DateTime()
		if err != nil {
			return a
		}
		z, _ := s.zoneOf(d)
		at = z.ToUTC(d.Civil())
	} else {
		d, err := p.Duration()
		if err != nil {
			return a
		}
		if strings.EqualFold(p.Param("RELATED"), "END") && !end.IsZero() {
			at = end
		}
		at = at.AddDate(0, 0, d.NominalDays()).Add(d.Exact())
	}
	out := a.Clone()
	if s.v.relative {
		out.Set("TRIGGER", ical.DurationOf(at.Sub(start)).String())
	} else {
		out.Set("TRIGGER", s.stamp(at), ical.Param{Name: "VALUE", Values: []string{"DATE-TIME"}})
	}
	return out
}
