package letter

import (
	"strings"
	"time"

	"factotum/notify/locale"
	"factotum/server/ical"
	"factotum/server/zone"
)

// moment is a time of a component.
type moment struct {
	ok    bool
	day   bool      // a date
	float bool      // without a zone
	at    time.Time // UTC, or the fields as written of a date and of a floating time
}

// read is the time that a property has.
func (r *renderer) read(p *ical.Property) moment {
	if p == nil {
		return moment{}
	}
	d, err := p.DateTime()
	if err != nil {
		return moment{}
	}
	return r.of(d)
}

func (r *renderer) of(d ical.DateTime) moment {
	t := moment{ok: true, at: d.Civil()}
	switch d.Kind {
	case ical.Date:
		t.day = true
	case ical.Floating:
		t.float = true
	case ical.Zoned:
		if z, ok := r.zones.Lookup(d.TZID); ok {
			t.at = z.ToUTC(t.at)
		} else {
			t.float = true
		}
	}
	return t
}

// span works out when what the mail is about takes place.
func (r *renderer) span() {
	if in := r.in.Instance; in != nil {
		r.start = moment{ok: true, day: in.AllDay, float: in.Floating && !in.AllDay, at: in.Start}
		r.end = r.start
		if r.end.at = in.End; in.AllDay || in.Floating {
			r.start.at, r.end.at = in.Stands()
		}
		return
	}
	if r.c == nil {
		return
	}
	r.start = r.read(r.c.Prop("DTSTART"))
	if r.task() {
		if r.end = r.read(r.c.Prop("DUE")); r.end.ok || !r.start.ok || r.c.Prop("DURATION") == nil {
			return
		}
	}
	if !r.start.ok {
		return
	}
	r.end = r.start
	end, ok := zone.EndOf(r.c, r.zones, zone.UTC)
	if r.end.ok = ok && end.After(r.start.at); r.end.ok {
		r.end.at = end
	}
}

func (r *renderer) task() bool { return r.c != nil && r.c.Name == "VTODO" }

// time is what a time code means. In text/calendar an end is what DTEND says; for
// people the end of a stretch of days is its last one.
func (r *renderer) time(code byte, cal bool) moment {
	switch code {
	case '0', 'B':
		return r.start
	case '1', 'E':
		if !cal {
			return r.lastDay()
		}
		return r.end
	case 'D':
		if r.task() {
			return r.end
		}
	case 'C':
		return r.read(r.prop("CREATED"))
	case 'M':
		return r.read(r.prop("LAST-MODIFIED"))
	case 'r':
		if r.in.Instance != nil && r.in.Instance.HasRID {
			return r.of(r.in.Instance.RecurrenceID)
		}
		return r.read(r.prop("RECURRENCE-ID"))
	case 'n':
		return moment{ok: !r.in.Now.IsZero(), at: r.in.Now.UTC()}
	}
	return moment{}
}

// lastDay is the end for people. A task that is due on a day is due on that day.
func (r *renderer) lastDay() moment {
	end := r.end
	if end.day && !r.task() && end.at.After(r.start.at) {
		end.at = end.at.AddDate(0, 0, -1)
	}
	return end
}

// local is a time as the recipient's clock shows it.
func (r *renderer) local(t moment) locale.Moment {
	if t.day || t.float {
		return locale.Moment{Civil: t.at, Day: t.day}
	}
	civil := r.zone.FromUTC(t.at)
	return locale.Moment{Civil: civil, Zone: r.zoneName, Offset: civil.Sub(t.at)}
}

// iso is a time in iCalendar form, in UTC. RFC 5545 §3.3.5.
func iso(t moment) string {
	k := ical.UTC
	switch {
	case t.day:
		k = ical.Date
	case t.float:
		k = ical.Floating
	}
	return ical.FromCivil(t.at, k, "").String()
}

// timeText prints a time code. Sun prints %E of a task in UTC always.
func (r *renderer) timeText(o *op, cal bool) string {
	t := r.time(o.code, cal)
	switch {
	case !t.ok:
		return ""
	case o.format != nil:
		return string(r.m.Append(nil, o.format, r.local(t)))
	case o.utc || cal || o.code == 'E' && r.task():
		return iso(t)
	case o.code == '0' || o.code == '1':
		return r.m.Localised(r.local(t))
	}
	return r.m.Stamp(r.local(t))
}

// when is %w: from when to when, or when a task is due.
func (r *renderer) when() string {
	start, end := r.start, r.lastDay()
	if r.task() {
		if !end.ok {
			end = start
		}
		start = end
	}
	if !start.ok {
		return ""
	}
	if !end.ok {
		end = start
	}
	return r.m.When(r.local(start), r.local(end))
}

// brief is %W.
func (r *renderer) brief() string {
	t := r.start
	if r.task() && r.end.ok {
		t = r.end
	}
	if !t.ok {
		return ""
	}
	return r.m.Brief(r.local(t), r.local(moment{at: r.in.Now.UTC()}))
}

// dates lists the values of properties such as EXDATE in iCalendar form and UTC.
func (r *renderer) dates(p *ical.Property) (list []string, day bool) {
	if periods := p.ParamIs("VALUE", "PERIOD") || strings.Contains(p.Value, "/"); periods {
		values, err := p.Periods()
		if err != nil {
			return nil, false
		}
		for _, v := range values {
			if v.Start = inUTC(r, v.Start); !v.HasDur {
				v.End = inUTC(r, v.End)
			}
			list = append(list, v.String())
		}
		return list, false
	}
	values, err := p.DateTimes()
	if err != nil {
		return nil, false
	}
	for _, d := range values {
		list = append(list, iso(r.of(d)))
		day = day || d.Kind == ical.Date
	}
	return list, day
}

func inUTC(r *renderer, d ical.DateTime) ical.DateTime {
	if t := r.of(d); !t.day && !t.float {
		return ical.FromCivil(t.at, ical.UTC, "")
	}
	return d
}
