package itip

import (
	"slices"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// cancel applies a CANCEL to an attendee's copy. What is off as a whole stays,
// with STATUS CANCELLED, until he deletes it: nothing goes in silence. An
// instance of a series becomes an exception. RFC 5546 §3.2.5.
func (in *incoming) cancel() Receipt {
	if in.have.empty() {
		return Receipt{Reason: UnknownMeeting}
	}
	if r, ok := in.fromOrganizer(); !ok {
		return r
	}
	if in.msg.master != nil {
		return in.cancelAll()
	}
	comps := map[key]*ical.Component{}
	var master *ical.Component
	if in.have.master != nil {
		master = in.have.master.Clone()
	}
	for _, k := range in.have.order {
		comps[k] = in.have.override(k).Clone()
	}
	changed, old, unknown := 0, 0, 0
	for _, k := range in.msg.order {
		c := in.msg.override(k)
		p := c.Prop("RECURRENCE-ID")
		rid, err := p.DateTime()
		if err != nil {
			return unreadableReceipt(err, "")
		}
		here := in.have.keyOf(rid, in.msg.zones)
		have := comps[here]
		if have == nil {
			have = master
		}
		inst, shown := in.have.instance(in.spelled(rid))
		switch {
		case have == nil || !shown:
			unknown++
			continue
		case in.late(have, c):
			old++
			continue
		}
		changed++
		if master == nil {
			have.Set("STATUS", "CANCELLED")
			in.noted(have, c)
			continue
		}
		if p.ParamIs("RANGE", "THISANDFUTURE") {
			in.cut(master, inst, comps)
		} else {
			delete(comps, here)
			ex := ical.Property{Name: "EXDATE"}
			ex.SetDateTime(inst.RecurrenceID)
			master.Add(ex)
		}
		in.noted(master, c)
	}
	switch {
	case changed == 0 && old > 0:
		return Receipt{Reason: OlderRevision}
	case changed == 0 && unknown > 0:
		return Receipt{Reason: Unchanged} // it is off already, or never was on
	}
	var left []*ical.Component
	if master != nil {
		left = append(left, master)
	}
	for _, k := range in.have.order {
		if c := comps[k]; c != nil {
			left = append(left, c)
		}
	}
	return Receipt{Reason: Cancelled, Changed: true, Object: rebuild(in.have.cal, left)}
}

// spelled is a RECURRENCE-ID as the copy writes it, if it has such an instance.
func (in *incoming) spelled(rid ical.DateTime) ical.DateTime {
	if in.have.master != nil {
		if d, ok := in.have.named(rid, in.msg.zones); ok {
			return d
		}
		return rid
	}
	if c := in.have.override(in.have.keyOf(rid, in.msg.zones)); c != nil {
		if d, err := c.Prop("RECURRENCE-ID").DateTime(); err == nil {
			return d
		}
	}
	return rid
}

// cancelAll calls off all that is no newer than the message: who was invited anew
// since, to the series or to one instance, stays so when it comes again.
func (in *incoming) cancelAll() Receipt {
	if in.late(in.have.master, in.msg.master) {
		return Receipt{Reason: OlderRevision}
	}
	changed, newer := false, false
	var comps []*ical.Component
	for _, c := range in.have.all() {
		off := c.Word("STATUS") == "CANCELLED"
		if !off && in.late(c, in.msg.master) {
			newer = true
			comps = append(comps, c.Clone())
			continue
		}
		changed = changed || !off
		c = c.Clone()
		c.Set("STATUS", "CANCELLED")
		in.noted(c, in.msg.master)
		comps = append(comps, c)
	}
	switch {
	case !changed && newer:
		return Receipt{Reason: OlderRevision}
	case !changed:
		return Receipt{Reason: Unchanged}
	}
	return Receipt{Reason: Cancelled, Changed: true, Object: rebuild(in.have.cal, comps)}
}

// noted makes a component one of the revision that came.
func (in *incoming) noted(c, from *ical.Component) {
	setSequence(c, max(sequence(c), sequence(from)))
	c.Set("DTSTAMP", ical.FromCivil(in.Now.UTC().Truncate(time.Second), ical.UTC, "").String())
	revisionLine(c, received(from))
}

// cut ends a series before an instance. RFC 5545 §3.2.13.
func (in *incoming) cut(master *ical.Component, at recur.Instance, comps map[key]*ical.Component) {
	from := at.RecurrenceID
	first := in.have.instant(from, in.have.zones)
	later := func(d ical.DateTime, zones *recur.Zones) bool { return !in.have.instant(d, zones).Before(first) }
	for p := range master.All("RRULE") {
		rule, err := recur.ParseRule(p.Value)
		if err != nil {
			continue
		}
		rule.Count, rule.HasUntil = 0, true
		if from.Kind == ical.Date {
			rule.Until = ical.FromCivil(from.Civil().AddDate(0, 0, -1), ical.Date, "")
		} else if from.Kind == ical.Floating {
			rule.Until = ical.FromCivil(from.Civil().Add(-time.Second), ical.Floating, "")
		} else {
			rule.Until = ical.FromCivil(first.Add(-time.Second), ical.UTC, "")
		}
		p.Value = rule.String()
	}
	var dates []ical.Property
	for p := range master.All("RDATE") {
		ds, err := p.DateTimes()
		if err != nil || !slices.ContainsFunc(ds, func(d ical.DateTime) bool { return later(d, in.have.zones) }) {
			dates = append(dates, p.Clone())
			continue
		}
		for _, d := range ds {
			if !later(d, in.have.zones) {
				q := ical.Property{Name: "RDATE"}
				q.SetDateTime(d)
				dates = append(dates, q)
			}
		}
	}
	master.Del("RDATE")
	for _, p := range dates {
		master.Add(p)
	}
	for k, c := range comps {
		if d, err := c.Prop("RECURRENCE-ID").DateTime(); err == nil && later(d, in.have.zones) {
			delete(comps, k)
		}
	}
}
