package wcap

import (
	"errors"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// fetchByAlarmRange fetches the components that an alarm of goes off in a
// period, and of a series the instances that it is for. WCAP
// fetchcomponents_by_alarmrange.
func (c *call) fetchByAlarmRange() error {
	v, w, err := c.fetchParams(false)
	if err != nil {
		return err
	}
	return c.each(func(t *target) error {
		cal, err := c.readable(t)
		if err != nil {
			return err
		}
		c.begin(t, &cal)
		return c.limited(v, c.out.comp, func(emit func(*ical.Component) error) error {
			for _, name := range []string{"VEVENT", "VTODO"} {
				if !v.takes(name) {
					continue
				}
				one := *v
				one.events, one.todos = name == "VEVENT", name == "VTODO"
				f := calendar.CompFilter{Name: "VALARM"}
				if !open(w) {
					f.TimeRange = &w
				}
				req := calendar.QueryRequest{Calendar: cal.ID, Filter: &calendar.CompFilter{Name: "VCALENDAR",
					Comps: []calendar.CompFilter{{Name: name, Comps: []calendar.CompFilter{f}}}}}
				err := c.be.Query(c.ctx, c.who, req, func(o *calendar.Object) error { return c.showAlarmed(&one, &cal, o, w, emit) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// showAlarmed shows an object as a whole, or the instances whose alarms go off.
func (c *call) showAlarmed(v *presentation, cal *calendar.Calendar, o *calendar.Object, w calendar.Window, emit func(*ical.Component) error) error {
	tree, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil
	}
	set, zones, _ := compile(tree)
	if v.recurring || set == nil || !set.Recurring() {
		return c.show(v, cal, o, calendar.Window{}, emit)
	}
	s := c.shower(v, cal)
	s.obj, s.zones = o, zones
	left := -1
	if w.To.IsZero() {
		left = c.set.RecurrenceBound
	}
	seen := map[ical.DateTime]bool{}
	for a, err := range set.Alarms(c.ctx, w.From, w.To, s.float, recur.Budget{MaxInstances: 2000, MaxSteps: 100_000}) {
		if errors.Is(err, recur.ErrBudget) || left == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		in := a.Instance
		if seen[in.RecurrenceID] || !s.wanted(in.Comp) {
			continue
		}
		seen[in.RecurrenceID] = true
		left--
		if err := emit(s.instance(&in)); err != nil {
			return err
		}
	}
	return nil
}
