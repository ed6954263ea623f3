package dwp

import (
	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// toMoment writes a date or date-time; one of the zero DateTime has no value.
func toMoment(d ical.DateTime) *wire.Moment {
	if d.IsZero() {
		return &wire.Moment{}
	}
	return &wire.Moment{Value: []byte(d.String()), Tzid: toText(d.TZID)}
}

// fromMoment reads one. What cannot be read is the zero DateTime, as is what
// is absent.
func fromMoment(m *wire.Moment) ical.DateTime {
	v := string(m.GetValue())
	if v == "" {
		return ical.DateTime{}
	}
	d, err := ical.ParseDateTime(v, string(m.GetTzid()), false)
	if err != nil {
		return ical.DateTime{}
	}
	return d
}

func toMomentOr(d *ical.DateTime) *wire.Moment {
	if d == nil {
		return nil
	}
	return toMoment(*d)
}

func fromMomentOr(m *wire.Moment) *ical.DateTime { return present(m, fromMoment) }

func toMoments(list *[]ical.DateTime) *wire.Moments {
	if list == nil {
		return nil
	}
	return &wire.Moments{Moments: each(*list, func(d *ical.DateTime) *wire.Moment { return toMoment(*d) })}
}

func fromMoments(m *wire.Moments) *[]ical.DateTime {
	if m == nil {
		return nil
	}
	list := append([]ical.DateTime{}, eachOf(m.GetMoments(), fromMoment)...)
	return &list
}

func toSpan(d *ical.Duration) []byte {
	if d == nil {
		return nil
	}
	return []byte(d.String())
}

func fromSpan(b []byte) *ical.Duration {
	d, err := ical.ParseDuration(string(b))
	if b == nil || err != nil {
		return nil
	}
	return &d
}

// toEditResult sends a calendar only where there is one.
func toEditResult(r *calendar.EditResult) *wire.EditAnswer {
	m := &wire.EditAnswer{Items: each(r.Items, toEditItemResult), Float: toText(r.Float)}
	if r.Calendar.ID != "" {
		m.Calendar = toCalendar(&r.Calendar)
	}
	return m
}
