package wcap

import (
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/zone"
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
	zones *zone.Zones
	tzid  string
	zone  zone.Zone
	name  string
}

// zoneOf finds the zone of a date-time and the name that clients know it by,
// "" for UTC.
func (s *shower) zoneOf(d ical.DateTime) (zone.Zone, string) {
	switch d.Kind {
	case ical.UTC:
		return zone.UTC, ""
	case ical.Zoned:
		if s.seen.zones != s.zones || s.seen.tzid != d.TZID {
			z, name := s.lookUpZone(d.TZID)
			s.seen = seenZone{s.zones, d.TZID, z, name}
		}
		return s.seen.zone, s.seen.name
	}
	return s.float, s.floatName
}

func (s *shower) lookUpZone(tzid string) (zone.Zone, string) {
	z, ok := s.zones.Lookup(tzid)
	if !ok {
		return s.float, s.floatName
	}
	return z, s.zoneName(z)
}

// zoneName is the name that clients know a zone by: of one that is only a text
// that of a zone with the same hours. Where there is none, it is the calendar's.
func (s *shower) zoneName(z zone.Zone) string {
	favourite, _ := zone.Load(s.c.zoneName(s.cal))
	if name := zone.NameAlike(z, favourite); name != "" {
		return name
	}
	if known, ok := zone.Load(z.Name()); ok {
		return known.Name()
	}
	return s.c.zoneName(s.cal)
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

// entered is a moment and the zone in which it was entered, with the name that
// clients know that by.
type entered struct {
	at   time.Time // UTC
	zone zone.Zone
	name string
}

func (s *shower) entered(d ical.DateTime) entered {
	if d.Kind == ical.Date {
		return entered{s.float.ToUTC(d.Civil()), s.float, ""}
	}
	z, name := s.zoneOf(d)
	return entered{z.ToUTC(d.Civil()), z, name}
}

// start returns when a component begins, the zero time if it does not say.
func (s *shower) start(k *ical.Component) (start entered, allDay bool) {
	p := k.Prop("DTSTART")
	said := p != nil
	if !said && k.Name == "VTODO" {
		p = k.Prop("DUE")
	}
	if p == nil {
		return start, false
	}
	d, err := p.DateTime()
	if err != nil {
		return start, false
	}
	if said {
		start = s.entered(d)
	}
	return start, d.Kind == ical.Date
}

// end returns when a component ends or is due; an event that does not say
// ends when it begins, or with its day. RFC 5545 §3.6.1.
func (s *shower) end(k *ical.Component, start entered, allDay bool) (end entered, ok bool) {
	name := "DTEND"
	if k.Name == "VTODO" {
		name = "DUE"
	}
	if p := k.Prop(name); p != nil {
		if d, err := p.DateTime(); err == nil {
			end = s.entered(d)
			if start.zone != nil && ((d.Kind == ical.Date) != allDay || d.Kind == ical.Floating || !end.at.After(start.at)) {
				if at, ok := zone.EndOf(k, s.zones, s.float); ok {
					end.at = at
				}
			}
			return end, true
		}
	}
	if start.at.IsZero() {
		return end, false
	}
	end = start
	days := func(n int) time.Time { return start.zone.ToUTC(start.zone.FromUTC(start.at).AddDate(0, 0, n)) }
	if k.Prop("DURATION") != nil {
		if at, ok := zone.EndOf(k, s.zones, s.float); ok {
			end.at = at
			return end, true
		}
	}
	if k.Name == "VTODO" {
		return entered{}, false
	}
	if allDay {
		end.at = days(1)
	}
	return end, true
}

// alarm prints a VALARM: its trigger as a moment in UTC (RFC 5545 §3.8.6.3), or with relativealarm as a
// duration from the start (of a task without one, from when it is due). WCAP §7.8.
func (s *shower) alarm(a *ical.Component, start, end entered) *ical.Component {
	if start.at.IsZero() {
		start = end
	}
	p := a.Prop("TRIGGER")
	if p == nil || start.at.IsZero() {
		return a
	}
	var at time.Time
	switch d, moment, absolute, err := p.Trigger(); {
	case err != nil:
		return a
	case absolute:
		z, _ := s.zoneOf(moment)
		at = z.ToUTC(moment.Civil())
	default:
		from := start
		if p.ParamIs("RELATED", "END") && !end.at.IsZero() {
			from = end
		}
		if at = from.at; d.NominalDays() != 0 { // days of its zone. RFC 5545 §3.3.6
			z := from.zone
			if z == nil { // an instance of what does not say when it begins
				z = s.float
			}
			at = z.ToUTC(z.FromUTC(at).AddDate(0, 0, d.NominalDays()))
		}
		at = at.Add(d.Exact())
	}
	out := a.Clone()
	if s.v.relative {
		out.Set("TRIGGER", ical.DurationOf(at.Sub(start.at)).String())
	} else {
		out.Set("TRIGGER", utc(at), ical.Param{Name: "VALUE", Values: []string{"DATE-TIME"}})
	}
	return out
}
