package ical

import "strings"

// The functions here look at what has to agree within one component.

func checkCalendar(v *validator, c, _ *Component) {
	if len(c.Children) == 0 {
		v.add(Warning, "", "it has no components") // §3.6
	}
}

func checkEvent(v *validator, c, parent *Component) {
	checkSpan(v, c, parent)
	v.status(c, "TENTATIVE CONFIRMED CANCELLED")
}

func checkTodo(v *validator, c, _ *Component) {
	start, hasStart := v.start(c)
	v.end(c, "DUE", start, hasStart)
	v.dates(c, start, hasStart)
	// §3.6.2: a duration counts from DTSTART.
	if c.Prop("DURATION") != nil && c.Prop("DTSTART") == nil {
		v.add(Warning, "DURATION", "it needs a DTSTART to count from")
	}
	v.status(c, "NEEDS-ACTION COMPLETED IN-PROCESS CANCELLED")
}

func checkJournal(v *validator, c, _ *Component) {
	start, hasStart := v.start(c)
	v.dates(c, start, hasStart)
	v.status(c, "DRAFT FINAL CANCELLED")
}

func checkFreeBusy(v *validator, c, _ *Component) {
	start, hasStart := v.start(c)
	v.end(c, "DTEND", start, hasStart)
}

// checkSpan is for what has DTSTART, and DTEND or DURATION.
func checkSpan(v *validator, c, _ *Component) {
	start, hasStart := v.start(c)
	v.end(c, "DTEND", start, hasStart)
	v.dates(c, start, hasStart)
}

// start returns DTSTART, if it is there and can be read.
func (v *validator) start(c *Component) (DateTime, bool) {
	p := c.Prop("DTSTART")
	if p == nil {
		return DateTime{}, false
	}
	d, err := p.DateTime()
	return d, err == nil
}

// end compares DTEND or DUE, and DURATION, with the start. §3.8.2.
func (v *validator) end(c *Component, name string, start DateTime, hasStart bool) {
	dur := c.Prop("DURATION")
	if p := c.Prop(name); p != nil {
		if dur != nil {
			v.add(Warning, "DURATION", "it may not stand beside "+name)
		}
		if end, err := p.DateTime(); err == nil && hasStart {
			switch {
			case (end.Kind == Date) != (start.Kind == Date):
				v.add(Warning, name, "it has to be a date or a date-time as DTSTART is")
			case end.Kind == start.Kind && end.TZID == start.TZID && end.Civil().Before(start.Civil()):
				v.add(Warning, name, "it is before DTSTART")
			}
		}
	}
	if dur != nil {
		d, err := dur.Duration()
		switch {
		case err != nil:
		case d.Neg && !d.IsZero():
			v.add(Warning, "DURATION", "it may not be negative")
		case hasStart && start.Kind == Date && d.Time != 0:
			v.add(Warning, "DURATION", "it has to be in days or weeks as DTSTART is a date")
		}
	}
}

// dates compares what recurrences are made of with the start. §3.8.5.
func (v *validator) dates(c *Component, start DateTime, hasStart bool) {
	if !hasStart {
		if c.Prop("RRULE") != nil && c.Prop("DTSTART") == nil {
			v.add(Warning, "RRULE", "it needs a DTSTART to count from")
		}
		return
	}
	for i := range c.Props {
		p := &c.Props[i]
		switch p.Name {
		case "EXDATE", "RDATE":
			first, _, _ := strings.Cut(p.Value, ",")
			d, err := ParseDateTime(first, p.TZID(), p.valueIs("DATE"))
			if err == nil && (d.Kind == Date) != (start.Kind == Date) {
				v.add(Warning, p.Name, "it should be a date or a date-time as DTSTART is")
			}
		case "RRULE":
			_, until, ok := strings.Cut(strings.ToUpper(p.Value), "UNTIL=")
			until, _, _ = strings.Cut(until, ";")
			d, err := ParseDateTime(until, "", false)
			if !ok || err != nil {
				continue
			}
			// §3.3.10: UTC with a zone, and otherwise just like DTSTART.
			want := start.Kind
			if want == Zoned {
				want = UTC
			}
			if d.Kind != want {
				v.add(Warning, p.Name, "UNTIL should be a date, local or in UTC as DTSTART is")
			}
		}
	}
}

func (v *validator) status(c *Component, enum string) {
	if p := c.Prop("STATUS"); p != nil && !known(enum, p.Value) {
		v.addf(Warning, "STATUS", "not a status that RFC 5545 knows for %s", c.Name)
	}
}

func checkTimezone(v *validator, c, _ *Component) {
	if c.Child("STANDARD") == nil && c.Child("DAYLIGHT") == nil {
		v.add(Warning, "", "it has neither STANDARD nor DAYLIGHT")
	}
}

func checkObservance(v *validator, c, _ *Component) {
	// §3.6.5: local time, without TZID.
	if d, ok := v.start(c); ok && d.Kind != Floating {
		v.add(Warning, "DTSTART", "it has to be a local time without TZID")
	}
}

// checkAlarm is §3.6.6, by what the alarm does.
func checkAlarm(v *validator, c, parent *Component) {
	need := func(name string) {
		if c.Prop(name) == nil {
			v.add(Warning, name, "it is missing")
		}
	}
	switch c.Word("ACTION") {
	case "AUDIO":
		if c.Count("ATTACH") > 1 {
			v.add(Warning, "ATTACH", "it may not occur more than once")
		}
	case "DISPLAY":
		need("DESCRIPTION")
	case "EMAIL":
		need("DESCRIPTION")
		need("SUMMARY")
		need("ATTENDEE")
	}
	if (c.Prop("DURATION") == nil) != (c.Prop("REPEAT") == nil) {
		v.add(Warning, "REPEAT", "DURATION and REPEAT go together")
	}
	// §3.8.6.3: what a relative trigger counts from has to be there.
	t := c.Prop("TRIGGER")
	if t == nil || parent == nil {
		return
	}
	if _, _, absolute, err := t.Trigger(); absolute || err != nil {
		return
	}
	has := func(name string) bool { return parent.Prop(name) != nil }
	if t.ParamIs("RELATED", "END") {
		if !has("DTEND") && !has("DUE") && !(has("DTSTART") && has("DURATION")) {
			v.add(Warning, "TRIGGER", "it counts from an end that is not there")
		}
	} else if !has("DTSTART") && !has("DUE") {
		v.add(Warning, "TRIGGER", "it counts from a start that is not there")
	}
}
