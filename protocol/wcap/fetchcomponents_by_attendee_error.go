package wcap

import (
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// fetchByAttendeeError fetches the components of which an attendee could not
// be told: delivery leaves a status beside him. WCAP
// fetchcomponents_by_attendee_error.
func (c *call) fetchByAttendeeError() error {
	v, err := c.presentation(false)
	if err != nil {
		return err
	}
	who := ""
	if asked := strings.TrimSpace(c.p.text("attendee")); asked != "" {
		if who, err = c.calAddress(asked); err != nil {
			who = asked // nobody known: a value that was stored as it came
		}
	}
	failed := func(k *ical.Component) bool {
		for p := range k.All("ATTENDEE") {
			if (who == "" || strings.EqualFold(p.Value, who)) && undelivered(p) {
				return true
			}
		}
		return false
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
				req := calendar.QueryRequest{Calendar: cal.ID, Filter: &calendar.CompFilter{Name: "VCALENDAR",
					Comps: []calendar.CompFilter{{Name: name, Props: []calendar.PropFilter{{Name: "ATTENDEE"}}}}}}
				err := c.be.Query(c.ctx, c.who, req, func(o *calendar.Object) error {
					tree, err := ical.Parse(o.Data, ical.Limits{})
					if err != nil || !slices.ContainsFunc(tree.Children, failed) {
						return nil
					}
					return c.show(&one, &cal, o, calendar.Window{}, emit)
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// undelivered reports whether the last message to an attendee failed: class 3
// or 5 of RFC 6638 §3.2.9, or Sun's own status where it is none of the good ones.
func undelivered(p *ical.Property) bool {
	for code := range strings.SplitSeq(p.Param("SCHEDULE-STATUS"), ",") {
		if code = strings.TrimSpace(code); strings.HasPrefix(code, "3.") || strings.HasPrefix(code, "5.") {
			return true
		}
	}
	switch p.Param("X-NSCP-ATTENDEE-GSE-STATUS") {
	case "", "0", "1", "2":
		return false
	}
	return true
}
