package object

import (
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// places tells of a property whether it says when something takes place. The
// stamps (CREATED, DTSTAMP …) do not: calendars of Google's have
// CREATED:00001231T000000Z.
func places(name string) bool {
	switch name {
	case "DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "RDATE", "EXDATE", "TRIGGER", "RRULE":
		return true
	}
	return false
}

// checkDates refuses what takes place before the first or after the last moment
// that iCalendar can write in UTC. RFC 4791 §5.2.6, §5.2.7, §5.3.2.1.
func checkDates(cal *ical.Component, comps []*ical.Component, lim *calendar.Limits) (err error) {
	for _, c := range comps {
		c.Walk(func(k *ical.Component) bool {
			for i := range k.Props {
				if p := &k.Props[i]; err == nil && places(p.Name) && nearEnd(p.Value) {
					err = checkDate(cal, p, lim)
				}
			}
			return err == nil
		})
	}
	return err
}

// nearEnd tells whether one of the dates of a value may be out of the range.
func nearEnd(v string) bool {
	return strings.HasPrefix(v, "000") || strings.HasPrefix(v, "9999") || strings.Contains(v, ",000") || strings.Contains(v, ",9999") ||
		strings.Contains(v, "/9999") || strings.Contains(v, "UNTIL=000")
}

func checkDate(cal *ical.Component, p *ical.Property, lim *calendar.Limits) error {
	if p.Name == "RRULE" {
		if strings.Contains(strings.ToUpper(p.Value), "UNTIL=0000") {
			return tooEarly(lim)
		}
		return nil
	}
	for item := range strings.SplitSeq(p.Value, ",") {
		for text := range strings.SplitSeq(item, "/") {
			d, err := ical.ParseDateTime(text, p.TZID(), false)
			if err != nil { // the length of a period, or what is judged elsewhere
				continue
			}
			t := d.Civil()
			if d.Kind == ical.Zoned {
				if z, ok := recur.ZonesOf(cal).Lookup(d.TZID); ok {
					t = z.ToUTC(t)
				}
			}
			switch {
			case t.Before(lim.MinDate):
				return tooEarly(lim)
			case t.After(lim.MaxDate):
				return tooLate(lim)
			}
		}
	}
	return nil
}

func tooEarly(lim *calendar.Limits) error {
	return calendar.Errorf(calendar.TooLarge, calendar.MinDateTime, "dates begin at %s", lim.MinDate.Format(time.DateOnly))
}

func tooLate(lim *calendar.Limits) error {
	return calendar.Errorf(calendar.TooLarge, calendar.MaxDateTime, "dates end at %s", lim.MaxDate.Format(time.DateOnly))
}
