package wcap

import (
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// fetchExcluded emits the instances that series lack which were changed in a
// window: no log has the single instances, but what was deleted is an EXDATE
// of the object, and the object's last change is when at the latest. WCAP
// fetch_deletedcomponents, §6.5.
func (c *call) fetchExcluded(v *presentation, cal *calendar.Calendar, w calendar.Window, emit func(*ical.Component) error) error {
	var refs []calendar.Ref
	_, err := c.be.ListObjects(c.ctx, c.who, cal.ID, func(o *calendar.Object) error {
		if v.takes(o.Component) && o.Modified.After(o.Created) && within(o.Modified, w) {
			refs = append(refs, calendar.Ref{Calendar: o.Calendar, Name: o.Name})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(refs, 1000) {
		if err := c.be.Objects(c.ctx, c.who, calendar.ObjectsRequest{Refs: chunk}, func(r calendar.ObjectResult) error {
			if r.Err != nil {
				return nil // deleted meanwhile
			}
			return c.showExcluded(v, cal, r.Object, emit)
		}); err != nil {
			return err
		}
	}
	return nil
}

// showExcluded emits the instances that the EXDATEs of an object took out.
func (c *call) showExcluded(v *presentation, cal *calendar.Calendar, o *calendar.Object, emit func(*ical.Component) error) error {
	tree, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil
	}
	var master *ical.Component
	for _, k := range tree.Children {
		if v.takes(k.Name) && k.Prop("RECURRENCE-ID") == nil && k.Prop("EXDATE") != nil {
			master = k
		}
	}
	if master == nil {
		return nil
	}
	var dates []ical.DateTime
	for p := range master.All("EXDATE") {
		if list, err := p.DateTimes(); err == nil {
			dates = append(dates, list...)
		}
	}
	master = master.Clone()
	master.Del("EXDATE")
	zones := recur.ZonesOf(tree)
	set, err := recur.Compile([]*ical.Component{master}, zones)
	if err != nil {
		return nil
	}
	shown := *v
	shown.attrset, shown.compressed, shown.states = 2, false, nil
	s := c.shower(&shown, cal)
	s.obj, s.zones = o, zones
	print := deletedAs(cal, o.Modified, emit)
	for _, d := range dates[:min(len(dates), maxInstances)] {
		if in, ok := set.InstanceIn(d, zones, s.float); ok {
			if err := print(s.instance(&in)); err != nil {
				return err
			}
		}
	}
	return nil
}
