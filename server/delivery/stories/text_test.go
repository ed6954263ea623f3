package stories

import (
	"context"
	"factotum/protocol/sitetest"
	"slices"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// instances are those of an object that are not called off.
func instances(t sitetest.Fataler, cal *ical.Component) (out []recur.Instance) {
	t.Helper()
	set, err := recur.Compile(parts(cal), recur.ZonesOf(cal))
	if err != nil {
		t.Fatalf("%v\n%s", err, cal.Bytes())
	}
	from := time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
	for in, err := range set.Between(context.Background(), from, from.AddDate(3, 0, 0), recur.UTC, recur.Budget{MaxInstances: 100}) {
		if err != nil {
			t.Fatalf("%v\n%s", err, cal.Bytes())
		}
		if in.Comp.Word("STATUS") != "CANCELLED" {
			out = append(out, in)
		}
	}
	return out
}

// named is what a meeting calls an instance: when it would begin.
func named(in recur.Instance) time.Time {
	if in.HasRID {
		return in.RecurrenceID.Civil()
	}
	start, _ := in.Comp.Prop("DTSTART").DateTime()
	return start.Civil()
}

// parts are the components of a meeting.
func parts(cal *ical.Component) (out []*ical.Component) {
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			out = append(out, c)
		}
	}
	return out
}

// of are the components that a change of the whole, or of an instance, is made in.
func of(cal *ical.Component, in *recur.Instance) []*ical.Component {
	if in != nil {
		return []*ical.Component{component(cal, *in)}
	}
	return parts(cal)
}

// component is what stands for an instance in an object: an override is made if
// there is none.
func component(cal *ical.Component, in recur.Instance) *ical.Component {
	if in.Override || !in.HasRID {
		return in.Comp
	}
	c := in.Comp.Clone()
	for _, name := range []string{"RRULE", "RDATE", "EXDATE"} {
		c.Del(name)
	}
	start, _ := c.Prop("DTSTART").DateTime()
	c.SetDateTime("RECURRENCE-ID", in.RecurrenceID)
	c.SetDateTime("DTSTART", in.RecurrenceID)
	if p := c.Prop("DTEND"); p != nil {
		end, _ := p.DateTime()
		c.SetDateTime("DTEND", ical.FromCivil(in.RecurrenceID.Civil().Add(end.Civil().Sub(start.Civil())), end.Kind, end.TZID))
	}
	cal.AddChild(c)
	return c
}

// overridden are the instances that have a component of their own.
func overridden(cal *ical.Component) map[time.Time]bool {
	out := map[time.Time]bool{}
	for _, c := range parts(cal) {
		if p := c.Prop("RECURRENCE-ID"); p != nil {
			d, _ := p.DateTime()
			out[d.Civil()] = true
		}
	}
	return out
}

// lineOf is somebody's line in a component.
func lineOf(c *ical.Component, id string) *ical.Property {
	for a := range c.All("ATTENDEE") {
		if calendar.AddressKey(a.Value) == id+"@example.com" {
			return a
		}
	}
	return nil
}

func answerOf(a *ical.Property) string {
	if a.ParamIs("PARTSTAT", "") {
		return "NEEDS-ACTION"
	}
	return a.Param("PARTSTAT")
}

// invited is a line for somebody new.
func invited(id string) ical.Property {
	p := ical.Property{Name: "ATTENDEE", Value: address(id)}
	p.SetParam("RSVP", "TRUE")
	if slices.Contains(rooms, id) {
		p.SetParam("CUTYPE", "ROOM")
	}
	return p
}

// leaveOut takes an instance out of a series; false where there is none.
func leaveOut(cal *ical.Component, in recur.Instance) bool {
	for _, c := range cal.Children {
		if c.Prop("RRULE") == nil {
			continue
		}
		ex := ical.Property{Name: "EXDATE"}
		ex.SetDateTime(in.RecurrenceID)
		c.Add(ex)
		if in.Override {
			cal.Children = slices.DeleteFunc(cal.Children, func(o *ical.Component) bool { return o == in.Comp })
		}
		return true
	}
	return false
}

// shift moves the times of a component.
func shift(c *ical.Component, names ...string) {
	for _, name := range names {
		for p := range c.All(name) {
			if d, err := p.DateTime(); err == nil {
				p.SetDateTime(ical.FromCivil(d.Civil().Add(step(d.Kind)), d.Kind, d.TZID))
			}
		}
	}
}

// shiftEnd moves the end of its rule.
func shiftEnd(c *ical.Component, by time.Duration) {
	for p := range c.All("RRULE") {
		if r, err := recur.ParseRule(p.Value); err == nil && r.HasUntil {
			r.Until = ical.FromCivil(r.Until.Civil().Add(by), r.Until.Kind, r.Until.TZID)
			p.Value = r.String()
		}
	}
}

// step is by how much meetings are moved.
func step(k ical.Kind) time.Duration {
	if k == ical.Date {
		return 7 * 24 * time.Hour
	}
	return 15 * time.Minute
}

// alarm is one.
func alarm() *ical.Component {
	a := ical.New("VALARM")
	a.Set("ACTION", "DISPLAY")
	a.Set("TRIGGER", "-PT5M")
	a.Set("DESCRIPTION", "x")
	return a
}
